"""What a press of Start does: labels frozen once, memory made free, the job begun; and the line that tells of it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gradio.utils import get_upload_folder

from reranker_core.errors import InputError
from reranker_core.jobs import JobStatus
from tests.train_bench import NotedJobs, label, make_services, write_rows
from ui.machine import describe_state
from ui.services import Services
from ui.tabs.train.drafts import Drafts
from ui.tabs.train.sources import find_by_name
from ui.tabs.train.starting import start_run


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def labelled(home: Path) -> Iterator[Services]:
    services = make_services(home, allow_folders=True)
    label(services, "Pandas", 60)
    yield services
    services.labels.close()


@pytest.fixture
def jobs(home: Path) -> NotedJobs:
    return NotedJobs(home / "jobs")


@pytest.fixture
def local(labelled: Services, jobs: NotedJobs) -> Services:
    return replace(labelled, jobs=jobs)


def make_job(name: str, **how: Any) -> JobStatus:
    return JobStatus(id="20261123-120000-000000", name=name, folder=Path("nowhere"), **how)


def start(services: Services, **wanted: Any) -> dict[str, Any]:
    usual = {"base": "tiny-encoder", "labels": "project:1"}
    return start_run(services, usual | wanted, drafts=Drafts())


def test_a_project_is_frozen_once_and_jobs_on_the_same_labels_share_the_snapshot(local: Services, jobs: NotedJobs) -> None:
    first = start(local)
    assert first["name"] == "pandas-1"
    assert 'frozen as snapshot "Pandas 1"' in first["said"]
    second = start(local, typed={"learning_rate": "5e-5"})
    assert second["name"] == "pandas-2"
    assert 'as in snapshot "Pandas 1"' in second["said"]
    assert [settings.train_data for settings in jobs.started] == [(local.labels.snapshots / "Pandas-1",)] * 2
    assert jobs.started[1].learning_rate == 5e-5
    assert jobs.started[1].preset == "encoder"

    store = local.labels.store
    store.texts.delete_queries([store.browse.queries(1, limit=1).rows[0].query_id])
    third = start(local)
    assert 'frozen as snapshot "Pandas 2"' in third["said"]
    assert [snapshot.name for snapshot in store.snapshots.list(1)] == ["Pandas 2", "Pandas 1"]
    assert find_by_name(local, "Pandas 1").place == local.labels.snapshots / "Pandas-1"
    start(local, labels="snapshot:1/Pandas-1")
    assert jobs.started[3].train_data == (local.labels.snapshots / "Pandas-1",)


def test_an_uploaded_file_is_kept_under_the_home(local: Services, jobs: NotedJobs) -> None:
    folder = Path(get_upload_folder())
    folder.mkdir(parents=True, exist_ok=True)
    uploaded = write_rows(folder / "my rows.jsonl", 30)
    try:
        start(local, labels=f"upload:{uploaded}")
    finally:
        uploaded.unlink()
    (kept,) = jobs.started[0].train_data
    assert kept.parent == local.labels.home / "training-rows"
    assert kept.name.startswith("my-rows-")
    assert len(kept.read_text(encoding="utf-8").splitlines()) == 30


def test_what_cannot_be_trained_starts_nothing(local: Services, jobs: NotedJobs) -> None:
    for wanted, sentence in (
        ({"typed": {"lora_rank": "0"}}, "lora_rank must be"),
        ({"base": "bm25"}, "cannot be trained"),
        ({"base": "bge-reranker-v2-m3"}, "not on this machine"),
        ({"base": "nobody"}, "There is no model"),
        ({"labels": "snapshot:1/../.."}, "not there any more"),
        ({"labels": 7}, "No labels are chosen"),
        ({"name": "../x"}, "no slashes"),
        ({"name": "x" * 61}, "at most 60"),
    ):
        with pytest.raises(InputError, match=sentence):
            start(local, **wanted)
    assert jobs.started == []


def test_strangers_start_nothing_unless_the_owner_allows_it_and_then_not_without_end(
    local: Services, jobs: NotedJobs
) -> None:
    stranger = replace(local, allow_folders=False)
    with pytest.raises(InputError, match="own machine"):
        start(stranger)
    allowed = replace(stranger, allow_training=True)
    jobs.known = [make_job(f"job {number}", state="running") for number in range(3)]
    with pytest.raises(InputError, match="3 trainings run or wait already"):
        start(allowed)
    assert jobs.started == []


def test_the_line_in_the_header_tells_of_active_trainings(local: Services, jobs: NotedJobs) -> None:
    assert describe_state(local).startswith("BM25 ready")
    running = make_job("cran-3", state="running", stage="training", step=12, total=36)
    jobs.known = [make_job("later", state="queued"), running]
    assert describe_state(local).startswith("job cran-3 · step 12 of 36 · 1 job waiting")
    jobs.known[1] = replace(running, state="evaluating")
    assert describe_state(local).startswith("job cran-3 · measuring what came out")
    jobs.known = [replace(job, state="completed") for job in jobs.known]
    assert describe_state(local).startswith("BM25 ready")
