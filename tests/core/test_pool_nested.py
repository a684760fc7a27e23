"""Nobody waits for ever in the pool: threads that hold a model and ask for another one."""

import threading

import pytest

from reranker_core.errors import InputError
from tests.core.visitors import WAIT, holder, in_threads, names_in, never_hangs, sized_pool, waiter


@never_hangs
def test_a_thread_may_hold_several_models_while_they_fit() -> None:
    pool, loader = sized_pool(25)
    with pool.borrow("old:5"):
        pass
    with pool.borrow("a:10") as outer, pool.borrow("b:15") as inner, pool.borrow("a:10") as again:
        assert again is outer
        assert (outer.name, inner.name) == ("a:10", "b:15")
        assert [model.state for model in pool.resident()] == ["scoring", "scoring"]
    with pool.borrow("a:10"):
        with pool.borrow("b:15"):
            pass
        other = waiter(pool, "a:10")  # the device is not free before the outer block ends
    assert other.leave() == "a:10"
    assert loader.names == ["old:5", "a:10", "b:15"]


@never_hangs
def test_a_thread_that_would_wait_for_its_own_model_gets_a_sentence_and_keeps_it() -> None:
    pool, loader = sized_pool(15)
    with pool.borrow("a:10") as outer:
        sentence = r"b:10 .*does not fit beside the models in use \(a:10; .*wait for itself"
        with pytest.raises(InputError, match=sentence), pool.borrow("b:10"):
            pass
        assert names_in(pool) == [outer.name]
        with pool.borrow("c:5"):
            pass
    with pool.borrow("b:10"):
        pass
    assert loader.names == ["a:10", "c:5", "b:10"]


@never_hangs
def test_a_thread_that_holds_a_model_and_asks_for_its_deeper_layers_gets_a_sentence() -> None:
    pool, loader = sized_pool(1000)
    with pool.borrow("deep", max_layer=4):
        with pytest.raises(InputError, match="fewer layers than are asked for"), pool.borrow("deep", max_layer=5):
            pass
        with pool.borrow("deep", max_layer=3) as again:
            assert again.cutoff_range == range(2, 5)
    with pool.borrow("deep", max_layer=5) as deeper:
        assert deeper.cutoff_range == range(2, 6)
    assert len(loader.calls) == 2


@never_hangs
def test_a_thread_that_has_the_device_does_not_wait_for_one_that_waits_for_it() -> None:
    pool, _ = sized_pool(40)
    with pool.borrow("a:10"):
        other = waiter(pool, "deep", max_layer=2)  # has its model, and waits for the device
        with pytest.raises(InputError, match="wait for itself"), pool.borrow("b:20"):
            pass
        with pytest.raises(InputError, match="fewer layers than are asked for"), pool.borrow("deep", max_layer=3):
            pass
    assert other.leave() == "deep"


@never_hangs
def test_a_thread_that_holds_a_model_goes_ahead_of_the_line() -> None:
    pool, _ = sized_pool(20)
    with pool.borrow("a:10@cuda:0"):
        other = waiter(pool, "c:20@cuda:1")  # waits for a
        with pool.borrow("b:10@cuda:0"):
            pass
    assert other.leave() == "c:20@cuda:1"


def test_two_threads_that_want_the_memory_of_each_others_model_both_get_a_sentence() -> None:
    pool, both = sized_pool(20)[0], threading.Barrier(2)

    def work(number: int) -> bool:
        with pool.borrow(f"a:10@cuda:{number}"):
            both.wait(WAIT)
            with pytest.raises(InputError, match="wait for itself"), pool.borrow(f"b:10@cuda:{number}"):
                pass
            both.wait(WAIT)
        return True

    assert in_threads(2, work) == [True, True]


def test_of_threads_that_want_each_others_devices_one_gets_a_sentence_and_the_others_go_on() -> None:
    pool, together = sized_pool(100)[0], threading.Barrier(3)

    def work(number: int) -> str:
        with pool.borrow(f"a:10@cuda:{number}"):
            together.wait(WAIT)
            try:
                with pool.borrow(f"b:10@cuda:{(number + 1) % 3}") as reranker:
                    return reranker.name
            except InputError as error:
                return str(error)

    results = in_threads(3, work)
    assert sum("both would wait for ever" in result for result in results) == 1
    assert sum(result.startswith("b:10@cuda") for result in results) == 2
    assert all(model.state == "ready" for model in pool.resident())


@never_hangs
@pytest.mark.parametrize("stage", ["loading", "waiting"])
def test_borrowing_while_the_same_thread_loads_or_waits_is_refused(stage: str) -> None:
    pool, loader = sized_pool(20)
    refused: list[str] = []

    def borrow_another(now: str, _: float | None) -> None:
        if now == stage:
            with pytest.raises(InputError, match="Ask for it afterwards") as error, pool.borrow("b:5@cuda:1"):
                pass
            refused.append(str(error.value))
            first.leave()

    first = holder(pool, "c:5")
    with pool.borrow("a:20" if stage == "waiting" else "a:5@cuda:1", on_wait=borrow_another):
        pass
    assert refused
    assert "b:5@cuda:1" not in loader.names
