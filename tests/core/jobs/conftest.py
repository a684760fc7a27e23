"""What the tests of jobs share: rows, settings of a small run, and job folders as processes would leave them."""

import json
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from reranker_core.jobs import Jobs, JobStatus
from reranker_core.jobs.folder import JobFolder
from reranker_core.jobs.processes import ProcessMark
from reranker_core.jobs.records import make_record, settle
from reranker_core.training.settings import TrainingSettings
from tests.conftest import CHECKPOINTS, FOLDER_BY_FAMILY

MakeSettings = Callable[..., TrainingSettings]
MakeJob = Callable[..., JobFolder]
WaitUntil = Callable[..., JobStatus]

_WORDS = "panda bear china bamboo capital france paris tower river mountain whale ocean piano music tea leaf moon".split()


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    """A jsonl file of twelve training rows."""
    draw = random.Random(7)
    lines = []
    for _ in range(12):
        words = draw.sample(_WORDS, 3)
        others = [word for word in _WORDS if word not in words]
        negatives = [" ".join(draw.sample(others, 4)) for _ in range(3)]
        lines.append({"query": f"what is {' '.join(words)}?", "pos": [f"{' '.join(words)} is here"], "neg": negatives})
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, lines)) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def make_settings(rows: Path, tmp_path: Path) -> MakeSettings:
    """Make the settings of a small run of three steps an epoch."""

    def make(family: str = "encoder", **changes: Any) -> TrainingSettings:
        values = {
            "model_name_or_path": str(CHECKPOINTS / FOLDER_BY_FAMILY[family]),
            "train_data": (rows,),
            "output_dir": tmp_path / "unused",
            "train_group_size": 3,
            "query_max_len": 32,
            "passage_max_len": 32,
            "lora_rank": 4,
            "lora_alpha": 8,
            "learning_rate": 1e-3,
            "gradient_accumulation_steps": 1,
            "per_device_train_batch_size": 4,
            "device": "cpu",
            "offline": True,
        }
        return TrainingSettings(**(values | changes))

    return make


@pytest.fixture
def jobs(tmp_path: Path) -> Jobs:
    """The jobs of a home of its own."""
    return Jobs(tmp_path / "home" / "jobs")


@pytest.fixture
def make_job(jobs: Jobs, make_settings: MakeSettings) -> MakeJob:
    """Write a job's folder as it is before anybody starts it."""

    def make(job_id: str = "20260102-030405-abcdef", *, name: str = "", **changes: Any) -> JobFolder:
        folder = JobFolder(jobs.folder / job_id)
        folder.path.mkdir(parents=True)
        settings = settle(make_settings(**changes), folder.path)
        record = make_record(settings, job_id=job_id, name=name, device="cpu", report_data=None)
        record["created_at"] = "2026-01-02T03:04:05+00:00"
        folder.record.write_text(json.dumps(record), encoding="utf-8")
        return folder

    return make


@pytest.fixture
def wait_until(jobs: Jobs) -> WaitUntil:
    """Wait until a job is as `wanted` says; a job that ended otherwise is shown with its log."""

    def wait(job_id: str, wanted: Callable[[JobStatus], bool], *, seconds: float = 120.0) -> JobStatus:
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            job = jobs.read(job_id)
            if wanted(job):
                return job
            if not job.is_active:
                break
            time.sleep(0.03)
        pytest.fail(f"{job.state}: {job.message}\n{jobs.read_log(job_id, last=30)}")

    return wait


@pytest.fixture
def leave_nothing(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Compute with one thread, and end what a test that failed left running."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    yield
    for path in jobs.folder.glob("*/*.json"):
        if path.name not in ("supervisor.json", "state.json"):
            continue
        content = json.loads(path.read_text(encoding="utf-8"))
        for note in (content.get("process"), content.get("worker")):
            mark = ProcessMark.from_dict(note) if isinstance(note, dict) else None
            if mark is not None and mark.start > 0 and psutil.pid_exists(mark.pid):
                from reranker_core.jobs.processes import end_tree

                end_tree(mark, patience=0.5)
