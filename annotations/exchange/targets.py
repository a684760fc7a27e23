"""Where rows go: into the store, staged and in short transactions, or nowhere, to be counted."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeVar

from annotations.exchange.file_scores import FileScore
from annotations.exchange.known_labels import TOLD, KnownLabels, note_difference
from annotations.exchange.unfinished import check_spare
from annotations.models import AnnotatorKind, ImportBatch, State
from annotations.store.imports import ImportedJudgement
from annotations.store.scores import NewScore
from annotations.store.text_rows import Added, NewCandidate, identify
from annotations.store.texts import NewPassage, NewQuery
from reranker_core.examples import Problems

if TYPE_CHECKING:
    from annotations.store import Store

Item = TypeVar("Item")
Key = TypeVar("Key")

_TARGET_SECONDS = 0.015  # of work in one transaction, beside which the disk takes its time; labelling waits for one at most
_PAUSE = 0.005  # seconds between two, in which another program that waits gets its turn
_ROW = 300  # what a row costs beside its text, in characters
_SMALLEST, _LARGEST = 60 * _ROW, 4000 * _ROW


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJudgement:
    """A judgement of a candidate by whom a handle names, and where it stands in which file."""

    file: str
    line: int
    candidate_id: int
    annotator: str
    annotator_kind: AnnotatorKind
    state: State
    grade: int | None
    judged_at: datetime | None
    duration_ms: int | None
    score_shown: bool


class CandidateScore(NamedTuple):
    """A model's score of a candidate."""

    candidate_id: int
    score: FileScore


class Target(Protocol):
    """Takes texts, pairs and judgements, and gives ids in their order; the same text has the same id.

    Attributes:
        differing: judgements that say something else than the same annotator does in the project, which stays.
    """

    differing: Problems

    def add_queries(self, queries: Sequence[NewQuery]) -> list[int]:
        """Take queries."""
        ...

    def add_passages(self, passages: Sequence[NewPassage]) -> list[int]:
        """Take passages."""
        ...

    def use_query(self, query_id: int) -> int:
        """Take a query that the project has, by its id there."""
        ...

    def use_passage(self, passage_id: int) -> int:
        """Take a passage that the project has, by its id there."""
        ...

    def add_candidates(self, candidates: Sequence[NewCandidate]) -> list[int]:
        """Take pairs of ids that were given before."""
        ...

    def add_judgements(self, judgements: Sequence[NewJudgement]) -> None:
        """Take judgements of candidates that were given before."""
        ...

    def add_scores(self, scores: Sequence[CandidateScore]) -> None:
        """Take scores of candidates that were given before, one of each model and layer."""
        ...


class Counted:
    """A target that writes nothing.

    Attributes:
        judgements, scores: how many came.
        differing: as `Target` has it.
    """

    def __init__(self, store: "Store", project_id: int) -> None:
        """Start with none, and compare them with what a project has."""
        self._known = KnownLabels(store, project_id)
        self._queries: dict[bytes | int, int] = {}
        self._passages: dict[bytes | int, int] = {}
        self._candidates: dict[tuple[int, int], int] = {}
        self._pairs: dict[int, tuple[int, int]] = {}  # of the candidates that were given last
        self.judgements = self.scores = 0
        self.differing = Problems(limit=TOLD)

    @property
    def queries(self) -> int:
        """How many different queries came."""
        return len(self._queries)

    @property
    def passages(self) -> int:
        """How many different passages came."""
        return len(self._passages)

    @property
    def candidates(self) -> int:
        """How many different pairs came."""
        return len(self._candidates)

    def add_queries(self, queries: Sequence[NewQuery]) -> list[int]:
        """Count queries by their identity."""
        hashes = [identify(query.text) for query in queries]
        numbers = [_number(self._queries, bytes.fromhex(sha256)) for sha256 in hashes]
        self._known.learn("query", numbers, hashes)
        return numbers

    def add_passages(self, passages: Sequence[NewPassage]) -> list[int]:
        """Count passages by their identity."""
        hashes = [identify(passage.text) for passage in passages]
        numbers = [_number(self._passages, bytes.fromhex(sha256)) for sha256 in hashes]
        self._known.learn("passage", numbers, hashes)
        return numbers

    def use_query(self, query_id: int) -> int:
        """Count a query of the project."""
        number = _number(self._queries, query_id)
        self._known.use("query", number, query_id)
        return number

    def use_passage(self, passage_id: int) -> int:
        """Count a passage of the project."""
        number = _number(self._passages, passage_id)
        self._known.use("passage", number, passage_id)
        return number

    def add_candidates(self, candidates: Sequence[NewCandidate]) -> list[int]:
        """Count pairs."""
        pairs = [(one.query_id, one.passage_id) for one in candidates]
        numbers = [_number(self._candidates, pair) for pair in pairs]
        self._pairs = dict(zip(numbers, pairs, strict=True))
        return numbers

    def add_judgements(self, judgements: Sequence[NewJudgement]) -> None:
        """Count judgements of candidates that were given last, and compare them with those that are there."""
        self.judgements += len(judgements)
        said = self._known.find([self._pairs[one.candidate_id] for one in judgements])
        for one in judgements:
            there = said.get((*self._pairs[one.candidate_id], one.annotator))
            if there is not None:
                note_difference(
                    self.differing,
                    file=one.file,
                    line=one.line,
                    annotator=one.annotator,
                    given=(one.state, one.grade),
                    there=there,
                )

    def add_scores(self, scores: Sequence[CandidateScore]) -> None:
        """Count scores."""
        self.scores += len(scores)


class Staged:
    """A target that stages everything under an import, in transactions of some hundredths of a second.

    Attributes:
        new_queries, new_passages, new_candidates: how many were not there before.
        new_judgements, kept_judgements: how many were written, and left out because that annotator had judged already.
        new_scores, kept_scores: the same for scores, where that model had scored that candidate already.
        queries, passages, candidates: the ids of all that came.
        differing: as `Target` has it.
    """

    def __init__(self, store: "Store", batch: ImportBatch) -> None:
        """Stage under a batch that was begun."""
        self._store = store
        self._batch = batch
        self._annotators: dict[str, int] = {}
        self._models: dict[tuple[str, int], int] = {}
        self._budgets: dict[str, int] = {}
        self.queries: set[int] = set()
        self.passages: set[int] = set()
        self.candidates: set[int] = set()
        self.new_queries = self.new_passages = self.new_candidates = 0
        self.new_judgements = self.kept_judgements = 0
        self.new_scores = self.kept_scores = 0
        self.differing = Problems(limit=TOLD)

    def add_queries(self, queries: Sequence[NewQuery]) -> list[int]:
        """Stage queries."""
        added = self._write(
            queries,
            lambda part: self._store.texts.add_queries(self._batch.project_id, part, batch_id=self._batch.id),
            kind="queries",
            weigh=lambda query: len(query.text),
        )
        self.new_queries += added.new
        self.queries.update(added.ids)
        return list(added.ids)

    def add_passages(self, passages: Sequence[NewPassage]) -> list[int]:
        """Stage passages."""
        added = self._write(
            passages,
            lambda part: self._store.texts.add_passages(self._batch.project_id, part, batch_id=self._batch.id),
            kind="passages",
            weigh=lambda passage: len(passage.text),
        )
        self.new_passages += added.new
        self.passages.update(added.ids)
        return list(added.ids)

    def use_query(self, query_id: int) -> int:
        """Note a query that the project has."""
        self.queries.add(query_id)
        return query_id

    def use_passage(self, passage_id: int) -> int:
        """Note a passage that the project has."""
        self.passages.add(passage_id)
        return passage_id

    def add_candidates(self, candidates: Sequence[NewCandidate]) -> list[int]:
        """Stage pairs."""
        added = self._write(
            candidates,
            lambda part: self._store.texts.add_candidates(part, batch_id=self._batch.id),
            kind="candidates",
        )
        self.new_candidates += added.new
        self.candidates.update(added.ids)
        return list(added.ids)

    def add_judgements(self, judgements: Sequence[NewJudgement]) -> None:
        """Stage judgements, and make annotators who are not there yet."""
        given = [
            ImportedJudgement(
                candidate_id=one.candidate_id,
                annotator_id=self._find_annotator(one.annotator, one.annotator_kind),
                state=one.state,
                grade=one.grade,
                duration_ms=one.duration_ms,
                score_shown=one.score_shown,
                judged_at=one.judged_at,
            )
            for one in judgements
        ]

        remaining = iter(judgements)

        def write(part: list[ImportedJudgement]) -> Added:
            became = self._store.imports.add_judgements(self._batch.id, part)
            self.kept_judgements += became.kept
            these = list(islice(remaining, len(part)))
            for place, state, grade in became.differing:
                one = these[place]
                note_difference(
                    self.differing,
                    file=one.file,
                    line=one.line,
                    annotator=one.annotator,
                    given=(one.state, one.grade),
                    there=(state, grade),
                )
            return Added(ids=(), new=became.new)

        self.new_judgements += self._write(given, write, kind="judgements").new

    def add_scores(self, scores: Sequence[CandidateScore]) -> None:
        """Stage scores, and name models that are not known yet."""
        by_model: dict[tuple[str, int], list[NewScore]] = {}
        for candidate_id, (model, layer, score, rank) in scores:
            made = NewScore(candidate_id=candidate_id, score=score, rank=rank)
            by_model.setdefault((model, layer), []).append(made)
        for (model, layer), given in by_model.items():
            if (model, layer) not in self._models:
                self._models[model, layer] = self._store.scores.add_model(model, layer=layer).id
            model_id = self._models[model, layer]

            def write(part: list[NewScore], model_id: int = model_id) -> Added:
                return Added(ids=(), new=self._store.scores.put(model_id, part, batch_id=self._batch.id))

            new = self._write(given, write, kind="scores").new
            self.new_scores += new
            self.kept_scores += len(given) - new

    def _find_annotator(self, handle: str, kind: AnnotatorKind) -> int:
        """Give who judged, who is of that kind if there was none of that name."""
        if handle not in self._annotators:
            self._annotators[handle] = self._store.annotators.get_or_add(handle, kind=kind).id
        return self._annotators[handle]

    def _write(
        self,
        items: Sequence[Item],
        write: Callable[[list[Item]], Added],
        *,
        kind: str,
        weigh: Callable[[Item], int] = lambda item: 0,
    ) -> Added:
        """Write items in transactions that stay short, whatever the machine and the texts are like.

        Only the work of this thread counts: where others keep the machine or the disk busy, smaller transactions would
        make more of them, and all wait longer.
        """
        ids: list[int] = []
        new = start = 0
        while start < len(items):
            budget = self._budgets.get(kind, _SMALLEST)
            end = start
            while end < len(items) and (end == start or budget > 0):
                budget -= _ROW + weigh(items[end])
                end += 1
            began = time.thread_time()
            added = write(list(items[start:end]))
            took = max(time.thread_time() - began, 1e-4)
            if budget <= 0 or took > _TARGET_SECONDS:
                factor = min(max(_TARGET_SECONDS / took, 0.5), 2.0)
                self._budgets[kind] = min(max(int(self._budgets.get(kind, _SMALLEST) * factor), _SMALLEST), _LARGEST)
            ids += added.ids
            new += added.new
            start = end
            check_spare(self._store)
            time.sleep(_PAUSE)
        return Added(ids=tuple(ids), new=new)


def _number(numbers: dict[Key, int], key: Key) -> int:
    return numbers.setdefault(key, len(numbers) + 1)
