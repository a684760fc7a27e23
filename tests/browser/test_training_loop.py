"""The whole way in one window: a label, a snapshot, a training, its report, and the adapter beside its base in Compare."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser.conftest import RunningApp, run_app

from annotations.exchange import ImportOptions, run_import
from reranker_core.jobs import Jobs
from tests.train_bench import label, make_services
from ui.tabs.data.import_files import read_pasted

pytestmark = pytest.mark.slow

OPEN = [
    {"query": "what is a kettle for?", "passage": "a kettle boils water", "split": "train"},
    {"query": "what is a kettle for?", "passage": "a moon and a piano", "split": "train"},
]


@pytest.fixture
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[RunningApp, Path]]:
    """The app over a home with a project of 40 judged queries, and one query that waits to be judged."""
    home = tmp_path_factory.mktemp("home")
    services = make_services(home, allow_folders=True)
    project = label(services, "Kettles", 40)
    text = "\n".join(map(json.dumps, OPEN))
    run_import(services.labels.store, project, read_pasted(services, text, name="open"), options=ImportOptions())
    services.labels.close()
    (home / "models.json").unlink()  # the app's fixture adds the same
    with run_app(home, "--first_models", "bm25") as running:
        yield running, home
    shutil.rmtree(home, ignore_errors=True)


def test_from_a_label_to_the_tuned_model_beside_its_base(app: tuple[RunningApp, Path], chromium: Any) -> None:
    running, home = app
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    page = context.new_page()
    page.goto(f"{running.url}?tab=annotate")
    page.get_by_text("a kettle boils water").or_(page.get_by_text("a moon and a piano")).first.wait_for(timeout=60_000)
    for _ in OPEN:
        answers = page.get_by_text("a kettle boils water").first.is_visible()
        page.keyboard.press("a" if answers else "x")
        page.wait_for_timeout(1000)
    page.get_by_text("today: 2").wait_for()
    page.get_by_role("tab", name="Train").click()
    page.get_by_label("Base", exact=True).select_option("tiny-encoder", timeout=60_000)
    page.get_by_text("25 train / 6 dev / 10 test queries").wait_for(timeout=60_000)  # with the new one
    page.get_by_role("radio", name="ten steps").check()
    page.locator(".rw-train-line:not(.rw-is-waiting)", has_text="10 steps").wait_for(timeout=60_000)
    page.get_by_role("button", name="Start training").click()
    page.locator(".rw-follow", has_text="nDCG@10").first.wait_for(timeout=120_000)
    page.get_by_text("held-out queries").first.wait_for(timeout=120_000)
    page.get_by_role("button", name="Compare base and tuned").click()
    page.get_by_role("checkbox", name="kettles-1").wait_for(timeout=60_000)
    page.get_by_role("button", name="Score (").click()
    for name in ("tiny-encoder", "kettles-1"):
        page.locator(".rw-table thead th", has_text=name).wait_for(timeout=60_000)
    (job,) = Jobs(home / "jobs").list()
    assert job.state == "completed"
    assert job.has_report
    assert (job.folder / "report.md").is_file()
    assert [entry.name for entry in (home / "snapshots").iterdir()] == ["Kettles-1"]
    context.close()


def test_the_tour_fills_a_form_that_was_never_open(app: tuple[RunningApp, Path], chromium: Any) -> None:
    page = chromium.new_page(viewport={"width": 1280, "height": 900}, locale="en-US")
    page.goto(app[0].url)
    page.get_by_role("button", name="Begin the tour").click(timeout=60_000)
    page.get_by_role("button", name="To the training").click(timeout=60_000)
    page.get_by_text("2 settings changed").wait_for(timeout=60_000)
    page.close()
