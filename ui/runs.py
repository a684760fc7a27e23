"""Scorings under way, one for each visit, and how a visitor stops his own."""

import threading

from reranker_core.errors import RerankerError


class StoppedError(RerankerError):
    """The visitor stopped the run, or started another one in its place."""


class ReplacedError(StoppedError):
    """The visitor started another run in the place of this one, which has nothing to say any more."""


class Run:
    """One scoring under way. `check` is called often by what computes; it raises once the run was stopped."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._is_replaced = False

    @property
    def is_stopped(self) -> bool:
        """Whether it was stopped."""
        return self._stopped.is_set()

    def stop(self) -> None:
        """Ask it to end; it does so at its next `check`."""
        self._stopped.set()

    def replace(self) -> None:
        """Ask it to end because another run has taken its place."""
        self._is_replaced = True
        self._stopped.set()

    def check(self) -> None:
        """Go on, or not.

        Raises:
            StoppedError: it was stopped.
            ReplacedError: another run has taken its place.
        """
        if self.is_stopped:
            raise ReplacedError("Replaced by another run.") if self._is_replaced else StoppedError("Stopped.")


class Runs:
    """The runs by visit. Safe from several threads."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._by_visit: dict[str, Run] = {}

    def begin(self, visit: str) -> Run:
        """Start a run; an earlier one of the same visit is stopped."""
        run = Run()
        with self._guard:
            earlier = self._by_visit.get(visit)
            self._by_visit[visit] = run
        if earlier:
            earlier.replace()
        return run

    def end(self, visit: str, run: Run) -> bool:
        """Forget a run that is over; say whether it was still the visit's latest."""
        with self._guard:
            is_latest = self._by_visit.get(visit) is run
            if is_latest:
                del self._by_visit[visit]
        return is_latest

    def stop(self, visit: str) -> None:
        """Stop the run of a visit, if there is one."""
        with self._guard:
            run = self._by_visit.get(visit)
        if run:
            run.stop()
