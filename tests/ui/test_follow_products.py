"""What a job trained, merged by a process of its own and packed for a browser."""

import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from made_jobs import CHECKPOINTS, MadeJobs, make_report

from reranker_core.jobs import Jobs
from reranker_core.local_models import LocalModels
from ui.services import Services
from ui.tabs.train.job_merging import describe_merge, merge_job
from ui.tabs.train.job_reports import export_job

pytestmark = pytest.mark.slow


@pytest.fixture
def services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    """Services as on a person's own machine, which serve files from a folder of the test's own."""
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "served"))
    return Services(jobs=Jobs(tmp_path / "jobs"), local_models=LocalModels(tmp_path / "models.json"), allow_folders=True)


def wait_for_merge(services: Services, job: str) -> dict[str, Any]:
    ends = time.monotonic() + 60
    while time.monotonic() < ends:
        found: dict[str, Any] = describe_merge(services, services.jobs.read(job))
        if found["state"] != "running":
            return found
        time.sleep(0.2)
    raise TimeoutError("the merge did not end")


def test_an_adapter_is_merged_beside_the_app_and_both_are_packed(services: Services, tmp_path: Path) -> None:
    job = MadeJobs(tmp_path).make("bees & co", adapter="adapter-llm", base=CHECKPOINTS / "llm", report=make_report())
    assert "goes on without this page" in merge_job(services, {"id": job})["said"]
    assert describe_merge(services, services.jobs.read(job))["state"] == "running"
    assert wait_for_merge(services, job)["state"] == "done"
    for what, file, weights in (
        ("adapter", "bees-co.zip", "adapter_model.safetensors"),
        ("merged", "bees-co-merged.zip", "model.safetensors"),
    ):
        answer = export_job(services, {"id": job, "what": what})
        assert answer["file"] == file
        assert Path(answer["path"]).is_relative_to(tmp_path / "served")
        with zipfile.ZipFile(answer["path"]) as packed:
            names = {Path(name).name for name in packed.namelist()}
        assert {weights, "README.md"} <= names


def test_a_merge_that_cannot_be_done_says_why_and_can_be_tried_again(services: Services, tmp_path: Path) -> None:
    job = MadeJobs(tmp_path).make("wrong", adapter="adapter-llm", base=CHECKPOINTS / "encoder")
    for _ in range(2):
        merge_job(services, {"id": job})
        found = wait_for_merge(services, job)
        assert found["state"] == "failed"
        assert "adapter" in found["message"]
        assert "Traceback" not in found["message"]
    assert not (tmp_path / "jobs" / job / "merged_model").exists()
