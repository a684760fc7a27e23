"""One open database: its transactions, and the clock that only shows times."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from sqlalchemy import inspect
from sqlmodel import Session, SQLModel

from annotations.errors import ConflictError, InputError, StorageError
from annotations.models import Judgement
from annotations.store.sqlite import explaining, make_engine
from annotations.store.turns import Turns

BULK = 20  # labels changed at once that are worth a copy first, which takes a second at 150 MB

Row = TypeVar("Row", bound=SQLModel)
Clock = Callable[[], datetime]


def read_clock() -> datetime:
    """Tell the time, in UTC."""
    return datetime.now(UTC)


class Database:
    """Gives transactions on one file to any thread; many read at once, one writes."""

    def __init__(self, path: Path, *, clock: Clock) -> None:
        """Open nothing yet.

        Args:
            path: the file.
            clock: tells the times that are shown; nothing is decided by them.
        """
        self.path = path
        self.now = clock
        self._reading = make_engine(path, can_write=False)
        self._writing = make_engine(path, can_write=True)
        # Threads wait here in turn; at SQLite's own lock they would poll, and the unlucky wait for seconds.
        self._write_lock = Turns()
        self._is_closed = False

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Give a transaction that sees the database as it is at one moment, and cannot change it.

        Raises:
            StorageError: the file or its disk failed.
        """
        self._refuse_closed()
        with explaining(self.path), Session(self._reading, expire_on_commit=False) as session, session.begin():
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Give the one transaction that may change the database. It is committed when the block has ended, not before.

        Raises:
            StorageError: the file or its disk failed; nothing was changed.
            ConflictError: as the block raised it, with the judgement that is there now.
        """
        with self._write_lock:
            self._refuse_closed()
            try:
                with explaining(self.path), Session(self._writing, expire_on_commit=False) as session, session.begin():
                    yield session
            except ConflictError as error:
                if error.current is not None:  # as it is, not as the block that was rolled back had it
                    error.current = self._read_again(error.current)
                raise

    def close(self) -> None:
        """Let the writer end, then close the file."""
        with self._write_lock:
            self._is_closed = True
            self._reading.dispose()
            self._writing.dispose()

    def _read_again(self, row: Judgement) -> Judgement | None:
        with self.read() as session:
            found = session.get(Judgement, inspect(row).identity)
        return found if found is not None and found.deleted_at is None else None

    def _refuse_closed(self) -> None:
        if self._is_closed:
            raise StorageError(f"{self.path} was closed here. Open it again.")


def require(session: Session, table: type[Row], key: int) -> Row:
    """Give the row of that key.

    Raises:
        InputError: there is none.
    """
    row = session.get(table, key)
    if row is None:
        raise InputError(f"There is no {table.__tablename__} {key}. Load the page again, and choose one that is there.")
    return row
