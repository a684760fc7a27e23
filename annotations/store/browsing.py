"""What the Data screen shows: pairs, queries and what was deleted, a page at a time."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, TypeVar

from sqlalchemy import Select, func, literal
from sqlalchemy import select as select_columns
from sqlmodel import Session, col

from annotations.errors import InputError
from annotations.gold import NEGATIVE_TO, POSITIVE_FROM, settle
from annotations.models import (
    Annotator,
    AnnotatorKind,
    Candidate,
    Judgement,
    ModelScore,
    Passage,
    Project,
    Query,
    Split,
    State,
)
from annotations.store.database import Database, require
from annotations.store.pair_filters import PairFilter, select_pairs
from annotations.store.search import holds_words
from annotations.store.text_rows import split_up
from annotations.store.visibility import is_published, select_hidden_candidates

Row = TypeVar("Row")

MOST_ROWS = 1000  # of one page


@dataclass(frozen=True, slots=True, kw_only=True)
class Page(Generic[Row]):
    """Some rows of a list, and how many the whole list has."""

    rows: tuple[Row, ...]
    total: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PairJudgement:
    """One annotator's judgement of a pair."""

    annotator_id: int
    handle: str
    kind: AnnotatorKind
    state: State
    grade: int | None
    version: int
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A query with one of its candidates.

    Attributes:
        candidate_id: of the pair.
        query_id: of the query.
        query: its text.
        passage_id: of the passage.
        passage: its text, whole.
        source: where the candidate came from.
        source_rank: its rank there, from 1.
        split: the part in which the query is stored, if it is in one.
        judgements: of all annotators, by their ids.
        scores: how many models and layers scored it.
    """

    candidate_id: int
    query_id: int
    query: str
    passage_id: int
    passage: str
    source: str
    source_rank: int | None
    split: Split | None
    judgements: tuple[PairJudgement, ...]
    scores: int


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryCounts:
    """A query, and how far its labels are.

    Attributes:
        query_id: which.
        text: of the query.
        split: the part in which it is stored, if it is in one.
        candidates: that can be judged.
        judged: of these, by anybody; `later` is not judged.
        positives: by the gold grade (majority) and the usual threshold of the scale.
        negatives: likewise.
    """

    query_id: int
    text: str
    split: Split | None
    candidates: int
    judged: int
    positives: int
    negatives: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletedText:
    """A query or a passage that was deleted, and can be restored."""

    kind: Literal["query", "passage"]
    id: int
    text: str
    deleted_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class DeletionCount:
    """What a deletion would take out of sight; restoring brings all of it back."""

    queries: int
    passages: int
    candidates: int
    judgements: int


class Browse:
    """The pages of a store. Nothing that is only staged is on them."""

    def __init__(self, database: Database) -> None:
        """Work on an open database."""
        self._database = database

    def pairs(self, project_id: int, *, filters: PairFilter | None = None, offset: int = 0, limit: int = 50) -> Page[Pair]:
        """List pairs in the order in which they were added: by hand or by a pool first, then import by import.

        Args:
            project_id: where.
            filters: which; all by default.
            offset: how many come before the page.
            limit: at most so many, up to 1,000.

        Raises:
            InputError: a filter names an annotator who is not there, or offset or limit cannot be used.
        """
        _check_page(offset, limit)
        with self._database.read() as session:
            chosen = filters or PairFilter()
            wanted = select_pairs(session, project_id, chosen)
            in_order = wanted.order_by(col(Candidate.batch_id), col(Candidate.id))  # as an index has them
            if chosen.text.strip():  # searching takes most of the time, so it is done once for both
                found = session.scalars(in_order).all()
                ids, total = found[offset : offset + limit], len(found)
            else:
                total = session.execute(wanted.with_only_columns(func.count())).scalar_one()
                ids = session.scalars(in_order.offset(offset).limit(limit)).all()
            return Page(rows=_read_pairs(session, ids), total=total)

    def sources(self, project_id: int) -> list[str]:
        """List where a project's candidates came from, to filter by."""
        mine = select_columns(col(Candidate.source)).where(
            col(Candidate.project_id) == project_id, is_published(Candidate.batch_id)
        )
        with self._database.read() as session:
            return sorted(session.scalars(mine.distinct()))

    def queries(self, project_id: int, *, text: str = "", offset: int = 0, limit: int = 50) -> Page[QueryCounts]:
        """List queries in the order in which they were added, with their counts.

        Args:
            project_id: where.
            text: words that all are in the query.
            offset: how many come before the page.
            limit: at most so many, up to 1,000.

        Raises:
            InputError: there is no such project, or text, offset or limit cannot be used.
        """
        _check_page(offset, limit)
        wanted = select_columns(col(Query.id), col(Query.text), col(Query.split)).where(
            col(Query.project_id) == project_id,
            col(Query.deleted_at).is_(None),
            is_published(Query.batch_id),
            holds_words(Query, text),
        )
        with self._database.read() as session:
            project = require(session, Project, project_id)
            total = session.execute(wanted.with_only_columns(func.count(col(Query.id)))).scalar_one()
            queries = session.execute(wanted.order_by(col(Query.id)).offset(offset).limit(limit)).all()
            counted = _count_labels(session, project, [key for key, _, _ in queries])
            rows = []
            for key, words, split in queries:
                candidates, judged, positives, negatives = counted[key]
                rows.append(
                    QueryCounts(
                        query_id=key,
                        text=words,
                        split=split,
                        candidates=candidates,
                        judged=judged,
                        positives=positives,
                        negatives=negatives,
                    )
                )
            return Page(rows=tuple(rows), total=total)

    def deleted(self, project_id: int, *, offset: int = 0, limit: int = 50) -> Page[DeletedText]:
        """List the queries and passages that were deleted, the newest deletion first.

        Raises:
            InputError: offset or limit cannot be used.
        """
        _check_page(offset, limit)
        both = _select_deleted("query", Query, project_id).union_all(_select_deleted("passage", Passage, project_id))
        found = both.subquery()
        page = select_columns(found).order_by(found.c.deleted_at.desc(), found.c.kind.desc(), found.c.id)
        with self._database.read() as session:
            total = session.execute(select_columns(func.count()).select_from(found)).scalar_one()
            rows = session.execute(page.offset(offset).limit(limit))
            return Page(
                rows=tuple(DeletedText(kind=kind, id=key, text=text, deleted_at=at) for kind, key, text, at in rows),
                total=total,
            )

    def count_of_deletion(self, *, query_ids: Iterable[int] = (), passage_ids: Iterable[int] = ()) -> DeletionCount:
        """Count what deleting queries and passages would take out of sight, not counting what is so already."""
        candidates: set[int] = set()
        with self._database.read() as session:
            texts = []
            for table, column, ids in (
                (Query, Candidate.query_id, query_ids),
                (Passage, Candidate.passage_id, passage_ids),
            ):
                there = 0
                for chunk in split_up(dict.fromkeys(ids)):
                    shown = select_columns(col(table.id)).where(
                        col(table.id).in_(chunk), col(table.deleted_at).is_(None), is_published(table.batch_id)
                    )
                    keys = [*session.scalars(shown)]
                    there += len(keys)
                    candidates.update(session.scalars(_select_seen().where(col(column).in_(keys))))
                texts.append(there)
            judgements = 0
            for chunk in split_up(sorted(candidates)):
                of_these = select_columns(func.count()).where(
                    col(Judgement.candidate_id).in_(chunk),
                    col(Judgement.deleted_at).is_(None),
                    is_published(Judgement.batch_id),
                )
                judgements += session.execute(of_these).scalar_one()
        return DeletionCount(queries=texts[0], passages=texts[1], candidates=len(candidates), judgements=judgements)


def _check_page(offset: int, limit: int) -> None:
    if type(offset) is not int or offset < 0:
        raise InputError(f"offset must be a whole number from 0, got {offset!r}.")
    if type(limit) is not int or not 1 <= limit <= MOST_ROWS:
        raise InputError(f"limit must be a whole number from 1 to {MOST_ROWS:,}, got {limit!r}.")


def _select_seen() -> Select[int]:
    """Give the candidates of which neither query nor passage was deleted."""
    return (
        select_columns(col(Candidate.id))
        .join(Query, col(Query.id) == col(Candidate.query_id))
        .join(Passage, col(Passage.id) == col(Candidate.passage_id))
        .where(col(Query.deleted_at).is_(None), col(Passage.deleted_at).is_(None), is_published(Candidate.batch_id))
    )


def _select_deleted(
    kind: str, table: type[Query] | type[Passage], project_id: int
) -> Select[str, int, str, datetime | None]:
    return select_columns(literal(kind).label("kind"), col(table.id), col(table.text), col(table.deleted_at)).where(
        col(table.project_id) == project_id, col(table.deleted_at).is_not(None), is_published(table.batch_id)
    )


def _read_pairs(session: Session, ids: Sequence[int]) -> tuple[Pair, ...]:
    """Give pairs by their ids, in that order."""
    pairs = (
        select_columns(Candidate, col(Query.text), col(Query.split), col(Passage.text))
        .join(Query, col(Query.id) == col(Candidate.query_id))
        .join(Passage, col(Passage.id) == col(Candidate.passage_id))
    )
    scores = (
        select_columns(col(ModelScore.candidate_id), func.count())
        .where(is_published(ModelScore.batch_id))
        .group_by(col(ModelScore.candidate_id))
    )
    found: dict[int, Pair] = {}
    for chunk in split_up(ids):
        judgements = read_judgements(session, chunk)
        counts = dict(session.execute(scores.where(col(ModelScore.candidate_id).in_(chunk))).tuples().all())
        for candidate, query, split, passage in session.execute(pairs.where(col(Candidate.id).in_(chunk))):
            found[candidate.id] = Pair(
                candidate_id=candidate.id,
                query_id=candidate.query_id,
                query=query,
                passage_id=candidate.passage_id,
                passage=passage,
                source=candidate.source,
                source_rank=candidate.source_rank,
                split=split,
                judgements=tuple(judgements.get(candidate.id, ())),
                scores=counts.get(candidate.id, 0),
            )
    return tuple(found[key] for key in ids)


def read_judgements(session: Session, candidate_ids: list[int]) -> dict[int, list[PairJudgement]]:
    """Give the judgements of candidates, those of each by annotator."""
    statement = (
        select_columns(
            col(Judgement.candidate_id),
            col(Judgement.annotator_id),
            col(Annotator.handle),
            col(Annotator.kind),
            col(Judgement.state),
            col(Judgement.grade),
            col(Judgement.version),
            col(Judgement.updated_at),
        )
        .join(Annotator, col(Annotator.id) == col(Judgement.annotator_id))
        .where(col(Judgement.candidate_id).in_(candidate_ids), col(Judgement.deleted_at).is_(None))
        .where(is_published(Judgement.batch_id))
        .order_by(col(Judgement.candidate_id), col(Judgement.annotator_id))
    )
    found: dict[int, list[PairJudgement]] = {}
    for key, annotator_id, handle, kind, state, grade, version, updated_at in session.execute(statement):
        judgement = PairJudgement(
            annotator_id=annotator_id,
            handle=handle,
            kind=kind,
            state=state,
            grade=grade,
            version=version,
            updated_at=updated_at,
        )
        found.setdefault(key, []).append(judgement)
    return found


def _count_labels(session: Session, project: Project, query_ids: list[int]) -> dict[int, tuple[int, int, int, int]]:
    """Count the candidates of queries: all, judged, positive, negative."""
    candidates = dict.fromkeys(query_ids, 0)
    judged: dict[int, set[int]] = {key: set() for key in query_ids}
    grades: dict[tuple[int, int], list[tuple[AnnotatorKind, int]]] = {}
    hidden = select_hidden_candidates(project.id)
    shown = (is_published(Candidate.batch_id), col(Candidate.id).not_in(hidden))
    counts = select_columns(col(Candidate.query_id), func.count()).where(*shown).group_by(col(Candidate.query_id))
    judgements = (
        select_columns(
            col(Candidate.query_id), col(Candidate.id), col(Annotator.kind), col(Judgement.state), col(Judgement.grade)
        )
        .join(Judgement, col(Judgement.candidate_id) == col(Candidate.id))
        .join(Annotator, col(Annotator.id) == col(Judgement.annotator_id))
        .where(*shown, col(Judgement.deleted_at).is_(None), is_published(Judgement.batch_id))
    )
    for chunk in split_up(query_ids):
        candidates.update((key, count) for key, count in session.execute(counts.where(col(Candidate.query_id).in_(chunk))))
        for key, candidate, kind, state, grade in session.execute(judgements.where(col(Candidate.query_id).in_(chunk))):
            if state != "later":
                judged[key].add(candidate)
            if grade is not None:
                grades.setdefault((key, candidate), []).append((kind, grade))
    positives, negatives = dict.fromkeys(query_ids, 0), dict.fromkeys(query_ids, 0)
    for (key, _), of_pair in grades.items():
        gold = settle(of_pair, rule="majority").grade
        positives[key] += gold >= POSITIVE_FROM[project.scale or "binary"]
        negatives[key] += gold <= NEGATIVE_TO
    return {key: (candidates[key], len(judged[key]), positives[key], negatives[key]) for key in query_ids}
