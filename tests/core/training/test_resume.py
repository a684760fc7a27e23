"""Runs that are stopped, killed or cannot save, and go on: the same weights as if nothing had happened."""

import json
import os
import re
import shutil
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from traceback import format_exception
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from reranker_core.errors import InputError, TrainingError
from reranker_core.jobs.failures import explain_failure
from reranker_core.training.kept_checkpoints import (
    find_checkpoint,
    hash_files,
    list_checkpoints,
    measure_files,
    remove_old_checkpoints,
)
from reranker_core.training.progress import TrainingProgress
from reranker_core.training.results import TrainingResult
from reranker_core.training.run import train
from reranker_core.training.settings import TrainingSettings
from tests.annotations.limits import files_up_to
from tests.core.small_disk import fill, small_disk

MakeSettings = Callable[..., TrainingSettings]


def stop_after(step: int) -> dict[str, Callable[..., Any]]:
    """Give the arguments of `train` that stop a run after a step."""
    asked = 0

    def should_stop() -> bool:
        nonlocal asked
        asked += 1
        return asked >= step

    return {"should_stop": should_stop}


def weights_of(result: TrainingResult) -> dict[str, torch.Tensor]:
    (file,) = result.product.glob("*.safetensors")
    return load_file(file)


def assert_equal(one: TrainingResult, other: TrainingResult) -> None:
    assert one.steps == other.steps
    expected = weights_of(other)
    assert all(torch.equal(tensor, expected[name]) for name, tensor in weights_of(one).items())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("family", "changes"),
    [
        ("encoder", {}),
        ("encoder", {"use_lora": False, "dropout": 0.2}),
        ("decoder", {"lr_scheduler_type": "cosine"}),
        ("layerwise", {}),
    ],
    ids=["encoder", "whole encoder", "decoder", "layerwise"],
)
@pytest.mark.parametrize("step", [2, 3, 4], ids=["in an epoch", "at its end", "in the next"])
def test_a_stopped_run_goes_on_to_the_weights_of_one_that_was_not(
    family: str, changes: dict[str, Any], step: int, make_settings: MakeSettings, tmp_path: Path
) -> None:
    """With dropout, and steps of two batches, the last of an epoch of one."""
    if family != "encoder" and step != 2:
        pytest.skip("one place is enough for the slower families")
    plan = {
        "rows": 10,
        "num_train_epochs": 2,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "warmup_ratio": 0.2,
    }
    whole = train(make_settings(family, output_dir=tmp_path / "whole", **plan, **changes))
    settings = make_settings(family, output_dir=tmp_path / "parts", **plan, **changes)
    stopped = train(settings, **stop_after(step))
    assert (stopped.status, stopped.steps, stopped.planned_steps) == ("stopped", step, 6)
    assert stopped.product.is_dir()
    resumed = train(replace(settings, resume_from_checkpoint="latest"))
    assert resumed.status == "completed"
    assert_equal(resumed, whole)


@pytest.mark.slow
@pytest.mark.parametrize("step", [3, 4])
def test_a_resumed_run_keeps_the_best_step_of_both_parts(step: int, make_settings: MakeSettings, tmp_path: Path) -> None:
    plan = {"hold_out": 0.3, "num_train_epochs": 4, "learning_rate": 2e-2}
    whole = train(make_settings("decoder", output_dir=tmp_path / "whole", **plan))
    settings = make_settings("decoder", output_dir=tmp_path / "parts", **plan)
    stopped = train(settings, **stop_after(step))
    resumed = train(replace(settings, resume_from_checkpoint="latest"))
    assert stopped.dev == tuple(figures for figures in whole.dev if figures.step <= step)
    assert resumed.dev == whole.dev
    assert resumed.kept_step == whole.kept_step
    assert_equal(resumed, whole)


@pytest.mark.slow
def test_a_run_stopped_before_it_was_measured_leaves_what_it_had_learnt(make_settings: MakeSettings) -> None:
    result = train(make_settings("decoder", hold_out=0.3, num_train_epochs=4, learning_rate=2e-2), **stop_after(1))
    assert (result.kept_step, result.after) == (1, None)
    assert result.before == result.dev[0].measures
    assert max(tensor.abs().max() for name, tensor in weights_of(result).items() if "lora_B" in name) > 0


@pytest.mark.slow
def test_sigterm_saves_and_ends_the_run(make_settings: MakeSettings) -> None:
    settings = make_settings(num_train_epochs=50)

    def tell(progress: TrainingProgress) -> None:
        if progress.stage == "training" and progress.done == 2:
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    result = train(settings, on_progress=tell)
    assert (result.status, result.steps) == ("stopped", 3)
    assert [path.name for path in list_checkpoints(settings.output_dir / "checkpoints")] == ["checkpoint-3"]
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.slow
def test_a_run_that_died_goes_on_from_its_last_whole_checkpoint(make_settings: MakeSettings, tmp_path: Path) -> None:
    plan = {"num_train_epochs": 3, "save_strategy": "steps", "save_steps": 2}
    whole = train(make_settings(output_dir=tmp_path / "whole", **plan))
    settings = make_settings(output_dir=tmp_path / "parts", **plan)

    class PowerCutError(Exception):
        pass

    def die(progress: TrainingProgress) -> None:
        if progress.done == 5:
            raise PowerCutError

    with pytest.raises(PowerCutError):
        train(settings, on_progress=die)
    half_written = settings.output_dir / "checkpoints" / "checkpoint-5"
    shutil.copytree(settings.output_dir / "checkpoints" / "checkpoint-4", half_written)
    (half_written / "trainer_state.json").unlink()
    resumed = train(replace(settings, resume_from_checkpoint="latest"))
    assert_equal(resumed, whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learning_rate": 5e-4}, "was trained with learning_rate 0.001, and now it is 0.0005"),
        ({"num_train_epochs": 7}, "was trained with num_train_epochs 2.0, and now it is 7.0"),
        ({"lora_rank": 8}, "was trained with lora_rank 4, and now it is 8"),
    ],
)
def test_a_run_does_not_go_on_with_other_settings(
    changes: dict[str, Any], message: str, make_settings: MakeSettings
) -> None:
    settings = make_settings(num_train_epochs=2)
    train(settings, **stop_after(1))
    before = (settings.output_dir / "settings.json").read_bytes()
    with pytest.raises(InputError, match=message):
        train(replace(settings, resume_from_checkpoint="latest", **changes))
    assert (settings.output_dir / "settings.json").read_bytes() == before


@pytest.mark.slow
def test_a_run_does_not_go_on_with_other_data_or_another_base(
    make_settings: MakeSettings, copy_checkpoint: Callable[..., Path], edit_tensors: Callable[..., None]
) -> None:
    base = copy_checkpoint("encoder")
    settings = make_settings(model_name_or_path=str(base))
    train(settings, **stop_after(1))
    again = replace(settings, resume_from_checkpoint="latest")

    (path,) = settings.train_data
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("is here", "was here", 1), encoding="utf-8")
    with pytest.raises(InputError, match="other data: a file has changed"):
        train(again)
    path.write_text(text, encoding="utf-8")

    def change(tensors: dict[str, torch.Tensor]) -> None:
        tensors["classifier.dense.weight"][0] += 1

    edit_tensors(base / "model.safetensors", change)
    with pytest.raises(InputError, match="from other weights"):
        train(again)


@pytest.mark.slow
def test_a_save_that_fails_leaves_the_earlier_checkpoint_whole_and_resumable(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    plan = {"num_train_epochs": 2, "save_strategy": "steps", "save_steps": 2}
    whole = train(make_settings(output_dir=tmp_path / "whole", **plan))
    settings = make_settings(output_dir=tmp_path / "parts", **plan)
    checkpoints = settings.output_dir / "checkpoints"
    limit = files_up_to(20_000)

    def fill_the_disk(progress: TrainingProgress) -> None:
        if progress.done == 3:
            limit.__enter__()

    try:
        with pytest.raises(TrainingError, match=r"checkpoint of step 4 could not be written.*Earlier ones are whole"):
            train(settings, on_progress=fill_the_disk)
    finally:
        limit.__exit__(None, None, None)
    assert [path.name for path in checkpoints.iterdir()] == ["checkpoint-2"]
    assert_equal(train(replace(settings, resume_from_checkpoint="latest")), whole)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["what was trained", "the optimizer"])
def test_a_disk_that_is_full_is_told_whichever_file_has_no_room(
    part: str, make_settings: MakeSettings, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        settings = make_settings(output_dir=disk / "run", num_train_epochs=2, save_strategy="steps", save_steps=2)
        checkpoints = settings.output_dir / "checkpoints"

        def fill_the_disk(progress: TrainingProgress) -> None:
            if progress.done == 3 and not (disk / "filling").exists():
                sizes = measure_files(checkpoints / "checkpoint-2")
                optimizer = sizes["optimizer.pt"]
                before_it = sum(size for name, size in sizes.items() if not name.endswith((".pt", ".pth", ".json")))
                fill(disk, leave=8192 if part == "what was trained" else before_it + optimizer // 2)

        with pytest.raises(TrainingError, match=r"checkpoint of step 4 could not be written.*Earlier ones") as caught:
            train(settings, on_progress=fill_the_disk)
        assert ("optimizer" in "".join(format_exception(caught.value))) is (part == "the optimizer")
        assert explain_failure(caught.value).kind == "space"
        assert [path.name for path in checkpoints.iterdir()] == ["checkpoint-2"]


@pytest.mark.slow
def test_a_finished_run_that_is_resumed_has_nothing_left_to_do(make_settings: MakeSettings) -> None:
    settings = make_settings(hold_out=0.3)
    first = train(settings)
    before = {path: path.stat().st_mtime_ns for path in settings.output_dir.rglob("*")}
    told: list[str] = []
    again = train(
        replace(settings, resume_from_checkpoint="latest"), on_progress=lambda progress: told.extend(progress.notes)
    )
    assert again == first
    assert told == [f"The run in {settings.output_dir} is finished already; nothing was changed."]
    assert {path: path.stat().st_mtime_ns for path in settings.output_dir.rglob("*")} == before


@pytest.mark.slow
def test_latest_of_none_starts_from_the_beginning(make_settings: MakeSettings) -> None:
    result = train(make_settings(resume_from_checkpoint="latest"))
    assert result.status == "completed"
    place = result.output_dir / "checkpoints"
    assert f"There is no checkpoint in {place}; starting from the beginning." in result.warnings


def make_checkpoint(folder: Path, step: int, *, is_whole: bool = True) -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir(parents=True)
    for name in ("optimizer.pt", "trainer_state.json"):
        (path / name).write_text("whole")
    content = {"step": step, "files": measure_files(path), "sha256": hash_files(path)}
    (path / "run.json").write_text(json.dumps(content))
    if not is_whole:
        (path / "trainer_state.json").unlink()
    return path


def test_the_latest_checkpoint_is_the_last_whole_one_by_number(tmp_path: Path) -> None:
    for step in (9, 10):
        make_checkpoint(tmp_path, step)
    make_checkpoint(tmp_path, 11, is_whole=False)
    (tmp_path / ".checkpoint-12.part").mkdir()
    found = find_checkpoint("latest", tmp_path)
    assert found.path is not None
    assert found.path.name == "checkpoint-10"
    assert found.left_out == ("checkpoint-11 was left out: it is no whole checkpoint, it lacks trainer_state.json.",)
    assert find_checkpoint("latest", tmp_path / "none").path is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("who", r"optimizer.pt has 3 bytes instead of 5"),
        ("whale", "optimizer.pt is not what was written"),
        (None, "it lacks optimizer.pt"),
    ],
)
def test_a_file_cut_off_spoilt_or_gone_makes_a_checkpoint_no_whole_one(
    content: str | None, message: str, tmp_path: Path
) -> None:
    make_checkpoint(tmp_path, 9)
    path = make_checkpoint(tmp_path, 10)
    (path / "README.md").write_text("a note by a person")
    assert find_checkpoint("latest", tmp_path).path == path
    (path / "optimizer.pt").unlink()
    if content is not None:
        (path / "optimizer.pt").write_text(content)
    found = find_checkpoint("latest", tmp_path)
    assert found.path == tmp_path / "checkpoint-9"
    assert re.search(message, *found.left_out)
    with pytest.raises(InputError, match=message + r'. Give checkpoint-9, which is, or "latest"'):
        find_checkpoint(str(path), tmp_path)


@pytest.mark.slow
def test_a_run_goes_on_from_the_newest_whole_checkpoint_and_says_which_it_left_out(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    plan = {"num_train_epochs": 3, "save_strategy": "steps", "save_steps": 2}
    whole = train(make_settings(output_dir=tmp_path / "whole", **plan))
    settings = make_settings(output_dir=tmp_path / "parts", **plan)
    train(settings, **stop_after(4))
    checkpoint = settings.output_dir / "checkpoints" / "checkpoint-4"
    files = {path.name for path in checkpoint.iterdir() if path.suffix != ".md"}
    assert json.loads((checkpoint / "run.json").read_text())["files"].keys() == files - {"run.json"}
    assert files >= {"adapter_model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth", "trainer_state.json"}
    content = (checkpoint / "optimizer.pt").read_bytes()
    (checkpoint / "optimizer.pt").write_bytes(content[: len(content) // 2])
    resumed = train(replace(settings, resume_from_checkpoint="latest"))
    assert_equal(resumed, whole)
    assert any("checkpoint-4 was left out" in warning for warning in resumed.warnings)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["adapter_model.safetensors", "optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_a_run_goes_on_before_a_file_spoilt_at_its_old_size(name: str, make_settings: MakeSettings) -> None:
    settings = make_settings(num_train_epochs=2, save_strategy="steps", save_steps=1)
    train(settings, **stop_after(2))
    file = settings.output_dir / "checkpoints" / "checkpoint-2" / name
    file.write_bytes(b"\xff" * file.stat().st_size)
    resumed = train(replace(settings, resume_from_checkpoint="latest"))
    sentence = f"checkpoint-2 was left out: it is no whole checkpoint, {name} is not what was written."
    assert sentence in resumed.warnings
    assert any(
        "Went on from checkpoint-1" in line for line in (settings.output_dir / "metrics.jsonl").read_text().splitlines()
    )


@pytest.mark.slow
def test_a_finished_run_whose_data_has_changed_is_not_called_finished(make_settings: MakeSettings) -> None:
    settings = make_settings(hold_out=0.3)
    first = train(settings)
    again = replace(settings, resume_from_checkpoint="latest")
    (file,) = map(Path, settings.train_data)
    lines = file.read_text(encoding="utf-8").splitlines()
    file.write_text("\n".join(lines[:-1]), encoding="utf-8")
    with pytest.raises(InputError, match="is finished, and was trained on other data: a file has changed since"):
        train(again)
    file.unlink()
    assert train(again) == first  # nothing to compare with, and nothing left to do


@pytest.mark.slow
def test_the_best_step_whose_weights_are_gone_is_not_kept_and_that_is_said(make_settings: MakeSettings) -> None:
    settings = make_settings("decoder", hold_out=0.3, num_train_epochs=4, learning_rate=2e-2)
    whole = train(settings)
    assert 0 < whole.kept_step < whole.steps  # so that the test can tell
    checkpoints = settings.output_dir / "checkpoints"
    shutil.rmtree(checkpoints / f"checkpoint-{whole.kept_step}")
    (settings.output_dir / "result.json").unlink()  # as if it had been broken off at the end
    resumed = train(replace(settings, resume_from_checkpoint="latest"))
    assert any(f"weights of step {whole.kept_step}, the best until then, are gone" in one for one in resumed.warnings)
    there = {0, *(int(path.name.rpartition("-")[2]) for path in list_checkpoints(checkpoints))}
    best = max((one for one in whole.dev if one.step in there), key=lambda one: one.measures["nDCG@10"])
    assert (resumed.kept_step, resumed.after) == (best.step, best.measures)


@pytest.mark.slow
def test_the_alarm_without_a_dev_set_is_silent_after_a_resume_about_what_it_told_before(
    make_settings: MakeSettings,
) -> None:
    """The head is so large a step that scores become the same at once."""
    changes = {"use_lora": False, "learning_rate": 0.05, "weight_decay": 1.0, "num_train_epochs": 15, "seed": 1}
    settings = make_settings(**changes)
    whole = train(replace(settings, output_dir=settings.output_dir.with_name("whole")))
    assert sum("collapsed" in warning for warning in whole.warnings) == 1
    train(settings, **stop_after(30))
    saved = json.loads((settings.output_dir / "checkpoints" / "checkpoint-30" / "run.json").read_text())
    assert saved["alarm"]["largest"][0][1] > 0
    resumed = train(replace(settings, resume_from_checkpoint="latest"))
    assert resumed.warnings == whole.warnings
    last = max(list_checkpoints(settings.output_dir / "checkpoints"), key=lambda path: int(path.name[11:]))
    other = settings.output_dir.with_name("whole") / "checkpoints" / last.name
    assert json.loads((last / "run.json").read_text())["alarm"] == json.loads((other / "run.json").read_text())["alarm"]


def test_a_folder_that_is_no_whole_checkpoint_is_refused(tmp_path: Path) -> None:
    path = make_checkpoint(tmp_path, 3, is_whole=False)
    with pytest.raises(InputError, match=r"no whole checkpoint: it lacks trainer_state.json"):
        find_checkpoint(str(path), tmp_path)


def test_a_checkpoint_of_another_run_is_refused(tmp_path: Path) -> None:
    path = make_checkpoint(tmp_path / "one" / "checkpoints", 3)
    assert find_checkpoint(str(path), tmp_path / "one" / "checkpoints").path == path
    with pytest.raises(InputError, match=r"of another run than that in .*two"):
        find_checkpoint(str(path), tmp_path / "two" / "checkpoints")


def test_old_checkpoints_go_but_the_best_one_stays(tmp_path: Path) -> None:
    for step in (2, 4, 6, 8, 10):
        make_checkpoint(tmp_path, step)
    remove_old_checkpoints(tmp_path, limit=2, best_step=4)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["checkpoint-4", "checkpoint-8", "checkpoint-10"]
    remove_old_checkpoints(tmp_path, limit=None, best_step=None)
    assert len(list_checkpoints(tmp_path)) == 3
