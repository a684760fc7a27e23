"""What a worker says at the end, run in this process: it failed, it was stopped, its report failed."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reranker_core.jobs.folder import JobFolder, read_object
from reranker_core.jobs.worker import main

pytestmark = pytest.mark.slow

MakeJob = Callable[..., JobFolder]


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def work(folder: JobFolder, attempt: int = 1) -> dict[str, Any]:
    """Work on a job, and give what state.json says then."""
    code = main([str(folder.path), str(attempt)])
    state = read_object(folder.state) or {}
    assert code == (1 if state["status"] == "failed" else 0)
    return state


def test_a_bad_row_is_named(make_job: MakeJob, rows: Path) -> None:
    with rows.open("a", encoding="utf-8") as file:
        file.write('{"query": "q", "pos": "", "neg": ["n"]}\n')
    state = work(make_job())
    assert (state["status"], state["error"]["kind"]) == ("failed", "data")
    assert state["error"]["message"].startswith(f"{rows}:13: ")


def test_a_model_that_is_not_here_is_named(make_job: MakeJob) -> None:
    state = work(make_job(model_name_or_path="BAAI/bge-reranker-large"))
    assert (state["status"], state["error"]["kind"]) == ("failed", "model")
    assert "is not on this machine" in state["message"]


def test_a_training_that_diverges_is_told_from_other_failures(
    make_job: MakeJob, copy_checkpoint: Callable[..., Path], edit_tensors: Callable[..., None]
) -> None:
    def spoil(tensors: dict[str, Any]) -> None:
        tensors["classifier.out_proj.weight"] *= float("nan")

    base = copy_checkpoint("encoder")
    edit_tensors(base / "model.safetensors", spoil)
    state = work(make_job(model_name_or_path=str(base)))
    assert (state["status"], state["error"]["kind"]) == ("failed", "diverged")
    assert "the training diverged" in state["message"]


def test_a_job_that_is_stopped_before_its_first_step_says_so(make_job: MakeJob) -> None:
    folder = make_job()
    folder.stop.parent.mkdir()
    folder.stop.touch()
    state = work(folder)
    assert state["status"] == "stopped"
    assert "before it had trained a step" in state["message"]
    assert not folder.checkpoints.exists()


def test_a_report_that_fails_takes_nothing_from_the_training_and_is_tried_again(make_job: MakeJob, tmp_path: Path) -> None:
    folder = make_job()
    bad = tmp_path / "bad.jsonl"
    bad.write_text("no row\n", encoding="utf-8")
    record = read_object(folder.record) or {}
    data = record["data"] | {str(bad): hashlib.sha256(bad.read_bytes()).hexdigest()}
    folder.record.write_text(json.dumps(record | {"report_data": str(bad), "data": data}), encoding="utf-8")
    state = work(folder)
    assert (state["status"], state["stage"]) == ("completed", "evaluating")
    assert state["report_error"].startswith("The report failed: ")
    assert "bad.jsonl" in state["report_error"]
    metrics = folder.metrics.read_bytes()

    folder.record.write_text(json.dumps(record), encoding="utf-8")
    state = work(folder, attempt=2)
    assert (state["status"], state["report_error"], state["attempt"]) == ("completed", None, 2)
    assert folder.report.is_file()
    assert folder.metrics.read_bytes() == metrics


def test_data_that_was_changed_while_a_job_waited_is_not_trained_on(make_job: MakeJob, rows: Path) -> None:
    folder = make_job()
    with rows.open("a", encoding="utf-8") as file:
        file.write('{"query": "q", "pos": ["p"], "neg": ["n"]}\n')
    state = work(folder)
    assert (state["status"], state["error"]["kind"]) == ("failed", "data")
    assert state["message"].startswith(f"{rows} was changed since the job was started.")
    assert not folder.checkpoints.exists()


def test_a_job_that_is_stopped_between_two_lines_of_figures_saves_what_it_trained(
    make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    from reranker_core.training.trainer import RerankerTrainer

    folder = make_job(logging_steps=1_000, hold_out=0.2)

    def stop_after_a_step(trainer: RerankerTrainer, *given: Any) -> Any:
        loss = train_a_step(trainer, *given)
        folder.stop.parent.mkdir(exist_ok=True)
        folder.stop.touch()
        return loss

    train_a_step = RerankerTrainer.training_step
    monkeypatch.setattr(RerankerTrainer, "training_step", stop_after_a_step)
    state = work(folder)
    assert (state["status"], state["step"]) == ("stopped", 1)
    assert state["message"].startswith("Stopped and saved after 1 of ")
    assert (folder.path / "adapter" / "adapter_config.json").is_file()
