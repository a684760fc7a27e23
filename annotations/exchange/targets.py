"""Where rows go: into the store, staged and in short transactions, or nowhere, to be counted."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

from annotations.exchange.import_options import IMPORT_ANNOTATOR
from annotations.models import AnnotatorKind, ImportBatch, State
from annotations.store.imports import ImportedJudgement
from annotations.store.text_rows import Added, NewCandidate, identify
from annotations.store.texts import NewPassage, NewQuery

if TYPE_CHECKING:
    from annotations.store import Store

Item = TypeVar("Item")
Key = TypeVar("Key")

_TARGET_SECONDS = 0.025  # of one transaction; labelling waits no longer than one of them
_PAUSE = 0.001  # seconds between two, in which who waits for the lock gets it
_ROW = 300  # what a row costs beside its text, in characters
_SMALLEST, _LARGEST = 60 * _ROW, 4000 * _ROW


@dataclass(frozen=True, slots=True, kw_only=True)
class NewJudgement:
    """A judgement of a candidate by whom a handle names."""

    candidate_id: int
    annotator: str
    state: State
    grade: int | None
    judged_at: datetime | None
    duration_ms: int | None


class Target(Protocol):
    """Takes texts, pairs and judgements, and gives ids in their order; the same text has the same id."""

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


class Counted:
    """A target that writes nothing.

    Attributes:
        judgements: how many came.
    """

    def __init__(self) -> None:
        """Start with none."""
        self._queries: dict[bytes | int, int] = {}
        self._passages: dict[bytes | int, int] = {}
        self._candidates: dict[tuple[int, int], int] = {}
        self.judgements = 0

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
        return [_number(self._queries, bytes.fromhex(identify(query.text))) for query in queries]

    def add_passages(self, passages: Sequence[NewPassage]) -> list[int]:
        """Count passages by their identity."""
        return [_number(self._passages, bytes.fromhex(identify(passage.text))) for passage in passages]

    def use_query(self, query_id: int) -> int:
        """Count a query of the project."""
        return _number(self._queries, query_id)

    def use_passage(self, passage_id: int) -> int:
        """Count a passage of the project."""
        return _number(self._passages, passage_id)

    def add_candidates(self, candidates: Sequence[NewCandidate]) -> list[int]:
        """Count pairs."""
        return [_number(self._candidates, (one.query_id, one.passage_id)) for one in candidates]

    def add_judgements(self, judgements: Sequence[NewJudgement]) -> None:
        """Count judgements."""
        self.judgements += len(judgements)


class Staged:
    """A target that stages everything under an import, in transactions of some hundredths of a second.

    Attributes:
        new_queries, new_passages, new_candidates: how many were not there before.
        new_judgements, kept_judgements: how many were written, and left out because that annotator had judged already.
        queries, passages, candidates: the ids of all that came.
    """

    def __init__(self, store: "Store", batch: ImportBatch, *, default_annotator: str) -> None:
        """Stage under a batch that was begun."""
        self._store = store
        self._batch = batch
        self._default_annotator = default_annotator
        self._annotators: dict[str, int] = {}
        self._budgets: dict[str, int] = {}
        self.queries: set[int] = set()
        self.passages: set[int] = set()
        self.candidates: set[int] = set()
        self.new_queries = self.new_passages = self.new_candidates = 0
        self.new_judgements = self.kept_judgements = 0

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
                annotator_id=self._find_annotator(one.annotator),
                state=one.state,
                grade=one.grade,
                duration_ms=one.duration_ms,
                judged_at=one.judged_at,
            )
            for one in judgements
        ]

        def write(part: list[ImportedJudgement]) -> Added:
            became = self._store.imports.add_judgements(self._batch.id, part)
            self.kept_judgements += became.kept
            return Added(ids=(), new=became.new)

        self.new_judgements += self._write(given, write, kind="judgements").new

    def _find_annotator(self, handle: str) -> int:
        """Give who judged. A new name in a file is a person's; whose judgements came without a name is an import."""
        if handle not in self._annotators:
            kind: AnnotatorKind = "import" if handle in (self._default_annotator, IMPORT_ANNOTATOR) else "human"
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
        """Write items in transactions that stay short, whatever the machine and the texts are like."""
        ids: list[int] = []
        new = start = 0
        while start < len(items):
            budget = self._budgets.get(kind, _SMALLEST)
            end = start
            while end < len(items) and (end == start or budget > 0):
                budget -= _ROW + weigh(items[end])
                end += 1
            began = time.perf_counter()
            added = write(list(items[start:end]))
            took = max(time.perf_counter() - began, 1e-4)
            if budget <= 0 or took > _TARGET_SECONDS:
                factor = min(max(_TARGET_SECONDS / took, 0.5), 2.0)
                self._budgets[kind] = min(max(int(self._budgets.get(kind, _SMALLEST) * factor), _SMALLEST), _LARGEST)
            ids += added.ids
            new += added.new
            start = end
            time.sleep(_PAUSE)
        return Added(ids=tuple(ids), new=new)


def _number(numbers: dict[Key, int], key: Key) -> int:
    return numbers.setdefault(key, len(numbers) + 1)
