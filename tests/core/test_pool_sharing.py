"""Adapters share their base's weights in the pool: what is loaded, what goes with what, who waits, and nobody for ever."""

import gc
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reranker_core import Reranker, load_reranker
from reranker_core.errors import AdapterError, InputError
from reranker_core.loading import estimate_memory
from reranker_core.pool import ModelPool
from tests.core.training.products import ADAPTERS, CHECKPOINTS, KNOWN, Products, score
from tests.core.visitors import (
    WAIT,
    LayeredReranker,
    Loader,
    SmallReranker,
    Visitor,
    holder,
    in_threads,
    make,
    never_hangs,
    size_of,
    waiter,
)


@pytest.fixture(scope="module", autouse=True)
def few_objects() -> Iterator[None]:
    """Leave what is there already out of the garbage collections: the pool makes one for each model that goes."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> Products:
    return Products(tmp_path_factory.mktemp("products"))


class Sharer(SmallReranker):
    """A reranker beside its base, of the size that its adapter's name gives, such as `x:3`."""

    def __init__(self, base: Reranker, adapter: str) -> None:
        super().__init__(f"{base.name} + {Path(adapter).name}", str(base.device), size_of(Path(adapter).name))
        self.base, self.cutoff_range, self.depth = base, base.cutoff_range, base.depth


def sharing_pool(
    budget: int,
    *,
    load: Callable[..., Reranker] = make,
    load_beside: Callable[..., Reranker] = Sharer,
    is_known: bool = True,
) -> tuple[ModelPool, Loader, list[str]]:
    """Make a pool of sized rerankers whose adapters all share; gives what it loads and which adapters it puts beside."""
    loader, beside = Loader(load), []

    def put_beside(base: Reranker, adapter: str) -> Reranker:
        beside.append(Path(adapter).name)
        return load_beside(base, adapter)

    def estimate(name: str, *, adapter: str | None = None, is_beside: bool = False, **how: Any) -> int | None:
        if not is_known:
            return None
        return size_of(Path(str(adapter)).name) if is_beside else size_of(name, **how)

    pool = ModelPool(
        loader, memory_budget=budget, estimate=estimate, can_share=lambda *_, **__: True, load_beside=put_beside
    )
    return pool, loader, beside


def use(pool: ModelPool, name: str, adapter: str | None = None, **how: Any) -> Any:
    with pool.borrow(name, adapter=adapter, **how) as reranker:
        return reranker


def labels_in(pool: ModelPool) -> list[str]:
    return [Path(model.adapter).name if model.adapter else model.name for model in pool.resident()]


def test_the_base_is_loaded_once_for_itself_and_all_its_adapters() -> None:
    pool, loader, beside = sharing_pool(100)
    one = use(pool, "a:10", "x:1")
    two = use(pool, "a:10", "y:2")
    base = use(pool, "a:10")
    assert one.base is two.base is base
    assert use(pool, "a:10", "x:1") is one
    assert loader.calls[0][1]["adapter"] is None
    assert (loader.names, beside) == (["a:10"], ["x:1", "y:2"])
    assert [(model.memory_bytes, model.shares_base) for model in pool.resident()] == [(10, False), (1, True), (2, True)]


def test_a_base_that_is_there_already_is_shared_while_somebody_uses_it() -> None:
    pool, loader, beside = sharing_pool(20)
    visitor = holder(pool, "a:10")
    other = waiter(pool, "a:10", adapter="x:1")  # for the device only
    assert labels_in(pool) == ["a:10", "x:1"]
    visitor.leave()
    assert other.leave() == "a:10 + x:1"
    assert (loader.names, beside) == (["a:10"], ["x:1"])


def test_a_base_goes_after_the_adapters_on_its_weights() -> None:
    pool, _, _ = sharing_pool(25)
    use(pool, "a:10")
    use(pool, "b:10")
    use(pool, "a:10", "x:1")
    use(pool, "a:10", "y:2")
    use(pool, "c:5")
    assert labels_in(pool) == ["a:10", "x:1", "y:2", "c:5"]  # b was used longest ago
    use(pool, "d:8")
    assert labels_in(pool) == ["a:10", "y:2", "c:5", "d:8"]
    use(pool, "e:9")
    assert labels_in(pool) == ["c:5", "d:8", "e:9"]


def test_a_base_stays_while_an_adapter_on_its_weights_is_used() -> None:
    pool, loader, _ = sharing_pool(20)
    visitor = holder(pool, "a:10@cuda:0", adapter="x:1")
    other = waiter(pool, "b:15@cuda:1")
    assert labels_in(pool) == ["a:10@cuda:0", "x:1"]
    visitor.leave()
    assert other.leave() == "b:15@cuda:1"
    assert labels_in(pool) == ["b:15@cuda:1"]
    assert use(pool, "a:5@cuda:0", "x:1").base.name == "a:5@cuda:0"
    assert loader.names == ["a:10@cuda:0", "b:15@cuda:1", "a:5@cuda:0"]


def test_the_base_of_an_adapter_is_no_victim_of_that_adapter() -> None:
    pool, loader, _ = sharing_pool(13)
    use(pool, "a:10")
    use(pool, "b:2")
    use(pool, "a:10", "x:3")
    assert labels_in(pool) == ["a:10", "x:3"]
    assert loader.names == ["a:10", "b:2"]


@never_hangs
def test_an_adapter_that_could_never_fit_beside_its_base_is_refused() -> None:
    pool, loader, _ = sharing_pool(2_000_000_000)
    use(pool, "c:1000")
    with pytest.raises(InputError, match=r"a:1900000000 \+ x:200000000 takes 2\.1 GB of memory.*--memory_gb 3"):
        use(pool, "a:1900000000", "x:200000000")
    assert labels_in(pool) == loader.names == ["c:1000"]


@never_hangs
@pytest.mark.parametrize(("base", "adapter"), [("a:40", "x:1"), ("a:25", "x:10")])
def test_what_is_larger_than_anybody_knew_leaves_again_and_is_refused(base: str, adapter: str) -> None:
    pool, _, _ = sharing_pool(30, is_known=False)
    use(pool, "c:10")
    with pytest.raises(InputError, match=r"takes 0\.0 MB"):
        use(pool, base, adapter)
    assert adapter not in labels_in(pool)
    use(pool, "d:30")
    assert labels_in(pool) == ["d:30"]


def test_who_holds_nothing_waits_for_room_for_base_and_adapter_together() -> None:
    pool, loader, beside = sharing_pool(20)
    visitor = holder(pool, "c:10@cuda:1")
    other = waiter(pool, "a:10", adapter="x:1")
    assert (labels_in(pool), loader.names, beside) == (["c:10@cuda:1"], ["c:10@cuda:1"], [])
    visitor.leave()
    assert other.leave() == "a:10 + x:1"
    assert labels_in(pool) == ["a:10", "x:1"]


@never_hangs
def test_who_holds_a_model_gets_a_sentence_instead_of_waiting_for_an_adapters_room() -> None:
    pool, _, _ = sharing_pool(20)
    with (
        pool.borrow("c:10"),
        pytest.raises(InputError, match=r"a:10 \+ x:1 .*does not fit beside the models in use \(c:10"),
    ):
        use(pool, "a:10", "x:1")
    with pool.borrow("a:10") as base:
        assert use(pool, "a:10", "x:1").base is base


def test_two_adapters_that_come_at_once_wait_for_one_load_of_their_base() -> None:
    begun, may_end = threading.Event(), threading.Event()

    def load(name: str, **how: Any) -> Reranker:
        begun.set()
        assert may_end.wait(WAIT)
        return make(name, **how)

    pool, loader, beside = sharing_pool(20, load=load)
    first = Visitor(pool, "a:10", adapter="x:1", is_quiet=True)
    assert begun.wait(WAIT)
    others = [waiter(pool, "a:10", adapter="y:2"), waiter(pool, "a:10")]
    assert [(model.state, model.memory_bytes) for model in pool.resident()] == [("loading", 10), ("loading", 1)]
    may_end.set()
    assert [visitor.leave() for visitor in (first, *others)] == ["a:10 + x:1", "a:10 + y:2", "a:10"]
    assert (loader.names, sorted(beside)) == (["a:10"], ["x:1", "y:2"])


def test_an_adapter_that_cannot_be_put_beside_its_base_leaves_the_base_there() -> None:
    def refuse(base: Reranker, adapter: str) -> Reranker:
        raise AdapterError("damaged")

    pool, loader, _ = sharing_pool(20, load_beside=refuse)
    for _ in range(2):
        with pytest.raises(AdapterError, match="damaged"):
            use(pool, "a:10", "x:1")
    assert labels_in(pool) == loader.names == ["a:10"]
    use(pool, "b:20")
    assert labels_in(pool) == ["b:20"]


def test_a_base_that_cannot_be_loaded_leaves_no_room_taken() -> None:
    def fail(name: str, **how: Any) -> Reranker:
        if name == "a:10":
            raise InputError("gone")
        return make(name, **how)

    pool, _, _ = sharing_pool(20, load=fail)
    with pytest.raises(InputError, match="gone"):
        use(pool, "a:10", "x:1")
    assert labels_in(pool) == []
    use(pool, "b:20")


def test_a_deeper_layer_reloads_the_base_and_takes_the_adapters_of_the_shallow_one_with_it() -> None:
    pool, loader, beside = sharing_pool(1000)
    shallow = use(pool, "deep", "x:1", max_layer=4)
    use(pool, "deep", "y:1", max_layer=3)
    assert shallow.cutoff_range == range(2, 5)
    deep = use(pool, "deep", "x:1", max_layer=6)
    assert labels_in(pool) == ["deep", "x:1"]
    assert deep.base is use(pool, "deep", max_layer=6) is use(pool, "deep", "y:1", max_layer=5).base
    whole = use(pool, "deep")
    assert labels_in(pool) == ["deep"]
    assert use(pool, "deep", "x:1", max_layer=2).base is whole
    assert [how["max_layer"] for _, how in loader.calls] == [4, 6, None]
    assert beside == ["x:1", "y:1", "x:1", "y:1", "x:1"]


def test_a_deeper_base_waits_for_the_adapters_of_the_shallow_one() -> None:
    pool, loader, _ = sharing_pool(1000)
    visitor = holder(pool, "deep", adapter="x:1", max_layer=4)
    other = waiter(pool, "deep", max_layer=8, work=lambda reranker: reranker.cutoff_range)
    assert len(loader.calls) == 1
    visitor.leave()
    assert other.leave() == range(2, 9)


@never_hangs
def test_who_uses_an_adapter_gets_a_sentence_instead_of_waiting_for_its_deeper_base() -> None:
    pool, _, _ = sharing_pool(1000)
    with pool.borrow("deep", adapter="x:1", max_layer=4):
        for adapter in (None, "x:1", "y:1"):
            with pytest.raises(InputError, match="fewer layers than are asked for now"):
                use(pool, "deep", adapter, max_layer=8)


def test_unloading_a_base_takes_its_adapters_along_and_unloading_an_adapter_only_that() -> None:
    pool, loader, _ = sharing_pool(100)
    for adapter in ("x:1", "y:1"):
        use(pool, "a:10", adapter)
    use(pool, "b:10")
    pool.unload("a:10", adapter="x:1")
    assert labels_in(pool) == ["a:10", "y:1", "b:10"]
    pool.unload("a:10")
    assert labels_in(pool) == ["b:10"]
    use(pool, "b:10", "y:1")
    assert loader.names == ["a:10", "b:10"]


def test_a_base_whose_weights_are_in_use_cannot_be_unloaded() -> None:
    pool, _, _ = sharing_pool(100)
    visitor = holder(pool, "a:10", adapter="x:1")
    with pytest.raises(InputError, match=r"a:10 \+ x:1, which shares the weights of a:10, is in use just now"):
        pool.unload("a:10")
    visitor.leave()
    pool.unload("a:10")
    assert labels_in(pool) == []


def test_bases_and_adapters_of_many_threads_under_little_memory_all_come_to_their_end() -> None:
    pool, _, _ = sharing_pool(25)
    wanted = [
        ("a:10", None),
        ("a:10", "x:1"),
        ("b:10", "x:1"),
        ("b:10", "y:2"),
        ("c:20", None),
        ("c:20", "x:4"),
        ("deep:9", "z:1"),
    ]

    def work(number: int) -> None:
        for step in range(30):
            name, adapter = wanted[(number * 5 + step * (1 + number % 3)) % len(wanted)]
            with pool.borrow(name, adapter=adapter) as reranker:
                assert reranker.name == (name if adapter is None else f"{name} + {adapter}")
                assert sum(model.memory_bytes for model in pool.resident()) <= 25

    in_threads(8, work)


@pytest.mark.parametrize("case", ["encoder", "decoder", "layerwise"])
def test_a_real_adapter_in_the_pool_computes_on_the_weights_of_its_base(
    case: str, products: Products, assert_same: Callable[..., None]
) -> None:
    product, loader = products.adapter(case), Loader(load_reranker)
    base_bytes = estimate_memory(product.base)
    own_bytes = estimate_memory(product.base, adapter=product.folder, is_beside=True)
    pool = ModelPool(loader, memory_budget=base_bytes + own_bytes)

    assert_same(score(use(pool, str(product.base), str(product.folder))), product.scores)
    before = score(use(pool, str(product.base)))
    assert [model.memory_bytes for model in pool.resident()] == [base_bytes, own_bytes]
    pool.unload(str(product.base), adapter=product.folder)
    assert score(use(pool, str(product.base))) == before
    assert loader.names == [str(product.base)]


def test_an_adapter_that_a_resumed_job_left_anew_is_loaded_anew_and_its_base_is_not(
    products: Products, tmp_path: Path, known: dict[str, Any]
) -> None:
    first, base = products.adapter("decoder"), str(CHECKPOINTS / "llm")
    job = tmp_path / "job"
    shutil.copytree(first.folder, job / "adapter")
    loader = Loader(load_reranker)
    pool = ModelPool(loader)
    before = score(use(pool, base, str(job)))
    shutil.rmtree(job / "adapter")
    shutil.copytree(ADAPTERS / "adapter-llm", job / "adapter")

    after = use(pool, base, str(job)).compute_score(known["pairs"])

    assert after == pytest.approx(KNOWN["adapter-llm"]["scores"], abs=1e-5)
    assert before != score(use(pool, base, str(job)))
    assert (loader.names, len(pool.resident())) == ([base], 2)


def test_a_folder_whose_weights_have_changed_is_loaded_anew(
    copy_checkpoint: Callable[..., Path], edit_tensors: Callable[..., None]
) -> None:
    base = copy_checkpoint("encoder")
    pool = ModelPool()
    before = score(use(pool, str(base)))
    edit_tensors(base / "model.safetensors", lambda tensors: tensors["classifier.out_proj.bias"].add_(1.0))

    after = score(use(pool, str(base)))

    assert [new[0] for new in after] == pytest.approx([old[0] + 1 for old in before], abs=1e-5)
    assert len(pool.resident()) == 1


def test_an_adapter_that_makes_a_reranker_of_a_raw_base_is_loaded_with_it_as_one(
    known: dict[str, Any], assert_same: Callable[..., None]
) -> None:
    pool, case = ModelPool(), KNOWN["adapter-layerwise-raw"]
    reranker = use(pool, str(CHECKPOINTS / "raw_minicpm"), str(ADAPTERS / "adapter-layerwise-raw"))
    assert_same(reranker.compute_score(known["pairs"], **case["arguments"]), case["scores"])
    assert [model.shares_base for model in pool.resident()] == [False]


def test_a_layered_reranker_of_these_tests_is_as_deep_as_it_says() -> None:
    assert LayeredReranker("deep", 4).cutoff_range == range(2, 5)
