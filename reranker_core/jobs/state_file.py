"""state.json: how far a worker is, written beside the training by a thread of its own, with a heartbeat."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from reranker_core.errors import RerankerError
from reranker_core.jobs.folder import JobFolder, now, write_object
from reranker_core.jobs.processes import own_mark

_PAUSE = 1.0  # seconds at least between two writes, but for a new stage
_HEARTBEAT = 5.0  # seconds at most between two writes

_RESERVED = 256 * 1024  # bytes


class StateFile:
    """Writes state.json: at once where the stage changes, at most every second else, and every five where nothing does.

    The training never waits for the disk, and a disk that is full in between ends nothing. A context manager: the thread
    ends with it.
    """

    def __init__(self, folder: JobFolder, *, attempt: int) -> None:
        """Write that the worker is there, and keep some room on the disk for what it says last.

        Raises:
            InputError: the folder cannot be written.
        """
        self._folder = folder
        self._values: dict[str, Any] = {
            "process": own_mark().to_dict(),
            "attempt": attempt,
            "stage": "loading",
            "step": 0,
            "total": 0,
            "message": "Starting.",
            "status": "",
            "error": None,
            "started_at": now(),
        }
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._changed = threading.Event()
        self._hurried = threading.Event()
        self._ended = False
        self._thread = threading.Thread(target=self._keep_writing, name="state.json", daemon=True)
        self._write()
        _reserve(folder)

    def __enter__(self) -> "StateFile":
        """Start the heartbeat."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End the heartbeat."""
        self._ended = True
        self._changed.set()
        self._hurried.set()
        self._thread.join()

    def tell(self, **values: Any) -> None:
        """Take values by their names in the file; they are in it soon, with a new stage at once."""
        with self._lock:
            is_new_stage = "stage" in values and values["stage"] != self._values["stage"]
            self._values |= values
        self._changed.set()
        if is_new_stage:
            self._hurried.set()

    def finish(self, status: str, *, message: str, error: Mapping[str, str] | None = None, **values: Any) -> None:
        """Write how it ended, into the room that was kept where the disk is full.

        Raises:
            InputError: it cannot be written all the same.
        """
        with self._lock:
            self._values |= {"status": status, "message": message, "error": None if error is None else dict(error)} | values
        self._folder.reserve.unlink(missing_ok=True)
        self._write()

    def _keep_writing(self) -> None:
        while not self._ended:
            self._changed.wait(_HEARTBEAT)
            if self._ended:
                return
            self._changed.clear()
            self._hurried.clear()
            with suppress(RerankerError):
                self._write()
            self._hurried.wait(_PAUSE)

    def _write(self) -> None:
        # Two locks, so that `tell` never waits for the disk, and what is written last is the newest.
        with self._writing:
            with self._lock:
                values = self._values | {"updated_at": now()}
            write_object(self._folder.state, values)


def _reserve(folder: JobFolder) -> None:
    with suppress(OSError):
        folder.reserve.write_bytes(bytes(_RESERVED))
