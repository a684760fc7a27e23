"""What a reading method gives: no row of an import that is not published, nothing of a deleted text."""

from typing import Any

from sqlalchemy import ColumnElement, CompoundSelect, or_, select
from sqlalchemy import union as sql_union
from sqlmodel import col

from annotations.models import Candidate, ImportBatch, Passage, Query


def is_published(batch_id: Any) -> ColumnElement[bool]:
    """Hold for rows of no import or of a published one. The staged ones are few, so SQLite looks them up once."""
    staged = select(col(ImportBatch.id)).where(col(ImportBatch.published_at).is_(None))
    column = col(batch_id)
    return or_(column.is_(None), column.not_in(staged))


def select_hidden_candidates(project_id: int) -> CompoundSelect[int]:
    """Give the candidates whose query or passage was deleted; far fewer than those that are there."""
    queries = select(col(Query.id)).where(col(Query.project_id) == project_id, col(Query.deleted_at).is_not(None))
    passages = select(col(Passage.id)).where(col(Passage.project_id) == project_id, col(Passage.deleted_at).is_not(None))
    return sql_union(
        select(col(Candidate.id)).where(col(Candidate.query_id).in_(queries)),
        select(col(Candidate.id)).where(col(Candidate.passage_id).in_(passages)),
    )
