"""The frame around the tabs: which one is open, whether all are in sight, and what waits in the browser."""

from typing import Any

import pytest
from browser.conftest import RunningApp


def test_a_reload_comes_back_to_the_tab_that_was_open(page: Any) -> None:
    page.get_by_role("tab", name="Models").click()
    page.wait_for_url("**/?tab=models")
    page.reload()
    page.get_by_role("tab", name="Models", selected=True).wait_for()


@pytest.mark.slow
def test_labels_that_an_earlier_visit_could_not_send_are_spoken_of_until_annotate_is_open(
    page: Any, app: RunningApp
) -> None:
    unsent = "{waiting: [{op: 'save'}, {op: 'save'}], undecided: [], beat: Date.now() + 1e9}"
    page.evaluate(f"localStorage.setItem('reranker-workbench:unsent:another', JSON.stringify({unsent}))")
    page.goto(app.url)
    page.get_by_role("button", name="2 labels wait in this browser").click()
    page.get_by_role("tab", name="Annotate", selected=True).wait_for()
    page.get_by_role("button", name="labels wait in this browser").wait_for(state="hidden")


@pytest.mark.slow
@pytest.mark.parametrize("width", [360, 390])
def test_on_a_phone_no_tab_is_behind_a_menu(app: RunningApp, chromium: Any, width: int) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 800}, locale="en-US")
    page = context.new_page()
    page.goto(app.url)
    for name in ("Compare", "Annotate", "Data", "Train", "Models"):
        page.get_by_role("tab", name=name, exact=True).wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
