"""Projects with their guidelines, and who judges in them."""

import secrets
import unicodedata

from sqlmodel import Session, col, select

from annotations.errors import InputError
from annotations.models import (
    IMPORT_ANNOTATOR,
    LONGEST_NAME,
    Annotator,
    AnnotatorKind,
    DatasetSnapshot,
    GuidelineVersion,
    ImportBatch,
    Passage,
    Project,
    Query,
)
from annotations.store.database import Database, require

_Projects = list[Project]  # because inside the classes `list` is a method
_Annotators = list[Annotator]


class Projects:
    """The projects of a store. None that holds something is ever deleted: one that is done with is archived."""

    def __init__(self, database: Database) -> None:
        """Work on an open database."""
        self._database = database

    def create(self, name: str, *, language: str = "", guideline: str = "", default_prompt: str | None = None) -> Project:
        """Make a project; its scale comes with its first label.

        Args:
            name: by which it is chosen; unique.
            language: of its texts, such as `zh`.
            guideline: what the grades mean here; a new version of it can follow.
            default_prompt: of its training rows.

        Raises:
            InputError: the name is empty, too long or taken.
        """
        name = _check_name(name, "a project")
        with self._database.write() as session:
            if known := _find(session, name):
                if known.archived_at is not None:
                    raise InputError(f'The project "{name}" is archived. Put it back on the list, or give another name.')
                raise InputError(f'There is a project "{name}" already. Choose it, or give another name.')
            now = self._database.now()
            project = Project(
                name=name,
                language=language,
                default_prompt=default_prompt,
                split_seed=secrets.randbelow(2**31),
                created_at=now,
            )
            session.add(project)
            session.flush()
            session.add(GuidelineVersion(project_id=project.id, n=1, text=guideline, created_at=now))
            return project

    def list(self, *, include_archived: bool = False) -> _Projects:
        """List the projects, by name."""
        statement = select(Project).order_by(col(Project.name))
        if not include_archived:
            statement = statement.where(col(Project.archived_at).is_(None))
        with self._database.read() as session:
            return [*session.exec(statement)]

    def get(self, name: str) -> Project:
        """Give the project of that name, archived or not.

        Raises:
            InputError: there is none.
        """
        with self._database.read() as session:
            project = _find(session, name.strip())
            if project is None:
                raise InputError(f'There is no project "{name}". Choose another one, or create it.')
            return project

    def get_by_id(self, project_id: int) -> Project:
        """Give the project of that id.

        Raises:
            InputError: there is none.
        """
        with self._database.read() as session:
            return require(session, Project, project_id)

    def guideline(self, project_id: int) -> GuidelineVersion:
        """Give the newest version of a project's guideline.

        Raises:
            InputError: there is no such project.
        """
        with self._database.read() as session:
            require(session, Project, project_id)
            return _newest(session, project_id)

    def set_guideline(self, project_id: int, text: str) -> GuidelineVersion:
        """Give a project a new version of its guideline; an unchanged text is none.

        Raises:
            InputError: there is no such project.
        """
        with self._database.write() as session:
            require(session, Project, project_id)
            newest = _newest(session, project_id)
            if newest.text == text:
                return newest
            version = GuidelineVersion(project_id=project_id, n=newest.n + 1, text=text, created_at=self._database.now())
            session.add(version)
            session.flush()
            return version

    def rename(self, project_id: int, name: str) -> Project:
        """Give a project another name; all that is in it stays.

        Raises:
            InputError: there is no such project, or the name is empty or taken.
        """
        name = _check_name(name, "a project")
        with self._database.write() as session:
            project = require(session, Project, project_id)
            other = _find(session, name)
            if other and other.id != project_id:
                raise InputError(f'There is a project "{name}" already. Give another name.')
            project.name = name
            session.add(project)
            return project

    def set_default_prompt(self, project_id: int, prompt: str | None) -> Project:
        """Give a project another prompt for its training rows; `None` for none of its own.

        Raises:
            InputError: there is no such project.
        """
        with self._database.write() as session:
            project = require(session, Project, project_id)
            project.default_prompt = prompt
            session.add(project)
            return project

    def archive(self, project_id: int, *, is_archived: bool = True) -> Project:
        """Take a project out of the list, or put it back. Labels that are still on their way are kept all the same.

        Raises:
            InputError: there is no such project.
        """
        with self._database.write() as session:
            project = require(session, Project, project_id)
            project.archived_at = self._database.now() if is_archived else None
            session.add(project)
            return project

    def remove_empty(self, project_id: int) -> bool:
        """Take away a project that was made and never filled, so that its name is free; tell whether it was.

        Raises:
            InputError: there is no such project.
        """
        with self._database.write() as session:
            project = require(session, Project, project_id)
            for place in (Query.project_id, Passage.project_id, ImportBatch.project_id, DatasetSnapshot.project_id):
                if session.exec(select(col(place)).where(col(place) == project_id).limit(1)).first() is not None:
                    return False
            for version in session.exec(select(GuidelineVersion).where(col(GuidelineVersion.project_id) == project_id)):
                session.delete(version)
            session.flush()
            session.delete(project)
            return True


class Annotators:
    """Who judges: people, and whatever brought judgements from elsewhere."""

    def __init__(self, database: Database) -> None:
        """Work on an open database."""
        self._database = database

    def get_or_add(self, handle: str, *, kind: AnnotatorKind = "human") -> Annotator:
        """Give the annotator of that handle, who is new if there was none and else stays of the kind that it is.

        Raises:
            InputError: the handle is empty, or is the one of imports and wanted for something else.
        """
        handle = _check_name(handle, "an annotator")
        statement = select(Annotator).where(col(Annotator.handle) == handle)
        with self._database.read() as session:
            known = session.exec(statement).first()
        if known:
            return known
        with self._database.write() as session:
            annotator = session.exec(statement).first()
            if annotator is None:
                _check_free(handle, kind)
                annotator = Annotator(handle=handle, kind=kind, created_at=self._database.now())
                session.add(annotator)
                session.flush()
            return annotator

    def list(self) -> _Annotators:
        """List the annotators, by handle."""
        with self._database.read() as session:
            return [*session.exec(select(Annotator).order_by(col(Annotator.handle)))]

    def rename(self, annotator_id: int, handle: str) -> Annotator:
        """Give an annotator another handle, as for somebody who wants to be forgotten; the judgements stay.

        Raises:
            InputError: there is no such annotator, or the handle is empty, taken or the one of imports.
        """
        handle = _check_name(handle, "an annotator")
        with self._database.write() as session:
            annotator = require(session, Annotator, annotator_id)
            _check_free(handle, annotator.kind)
            other = session.exec(select(Annotator).where(col(Annotator.handle) == handle)).first()
            if other and other.id != annotator_id:
                raise InputError(f'There is an annotator "{handle}" already. Give another handle.')
            annotator.handle = handle
            session.add(annotator)
            return annotator


def _check_name(name: str, what: str) -> str:
    name = unicodedata.normalize("NFC", name.strip())
    if not name or not name.isprintable():
        raise InputError(f"The name of {what} needs a character and none that cannot be seen, got {name!r:.80}.")
    if len(name) > LONGEST_NAME:
        raise InputError(f"The name of {what} has {LONGEST_NAME} characters at most, got {len(name):,}. Shorten it.")
    return name


def _check_free(handle: str, kind: AnnotatorKind) -> None:
    if handle == IMPORT_ANNOTATOR and kind != "import":
        raise InputError(f'"{IMPORT_ANNOTATOR}" is the name of imports and nobody else\'s. Give another name.')


def _find(session: Session, name: str) -> Project | None:
    return session.exec(select(Project).where(col(Project.name) == unicodedata.normalize("NFC", name))).first()


def _newest(session: Session, project_id: int) -> GuidelineVersion:
    versions = select(GuidelineVersion).where(col(GuidelineVersion.project_id) == project_id)
    return session.exec(versions.order_by(col(GuidelineVersion.n).desc()).limit(1)).one()
