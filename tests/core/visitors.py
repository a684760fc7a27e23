"""What the tests of the pool share: rerankers of a known size, a loader that keeps count, and visitors in threads."""

import threading
from collections.abc import Callable
from functools import wraps
from typing import Any

from reranker_core import BM25Reranker, Reranker
from reranker_core.pool import ModelPool

WAIT = 60.0
PAIRS = [("what is panda?", "hi"), ("what is panda?", "The giant panda is a bear.")]


class SmallReranker(BM25Reranker):
    """A real reranker on a device of its own, of any size."""

    def __init__(self, name: str, device: str = "cpu", size: int = 0) -> None:
        self.name, self.device, self._size = name, device, size
        self.itself = self  # as some modules do: only the garbage collector can free it

    @property
    def memory_bytes(self) -> int:
        return self._size


class LayeredReranker(SmallReranker):
    """One with layers 2 to 8, of which each takes ten bytes."""

    def __init__(self, name: str, deepest: int, device: str = "cpu") -> None:
        super().__init__(name, device, size=10 * deepest)
        self.cutoff_range, self.depth = range(2, deepest + 1), 8


class Loader:
    """Loads rerankers and keeps what it was asked for."""

    def __init__(self, load: Callable[..., Reranker]) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._load = load

    def __call__(self, name: str, **how: Any) -> Reranker:
        self.calls.append((name, how))
        return self._load(name, **how)

    @property
    def names(self) -> list[str]:
        return [name for name, _ in self.calls]


def size_of(name: str, max_layer: int | None = None, **_: Any) -> int:
    """Read the size that a name such as `a:30@cuda:1` gives; a name without a size has layers of ten bytes each."""
    size = name.partition("@")[0].partition(":")[2]
    return int(size) if size else 10 * (8 if max_layer is None else max_layer)


def make(name: str, max_layer: int | None = None, **_: Any) -> Reranker:
    """Make what `size_of` measures, on the device that the name gives."""
    device = name.partition("@")[2] or "cpu"
    if ":" in name.partition("@")[0]:
        return SmallReranker(name, device, size_of(name))
    return LayeredReranker(name, 8 if max_layer is None else max_layer, device)


def sized_pool(budget: int, *, load: Callable[..., Reranker] = make, is_known: bool = True) -> tuple[ModelPool, Loader]:
    """Make a pool of sized rerankers; their sizes are known before the load or only after it."""
    loader = Loader(load)
    return ModelPool(loader, memory_budget=budget, estimate=size_of if is_known else lambda *_, **__: None), loader


def names_in(pool: ModelPool) -> list[str]:
    return [model.name for model in pool.resident()]


class Stopped(Exception):
    """What a visitor raises who has had enough."""


class Visitor(threading.Thread):
    """Borrows a model in a thread of its own, and may hold it until he is told to leave.

    A visitor that never ends fails the test instead of holding it up.

    Attributes:
        waiting: set as soon as he is told to wait.
        inside: set when he has the model.
        stages: all that he was told.
    """

    def __init__(
        self,
        pool: ModelPool,
        name: str,
        *,
        work: Callable[[Reranker], Any] | None = None,
        holds: bool = False,
        is_quiet: bool = False,
        **how: Any,
    ) -> None:
        """Come in at once.

        Args:
            pool: borrowed from.
            name: of the model.
            work: done with it.
            holds: stay after the work until `leave`.
            is_quiet: give no `on_wait`.
            how: further arguments of `borrow`.
        """
        super().__init__(daemon=True)
        self.waiting, self.inside = threading.Event(), threading.Event()
        self.stages: list[tuple[str, float | None]] = []
        self._pool, self._name, self._work, self._holds = pool, name, work, holds
        self._how = how if is_quiet else how | {"on_wait": self._hear}
        self._may_leave, self._must_stop = threading.Event(), threading.Event()
        self._result: Any = None
        self._error: BaseException | None = None
        self.start()

    def run(self) -> None:
        try:
            with self._pool.borrow(self._name, **self._how) as reranker:
                self.inside.set()
                self._result = self._work(reranker) if self._work else reranker.name
                if self._holds:
                    assert self._may_leave.wait(WAIT)
        except BaseException as error:
            self._error = error

    def leave(self) -> Any:
        """Tell him to leave, wait until he is gone, and give what his work gave."""
        self._may_leave.set()
        self.join(WAIT)
        assert not self.is_alive()
        if self._error:
            raise self._error
        return self._result

    def stop(self) -> None:
        """Have him raise `Stopped` the next time he is told something, and wait until he is gone."""
        self._must_stop.set()
        self.join(WAIT)
        assert not self.is_alive()
        assert isinstance(self._error, Stopped)

    def _hear(self, stage: str, fraction: float | None) -> None:
        self.stages.append((stage, fraction))
        if self._must_stop.is_set():
            raise Stopped
        if stage == "waiting":
            self.waiting.set()


def holder(pool: ModelPool, name: str, **how: Any) -> Visitor:
    """Send a visitor and wait until he has the model."""
    visitor = Visitor(pool, name, holds=True, **how)
    assert visitor.inside.wait(WAIT)
    return visitor


def waiter(pool: ModelPool, name: str, **how: Any) -> Visitor:
    """Send a visitor and wait until he is told to wait."""
    visitor = Visitor(pool, name, **how)
    assert visitor.waiting.wait(WAIT)
    return visitor


def quiet_waiter(pool: ModelPool, name: str, **how: Any) -> Visitor:
    """Send a visitor without `on_wait`, whom only a notification wakes, and give him time to begin to wait."""
    visitor = Visitor(pool, name, is_quiet=True, **how)
    waiter(pool, name, **how).stop()  # came later and was told to wait
    return visitor


def in_threads(count: int, work: Callable[[int], Any]) -> list[Any]:
    """Run `work(0)`, `work(1)`, … each in a thread; a thread that never ends fails the test instead of holding it up."""
    results: dict[int, Any] = {}
    errors: list[BaseException] = []

    def run(number: int) -> None:
        try:
            results[number] = work(number)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(number,), daemon=True) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(WAIT)
    if errors:
        raise errors[0]
    assert len(results) == count, "a thread has not come to its end"
    return [results[number] for number in range(count)]


def never_hangs(test: Callable[..., None]) -> Callable[..., None]:
    """Run a test in a thread, so that it fails where it would wait for ever."""

    @wraps(test)
    def run(**given: Any) -> None:
        in_threads(1, lambda _: test(**given))

    return run
