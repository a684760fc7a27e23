"""The public endpoints of trainings, asked by gradio's own client."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import gradio as gr
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from tests.train_bench import NotedJobs, label, make_services, write_rows
from ui.services import Services
from ui.train_api import build_train_api


def serve(services: Services) -> Iterator[Client]:
    with gr.Blocks(analytics_enabled=False) as app:
        build_train_api(services)
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", run_history=False)
    client = Client(url, verbose=False, download_files=False, analytics_enabled=False)
    yield client
    client.close()
    app.close()


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    services = make_services(tmp_path_factory.mktemp("secret-place"), allow_training=True)
    label(services, "Pandas", 30)
    yield services
    services.labels.close()


@pytest.fixture(scope="module")
def client(services: Services) -> Iterator[Client]:
    """A client of a hosted app whose owner lets visitors train."""
    yield from serve(services)


@pytest.fixture(scope="module")
def stranger(services: Services) -> Iterator[Client]:
    """A client of a hosted app as it is by default."""
    yield from serve(replace(services, allow_training=False))


def test_a_training_is_started_by_names_and_told_of_without_places(client: Client, services: Services) -> None:
    started = client.predict(
        "tiny-encoder", "Pandas", "", {"num_train_epochs": 2, "bf16": False}, "mine", api_name="/start_training"
    )
    assert (started["name"], started["state"]) == ("mine", "queued")
    assert 'frozen as snapshot "Pandas 1"' in started["said"]
    jobs = services.jobs
    assert isinstance(jobs, NotedJobs)
    assert jobs.started[-1].num_train_epochs == 2.0
    assert jobs.started[-1].train_data == (services.labels.snapshots / "Pandas-1",)
    client.predict("tiny-encoder", "Pandas 1", api_name="/start_training")
    assert jobs.started[-1].train_data == (services.labels.snapshots / "Pandas-1",)
    listed = client.predict(api_name="/list_jobs")
    assert [job["name"] for job in listed] == ["pandas-1", "mine"]
    assert "secret-place" not in json.dumps(listed)


@pytest.mark.parametrize(
    ("labels", "settings", "sentence"),
    [
        ("/etc/passwd", {}, "There is no project and no snapshot"),
        ("Pandas", {"corpus": "/etc/passwd"}, "corpus is no setting"),
        ("Pandas", {"output_dir": "/tmp/x"}, "output_dir is no setting"),
        ("Pandas", {"lora_rank": 0}, "lora_rank must be from 1"),
        ("Pandas", {"hold_out": "much"}, "hold_out must be a number"),
    ],
)
def test_no_caller_names_a_place_or_a_wrong_value(
    client: Client, labels: str, settings: dict[str, object], sentence: str
) -> None:
    with pytest.raises(AppError, match=sentence):
        client.predict("tiny-encoder", labels, "", settings, api_name="/start_training")


def test_no_caller_follows_what_is_no_job(client: Client) -> None:
    for endpoint in ("/follow_job", "/stop_job", "/resume_job"):
        for job in ("../../etc", 5):
            with pytest.raises(AppError, match="no job"):
                client.predict(job, api_name=endpoint)


def test_no_caller_names_a_place_on_a_persons_own_machine_either(services: Services, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", 40)
    for client in serve(replace(services, allow_folders=True)):
        for name in ("dev_data", "corpus"):
            with pytest.raises(AppError, match=f"{name} is no setting"):
                client.predict("tiny-encoder", "Pandas", "", {name: str(rows)}, api_name="/start_training")


def test_strangers_neither_start_nor_see_jobs(stranger: Client) -> None:
    for endpoint, given in (("/start_training", ("tiny-encoder", "Pandas")), ("/list_jobs", ()), ("/follow_job", ("x",))):
        with pytest.raises(AppError, match="own machine"):
            stranger.predict(*given, api_name=endpoint)
