"""Where the labels of this app lie, opened on first use."""

import tempfile
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # what a store needs takes 0.7 s to import, and the first screen shows before anybody labels
    from annotations.store import Store

LABELS_FILE = "labels.db"


class Labels:
    """The home folder's labels: the database, its backups, and the folders for exports and snapshots."""

    def __init__(self, home: Path | None = None, *, copies_apart: float = 0.0) -> None:
        """Note the place; nothing is opened or made yet.

        Args:
            home: the app's own folder; `None` for a temporary one, which goes with the process.
            copies_apart: seconds from one automatic copy of a reason to the next. Only the newest few are kept, and
                visitors who import again and again would push out those that the owner may need.
        """
        self._home = home
        self._copies_apart = copies_apart
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        self._store: Store | None = None
        self._lock = threading.Lock()

    @property
    def home(self) -> Path:
        """The app's own folder."""
        if self._home is None:
            self._temporary = tempfile.TemporaryDirectory(prefix="labels-", ignore_cleanup_errors=True)
            self._home = Path(self._temporary.name)
        return self._home

    @property
    def known_home(self) -> Path | None:
        """The app's own folder, or `None` while there is none; unlike `home` it makes none."""
        return self._home

    @property
    def exports(self) -> Path:
        """The folder for exported files."""
        return self.home / "exports"

    @property
    def snapshots(self) -> Path:
        """The folder of the snapshots."""
        return self.home / "snapshots"

    @property
    def store(self) -> "Store":
        """The open store. One that could not be opened is tried again with every use.

        Raises:
            StorageError: the file is damaged, newer than this program, or cannot be written; it stays as it is.
        """
        with self._lock:
            if self._store is None:
                from annotations.errors import StorageError
                from annotations.store import Store

                try:
                    self.home.mkdir(parents=True, exist_ok=True)
                except OSError as error:
                    raise StorageError(
                        f"The folder for the labels cannot be made: {error}. Free the place, or choose another with --home."
                    ) from error
                self._store = Store.open(self.home / LABELS_FILE, copies_apart=self._copies_apart)
            return self._store

    def close(self) -> None:
        """Close the file if it is open; the next use opens it again, as after a restore."""
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None
