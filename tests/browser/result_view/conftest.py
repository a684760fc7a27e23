"""The result view on a page of its own, and one window for all its tests."""

from collections.abc import Iterator
from typing import Any

import pytest
from browser.result_harness import Harness


@pytest.fixture(scope="package")
def harness() -> Iterator[Harness]:
    """The page, served inside this process."""
    harness = Harness()
    harness.launch()
    yield harness
    harness.app.close()


@pytest.fixture(scope="package")
def window(harness: Harness, chromium: Any) -> Iterator[Any]:
    """One window for all tests; an error in the scripts fails the test at hand."""
    context = chromium.new_context(locale="en-US", reduced_motion="reduce")
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = context.new_page()
    page.set_default_timeout(5_000)
    yield page
    context.close()


@pytest.fixture
def page(request: pytest.FixtureRequest, harness: Harness, window: Any) -> Iterator[Any]:
    """A fresh visit at a desk, or at the width that a test's parameter gives."""
    errors: list[str] = []

    def note_console(message: Any) -> None:
        if message.type == "error":
            errors.append(message.text)

    def note_error(error: Any) -> None:
        errors.append(str(error))

    window.set_viewport_size({"width": getattr(request, "param", 1280), "height": 900})
    window.goto(harness.url)
    window.locator("#show").wait_for()
    harness.asked.clear()
    window.on("pageerror", note_error)
    window.on("console", note_console)
    yield window
    window.remove_listener("pageerror", note_error)
    window.remove_listener("console", note_console)
    assert errors == []
