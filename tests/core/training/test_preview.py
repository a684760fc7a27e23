"""What is said before a start, against what the loaded model would say."""

from pathlib import Path

import pytest
import torch

from reranker_core.errors import InputError, ModelNotFoundError
from reranker_core.training.dev_data import read_run_data
from reranker_core.training.memory_estimate import read_shape
from reranker_core.training.plan import plan_training, render_examples
from reranker_core.training.planned_shape import read_planned_shape
from reranker_core.training.preview import find_family, preview_training
from reranker_core.training.trainable import load_trainable
from tests.conftest import CHECKPOINTS, FOLDER_BY_FAMILY
from tests.core.training.conftest import MakeSettings

SETTINGS = {
    "encoder": {"target_modules": ("query", "value")},
    "decoder": {"gradient_checkpointing": True},
    "layerwise": {"target_modules": ("all-linear",), "lora_rank": 3},
}


@pytest.mark.parametrize("family", FOLDER_BY_FAMILY)
def test_a_preview_is_what_the_loaded_model_says(family: str, make_settings: MakeSettings) -> None:
    settings = make_settings(family, hold_out=0.3, **SETTINGS[family])
    preview = preview_training(settings)
    trainable = load_trainable(settings, device=torch.device("cpu"))
    shape = read_shape(trainable.reranker, settings)
    folder = CHECKPOINTS / FOLDER_BY_FAMILY[family]
    planned = read_planned_shape(folder, family, settings, on_cuda=False).trained
    for name in ("blocks", "block_numbers", "width", "number_bytes", "recomputes"):
        assert getattr(planned, name) == getattr(shape, name)
    for name in ("base_bytes", "trained_bytes", "trained"):
        assert getattr(planned, name) == pytest.approx(getattr(shape, name), rel=0.001)
    data, task = read_run_data(settings)
    assert task is not None
    loaded = plan_training(settings, data, trainable.reranker.inputs, shape=planned)
    assert preview.plan == loaded
    assert list(preview.examples) == render_examples(settings, data, trainable.reranker.inputs)
    assert (preview.dev_queries, preview.dev_pairs) == (len(task.qrels), task.pairs)
    assert preview.device == "cpu"


def test_training_every_weight_is_told_from_lora(make_settings: MakeSettings) -> None:
    settings = make_settings(use_lora=False)
    planned = read_planned_shape(CHECKPOINTS / "encoder", "encoder", settings, on_cuda=False).trained
    shape = read_shape(load_trainable(settings, device=torch.device("cpu")).reranker, settings)
    assert planned.base_bytes == shape.base_bytes
    assert planned.trained == pytest.approx(shape.trained, rel=0.01)  # biases without effect are not trained


def test_half_precision_on_a_gpu_halves_what_is_frozen_and_kept(make_settings: MakeSettings) -> None:
    settings = make_settings("decoder", bf16=True)
    whole = read_planned_shape(CHECKPOINTS / "llm", "decoder", settings, on_cuda=False).trained
    half = read_planned_shape(CHECKPOINTS / "llm", "decoder", settings, on_cuda=True).trained
    assert (whole.number_bytes, half.number_bytes) == (4, 2)
    assert half.trained == whole.trained
    assert half.base_bytes - half.trained_bytes == (whole.base_bytes - whole.trained_bytes) // 2


def test_more_work_takes_longer_and_an_earlier_run_goes_before_arithmetic(make_settings: MakeSettings) -> None:
    speed = {"known_speed": lambda device: 100.0}
    one = preview_training(make_settings(), **speed).time
    assert one.is_from_run
    assert preview_training(make_settings(num_train_epochs=3), **speed).time.training == pytest.approx(3 * one.training)
    assert preview_training(make_settings(), test_pairs=50, **speed).time.measuring > one.measuring == 0
    measured = preview_training(make_settings()).time
    assert not measured.is_from_run
    assert 0 < measured.training < 60


def test_what_cannot_be_trained_is_refused_before_the_start(make_settings: MakeSettings, tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="not on this machine"):
        preview_training(make_settings(model_name_or_path="BAAI/bge-reranker-v2-m3"))
    with pytest.raises(InputError, match="head_multi"):
        preview_training(make_settings("raw_minicpm"))
    assert find_family(CHECKPOINTS / "raw_minicpm", head_multi=True) == "layerwise"
    assert not (tmp_path / "run").exists()
