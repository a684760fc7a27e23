"""Where the labels lie, and what belongs to them."""

import os
from dataclasses import dataclass
from pathlib import Path

HOME_VARIABLE = "RERANKER_WORKBENCH_HOME"


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """The folder of the app's own data. Nothing in it is made before it is needed.

    Attributes:
        folder: an absolute path.
    """

    folder: Path

    @property
    def labels(self) -> Path:
        """The database."""
        return self.folder / "labels.db"

    @property
    def backups(self) -> Path:
        """Copies of the database."""
        return self.folder / "backups"

    @property
    def snapshots(self) -> Path:
        """Frozen labels, a folder each."""
        return self.folder / "snapshots"

    @property
    def exports(self) -> Path:
        """What the screens write for people to take away."""
        return self.folder / "exports"


def find_home(home: str | Path | None = None) -> Home:
    """Tell the folder of the app's own data, in the way of `reranker_core.home`, which the labels do not know.

    Args:
        home: as an option gave it; else the environment variable `RERANKER_WORKBENCH_HOME`, else `./workbench-data`. An
            empty text counts as not given.
    """
    chosen = str(home or "") or os.environ.get(HOME_VARIABLE, "") or "workbench-data"
    return Home(folder=Path(chosen).expanduser().absolute())
