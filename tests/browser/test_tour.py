"""The tour's strip, alone on a page: what its buttons ask of the frame, and that it can be put away."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ui.label_place import Labels
from ui.services import Services
from ui.tour import build_tour

pytestmark = pytest.mark.slow


@pytest.fixture
def strip(tmp_path: Path, chromium: Any) -> Iterator[Any]:
    """A page with the strip, and a box that shows what its last event carried."""
    import gradio as gr

    services = Services(labels=Labels(tmp_path), allow_folders=True)
    with gr.Blocks() as app:
        tour = build_tour(services)
        told = gr.Textbox(label="told")

        def tell(event: gr.EventData) -> str:
            return json.dumps(event._data)

        for event in (tour.turned, tour.judge, tour.reported):
            event(tell, None, told)
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1")
    page = chromium.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(url)
    yield page
    page.close()
    app.close()
    services.labels.close()
    assert errors == []


def test_the_tour_is_loaded_and_its_steps_ask_for_their_tabs(strip: Any) -> None:
    strip.evaluate("document.addEventListener('rw-train-on', ({detail}) => { window.filled = detail; })")
    strip.get_by_role("button", name="Begin the tour").click()
    told = strip.get_by_label("told")
    strip.get_by_role("button", name="Label", exact=True).click(timeout=30_000)
    _wait_for(strip, told, '"query"')
    assert set(json.loads(told.input_value())) == {"project", "query"}
    strip.get_by_role("button", name="To the training").click()
    _wait_for(strip, told, '"train"')
    assert strip.evaluate("window.filled.base") == "starter-encoder"
    strip.get_by_role("button", name="Compare", exact=True).click()
    _wait_for(strip, told, '"compare"')
    strip.wait_for_function("location.hash.startsWith('#c=')")


def test_the_tour_put_away_is_a_small_button_that_brings_it_back(strip: Any) -> None:
    strip.get_by_role("button", name="Put away").click()
    strip.reload()
    strip.get_by_role("button", name="Tour", exact=True).click()
    strip.get_by_role("button", name="Begin the tour").wait_for()


def _wait_for(page: Any, box: Any, text: str) -> None:
    page.wait_for_function("([box, text]) => box.value.includes(text)", arg=[box.element_handle(), text])
