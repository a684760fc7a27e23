"""Taking a comparison away: as Python, curl, JSON, csv and link."""

import re
from pathlib import Path
from typing import Any

import pytest
from browser.result_harness import (
    HOSTILE,
    PASSAGES,
    SCORES,
    Harness,
    make_value,
)

from ui.assets import read_text


@pytest.mark.parametrize("kind", ["Python", "curl", "JSON"])
def test_a_comparison_is_copied_as_text(page: Any, harness: Harness, kind: str) -> None:
    value = make_value(PASSAGES, SCORES)
    harness.show(page, value)
    page.get_by_role("button", name=f"Copy as {kind}").click()
    page.get_by_role("status").filter(has_text=f"Copied as {kind}.").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == harness.answer["text"]
    request = value.pop("request")
    assert harness.asked == [{"kind": kind.lower(), "request": request, "result": value, "address": harness.url}]


def test_what_the_server_refuses_is_said(page: Any, harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(harness, "answer", {"error": "The model is gone. Choose another."})
    harness.show(page, make_value(PASSAGES, SCORES))
    page.get_by_role("button", name="Copy as Python").click()
    page.get_by_role("status").filter(has_text="The model is gone. Choose another.").wait_for()


def test_csv_is_downloaded_under_the_name_that_the_server_gives(page: Any, harness: Harness, tmp_path: Path) -> None:
    harness.show(page, make_value(PASSAGES, SCORES))
    with page.expect_download() as downloading:
        page.get_by_role("button", name="Download csv").click()
    assert downloading.value.suggested_filename == "comparison.csv"
    downloading.value.save_as(tmp_path / "comparison.csv")
    assert (tmp_path / "comparison.csv").read_text(encoding="utf-8") == harness.answer["text"]


def test_a_link_holds_the_whole_request(page: Any, harness: Harness) -> None:
    request = {"query": "大熊猫 \0 🐼", "passages": [*HOSTILE, "x" * 50_000], "layers": [8, 40]}
    harness.show(page, make_value(PASSAGES, SCORES, request=request))
    page.get_by_role("button", name="Copy link").click()
    page.get_by_role("status").filter(has_text="Copied the link.").wait_for()
    address, _, packed = page.evaluate("navigator.clipboard.readText()").partition("#c=")
    assert address == harness.url
    assert re.fullmatch(r"[\w-]+", packed)
    assert (
        page.evaluate(f"async (text) => {{ {read_text('scripts/link.js')}; return unpackLink(text); }}", packed) == request
    )


def test_a_damaged_link_is_a_sentence(page: Any) -> None:
    unpack = f"async (text) => {{ {read_text('scripts/link.js')}; return unpackLink(text).catch(error => error.message); }}"
    for text in ("", "c3", "!!", "q1YqLE0tqlSyUirIKE1TqgUA"[:12]):
        assert page.evaluate(unpack, text).startswith("This link holds no whole comparison")


def test_a_link_that_is_too_long_is_not_copied(page: Any, harness: Harness) -> None:
    noise = "".join(chr(0x4E00 + (n * n * 7919) % 20_000) for n in range(6_000))
    harness.show(page, make_value(PASSAGES, SCORES, request={"query": "q", "passages": [noise]}))
    page.evaluate("navigator.clipboard.writeText('before')")
    page.get_by_role("button", name="Copy link").click()
    said = page.get_by_role("status").filter(has_text="This comparison makes a link of")
    said.wait_for()
    assert re.search(r"of \d\d,\d{3} characters; .* over 8,000\. Take fewer or shorter passages", said.text_content())
    assert page.evaluate("navigator.clipboard.readText()") == "before"


def test_where_no_clipboard_may_be_written_the_text_is_shown_selected(page: Any, harness: Harness) -> None:
    harness.show(page, make_value(PASSAGES, SCORES))
    page.evaluate("""() => {
        Object.defineProperty(navigator, 'clipboard', {value: undefined});
        document.execCommand = () => false;
    }""")
    page.get_by_role("button", name="Copy as Python").click()
    text = page.get_by_role("dialog").get_by_role("textbox")
    text.wait_for()
    assert page.evaluate("document.activeElement.value") == harness.answer["text"]
    assert page.evaluate("getSelection().toString()") == harness.answer["text"]
    page.keyboard.press("Escape")
    assert page.get_by_role("dialog").count() == 0
    assert page.evaluate("document.activeElement.textContent") == "Copy as Python"


def test_without_the_clipboard_interface_the_older_way_copies(page: Any, harness: Harness) -> None:
    harness.show(page, make_value(PASSAGES, SCORES))
    page.evaluate("""() => {
        window.clipboard = navigator.clipboard;
        Object.defineProperty(navigator, 'clipboard', {value: undefined});
    }""")
    page.get_by_role("button", name="Copy as Python").click()
    page.get_by_role("status").filter(has_text="Copied as Python.").wait_for()
    assert page.evaluate("clipboard.readText()") == harness.answer["text"]
