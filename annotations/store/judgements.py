"""Saving judgements: written once, however often they are sent, and acknowledged after COMMIT."""

import uuid
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from sqlalchemy import func
from sqlmodel import Session, col, select

from annotations.errors import ConflictError, InputError
from annotations.models import (
    Annotator,
    Candidate,
    GuidelineVersion,
    Judgement,
    JudgementEvent,
    Passage,
    Project,
    Query,
    Scale,
    State,
)
from annotations.store.database import BULK, Database, require
from annotations.store.judgement_rows import Origin, change, check_grade, find_row
from annotations.store.visibility import is_published


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgementInput:
    """A judgement as a page sends it.

    Attributes:
        candidate_id: what was judged.
        annotator_id: who did.
        state: `"graded"`, `"skipped"`, `"cant_tell"` or `"later"`.
        grade: 0 to 3 if graded, else `None`; the binary scale has 0 and 1.
        scale: on which it was graded. A project's first label needs it, and fixes it for the project.
        expected_version: of the judgement that the page showed; 0 where it showed none.
        client_id: of the page load, at random.
        seq: the page's number of this send, from 0; sent again, it is the same.
        score_shown: whether scores could be seen.
        position_shown: where in the list it stood, from 1.
        order_mode: how the list was ordered.
        guideline_version_id: which guideline was shown.
        duration_ms: how long it took.
    """

    candidate_id: int
    annotator_id: int
    state: State
    client_id: str
    seq: int
    grade: int | None = None
    scale: Scale | None = None
    expected_version: int = 0
    score_shown: bool = False
    position_shown: int | None = None
    order_mode: str = ""
    guideline_version_id: int | None = None
    duration_ms: int | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without the database.

        Raises:
            InputError: a value cannot be used.
        """
        check_grade(self.state, self.grade)
        if self.scale is not None and self.scale not in get_args(Scale):
            raise InputError(f"A scale is one of {', '.join(get_args(Scale))}, got {self.scale!r}.")
        if not self.client_id:
            raise InputError("A page needs a client_id, a random text that it keeps until it is loaded again.")
        for name in ("seq", "expected_version", "duration_ms"):
            value = getattr(self, name)
            if value is not None and (type(value) is not int or value < 0):
                raise InputError(f"{name} must be a whole number from 0, got {value!r}.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What became of a judgement that was sent.

    Attributes:
        status: `"saved"`; `"repeated"`, because it was saved before; or `"late"`, because something newer of the same page
            was. The last two write nothing.
        judgement: as it is now; `None` if it was undone since.
        deleted: which of the pair's texts was deleted, so that the judgement is kept, but out of sight until that is
            restored; `None` if it is in sight.
    """

    status: Literal["saved", "repeated", "late"]
    judgement: Judgement | None
    deleted: Literal["query", "passage"] | None = None


class Judgements:
    """The judgements of a store. None is ever deleted."""

    def __init__(self, database: Database, *, on_saved: Callable[[int], None], before_bulk: Callable[[], object]) -> None:
        """Work on an open database.

        Args:
            database: an open one.
            on_saved: told how many were committed; must not fail.
            before_bulk: called before 20 or more are changed at once; what it raises prevents that.
        """
        self._database = database
        self._on_saved = on_saved
        self._before_bulk = before_bulk

    def save(self, judgement: JudgementInput) -> Saved:
        """Write a judgement; once this returns, it is on the disk.

        Raises:
            ConflictError: the judgement is no longer of the version that the page showed; holds what it is now.
            InputError: candidate, annotator or guideline are not there, or the grade is not of the project's scale.
            StorageError: it could not be written; nothing was.
        """
        with self._database.write() as session:
            saved = self._save(session, judgement, group_id=None)
        self._note([saved])
        return saved

    def save_many(self, judgements: Sequence[JudgementInput], *, group: str | None = None) -> list[Saved]:
        """Write many judgements of one annotator in one project at once, all or none; undo takes them back as one step.

        Before 20 or more a verified copy of the database is made.

        Args:
            judgements: each with a `seq` of its own.
            group: the step's id, by default a new one.

        Raises:
            ConflictError, InputError, StorageError: as for `save`, for one of them; none was written.
        """
        if len({judgement.annotator_id for judgement in judgements}) > 1:
            raise InputError(
                "Judgements that are saved together must be of one annotator. Save those of each on their own."
            )
        if len(judgements) >= BULK:
            self._before_bulk()
        group_id = group or str(uuid.uuid4())
        with self._database.write() as session:
            saved = [self._save(session, judgement, group_id=group_id) for judgement in judgements]
            projects = {one.judgement.project_id for one in saved if one.judgement is not None}
            if len(projects) > 1:
                raise InputError(
                    "Judgements that are saved together must be of one project. Save those of each on their own."
                )
        self._note(saved)
        return saved

    def get(self, candidate_id: int, annotator_id: int) -> Judgement | None:
        """Give an annotator's judgement of a candidate, if there is one."""
        with self._database.read() as session:
            return _shown(find_row(session, candidate_id, annotator_id))

    def of_query(self, query_id: int, *, annotator_id: int | None = None) -> list[Judgement]:
        """List the judgements of a query's candidates, by candidate; of all annotators or of one."""
        statement = (
            select(Judgement)
            .join(Candidate, col(Candidate.id) == col(Judgement.candidate_id))
            .where(col(Candidate.query_id) == query_id, col(Judgement.deleted_at).is_(None))
            .where(is_published(Candidate.batch_id), is_published(Judgement.batch_id))
            .order_by(col(Judgement.candidate_id), col(Judgement.annotator_id))
        )
        if annotator_id is not None:
            statement = statement.where(col(Judgement.annotator_id) == annotator_id)
        with self._database.read() as session:
            return [*session.exec(statement)]

    def _note(self, saved: Sequence[Saved]) -> None:
        self._on_saved(sum(one.status == "saved" for one in saved))

    def _save(self, session: Session, given: JudgementInput, *, group_id: str | None) -> Saved:
        candidate, deleted = _require_candidate(session, given.candidate_id)
        row = find_row(session, given.candidate_id, given.annotator_id)
        earlier = _find_sent(session, given)
        if earlier is not None:
            return Saved(status="repeated", judgement=_shown(row), deleted=deleted)
        if row is not None and _was_overtaken(session, row, given):
            return Saved(status="late", judgement=_shown(row), deleted=deleted)
        shown = _shown(row)
        if given.expected_version != (shown.version if shown else 0):
            raise ConflictError(_describe_conflict(shown), current=shown)
        require(session, Annotator, given.annotator_id)
        _check_guideline(session, candidate, given)
        _fit_scale(session, candidate, given)
        origin = Origin(
            actor_id=given.annotator_id,
            action="save",
            at=self._database.now(),
            client_id=given.client_id,
            seq=given.seq,
            group_id=group_id,
        )
        return Saved(status="saved", judgement=change(session, candidate, row, _content(given), origin), deleted=deleted)


def _shown(row: Judgement | None) -> Judgement | None:
    return row if row is not None and row.deleted_at is None else None


def _content(given: JudgementInput) -> dict[str, Any]:
    """Give what is kept of an input, as `describe` does of a row."""
    values = asdict(given)
    for name in ("candidate_id", "annotator_id", "client_id", "seq", "scale", "expected_version"):
        del values[name]
    return values


def _require_candidate(session: Session, candidate_id: int) -> tuple[Candidate, Literal["query", "passage"] | None]:
    """Give a candidate, and which of its texts was deleted."""
    statement = (
        select(Candidate, col(Query.deleted_at).is_not(None), col(Passage.deleted_at).is_not(None))
        .join(Query, col(Query.id) == col(Candidate.query_id))
        .join(Passage, col(Passage.id) == col(Candidate.passage_id))
        .where(col(Candidate.id) == candidate_id, is_published(Candidate.batch_id))
    )
    found = session.exec(statement).first()
    if found is None:
        raise InputError(f"There is no candidate {candidate_id}. Load the page again.")
    candidate, is_query_deleted, is_passage_deleted = found
    return candidate, "query" if is_query_deleted else "passage" if is_passage_deleted else None


def _find_sent(session: Session, given: JudgementInput) -> JudgementEvent | None:
    """Give the event of the same send, if it arrived before.

    Raises:
        InputError: that number was another judgement's, so answering "repeated" would lose this one.
    """
    same = select(JudgementEvent).where(
        col(JudgementEvent.client_id) == given.client_id, col(JudgementEvent.seq) == given.seq
    )
    event = session.exec(same).first()
    if event is None:
        return None
    judgement = require(session, Judgement, event.judgement_id)
    is_same = (
        event.action == "save"
        and judgement.candidate_id == given.candidate_id
        and judgement.annotator_id == given.annotator_id
        and (event.after["state"], event.after["grade"]) == (given.state, given.grade)
    )
    if not is_same:
        raise InputError(
            f"Number {given.seq} of page {given.client_id} was another judgement, so this one was not saved. Load the page "
            "again and judge again."
        )
    return event


def _was_overtaken(session: Session, row: Judgement, given: JudgementInput) -> bool:
    """Tell whether the same page sent something newer for this judgement; other pages' numbers say nothing."""
    newest = select(func.max(col(JudgementEvent.seq))).where(
        col(JudgementEvent.judgement_id) == row.id, col(JudgementEvent.client_id) == given.client_id
    )
    seq = session.exec(newest).one()
    return seq is not None and seq > given.seq


def _describe_conflict(shown: Judgement | None) -> str:
    if shown is None:
        return "This was undone in another tab meanwhile. Nothing was changed; choose which to keep."
    what = f"grade {shown.grade}" if shown.state == "graded" else shown.state.replace("_", " ")
    return f"This was judged in another tab meanwhile: {what}. Nothing was changed; choose which to keep."


def _check_guideline(session: Session, candidate: Candidate, given: JudgementInput) -> None:
    if given.guideline_version_id is not None:
        version = require(session, GuidelineVersion, given.guideline_version_id)
        if version.project_id != candidate.project_id:
            raise InputError(f"Guideline version {version.id} is another project's. Load the page again.")


def _fit_scale(session: Session, candidate: Candidate, given: JudgementInput) -> None:
    """Hold a grade to the project's scale, which the first one fixes."""
    if given.grade is None:
        return
    project = require(session, Project, candidate.project_id)
    if project.scale is None:
        if given.scale is None:
            raise InputError(f'"{project.name}" has no scale yet. Send "binary" or "graded" with its first label.')
        project.scale = given.scale
        session.add(project)
    if given.scale not in (None, project.scale):
        raise InputError(
            f'"{project.name}" is {project.scale}, as its first label made it, but the page graded {given.scale}. Grade it '
            "again, on that scale."
        )
    if project.scale == "binary" and given.grade > 1:
        raise InputError(f'"{project.name}" is binary: its grades are 0 and 1, got {given.grade}. Load the page again.')
