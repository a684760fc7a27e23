"""Downloads in the background, for a screen: started, watched, stopped, gone on with. Needs no torch."""

import threading
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from reranker_core.errors import InputError, RerankerError
from reranker_core.hub import download
from reranker_core.hub_requests import AGAIN, explain_offline, is_offline
from reranker_core.transfer import Patience

_ACTIVE = ("starting", "running", "stopping")


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadState:
    """How a download stands at one moment.

    Attributes:
        repo_id: the model's name on the Hub.
        status: `"starting"`, `"running"`, `"stopping"`, `"stopped"`, `"failed"` or `"completed"`.
        done_bytes: what is here of all files that are needed.
        total_bytes: all that is needed; `None` until the Hub has said it.
        message: one sentence; for `"failed"` what went wrong and what to do.
        bytes_per_second: over the last seconds; `None` at first, and when nothing runs.
    """

    repo_id: str
    status: str
    done_bytes: int
    total_bytes: int | None
    message: str
    bytes_per_second: float | None

    @property
    def is_active(self) -> bool:
        """Whether it is under way."""
        return self.status in _ACTIVE


class Speed:
    """Bytes per second over the last seconds; the clock is the caller's."""

    WINDOW = 5.0
    LEAST = 1.0  # seconds, below which a figure would mean nothing

    def __init__(self) -> None:
        """Start without a measurement."""
        self._marks: deque[tuple[float, int]] = deque()

    def note(self, now: float, done: int) -> None:
        """Take down how many bytes are here at a time in seconds."""
        if not self._marks or now - self._marks[-1][0] >= self.WINDOW / 50:
            self._marks.append((now, done))
        while len(self._marks) > 1 and now - self._marks[1][0] >= self.WINDOW:
            self._marks.popleft()

    def measure(self, now: float, done: int) -> float | None:
        """Give the speed up to now, or `None` as long as too little was seen."""
        if not self._marks or now - self._marks[0][0] < self.LEAST:
            return None
        since, at_first = self._marks[0]
        return max(0.0, (done - at_first) / (now - since))


@dataclass(slots=True)
class _Download:
    """One start of a download, as its thread keeps it."""

    repo_id: str
    status: str = "starting"
    done: int = 0
    total: int | None = None
    message: str = "The Hugging Face Hub is asked which files there are."
    speed: Speed = field(default_factory=Speed)
    stop_asked: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None

    def describe(self) -> DownloadState:
        return DownloadState(
            repo_id=self.repo_id,
            status=self.status,
            done_bytes=self.done,
            total_bytes=self.total,
            message=self.message,
            bytes_per_second=self.speed.measure(time.monotonic(), self.done) if self.status == "running" else None,
        )


class _StopAsked(Exception):
    """Ends a download from within its reports."""


class Downloads:
    """Downloads in the background, one at a time for each model; safe from several threads; outlives a visit."""

    def __init__(
        self, cache_dir: str | Path | None = None, endpoint: str | None = None, *, patience: Patience | None = None
    ) -> None:
        """Start nothing yet.

        Args:
            cache_dir: a cache other than Hugging Face's own.
            endpoint: a server other than the Hub, or than what HF_ENDPOINT says.
            patience: with a bad line.
        """
        self._cache_dir = cache_dir
        self._endpoint = endpoint
        self._patience = patience
        self._guard = threading.Lock()
        self._downloads: dict[str, _Download] = {}

    def start(self, repo_id: str) -> DownloadState:
        """Start a download, or go on where it stopped; starting what runs changes nothing. Returns at once."""
        with self._guard:
            before = self._downloads.get(repo_id)
            if before is not None and before.status in ("starting", "running"):
                return before.describe()
            this = self._downloads[repo_id] = _Download(repo_id)
            if is_offline():
                this.status, this.message = "failed", explain_offline(repo_id)
            else:
                # A daemon: an app that ends does not wait for it, and what has come stays.
                this.thread = threading.Thread(target=self._run, args=(this,), daemon=True, name=f"downloads {repo_id}")
                this.thread.start()
            return this.describe()

    def stop(self, repo_id: str) -> DownloadState:
        """Ask a download to stop, if it runs, and return at once; what is there stays.

        Raises:
            InputError: it was never started.
        """
        with self._guard:
            this = self._find(repo_id)
            if this.status in _ACTIVE:
                this.stop_asked.set()
                this.status, this.message = "stopping", "The download is being stopped."
            return this.describe()

    def stop_all(self) -> None:
        """Ask every download to stop."""
        for state in self.active():
            self.stop(state.repo_id)

    def state(self, repo_id: str) -> DownloadState | None:
        """Say how a download stands; `None` if it was never started."""
        with self._guard:
            this = self._downloads.get(repo_id)
            return this.describe() if this else None

    def active(self) -> list[DownloadState]:
        """List the downloads that are starting, running or stopping."""
        with self._guard:
            return [this.describe() for this in self._downloads.values() if this.status in _ACTIVE]

    def wait(self, repo_id: str, timeout: float | None = None) -> DownloadState:
        """Wait until a download has ended, at most `timeout` seconds, and say how it stands.

        Raises:
            InputError: it was never started.
        """
        with self._guard:
            this = self._find(repo_id)
        if this.thread is not None:
            this.thread.join(timeout)
        with self._guard:
            return this.describe()

    def _find(self, repo_id: str) -> _Download:
        if repo_id not in self._downloads:
            raise InputError(f'No download of "{repo_id}" was started here. Start it first.')
        return self._downloads[repo_id]

    def _run(self, this: _Download) -> None:
        """Download until an end; a thread that is still stopping lets go of its file in a moment."""
        try:
            download(
                this.repo_id,
                cache_dir=self._cache_dir,
                endpoint=self._endpoint,
                on_progress=lambda done, total: self._note(this, done, total),
                patience=self._patience,
            )
        except _StopAsked:
            self._end(this, "stopped", f"The download was stopped. {AGAIN}")
        except RerankerError as error:
            self._end(this, "failed", str(error))
        except Exception as error:  # the edge of a thread: nobody else would hear of it, and it would seem to run for ever
            self._end(this, "failed", f"{this.repo_id} could not be downloaded ({type(error).__name__}: {error}). {AGAIN}")
        else:
            self._end(this, "completed", f"{this.repo_id} is on this machine.")

    def _note(self, this: _Download, done: int, total: int | None) -> None:
        with self._guard:
            this.done, this.total = done, total
            if this.stop_asked.is_set():
                raise _StopAsked
            if total is not None:
                this.speed.note(time.monotonic(), done)
                this.status, this.message = "running", f"{this.repo_id} is being downloaded."

    def _end(self, this: _Download, status: str, message: str) -> None:
        with self._guard:
            this.status, this.message = status, message
