"""Verified copies of the database: made, listed, put back.

They lie in `backups/` beside it, numbered, since a clock can go back. The newest few of each reason stay.
"""

import errno
import filecmp
import math
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Protocol

from annotations.errors import AnnotationError, NewerDatabaseError, StorageError
from annotations.migrations.upgrading import list_revisions
from annotations.store.locks import InUse, alone, opening
from annotations.store.sqlite import (
    Contents,
    check_file,
    copy_file,
    describe_file,
    explaining,
    fold_log,
    forget_identity,
    name_logs,
)

Reason = Literal["manual", "start", "labels", "import", "bulk", "migration", "restore"]

KEPT = 5  # of each reason
_DAMAGED = "No backup was made of it; the earlier ones stay. Check the disk, close the app and restore one of them."


class HasPath(Protocol):
    """A store, as far as a backup needs to know it."""

    @property
    def path(self) -> Path: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """One copy.

    Attributes:
        path: the file.
        number: its place in the order in which copies were made, from 1.
        made_at: what the clock said then, in UTC; to show, not to sort by.
        reason: why it was made.
        size_bytes: of the file.
    """

    path: Path
    number: int
    made_at: datetime
    reason: str
    size_bytes: int


def backup(
    database: HasPath | Path | str, *, reason: Reason = "manual", folder: Path | None = None, kept: int = KEPT
) -> Path:
    """Copy a database while it is in use, verify the copy, and let the oldest copy of the same reason go.

    If nothing changed since the newest copy, that is given instead where it serves as well.

    Args:
        database: a store, or where the file lies.
        reason: why; goes into the name.
        folder: by default `backups/` beside the database.
        kept: how many copies of this reason stay.

    Returns:
        The copy.

    Raises:
        StorageError: it could not be made, the disk is full, or the copy is not what it should be. All copies stay.
    """
    path = _find(database)
    place = _place(path, folder)
    with alone(place / f"{path.stem}.lock", doing=f"copying {path}"), _explaining_files(place):
        for left in place.glob(f"{path.stem}-*.part"):  # of a program that ended meanwhile
            left.unlink()
        earlier = list_backups(path, folder=place)
        number = earlier[0].number + 1 if earlier else 1
        target = place / f"{path.stem}-{number:06}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{reason}.db"
        unfinished = target.with_suffix(".part")
        try:
            with explaining(path):
                expected = copy_file(path, unfinished)
            _verify(unfinished, expected, named=path, advice=_DAMAGED)
            newest = earlier[0] if earlier else None
            if newest and reason in ("start", newest.reason) and filecmp.cmp(newest.path, unfinished, shallow=False):
                return newest.path
            unfinished.replace(target)
            _flush_folder(place)
        finally:
            unfinished.unlink(missing_ok=True)
        for old in [copy for copy in list_backups(path, folder=place) if copy.reason == reason][max(kept, 1) :]:
            with suppress(OSError):
                old.path.unlink()
    return target


def list_backups(database: HasPath | Path | str, *, folder: Path | None = None) -> list[Backup]:
    """List the copies of a database, the newest first."""
    path = _find(database)
    pattern = re.compile(rf"{re.escape(path.stem)}-(\d{{6,}})-(\d{{8}}T\d{{6}}Z)-([a-z]+)\.db")
    place = _place(path, folder)
    found = []
    for file in place.iterdir() if place.is_dir() else ():
        match = pattern.fullmatch(file.name)
        if match:
            made_at = datetime.strptime(match[2], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
            size = file.stat().st_size
            found.append(Backup(path=file, number=int(match[1]), made_at=made_at, reason=match[3], size_bytes=size))
    return sorted(found, key=lambda copy: copy.number, reverse=True)


def count_rows(database: HasPath | Path | str) -> dict[str, int]:
    """Count the rows of each table of a database, which may be in use.

    Raises:
        StorageError: it cannot be read.
    """
    path = _find(database)
    with explaining(path):
        return describe_file(path).counts


def restore(database: Path | str, backup: Path | str) -> Path | None:
    """Put a copy in the place of the database, which is moved aside. No store may have it open.

    Args:
        database: where the file lies, or is to lie.
        backup: the copy; it stays.

    Returns:
        Where the database of before lies now; `None` if there was none.

    Raises:
        StorageError: the copy is missing, damaged or no copy of labels, the database is open somewhere, or the disk is
            full. Everything is as it was.
        NewerDatabaseError: the copy was made by a newer version.
    """
    path, copy = Path(database), Path(backup)
    with opening(path), _explaining_files(path.parent):
        in_use = InUse(path)
        try:
            in_use.claim("replaced")
            contents = check_backup(copy)
            incoming = path.with_name(f"{path.name}.restoring")
            try:
                _copy(copy, incoming)
                _verify(incoming, contents, named=copy, advice="Check the disk, and try again.")
                with explaining(incoming):
                    forget_identity(incoming)  # labels that wait for the database of before are not for this one
                return _swap(path, incoming)
            finally:
                incoming.unlink(missing_ok=True)
        finally:
            in_use.close()


def check_backup(backup: Path) -> Contents:
    """Verify that a file is whole and holds labels that this version can read.

    Raises:
        StorageError: it is missing, damaged, or something else.
        NewerDatabaseError: it was made by a newer version.
    """
    if not backup.is_file():
        raise StorageError(f"There is no backup {backup}. Choose one of the list.")
    with explaining(backup):
        contents = check_file(backup, named=backup, advice="Choose another backup.")
    refuse_foreign(backup, contents)
    return contents


def refuse_foreign(path: Path, contents: Contents) -> None:
    """Refuse a database that this version cannot read; an empty one is none of these.

    Raises:
        StorageError: it holds something else than labels.
        NewerDatabaseError: it has a format that is not known here.
    """
    known = list_revisions()
    if contents.revision is None:
        raise StorageError(f"{path} holds no labels: it is a database of another program. Choose another file.")
    if contents.revision not in known:
        raise NewerDatabaseError(
            f"{path} was written by a newer version of this program: it has format {contents.revision}, the newest known "
            f"here is {known[-1]}. It stays as it is. Update the program, or choose another home."
        )


_REST = 20  # times as long as a copy took: of a large file, one every 200 quick judgements would never end


class AutomaticBackups:
    """Copies that nobody has to ask for: at the start, before what changes much, and every so many judgements."""

    def __init__(
        self,
        path: Path,
        *,
        folder: Path | None,
        every: int,
        apart: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Make nothing yet.

        Args:
            path: the database.
            folder: by default `backups/` beside it.
            every: judgements from one copy to the next; more, where copying would take over 5 % of the time.
            apart: seconds from one copy before an import, or before a bulk change, to the next.
            clock: tells seconds.
        """
        self._path = path
        self._apart = apart
        self._made_at: dict[Reason, float] = {}
        self._folder = folder
        self._every = every
        self._since = 0
        self._clock = clock
        self._rest_until = -math.inf
        self._guard = threading.Lock()
        self._thread: threading.Thread | None = None
        self._problem = ""

    @property
    def folder(self) -> Path:
        """Where the copies lie."""
        return _place(self._path, self._folder)

    @property
    def problem(self) -> str:
        """Why the last copy in the background could not be made, as one sentence; empty if it could."""
        return self._problem

    def make(self, reason: Reason) -> Path:
        """Make a copy now.

        Raises:
            StorageError: it could not be made.
        """
        return backup(self._path, reason=reason, folder=self._folder)

    def make_before(self, reason: Reason) -> None:
        """Make a copy before a change, unless one for that reason was made a short time ago.

        Raises:
            StorageError: it could not be made.
        """
        made_at = self._made_at.get(reason, -math.inf)
        if self._apart and self._clock() - made_at < self._apart:
            return
        self.make(reason)
        self._made_at[reason] = self._clock()

    def make_soon(self, reason: Reason) -> None:
        """Make a copy in the background, unless one is being made."""
        with self._guard:
            self._start(reason)

    def count(self, judgements: int) -> None:
        """Take note of judgements that were committed; never fails, for they are."""
        with self._guard:
            self._since += judgements
            is_due = self._since >= self._every and self._clock() >= self._rest_until
            if is_due and self._start("labels"):
                self._since = 0

    def close(self) -> None:
        """Wait for the copy that is being made."""
        thread = self._thread
        if thread is not None:
            thread.join()

    def _start(self, reason: Reason) -> bool:
        if self._thread is not None and self._thread.is_alive():
            return False
        thread = threading.Thread(target=self._run, args=(reason,), name="backup", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:
            self._problem = f"No backup could be made: {error}. Close other programs."
            return False
        self._thread = thread
        return True

    def _run(self, reason: Reason) -> None:
        try:
            started = self._clock()
            self.make(reason)
            if reason == "labels":
                ended = self._clock()
                self._rest_until = ended + _REST * (ended - started)
            self._problem = ""
        except (AnnotationError, OSError) as error:
            self._problem = str(error)


def _find(database: HasPath | Path | str) -> Path:
    return Path(database) if isinstance(database, str | Path) else database.path


def _place(path: Path, folder: Path | None) -> Path:
    return folder or path.parent / "backups"


def _verify(copy: Path, expected: Contents, *, named: Path, advice: str) -> None:
    """Check a copy that goes if it is not whole, so that messages name what it was made of."""
    with explaining(named):
        found = check_file(copy, named=named, advice=advice)
    if found != expected:
        raise StorageError(
            f"The copy of {named} does not hold what it should. It was thrown away; check the disk, and try again."
        )


def _copy(source: Path, target: Path) -> None:
    """Copy a file to where it is not lost when the power goes."""
    with source.open("rb") as read, target.open("wb") as written:
        shutil.copyfileobj(read, written, 1 << 20)
        written.flush()
        os.fsync(written.fileno())


def _swap(path: Path, incoming: Path) -> Path | None:
    """Put a file in the place of a database, whose own files stay under another name.

    At every moment there is a database under the path, so a program that ends in between loses nothing.
    """
    if not path.exists():
        for log in name_logs(path):  # would be taken for the new one's
            log.unlink(missing_ok=True)
        incoming.replace(path)
        _flush_folder(path.parent)
        return None
    aside = _free_name(path)
    log, shared_memory = name_logs(path)
    made = []
    try:
        for file, kept in ((path, aside), (log, name_logs(aside)[0])):
            if file.exists():
                made.append(kept)
                _copy(file, kept)
        _flush_folder(path.parent)
    except OSError:
        for file in made:
            file.unlink(missing_ok=True)
        raise
    fold_log(path)  # so that the database is whole without the log, unless it is damaged
    for file in (log, shared_memory):
        file.unlink(missing_ok=True)
    incoming.replace(path)
    _flush_folder(path.parent)
    return aside


def _free_name(path: Path) -> Path:
    number = 1
    while (place := path.with_name(f"{path.stem}-before-restore-{number}{path.suffix}")).exists():
        number += 1
    return place


def _flush_folder(folder: Path) -> None:
    with suppress(OSError):  # where a folder cannot be opened, as on Windows
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)


@contextmanager
def _explaining_files(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise StorageError(
                f"The disk of {folder} is full. Nothing was changed; free some space and try again."
            ) from error
        raise StorageError(
            f"{error.filename or folder} cannot be read or written ({error.strerror}). Nothing was changed; check the disk "
            "and who may write there."
        ) from error
