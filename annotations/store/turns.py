"""A lock inside one program whose waiters get it in the order in which they came."""

import threading
from collections import deque
from types import TracebackType


class Turns:
    """Lets one thread after the other work, first come, first served.

    With `threading.Lock` whoever lets go and asks again at once, as an import does, may overtake those who wait, again and
    again.
    """

    def __init__(self) -> None:
        """Let the first one come."""
        self._guard = threading.Lock()
        self._is_taken = False
        self._waiting: deque[threading.Lock] = deque()

    def __enter__(self) -> None:
        """Wait for one's turn."""
        with self._guard:
            if not self._is_taken:
                self._is_taken = True
                return
            mine = threading.Lock()
            mine.acquire()
            self._waiting.append(mine)
        try:
            mine.acquire()
        except BaseException:  # interrupted while it waited, or just when its turn came
            with self._guard:
                is_waiting = mine in self._waiting
                if is_waiting:
                    self._waiting.remove(mine)
            if not is_waiting:
                self._pass_on()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Let the next one come."""
        self._pass_on()

    def _pass_on(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().release()  # it stays taken, so that nobody comes in between
            else:
                self._is_taken = False
