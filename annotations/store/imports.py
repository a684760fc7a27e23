"""Imports: staged in short transactions that nobody sees, then published by one, or thrown away."""

import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select
from sqlmodel.sql.expression import SelectOfScalar

from annotations.errors import ConflictError, InputError
from annotations.models import Annotator, Candidate, ImportBatch, Judgement, JudgementEvent, Project, Scale, State
from annotations.store.database import Database, require
from annotations.store.judgement_rows import check_grade, describe
from annotations.store.sqlite import delete_some
from annotations.store.text_rows import require_staged, split_up

_DELETED_AT_ONCE = 2000  # rows in one transaction, so that labelling beside it does not wait


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedJudgement:
    """A judgement from a file, with the time that stands there, if one does."""

    candidate_id: int
    annotator_id: int
    state: State
    grade: int | None = None
    duration_ms: int | None = None
    score_shown: bool = False
    judged_at: datetime | None = None

    def __post_init__(self) -> None:
        """Check that there is a grade where there should be one.

        Raises:
            InputError: there is not, or the state is not known.
        """
        check_grade(self.state, self.grade)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedJudgements:
    """What became of judgements: written, or left out because that annotator had judged that candidate already.

    Attributes:
        new: how many were written.
        kept: how many were left out.
        differing: those of them that say something else than what is there: the place in the input, and what is there.
    """

    new: int
    kept: int
    differing: tuple[tuple[int, State, int | None], ...] = ()


class Imports:
    """The imports of a store. A project has at most one that is being staged."""

    def __init__(self, database: Database, *, before_import: Callable[[], object]) -> None:
        """Work on an open database.

        Args:
            database: an open one.
            before_import: called before an import begins; what it raises prevents that.
        """
        self._database = database
        self._before_import = before_import

    def begin(
        self, project_id: int, *, source_kind: str, source_name: str, sha256: str, scale: Scale | None = None
    ) -> ImportBatch:
        """Begin to stage an import; what is then added with its id is seen by nobody.

        Args:
            project_id: where to.
            source_kind: such as `beir`.
            source_name: such as the file's name.
            sha256: of the file.
            scale: of the grades that it brings, if it brings any.

        Raises:
            ConflictError: another import of the project is being staged.
            InputError: there is no such project, or it has the other scale.
        """
        self._before_import()
        with self._database.write() as session:
            project = require(session, Project, project_id)
            _check_scale(project, scale)
            other = session.exec(_select_staged(project_id)).first()
            if other:
                raise ConflictError(
                    f'The import of {other.source_name} into "{project.name}" is not finished. Wait for it, or cancel it '
                    "and try again."
                )
            batch = ImportBatch(
                project_id=project_id,
                source_kind=source_kind,
                source_name=source_name,
                sha256=sha256,
                scale=scale,
                created_at=self._database.now(),
            )
            session.add(batch)
            session.flush()
            return batch

    def find_staged(self, project_id: int) -> ImportBatch | None:
        """Give the project's import that is being staged, perhaps by a program that ended meanwhile."""
        with self._database.read() as session:
            return session.exec(_select_staged(project_id)).first()

    def find_published(self, project_id: int, sha256: str) -> ImportBatch | None:
        """Give the newest import of a file into a project, if it was published."""
        same = select(ImportBatch).where(
            col(ImportBatch.project_id) == project_id,
            col(ImportBatch.sha256) == sha256,
            col(ImportBatch.published_at).is_not(None),
        )
        with self._database.read() as session:
            return session.exec(same.order_by(col(ImportBatch.id).desc()).limit(1)).first()

    def list(self, project_id: int) -> "list[ImportBatch]":
        """List a project's published imports, the newest first."""
        mine = select(ImportBatch).where(
            col(ImportBatch.project_id) == project_id, col(ImportBatch.published_at).is_not(None)
        )
        with self._database.read() as session:
            return [*session.exec(mine.order_by(col(ImportBatch.id).desc()))]

    def add_judgements(self, batch_id: int, judgements: Sequence[ImportedJudgement]) -> ImportedJudgements:
        """Stage judgements; where an annotator has judged a candidate already, that stays and the file's is left out.

        Raises:
            InputError: the import has no scale but a grade came, or a grade is not of that scale, or an annotator or
                candidate is not there.
        """
        new = done = 0
        differing: list[tuple[int, State, int | None]] = []
        with self._database.write() as session:
            batch = require_staged(session, batch_id)
            for chunk in split_up(judgements):
                _check_judgements(session, batch, chunk)
                there = _find_judged(session, chunk)
                new += _add_judgements(session, batch, chunk, there=there, now=self._database.now())
                for place, given in enumerate(chunk, start=done):
                    row = there.get((given.candidate_id, given.annotator_id))
                    if row and row.deleted_at is None and (row.state, row.grade) != (given.state, given.grade):
                        differing.append((place, row.state, row.grade))
                done += len(chunk)
        return ImportedJudgements(new=new, kept=len(judgements) - new, differing=tuple(differing))

    def publish(self, batch_id: int, *, counts: Any = None, report: Any = None) -> ImportBatch:
        """Make all of an import seen at once, by one short transaction.

        Args:
            batch_id: of `begin`.
            counts: what it brought, as JSON.
            report: what was left out and why, as JSON.

        Raises:
            InputError: there is no such import, or it was published.
            ConflictError: the project got the other scale meanwhile. The import stays staged.
        """
        with self._database.write() as session:
            batch = require_staged(session, batch_id)
            project = require(session, Project, batch.project_id)
            graded = select(Judgement).where(col(Judgement.batch_id) == batch_id, col(Judgement.state) == "graded")
            if batch.scale and session.exec(graded.limit(1)).first():
                try:
                    _check_scale(project, batch.scale)
                except InputError as error:
                    raise ConflictError(str(error)) from error
                project.scale = batch.scale
                session.add(project)
            batch.counts, batch.report, batch.published_at = counts, report, self._database.now()
            session.add(batch)
            return batch

    def discard(self, batch_id: int) -> None:
        """Cancel an import: delete what it staged, in short transactions, and at last itself.

        Raises:
            InputError: there is no such import, or it was published.
        """
        tables = (
            "judgement_event",
            "judgement",
            "model_score",
            "candidate",
            "passage_external_id",
            "query_external_id",
            "passage",
            "query",
        )
        for table in tables:
            count = _DELETED_AT_ONCE
            while count == _DELETED_AT_ONCE:
                with self._database.write() as session:
                    require_staged(session, batch_id)
                    count = delete_some(session.connection(), table, batch_id=batch_id, at_most=_DELETED_AT_ONCE)
        with self._database.write() as session:
            session.delete(require_staged(session, batch_id))


def _select_staged(project_id: int) -> SelectOfScalar[ImportBatch]:
    return select(ImportBatch).where(col(ImportBatch.project_id) == project_id, col(ImportBatch.published_at).is_(None))


def _check_scale(project: Project, scale: Scale | None) -> None:
    if scale and project.scale and scale != project.scale:
        raise InputError(
            f'The grades of the file are {scale}, those of "{project.name}" {project.scale}, as its first label made them. '
            "Map them, or import into another project."
        )


def _check_judgements(session: Session, batch: ImportBatch, chunk: list[ImportedJudgement]) -> None:
    """Check that judgements fit the import's scale, and that what they are about is there.

    Raises:
        InputError: it is not so.
    """
    candidate_ids = {given.candidate_id for given in chunk}
    annotator_ids = {given.annotator_id for given in chunk}
    # The project is compared here: asked for both, SQLite 3.40 looks through all candidates of the project.
    candidates = select_columns(col(Candidate.id), col(Candidate.project_id)).where(col(Candidate.id).in_(candidate_ids))
    of_project = {key for key, project_id in session.execute(candidates) if project_id == batch.project_id}
    for candidate_id in candidate_ids - of_project:
        raise InputError(f"There is no candidate {candidate_id} in the import's project. Add it first.")
    annotators = select_columns(col(Annotator.id)).where(col(Annotator.id).in_(annotator_ids))
    for annotator_id in annotator_ids - set(session.scalars(annotators)):
        raise InputError(f"There is no annotator {annotator_id}. Add it first.")
    for given in chunk:
        if given.grade is not None and (batch.scale is None or (batch.scale == "binary" and given.grade > 1)):
            raise InputError(
                f"The import's scale is {batch.scale or 'not given'}, which has no grade {given.grade}. Map the grades, or "
                "begin the import with their scale."
            )


def _find_judged(session: Session, chunk: list[ImportedJudgement]) -> dict[tuple[int, int], Judgement]:
    """Give what those annotators said of those candidates before; of several that were undone the newest."""
    # More pairs than are given, but found by the index: for a list of pairs SQLite 3.40 reads the whole table.
    there = select(Judgement).where(
        col(Judgement.candidate_id).in_({given.candidate_id for given in chunk}),
        col(Judgement.annotator_id).in_({given.annotator_id for given in chunk}),
    )
    found: dict[tuple[int, int], Judgement] = {}
    for row in session.exec(there.order_by(col(Judgement.deleted_at).is_(None), col(Judgement.version))):
        found[row.candidate_id, row.annotator_id] = row
    return found


def _add_judgements(
    session: Session,
    batch: ImportBatch,
    chunk: list[ImportedJudgement],
    *,
    there: Mapping[tuple[int, int], Judgement],
    now: datetime,
) -> int:
    """Stage those judgements with their events of which none is there, and tell how many."""
    taken = {pair for pair, row in there.items() if row.deleted_at is None}
    rows = []
    for given in chunk:
        pair = (given.candidate_id, given.annotator_id)
        if pair in taken:
            continue
        taken.add(pair)
        rows.append(
            {
                "uuid": str(uuid.uuid4()),
                "project_id": batch.project_id,
                "candidate_id": given.candidate_id,
                "annotator_id": given.annotator_id,
                "state": given.state,
                "grade": given.grade,
                "duration_ms": given.duration_ms,
                "score_shown": given.score_shown,
                "version": there[pair].version + 1 if pair in there else 1,  # never one that a page may have seen
                "batch_id": batch.id,
                "created_at": given.judged_at or now,
                "updated_at": given.judged_at or now,
            }
        )
    if rows:
        session.execute(insert(Judgement), rows)
        written = select(Judgement).where(col(Judgement.uuid).in_([row["uuid"] for row in rows]))
        events = [
            {
                "judgement_id": row.id,
                "project_id": row.project_id,
                "actor_id": row.annotator_id,
                "action": "import",
                "after": describe(row),
                "at": now,
            }
            for row in session.exec(written)
        ]
        session.execute(insert(JudgementEvent), events)
    return len(rows)
