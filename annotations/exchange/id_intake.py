"""Taking files that name texts by ids: texts first, then the pairs of run and qrels."""

from collections.abc import Callable, Container, Iterable, Set
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from annotations.errors import InputError
from annotations.exchange.file_lines import Tick
from annotations.exchange.file_rows import Label
from annotations.exchange.file_scores import FileScore
from annotations.exchange.id_files import IdFiles
from annotations.exchange.intake import AT_ONCE, Intake, Pair
from annotations.exchange.samples import SAMPLE_SIZE
from annotations.exchange.trec_files import RunRow
from annotations.models import Split
from annotations.store.labels import NameRow
from annotations.store.texts import NewPassage, NewQuery
from reranker_core.examples.texts import describe

if TYPE_CHECKING:
    from annotations.store import Store

Stage = Callable[[str], Tick]
"""Told the name of the next stage; gives whom to tell how far that is."""

_NAMES_TOLD = 10_000  # from one word about the progress to the next


class _IdRow(NamedTuple):
    """A pair by the ids of the files; `raw` is empty where no grade came, `score` is there where a run is."""

    file: str
    line: int
    passage_id: str
    source: str
    rank: int | None
    raw: str
    score: float | None = None


@dataclass(slots=True, kw_only=True)
class IdIntake:
    """Takes files of ids.

    Attributes:
        intake: takes what comes out.
        files: the files.
        store: the project's, for texts that no file has.
        project_id: the project.
        stage: told what is done now.
    """

    intake: Intake
    files: IdFiles
    store: "Store"
    project_id: int
    stage: Stage
    _rows: dict[str, list[_IdRow]] = field(default_factory=dict)  # by query id, in the order of the files
    _splits: dict[str, list[Split | None]] = field(default_factory=dict)
    _queries: dict[str, int] = field(default_factory=dict)  # those that are taken
    _passages: dict[str, int] = field(default_factory=dict)  # those that rows name
    _beyond: set[str] = field(default_factory=set)
    _several: set[str] = field(default_factory=set)  # ids that several texts of the project have
    _shown: list[tuple[str, _IdRow]] = field(default_factory=list)  # queries with the rows of the sample
    _texts: dict[str, str] = field(default_factory=dict)  # of the sample's passages

    def take(self) -> None:
        """Take all of it.

        Raises:
            InputError: a file cannot be read.
        """
        self._read_run(self.stage("reading the run"))
        for file in self.files.qrels:
            for row in file.read(self.intake.problems, self.stage(f"reading {file.name}")):
                splits = self._splits.setdefault(row.query_id, [])
                if file.split not in splits:
                    splits.append(file.split)
                made = _IdRow(file.name, row.line, row.passage_id, "qrels", None, row.raw)
                self._rows.setdefault(row.query_id, []).append(made)
        if "queries" in self.files.paths:
            self._take_queries(self.stage("queries"))
        else:
            self._look_up_queries(self.stage("looking up queries"))
        wanted = {row.passage_id for query_id in self._queries for row in self._rows.get(query_id, ())}
        if "corpus" in self.files.paths:
            self._take_corpus(wanted, self.stage("passages"))
        else:
            self._look_up_passages(wanted, self.stage("looking up passages"))
        self._take_rows(self.stage("candidates and judgements"))

    def _read_run(self, tick: Tick) -> None:
        """Read the run; by descending score each query's rows are ranked, and cut at the depth."""
        found: dict[str, list[RunRow]] = {}
        for row in self.files.read_run(self.intake.problems, tick):
            found.setdefault(row.query_id, []).append(row)
        depth = self.intake.options.run_depth
        for query_id, rows in found.items():
            rows.sort(key=lambda row: -row.score)
            if depth is not None and len(rows) > depth:
                self.intake.left_out[f"they are beyond the first {depth} of a query's run"] += len(rows) - depth
            name = self.files.name("run")
            self._rows[query_id] = [
                _IdRow(name, row.line, row.passage_id, row.tag, rank, "", row.score)
                for rank, row in enumerate(rows[:depth], start=1)
            ]

    def _take_queries(self, tick: Tick) -> None:
        """Take the queries of the file: all, or the first so many that have rows."""
        file, limit = self.files.name("queries"), self.intake.options.max_queries
        waiting: list[NewQuery] = []
        for line, entry in self.files.read_queries(self.intake.problems, tick):
            if not entry.text.strip():
                self.intake.note(file, line, "the query is empty. Give it a text, or remove the row.")
                continue
            if limit is not None and (entry.id not in self._rows or len(self._queries) + len(waiting) >= limit):
                self._beyond.add(entry.id)
                self.intake.left_out[self.intake.beyond_queries] += 1
                continue
            self.intake.used += 1
            split = self.intake.choose_split(next(iter(self._splits.get(entry.id, ())), None))
            waiting.append(NewQuery(text=entry.text, external_id=entry.id, split=split))
            self._show(entry.id, entry.text)
            if len(waiting) >= AT_ONCE:
                self._add_queries(waiting)
                waiting = []
        self._add_queries(waiting)

    def _add_queries(self, queries: list[NewQuery]) -> None:
        for query, key in zip(queries, self.intake.target.add_queries(queries), strict=True):
            self._queries[str(query.external_id)] = key
            for split in self._splits.get(str(query.external_id), ()):
                self.intake.note_split(key, split)

    def _take_corpus(self, wanted: Set[str], tick: Tick) -> None:
        """Take all documents of the corpus, named by rows or not: pooling and random negatives need them."""
        shown = {row.passage_id for _, row in self._shown}
        waiting: list[NewPassage] = []
        for entry in self.files.read_corpus(self.intake.problems, tick):
            self.intake.used += 1
            waiting.append(NewPassage(text=entry.passage, external_id=entry.id, title=entry.title or None))
            if entry.id in shown:
                self._texts[entry.id] = entry.passage
            if len(waiting) >= AT_ONCE:
                self._add_passages(waiting, wanted)
                waiting = []
        self._add_passages(waiting, wanted)

    def _add_passages(self, passages: list[NewPassage], wanted: Set[str]) -> None:
        for passage, key in zip(passages, self.intake.target.add_passages(passages), strict=True):
            if passage.external_id in wanted:
                self._passages[str(passage.external_id)] = key

    def _look_up_queries(self, tick: Tick) -> None:
        """Find the queries among those that the project has, in the order of the rows."""
        with self.store.labels.read(self.project_id) as reading:
            found, self._several = _find_names(reading.query_names(), self._rows, tick)
        limit = self.intake.options.max_queries
        for query_id in self._rows:
            if query_id not in found:
                continue
            if limit is not None and len(self._queries) >= limit:
                self._beyond.add(query_id)
                continue
            self._queries[query_id] = self.intake.target.use_query(found[query_id])
            if len(self._shown) < SAMPLE_SIZE:
                self._show(query_id, self.store.texts.query(found[query_id]).text)

    def _look_up_passages(self, wanted: Set[str], tick: Tick) -> None:
        """Find the passages among those that the project has."""
        with self.store.labels.read(self.project_id) as reading:
            found, several = _find_names(reading.passage_names(), wanted, tick)
        self._several |= several
        for passage_id, key in found.items():
            self._passages[passage_id] = self.intake.target.use_passage(key)
        for _, row in self._shown:
            if row.passage_id in found:
                self._texts[row.passage_id] = self.store.texts.passage(found[row.passage_id]).text

    def _take_rows(self, tick: Tick) -> None:
        """Take the pairs of all rows, query by query."""
        waiting: list[Pair] = []
        for number, (query_id, rows) in enumerate(self._rows.items()):
            if query_id in self._beyond:
                self.intake.left_out[self.intake.beyond_queries] += len(rows)
                continue
            for row in rows:
                self.intake.count_grade(_label(row))
                try:
                    waiting.append(self._resolve(query_id, row))
                except InputError as error:
                    self.intake.note(row.file, row.line, str(error))
            if len(waiting) >= AT_ONCE:
                self._finish(waiting)
                waiting = []
                tick(number / len(self._rows))
        self._finish(waiting)
        for query, row in self._shown:
            if row.passage_id in self._texts and not self.intake.is_bad(row.file, row.line):
                verdict = self.intake.judge(_label(row))
                self.intake.show(query, self._texts[row.passage_id], row.source, row.raw, verdict)

    def _finish(self, pairs: list[Pair]) -> None:
        self.intake.take_pairs(pairs)
        self.intake.used += sum(not self.intake.is_bad(pair.file, pair.line) for pair in pairs)

    def _resolve(self, query_id: str, row: _IdRow) -> Pair:
        """Find the texts of a row, and its judgement.

        Raises:
            InputError: nobody has a text for an id, or the grade is not mapped.
        """
        for kind, key, known, role in (
            ("query", query_id, self._queries, "queries"),
            ("passage", row.passage_id, self._passages, "corpus"),
        ):
            if key not in known:
                raise InputError(self._explain(kind, key, role))
        verdict = self.intake.judge(_label(row))
        query, passage = self._queries[query_id], self._passages[row.passage_id]
        scores = () if row.score is None else (FileScore(row.source, 0, row.score, row.rank),)
        return Pair(row.file, row.line, query, passage, row.source, row.rank, verdict, scores)

    def _explain(self, kind: str, key: str, role: str) -> str:
        if role in self.files.paths:
            return f"{kind} {describe(key)} is not in {self.files.name(role)}. Add it there, or remove the line."
        if key in self._several:
            return f"{kind} {describe(key)} is the id of several texts of the project. Give the file with the {role} too."
        return f"{kind} {describe(key)} has no text in the project. Give the file with the {role} too, or import it first."

    def _show(self, query_id: str, text: str) -> None:
        """Choose rows of a query for the sample, those with a grade first."""
        rows = sorted(self._rows.get(query_id, ()), key=lambda row: not row.raw)
        self._shown += [(text, row) for row in rows[: SAMPLE_SIZE - len(self._shown)]]


def _label(row: _IdRow) -> Label | None:
    return Label(raw=row.raw) if row.raw else None


def _find_names(names: Iterable[NameRow], wanted: Container[str], tick: Tick) -> tuple[dict[str, int], set[str]]:
    """Give the texts that have the wanted ids, and the ids that several texts have."""
    found: dict[str, int] = {}
    several: set[str] = set()
    for number, name in enumerate(names):
        if name.ext_id in wanted and found.setdefault(name.ext_id, name.text_id) != name.text_id:
            several.add(name.ext_id)
        if number % _NAMES_TOLD == 0:
            tick(0.0)
    return {ext_id: key for ext_id, key in found.items() if ext_id not in several}, several
