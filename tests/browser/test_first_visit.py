"""A first visit to the app as README starts it: a neural model has scored beside BM25, and nothing was fetched."""

from pathlib import Path
from typing import Any

import pytest
from browser.conftest import run_app


@pytest.mark.slow
def test_the_first_sight_has_the_scores_of_the_bundled_model_too(chromium: Any, tmp_path: Path) -> None:
    with run_app(tmp_path) as app:
        context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
        page = context.new_page()
        page.goto(app.url)
        page.locator("th", has_text="starter-encoder").first.wait_for(timeout=60_000)
        assert page.locator("th", has_text="BM25").count() >= 1
        for name in ("BM25", "starter-encoder"):
            assert page.get_by_role("checkbox", name=name).is_checked()
        context.close()
        assert app.outgoing == []
        assert app.hub.log == []
