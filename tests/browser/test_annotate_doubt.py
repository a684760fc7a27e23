"""Where something else may be meant: another database, another name, another tab, a window on top, a clock that is set."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from browser.annotate_harness import Bench, open_bench, open_window, passage, press, wait_until_saved

from annotations.backup import restore

pytestmark = pytest.mark.slow

PASSAGES = [f"passage {n}" for n in range(1, 7)]
WITHOUT_STORAGE = (
    "Object.defineProperty(window, 'localStorage', {get() { throw new DOMException('no', 'SecurityError'); }})"
)
WITHOUT_LOCKS = "Object.defineProperty(navigator, 'locks', {value: undefined})"


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


def saved(page: Any, words: str) -> None:
    page.locator(".rw-label-saved", has_text=re.compile(words)).wait_for()


def hold(page: Any, act: Callable[[Any], None] = lambda route: route.fulfill(status=500, body="{}")) -> None:
    """Let no judgement through."""

    def pass_on(route: Any) -> None:
        is_save = json.loads(route.request.post_data or "{}").get("fn_name") in ("save", "save_bulk")
        act(route) if is_save else route.continue_()

    page.route("**/component_server/**", pass_on)


def label(page: Any, keys: str) -> dict[str, int]:
    """Judge what is on the screen, and tell what was judged how: the order is not that of the file."""
    given = {}
    for key in keys:
        given[passage(page)] = "xa".index(key)
        press(page, key)
    return given


def chips(page: Any) -> list[str]:
    return page.locator(".rw-label-chips button").all_text_contents()


def come_again(page: Any) -> None:
    page.reload()
    page.locator(".rw-label-text").wait_for()


def shown(bench: Bench, project: int) -> list[int]:
    """Tell of each change whether scores had been seen."""
    statement = (
        "SELECT json_extract(after, '$.score_shown') FROM judgement_event WHERE project_id = ? AND after IS NOT NULL"
    )
    return [bool(row[0]) for row in bench.rows(statement, project)]


def test_labels_of_another_database_wait_here_and_are_sent_when_it_is_back(window: Any, tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    try:
        project = bench.lay_out("pandas", {"panda": PASSAGES})
        bench.launch()
        copy = bench.store.backup()
        page = bench.visit(window.new_page(), project)
        page.on("dialog", lambda dialog: dialog.accept())
        hold(page)
        given = label(page, "ax")
        saved(page, "failed: .* 2 waiting")
        bench.services.labels.close()
        aside = restore(tmp_path / "labels.db", copy)
        page.unroute_all()
        page.get_by_role("button", name="Try now").click()
        box = page.get_by_role("group", name="Labels of another database")
        box.get_by_text("2 labels of another database wait here, unsaved").wait_for()
        page.locator(".rw-label-place", has_text="passage 1 of 6").wait_for()
        here = label(page, "a")  # of the one that is open now
        saved(page, r"saved .* · 0 waiting · 2 of another database waiting")
        assert bench.grades(project) == here
        come_again(page)
        box.get_by_role("button", name="Keep them for later").click()
        assert box.count() == 0
        bench.services.labels.close()
        assert aside is not None
        shutil.copy(aside, tmp_path / "labels.db")
        come_again(page)
        wait_until_saved(page)
        assert bench.grades(project) == given
        assert page.evaluate("Object.keys(localStorage).filter(key => key.includes('unsent'))") == []
    finally:
        bench.close()


def test_labels_of_another_database_can_be_discarded(bench: Bench, window: Any, project: int) -> None:
    page = bench.visit(window.new_page(), project)
    entry = {"op": "save", "client": "gone", "seq": 0, "store": "another", "project": project, "annotator": "Ada"}
    entry |= {"candidate": 1, "state": "graded", "grade": 1, "scale": "binary", "base": 0}
    page.evaluate(
        "kept => localStorage.setItem('reranker-workbench:unsent:gone', kept)",
        json.dumps({"waiting": [entry], "undecided": [], "beat": 0}),
    )
    come_again(page)
    page.get_by_role("button", name="Discard them").click()
    saved(page, "nothing unsaved · 0 waiting$")
    assert page.evaluate("Object.keys(localStorage).filter(key => key.includes('unsent'))") == []
    assert bench.count_events(project) == 0


@pytest.mark.parametrize("by", ["click", "key"])
def test_a_name_that_was_typed_is_used_before_anything_is_judged(bench: Bench, window: Any, project: int, by: str) -> None:
    page = bench.visit(window.new_page(), project)
    field = page.locator("#annotate-name input, #annotate-name textarea")
    field.fill("Bob")
    if by == "click":
        page.get_by_role("group", name="Judge this passage").get_by_role("button", name="Positive").click()
    else:
        page.evaluate(  # at once, so that the server cannot put the name to use in between
            """document.activeElement.blur();
            document.body.dispatchEvent(new KeyboardEvent('keydown', {key: 'a', bubbles: true, cancelable: true}))"""
        )
    page.locator(".rw-label-notice", has_text="The name above was changed").wait_for()
    assert page.evaluate("document.activeElement.matches('input, textarea')") is False
    page.wait_for_function("JSON.parse(localStorage['reranker-workbench:annotate']).annotator === 'Bob'")
    page.locator(".rw-label-text").wait_for()
    press(page, "x")
    wait_until_saved(page)
    assert list(bench.grades(project, "Bob").values()) == [0]
    assert bench.grades(project) == {}


def test_scores_that_were_seen_are_known_as_seen_later(bench: Bench, window: Any, project: int) -> None:
    page = bench.visit(window.new_page(), project)
    press(page, "ak")  # the scores of what was judged are shown
    assert "BM25" in page.locator(".rw-label-scores").inner_text()
    press(page, "u")
    page.locator(".rw-label-notice", has_text="Undone").wait_for()
    press(page, "x")
    wait_until_saved(page)
    press(page, "r")  # reveal passage 2, and come again
    come_again(page)
    assert page.locator(".rw-label-scores").inner_text() == ""
    press(page, "a")
    press(page, "a")  # passage 3: never seen
    wait_until_saved(page)
    page.get_by_role("button", name="list", exact=True).click()  # shows the scores of what was judged
    press(page, "u")
    page.locator(".rw-label-notice", has_text="Undone").wait_for()
    press(page, "x")
    wait_until_saved(page)
    assert shown(bench, project) == [False, True, True, False, True]


def test_several_together_that_meet_another_judgement_are_offered_without_it(
    bench: Bench, window: Any, project: int
) -> None:
    page, other = (bench.visit(window.new_page(), project) for _ in range(2))
    theirs = label(other, "a")
    wait_until_saved(other)
    page.bring_to_front()
    page.get_by_role("button", name="list", exact=True).click()
    page.get_by_role("button", name="Mark the other 6 Negative").click()
    box = page.get_by_role("group", name="Not saved")
    box.get_by_text("1 of 6 passages was judged elsewhere meanwhile, so none was marked").wait_for()
    saved(page, "^0 waiting · 6 not saved: asks what to do")
    assert chips(page)[0].startswith("1 ✓")
    page.reload()  # the question stays
    page.get_by_role("button", name="Mark the other 5 now").click()
    wait_until_saved(page)
    assert box.count() == 0
    assert bench.grades(project) == dict.fromkeys(PASSAGES, 0) | theirs
    press(page, "u")
    wait_until_saved(page)
    assert bench.grades(project) == theirs


def test_leaving_warns_of_what_asks_where_the_browser_keeps_nothing(bench: Bench, window: Any, project: int) -> None:
    window.add_init_script(WITHOUT_STORAGE)
    pages = []
    for _ in range(2):
        page = window.new_page()
        page.goto(bench.url)
        page.locator("#annotate-project input").click()
        with page.expect_response(lambda answer: "open_page" in (answer.request.post_data or "")):
            page.get_by_role("option", name="test_leaving_warns").click()
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        page.locator(".rw-label-text", has_text="passage").wait_for()
        pages.append(page)
    page, other = pages
    text = passage(other)
    press(other, "a")
    wait_until_saved(other)
    page.bring_to_front()
    assert passage(page) == text
    press(page, "x")
    saved(page, "1 not saved: asks what to do · this browser keeps nothing")
    warnings: list[str] = []
    page.on("dialog", lambda dialog: (warnings.append(dialog.type), dialog.accept()))
    page.reload()
    assert warnings == ["beforeunload"]


def test_without_locks_the_next_load_sends_at_once_what_a_page_left(bench: Bench, window: Any, project: int) -> None:
    window.add_init_script(WITHOUT_LOCKS)
    page = bench.visit(window.new_page(), project)
    hold(page)
    given = label(page, "a")
    saved(page, "failed")
    other = bench.visit(window.new_page(), project)  # the first one may live
    saved(other, "1 of another page waiting")
    assert bench.count_events(project) == 0
    other.close()
    page.bring_to_front()
    page.on("dialog", lambda dialog: dialog.accept())
    page.unroute_all()
    come_again(page)
    page.wait_for_function("!Object.keys(localStorage).some(key => key.includes('unsent'))", timeout=5_000)
    assert bench.grades(project) == given


def test_keys_are_silent_under_what_lies_over_the_page(bench: Bench, window: Any, project: int) -> None:
    page = bench.visit(window.new_page(), project)
    page.evaluate("""() => {
        const over = document.createElement('div');
        over.style.cssText = 'position: fixed; inset: 0; z-index: 10000; background: #0008';
        over.id = 'over';
        document.body.append(over);
    }""")
    covered = label(page, "a")
    page.evaluate("document.querySelector('#over').remove()")
    assert list(covered) == [passage(page)]
    given = label(page, "x")
    wait_until_saved(page)
    assert bench.grades(project) == given


def test_what_waits_of_one_name_is_not_shown_to_another(bench: Bench, window: Any, project: int) -> None:
    page = bench.visit(window.new_page(), project)
    hold(page)
    mine = label(page, "a")
    saved(page, "failed")
    field = page.locator("#annotate-name input, #annotate-name textarea")
    field.fill("Bob")
    field.press("Enter")
    page.wait_for_function("JSON.parse(localStorage['reranker-workbench:annotate']).annotator === 'Bob'")
    page.locator(".rw-label-text").wait_for()
    page.evaluate("document.activeElement.blur()")
    assert [chip.replace(" ←", "") for chip in chips(page)] == ["1", "2", "3", "4", "5", "6"]
    bobs: dict[str, int] = {}
    while not bobs.keys() >= mine.keys():  # another name has another order
        bobs |= label(page, "x")
    page.unroute_all()
    page.get_by_role("button", name="Try now").click()
    wait_until_saved(page)
    assert (bench.grades(project), bench.grades(project, "Bob")) == (mine, bobs)
    assert [chip.split()[1] for chip in chips(page)[: len(bobs)]] == ["✗"] * len(bobs)
    press(page, "k")
    bobs |= label(page, "a")
    wait_until_saved(page)
    assert bench.grades(project, "Bob") == bobs
    assert page.get_by_role("group", name="Judged in two tabs").count() == 0


def test_what_stands_on_a_saved_label_meets_no_conflict_after_a_reload(bench: Bench, window: Any, project: int) -> None:
    page = bench.visit(window.new_page(), project)
    passed: list[int] = []

    def let_one_pass(route: Any) -> None:
        if passed:
            route.fulfill(status=500, body="{}")
        else:
            passed.append(1)
            route.continue_()

    hold(page, let_one_pass)
    given = label(page, "a")
    press(page, "k")
    again = label(page, "x")
    assert again.keys() == given.keys()
    saved(page, "failed: .* 1 waiting")
    assert bench.grades(project) == given
    page.on("dialog", lambda dialog: dialog.accept())
    page.unroute_all()
    come_again(page)
    wait_until_saved(page)
    assert page.get_by_role("group", name="Judged in two tabs").count() == 0
    assert bench.grades(project) == again


def test_undo_takes_nothing_back_that_was_done_elsewhere_and_says_so(bench: Bench, window: Any, project: int) -> None:
    page = bench.visit(window.new_page(), project)
    mine = label(page, "a")
    wait_until_saved(page)
    other = bench.visit(window.new_page(), project)
    theirs = label(other, "x")
    wait_until_saved(other)
    page.bring_to_front()
    press(page, "u")
    page.locator(".rw-label-notice", has_text="Nothing was changed; undo again to undo that one.").wait_for()
    assert chips(page)[0].startswith("1 ✓")
    assert bench.grades(project) == mine | theirs
    press(page, "u")  # now that it is said
    page.locator(".rw-label-notice", has_text="Undone: passage 2 is now not judged").wait_for()
    wait_until_saved(page)
    assert bench.grades(project) == mine
    come_again(page)
    press(page, "u")  # of before the page was loaded
    page.locator(".rw-label-notice", has_text="Undone: passage 1 is now not judged").wait_for()
    page.keyboard.press("Shift+U")
    page.locator(".rw-label-notice", has_text="Done again: passage 1 is now Positive").wait_for()
    wait_until_saved(page)
    assert bench.grades(project) == mine


def test_a_clock_that_is_set_back_does_not_keep_from_trying_again(bench: Bench, window: Any, project: int) -> None:
    page = bench.visit(window.new_page(), project)
    hold(page)
    given = label(page, "a")
    saved(page, "failed")
    page.evaluate("(() => { const now = Date.now; Date.now = () => now() - 3_600_000; })()")
    page.unroute_all()
    wait_until_saved(page)
    assert bench.grades(project) == given
