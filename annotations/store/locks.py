"""Locks between programs, on files beside the database. They go with the program that holds them, however it ends."""

import sys
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import BinaryIO

from annotations.errors import StorageError

_PATIENCE = 60.0  # seconds; an upgrade of a large database takes some
_PAUSE = 0.02


class InUse:
    """Says to other programs that a database is open here; as long as one does, none can replace or rebuild it."""

    def __init__(self, database: Path) -> None:
        """Open the lock's file, which stays where it is for good.

        Raises:
            StorageError: it cannot be made.
        """
        self._database = database
        self._file = _open(database.with_name(f"{database.name}.lock"))

    def share(self) -> None:
        """Hold it as one of many."""
        _lock(self._file, shared=True)

    def claim(self, purpose: str) -> None:
        """Hold it alone.

        Args:
            purpose: what cannot be done otherwise, for the sentence.

        Raises:
            StorageError: somebody else has the database open.
        """
        if not _lock(self._file, shared=False):
            raise StorageError(
                f"{self._database} is open in another program, or elsewhere in this one, so it cannot be {purpose}. "
                "Close it there and try again."
            )

    def close(self) -> None:
        """Let go of it."""
        self._file.close()


@contextmanager
def alone(file: Path, *, doing: str) -> Iterator[None]:
    """Let one program after the other do something; the lock's file stays where it is for good.

    Args:
        file: the lock's file.
        doing: what, for the sentence; begins after "Another program has been".

    Raises:
        StorageError: another one takes longer than a minute, or the file cannot be made.
    """
    with _open(file) as lock:
        deadline = time.monotonic() + _PATIENCE
        while not _lock(lock, shared=False):
            if time.monotonic() > deadline:
                raise StorageError(
                    f"Another program has been {doing} for more than {_PATIENCE:.0f} seconds. Wait for it, or close it, "
                    "and try again."
                )
            time.sleep(_PAUSE)
        yield


def opening(database: Path) -> AbstractContextManager[None]:
    """Let one program after the other open, upgrade or replace a database.

    Raises:
        StorageError: another one takes longer than a minute, or the folder cannot be written.
    """
    return alone(database.with_name(f"{database.name}.opening.lock"), doing=f"opening {database}")


def _open(path: Path) -> BinaryIO:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return path.open("ab")
    except OSError as error:
        raise StorageError(
            f"{path} cannot be written ({error.strerror}). Check the disk and who may write there, or choose another home."
        ) from error


def _lock(file: BinaryIO, *, shared: bool) -> bool:
    """Take the lock, or change the one held, without waiting. Where a file system knows no locks, all succeed."""
    try:
        if sys.platform == "win32":
            import msvcrt

            # There is no shared lock; but there a file that is open cannot be replaced either.
            msvcrt.locking(file.fileno(), msvcrt.LK_UNLCK if shared else msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True
    return True
