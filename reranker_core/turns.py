"""Waiting for one's turn: one thread at a time on each device, in order of arrival, and waits that can be stopped."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from reranker_core.errors import InputError

OnWait = Callable[[str, float | None], None]

_T = TypeVar("_T")

# Seconds between two calls of `on_wait`: a little under the tenth that is promised.
_TICK = 0.08


def wait_until(changed: threading.Condition, attempt: Callable[[], _T | None], on_wait: OnWait | None) -> _T:
    """Try until something comes of it.

    Args:
        changed: held during each attempt, and notified of every change that may help.
        attempt: `None` says to wait.
        on_wait: called as `on_wait("waiting", None)` about ten times a second, with `changed` not held. What it raises
            ends the wait.
    """
    while True:
        with changed:
            if (result := attempt()) is not None:
                return result
            changed.wait(_TICK if on_wait else None)
        if on_wait:
            on_wait("waiting", None)


@dataclass(slots=True, eq=False)
class _Device:
    owner: int | None = None  # the thread that has it
    calls: int = 0  # of the owner, nested ones included
    line: list[int] = field(default_factory=list)  # threads that wait for it, the first first


class DeviceTurns:
    """Lets one thread at a time onto each device; the same thread may come again. Safe to use from several threads."""

    def __init__(self) -> None:
        """Start with every device free."""
        self._changed = threading.Condition()
        self._devices: dict[str, _Device] = {}

    @contextmanager
    def take(self, name: str, *, on_wait: OnWait | None = None) -> Iterator[None]:
        """Have a device for the length of a `with` block, which must end in the thread in which it began.

        Args:
            name: as torch names it.
            on_wait: as for `wait_until`.

        Raises:
            InputError: this thread has another device, for which the one that has `name` waits.
        """
        thread = threading.get_ident()
        try:
            device = wait_until(self._changed, lambda: self._try_to_take(name, thread), on_wait)
        except BaseException:
            with self._changed:
                self._leave_line(name, thread)
            raise
        try:
            yield
        finally:
            with self._changed:
                device.calls -= 1
                if not device.calls:
                    device.owner = None
                self._changed.notify_all()

    def owner(self, name: str) -> int | None:
        """Say which thread has a device; `None` if it is free."""
        with self._changed:
            return self._devices[name].owner if name in self._devices else None

    def _try_to_take(self, name: str, thread: int) -> _Device | None:
        device = self._devices.setdefault(name, _Device())
        is_next = device.owner is None and device.line[:1] in ([], [thread])
        if is_next or device.owner == thread:
            self._leave_line(name, thread)
            device.owner = thread
            device.calls += 1
            return device
        if thread not in device.line:
            self._check_no_circle(name, thread)
            device.line.append(thread)
        return None

    def _leave_line(self, name: str, thread: int) -> None:
        if name in self._devices and thread in self._devices[name].line:
            self._devices[name].line.remove(thread)
            self._changed.notify_all()

    def _check_no_circle(self, name: str, thread: int) -> None:
        """Follow who waits for whom from the owner of a device on; a circle would close with `thread`."""
        device: _Device | None = self._devices[name]
        while device and device.owner is not None:
            if device.owner == thread:
                raise InputError(
                    f"This thread uses a model on one device and asks for one on {name}, whose user waits for the first "
                    "device: both would wait for ever. Borrow one model after the other."
                )
            device = next((other for other in self._devices.values() if device.owner in other.line), None)
