"""What a project's labels would be as a snapshot, written for a look at them, kept for some minutes, and then deleted."""

import shutil
import tempfile
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ui.services import Services

if TYPE_CHECKING:
    from annotations.snapshots import SnapshotDraft

_KEPT_SECONDS = 120.0
_MOST = 8  # projects whose drafts are kept at once


class Draft:
    """A draft in a folder of its own, which goes with the last who holds this."""

    def __init__(self, services: Services, project_id: int, *, made_at: float) -> None:
        """Write it.

        Args:
            services: the labels.
            project_id: whose.
            made_at: seconds of the clock of `Drafts`.

        Raises:
            AnnotationError: nothing has a grade, or the labels cannot be read.
        """
        from annotations.snapshots import draft_snapshot

        parent = Path(tempfile.mkdtemp(prefix="draft-"))
        weakref.finalize(self, shutil.rmtree, parent, True)
        self.made_at = made_at
        self.written: SnapshotDraft = draft_snapshot(services.labels.store, project_id, parent / "labels")

    @property
    def folder(self) -> Path:
        """Where it lies."""
        return self.written.snapshot.folder


class Drafts:
    """The drafts of one program. Safe from several threads; one is written at a time."""

    def __init__(self, *, now: Callable[[], float] = time.monotonic) -> None:
        """Start with none.

        Args:
            now: a clock in seconds.
        """
        self._now = now
        self._guard = threading.Lock()
        self._kept: dict[int, Draft] = {}

    def get(self, services: Services, project_id: int, *, is_fresh: bool = False) -> Draft:
        """Give a project's labels as a snapshot would hold them.

        Args:
            services: the labels.
            project_id: whose.
            is_fresh: write it anew, even if there is one of the last two minutes.

        Raises:
            AnnotationError: nothing has a grade, or the labels cannot be read.
        """
        with self._guard:
            kept = self._kept.get(project_id)
            if kept is not None and not is_fresh and self._now() - kept.made_at < _KEPT_SECONDS:
                return kept
            self._kept[project_id] = Draft(services, project_id, made_at=self._now())
            while len(self._kept) > _MOST:
                del self._kept[min(self._kept, key=lambda key: self._kept[key].made_at)]
            return self._kept[project_id]
