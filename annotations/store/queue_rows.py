"""What the queue needs: the candidates of one query with scores and states, and which queries are still open."""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, case, exists, func, literal
from sqlalchemy import select as select_columns
from sqlalchemy.orm import aliased
from sqlmodel import col

from annotations.errors import InputError
from annotations.models import Annotator, Candidate, Judgement, ModelScore, Passage, Query
from annotations.queue import QueueRow, QueueScore
from annotations.store.database import Database
from annotations.store.visibility import is_published


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenQuery:
    """A query that an annotator is not done with.

    Attributes:
        query_id: which.
        text: of the query.
        open: how many candidates are left to judge; with a depth, no more than are missing to it.
    """

    query_id: int
    text: str
    open: int


class Queue:
    """The queue of a store: what is not judged yet."""

    def __init__(self, database: Database) -> None:
        """Work on an open database."""
        self._database = database

    def rows(self, query_id: int, annotator_id: int) -> list[QueueRow]:
        """List a query's candidates with their scores and one annotator's judgements; none of a deleted query."""
        mine = aliased(Judgement)
        candidates = (
            select_columns(
                col(Candidate.id),
                col(Candidate.source),
                col(Candidate.source_rank),
                col(mine.state),
                col(mine.grade),
                col(mine.version),
                _is_graded_by_import(),
            )
            .join(Query, col(Query.id) == col(Candidate.query_id))
            .join(Passage, col(Passage.id) == col(Candidate.passage_id))
            .outerjoin(mine, and_(col(mine.candidate_id) == col(Candidate.id), _is_mine(mine, annotator_id)))
            .where(col(Candidate.query_id) == query_id, is_published(Candidate.batch_id))
            .where(col(Query.deleted_at).is_(None), col(Passage.deleted_at).is_(None))
            .order_by(col(Candidate.id))
        )
        scores = (
            select_columns(
                col(ModelScore.candidate_id), col(ModelScore.model_ref_id), col(ModelScore.score), col(ModelScore.rank)
            )
            .join(Candidate, col(Candidate.id) == col(ModelScore.candidate_id))
            .where(col(Candidate.query_id) == query_id, is_published(ModelScore.batch_id))
            .order_by(col(ModelScore.candidate_id), col(ModelScore.model_ref_id))
        )
        by_candidate: dict[int, dict[int, QueueScore]] = {}
        with self._database.read() as session:
            for key, model, score, rank in session.execute(scores):
                by_candidate.setdefault(key, {})[model] = QueueScore(score=score, rank=rank)
            return [
                QueueRow(
                    candidate_id=key,
                    source=source,
                    source_rank=rank,
                    scores=by_candidate.get(key, {}),
                    state=state,
                    grade=grade,
                    version=version or 0,
                    is_imported=is_imported,
                )
                for key, source, rank, state, grade, version, is_imported in session.execute(candidates)
            ]

    def open_queries(
        self,
        project_id: int,
        annotator_id: int,
        *,
        after_query_id: int | None = None,
        limit: int = 10,
        include_imported: bool = False,
        depth: int | None = None,
    ) -> list[OpenQuery]:
        """List the queries that have candidates which the annotator has not judged, in the order they were added.

        What was put off (`later`) is not judged, and is open even if an import graded it.

        Args:
            project_id: where.
            annotator_id: whose.
            after_query_id: only queries that were added after this one.
            limit: at most so many.
            include_imported: whether what an import graded is to be judged too.
            depth: so many judged candidates of a query are enough; `None`: all of them.

        Raises:
            InputError: the limit or the depth is no number from 1.
        """
        for name, value in (("limit", limit), ("depth", depth)):
            if value is not None and (type(value) is not int or value < 1):
                raise InputError(f"{name} must be a whole number from 1, got {value!r}.")
        candidates = (
            select_columns(func.count())
            .where(col(Candidate.query_id) == col(Query.id), is_published(Candidate.batch_id))
            .correlate(Query)
        )
        is_open = _is_open(project_id, annotator_id, include_imported)
        left: ColumnElement[int] = candidates.where(is_open).scalar_subquery()
        has_open = candidates.with_only_columns(literal(1)).where(is_open).exists()
        statement = (
            select_columns(col(Query.id), col(Query.text))
            .where(col(Query.project_id) == project_id, col(Query.id) > (after_query_id or 0))
            .where(col(Query.deleted_at).is_(None), is_published(Query.batch_id))
            .order_by(col(Query.id))
            .limit(limit)
        )
        if depth is not None:
            is_done = case((_is_deleted(project_id), False), else_=_is_judged_by(annotator_id))
            enough = candidates.with_only_columns(literal(1)).where(is_done).limit(depth)  # stops counting there
            missing = depth - select_columns(func.count()).select_from(enough.subquery()).scalar_subquery()
            statement = statement.where(missing > 0)  # before the other condition, which looks at more
            left = case((missing < left, missing), else_=left)
        statement = statement.where(has_open).add_columns(left)
        with self._database.read() as session:
            rows = session.execute(statement)
            return [OpenQuery(query_id=key, text=text, open=count) for key, text, count in rows]


def _is_mine(judgement: Any, annotator_id: int) -> ColumnElement[bool]:
    return and_(
        col(judgement.annotator_id) == annotator_id,
        col(judgement.deleted_at).is_(None),
        is_published(judgement.batch_id),
    )


def _is_judged_by(annotator_id: int) -> ColumnElement[bool]:
    of_candidate = col(Judgement.candidate_id) == col(Candidate.id)
    return exists().where(of_candidate, col(Judgement.state) != "later", _is_mine(Judgement, annotator_id))


def _is_put_off_by(annotator_id: int) -> ColumnElement[bool]:
    of_candidate = col(Judgement.candidate_id) == col(Candidate.id)
    return exists().where(of_candidate, col(Judgement.state) == "later", _is_mine(Judgement, annotator_id))


def _is_deleted(project_id: int) -> ColumnElement[bool]:
    deleted = select_columns(col(Passage.id)).where(
        col(Passage.project_id) == project_id, col(Passage.deleted_at).is_not(None)
    )
    return col(Candidate.passage_id).in_(deleted)


def _is_open(project_id: int, annotator_id: int, include_imported: bool) -> ColumnElement[bool]:
    """Hold for candidates that are left to judge. What is most often the reason why not is looked at first."""
    others = () if include_imported else ((and_(_is_graded_by_import(), ~_is_put_off_by(annotator_id)), False),)
    return case((_is_judged_by(annotator_id), False), (_is_deleted(project_id), False), *others, else_=True)


def _is_graded_by_import() -> ColumnElement[bool]:
    imported = aliased(Judgement)
    importers = select_columns(col(Annotator.id)).where(col(Annotator.kind) == "import")
    return exists().where(
        col(imported.candidate_id) == col(Candidate.id),
        col(imported.annotator_id).in_(importers),
        col(imported.state) == "graded",
        col(imported.deleted_at).is_(None),
        is_published(imported.batch_id),
    )
