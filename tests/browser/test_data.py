"""What a person does on the Data screen: looks for pairs, corrects grades, deletes and restores, imports, exports."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser.data_harness import NAME, DataBench
from browser.test_accessibility import violations

from ui.layout import build_app, launch_options

HOSTILE = '<img src=x onerror="window.wasRun = true"> ${window.wasRun = true} {{value}}'
TEXTS = {
    "what is panda?": ["hi", "大熊猫是中国特有的熊科动物。", HOSTILE, "A panda is a bear. " * 300],
    "how long does a bee live?": ["Six weeks.", "For years."],
}
CSV = "query,passage,grade,annotator\nred panda,a raccoon,2,Zoe\nred panda,a library,1,Zoe\nbee,six weeks,2,Zoe\n"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataBench]:
    """The page, served inside this process."""
    bench = DataBench(tmp_path_factory.mktemp("labels"))
    yield bench
    bench.close()


@pytest.fixture(scope="module")
def window(bench: DataBench, chromium: Any) -> Iterator[Any]:
    """One window for all tests, so that the page's files are fetched and compiled once."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-US", reduced_motion="reduce")
    context.set_default_timeout(8_000)
    yield context
    context.close()


@pytest.fixture
def page(window: Any) -> Iterator[Any]:
    """A new tab, of which the browser keeps nothing; an error in the scripts fails the test."""
    errors: list[str] = []
    page = window.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    page.evaluate("localStorage.clear()")
    page.close()
    assert errors == []


@pytest.fixture
def project(bench: DataBench, request: pytest.FixtureRequest) -> int:
    """A project of the test's own, with two queries."""
    return bench.lay_out(request.node.name, TEXTS)


def counts(page: Any, *words: str) -> None:
    """Wait until the line of counts says all of these."""
    line = page.locator(".rw-data-counts")
    for one in words:
        line.filter(has_text=one).wait_for()


def grades(page: Any) -> Any:
    return page.locator(".rw-data-grade")


def test_two_chinese_characters_find_a_passage_and_no_text_is_run(bench: DataBench, page: Any, project: int) -> None:
    bench.visit(page, project)
    page.get_by_text(HOSTILE).wait_for()
    page.get_by_label("Search").fill("熊猫")
    page.locator("mark", has_text="熊猫").wait_for()
    page.get_by_text("1 to 1 of 1 pair").wait_for()
    assert grades(page).count() == 1
    page.get_by_role("button", name="Clear filters").click()
    page.get_by_text("1 to 6 of 6 pairs").wait_for()
    page.get_by_role("button", name="Only this query: how long").click()
    page.get_by_text("1 to 2 of 2 pairs").wait_for()
    assert not page.evaluate("window.wasRun")


def test_a_grade_is_corrected_in_place_with_conflicts_asked_about_and_undone(
    bench: DataBench, page: Any, project: int
) -> None:
    bench.visit(page, project)
    first = grades(page).first
    first.select_option("0")
    counts(page, "0 positive · 1 negative", f"{NAME}: 1 graded")
    first.select_option("1")
    page.get_by_role("button", name=f"{NAME}: positive").wait_for()

    other = bench.visit(page.context.new_page(), project)
    grades(other).first.select_option("skipped")
    other.get_by_role("button", name=f"{NAME}: skipped").wait_for()
    other.close()
    first.select_option("0")
    page.get_by_text("judged in another tab meanwhile: skipped").first.wait_for()
    page.get_by_role("button", name="Keep mine").click()
    page.get_by_role("button", name=f"{NAME}: negative").click()
    history = page.get_by_role("dialog")
    history.get_by_text("judged: negative (was skipped)").wait_for()
    history.get_by_role("button", name="Close").click()

    page.get_by_role("button", name="Undo my last").click()
    page.get_by_role("button", name=f"{NAME}: skipped").wait_for()
    said = bench.rows("SELECT state, version FROM judgement WHERE project_id = ?", project)
    assert said == [("skipped", 5)]


@pytest.mark.slow
def test_arrow_keys_save_only_what_they_stop_at(bench: DataBench, page: Any, project: int) -> None:
    def said() -> list[Any]:
        return bench.rows(
            "SELECT action, version FROM judgement_event JOIN judgement j ON j.id = judgement_id WHERE j.project_id = ?",
            project,
        )

    bench.visit(page, project)
    first = grades(page).first
    first.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
    page.get_by_text("Enter saves it").wait_for()
    page.keyboard.press("Escape")
    assert first.input_value() == ""
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.get_by_role("button", name=f"{NAME}: negative").wait_for()
    assert len(said()) == 1
    assert page.evaluate("document.activeElement === document.querySelector('.rw-data-grade')")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Tab")
    page.get_by_role("button", name=f"{NAME}: positive").wait_for()
    assert len(said()) == 2


@pytest.mark.slow
def test_a_grade_that_is_not_saved_stays_chosen_says_why_and_holds_the_page(
    bench: DataBench, page: Any, project: int
) -> None:
    bench.visit(page, project)
    page.get_by_label("Search").click()  # a browser asks only who did something on the page
    page.route("**/component_server**", lambda route: route.abort())
    first = grades(page).first
    first.select_option("0")
    page.locator(".rw-data-conflict", has_text="Not saved: The server does not answer").wait_for()
    assert first.input_value() == "0"
    page.unroute_all()
    page.get_by_label("Search").fill("hi")
    page.get_by_text("1 to 1 of 1 pair").wait_for()
    assert grades(page).first.input_value() == "0"  # drawn anew, and still chosen
    warnings: list[str] = []
    page.once("dialog", lambda dialog: (warnings.append(dialog.type), dialog.dismiss()))
    with page.expect_event("dialog"):
        page.evaluate("setTimeout(() => location.reload(), 0)")
    assert warnings == ["beforeunload"]
    page.get_by_role("button", name="Try again").click()
    page.get_by_role("button", name=f"{NAME}: negative").wait_for()
    page.get_by_text("not saved").first.wait_for(state="hidden")
    assert bench.rows("SELECT grade, version FROM judgement WHERE project_id = ?", project) == [(0, 1)]


@pytest.mark.slow
def test_a_query_is_deleted_after_the_word_and_restored_with_its_judgements(
    bench: DataBench, page: Any, project: int
) -> None:
    bench.visit(page, project)
    grades(page).first.select_option("1")
    counts(page, "1 positive")
    page.get_by_role("button", name="Delete query: what is panda?").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("4 candidates and 1 judgement.").wait_for()
    assert dialog.get_by_role("button", name="Delete this query").is_disabled()
    assert violations(page) == []
    dialog.get_by_role("textbox").fill("delete")
    dialog.get_by_role("button", name="Delete this query").click()
    counts(page, "1 query", "0 positive")
    page.get_by_role("button", name="Restore query: what is panda?").click()
    counts(page, "2 queries", "1 positive")
    page.get_by_role("button", name=f"{NAME}: positive").wait_for()


@pytest.mark.slow
def test_a_file_is_imported_with_its_map_corrected(bench: DataBench, page: Any, tmp_path: Path) -> None:
    project = bench.store.projects.create("empty so far").id
    bench.visit(page, project, "Import")
    file = tmp_path / "labels.csv"
    file.write_text(CSV, encoding="utf-8")
    page.locator("#import-files input[type=file]").set_input_files(str(file))
    page.locator("#import-files a").wait_for()
    page.get_by_role("button", name="Preview").click()
    page.get_by_text("3 of 3 rows can be used").first.wait_for()
    page.get_by_label("1 becomes").select_option("unjudged")
    page.get_by_text("2 judgements").first.wait_for()
    assert violations(page) == []
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_role("heading", name="Imported").wait_for()
    counts(page, "2 queries", "3 candidates", "2 positive", "Zoe: 2 graded")
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_role("heading", name="Nothing was imported").wait_for()


def test_training_rows_are_downloaded_and_a_failure_downloads_nothing(bench: DataBench, page: Any, project: int) -> None:
    bench.visit(page, project)
    grades(page).nth(1).select_option("1")
    page.get_by_role("button", name=f"{NAME}: positive").wait_for()
    page.get_by_role("tab", name="Export").click()
    with page.expect_download() as downloaded:
        page.get_by_role("button", name="Export", exact=True).click()
    (row,) = [json.loads(line) for line in Path(downloaded.value.path()).read_text(encoding="utf-8").splitlines()]
    assert (row["query"], row["pos"], len(row["neg"])) == ("what is panda?", ["大熊猫是中国特有的熊科动物。"], 5)
    page.get_by_text("random negatives: 5").wait_for()

    downloads: list[Any] = []
    page.on("download", lambda download: downloads.append(download))
    page.get_by_label("Seed").fill("none")
    page.get_by_role("button", name="Export", exact=True).click()
    page.get_by_role("alert").filter(has_text="“Seed” must be a whole number").wait_for()
    assert page.get_by_label("Seed").input_value() == "none"
    assert downloads == []


@pytest.mark.slow
def test_a_project_is_made_renamed_and_archived(bench: DataBench, page: Any, project: int) -> None:
    bench.visit(page, project)
    page.get_by_role("button", name="New project, rename, archive").click()
    page.get_by_label("Name of the new project").fill("made here")
    page.get_by_role("button", name="Make it").click()
    page.get_by_text("“made here” is made.").wait_for()
    counts(page, "0 queries")
    assert page.get_by_label("Project", exact=True).input_value() == "made here"
    page.get_by_label("New name of the chosen project").fill("renamed here")
    page.get_by_role("button", name="Rename", exact=True).click()
    page.get_by_text("The project is called “renamed here” now.").wait_for()
    assert page.get_by_label("Project", exact=True).input_value() == "renamed here"
    page.get_by_role("button", name="Archive the chosen project").click()
    page.get_by_text("“renamed here” is archived.").wait_for()
    assert "renamed here" not in [one.name for one in bench.store.projects.list()]


@pytest.mark.slow
def test_a_name_that_was_given_under_browse_is_the_one_under_annotate(bench: DataBench, page: Any, project: int) -> None:
    app = build_app(bench.services)
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options())
    page.goto(f"{url}?tab=annotate")
    page.locator(".rw-label-frame").wait_for(timeout=30_000)  # the whole app, for the first time
    assert page.locator("#annotate-name input, #annotate-name textarea").input_value() == "me"
    page.get_by_role("tab", name="Data").click()
    page.locator(".rw-data-tools").get_by_label("Your name").fill("Zoe")
    page.keyboard.press("Enter")
    page.get_by_role("tab", name="Annotate").click()
    page.wait_for_function("document.querySelector('#annotate-name input, #annotate-name textarea').value === 'Zoe'")
    app.close()


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_axe_finds_nothing_on_any_section(bench: DataBench, chromium: Any, width: int, scheme: str) -> None:
    for handle in ("Zoe", "Max"):
        bench.store.annotators.get_or_add(handle)
    project = bench.lay_out(f"axe {width} {scheme}", TEXTS)
    context = chromium.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme, locale="en-US")
    page = bench.visit(context.new_page(), project)

    def section(name: str) -> None:
        tab = page.get_by_role("tab", name=name, exact=True)
        if tab.is_visible():
            tab.click()
        else:
            page.locator(".overflow-menu button").first.click()
            page.locator(".overflow-dropdown button", has_text=name).click()

    grades(page).first.select_option("0")
    page.get_by_role("button", name=f"{NAME}: negative").wait_for()
    assert violations(page) == []
    section("Import")
    page.get_by_label("Or paste").fill(CSV + "what is panda?,hi,1,Zoe\nwhat is panda?,hi,0,Max\ntoo,few\n")
    page.get_by_role("button", name="Preview").click()
    page.get_by_label("2 becomes").select_option("1")
    page.get_by_text("5 of 6 rows can be used").first.wait_for()
    assert violations(page) == []
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_role("heading", name="Imported").wait_for()
    assert violations(page) == []
    section("Find candidates")
    page.get_by_role("button", name="Find candidates").click()
    page.get_by_role("heading", name="Candidates were found").wait_for()
    assert violations(page) == []
    section("Snapshots")
    page.get_by_label("Name of a new snapshot").fill("first")
    page.get_by_role("button", name="Make a snapshot").click()
    page.get_by_role("button", name="Verify first").click()
    page.get_by_text("every file has its hash").wait_for()
    assert violations(page) == []
    section("Checks")
    page.get_by_role("heading", name="Contradictions: 1").wait_for()
    page.locator(".rw-data-check summary").first.click()
    assert violations(page) == []
    section("Agreement")
    page.get_by_role("rowheader", name="All together").wait_for()
    assert violations(page) == []
    section("Backups")
    page.get_by_role("button", name="Make a backup now").click()
    page.get_by_text("is made and verified").wait_for()
    page.get_by_role("button", name="Restore the copy").first.click()
    page.get_by_text("All projects go back").wait_for()
    assert violations(page) == []
    context.close()
