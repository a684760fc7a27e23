"""Who waits in the pool is told so, may stop, and is served in turn; many at once all get right scores."""

import gc
import random
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from reranker_core import Reranker, load_reranker
from reranker_core.errors import ModelNotFoundError
from reranker_core.loading import estimate_memory
from reranker_core.pool import ModelPool
from reranker_core.turns import wait_until
from tests.core.visitors import (
    PAIRS,
    WAIT,
    Loader,
    Stopped,
    Visitor,
    holder,
    in_threads,
    make,
    names_in,
    quiet_waiter,
    sized_pool,
    waiter,
)

each_kind_of_waiter = pytest.mark.parametrize("come", [waiter, quiet_waiter])


@pytest.fixture(scope="module", autouse=True)
def few_objects() -> Iterator[None]:
    """Leave what is there already out of the garbage collections: the pool makes one for each model that goes."""
    gc.freeze()
    yield
    gc.unfreeze()


class SlowLoader:
    """Holds the load of one model until it is told to go on; can fail at first."""

    def __init__(self, name: str, *, fails_once: bool = False) -> None:
        self.begun, self.may_end = threading.Event(), threading.Event()
        self._name, self._fails = name, fails_once

    def __call__(self, name: str, **how: Any) -> Reranker:
        if name == self._name:
            self.begun.set()
            assert self.may_end.wait(WAIT)
            if self._fails:
                self._fails = False
                raise ModelNotFoundError("gone")
        return make(name, **how)


def test_who_waits_is_told_so_again_and_again_though_nothing_changes() -> None:
    told: list[tuple[str, float | None]] = []

    def on_wait(stage: str, fraction: float | None) -> None:
        told.append((stage, fraction))
        if len(told) == 3:
            raise Stopped

    with pytest.raises(Stopped):
        wait_until(threading.Condition(), lambda: None, on_wait)
    assert told == [("waiting", None)] * 3


def test_who_gets_a_ready_model_is_told_nothing() -> None:
    pool, _ = sized_pool(10)
    for _ in range(2):
        visitor = Visitor(pool, "a:10")
        visitor.leave()
    assert visitor.stages == []


def test_a_load_tells_how_far_it_is(checkpoints: Path) -> None:
    visitor = Visitor(ModelPool(), str(checkpoints / "encoder"))
    visitor.leave()
    fractions = [fraction for _, fraction in visitor.stages if fraction is not None]
    assert {stage for stage, _ in visitor.stages} == {"loading"}
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert len(fractions) > 10


@each_kind_of_waiter
def test_who_waits_for_the_load_of_another_gets_that_model(come: Callable[..., Visitor]) -> None:
    slow = SlowLoader("a:10")
    pool, loader = sized_pool(10, load=slow)
    first = Visitor(pool, "a:10", is_quiet=True)
    assert slow.begun.wait(WAIT)
    second, third = come(pool, "a:10"), come(pool, "a:10")
    assert [(model.state, model.memory_bytes) for model in pool.resident()] == [("loading", 10)]
    slow.may_end.set()
    assert {visitor.leave() for visitor in (first, second, third)} == {"a:10"}
    assert loader.names == ["a:10"]


@each_kind_of_waiter
def test_who_waits_for_a_load_that_fails_loads_in_its_stead(come: Callable[..., Visitor]) -> None:
    slow = SlowLoader("a:10", fails_once=True)
    pool, loader = sized_pool(10, load=slow)
    first = Visitor(pool, "a:10", is_quiet=True)
    assert slow.begun.wait(WAIT)
    second = come(pool, "a:10")
    slow.may_end.set()
    with pytest.raises(ModelNotFoundError, match="gone"):
        first.leave()
    assert second.leave() == "a:10"
    assert len(loader.calls) == 2


@each_kind_of_waiter
def test_who_waits_for_memory_or_for_the_device_is_woken_when_it_is_free(come: Callable[..., Visitor]) -> None:
    pool, loader = sized_pool(20)
    first = holder(pool, "a:10", is_quiet=True)
    second, third = come(pool, "b:10"), come(pool, "c:20")
    first.leave()
    assert (second.leave(), third.leave()) == ("b:10", "c:20")
    assert loader.names == ["a:10", "b:10", "c:20"]


@each_kind_of_waiter
def test_what_is_being_freed_counts_until_it_is_free(monkeypatch: pytest.MonkeyPatch, come: Callable[..., Visitor]) -> None:
    begun, may_end = threading.Event(), threading.Event()

    def free_slowly() -> bool:
        begun.set()
        return not may_end.wait(WAIT)

    pool, loader = sized_pool(10)
    Visitor(pool, "a:10").leave()
    monkeypatch.setattr(torch.cuda, "is_initialized", free_slowly)
    unloading = threading.Thread(target=pool.unload, args=("a:10",), daemon=True)
    unloading.start()
    assert begun.wait(WAIT)
    second = come(pool, "b:10")
    assert (names_in(pool), loader.names) == ([], ["a:10"])
    may_end.set()
    assert second.leave() == "b:10"
    unloading.join(WAIT)


def test_a_load_holds_up_nobody_else_not_even_behind_one_who_waits_for_it() -> None:
    slow = SlowLoader("a:10")
    pool, _ = sized_pool(30, load=slow)
    first = Visitor(pool, "a:10")
    assert slow.begun.wait(WAIT)
    second = waiter(pool, "a:10")
    assert Visitor(pool, "b:10").leave() == "b:10"
    slow.may_end.set()
    first.leave()
    second.leave()


def test_a_model_that_is_being_loaded_is_not_evicted_for_another() -> None:
    slow = SlowLoader("a:10")
    pool, loader = sized_pool(15, load=slow)
    first = Visitor(pool, "a:10")
    assert slow.begun.wait(WAIT)
    second = waiter(pool, "b:10")
    assert names_in(pool) == ["a:10"]
    slow.may_end.set()
    first.leave()
    second.leave()
    assert loader.names == ["a:10", "b:10"]


def test_a_device_is_given_in_order_of_arrival_and_not_back_to_who_just_left_it() -> None:
    pool, _ = sized_pool(30)
    order: list[int] = []
    others: list[Visitor] = []
    for _ in range(5):
        with pool.borrow("a:10"):
            number = len(others)
            others.append(waiter(pool, "b:10", work=lambda _, number=number: order.append(number)))
            others.append(waiter(pool, "c:10", work=lambda _, number=number: order.append(number + 1)))
        with pool.borrow("a:10"):
            assert len(order) == len(others)
    for visitor in others:
        visitor.leave()
    assert order == list(range(10))


def test_who_stops_waiting_for_memory_lets_the_next_in_line_go() -> None:
    pool, loader = sized_pool(20)
    first = holder(pool, "a:10@cuda:0")
    second = waiter(pool, "b:20@cuda:1")
    third = quiet_waiter(pool, "c:10@cuda:2", holds=True)
    second.stop()
    assert third.inside.wait(WAIT)
    assert names_in(pool) == ["a:10@cuda:0", "c:10@cuda:2"]
    first.leave()
    third.leave()
    assert Visitor(pool, "b:20@cuda:1").leave() == "b:20@cuda:1"
    assert len(loader.calls) == 3


def test_who_stops_waiting_for_the_device_gives_the_model_back() -> None:
    pool, _ = sized_pool(20)
    first = holder(pool, "a:10")
    second = waiter(pool, "b:10")
    third = quiet_waiter(pool, "a:10")
    second.stop()
    pool.unload("b:10")
    assert names_in(pool) == ["a:10"]
    first.leave()
    assert third.leave() == "a:10"


def test_who_stops_when_it_is_his_turn_lets_the_next_have_the_device() -> None:
    pool, _ = sized_pool(20)
    told, may_stop = threading.Event(), threading.Event()

    def stop(stage: str, fraction: float | None) -> None:
        told.set()
        assert may_stop.wait(WAIT)
        raise Stopped

    first = holder(pool, "a:10")
    second = Visitor(pool, "a:10", is_quiet=True, on_wait=stop)
    assert told.wait(WAIT)
    third = quiet_waiter(pool, "a:10")
    first.leave()
    may_stop.set()
    with pytest.raises(Stopped):
        second.leave()
    assert third.leave() == "a:10"


def test_who_stops_waiting_for_the_load_of_another_leaves_that_load_alone() -> None:
    slow = SlowLoader("a:10")
    pool, loader = sized_pool(10, load=slow)
    first = Visitor(pool, "a:10")
    assert slow.begun.wait(WAIT)
    waiter(pool, "a:10").stop()
    slow.may_end.set()
    assert first.leave() == "a:10"
    assert names_in(pool) == loader.names == ["a:10"]


def test_a_load_that_is_stopped_leaves_nothing_behind_and_the_next_loads_anew(
    checkpoints: Path, load: Callable[..., Any]
) -> None:
    from transformers import XLMRobertaModel

    def living() -> list[int]:
        gc.collect()
        return sorted(id(thing) for thing in gc.get_objects() if isinstance(thing, XLMRobertaModel))

    expected = load("encoder").compute_score(PAIRS)
    before = living()
    pool, name = ModelPool(), str(checkpoints / "encoder")

    def stop_halfway(stage: str, fraction: float | None) -> None:
        if stage == "loading" and fraction and fraction > 0.5:
            raise Stopped

    with pytest.raises(Stopped) as error, pool.borrow(name, on_wait=stop_halfway):
        pass
    assert living() == before  # although somebody still has the error, and with it the frames
    assert error.value.__traceback__
    assert pool.resident() == []
    with pool.borrow(name) as reranker:
        assert reranker.compute_score(PAIRS) == pytest.approx(expected, abs=1e-5)


def test_a_load_can_be_stopped_before_it_begins() -> None:
    pool, loader = sized_pool(10)

    def stop(stage: str, fraction: float | None) -> None:
        raise Stopped

    with pytest.raises(Stopped), pool.borrow("a:10", on_wait=stop):
        pass
    assert (loader.calls, pool.resident()) == ([], [])
    assert Visitor(pool, "a:10").leave() == "a:10"


def test_two_threads_that_load_and_a_third_that_scores_all_get_right_scores(
    checkpoints: Path, load: Callable[..., Any]
) -> None:
    expected = {name: load(name).compute_score(PAIRS) for name in ("encoder", "llm", "layerwise")}
    both_load = threading.Barrier(3)

    def slow(name: str, **how: Any) -> Reranker:
        if not name.endswith("encoder"):
            both_load.wait(WAIT)  # for the other load and for the scoring
            both_load.wait(WAIT)
        return load_reranker(name, **how)

    pool = ModelPool(slow)

    def score(name: str) -> Callable[[Reranker], Any]:
        def work(reranker: Reranker) -> Any:
            if name == "encoder":
                both_load.wait(WAIT)
                scores = reranker.compute_score(PAIRS)
                states = sorted(model.state for model in pool.resident())
                both_load.wait(WAIT)
                assert states == ["loading", "loading", "scoring"]
                return scores
            return reranker.compute_score(PAIRS)

        return work

    visitors = {name: Visitor(pool, str(checkpoints / name), work=score(name)) for name in expected}
    for name, visitor in visitors.items():
        assert visitor.leave() == pytest.approx(expected[name], abs=1e-5)


@pytest.mark.parametrize("admitted", [1, 2])
def test_thirty_visitors_at_random_get_right_scores_and_the_budget_holds(
    admitted: int, checkpoints: Path, load: Callable[..., Any]
) -> None:
    asked: list[tuple[str, int | None]] = [("encoder", None), ("llm", None)]
    asked += [("layerwise", layer) for layer in (2, 5, 8)]
    expected = {(name, layer): load(name).compute_score(PAIRS, cutoff_layers=layer) for name, layer in asked}
    sizes = sorted(estimate_memory(checkpoints / name) for name in ("encoder", "llm", "layerwise"))
    budget = sum(sizes[-admitted:])
    living: weakref.WeakSet[Reranker] = weakref.WeakSet()
    guard = threading.Lock()
    over: list[str] = []

    def watch(name: str, **how: Any) -> Reranker:
        told = sum(model.memory_bytes for model in pool.resident())
        made = load_reranker(name, **how)
        with guard:
            living.add(made)
            if max(told, sum(reranker.memory_bytes for reranker in living)) > budget:
                over.append(name)
        return made

    loader = Loader(watch)
    pool = ModelPool(loader, memory_budget=budget)

    def score(name: str, layer: int | None) -> None:
        with pool.borrow(str(checkpoints / name), max_layer=layer) as reranker:
            scores = reranker.compute_score(PAIRS, cutoff_layers=layer)
        assert scores == pytest.approx(expected[name, layer], abs=1e-5)

    def visit(number: int) -> int:
        chance = random.Random(number)
        score(*chance.choice(asked))
        return number

    assert in_threads(30, visit) == list(range(30))
    assert over == []
    assert len(loader.calls) > 3
    assert sum(model.memory_bytes for model in pool.resident()) <= budget
    assert all(model.state == "ready" for model in pool.resident())
