"""What a person does on the Annotate screen: keys, undo, list, long and hostile passages."""

import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser.annotate_harness import Bench, open_bench, open_window, passage, press, wait_until_saved
from browser.test_accessibility import violations

HOSTILE = [
    '<img src=x onerror="window.wasRun = true">',
    "${window.wasRun = true} {{value}} {{#each this}}x{{/each}}",
    "`ticks` \\u0041 </script><script>window.wasRun = true</script>",
    "nothing \0 here",
    "\u202eright to left \u05e9\u05dc\u05d5\u05dd",
]
FIVE = [f"passage {n} about the giant panda" for n in range(1, 6)]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The page, served inside this process."""
    with open_bench(tmp_path_factory.mktemp("labels")) as bench:
        yield bench


@pytest.fixture(scope="module")
def window(bench: Bench, chromium: Any) -> Iterator[Any]:
    """One window for all tests, so that the page's files are fetched and compiled once."""
    with open_window(chromium) as window:
        yield window


@pytest.fixture
def page(window: Any) -> Iterator[Any]:
    """A new tab, of which the browser keeps nothing; an error in the scripts fails the test."""
    errors: list[str] = []
    page = window.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    if not page.is_closed():
        page.evaluate("localStorage.clear()")
        page.close()
    assert errors == []


@pytest.fixture
def project(bench: Bench, request: pytest.FixtureRequest) -> int:
    """Two queries of five passages each."""
    texts = {"giant panda": FIVE, "red panda": [text.replace("giant", "red") for text in FIVE]}
    return bench.lay_out(request.node.name, texts, scores=True)


def chips(page: Any) -> list[str]:
    return page.locator(".rw-label-chips button").all_text_contents()


def label(page: Any, count: int, *, pause: int = 0) -> dict[str, int]:
    """Judge by keys what is on the screen: passages of an even number positive."""
    given = {}
    for _ in range(count):
        text = passage(page)
        given[text] = 1 - int(re.search(r"passage (\d+)", text)[1]) % 2
        press(page, "xa"[given[text]])
        if pause:
            page.wait_for_timeout(pause)
    return given


@pytest.mark.slow
def test_ten_keys_a_second_are_all_there_in_the_right_place(bench: Bench, page: Any, request: Any) -> None:
    queries = {f"query {q}": [f"{q} passage {n}" for n in range(1, 11)] for q in range(10)}
    project = bench.lay_out(request.node.name, queries)
    bench.visit(page, project)
    began = time.monotonic()
    given = label(page, 100, pause=70)
    seconds = time.monotonic() - began
    wait_until_saved(page)
    assert len(given) == 100
    assert bench.grades(project) == given
    assert bench.count_events(project) == 100
    assert seconds < 20, "slower than five keys a second: the test says nothing"
    page.locator(".rw-label-message", has_text="Every candidate is judged.").wait_for()


def test_one_key_judges_shows_the_next_passage_and_saves(bench: Bench, page: Any, project: int) -> None:
    bench.visit(page, project)
    seen = [passage(page)]
    for key in "axsd":
        press(page, key)
        seen.append(passage(page))
    assert sorted(seen) == FIVE
    assert page.locator(".rw-label-query-text").text_content() == "giant panda"
    press(page, "a")
    page.locator(".rw-label-query-text", has_text="red panda").wait_for()
    wait_until_saved(page)
    assert bench.grades(project) == dict(zip(seen, [1, 0, "skipped", "cant_tell", 1], strict=True))
    kept = bench.rows(
        "SELECT score_shown, position_shown, order_mode, duration_ms > 0, guideline_version_id > 0 FROM judgement"
        " WHERE project_id = ? ORDER BY id",
        project,
    )
    assert kept == [(0, position, "pooled", 1, 1) for position in range(1, 6)]
    # undo goes back, across queries too, and again after a reload
    press(page, "u")
    page.locator(".rw-label-query-text", has_text="giant panda").wait_for()
    assert passage(page) == seen[4]
    wait_until_saved(page)
    page.reload()
    page.locator(".rw-label-text").wait_for()
    press(page, "uu")
    page.locator(".rw-label-notice", has_text="Undone: passage 3 is now not judged.").wait_for()
    wait_until_saved(page)
    assert bench.grades(project) == dict(zip(seen[:2], [1, 0], strict=True))
    page.keyboard.press("Shift+U")
    page.locator(".rw-label-notice", has_text="Done again: passage 3 is now skipped.").wait_for()
    wait_until_saved(page)
    assert chips(page)[:3] == ["1 ✓", "2 ✗", "3 s ←"]
    assert bench.grades(project)[seen[2]] == "skipped"


@pytest.mark.slow
def test_a_first_visit_is_one_click_from_labelling(chromium: Any, tmp_path: Path) -> None:
    bench = Bench(tmp_path)
    bench.launch()
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")
    page = context.new_page()
    page.goto(bench.url)
    page.get_by_role("button", name="Try it with the example").click()
    page.locator(".rw-label-frame").wait_for()
    press(page, "ax")
    wait_until_saved(page)
    assert list(bench.grades(1, "me").values()) == [1, 0]
    page.get_by_role("button", name="New project").click()
    page.get_by_label("Name of the project").fill("mine")
    page.get_by_role("button", name="Create").click()
    page.locator(".rw-label-message", has_text="This project has no passages to judge yet.").wait_for()
    page.get_by_label("Name of the project").wait_for(state="detached")
    page.get_by_label("Project", exact=True).click()
    page.get_by_role("option", name="Example: pandas and bees").click()
    page.locator(".rw-label-chips button").nth(10).wait_for()
    assert chips(page)[:2] == ["1 ✓", "2 ✗"]
    context.close()
    bench.close()


@pytest.mark.slow
def test_keys_are_silent_in_fields_in_windows_with_modifiers_and_while_held(bench: Bench, page: Any, project: int) -> None:
    bench.visit(page, project)
    first = passage(page)
    page.get_by_label("Your name").focus()
    press(page, "a1x")
    page.get_by_label("Your name").fill("Ada")
    page.get_by_label("Order").focus()
    press(page, "a1")
    page.locator(".rw-label-text").click()
    for key in ("Control+a", "Alt+1", "Meta+x", "Shift+A", "2", "3", "q", "Enter"):
        page.keyboard.press(key)
    press(page, "?")
    page.get_by_role("dialog", name="All keys").wait_for()
    press(page, "a")
    page.keyboard.press("Escape")
    page.get_by_role("dialog").wait_for(state="detached")
    assert passage(page) == first
    assert bench.count_events(project) == 0
    page.keyboard.down("a")
    for _ in range(5):
        page.keyboard.down("a")  # as a key that is held repeats
    page.keyboard.up("a")
    wait_until_saved(page)
    assert bench.count_events(project) == 1


@pytest.mark.slow
def test_every_key_has_a_button_of_44_pixels_after_which_keys_go_on_working(bench: Bench, page: Any, project: int) -> None:
    bench.visit(page, project)
    for name in ("Negative", "Skip", "Can't tell", "Later", "Undo", "Redo", "Next", "Previous", "Next query", "All keys"):
        button = page.get_by_role("button", name=name, exact=True)
        assert button.bounding_box()["height"] >= 44, name
    page.get_by_role("button", name="Positive", exact=True).click()
    page.keyboard.press("Space")  # the whole text, not the button again
    press(page, "x")
    wait_until_saved(page)
    assert list(bench.grades(project).values()) == [1, 0]
    # who goes by Tab and Enter keeps the focus
    skip = page.get_by_role("button", name="Skip", exact=True)
    skip.focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Space")
    wait_until_saved(page)
    assert list(bench.grades(project).values()) == [1, 0, "skipped", "skipped"]
    assert page.evaluate("document.activeElement.textContent") == "SkipS"


@pytest.mark.slow
def test_undo_and_redo_are_buttons_only_where_there_is_a_step(bench: Bench, page: Any, project: int) -> None:
    def steps(page: Any) -> list[bool]:
        wait_until_saved(page)
        return [page.get_by_role("button", name=name, exact=True).is_enabled() for name in ("Undo", "Redo")]

    bench.visit(page, project)
    assert steps(page) == [False, False]
    press(page, "a")
    assert steps(page) == [True, False]
    page.get_by_role("button", name="Undo", exact=True).click()
    assert steps(page) == [False, True]
    page.reload()
    page.locator(".rw-label-text").wait_for()
    assert steps(page) == [False, True]
    page.get_by_role("button", name="Redo", exact=True).click()
    assert steps(page) == [True, False]
    press(page, "u")
    page.get_by_role("button", name="History").click()
    page.locator(".rw-label-events li").nth(3).wait_for()


@pytest.mark.slow
def test_graded_labels_fix_the_scale(bench: Bench, page: Any, project: int) -> None:
    bench.visit(page, project)
    page.get_by_role("button", name="0 to 3").click()
    assert page.get_by_role("button", name="3 the exact answer").is_visible()
    press(page, "3a0")
    wait_until_saved(page)
    assert sorted(bench.grades(project).values()) == [0, 3]
    assert not page.get_by_role("button", name="0 to 3").is_visible()
    page.reload()
    page.get_by_role("button", name="2 some answer").wait_for()


@pytest.mark.slow
def test_scores_stay_hidden_until_judged_or_revealed_and_that_is_kept(bench: Bench, page: Any, project: int) -> None:
    bench.visit(page, project)
    scores = page.locator(".rw-label-scores")
    assert scores.text_content() == ""
    press(page, "a")
    assert scores.text_content() == ""
    press(page, "r")
    assert re.fullmatch(r"BM25 \d\.500 · #\d", scores.text_content())
    press(page, "r")
    assert scores.text_content() == ""
    press(page, "x")
    press(page, "k")
    assert scores.text_content().startswith("BM25")
    press(page, "a")
    wait_until_saved(page)
    assert bench.rows("SELECT score_shown, grade FROM judgement WHERE project_id = ? ORDER BY id", project) == [
        (0, 1), (1, 1),
    ]  # fmt: skip


@pytest.mark.slow
def test_the_list_takes_the_same_keys_and_its_rest_is_one_step(bench: Bench, page: Any, project: int) -> None:
    bench.visit(page, project)
    page.get_by_role("button", name="list", exact=True).click()
    rows = page.locator(".rw-label-row")
    assert sorted(rows.locator(".rw-label-row-text").all_text_contents()) == FIVE
    press(page, "jx")
    page.get_by_role("button", name="Positive: passage 4").click()
    assert rows.nth(4).get_attribute("aria-current") == "true"
    page.get_by_role("button", name="Mark the other 3 Negative").click()
    wait_until_saved(page)
    assert sorted(bench.grades(project).values()) == [0, 0, 0, 0, 1]
    assert chips(page) == ["1 ✗", "2 ✗", "3 ✗", "4 ✓", "5 ✗ ←"]
    press(page, "u")
    page.locator(".rw-label-notice", has_text="Undone: 3 passages.").wait_for()
    wait_until_saved(page)
    assert sorted(bench.grades(project).values()) == [0, 1]
    page.reload()
    rows.first.wait_for()
    assert rows.locator("[aria-pressed=true]").count() == 2


@pytest.mark.slow
def test_chips_go_to_a_passage_and_next_query_comes_back_to_what_was_left(bench: Bench, page: Any, project: int) -> None:
    bench.visit(page, project)
    page.get_by_role("button", name="passage 3: not judged").click()
    press(page, "a")
    assert chips(page) == ["1", "2", "3 ✓", "4 ←", "5"]
    press(page, "n")
    page.locator(".rw-label-query-text", has_text="red panda").wait_for()
    press(page, "n")
    page.locator(".rw-label-query-text", has_text="giant panda").wait_for()
    assert chips(page) == ["1 ←", "2", "3 ✓", "4", "5"]


@pytest.mark.slow
def test_what_was_put_off_comes_last_and_the_end_says_where_to_go(bench: Bench, page: Any, request: Any) -> None:
    project = bench.lay_out(request.node.name, {"panda": ["passage 1", "passage 2"]})
    bench.visit(page, project)
    later = passage(page)
    press(page, "fa")
    page.locator(".rw-label-message", has_text="what is left was put off").wait_for()
    page.get_by_role("button", name="Go through what was put off").click()
    assert passage(page) == later
    press(page, "x")
    page.locator(".rw-label-message", has_text="Every candidate is judged. Export the labels in Data").wait_for()
    wait_until_saved(page)
    assert sorted(bench.grades(project).values()) == [0, 1]


@pytest.mark.slow
def test_fifteen_negatives_in_a_row_propose_the_next_query(bench: Bench, page: Any, request: Any) -> None:
    project = bench.lay_out(request.node.name, {"panda": [f"passage {n}" for n in range(30)], "bear": ["passage 99"]})
    bench.visit(page, project)
    press(page, "x" * 14)
    hint = page.locator(".rw-label-hint")
    assert hint.text_content() == ""
    press(page, "x")
    assert hint.text_content().startswith("The last 15 were all negative")
    hint.get_by_role("button").click()
    page.locator(".rw-label-query-text", has_text="bear").wait_for()


@pytest.mark.slow
def test_long_passages_show_their_best_window_and_hostile_texts_are_text(bench: Bench, page: Any, request: Any) -> None:
    long = "nothing " * 25_000 + "the giant panda" + " nothing" * 5
    project = bench.lay_out(request.node.name, {"<b>giant</b> panda ${1}": [*HOSTILE, long[-60_000:], long, ""]})
    bench.visit(page, project, name="<i>${1}</i>")
    assert page.locator(".rw-label-query-text").text_content() == "<b>giant</b> panda ${1}"
    shown = []
    for _ in range(len(HOSTILE) + 3):
        shown.append(passage(page))
        press(page, "j")
    assert {*HOSTILE, "(an empty passage)"} < {*shown}
    windows = [text for text in shown if "nothing nothing" in text]
    assert {"the giant panda" in text for text in windows} == {True, False}  # beyond 60,000 it is not looked for
    assert all(len(text) < 1000 for text in windows)
    for text in windows:
        page.get_by_role("button", name=f"passage {shown.index(text) + 1}: not judged").click()
        press(page, " ")
        length = len(long) if "the giant panda" not in text else 60_000
        page.wait_for_function(
            "length => document.querySelector('.rw-label-text').textContent.length === length", arg=length
        )
    press(page, "a")
    wait_until_saved(page)
    page.get_by_role("button", name="list", exact=True).click()
    page.locator(".rw-label-row").first.wait_for()
    assert page.locator(".rw-annotate img, .rw-annotate script, .rw-annotate i:not(.rw-label-bar i)").count() == 0
    assert page.evaluate("window.wasRun") is None


@pytest.mark.slow
def test_a_query_of_many_passages_is_loaded_in_parts(bench: Bench, page: Any, request: Any) -> None:
    project = bench.lay_out(request.node.name, {"panda": [f"passage {n}" for n in range(230)]})
    bench.visit(page, project)
    assert "of 230" in page.locator(".rw-label-place").text_content()
    page.get_by_role("button", name="passage 198: not judged").click()
    given = label(page, 10)
    wait_until_saved(page)
    assert bench.grades(project) == given
    assert len(chips(page)) == 230


@pytest.mark.slow
def test_history_and_guideline(bench: Bench, page: Any, project: int) -> None:
    bench.visit(page, project)
    press(page, "akx")
    press(page, "k")
    page.get_by_role("button", name="History").click()
    events = page.get_by_role("dialog").get_by_role("listitem")
    events.nth(1).wait_for()
    assert [re.sub(r"^[\d/:, ]+", "", text) for text in events.all_text_contents()] == [
        "judged: Positive", "judged: Negative (was Positive)",
    ]  # fmt: skip
    page.keyboard.press("Escape")
    page.get_by_role("button", name="edit guideline").click()
    page.get_by_role("textbox", name="Guideline", exact=True).last.fill("Positive: it says why.")
    page.get_by_role("button", name="Save as the new version").click()
    page.locator(".rw-label-guideline", has_text="Positive: it says why.").wait_for()
    press(page, "j")
    press(page, "a")
    wait_until_saved(page)
    used = "SELECT count(DISTINCT guideline_version_id) FROM judgement WHERE project_id = ?"
    assert bench.rows(used, project) == [(2,)]


@pytest.mark.slow
def test_somebody_else_judges_the_same_passages_anew(bench: Bench, page: Any, project: int) -> None:
    bench.visit(page, project)
    press(page, "a")
    wait_until_saved(page)
    page.get_by_label("Your name").fill("Bo")
    page.keyboard.press("Enter")
    page.locator(".rw-label-chips", has_not_text="✓").wait_for()
    page.locator(".rw-label-text").click()
    press(page, "x")
    wait_until_saved(page)
    assert [*bench.grades(project).values(), *bench.grades(project, "Bo").values()] == [1, 0]
    page.reload()
    page.locator(".rw-label-frame").wait_for()
    assert page.get_by_label("Your name").input_value() == "Bo"


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing(bench: Bench, chromium: Any, request: Any, width: int, scheme: str) -> None:
    project = bench.lay_out(request.node.name, {"giant panda": FIVE}, scores=True)
    context = chromium.new_context(
        viewport={"width": width, "height": 900}, color_scheme=scheme, locale="en-US", reduced_motion="reduce"
    )
    page = bench.visit(context.new_page(), project)
    press(page, "axr")
    wait_until_saved(page)
    assert violations(page) == []
    if width == 390:
        bar = page.locator(".rw-label-grades").bounding_box()
        assert bar["y"] + bar["height"] <= 900
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("button", name="0 to 3").count()
    page.get_by_role("button", name="list", exact=True).click()
    press(page, "?")
    assert violations(page) == []
    context.close()


@pytest.mark.slow
def test_what_a_model_does_not_read_is_grey_behind_its_words(
    bench: Bench, page: Any, checkpoints: Path, request: pytest.FixtureRequest
) -> None:
    bench.services.local_models.add(str(checkpoints / "encoder"), name="tiny")
    long = "🐼 The giant panda eats bamboo. " * 30
    project = bench.lay_out(request.node.name, {"giant panda": [long, "short"]})
    bench.visit(page, project, cut_model="tiny", cut_length=256)
    page.locator(".rw-label-side", has_text="tiny stops before the end of 1 passage of 2.").wait_for(timeout=60_000)
    page.get_by_label("at max_length").select_option("512")
    page.get_by_label("Mark where a model stops reading").select_option("tiny")
    page.locator(".rw-label-side", has_text=re.compile("tiny (stops|reads)")).wait_for()
    page.get_by_label("at max_length").select_option("256")
    lost = page.locator(".rw-label-text .rw-lost")
    lost.wait_for()
    assert page.locator(".rw-label-text .rw-cut-here").text_content() == "tiny stops reading here"
    read, _, rest = passage(page).partition("tiny stops reading here")
    assert read + rest == long
    assert rest == lost.text_content()
    assert lost.locator("mark").first.text_content() == "giant"
    press(page, "a")
    wait_until_saved(page)
    assert list(bench.grades(project).values()) == [1]
    page.get_by_label("Mark where a model stops reading").select_option("")
    press(page, "k")
    assert passage(page) == long
