"""`python -m reranker_core.jobs.supervisor FOLDER ATTEMPT`: waits for a job's turn, starts its worker, says how it ended.

It belongs to no program and no terminal, and brings no torch in, so that a job that waits costs a few megabytes. Where it
is killed, its worker goes on: the worker holds the locks of the job and of the device too.
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from reranker_core.errors import RerankerError
from reranker_core.jobs.folder import JobFolder, now, read_object, write_object
from reranker_core.jobs.launching import GRACE, worker_environment
from reranker_core.jobs.locks import take_lock
from reranker_core.jobs.processes import end_session, end_tree, mark_process, own_mark
from reranker_core.jobs.queueing import try_to_take_device

_TICK = 0.2  # seconds between two looks at the queue, at the worker and at control/STOP
_HANDING_OVER = 15.0  # seconds that the processes of the attempt before have to be gone
_LEAVING = 60.0  # seconds that a worker has to be gone once it wrote how it ended
_FULL_DISK = 300.0  # seconds in which a note that cannot be written is tried again
_NICENESS = 5  # of workers on a CPU


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a job; return 0, or 1 where another has it."""
    parser = argparse.ArgumentParser(prog="python -m reranker_core.jobs.supervisor")
    parser.add_argument("folder", type=Path)
    parser.add_argument("attempt", type=int)
    parser.add_argument("--grace", type=float, default=GRACE, help="seconds to save and end when asked to stop")
    parser.add_argument("--since", help="when the job came, for its place in the queue (default: now)")
    options = parser.parse_args(arguments)
    folder = JobFolder(options.folder)
    lock = take_lock(folder.lock, patience=_HANDING_OVER)
    if lock is None:
        print(f"{now()} Another process has this job; attempt {options.attempt} was not begun.", file=sys.stderr)  # noqa: T201
        return 1
    since = options.since or now()
    Supervisor(folder, attempt=options.attempt, grace=options.grace, lock=lock, since=since).run()
    return 0


class Supervisor:
    """Takes care of one attempt at a job; holding the job's lock, it alone writes supervisor.json and exit.json."""

    def __init__(self, folder: JobFolder, *, attempt: int, grace: float, lock: int, since: str) -> None:
        """Take the job over.

        Args:
            folder: of the job.
            attempt: which this is.
            grace: seconds that the worker has to end once it is asked to.
            lock: the descriptor of the job's lock.
            since: when the job came.
        """
        self._folder, self._attempt, self._grace, self._lock = folder, attempt, grace, lock
        self._record = read_object(folder.record) or {}
        self._device = str(self._record.get("device", "cpu"))
        self._since = since

    def run(self) -> None:
        """Wait, train, note the end."""
        self._note("queued")
        device_lock: int | None = None
        while device_lock is None:
            if self._folder.stop.exists():
                self._finish(rc=None, reason="left the queue")
                return
            device_lock = try_to_take_device(self._folder, device=self._device, since=self._since)
            if device_lock is None:
                time.sleep(_TICK)
        try:
            worker = self._start_worker(device_lock)
        except OSError as error:
            reason = f"The worker could not be started ({error.strerror}). Free memory, or room on the disk, then resume."
            self._finish(rc=None, reason=reason)
            return
        mark = mark_process(worker.pid)
        self._note("running", worker=mark.to_dict())
        rc = self._watch(worker, end=lambda: end_tree(mark))
        end_session()  # what the worker started and left behind would keep the memory
        self._finish(rc=rc)

    def _start_worker(self, device_lock: int) -> "subprocess.Popen[bytes]":
        """Start the worker, which inherits both locks. On a CPU it yields to what a person does at the same time."""
        self._note("running")
        argv = [sys.executable, "-m", "reranker_core.jobs.worker", str(self._folder.path), str(self._attempt)]
        settings = self._record.get("settings")
        offline = isinstance(settings, dict) and settings.get("offline") is True
        with self._folder.log.open("ab") as log:
            log.write(f"\n--- attempt {self._attempt}, {now()} ---\n".encode())
            log.flush()
            worker = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=worker_environment(offline=offline),
                pass_fds=(self._lock, device_lock),
            )
        if self._device == "cpu":
            with suppress(OSError):  # it may be gone already
                os.setpriority(os.PRIO_PROCESS, worker.pid, _NICENESS)
        os.close(device_lock)  # the worker has it now, and keeps it until it is gone
        return worker

    def _watch(self, worker: "subprocess.Popen[bytes]", *, end: Callable[[], None]) -> int:
        """Wait for the worker; end it where it is asked to stop and does not, or is done and does not go."""
        asked_at: float | None = None
        done_at: float | None = None
        while worker.poll() is None:
            time.sleep(_TICK)
            moment = time.monotonic()
            if asked_at is None and self._folder.stop.exists():
                asked_at = moment
            if done_at is None and self._is_done():
                done_at = moment
            is_late = asked_at is not None and moment - asked_at > self._grace
            lingers = done_at is not None and moment - done_at > _LEAVING
            if is_late or lingers or (asked_at is not None and self._is_to_end_at_once()):
                end()
        return int(worker.returncode)

    def _is_done(self) -> bool:
        state = read_object(self._folder.state) or {}
        return state.get("attempt") == self._attempt and bool(state.get("status"))

    def _is_to_end_at_once(self) -> bool:
        return (read_object(self._folder.stop) or {}).get("at_once") is True

    def _note(self, phase: str, *, worker: dict[str, Any] | None = None) -> None:
        content = {"attempt": self._attempt, "phase": phase, "process": own_mark().to_dict(), "worker": worker}
        self._write(self._folder.supervisor, content | {"device": self._device, "since": self._since, "at": now()})

    def _finish(self, *, rc: int | None, reason: str = "") -> None:
        signal = -rc if rc is not None and rc < 0 else None
        content = {"attempt": self._attempt, "rc": rc, "signal": signal, "reason": reason, "ended_at": now()}
        self._write(self._folder.exit, content)

    def _write(self, path: Path, content: dict[str, Any]) -> None:
        """Write a note, if need be into the room that was kept for it, or as soon as there is some."""
        ends = time.monotonic() + _FULL_DISK
        while True:
            try:
                write_object(path, content)
            except RerankerError:
                self._folder.reserve.unlink(missing_ok=True)
                if time.monotonic() > ends or not self._folder.path.is_dir():
                    raise
                time.sleep(_TICK)
                continue
            return


if __name__ == "__main__":
    sys.exit(main())
