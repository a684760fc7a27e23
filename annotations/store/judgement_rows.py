"""How a judgement's row is found and changed. Every change writes the row and its event, in one transaction."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from sqlalchemy import delete
from sqlmodel import Session, col, select

from annotations.errors import ConflictError, InputError
from annotations.models import Action, Candidate, Judgement, JudgementEvent, State
from annotations.store.visibility import is_published

_CONTENT = (
    "state",
    "grade",
    "score_shown",
    "position_shown",
    "order_mode",
    "guideline_version_id",
    "duration_ms",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a change comes from.

    Attributes:
        actor_id: who made it.
        action: what it is.
        at: when, to show.
        client_id: of the page that sent it.
        seq: its number among that page's.
        undoes: the event that it takes back.
        group_id: what it is one step with.
    """

    actor_id: int
    action: Action
    at: datetime
    client_id: str | None = None
    seq: int | None = None
    undoes: int | None = None
    group_id: str | None = None


def check_grade(state: str, grade: int | None) -> None:
    """Check that a judgement has a grade if it is graded, and none otherwise.

    Raises:
        InputError: it is not so, or the state is not known.
    """
    if state not in get_args(State):
        raise InputError(f"A judgement is one of {', '.join(get_args(State))}, got {state!r}.")
    if (state == "graded") != (grade is not None):
        raise InputError(f"A judgement has a grade if it is graded and none otherwise, got {state} with {grade}.")
    if grade is not None and (type(grade) is not int or not 0 <= grade <= 3):
        raise InputError(f"A grade is 0, 1, 2 or 3, got {grade!r}.")


def find_row(session: Session, candidate_id: int, annotator_id: int, *, with_staged: bool = False) -> Judgement | None:
    """Give an annotator's judgement of a candidate, or what is left of one that was undone."""
    rows = select(Judgement).where(col(Judgement.candidate_id) == candidate_id, col(Judgement.annotator_id) == annotator_id)
    if not with_staged:
        rows = rows.where(is_published(Judgement.batch_id))
    return session.exec(rows.order_by(col(Judgement.deleted_at).is_not(None), col(Judgement.id).desc()).limit(1)).first()


def describe(judgement: Judgement | None) -> dict[str, Any] | None:
    """Give what an event keeps of a judgement; `None` for one that is undone or never was."""
    if judgement is None or judgement.deleted_at is not None:
        return None
    return {name: getattr(judgement, name) for name in _CONTENT}


def change(
    session: Session, candidate: Candidate, row: Judgement | None, content: dict[str, Any] | None, origin: Origin
) -> Judgement:
    """Write what a judgement now is, and the event that says so.

    Args:
        session: of a write.
        candidate: what is judged.
        row: what `find_row` gave.
        content: as `describe` gives it; `None` takes the judgement away.
        origin: where the change comes from; its actor is the annotator.

    Returns:
        The row as it is now.

    Raises:
        ConflictError: another judgement took the place of the one that is to come back.
    """
    before = describe(row)
    if content is not None and before is None:
        _make_room(session, candidate.id, origin.actor_id)
    if row is None:
        row = Judgement(
            uuid=str(uuid.uuid4()),
            project_id=candidate.project_id,
            candidate_id=candidate.id,
            annotator_id=origin.actor_id,
            state="later",  # until the content is written below
            version=0,
            created_at=origin.at,
            updated_at=origin.at,
        )
    for name, value in (content or {}).items():
        setattr(row, name, value)
    row.version += 1  # by which a page that shows something old is known
    row.updated_at = origin.at
    row.deleted_at = origin.at if content is None else None
    session.add(row)
    session.flush()
    event = JudgementEvent(
        judgement_id=row.id,
        project_id=row.project_id,
        actor_id=origin.actor_id,
        action=origin.action,
        before=before,
        after=content,
        client_id=origin.client_id,
        seq=origin.seq,
        undoes=origin.undoes,
        group_id=origin.group_id,
        at=origin.at,
    )
    session.add(event)
    session.flush()
    return row


def _make_room(session: Session, candidate_id: int, annotator_id: int) -> None:
    """Let a judgement that a person makes now go before one that an import has only staged."""
    there = find_row(session, candidate_id, annotator_id, with_staged=True)
    if there is None or there.deleted_at is not None:
        return
    if find_row(session, candidate_id, annotator_id) is there:
        raise ConflictError("This was judged anew meanwhile, by an import. Nothing was changed.", current=there)
    session.execute(delete(JudgementEvent).where(col(JudgementEvent.judgement_id) == there.id))
    session.delete(there)
    session.flush()
