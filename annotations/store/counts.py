"""How far the work is. Every count reads an index, never the rows."""

from dataclasses import dataclass
from datetime import datetime
from statistics import median

from sqlalchemy import Select, func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from annotations.models import Candidate, Judgement, JudgementEvent, Passage, Query, State
from annotations.store.database import Database
from annotations.store.visibility import is_published, select_hidden_candidates

_RECENT = 100  # judgements that say how fast somebody is now


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """How many candidates there are, and how many of them one annotator put into each state."""

    candidates: int
    graded: int
    skipped: int
    cant_tell: int
    later: int

    @property
    def unjudged(self) -> int:
        """Candidates that this annotator has not touched."""
        return self.candidates - self.graded - self.skipped - self.cant_tell - self.later


class CountsOf:
    """The counts of a store."""

    def __init__(self, database: Database) -> None:
        """Work on an open database."""
        self._database = database

    def of_query(self, query_id: int, annotator_id: int) -> Counts:
        """Count a query's candidates; none of a deleted query."""
        candidates = (
            select_columns(col(Candidate.id))
            .join(Passage, col(Passage.id) == col(Candidate.passage_id))
            .join(Query, col(Query.id) == col(Candidate.query_id))
            .where(col(Candidate.query_id) == query_id, is_published(Candidate.batch_id))
            .where(col(Passage.deleted_at).is_(None), col(Query.deleted_at).is_(None))
        )
        states = (
            select_columns(col(Judgement.state), func.count())
            .where(col(Judgement.candidate_id).in_(candidates), col(Judgement.annotator_id) == annotator_id)
            .where(col(Judgement.deleted_at).is_(None), is_published(Judgement.batch_id))
            .group_by(col(Judgement.state))
        )
        with self._database.read() as session:
            total = session.execute(select_columns(func.count()).select_from(candidates.subquery())).scalar_one()
            return _sum_up(total, _read_states(session, states))

    def of_project(self, project_id: int, annotator_id: int) -> Counts:
        """Count a project's candidates."""
        hidden = select_hidden_candidates(project_id)
        candidates = select_columns(func.count()).where(
            col(Candidate.project_id) == project_id, is_published(Candidate.batch_id), col(Candidate.id).not_in(hidden)
        )
        states = (
            select_columns(col(Judgement.state), func.count())
            .where(col(Judgement.project_id) == project_id, col(Judgement.annotator_id) == annotator_id)
            .where(col(Judgement.deleted_at).is_(None), is_published(Judgement.batch_id))
            .where(col(Judgement.candidate_id).not_in(hidden))
            .group_by(col(Judgement.state))
        )
        with self._database.read() as session:
            total = session.execute(candidates).scalar_one()
            return _sum_up(total, _read_states(session, states))

    def today(self, project_id: int, annotator_id: int, *, since: datetime | None = None) -> int:
        """Count the judgements that an annotator made or changed last today.

        Args:
            project_id: where.
            annotator_id: whose.
            since: when the day began for that person; by default when it did here.
        """
        began = since or self._database.now().astimezone().replace(hour=0, minute=0, second=0, microsecond=0)
        statement = select_columns(func.count()).where(
            col(Judgement.project_id) == project_id,
            col(Judgement.annotator_id) == annotator_id,
            col(Judgement.updated_at) >= began,
            col(Judgement.deleted_at).is_(None),
            is_published(Judgement.batch_id),
        )
        with self._database.read() as session:
            return int(session.execute(statement).scalar_one())

    def median_seconds(self, project_id: int, annotator_id: int) -> float | None:
        """Tell how long an annotator's last 100 judgements took in the middle; `None` if there is none with a time."""
        newest = (
            select(JudgementEvent)
            .where(
                col(JudgementEvent.project_id) == project_id,
                col(JudgementEvent.actor_id) == annotator_id,
                col(JudgementEvent.action) == "save",
            )
            .order_by(col(JudgementEvent.id).desc())
            .limit(_RECENT)
        )
        with self._database.read() as session:
            durations = [event.after["duration_ms"] for event in session.exec(newest)]
        known = [duration for duration in durations if duration is not None]
        return median(known) / 1000 if known else None


def _read_states(session: Session, states: Select[State, int]) -> dict[State, int]:
    return {row[0]: row[1] for row in session.execute(states)}


def _sum_up(candidates: int, states: dict[State, int]) -> Counts:
    return Counts(
        candidates=candidates,
        graded=states.get("graded", 0),
        skipped=states.get("skipped", 0),
        cant_tell=states.get("cant_tell", 0),
        later=states.get("later", 0),
    )
