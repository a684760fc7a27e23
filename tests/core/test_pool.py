"""The pool loads each model once and lets one call run at a time on each device."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from reranker_core import Reranker, load_reranker
from reranker_core.errors import InputError, ModelNotFoundError
from reranker_core.pool import ModelPool
from tests.core.visitors import PAIRS, WAIT, Loader, SmallReranker, in_threads


class Room:
    """Counts how many threads are inside at once."""

    def __init__(self) -> None:
        self.most, self._inside, self._lock = 0, 0, threading.Lock()

    @contextmanager
    def enter(self) -> Iterator[None]:
        with self._lock:
            self._inside += 1
            self.most = max(self.most, self._inside)
        threading.Event().wait(0.01)
        yield
        with self._lock:
            self._inside -= 1


def small(name: str, **_: Any) -> Reranker:
    return SmallReranker(name, device=name.partition("@")[2] or "cpu")


def test_eight_threads_load_a_model_once_and_get_right_scores(checkpoints: Path, load: Callable[..., Any]) -> None:
    loader = Loader(load_reranker)
    pool = ModelPool(loader)
    name = str(checkpoints / "encoder")

    def score(_: int) -> Any:
        with pool.borrow(name) as reranker:
            return reranker, reranker.compute_score(PAIRS)

    results = in_threads(8, score)
    assert [call[0] for call in loader.calls] == [name]
    assert len({id(reranker) for reranker, _ in results}) == 1
    expected = load("encoder").compute_score(PAIRS)
    for _, scores in results:
        assert scores == pytest.approx(expected, abs=1e-5)


def test_one_call_at_a_time_runs_on_a_device_whatever_the_model() -> None:
    pool, room = ModelPool(small), Room()

    def work(number: int) -> None:
        with pool.borrow(f"model-{number % 3}") as reranker, room.enter():
            assert reranker.name == f"model-{number % 3}"

    in_threads(8, work)
    assert room.most == 1


def test_calls_on_two_devices_run_beside_each_other() -> None:
    pool, meeting = ModelPool(small), threading.Barrier(2)

    def work(number: int) -> None:
        with pool.borrow(f"model@cuda:{number}"):
            meeting.wait(WAIT)  # breaks, and raises, if the other cannot come

    in_threads(2, work)


def test_bm25_waits_for_no_model_and_for_no_other_bm25() -> None:
    pool, meeting = ModelPool(small), threading.Barrier(2)

    def work(_: int) -> float | list[float] | list[list[float]]:
        with pool.borrow("BM25") as reranker:
            meeting.wait(WAIT)
            return reranker.compute_score(("panda", "panda"))

    with pool.borrow("model"):
        first, second = in_threads(2, work)
    assert first == second > 0


def test_a_model_that_loads_slowly_holds_up_no_other_model() -> None:
    go_on = threading.Event()

    def load(name: str, **_: Any) -> Reranker:
        if name == "slow":
            assert go_on.wait(WAIT)
        return SmallReranker(name)

    pool = ModelPool(load)

    def work(number: int) -> None:
        with pool.borrow("slow" if number == 0 else "fast"):
            go_on.set()

    in_threads(2, work)


def test_the_device_is_free_again_after_a_call_that_failed() -> None:
    pool = ModelPool(small)
    with pytest.raises(InputError), pool.borrow("model") as reranker:
        reranker.compute_score(PAIRS, normalize=True)

    def name_of_next(_: int) -> str:
        with pool.borrow("model") as reranker:
            return reranker.name

    assert in_threads(1, name_of_next) == ["model"]


def test_a_deeper_layer_loads_deeper_and_a_shallower_one_nothing(checkpoints: Path, load: Callable[..., Any]) -> None:
    loader = Loader(load_reranker)
    pool = ModelPool(loader)
    name = str(checkpoints / "layerwise")
    expected = load("layerwise").score(PAIRS, cutoff_layers=[3, 4, 6, 8])
    for layer, loads in [(4, 1), (3, 1), (4, 1), (6, 2), (4, 2), (None, 3), (8, 3), (None, 3), (2, 3)]:
        with pool.borrow(name, max_layer=layer) as reranker:
            assert reranker.cutoff_range
            assert (layer or 8) in reranker.cutoff_range
            if layer in expected.layers:
                scores = reranker.compute_score(PAIRS, cutoff_layers=layer)
                assert scores == pytest.approx(expected.column(layer), abs=1e-5)
        assert len(loader.calls) == loads
    assert [how["max_layer"] for _, how in loader.calls] == [4, 6, None]


def test_a_layer_that_does_not_exist_costs_the_loaded_model_nothing(checkpoints: Path) -> None:
    loader = Loader(load_reranker)
    pool = ModelPool(loader)
    name = str(checkpoints / "layerwise")
    with pool.borrow(name) as first:
        pass
    with pytest.raises(InputError, match="2 to 8"), pool.borrow(name, max_layer=9) as reranker:
        reranker.compute_score(PAIRS, cutoff_layers=9)
    with pool.borrow(name) as again:
        assert again is first


def test_a_model_without_layers_is_loaded_once_whatever_is_asked_for(checkpoints: Path) -> None:
    loader = Loader(load_reranker)
    pool = ModelPool(loader)
    for _ in range(2):
        with pool.borrow(str(checkpoints / "encoder")):
            pass
    assert len(loader.calls) == 1


def test_an_adapter_is_a_model_of_its_own(checkpoints: Path) -> None:
    loader = Loader(small)
    pool = ModelPool(loader)
    for adapter in (None, "one", "two", Path("one"), None):
        with pool.borrow("model", adapter=adapter, allow_download=True):
            pass
    assert [how["adapter"] for _, how in loader.calls] == [None, "one", "two"]
    with pool.borrow("other"):
        pass
    assert [how["allow_download"] for _, how in loader.calls] == [True, True, True, False]


def test_a_failed_load_is_tried_again_the_next_time() -> None:
    fail = [True]

    def load(name: str, **_: Any) -> Reranker:
        if fail.pop():
            raise ModelNotFoundError("not yet")
        return SmallReranker(name)

    loader = Loader(load)
    pool = ModelPool(loader)
    with pytest.raises(ModelNotFoundError, match="not yet"), pool.borrow("model"):
        pass
    fail.append(False)
    with pool.borrow("model") as reranker:
        assert reranker.name == "model"
    with pool.borrow("model"):
        pass
    assert len(loader.calls) == 2


def test_without_a_loader_the_pool_loads_as_the_library_does_and_downloads_nothing(
    checkpoints: Path, load: Callable[..., Any]
) -> None:
    pool = ModelPool()
    with pool.borrow(str(checkpoints / "encoder")) as reranker:
        assert reranker.compute_score(PAIRS) == pytest.approx(load("encoder").compute_score(PAIRS), abs=1e-5)
    with pytest.raises(ModelNotFoundError, match="hf download"), pool.borrow("someone/absent-model"):
        pass


def test_two_models_and_an_adapter_that_load_at_once_are_each_right(checkpoints: Path, load: Callable[..., Any]) -> None:
    adapter = checkpoints / "adapters" / "adapter-llm"
    jobs: list[tuple[str, Path | None]] = [("encoder", None), ("layerwise", None), ("llm", None), ("llm", adapter)]
    expected = [load(name, adapter=path).compute_score(PAIRS) for name, path in jobs]
    register = torch.nn.Module.register_parameter
    for _ in range(3):
        pool, together = ModelPool(), threading.Barrier(len(jobs))

        def work(number: int, pool: ModelPool = pool, together: threading.Barrier = together) -> Any:
            name, path = jobs[number]
            together.wait(WAIT)
            with pool.borrow(str(checkpoints / name), adapter=path) as reranker:
                return reranker.compute_score(PAIRS)

        for came, right in zip(in_threads(len(jobs), work), expected, strict=True):
            assert came == pytest.approx(right, abs=1e-5)
        assert torch.nn.Module.register_parameter is register
    assert torch.nn.Linear(2, 2).weight.device.type == "cpu"


def test_a_folder_is_one_model_however_its_path_is_written(checkpoints: Path) -> None:
    loader = Loader(load_reranker)
    pool = ModelPool(loader)
    for name in (checkpoints / "encoder", f"{checkpoints}/encoder/", checkpoints / "llm" / ".." / "encoder"):
        with pool.borrow(str(name)):
            pass
    assert len(loader.calls) == 1
