"""Which snapshots there are; what is in them lies in their folders."""

from pathlib import Path
from typing import Any

from sqlmodel import Session, col, select

from annotations.errors import InputError
from annotations.models import DatasetSnapshot, Project
from annotations.store.database import Database, require


class Snapshots:
    """The snapshots of a store. None is ever changed."""

    def __init__(self, database: Database) -> None:
        """Work on an open database."""
        self._database = database

    def add(self, project_id: int, name: str, path: Path | str, sha256: str, manifest: Any) -> DatasetSnapshot:
        """Take note of a snapshot that was written.

        Args:
            project_id: whose labels it holds.
            name: by which it is chosen; unique in the project.
            path: of its folder, as it is to be kept.
            sha256: of its manifest, which holds those of its files.
            manifest: what stands there, as JSON.

        Raises:
            InputError: there is no such project, or the name is empty or taken.
        """
        if not name.strip():
            raise InputError(f"A snapshot needs a name, got {name!r}. Give it one.")
        with self._database.write() as session:
            project = require(session, Project, project_id)
            if _find(session, project_id, name) is not None:
                raise InputError(
                    f'"{project.name}" has a snapshot "{name}" already, and a snapshot never changes. Give another name.'
                )
            snapshot = DatasetSnapshot(
                project_id=project_id,
                name=name,
                path=str(path),
                sha256=sha256,
                manifest=manifest,
                created_at=self._database.now(),
            )
            session.add(snapshot)
            session.flush()
            return snapshot

    def list(self, project_id: int) -> "list[DatasetSnapshot]":
        """List a project's snapshots, the newest first."""
        mine = select(DatasetSnapshot).where(col(DatasetSnapshot.project_id) == project_id)
        with self._database.read() as session:
            return [*session.exec(mine.order_by(col(DatasetSnapshot.id).desc()))]

    def get(self, project_id: int, name: str) -> DatasetSnapshot:
        """Give a project's snapshot by its name.

        Raises:
            InputError: there is none.
        """
        with self._database.read() as session:
            snapshot = _find(session, project_id, name)
            if snapshot is None:
                names = select(DatasetSnapshot.name).where(col(DatasetSnapshot.project_id) == project_id)
                there = ", ".join(session.exec(names.order_by(col(DatasetSnapshot.name)))) or "none yet"
                raise InputError(f'There is no snapshot "{name}". There are: {there}.')
            return snapshot


def _find(session: Session, project_id: int, name: str) -> DatasetSnapshot | None:
    same = select(DatasetSnapshot).where(col(DatasetSnapshot.project_id) == project_id, col(DatasetSnapshot.name) == name)
    return session.exec(same).first()
