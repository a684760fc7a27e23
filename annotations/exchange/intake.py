"""Rows of all formats on their way to a target: each one is used, left out for a reason, or noted as a problem."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from annotations.errors import InputError
from annotations.exchange.file_rows import FilePassage, FileRow, Label
from annotations.exchange.file_scores import FileScore
from annotations.exchange.grades import GradeRules
from annotations.exchange.import_options import ImportOptions
from annotations.exchange.known_labels import describe_judged
from annotations.exchange.samples import SAMPLE_SIZE, SampleRow
from annotations.exchange.splits import describe_file_splits
from annotations.exchange.targets import CandidateScore, NewJudgement, Target
from annotations.exchange.training_files import RANDOM
from annotations.models import IMPORT_ANNOTATOR, AnnotatorKind, Split, State
from annotations.plurals import count
from annotations.store.text_rows import NewCandidate, identify
from annotations.store.texts import NewPassage, NewQuery
from reranker_core.examples import Problem, Problems

AT_ONCE = 1000  # pairs
_NAME: Mapping[AnnotatorKind, str] = {"human": "a person", "import": "an import", "model": "a model"}


class Verdict(NamedTuple):
    """A judgement that a row brings, its grade mapped."""

    state: State
    grade: int | None
    annotator: str
    annotator_kind: AnnotatorKind
    judged_at: datetime | None
    duration_ms: int | None
    score_shown: bool


class Pair(NamedTuple):
    """A pair of a row, both texts known to the target."""

    file: str
    line: int
    query_id: int
    passage_id: int
    source: str
    rank: int | None
    verdict: Verdict | None
    scores: tuple[FileScore, ...] = ()


@dataclass(slots=True, kw_only=True)
class Intake:
    """Takes rows, and keeps account of them.

    Attributes:
        target: where they go.
        grades: how the file's grades are read.
        options: what is taken.
        problems: takes the rows that cannot be used.
        known_kinds: of the annotators that are there, who keep theirs whatever a file says.
        used: rows that were taken.
        left_out: rows that the options left out, by reason.
        raw_grades: how often each value stands as a grade in the rows of the queries that are taken.
        splits: how many queries the file puts into each part.
        annotators: how many judgements each handle has.
        sample: the first few pairs.
    """

    target: Target
    grades: GradeRules
    options: ImportOptions
    problems: Problems
    known_kinds: Mapping[str, AnnotatorKind]
    used: int = 0
    left_out: Counter[str] = field(default_factory=Counter)
    raw_grades: Counter[str] = field(default_factory=Counter)
    splits: Counter[Split] = field(default_factory=Counter)
    annotators: Counter[str] = field(default_factory=Counter)
    sample: list[SampleRow] = field(default_factory=list)
    _seen: set[str] = field(default_factory=set)
    _split_of: dict[int, Split] = field(default_factory=dict)
    _moved: set[int] = field(default_factory=set)
    _judged: dict[tuple[int, str], tuple[State, int | None, str, int]] = field(default_factory=dict)
    _scored: set[tuple[int, str, int]] = field(default_factory=set)  # candidate, model, layer
    _at_random: set[int] = field(default_factory=set)
    _bad: set[tuple[str, int]] = field(default_factory=set)
    _kinds: dict[str, AnnotatorKind] = field(default_factory=dict)
    _said_otherwise: dict[str, AnnotatorKind] = field(default_factory=dict)

    @property
    def random_negatives(self) -> int:
        """How many candidates came because they had been filled in at random."""
        return len(self._at_random)

    @property
    def notes(self) -> tuple[str, ...]:
        """What should be known of the rows that were taken."""
        notes = [
            f'The file calls "{handle}" {_NAME[said]} on some rows, but it is {_NAME[self._kinds[handle]]}, and stays that.'
            for handle, said in self._said_otherwise.items()
        ]
        if self._moved:
            stand = "stands" if len(self._moved) == 1 else "stand"
            notes.append(f"{count(len(self._moved), 'query')} {stand} in several parts of the split. The first one counts.")
        if said := describe_file_splits(self.splits, are_ignored=self.options.ignore_splits):
            notes.append(said)
        return tuple(notes)

    def take_rows(self, rows: Iterable[FileRow]) -> None:
        """Take rows that have their texts."""
        waiting: list[tuple[FileRow, list[Verdict | None]]] = []
        pairs = 0
        for row in rows:
            if self._is_beyond(row.query):
                self.left_out[self.beyond_queries] += 1
                continue
            for passage in row.passages:
                self.count_grade(passage.label)
            try:
                waiting.append((row, [self.judge(passage.label) for passage in row.passages]))
            except InputError as error:
                self.note(row.file, row.line, str(error))
                continue
            if row.problem:
                self.note(row.file, row.line, row.problem)
            pairs += len(row.passages)
            if pairs >= AT_ONCE:
                self._take(waiting)
                waiting, pairs = [], 0
        self._take(waiting)

    def take_pairs(self, pairs: Sequence[Pair]) -> None:
        """Take pairs whose texts the target knows; contradictions are noted."""
        candidates = self.target.add_candidates(
            [
                NewCandidate(query_id=one.query_id, passage_id=one.passage_id, source=one.source, source_rank=one.rank)
                for one in pairs
            ]
        )
        judgements, scores = [], []
        for pair, candidate_id in zip(pairs, candidates, strict=True):
            for score in pair.scores:
                if (candidate_id, *score[:2]) not in self._scored:  # a pair may come twice, by two ids of one text
                    self._scored.add((candidate_id, *score[:2]))
                    scores.append(CandidateScore(candidate_id, score))
            if pair.verdict is None:
                if pair.source == RANDOM:
                    self._at_random.add(candidate_id)
            elif self._is_new(pair, candidate_id, pair.verdict):
                self.annotators[pair.verdict.annotator] += 1
                judged = pair.verdict._asdict()
                judgements.append(NewJudgement(file=pair.file, line=pair.line, candidate_id=candidate_id, **judged))
        if judgements:
            self.target.add_judgements(judgements)
        if scores:
            self.target.add_scores(scores)

    def count_grade(self, label: Label | None) -> None:
        """Count what stands as a grade in a row of a query that is taken, whether it can be used or not."""
        if label is not None and label.raw:
            self.raw_grades[label.raw] += 1

    def judge(self, label: Label | None) -> Verdict | None:
        """Give the judgement that a label is; `None` for unjudged.

        Raises:
            InputError: its grade is not mapped.
        """
        if label is None:
            return None
        grade = self.grades.read(label.raw) if label.raw else None
        state = label.state or "graded"
        if state == "graded" and grade is None:
            return None
        annotator = label.annotator or self.options.handle
        kind = self._find_kind(annotator, label.annotator_kind)
        return Verdict(state, grade, annotator, kind, label.judged_at, label.duration_ms, label.score_shown)

    def show(self, query: str, passage: str, source: str, raw_grade: str, verdict: Verdict | None) -> None:
        """Put a pair into the sample, as long as that is small."""
        if len(self.sample) < SAMPLE_SIZE:
            self.sample.append(
                SampleRow(
                    query=query,
                    passage=passage,
                    source=source,
                    state=verdict.state if verdict else None,
                    raw_grade=raw_grade,
                    grade=verdict.grade if verdict else None,
                    annotator=verdict.annotator if verdict else "",
                )
            )

    def note(self, file: str, line: int, message: str) -> None:
        """Note what is wrong with a row; a row has one problem, the first."""
        if (file, line) not in self._bad:
            self._bad.add((file, line))
            self.problems.add(Problem(source=file, line=line, message=message))

    def is_bad(self, file: str, line: int) -> bool:
        """Tell whether something is wrong with a row."""
        return (file, line) in self._bad

    def choose_split(self, split: Split | None) -> Split | None:
        """Give the part that a query is stored with: the file's, unless the options leave that out."""
        return None if self.options.ignore_splits else split

    def note_split(self, query_id: int, split: Split | None) -> None:
        """Count the part that the file has for a query; if it came with another one before, that stays."""
        if split is None:
            return
        if query_id not in self._split_of:
            self._split_of[query_id] = split
            self.splits[split] += 1
        elif self._split_of[query_id] != split:
            self._moved.add(query_id)

    @property
    def beyond_queries(self) -> str:
        """Why rows of queries beyond the first so many are left out."""
        return f"they are of queries beyond the first {self.options.max_queries}"

    def _find_kind(self, handle: str, said: AnnotatorKind | None) -> AnnotatorKind:
        """Tell what who judged is: as it is known here, else as the file says first, else a person or the import."""
        usual: AnnotatorKind = "import" if handle == IMPORT_ANNOTATOR else "human"
        kind = self._kinds.setdefault(handle, self.known_kinds.get(handle) or said or usual)
        if said is not None and said != kind:
            self._said_otherwise.setdefault(handle, said)
        return kind

    def _is_beyond(self, query: str) -> bool:
        if self.options.max_queries is None:
            return False
        sha = identify(query)
        if sha not in self._seen and len(self._seen) < self.options.max_queries:
            self._seen.add(sha)
        return sha not in self._seen

    def _take(self, judged: Sequence[tuple[FileRow, list[Verdict | None]]]) -> None:
        queries = {(row.query, row.query_id, row.split): 0 for row, _ in judged}
        passages = {_name(passage): 0 for row, _ in judged for passage in row.passages}
        wanted = [NewQuery(text=text, external_id=key, split=self.choose_split(split)) for text, key, split in queries]
        queries = dict(zip(queries, self.target.add_queries(wanted), strict=True))
        texts = [NewPassage(text=text, external_id=key, title=title) for text, key, title in passages]
        passages = dict(zip(passages, self.target.add_passages(texts), strict=True))
        pairs = []
        for row, verdicts in judged:
            query_id = queries[row.query, row.query_id, row.split]
            self.note_split(query_id, row.split)
            for passage, verdict in zip(row.passages, verdicts, strict=True):
                self.show(row.query, passage.text, passage.source, passage.label.raw if passage.label else "", verdict)
                key, source, rank = passages[_name(passage)], passage.source, passage.rank
                pairs.append(Pair(row.file, row.line, query_id, key, source, rank, verdict, passage.scores))
        self.take_pairs(pairs)
        self.used += sum(not self.is_bad(row.file, row.line) for row, _ in judged)

    def _is_new(self, pair: Pair, candidate_id: int, verdict: Verdict) -> bool:
        """Tell whether nobody of that name judged that candidate before in these files."""
        this = (verdict.state, verdict.grade, pair.file, pair.line)
        before = self._judged.setdefault((candidate_id, verdict.annotator), this)
        if before is this:
            return True
        if before[:2] != (verdict.state, verdict.grade):
            then, now = describe_judged(*before[:2]), describe_judged(verdict.state, verdict.grade)
            self.note(
                pair.file,
                pair.line,
                f"{verdict.annotator} judged the same passage for this query otherwise before: {then} in "
                f"{before[2]}:{before[3]}, here {now}. Keep one of them.",
            )
        return False


def _name(passage: FilePassage) -> tuple[str, str | None, str | None]:
    return passage.text, passage.external_id, passage.title
