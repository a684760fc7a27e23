"""The Train screen up to a job that runs, in the app as README starts it."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser.conftest import RunningApp, run_app

from tests.train_bench import label, make_services, write_rows

pytestmark = pytest.mark.slow

GRADIOS_OWN = "image-redundant-alt"  # see test_accessibility


@pytest.fixture(scope="module")
def training_app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """The app over a home with a project of 60 judged queries."""
    home = tmp_path_factory.mktemp("home")
    services = make_services(home, allow_folders=True)
    label(services, "Pandas", 60)
    services.labels.close()
    (home / "models.json").unlink()  # the app's fixture adds the same
    with run_app(home, "--first_models", "bm25") as running:
        yield running
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def visit(training_app: RunningApp, chromium: Any) -> Iterator[Any]:
    """A fresh visit on the Train tab, of which the browser keeps nothing; an error in a script fails the test."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    errors: list[str] = []
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    open_form(page, training_app)
    yield page
    context.close()
    assert errors == []


def open_form(page: Any, app: RunningApp) -> None:
    page.goto(f"{app.url}?tab=train")
    page.get_by_label("Base", exact=True).select_option("tiny-encoder", timeout=60_000)
    planned(page, "36 groups")


def planned(page: Any, words: str) -> None:
    page.locator(".rw-train-line:not(.rw-is-waiting)", has_text=words).wait_for(timeout=60_000)


def test_from_labels_to_a_job_that_runs_it_is_one_click_more(visit: Any) -> None:
    page = visit
    page.get_by_text("36 train / 9 dev / 15 test queries").wait_for()
    page.get_by_role("radio", name="ten steps").check()
    planned(page, "10 steps")
    page.get_by_role("button", name="Start training").click()
    page.locator(".rw-train-notice", has_text="pandas-1 is started").wait_for(timeout=60_000)
    page.locator(".rw-state", has_text="job pandas-1").wait_for(timeout=60_000)
    page.locator(".rw-follow", has_text="pandas-1").wait_for()
    offered = page.get_by_label("Labels", exact=True).locator("option").all_inner_texts()
    assert offered[1].startswith("Pandas 1 · 36 train / 9 dev")
    page.locator(".rw-state", has_text="BM25 ready").wait_for(timeout=120_000)  # it ended
    page.locator(".rw-follow", has_text="completed").first.wait_for(timeout=60_000)


def test_what_is_typed_stays_and_a_wrong_value_is_told_at_its_field(visit: Any, training_app: RunningApp) -> None:
    page = visit
    page.get_by_label("Learning rate").fill("fast")
    page.get_by_text('learning_rate must be a number, got "fast"').wait_for()
    assert page.get_by_role("button", name="Start training").is_disabled()
    assert page.get_by_label("Learning rate").get_attribute("aria-invalid") == "true"
    page.get_by_label("Learning rate").fill("5e-5")
    planned(page, "36 groups")
    page.get_by_role("radio", name="every weight").check()
    page.get_by_text("1 setting changed").wait_for()
    page.locator("summary", has_text="All options").click()
    page.locator("summary", has_text="The machine").click()
    page.get_by_label("gradient_checkpointing", exact=True).select_option("yes")
    page.get_by_text("2 settings changed").wait_for()
    open_form(page, training_app)  # a reload
    assert page.get_by_label("Learning rate").input_value() == "5e-5"
    assert page.get_by_role("radio", name="every weight").is_checked()
    command = page.get_by_label("Command", exact=True).input_value()
    assert "--learning_rate 5e-05" in command
    assert "--gradient_checkpointing True" in command
    page.get_by_role("button", name="learning_rate as the preset has it").click()
    page.get_by_text("1 setting changed").wait_for()
    assert page.get_by_label("Learning rate").input_value() == ""


def test_a_file_is_uploaded_and_its_rows_are_taken(visit: Any, tmp_path: Path) -> None:
    page = visit
    page.get_by_label("Labels", exact=True).select_option("file:")
    page.get_by_text("Give the path of a file, or upload one.").wait_for()
    page.get_by_label("… or upload one").set_input_files(write_rows(tmp_path / "mine.jsonl", 40))
    planned(page, "groups")
    assert "--hold_out 0.2" in page.get_by_label("Command", exact=True).input_value()
    page.get_by_label("File of training rows", exact=True).fill(str(tmp_path / "gone.jsonl"))
    page.get_by_text("gone.jsonl is not there").wait_for()


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (390, "dark")])
def test_axe_finds_nothing_on_the_form(training_app: RunningApp, chromium: Any, width: int, scheme: str) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, locale="en-US")
    page = context.new_page()
    open_form(page, training_app)
    page.get_by_text("Checks:").wait_for()
    for summary in page.locator(".rw-train summary").all():
        summary.click()
    page.get_by_label("lora_rank", exact=True).fill("none")
    page.get_by_text("lora_rank must be a whole number").wait_for()
    found = [
        f"{violation['id']}: {node['html'][:160]}"
        for violation in Axe().run(page).response["violations"]
        for node in violation["nodes"]
        if violation["id"] != GRADIOS_OWN
    ]
    assert found == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
