"""Opening a store: the file is made, or brought to this version, with a verified copy first."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

from annotations.backup import AutomaticBackups, Reason, refuse_foreign
from annotations.migrations.upgrading import list_revisions, upgrade
from annotations.store.browsing import Browse
from annotations.store.counts import CountsOf
from annotations.store.database import Clock, Database, read_clock
from annotations.store.history import History
from annotations.store.identity import read_identity
from annotations.store.imports import Imports
from annotations.store.judgements import Judgements
from annotations.store.labels import Labels
from annotations.store.locks import InUse, opening
from annotations.store.projects import Annotators, Projects
from annotations.store.queue_rows import Queue
from annotations.store.scores import Scores
from annotations.store.search import Search
from annotations.store.snapshot_rows import Snapshots
from annotations.store.sqlite import describe_file, explaining, make_engine, rebuilding
from annotations.store.texts import Texts

BACKUP_EVERY = 200  # judgements: at 10 a minute three copies an hour


class Store:
    """The labels of one file, for any number of threads; other programs may have it open too.

    Every method of a part is one transaction and returns after COMMIT. What it returns belongs to no session.
    """

    def __init__(self, database: Database, *, in_use: InUse, backups: AutomaticBackups) -> None:
        """Put the parts together; `open` is the way to a store."""
        self._database = database
        self._in_use = in_use
        self._backups = backups
        self._identity = ""
        self.projects = Projects(database)
        self.annotators = Annotators(database)
        self.texts = Texts(database, before_bulk=partial(backups.make_before, "bulk"))
        self.scores = Scores(database)
        self.imports = Imports(database, before_import=partial(backups.make_before, "import"))
        self.judgements = Judgements(database, on_saved=backups.count, before_bulk=partial(backups.make_before, "bulk"))
        self.history = History(database)
        self.counts = CountsOf(database)
        self.labels = Labels(database)
        self.queue = Queue(database)
        self.search = Search(database)
        self.browse = Browse(database)
        self.snapshots = Snapshots(database)

    @classmethod
    def open(
        cls,
        path: Path | str,
        *,
        backups: Path | None = None,
        backup_every: int = BACKUP_EVERY,
        copies_apart: float = 0.0,
        clock: Clock = read_clock,
    ) -> Self:
        """Open a file of labels, which is made if it is not there, and brought to this version if it is older.

        Args:
            path: the file.
            backups: the folder for copies, by default `backups/` beside the file.
            backup_every: judgements from one copy to the next.
            copies_apart: seconds from one copy before an import, or before a bulk change, to the next; more than 0 where
                strangers import, who would push out the copies that the owner may need.
            clock: tells the times that are shown; nothing is decided by them.

        Raises:
            NewerDatabaseError: it was written by a newer version; it stays as it is.
            StorageError: it is damaged, something else, or cannot be written; it stays as it is.
        """
        place = Path(path).absolute()
        copies = AutomaticBackups(place, folder=backups, every=backup_every, apart=copies_apart)
        with ExitStack() as undone_on_error, opening(place):
            in_use = InUse(place)
            undone_on_error.callback(in_use.close)
            with explaining(place):
                is_new = _bring_up_to_date(place, in_use, copies)
            in_use.share()
            undone_on_error.pop_all()
        store = cls(Database(place, clock=clock), in_use=in_use, backups=copies)
        if not is_new:
            copies.make_soon("start")
        return store

    @property
    def path(self) -> Path:
        """Where the file lies."""
        return self._database.path

    @property
    def identity(self) -> str:
        """The random name of this database; a restored copy has another one, since its ids mean something else.

        Raises:
            StorageError: it could not be read, or not be written with its first use.
        """
        self._identity = self._identity or read_identity(self._database)
        return self._identity

    @property
    def backups_folder(self) -> Path:
        """Where its copies lie."""
        return self._backups.folder

    @property
    def backup_problem(self) -> str:
        """Why the last copy in the background could not be made, as one sentence; empty if it could."""
        return self._backups.problem

    def backup(self, reason: Reason = "manual") -> Path:
        """Make a verified copy now.

        Raises:
            StorageError: it could not be made.
        """
        return self._backups.make(reason)

    def close(self) -> None:
        """Let the writer and the copy that is being made end, then close the file."""
        self._backups.close()
        self._database.close()
        self._in_use.close()

    def __enter__(self) -> Self:
        """Give the store, to be closed at the end of the block."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the store."""
        self.close()


def _bring_up_to_date(path: Path, in_use: InUse, backups: AutomaticBackups) -> bool:
    """Make the file or take it to the newest revision, and tell whether it was made."""
    is_new = not path.exists() or path.stat().st_size == 0
    if not is_new:
        contents = describe_file(path)
        is_new = contents.revision is None and not contents.counts  # a program ended while it made it
        if not is_new:
            refuse_foreign(path, contents)
            if contents.revision == list_revisions()[-1]:
                return False
    in_use.claim("brought to this version")
    if not is_new:
        backups.make("migration")
    engine = make_engine(path, can_write=True)
    try:
        with rebuilding(engine) as connection:
            upgrade(connection)
    finally:
        engine.dispose()
    return is_new
