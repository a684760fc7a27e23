"""Scoring models make room for a training, and come back after it."""

from pathlib import Path

import pytest

from reranker_core.memory import DeviceMemory as Memory
from reranker_core.pool import ModelPool
from ui.hand_over import HandOver

PLENTY, NOTHING = 10**18, 1


@pytest.fixture
def pool(checkpoints: Path) -> ModelPool:
    """A pool that holds two tiny models."""
    pool = ModelPool(memory_budget=10**9)
    for name in ("encoder", "layerwise"):
        with pool.borrow(str(checkpoints / name)):
            pass
    return pool


def test_idle_models_go_only_where_their_memory_is_needed(pool: ModelPool) -> None:
    hand_over = HandOver()
    assert hand_over.make_room(pool, device="cpu", needed=NOTHING) == ()
    assert hand_over.make_room(pool, device="cuda", needed=PLENTY) == ()  # they lie elsewhere
    assert len(pool.resident()) == 2
    assert set(hand_over.make_room(pool, device="cpu", needed=PLENTY)) == {"encoder", "layerwise"}
    assert pool.resident() == []
    assert set(hand_over.lent) == {"encoder", "layerwise"}


def test_models_come_back_when_no_training_is_active(pool: ModelPool) -> None:
    hand_over = HandOver()
    hand_over.make_room(pool, device="cpu", needed=PLENTY)
    assert not hand_over.give_back(pool, is_training=True)
    assert pool.resident() == []
    assert hand_over.give_back(pool, is_training=False)
    hand_over.wait(30)
    assert {Path(model.name).name for model in pool.resident()} == {"encoder", "layerwise"}
    assert not hand_over.give_back(pool, is_training=False)
    assert hand_over.lent == ()


def test_a_model_in_use_stays(pool: ModelPool, checkpoints: Path) -> None:
    with pool.borrow(str(checkpoints / "encoder")):
        assert HandOver().make_room(pool, device="cpu", needed=PLENTY) == ("layerwise",)


def test_a_model_that_is_gone_meanwhile_is_no_trouble(tmp_path: Path, checkpoints: Path) -> None:
    import shutil

    folder = tmp_path / "mine"
    shutil.copytree(checkpoints / "encoder", folder)
    pool, hand_over = ModelPool(memory_budget=10**9), HandOver()
    with pool.borrow(str(folder)):
        pass
    assert hand_over.make_room(pool, device="cpu", needed=PLENTY) == ("mine",)
    shutil.rmtree(folder)
    assert hand_over.give_back(pool, is_training=False)
    hand_over.wait(30)
    assert pool.resident() == []


def test_an_adapter_that_left_with_its_base_is_named_and_comes_back(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base, adapter = str(checkpoints / "llm"), str(checkpoints / "adapters" / "adapter-llm")
    pool, hand_over = ModelPool(memory_budget=10**9), HandOver()
    with pool.borrow(base, adapter=adapter):
        pass
    assert [model.shares_base for model in pool.resident()] == [False, True]

    def read_memory(_: str) -> Memory:  # there is room once the base is gone
        return Memory(total_bytes=10, free_bytes=0 if pool.resident() else 10)

    monkeypatch.setattr("ui.hand_over.read_memory", read_memory)
    assert set(hand_over.make_room(pool, device="cpu", needed=5)) == {"llm", "llm with adapter-llm"}
    hand_over.give_back(pool, is_training=False)
    hand_over.wait(30)
    assert [model.shares_base for model in pool.resident()] == [False, True]
