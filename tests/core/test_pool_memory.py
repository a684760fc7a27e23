"""The pool keeps its models under a memory budget: who goes, who may stay, who waits, and that memory really goes."""

import gc
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from reranker_core import Reranker, load_reranker
from reranker_core.errors import InputError
from reranker_core.loading import estimate_memory
from reranker_core.memory import default_budget
from reranker_core.pool import ModelPool, ResidentModel
from tests.core.visitors import WAIT, Loader, holder, make, names_in, never_hangs, sized_pool, waiter


@pytest.fixture(scope="module", autouse=True)
def few_objects() -> Iterator[None]:
    """Leave what is there already out of the garbage collections: the pool makes one for each model that goes."""
    gc.freeze()
    yield
    gc.unfreeze()


def use(pool: ModelPool, *names: str, **how: Any) -> None:
    for name in names:
        use_one(pool, name, **how)


def use_one(pool: ModelPool, name: str, **how: Any) -> None:
    with pool.borrow(name, **how) as reranker:
        assert reranker.name == name


def test_the_least_recently_used_model_goes_first() -> None:
    pool, loader = sized_pool(30)
    use(pool, "a:10", "b:10", "c:10", "a:10", "d:10")
    assert names_in(pool) == ["a:10", "c:10", "d:10"]
    use(pool, "b:10")
    assert names_in(pool) == ["a:10", "d:10", "b:10"]
    assert loader.names == ["a:10", "b:10", "c:10", "d:10", "b:10"]


def test_a_model_counts_as_used_until_its_borrower_leaves() -> None:
    pool, _ = sized_pool(20)
    visitor = holder(pool, "a:10@cuda:0")
    use(pool, "b:10@cuda:1")
    visitor.leave()
    use(pool, "c:10@cuda:1")
    assert names_in(pool) == ["a:10@cuda:0", "c:10@cuda:1"]


def test_as_many_models_go_as_have_to_and_no_more() -> None:
    pool, _ = sized_pool(30)
    use(pool, "a:10", "b:10", "c:10", "d:15")
    assert names_in(pool) == ["c:10", "d:15"]
    use(pool, "e:5")
    assert names_in(pool) == ["c:10", "d:15", "e:5"]


def test_a_model_in_use_stays_although_it_is_the_least_recently_used() -> None:
    pool, loader = sized_pool(20)
    visitor = holder(pool, "a:10@cuda:0")
    use(pool, "b:10@cuda:1", "c:10@cuda:1")
    assert names_in(pool) == ["a:10@cuda:0", "c:10@cuda:1"]
    assert visitor.leave() == "a:10@cuda:0"
    assert loader.names.count("a:10@cuda:0") == 1


def test_who_asks_for_more_than_is_idle_waits_until_it_is_given_back() -> None:
    pool, loader = sized_pool(20)
    first, second = holder(pool, "a:10@cuda:0"), holder(pool, "b:5@cuda:1")
    third = waiter(pool, "c:15@cuda:2")
    second.leave()
    third.waiting.clear()
    assert third.waiting.wait(WAIT)
    assert names_in(pool) == ["a:10@cuda:0", "b:5@cuda:1"]  # what is idle goes only when it is enough
    assert not third.inside.is_set()
    first.leave()
    assert third.leave() == "c:15@cuda:2"
    assert names_in(pool) == ["c:15@cuda:2"]
    assert len(loader.calls) == 3
    assert set(third.stages[:-1]) == {("waiting", None)}
    assert third.stages[-1] == ("loading", 0.0)


def test_a_model_whose_borrower_still_waits_for_the_device_is_in_use() -> None:
    pool, loader = sized_pool(20)
    first = holder(pool, "a:10")
    second = waiter(pool, "b:10")
    third = waiter(pool, "c:10")
    assert names_in(pool) == ["a:10", "b:10"]
    with pytest.raises(InputError, match="in use"):
        pool.unload("b:10")
    first.leave()
    assert (second.leave(), third.leave()) == ("b:10", "c:10")
    assert loader.names == ["a:10", "b:10", "c:10"]


@never_hangs
def test_a_model_that_could_never_fit_is_refused_and_costs_the_others_nothing() -> None:
    pool, loader = sized_pool(2_000_000_000)
    use(pool, "a:1000")
    with pytest.raises(InputError) as error, pool.borrow("b:5200000000"):
        pass
    assert str(error.value) == (
        "b:5200000000 takes 5.2 GB of memory; all models together may take 2.0 GB here. Choose a smaller model, or fewer "
        "layers of a layerwise one, or start with a larger budget: `python app.py --memory_gb 6`."
    )
    assert names_in(pool) == loader.names == ["a:1000"]


@never_hangs
def test_fewer_layers_fit_where_all_do_not_and_asking_for_all_costs_nothing() -> None:
    pool, loader = sized_pool(50)
    use(pool, "deep", max_layer=4)
    with pytest.raises(InputError, match=r"takes 0\.0 MB.*fewer layers"), pool.borrow("deep"):
        pass
    use(pool, "deep", max_layer=4)
    assert loader.names == ["deep"]


def test_a_model_of_unknown_size_makes_room_after_its_load() -> None:
    pool, _ = sized_pool(30, is_known=False)
    use(pool, "a:10", "b:10", "c:20")
    assert names_in(pool) == ["b:10", "c:20"]


@never_hangs
def test_a_model_of_unknown_size_that_could_never_fit_leaves_again_and_is_refused() -> None:
    pool, loader = sized_pool(30, is_known=False)
    use(pool, "a:10")
    with pytest.raises(InputError, match="memory_gb"), pool.borrow("b:40"):
        pass
    assert names_in(pool) == ["a:10"]
    assert loader.names == ["a:10", "b:40"]


def test_a_model_of_unknown_size_that_does_not_fit_beside_models_in_use_leaves_again_and_waits() -> None:
    pool, loader = sized_pool(15, is_known=False)
    first = holder(pool, "a:10@cuda:0")
    second = waiter(pool, "b:10@cuda:1")
    assert names_in(pool) == ["a:10@cuda:0"]
    first.leave()
    assert second.leave() == "b:10@cuda:1"
    assert names_in(pool) == ["b:10@cuda:1"]
    assert loader.names == ["a:10@cuda:0", "b:10@cuda:1", "b:10@cuda:1"]


def test_an_estimate_that_was_too_small_is_made_good_after_the_load() -> None:
    pool = ModelPool(make, memory_budget=30, estimate=lambda *_, **__: 1)
    use(pool, "a:10", "b:10", "c:15")
    assert names_in(pool) == ["b:10", "c:15"]


def test_a_deeper_reload_waits_until_the_shallow_copy_is_free_and_takes_its_place() -> None:
    living: weakref.WeakSet[Reranker] = weakref.WeakSet()
    beside: list[int] = []

    def load(name: str, **how: Any) -> Reranker:
        beside.append(len(living))
        living.add(made := make(name, **how))
        return made

    pool, loader = sized_pool(80, load=load)
    first = holder(pool, "deep", max_layer=4)
    second = waiter(pool, "deep", max_layer=8, work=lambda reranker: reranker.cutoff_range)
    third = waiter(pool, "deep", max_layer=3, work=lambda reranker: reranker.cutoff_range)
    assert [model.layers for model in pool.resident()] == [(2, 4)]
    first.leave()
    assert second.leave() == third.leave() == range(2, 9)
    assert beside == [0, 0]
    assert [how["max_layer"] for _, how in loader.calls] == [4, 8]


def test_memory_is_free_before_the_next_load_begins_and_after_unloading() -> None:
    gone: list[weakref.ref[Reranker]] = []

    def load(name: str, **how: Any) -> Reranker:
        assert not [reference() for reference in gone if reference() is not None]
        made = make(name, **how)
        gone.append(weakref.ref(made))
        return made

    pool, _ = sized_pool(80, load=load)
    use(pool, "a:80", "b:80")  # evicted
    use(pool, "deep", max_layer=4)
    use(pool, "deep", max_layer=8)  # loaded again, deeper
    pool.unload("deep")
    assert [reference() for reference in gone] == [None] * 4
    assert names_in(pool) == []


def test_the_memory_of_a_real_model_goes_with_it(checkpoints: Path) -> None:
    pool = ModelPool()
    name = str(checkpoints / "encoder")

    def borrow() -> weakref.ref[Any]:
        with pool.borrow(name) as reranker:
            reranker.compute_score(("what is panda?", "a bear"))
            model: Any = reranker
            return weakref.ref(model.model)

    model = borrow()
    assert model() is not None
    pool.unload(name)
    assert model() is None


@pytest.mark.parametrize(("is_used", "times"), [(True, 1), (False, 0)])
def test_the_cache_of_a_gpu_in_use_is_emptied(monkeypatch: pytest.MonkeyPatch, is_used: bool, times: int) -> None:
    emptied: list[bool] = []
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: is_used)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: emptied.append(True))
    pool, _ = sized_pool(30)
    use(pool, "a:10")
    pool.unload("a:10")
    assert len(emptied) == times


def test_unloading_takes_out_one_model_whichever_of_its_names_is_used(checkpoints: Path, tmp_path: Path) -> None:
    pool, loader = sized_pool(1000)
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    for how in ({}, {"adapter": str(adapter)}, {"adapter": tmp_path / "." / "other" / ".." / "adapter"}):
        with pool.borrow(str(checkpoints / "encoder"), **how):
            pass
    with pool.borrow("BAAI/bge-reranker-v2-m3"), pool.borrow("bm25"):
        pass
    assert len(loader.calls) == 3
    assert [(model.name, model.adapter) for model in pool.resident()] == [
        (str(checkpoints / "encoder"), None),
        (str(checkpoints / "encoder"), str(adapter)),
        ("bge-reranker-v2-m3", None),
    ]
    pool.unload(f"{checkpoints}/llm/../encoder", adapter=f"{adapter}/")
    pool.unload("bge-reranker-v2-m3")
    pool.unload("bm25")
    pool.unload("never loaded")
    assert [(model.name, model.adapter) for model in pool.resident()] == [(str(checkpoints / "encoder"), None)]


def test_a_model_that_scores_or_loads_cannot_be_unloaded() -> None:
    pool, _ = sized_pool(100)
    scoring = holder(pool, "a:10")
    with pytest.raises(InputError, match="a:10 is in use just now"):
        pool.unload("a:10")
    scoring.leave()
    pool.unload("a:10")
    assert names_in(pool) == []

    refused: list[str] = []

    def load(name: str, **how: Any) -> Reranker:
        with pytest.raises(InputError, match=f"{name} is being loaded just now") as error:
            slow.unload(name)
        refused.append(str(error.value))
        return make(name, **how)

    slow, _ = sized_pool(100, load=load)
    use(slow, "b:10")
    assert names_in(slow) == ["b:10"]
    assert len(refused) == 1


def test_what_is_resident_is_told_during_a_load_and_during_a_scoring(checkpoints: Path) -> None:
    name, seen = str(checkpoints / "layerwise"), []

    def load(name: str, **how: Any) -> Reranker:
        seen.extend(pool.resident())
        return load_reranker(name, **how)

    pool = ModelPool(load)
    assert pool.resident() == []
    visitor = holder(pool, name, max_layer=4)
    seen.extend(pool.resident())
    visitor.leave()
    seen.extend(pool.resident())
    size = estimate_memory(name, max_layer=4)
    known = {"name": name, "adapter": None, "memory_bytes": size}
    ready = known | {"family": "layerwise", "device": "cpu", "dtype": "float32", "layers": (2, 4), "depth": 8}
    assert size > 0
    assert seen == [
        ResidentModel(state="loading", family="", device="", dtype="", layers=None, depth=None, **known),  # type: ignore[arg-type]
        ResidentModel(state="scoring", **ready),  # type: ignore[arg-type]
        ResidentModel(state="ready", **ready),  # type: ignore[arg-type]
    ]


def test_a_model_that_waits_for_a_busy_device_is_ready_and_not_scoring() -> None:
    pool, _ = sized_pool(30)
    first = holder(pool, "a:10")
    second = waiter(pool, "b:10")
    assert [(model.name, model.state) for model in pool.resident()] == [("a:10", "scoring"), ("b:10", "ready")]
    first.leave()
    second.leave()


def test_a_real_model_is_measured_before_it_is_loaded(checkpoints: Path) -> None:
    encoder, llm = str(checkpoints / "encoder"), str(checkpoints / "llm")
    loader = Loader(load_reranker)
    pool = ModelPool(loader, memory_budget=estimate_memory(encoder))
    use(pool, llm, encoder)
    assert names_in(pool) == [encoder]
    with pytest.raises(InputError, match=r"takes 1\.0 MB.*together may take 0\.6 MB"):
        use(pool, str(checkpoints / "layerwise"))
    use(pool, str(checkpoints / "layerwise"), max_layer=2)
    assert loader.names == [llm, encoder, str(checkpoints / "layerwise")]


def test_the_budget_is_worked_out_from_the_device_unless_it_is_given() -> None:
    assert ModelPool().memory_budget == default_budget()
    assert ModelPool(memory_budget=5).memory_budget == 5
    for wrong in (0, -1):
        with pytest.raises(InputError, match="more than 0"):
            ModelPool(memory_budget=wrong)


def test_the_line_for_memory_is_served_in_order_and_nobody_is_overtaken_for_ever() -> None:
    pool, _ = sized_pool(20)
    order: list[str] = []
    first = holder(pool, "a:20@cuda:0")
    second = waiter(pool, "b:20@cuda:1", work=lambda reranker: order.append(reranker.name))
    third = waiter(pool, "a:20@cuda:0", work=lambda reranker: order.append(reranker.name))  # it is there, and yet
    fourth = waiter(pool, "c:5@cuda:2", work=lambda reranker: order.append(reranker.name))
    for visitor in (first, second, third, fourth):
        visitor.leave()
    assert order == ["b:20@cuda:1", "a:20@cuda:0", "c:5@cuda:2"]
