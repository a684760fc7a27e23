"""Undo, redo, and what happened to a judgement. All of it is read from the events, so it outlives pages and programs."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import exists
from sqlalchemy.orm import aliased
from sqlmodel import Session, col, select

from annotations.errors import ConflictError, InputError
from annotations.models import Candidate, Judgement, JudgementEvent
from annotations.store.database import Database, require
from annotations.store.judgement_rows import Origin, change
from annotations.store.visibility import is_published

Seen = int | tuple[str, int]  # an event's id, 0 for none; or client_id and seq of one of the judgements of a step


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One judgement that a step changed.

    Attributes:
        query_id: where it is.
        candidate_id: what was judged.
        judgement: as it is now; `None` if the candidate is not judged any more.
    """

    query_id: int
    candidate_id: int
    judgement: Judgement | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What undo or redo did.

    Attributes:
        status: `"done"`; `"repeated"`, because it was done when it was sent before; or `"nothing"`, because there is
            nothing to undo or redo.
        changes: what was changed, or, if repeated, what it is now; by candidate.
    """

    status: Literal["done", "repeated", "nothing"]
    changes: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSteps:
    """What undo and redo would find: the ids of the newest events; `None` where there is nothing."""

    undo_id: int | None
    redo_id: int | None

    @property
    def can_undo(self) -> bool:
        """Whether there is something to undo."""
        return self.undo_id is not None

    @property
    def can_redo(self) -> bool:
        """Whether there is something to redo."""
        return self.redo_id is not None


class History:
    """The events of a store.

    The steps of an annotator in a project are one line, whichever page they came from: undo takes back the newest that
    stands, redo the newest that was taken back, unless something was judged since. Nobody's but one's own are touched.
    Imports are no steps.
    """

    def __init__(self, database: Database) -> None:
        """Work on an open database."""
        self._database = database

    def undo(
        self,
        project_id: int,
        annotator_id: int,
        *,
        client_id: str | None = None,
        seq: int | None = None,
        seen: Seen | None = None,
    ) -> Step:
        """Take back the annotator's newest step that stands; what was saved together is one.

        Args:
            project_id: where.
            annotator_id: whose.
            client_id: of the page, with `seq` its number of this send: sent again, nothing is done twice.
            seq: as with a judgement.
            seen: what the annotator takes for the newest step; `None` to take back whatever is.

        Raises:
            ConflictError: the newest step is not the one that was seen; nothing was changed.
            InputError: that number was another send's; nothing was changed.
            StorageError: it could not be written; nothing was.
        """
        return self._step("undo", project_id, annotator_id, client_id, seq, seen)

    def redo(
        self,
        project_id: int,
        annotator_id: int,
        *,
        client_id: str | None = None,
        seq: int | None = None,
        seen: Seen | None = None,
    ) -> Step:
        """Do again what the annotator undid last, unless something was judged since; arguments as for `undo`.

        Raises:
            ConflictError: what was undone last is not what was seen, or an import judged the candidate for the same
                annotator meanwhile; nothing was changed.
            InputError: that number was another send's; nothing was changed.
            StorageError: it could not be written; nothing was.
        """
        return self._step("redo", project_id, annotator_id, client_id, seq, seen)

    def of(self, judgement: Judgement | int) -> list[JudgementEvent]:
        """List what happened to a judgement, the oldest first.

        Args:
            judgement: or its id.
        """
        judgement_id = judgement if isinstance(judgement, int) else judgement.id
        statement = (
            select(JudgementEvent)
            .join(Judgement, col(Judgement.id) == col(JudgementEvent.judgement_id))
            .where(col(JudgementEvent.judgement_id) == judgement_id, is_published(Judgement.batch_id))
            .order_by(col(JudgementEvent.id))
        )
        with self._database.read() as session:
            return [*session.exec(statement)]

    def of_candidate(self, candidate_id: int, annotator_id: int) -> list[JudgementEvent]:
        """List what happened to an annotator's judgements of a candidate, the oldest first; also where none stands now.

        Args:
            candidate_id: what was judged.
            annotator_id: whose judgements.
        """
        statement = (
            select(JudgementEvent)
            .join(Judgement, col(Judgement.id) == col(JudgementEvent.judgement_id))
            .where(
                col(Judgement.candidate_id) == candidate_id,
                col(Judgement.annotator_id) == annotator_id,
                is_published(Judgement.batch_id),
            )
            .order_by(col(JudgementEvent.id))
        )
        with self._database.read() as session:
            return [*session.exec(statement)]

    def open_steps(self, project_id: int, annotator_id: int) -> OpenSteps:
        """Tell whether an annotator has something to undo or to redo in a project."""
        with self._database.read() as session:
            undoable = find_undoable(session, project_id, annotator_id)
            redoable = find_redoable(session, project_id, annotator_id)
            return OpenSteps(
                undo_id=None if undoable is None else undoable.id, redo_id=None if redoable is None else redoable.id
            )

    def _step(
        self,
        action: Literal["undo", "redo"],
        project_id: int,
        annotator_id: int,
        client_id: str | None,
        seq: int | None,
        seen: Seen | None,
    ) -> Step:
        with self._database.write() as session:
            if client_id is not None:
                earlier = _find_sent(session, client_id, seq)
                if earlier:
                    _check_same(earlier, action, project_id, annotator_id)
                    rows = [require(session, Judgement, event.judgement_id) for event in earlier]
                    return Step(status="repeated", changes=_describe(session, rows))
            find = find_undoable if action == "undo" else find_redoable
            newest = find(session, project_id, annotator_id)
            if newest is None:
                return Step(status="nothing", changes=())
            group = _find_group(session, newest)
            if seen is not None:
                _refuse_unseen(session, action, group, seen)
            rows = []
            group_id = str(uuid.uuid4()) if newest.group_id else None
            for event in group:
                row = require(session, Judgement, event.judgement_id)
                origin = Origin(
                    actor_id=annotator_id,
                    action=action,
                    at=self._database.now(),
                    client_id=None if rows else client_id,
                    seq=None if rows or client_id is None else seq,
                    undoes=event.id,
                    group_id=group_id,
                )
                candidate = require(session, Candidate, row.candidate_id)
                rows.append(change(session, candidate, row, event.before, origin))
            return Step(status="done", changes=_describe(session, rows))


def find_undoable(session: Session, project_id: int, annotator_id: int) -> JudgementEvent | None:
    """Give the newest of an annotator's saves that stands: not undone, or redone since."""
    undoing, redoing = aliased(JudgementEvent), aliased(JudgementEvent)
    is_redone = exists().where(col(redoing.undoes) == col(undoing.id))
    is_undone = exists().where(col(undoing.undoes) == col(JudgementEvent.id), ~is_redone)
    saves = select(JudgementEvent).where(
        col(JudgementEvent.project_id) == project_id,
        col(JudgementEvent.actor_id) == annotator_id,
        col(JudgementEvent.action) == "save",
        ~is_undone,
    )
    return session.exec(saves.order_by(col(JudgementEvent.id).desc()).limit(1)).first()


def find_redoable(session: Session, project_id: int, annotator_id: int) -> JudgementEvent | None:
    """Give the newest of an annotator's undos that stands, unless something was saved since."""
    redoing = aliased(JudgementEvent)
    mine = select(JudgementEvent).where(
        col(JudgementEvent.project_id) == project_id, col(JudgementEvent.actor_id) == annotator_id
    )
    newest_first = mine.order_by(col(JudgementEvent.id).desc()).limit(1)
    save = session.exec(newest_first.where(col(JudgementEvent.action) == "save")).first()
    undo = session.exec(
        newest_first.where(
            col(JudgementEvent.action) == "undo", ~exists().where(col(redoing.undoes) == col(JudgementEvent.id))
        )
    ).first()
    return None if undo is None or (save is not None and save.id > undo.id) else undo


def _find_sent(session: Session, client_id: str, seq: int | None) -> Sequence[JudgementEvent]:
    """Give what a send of a page did, if it arrived before."""
    same = select(JudgementEvent).where(col(JudgementEvent.client_id) == client_id, col(JudgementEvent.seq) == seq)
    event = session.exec(same).first()
    return _find_group(session, event) if event else []


def _refuse_unseen(session: Session, action: str, group: Sequence[JudgementEvent], seen: Seen) -> None:
    """Refuse a step that is not the one that somebody saw.

    Raises:
        ConflictError: it is another one.
    """
    if isinstance(seen, int):
        is_it = seen in [event.id for event in group]
    else:  # a page knows its judgements by its own numbers, whatever was undone and done again since
        saves = group if action == "undo" else [require(session, JudgementEvent, event.undoes or 0) for event in group]
        is_it = seen in [(event.client_id, event.seq) for event in saves]
    if not is_it:
        raise ConflictError(
            "The newest step is not the one that this page shows: something was judged or undone elsewhere meanwhile. "
            f"Nothing was changed; {action} again to {action} that one."
        )


def _check_same(events: Sequence[JudgementEvent], action: str, project_id: int, annotator_id: int) -> None:
    """Check that an earlier send of that number was this step.

    Raises:
        InputError: it was another one, so answering "repeated" would lose this one.
    """
    event = events[0]
    if (event.action, event.project_id, event.actor_id) != (action, project_id, annotator_id):
        raise InputError(
            f"A send of that number of page {event.client_id} was something else, so this {action} changed nothing. Load "
            "the page again."
        )


def _find_group(session: Session, event: JudgementEvent) -> Sequence[JudgementEvent]:
    """Give all events that are one step with an event, the newest first."""
    if event.group_id is None:
        return [event]
    together = select(JudgementEvent).where(
        col(JudgementEvent.group_id) == event.group_id, col(JudgementEvent.actor_id) == event.actor_id
    )
    return session.exec(together.order_by(col(JudgementEvent.id).desc())).all()


def _describe(session: Session, rows: Sequence[Judgement]) -> tuple[Change, ...]:
    changes = []
    for judgement in sorted({row.id: row for row in rows}.values(), key=lambda row: row.candidate_id):
        candidate = require(session, Candidate, judgement.candidate_id)
        shown = judgement if judgement.deleted_at is None else None
        changes.append(Change(query_id=candidate.query_id, candidate_id=candidate.id, judgement=shown))
    return tuple(changes)
