"""axe-core on both screens: light and dark, a desktop's and a phone's width."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from browser.conftest import RunningApp

# Gradio's footer draws the word "Settings" beside a picture whose alternative text is the same word.
GRADIOS_OWN = "image-redundant-alt"


def violations(page: Any) -> list[str]:
    found = Axe().run(page).response["violations"]
    return [
        f"{violation['id']}: {node['target']} {node['html'][:120]}"
        for violation in found
        for node in violation["nodes"]
        if violation["id"] != GRADIOS_OWN
    ]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_on_either_screen(app: RunningApp, chromium: Any, width: int, scheme: str) -> None:
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, locale="en-US")
    page = context.new_page()
    page.goto(app.url)
    page.get_by_label("Query", exact=True).wait_for()
    page.get_by_role("checkbox", name="tiny-layerwise", exact=True).check()
    page.get_by_role("checkbox", name="3", exact=True).check()
    page.get_by_role("button", name="Advanced").click()
    page.get_by_role("button", name="Long passages").click()
    page.locator(".rw-lead q", has_text="how long does a worker bee live").wait_for(timeout=60_000)
    page.get_by_role("button", name="Unfold all").click()
    page.get_by_label("Query", exact=True).fill("")
    page.get_by_role("button", name="Score (").click()
    page.get_by_role("alert").filter(has_text="The query is empty").wait_for()
    page.get_by_role("checkbox", name="v2-m3 · 2.3 GB", exact=True).check()
    page.get_by_text("Licence: Apache-2.0").first.wait_for()
    assert violations(page) == []

    page.goto(f"{app.url}?tab=models")  # on a phone the last tabs are behind gradio's "…"
    page.get_by_role("button", name="Download 2.3 GB: v2-m3").wait_for()
    for summary in page.locator(".rw-published summary").all():
        summary.click()
    assert violations(page) == []
    context.close()
