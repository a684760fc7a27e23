"""What a person does with models: choose one that is not here, download, stop, go on; add, load, unload, forget."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from browser.conftest import RunningApp

from tests.local_hub import Trouble

LARGE = "BAAI/bge-reranker-large"


def models_tab(page: Any) -> Any:
    page.get_by_role("tab", name="Models").click()
    table = page.get_by_role("region", name="Models")
    table.get_by_text("bge-reranker-v2-m3").wait_for()
    return table


def row(table: Any, name: str) -> Any:
    return table.locator("tr").filter(has=table.page.locator(".rw-model-title", has_text=name))


@pytest.mark.slow
def test_a_model_that_is_not_here_is_asked_for_once_downloaded_stopped_and_gone_on_with(
    page: Any, app: RunningApp, checkpoints: Path, load: Any
) -> None:
    weights = (checkpoints / "encoder" / "model.safetensors").stat().st_size
    stall = Trouble(stall_after=weights // 2, times=1)
    app.hub.troubles["model.safetensors"] = stall
    page.get_by_role("checkbox", name="large · 2.2 GB", exact=True).check()
    page.get_by_text("large is not on this machine. Download 2.2 GB from the Hugging Face Hub? Licence: MIT.").wait_for()
    assert app.hub.log == []  # nothing is asked before the person was

    page.get_by_role("button", name="Score (").click()
    page.get_by_role("alert").filter(has_text="large is not on this machine. Download it (2.2 GB) first").wait_for()

    page.get_by_role("button", name="Download 2.2 GB: large").click()
    assert stall.reached.wait(30)
    page.get_by_role("progressbar", name="Download of large").wait_for()
    page.get_by_role("button", name="Stop: large").click()
    page.get_by_text("large: stopped at").wait_for()
    stall.go_on.set()

    page.get_by_role("button", name="Go on: large").click()
    page.get_by_role("checkbox", name="large", exact=True).wait_for()  # its size is gone from the label: it is here
    assert app.hub.ranges("model.safetensors")[-1] is not None  # only the rest was asked for

    page.get_by_label("Query", exact=True).fill("what is panda?")
    page.get_by_label("Passages", exact=True).fill("hi\nA panda is a bear.")
    page.get_by_role("button", name="Score (").click()
    page.locator(".rw-lead", has_text="2 passages by large").wait_for(timeout=60_000)
    cells = page.locator(".rw-table tbody td:last-child").evaluate_all("cells => cells.map(cell => Number(cell.title))")
    expected = load("encoder").compute_score([("what is panda?", "hi"), ("what is panda?", "A panda is a bear.")])
    assert sorted(cells) == pytest.approx(sorted(expected), abs=1e-5)
    row(models_tab(page), "bge-reranker-large").get_by_text("loaded ·").wait_for()


def test_a_download_that_cannot_be_made_is_a_sentence_and_can_be_tried_again(page: Any, app: RunningApp) -> None:
    table = models_tab(page)
    row(table, "bge-reranker-v2-gemma").get_by_role("button", name="Download").click()  # the hub here does not have it
    row(table, "bge-reranker-v2-gemma").get_by_role("button", name="Try again").wait_for()
    assert "has no model BAAI/bge-reranker-v2-gemma" in row(table, "bge-reranker-v2-gemma").inner_text()


@pytest.mark.slow
def test_a_folder_is_added_loaded_unloaded_and_forgotten(page: Any, checkpoints: Path, tmp_path: Path) -> None:
    table = models_tab(page)
    folder = page.get_by_label("Folder of the model")
    folder.fill(str(tmp_path))
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_role("alert").filter(has_text="config.json").wait_for()
    assert folder.input_value() == str(tmp_path)

    copy = shutil.copytree(checkpoints / "layerwise", tmp_path / "copy")
    folder.fill(str(copy))
    page.get_by_label("Name (optional)").fill("added in the window")
    page.get_by_role("button", name="Add", exact=True).click()
    added = row(table, "added in the window")
    added.get_by_role("button", name="Load").click()
    added.get_by_role("button", name="Unload").click(timeout=60_000)
    added.get_by_role("button", name="Load").wait_for()

    page.get_by_role("tab", name="Compare").click()
    page.get_by_role("checkbox", name="added in the window", exact=True).check()
    page.get_by_text("Cutoff layers · added in the window, 2 to 8").wait_for()

    models_tab(page)
    added.get_by_role("button", name="Forget").click()
    added.get_by_role("button", name="Forget").click()  # asks once whether it is meant
    added.wait_for(state="detached")
    page.get_by_role("tab", name="Compare").click()
    page.get_by_role("checkbox", name="added in the window", exact=True).wait_for(state="detached")
    page.get_by_label("Query", exact=True).fill("what goes on?")
    page.get_by_role("button", name="Score (").click()  # what was forgotten is chosen no more
    page.locator(".rw-lead", has_text="11 passages by BM25").filter(has_text="what goes on?").wait_for()
    assert (copy / "config.json").is_file()


def test_the_published_results_say_whose_they_are(page: Any, app: RunningApp) -> None:
    page.goto(f"{app.url}?tab=models")
    published = page.get_by_role("region", name="Published results")
    published.get_by_text("Published by the authors, not measured here").wait_for()
    published.get_by_text("BEIR · nDCG@10").click()
    published.get_by_role("rowheader", name="bge-reranker-v2-minicpm-layerwise · layer 28").first.wait_for()
