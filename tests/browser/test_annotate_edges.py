"""Keys turned off or on other keyboards, names that are emptied, queries that are deleted, where the focus goes."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser.annotate_harness import Bench, open_bench, open_window, passage, press, wait_until_saved
from browser.test_accessibility import violations

from ui.services import Services

pytestmark = pytest.mark.slow

PASSAGES = [f"passage {n}" for n in range(1, 7)]
FIELD = "#annotate-name input, #annotate-name textarea"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The page, served inside this process."""
    with open_bench(tmp_path_factory.mktemp("labels")) as bench:
        yield bench


@pytest.fixture
def window(chromium: Any) -> Iterator[Any]:
    """A window for one test, whose tabs share what the browser keeps."""
    with open_window(chromium) as window:
        yield window


@pytest.fixture
def project(bench: Bench, request: pytest.FixtureRequest) -> int:
    """One query of six passages with scores."""
    return bench.lay_out(request.node.name, {"panda": PASSAGES}, scores=True)


def strike(page: Any, key: str, code: str, *, modifiers: int = 0) -> None:
    """Press a key as a keyboard of another layout does: the sign on it, and its place; 8 is shift."""
    keyboard = page.context.new_cdp_session(page)
    for kind in ("keyDown", "keyUp"):
        keyboard.send("Input.dispatchKeyEvent", {"type": kind, "key": key, "code": code, "modifiers": modifiers})
    keyboard.detach()


def focused(page: Any) -> str:
    """Give the class of what has the focus, or its words."""
    return str(page.evaluate("document.activeElement.className || document.activeElement.textContent"))


def test_single_keys_are_turned_off_for_good_and_the_buttons_go_on_working(bench: Bench, window: Any, project: int) -> None:
    page = bench.visit(window.new_page(), project)
    positive = page.get_by_role("button", name="Positive", exact=True)
    assert positive.get_attribute("aria-keyshortcuts") == "A"
    press(page, "?")
    keys = page.get_by_role("dialog", name="All keys")
    keys.get_by_text("On a keyboard without Latin letters").wait_for()
    switch = keys.get_by_role("checkbox", name="Single keys judge and move")
    assert switch.is_checked()
    switch.uncheck()
    assert violations(page) == []
    page.keyboard.press("Escape")
    keys.wait_for(state="detached")
    first = passage(page)
    for key in ("a", "j", "1", "s", "?", "ArrowDown", "Space"):
        page.keyboard.press(key)
    assert (passage(page), page.get_by_role("dialog").count()) == (first, 0)
    assert positive.get_attribute("aria-keyshortcuts") is None
    assert not page.locator(".rw-label-grades kbd").first.is_visible()

    page.reload()
    page.locator(".rw-label-text").wait_for()
    press(page, "a")
    page.get_by_role("button", name="Negative", exact=True).click()
    wait_until_saved(page)
    assert bench.grades(project) == {first: 0}
    page.get_by_role("button", name="All keys").click()
    switch.check()
    page.keyboard.press("Escape")
    keys.wait_for(state="detached")
    page.locator(".rw-label-text").click()
    press(page, "a")
    wait_until_saved(page)
    assert list(bench.grades(project).values()) == [0, 1]


def test_keys_of_layouts_without_latin_letters_count_by_their_place(bench: Bench, window: Any, project: int) -> None:
    page = bench.visit(window.new_page(), project)
    seen = []
    for key, code in (("ф", "KeyA"), ("ص", "KeyX"), ("&", "Digit1"), ("٠", "Numpad0"), ("ห", "KeyS")):
        seen.append(passage(page))
        strike(page, key, code)
        page.locator(".rw-label-text").filter(has_text=re.compile(f"^(?!{seen[-1]}$)")).wait_for()
    wait_until_saved(page)
    assert bench.grades(project) == dict(zip(seen, [1, 0, 1, 0, "skipped"], strict=True))
    strike(page, "г", "KeyU")
    strike(page, "Г", "KeyU", modifiers=8)  # redo
    strike(page, "г", "KeyU")
    page.locator(".rw-label-notice", has_text="Undone: passage 5").wait_for()
    wait_until_saved(page)
    assert len(bench.grades(project)) == 4
    # a Latin letter is what it says, wherever it is, and a sign above a digit is no digit
    strike(page, "q", "KeyA")
    strike(page, "!", "Digit1", modifiers=8)
    strike(page, "é", "KeyS")
    assert passage(page) == seen[4]
    assert len(bench.grades(project)) == 4


def test_a_label_of_a_query_that_was_deleted_meanwhile_says_so_and_comes_back(
    bench: Bench, window: Any, project: int
) -> None:
    page = bench.visit(window.new_page(), project)
    press(page, "a")
    wait_until_saved(page)
    [query] = bench.store.texts.queries(project)
    bench.store.texts.delete_queries([query.id])
    press(page, "x")
    page.locator(".rw-label-notice", has_text="This query was deleted meanwhile. Your label is kept").wait_for()
    page.locator(".rw-label-saved", has_text="1 kept for deleted texts").wait_for()
    bench.store.texts.restore_queries([query.id])
    assert sorted(bench.grades(project).values()) == [0, 1]


@pytest.mark.parametrize("by", ["enter", "key"])
def test_an_emptied_name_is_put_back_and_nothing_is_judged_under_another(
    bench: Bench, window: Any, project: int, by: str
) -> None:
    page = bench.visit(window.new_page(), project)
    page.locator(FIELD).fill(" ")
    if by == "enter":
        page.keyboard.press("Enter")
        page.get_by_role("alert").filter(has_text="A name cannot be empty, so you still judge as “Ada”.").wait_for()
    else:
        page.get_by_role("group", name="Judge this passage").get_by_role("button", name="Positive").click()
        page.locator(".rw-label-notice", has_text="A name cannot be empty.").wait_for()
    page.wait_for_function("field => document.querySelector(field).value === 'Ada'", arg=FIELD)
    page.locator(".rw-label-text").click()
    press(page, "a")
    wait_until_saved(page)
    assert list(bench.grades(project).values()) == [1]
    assert "me" not in [one.handle for one in bench.store.annotators.list()]


def test_the_focus_stays_near_what_was_decided(bench: Bench, window: Any, project: int) -> None:
    here, there = (bench.visit(window.new_page(), project) for _ in range(2))
    press(there, "aa")
    wait_until_saved(there)
    here.bring_to_front()
    press(here, "xx")
    questions = here.get_by_role("group", name="Judged in two tabs")
    questions.nth(1).wait_for()
    questions.first.get_by_role("button", name="Keep mine").focus()
    here.keyboard.press("Enter")
    questions.nth(1).wait_for(state="detached")
    assert here.evaluate("document.activeElement.matches('.rw-label-conflict button')")
    here.keyboard.press("Enter")
    questions.wait_for(state="detached")
    wait_until_saved(here)
    assert focused(here) == "rw-label-body"
    press(here, "a")  # keys go on working
    wait_until_saved(here)
    assert sorted(bench.grades(project).values()) == [0, 0, 1]


def test_where_the_guideline_cannot_be_changed_nothing_offers_it(chromium: Any, tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.services = Services(labels=bench.services.labels)
    bench.launch()
    try:
        project = bench.lay_out("pandas", {"panda": PASSAGES})
        context = chromium.new_context(locale="en-US")
        page = bench.visit(context.new_page(), project)
        page.locator(".rw-label-guideline", has_text="Positive: the passage").wait_for()
        assert not page.get_by_role("button", name="edit guideline").is_visible()
        context.close()
    finally:
        bench.close()
