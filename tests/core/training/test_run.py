"""Whole training runs on the tiny checkpoints: what is learnt, kept, written and said."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from reranker_core import load_reranker
from reranker_core.errors import InputError, ScoringError, TrainingError
from reranker_core.training.data import read_training_data
from reranker_core.training.dev_data import hold_out
from reranker_core.training.measuring import DevSet
from reranker_core.training.progress import TrainingProgress
from reranker_core.training.results import TrainingResult, read_result
from reranker_core.training.run import train
from reranker_core.training.settings import TrainingSettings
from reranker_core.training.trainable import Trainable
from tests.conftest import CHECKPOINTS

MakeSettings = Callable[..., TrainingSettings]
ReadMetrics = Callable[[Path], list[dict[str, Any]]]

KINDS = pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("encoder", {}),
        ("encoder", {"use_lora": False}),
        ("decoder", {}),
        ("layerwise", {}),
        ("raw_minicpm", {"head_multi": True, "start_layer": 2}),
    ],
    ids=["encoder", "whole encoder", "decoder", "layerwise", "layerwise from a raw base"],
)


def weights_of(result: TrainingResult) -> dict[str, torch.Tensor]:
    (file,) = result.product.glob("*.safetensors")
    return load_file(file)


def score(result: TrainingResult, pairs: list[tuple[str, str]], **how: Any) -> list[tuple[float, ...]]:
    if result.kind == "adapter":
        reranker = load_reranker(result.base["name"], adapter=result.product, **how)
    else:
        reranker = load_reranker(result.product)
    layers = None if reranker.cutoff_range is None else list(reranker.cutoff_range)
    return list(reranker.score(pairs, cutoff_layers=layers).values)


def pairs_of(settings: TrainingSettings) -> list[tuple[str, str]]:
    rows = read_training_data(settings).rows
    return [(row.query, passage) for row in rows for passage in (*row.pos, *row.neg)]


def test_a_run_leaves_its_settings_its_figures_an_adapter_and_a_result(
    make_settings: MakeSettings, read_metrics: ReadMetrics
) -> None:
    told: list[TrainingProgress] = []
    settings = make_settings(hold_out=0.3, num_train_epochs=2)
    result = train(settings, on_progress=told.append)
    folder = settings.output_dir
    assert result.status == "completed"
    assert result.product == folder / "adapter"
    _, task = hold_out(read_training_data(settings), 0.3)
    assert result.steps == result.planned_steps == 2 * math.ceil((12 - len(task.qrels)) / 4)
    assert result.difference is not None
    assert result.difference < 1e-6
    assert read_result(folder) == result
    assert TrainingSettings.from_dict(json.loads((folder / "settings.json").read_text())) == settings
    lines = read_metrics(folder)
    assert [line["step"] for line in lines if line["kind"] == "train"] == list(range(1, result.steps + 1))
    assert [line["step"] for line in lines if line["kind"] == "dev"] == [0, result.steps // 2, result.steps]
    for line in lines:
        wanted = {
            "train": {"loss", "learning_rate", "grad_norm", "gap", "spread", "seconds", "tokens_per_second", "epoch"},
            "dev": {"nDCG@10", "RR@10", "spread", "seconds"},
            "event": {"event", "message"},
        }[line["kind"]]
        assert wanted <= line.keys()
    assert {progress.stage for progress in told} >= {"loading", "training", "measuring", "saving"}
    assert any("Dev set before training" in note for progress in told for note in progress.notes)


@pytest.mark.slow
@KINDS
def test_the_product_loaded_again_scores_as_the_last_checkpoint_and_merged_as_beside_the_weights(
    family: str, changes: dict[str, Any], make_settings: MakeSettings
) -> None:
    settings = make_settings(family, num_train_epochs=2, save_strategy="epoch", **changes)
    result = train(settings)
    assert result.difference is not None
    assert result.difference < 1e-6
    assert result.before is result.after is None
    assert result.kept_step == result.steps == 6
    pairs = pairs_of(settings)
    scores = torch.tensor(score(result, pairs))
    if result.kind == "adapter":
        torch.testing.assert_close(torch.tensor(score(result, pairs, merge_adapter=False)), scores, atol=1e-5, rtol=1e-5)
        last = settings.output_dir / "checkpoints" / "checkpoint-6"
        at_checkpoint = torch.tensor(score(replace(result, product=last), pairs))
        assert torch.equal(at_checkpoint, scores)
        if family != "raw_minicpm":
            base = load_reranker(settings.model_name_or_path)
            layers = None if base.cutoff_range is None else list(base.cutoff_range)
            before = torch.tensor(base.score(pairs, cutoff_layers=layers).values)
            assert (scores - before).abs().max() > 1e-3  # it has learnt something


@pytest.mark.slow
@KINDS
def test_batches_that_are_added_up_learn_what_one_large_batch_learns(
    family: str, changes: dict[str, Any], make_settings: MakeSettings, tmp_path: Path, read_metrics: ReadMetrics
) -> None:
    """With 10 rows in steps of 4 the last step of an epoch is short, and keeps its two rows."""
    results = []
    for batch, accumulated in ((4, 1), (2, 2), (1, 4)):
        settings = make_settings(
            family,
            rows=10,
            dropout=0.0,
            lora_dropout=0.0,
            num_train_epochs=2,
            per_device_train_batch_size=batch,
            gradient_accumulation_steps=accumulated,
            output_dir=tmp_path / f"{batch}x{accumulated}",
            **changes,
        )
        results.append(train(settings))
    lines = [[line for line in read_metrics(result.output_dir) if line["kind"] == "train"] for result in results]
    pairs = pairs_of(settings)
    for result, own in zip(results[1:], lines[1:], strict=True):
        assert len(own) == len(lines[0]) == 6
        for one, other in zip(lines[0], own, strict=True):
            assert one["loss"] == pytest.approx(other["loss"], rel=1e-6, abs=1e-6)
            assert one["grad_norm"] == pytest.approx(other["grad_norm"], rel=1e-5)
            assert one["gap"] == pytest.approx(other["gap"], rel=1e-5, abs=1e-6)
        torch.testing.assert_close(
            torch.tensor(score(result, pairs)), torch.tensor(score(results[0], pairs)), atol=2e-6, rtol=1e-6
        )


@pytest.mark.slow
@pytest.mark.parametrize("family", ["encoder", "decoder", "layerwise"])
def test_two_runs_with_one_seed_are_equal_and_another_seed_differs(
    family: str, make_settings: MakeSettings, tmp_path: Path
) -> None:
    weights = [
        weights_of(train(make_settings(family, seed=seed, output_dir=tmp_path / name)))
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    assert not all(torch.equal(weights[0][name], weights[2][name]) for name in weights[0])


@pytest.mark.slow
@pytest.mark.parametrize("family", ["encoder", "decoder", "layerwise"])
def test_recomputing_blocks_changes_no_weight(family: str, make_settings: MakeSettings, tmp_path: Path) -> None:
    weights = [
        weights_of(train(make_settings(family, gradient_checkpointing=does, output_dir=tmp_path / str(does))))
        for does in (False, True)
    ]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.slow
@KINDS
def test_the_loss_falls_and_positives_come_first(
    family: str, changes: dict[str, Any], make_settings: MakeSettings, read_metrics: ReadMetrics
) -> None:
    settings = make_settings(
        family, rows=4, num_train_epochs=40, learning_rate=1e-2, dropout=0.0, lora_dropout=0.0, logging_steps=5, **changes
    )
    result = train(settings)
    lines = [line for line in read_metrics(result.output_dir) if line["kind"] == "train"]
    # What lower layers learn from the last one keeps a rest: its own entropy.
    assert lines[-1]["loss"] < (0.2 if family in ("encoder", "decoder") else 0.6) * lines[0]["loss"]
    assert lines[-1]["gap"] > 1
    for row in read_training_data(settings).rows:
        scores = [values[-1] for values in score(result, [(row.query, text) for text in (*row.pos, *row.neg)])]
        assert max(scores) == scores[0]


@pytest.mark.slow
def test_every_head_of_a_layerwise_model_learns(make_settings: MakeSettings) -> None:
    trained = weights_of(train(make_settings("layerwise", num_train_epochs=2)))
    base = load_file(CHECKPOINTS / "layerwise" / "model.safetensors")
    for place in range(7):
        name = f"lm_head.{place}.linear_head.weight"
        assert (trained[f"base_model.model.{name}"] - base[name]).abs().max() > 1e-4


@pytest.mark.slow
def test_a_teacher_changes_what_is_learnt(
    make_settings: MakeSettings, tmp_path: Path, training_rows: list[dict[str, Any]]
) -> None:
    path = tmp_path / "taught.jsonl"
    rows = [row | {"pos_scores": [-5.0], "neg_scores": [5.0, *[-5.0] * (len(row["neg"]) - 1)]} for row in training_rows[:4]]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    settings = make_settings(
        train_data=(path,),
        knowledge_distillation=True,
        num_train_epochs=60,
        learning_rate=5e-3,
        dropout=0.0,
        lora_dropout=0.0,
        train_group_size=8,
    )
    result = train(settings)
    row = rows[0]
    scores = [values[0] for values in score(result, [(row["query"], text) for text in (*row["pos"], *row["neg"])])]
    # The labels want the positive first, the teacher the first negative: half and half is the least loss.
    assert scores[0] == pytest.approx(scores[1], abs=0.7)
    assert min(scores[:2]) > max(scores[2:]) + 1


@pytest.mark.slow
def test_the_best_step_is_kept_not_the_last(make_settings: MakeSettings, read_metrics: ReadMetrics) -> None:
    settings = make_settings("decoder", hold_out=0.3, num_train_epochs=6, learning_rate=3e-2)
    result = train(settings)
    values = {figures.step: figures.measures["nDCG@10"] for figures in result.dev}
    best = max(values.values())
    assert result.kept_step == min(step for step, value in values.items() if value == best)
    assert result.after == next(figures.measures for figures in result.dev if figures.step == result.kept_step)
    assert result.before == result.dev[0].measures
    assert 0 < result.kept_step < result.steps  # so that the test can tell
    checkpoint = settings.output_dir / "checkpoints" / f"checkpoint-{result.kept_step}"
    saved = load_file(checkpoint / "adapter_model.safetensors")
    assert all(torch.equal(saved[name], tensor) for name, tensor in weights_of(result).items())


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"use_lora": False}], ids=["lora", "whole"])
def test_where_nothing_is_better_the_base_is_kept_and_that_is_said(
    changes: dict[str, Any], make_settings: MakeSettings, tmp_path: Path, training_rows: list[dict[str, Any]]
) -> None:
    """The dev set's positives are what the base ranks first, so that no step can be better."""
    base = load_reranker(CHECKPOINTS / "encoder")
    path = tmp_path / "dev.jsonl"
    rows = []
    for row in training_rows[:6]:
        ranked = [one.passage for one in base.rank(row["query"], [*row["pos"], *row["neg"]])]
        rows.append({"query": row["query"], "pos": ranked[:1], "neg": ranked[1:]})
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    settings = make_settings(dev_data=path, num_train_epochs=2, learning_rate=1e-2, **changes)
    result = train(settings)
    assert result.kept_step == 0
    assert result.before == result.after == {"nDCG@10": 1.0, "RR@10": 1.0}
    assert any("No step was better than the base" in warning for warning in result.warnings)
    pairs = pairs_of(settings)
    torch.testing.assert_close(torch.tensor(score(result, pairs)), torch.tensor(base.score(pairs).values))


@pytest.mark.slow
def test_patience_ends_a_run_that_gets_no_better(make_settings: MakeSettings) -> None:
    settings = make_settings("decoder", hold_out=0.3, num_train_epochs=40, learning_rate=3e-2, early_stopping_patience=2)
    result = train(settings)
    assert result.status == "completed"
    assert result.steps < result.planned_steps
    after = [figures for figures in result.dev if figures.step > result.kept_step]
    assert len(after) == 2


@pytest.mark.slow
@pytest.mark.parametrize("max_grad_norm", [0.0, 1.0])
@pytest.mark.parametrize("factor", [1e38, float("nan")], ids=["overflow", "nan"])
def test_numbers_that_are_not_finite_end_the_run_with_advice(
    factor: float,
    max_grad_norm: float,
    make_settings: MakeSettings,
    copy_checkpoint: Callable[..., Path],
    edit_tensors: Callable[..., None],
) -> None:
    """A head so large that the loss overflows, or of nothing but NaN."""

    def enlarge(tensors: dict[str, torch.Tensor]) -> None:
        tensors["classifier.out_proj.weight"] *= factor

    folder = copy_checkpoint("encoder")
    edit_tensors(folder / "model.safetensors", enlarge)
    settings = make_settings(model_name_or_path=str(folder), max_grad_norm=max_grad_norm)
    with pytest.raises(TrainingError, match=r"gradient of step 1 is not finite.*lower learning_rate"):
        train(settings)
    assert not (settings.output_dir / "adapter").exists()


@pytest.mark.slow
def test_scores_that_become_all_the_same_ring_the_alarm_and_the_run_goes_on(
    make_settings: MakeSettings, read_metrics: ReadMetrics
) -> None:
    settings = make_settings(hold_out=0.3, num_train_epochs=15, use_lora=False, learning_rate=0.05, weight_decay=1.0)
    result = train(settings)
    assert result.steps == result.planned_steps
    spreads = [figures.spread for figures in result.dev]
    assert min(spreads) < 0.02 * max(spreads)  # so that the test can tell
    assert sum("collapsed" in warning for warning in result.warnings) == 1
    (event,) = [line for line in read_metrics(settings.output_dir) if line.get("event") == "collapse"]
    assert event["step"] == next(figures.step for figures in result.dev if figures.spread < 0.02 * max(spreads))


@pytest.mark.slow
@pytest.mark.parametrize("logging_steps", [1, 1000], ids=["at a line", "at the end"])
def test_the_alarm_rings_without_a_dev_set_too(logging_steps: int, make_settings: MakeSettings) -> None:
    settings = make_settings(
        num_train_epochs=15, use_lora=False, learning_rate=0.05, weight_decay=1.0, logging_steps=logging_steps
    )
    result = train(settings)
    assert sum("collapsed" in warning for warning in result.warnings) == 1


@pytest.mark.slow
def test_a_base_that_never_tells_passages_apart_rings_the_alarm_at_every_layer(
    make_settings: MakeSettings, copy_checkpoint: Callable[..., Path], edit_tensors: Callable[..., None]
) -> None:
    def empty(tensors: dict[str, torch.Tensor]) -> None:
        for name, tensor in tensors.items():
            if name.startswith(("lm_head.0.", "lm_head.2.")):
                tensor.zero_()

    folder = copy_checkpoint("layerwise")
    edit_tensors(folder / "model.safetensors", empty)
    settings = make_settings(model_name_or_path=str(folder), head_learning_rate=1e-9)
    result = train(settings)
    (warning,) = result.warnings
    assert "all passages score the same, as they did from the start at layers 2, 4" in warning


@pytest.mark.slow
def test_a_healthy_run_rings_no_alarm_and_looking_changes_no_weight(make_settings: MakeSettings, tmp_path: Path) -> None:
    results = [
        train(make_settings(num_train_epochs=2, dropout=0.3, logging_steps=every, output_dir=tmp_path / str(every)))
        for every in (1, 1000)
    ]
    assert [result.warnings for result in results] == [(), ()]
    weights = [weights_of(result) for result in results]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


@pytest.mark.slow
def test_the_dev_set_is_measured_without_dropout(make_settings: MakeSettings) -> None:
    settings = make_settings(hold_out=0.3, dropout=0.5, lora_dropout=0.5, save_strategy="epoch")
    result = train(settings)
    _, task = hold_out(read_training_data(settings), 0.3)
    last = settings.output_dir / "checkpoints" / f"checkpoint-{result.steps}"
    rerankers = (load_reranker(CHECKPOINTS / "encoder"), load_reranker(CHECKPOINTS / "encoder", adapter=last))
    for figures, reranker in zip(result.dev, rerankers, strict=True):
        expected = DevSet(task, reranker, settings).measure(figures.step)
        assert figures.spread == pytest.approx(expected.spread, rel=1e-3)
        assert figures.measures == expected.measures


@pytest.mark.slow
def test_the_head_learns_at_its_own_rate(make_settings: MakeSettings) -> None:
    trained = weights_of(train(make_settings(head_learning_rate=1e-9)))
    base = load_file(CHECKPOINTS / "encoder" / "model.safetensors")
    moved = {
        name: (tensor - base[name.removeprefix("base_model.model.")]).abs().max().item()
        for name, tensor in trained.items()
        if "lora" not in name
    }
    assert moved
    assert max(moved.values()) < 1e-6
    assert max(tensor.abs().max() for name, tensor in trained.items() if "lora_B" in name) > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("error", [ScoringError("ran out of memory on a single pair"), MemoryError()])
def test_a_comparison_that_fails_is_a_warning_and_the_result_is_written(
    error: Exception, make_settings: MakeSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = []

    def fail(trainable: Trainable, *_: Any, **__: Any) -> float:
        states.append([place.grad for place in trainable.trained_parameters().values() if place.grad is not None])
        raise error

    monkeypatch.setattr("reranker_core.training.run.compare_product", fail)
    settings = make_settings()
    result = train(settings)
    assert read_result(settings.output_dir) == result
    assert result.difference is None
    assert any("could not be compared with what was trained: " in warning for warning in result.warnings)
    assert states == [[]]


@pytest.mark.slow
def test_the_merged_model_is_written_on_request(make_settings: MakeSettings) -> None:
    settings = make_settings("decoder", save_merged_lora_model=True)
    result = train(settings)
    assert result.merged_model == settings.output_dir / "merged_model"
    pairs = pairs_of(settings)
    merged = load_reranker(result.merged_model).score(pairs).values
    torch.testing.assert_close(torch.tensor(merged), torch.tensor(score(result, pairs)), atol=1e-5, rtol=1e-5)


def test_a_folder_with_another_run_is_refused(make_settings: MakeSettings) -> None:
    settings = make_settings()
    settings.output_dir.mkdir()
    (settings.output_dir / "metrics.jsonl").write_text("{}\n")
    with pytest.raises(
        InputError,
        match=r"holds another run \(metrics.jsonl\).*resume_from_checkpoint \"latest\" \(--resume_from_checkpoint latest\)",
    ):
        train(settings)


def test_a_gpu_that_the_trainer_would_not_take_is_refused(make_settings: MakeSettings) -> None:
    with pytest.raises(InputError, match="CUDA_VISIBLE_DEVICES=1"):
        train(make_settings(device="cuda:1"))
