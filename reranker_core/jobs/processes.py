"""Which process a note speaks of, whether it lives, and how to end it with all that it started."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import psutil


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessMark:
    """A process, such that no later one is taken for it.

    Attributes:
        pid: its number, which the system gives away again.
        start: when it began: on Linux in ticks since the machine started, which no change of the clock moves; elsewhere in
            seconds since 1970.
        boot: of the machine since its last start.
    """

    pid: int
    start: float
    boot: str

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return {"pid": self.pid, "create_time": self.start, "boot": self.boot}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "ProcessMark | None":
        """Read what `to_dict` gave; `None` where something is missing or no such value."""
        pid, start, boot = values.get("pid"), values.get("create_time"), values.get("boot")
        is_whole = isinstance(pid, int) and pid > 0 and isinstance(start, int | float) and isinstance(boot, str)
        return cls(pid=int(pid or 0), start=float(start or 0), boot=boot or "") if is_whole else None


def mark_process(pid: int) -> ProcessMark:
    """Mark a process; one that has ended already gets a mark that fits none."""
    return ProcessMark(pid=pid, start=_find_start(pid) or -1.0, boot=read_boot())


def is_alive(mark: ProcessMark) -> bool:
    """Say whether that very process runs. A zombie, which has ended and is not yet reaped, does not."""
    if mark.boot != read_boot() or _find_start(mark.pid) != mark.start:
        return False
    try:
        return bool(psutil.Process(mark.pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def end_tree(mark: ProcessMark, *, patience: float = 3.0) -> None:
    """End a process and all that it started: ask, and after some seconds kill.

    The children are listed beforehand, since those of a process that has gone are not found any more.
    """
    if not is_alive(mark):
        return
    try:
        process = psutil.Process(mark.pid)
        tree = [process, *process.children(recursive=True)]
    except psutil.Error:
        return
    for one in tree:
        _tell(one.terminate)
    _, living = psutil.wait_procs(tree, timeout=patience)
    for one in living:
        for child in _children(one):
            _tell(child.kill)
        _tell(one.kill)
    psutil.wait_procs(living, timeout=patience)


def end_session(*, patience: float = 3.0) -> None:
    """End every other process of this process's session, which its leader's children and theirs belong to."""
    session, own = os.getsid(0), os.getpid()
    left = [process for process in psutil.process_iter() if process.pid != own and _session_of(process.pid) == session]
    for one in left:
        _tell(one.terminate)
    _, living = psutil.wait_procs(left, timeout=patience)
    for one in living:
        _tell(one.kill)


@cache
def read_boot() -> str:
    """Name the time since the machine started."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return str(int(psutil.boot_time()))


def own_mark() -> ProcessMark:
    """Mark this process."""
    return mark_process(os.getpid())


def _find_start(pid: int) -> float | None:
    # psutil's create_time adds the clock's idea of the boot, which moves with the clock.
    try:
        after_name = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2]
        return float(after_name.split()[19])
    except (OSError, IndexError, ValueError):
        pass
    try:
        return float(psutil.Process(pid).create_time())
    except psutil.Error:
        return None


def _session_of(pid: int) -> int | None:
    try:
        return os.getsid(pid)
    except OSError:
        return None


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return list(process.children(recursive=True))
    except psutil.Error:
        return []


def _tell(action: Any) -> None:
    try:
        action()
    except psutil.Error:
        return
