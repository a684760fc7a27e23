"""Locks between processes, which the system lets go when the last process that has them ends."""

import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from reranker_core.errors import InputError

_TICK = 0.05


def take_lock(path: Path, *, patience: float = 0.0) -> int | None:
    """Take a lock, and give its file descriptor, which a child can inherit: the lock lasts until the last closes it.

    Args:
        path: of the lock's file, which is made and stays.
        patience: seconds to wait for it.

    Returns:
        The descriptor; `None` where another has the lock.

    Raises:
        InputError: this system has no such locks.
    """
    try:
        import fcntl
    except ImportError as error:
        raise InputError("Jobs need Linux or macOS. Train here and now: python -m reranker_core.training.") from error
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    ends = time.monotonic() + patience
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() < ends:
                time.sleep(_TICK)
                continue
            os.close(handle)
            return None
        return handle


@contextmanager
def changing_jobs(jobs: Path) -> Iterator[None]:
    """Let one at a time start, stop, resume or forget jobs, of all processes on a home.

    Raises:
        InputError: the folder cannot be written, or another keeps it to itself.
    """
    try:
        jobs.mkdir(parents=True, exist_ok=True)
        handle = take_lock(jobs / ".changing.lock", patience=30.0)
    except OSError as error:
        raise InputError(f"{jobs} cannot be written ({error.strerror}). Check who may write there.") from error
    if handle is None:
        raise InputError(f"Another program has been changing the jobs in {jobs} for half a minute. Try again.")
    try:
        yield
    finally:
        os.close(handle)


def device_lock(jobs: Path, device: str) -> Path:
    """Name the file of a device's lock, such as `.device-cuda-0.lock`."""
    return jobs / f".device-{re.sub(r'[^a-z0-9]+', '-', device.lower())}.lock"
