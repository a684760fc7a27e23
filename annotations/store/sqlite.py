"""All that is SQLite's own: how a file is opened, triggers, upsert, a copy of a file in use, what its errors mean.

Another database would need another file like this one; the rest of the store is plain SQLAlchemy.
"""

import json
import sqlite3
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    ColumnElement,
    Connection,
    Engine,
    Select,
    Table,
    bindparam,
    column,
    create_engine,
    event,
    select,
    text,
)
from sqlalchemy import table as name_table
from sqlalchemy.dialects.sqlite import Insert, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import ConnectionPoolEntry

from annotations.errors import StorageError

BUSY_SECONDS = 10
_BUSY_PAUSE = 0.002  # seconds from asking for another program's lock to asking again
IDENTITY = "store_id"  # the key of app_meta under which a database has its name
_HEADER = b"SQLite format 3\0"  # of every database file

_PRAGMAS = (
    f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}",
    "PRAGMA journal_mode = WAL",  # readers and the one writer do not wait for each other
    "PRAGMA synchronous = FULL",  # WAL with NORMAL may lose the last commits when the power goes
    "PRAGMA foreign_keys = ON",  # off unless asked for, on every connection anew
    "PRAGMA recursive_triggers = ON",  # without it INSERT OR REPLACE deletes rows past the triggers below
    "PRAGMA temp_store = MEMORY",
)

_STAGED = "EXISTS (SELECT 1 FROM import_batch WHERE import_batch.id = {batch} AND published_at IS NULL)"
_STAGED_EVENT = (
    "EXISTS (SELECT 1 FROM judgement JOIN import_batch ON import_batch.id = judgement.batch_id"
    " WHERE judgement.id = OLD.judgement_id AND published_at IS NULL)"
)
# name, when it speaks up, what it says. Only what a cancelled import brought, and nobody ever saw, may go.
_TRIGGERS = (
    ("judgement_event_is_never_changed", "UPDATE ON judgement_event", "an event is never changed"),
    (
        "judgement_event_is_never_deleted",
        f"DELETE ON judgement_event WHEN NOT {_STAGED_EVENT}",
        "an event is never deleted",
    ),
    (
        "judgement_is_never_deleted",
        f"DELETE ON judgement WHEN NOT {_STAGED.format(batch='OLD.batch_id')}",
        "a judgement is never deleted",
    ),
    (
        "import_batch_stays_published",
        "UPDATE OF published_at ON import_batch WHEN OLD.published_at IS NOT NULL",
        "an import stays published",
    ),
)
# The tables of texts that an index for search is kept of, in a table named after them.
_SEARCHED = ("passage", "query")
_SEARCH_TRIGGERS = (
    ("added", "INSERT", "INSERT INTO {table}_search (rowid, text) VALUES (NEW.id, NEW.text);"),
    ("removed", "DELETE", "INSERT INTO {table}_search ({table}_search, rowid, text) VALUES ('delete', OLD.id, OLD.text);"),
    (
        "changed",
        "UPDATE OF text",
        "INSERT INTO {table}_search ({table}_search, rowid, text) VALUES ('delete', OLD.id, OLD.text);"
        " INSERT INTO {table}_search (rowid, text) VALUES (NEW.id, NEW.text);",
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What a file holds.

    Attributes:
        revision: of its schema; `None` if it has none.
        counts: rows of each table.
    """

    revision: str | None
    counts: dict[str, int]


# Connections


def make_engine(path: Path, *, can_write: bool) -> Engine:
    """Make an engine whose transactions begin as SQLite needs it.

    Args:
        path: the file.
        can_write: every transaction is BEGIN IMMEDIATE, on one connection. A deferred one that reads before it writes
            fails at once where somebody else wrote in between, whatever busy_timeout says. Otherwise nothing can be
            written at all.
    """
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        connect_args={"isolation_level": None, "timeout": BUSY_SECONDS},  # no BEGIN but ours
        pool_size=1 if can_write else 8,
        max_overflow=0 if can_write else 56,  # more threads than Gradio has
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: Any, record: ConnectionPoolEntry) -> None:
        for pragma in _PRAGMAS:
            connection.execute(pragma)
        if not can_write:
            connection.execute("PRAGMA query_only = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if can_write:
            _begin_writing(connection)
        else:
            connection.exec_driver_sql("BEGIN")

    return engine


def _begin_writing(connection: Connection) -> None:
    """Begin a transaction that may write, as soon as no other program does.

    SQLite itself would ask again after pauses that grow to a tenth of a second, and so miss the gaps that an import in
    another program leaves.
    """
    driver = connection.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    (patience,) = driver.execute("PRAGMA busy_timeout").fetchone()  # milliseconds
    driver.execute("PRAGMA busy_timeout = 0")
    try:
        deadline = time.monotonic() + patience / 1000
        while True:
            try:
                driver.execute("BEGIN IMMEDIATE")
                return
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                    raise
                time.sleep(_BUSY_PAUSE)
    finally:
        driver.execute(f"PRAGMA busy_timeout = {patience}")


@contextmanager
def rebuilding(engine: Engine) -> Iterator[Connection]:
    """Give a transaction in which tables can be rebuilt; commit it if all is still there, else leave all as it was.

    Foreign keys are off meanwhile, since rebuilding a parent would else act on its children, and they can be turned off
    only outside a transaction. Triggers are put back at the end, because a rebuilt table has lost its own.

    Raises:
        StorageError: rows point nowhere, or judgements or events are gone.
    """
    with engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, sqlite3.Connection)
        driver.execute("PRAGMA foreign_keys = OFF")
        try:
            with connection.begin():
                before = _count_rows(driver)
                triggers = _describe_triggers()
                for name in triggers:
                    connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS {name}")
                yield connection
                for statement in triggers.values():
                    connection.exec_driver_sql(statement)
                _check_kept(driver, before)
        finally:
            driver.execute("PRAGMA foreign_keys = ON")


def _describe_triggers() -> dict[str, str]:
    """Give what makes the triggers, by name."""
    triggers = {
        name: f"CREATE TRIGGER {name} BEFORE {when} BEGIN SELECT RAISE(ABORT, '{message}'); END"
        for name, when, message in _TRIGGERS
    }
    for table in _SEARCHED:
        for suffix, when, action in _SEARCH_TRIGGERS:
            name = f"{table}_search_{suffix}"
            triggers[name] = f"CREATE TRIGGER {name} AFTER {when} ON {table} BEGIN {action.format(table=table)} END"
    return triggers


def _check_kept(driver: sqlite3.Connection, before: dict[str, int]) -> None:
    astray = driver.execute("PRAGMA foreign_key_check").fetchall()
    if astray:
        raise StorageError(
            f"The database could not be brought to this version: {len(astray)} rows of {astray[0][0]} would point nowhere. "
            "It stays as it was. Please report this."
        )
    after = _count_rows(driver)
    for table in ("judgement", "judgement_event"):
        if after.get(table, 0) < before.get(table, 0):
            raise StorageError(
                f"The database could not be brought to this version: {before[table] - after.get(table, 0)} rows of {table} "
                "would be lost. It stays as it was. Please report this."
            )


def upsert(
    table: Table, *, key: tuple[str, ...], values: tuple[str, ...], only_where: ColumnElement[bool] | None = None
) -> Insert:
    """Insert a row, or put the values into the row that is there under its key, if that is as `only_where` says."""
    statement = insert(table)
    return statement.on_conflict_do_update(
        index_elements=list(key), set_={value: statement.excluded[value] for value in values}, where=only_where
    )


def delete_some(connection: Connection, table: str, *, batch_id: int, at_most: int) -> int:
    """Delete some of the rows that an import staged, and tell how many.

    Args:
        connection: in a transaction.
        table: one with a `batch_id`, or `judgement_event`.
        batch_id: the import; the triggers refuse one that was published.
        at_most: how many, so that the transaction is short.
    """
    staged = f'SELECT rowid FROM "{table}" WHERE batch_id = ? LIMIT ?'
    if table == "judgement_event":
        staged = (
            "SELECT event.id FROM judgement_event AS event JOIN judgement ON judgement.id = event.judgement_id"
            " WHERE judgement.batch_id = ? LIMIT ?"
        )
    return connection.exec_driver_sql(f'DELETE FROM "{table}" WHERE rowid IN ({staged})', (batch_id, at_most)).rowcount


def find_candidates(connection: Connection, pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], int]:
    """Give the ids of the candidates of pairs of query and passage, each found by the index.

    For `(query_id, passage_id) IN (...)` SQLite 3.40 reads the whole table, the longer the more candidates there are.
    """
    found = connection.exec_driver_sql(
        "SELECT query_id, passage_id, candidate.id FROM json_each(?) AS wanted CROSS JOIN candidate"
        " ON query_id = json_extract(wanted.value, '$[0]') AND passage_id = json_extract(wanted.value, '$[1]')",
        (json.dumps([*pairs]),),
    )
    return {(query_id, passage_id): key for query_id, passage_id, key in found}


# Search

TRIGRAM = 3  # characters of a piece that the index for search holds; what is shorter is not found by it
_PIECES = 24  # of a word that are looked up; few are enough, since what is found is compared anyway


def find_by_trigrams(table: str, words: Sequence[Sequence[str]]) -> Select[int]:
    """Give the ids of texts that have all pieces of three characters of each word, which is not yet the word itself.

    The index holds no places, so that it is small; what it gives has to be compared with the word.

    Args:
        table: `passage` or `query`.
        words: the spellings of each, of which one is enough; none shorter than three characters.
    """
    index = name_table(f"{table}_search", column("rowid"))
    wanted = " AND ".join("(" + " OR ".join(f"({_quote_pieces(one)})" for one in spellings) + ")" for spellings in words)
    return select(index.c.rowid).where(
        text(f"{table}_search MATCH :wanted").bindparams(bindparam("wanted", wanted, unique=True))
    )


def _quote_pieces(word: str) -> str:
    """Write a word's pieces so that FTS5 reads no operator, no column and no other syntax in them."""
    places = range(len(word) - TRIGRAM + 1)
    step = max(1, -(-len(places) // _PIECES))
    pieces = dict.fromkeys(word[place : place + TRIGRAM] for place in places[::step])
    return " AND ".join('"' + piece.replace('"', '""') + '"' for piece in pieces)


# Copies


def copy_file(source: Path, target: Path) -> Contents:
    """Copy a database as it is at one moment, while others write to it.

    Copying the file itself loses what is in the write-ahead log, or gives a malformed one.

    Returns:
        What the copy must hold, counted in the source at the same moment.

    Raises:
        sqlite3.Error: it could not be read or written.
    """
    with closing(sqlite3.connect(_uri(source, "mode=rw"), uri=True, isolation_level=None)) as read:
        read.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        read.execute("BEGIN")
        contents = _describe(read)
        with closing(sqlite3.connect(target)) as written:
            read.backup(written)  # all pages in one step: in steps it would begin again after every commit of others
        read.execute("ROLLBACK")
    return contents


def check_file(path: Path, *, named: Path, advice: str) -> Contents:
    """Read a file that nobody writes to, all of it, and tell what it holds. Leaves no trace beside it.

    Args:
        path: the file.
        named: what the sentence is about, where the file is a copy that will not stay.
        advice: the end of the sentence, if the file is damaged.

    Raises:
        StorageError: it is damaged; says how.
        sqlite3.Error: it is damaged so that it cannot be read.
    """
    with closing(sqlite3.connect(_uri(path, "mode=ro&immutable=1"), uri=True, isolation_level=None)) as connection:
        found = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(3)")]
        if found != ["ok"]:
            raise StorageError(f"{named} is damaged: {'; '.join(found)}. {advice}")
        return _describe(connection)


def describe_file(path: Path) -> Contents:
    """Tell what a file in use holds.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    with closing(sqlite3.connect(_uri(path, "mode=rw"), uri=True, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
        return _describe(connection)


def forget_identity(path: Path) -> None:
    """Take the name from a database that nobody has open; it gets another one with its next use.

    Raises:
        sqlite3.Error: it could not be written.
    """
    with closing(sqlite3.connect(_uri(path, "mode=rw"), uri=True)) as connection, connection:
        connection.execute("DELETE FROM app_meta WHERE key = ?", (IDENTITY,))


def fold_log(path: Path) -> None:
    """Bring what is in the write-ahead log into the file itself, so that the file alone is the database.

    Nobody else may have it open. A database that is damaged stays so, and may lose its log.
    """
    with (
        suppress(sqlite3.Error),
        closing(sqlite3.connect(_uri(path, "mode=rw"), uri=True, isolation_level=None)) as connection,
    ):
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def is_database(path: Path) -> bool:
    """Tell whether a file begins as every SQLite database does; one that is not there or cannot be read does not."""
    try:
        with path.open("rb") as file:
            return file.read(len(_HEADER)) == _HEADER
    except OSError:
        return False


def name_logs(path: Path) -> tuple[Path, Path]:
    """Name the files that SQLite keeps beside a database."""
    return path.with_name(f"{path.name}-wal"), path.with_name(f"{path.name}-shm")


def _uri(path: Path, mode: str) -> str:
    return f"{path.absolute().as_uri()}?{mode}"


def _describe(connection: sqlite3.Connection) -> Contents:
    counts = _count_rows(connection)
    revision = None
    if "alembic_version" in counts:
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        revision = None if row is None else str(row[0])
    return Contents(revision=revision, counts=counts)


def _count_rows(connection: sqlite3.Connection) -> dict[str, int]:
    tables = connection.execute(  # not those that an index for search lies in
        "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'"
    )
    return {
        str(name): int(connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]) for (name,) in tables.fetchall()
    }


# Errors


@contextmanager
def explaining(path: Path) -> Iterator[None]:
    """Turn what the disk, the file or another program did into one sentence; errors of our own stay what they are.

    Raises:
        StorageError: nothing was changed.
    """
    try:
        yield
    except DBAPIError as error:
        sentence = _explain(error.orig, path)
        if sentence is None:
            raise
        raise StorageError(sentence) from error
    except sqlite3.Error as error:  # not by way of SQLAlchemy: from opening, copying or checking a file
        sentence = _explain(error, path) or f"{path} could not be read or copied ({error}). Check the disk and try again."
        raise StorageError(sentence) from error


def _explain(error: BaseException | None, path: Path) -> str | None:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    match code & 0xFF:
        case sqlite3.SQLITE_FULL:
            return f"The disk of {path} is full. Nothing was changed; free some space and try again."
        case sqlite3.SQLITE_IOERR:
            return f"{path} could not be read or written ({error}). Nothing was changed; check the disk and try again."
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return (
                f"{path} was held by another program for more than {BUSY_SECONDS} seconds. Nothing was changed; try again, "
                "or close the other program."
            )
        case sqlite3.SQLITE_READONLY | sqlite3.SQLITE_CANTOPEN | sqlite3.SQLITE_PERM:
            return f"{path} could not be opened for writing ({error}). Check the folder and who may write there."
        case sqlite3.SQLITE_CORRUPT | sqlite3.SQLITE_NOTADB:
            return f"{path} is damaged or no database ({error}). Restore a backup, or choose another file."
    return None
