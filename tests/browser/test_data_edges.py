"""Unfinished imports, parts of a file, what is said before and after, where the focus goes, on the Data screen."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser.data_harness import NAME, DataBench
from browser.test_accessibility import violations

from annotations.store.texts import NewQuery

pytestmark = pytest.mark.slow

TEXTS = {"what is panda?": ["hi", "a bear"]}
CSV = "query,passage,grade,split\nred panda,a raccoon,1,test\nred panda,a library,0,test\n"


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DataBench]:
    """The page, served inside this process."""
    bench = DataBench(tmp_path_factory.mktemp("labels"))
    yield bench
    bench.close()


@pytest.fixture
def page(chromium: Any) -> Iterator[Any]:
    """A new window; an error in the scripts fails the test."""
    errors: list[str] = []
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-US", reduced_motion="reduce")
    context.set_default_timeout(8_000)
    page = context.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


@pytest.fixture
def project(bench: DataBench, request: pytest.FixtureRequest) -> int:
    """A project of the test's own, with one query."""
    return bench.lay_out(request.node.name, TEXTS)


def test_an_unfinished_import_is_told_and_removed_and_others_go_on(bench: DataBench, page: Any, project: int) -> None:
    left = bench.store.imports.begin(project, source_kind="table", source_name="big.csv", sha256="ab" * 32)
    bench.store.texts.add_queries(project, [NewQuery(text="half way")], batch_id=left.id)
    bench.visit(page, project, "Import")
    page.get_by_text("An import of big.csv, begun on").wait_for()
    assert violations(page) == []
    page.get_by_role("button", name="Remove the unfinished import of big.csv").focus()
    page.keyboard.press("Enter")
    said = page.get_by_role("status").filter(has_text="What was left of big.csv is removed.")
    said.wait_for()
    page.get_by_text("An import of big.csv, begun on").wait_for(state="detached")
    assert said.evaluate("node => node === document.activeElement")
    assert bench.rows("SELECT count(*) FROM query WHERE text = 'half way'") == [(0,)]
    assert bench.store.imports.find_staged(project) is None
    page.reload()
    page.locator(".rw-data-counts span").first.wait_for()
    with page.expect_response(lambda answer: "find_left" in (answer.request.post_data or "")):
        page.get_by_role("tab", name="Import").click()
    page.get_by_role("button", name="Preview").wait_for()
    assert page.get_by_text("begun on").count() == 0


def test_before_a_preview_import_says_what_comes_first_and_parts_are_chosen_in_it(
    bench: DataBench, page: Any, project: int
) -> None:
    bench.visit(page, project, "Import")
    page.get_by_label("Or paste").fill(CSV)
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_role("alert").filter(has_text="Press Preview first").wait_for()
    page.get_by_role("button", name="Preview").click()
    page.get_by_text("The file puts 1 query into test and none into train").wait_for()
    parts = page.get_by_label("Place queries")
    assert parts.input_value() == "keep"
    assert violations(page) == []
    parts.select_option("hash")
    page.get_by_text("The file's parts are left out (test: 1 query).").wait_for()
    assert page.get_by_label("Place queries").input_value() == "hash"
    page.get_by_role("button", name="Import", exact=True).click()
    page.get_by_role("heading", name="Imported").wait_for()
    found = bench.rows("SELECT split FROM query WHERE project_id = ? AND text = 'red panda'", project)
    assert found == [(None,)]


def test_what_was_done_does_not_look_like_a_warning(bench: DataBench, page: Any, project: int) -> None:
    bench.visit(page, project)
    line = page.locator(".rw-message").first
    page.get_by_role("button", name="New project, rename, archive").click()
    page.get_by_role("button", name="Make it").click()
    line.filter(has_text="A project needs a name.").wait_for()
    warning = line.evaluate("node => getComputedStyle(node).borderLeftColor")
    page.get_by_label("Name of the new project").fill("made for its colour")
    page.get_by_role("button", name="Make it").click()
    line.filter(has_text="“made for its colour” is made.").wait_for()
    assert line.evaluate("node => getComputedStyle(node).borderLeftColor") != warning


def test_an_emptied_name_is_put_back(bench: DataBench, page: Any, project: int) -> None:
    bench.visit(page, project)
    name = page.locator(".rw-data-tools").get_by_label("Your name")
    name.fill("  ")
    page.keyboard.press("Enter")
    page.get_by_text(f"A name cannot be empty, so you still judge as “{NAME}”.").wait_for()
    assert name.input_value() == NAME


def test_the_focus_stays_at_the_grade_that_was_asked_about(bench: DataBench, page: Any, project: int) -> None:
    bench.visit(page, project)
    grade = page.locator(".rw-data-grade").first
    page.route("**/component_server**", lambda route: route.abort())
    grade.select_option("0")
    again = page.get_by_role("button", name="Try again", exact=True)
    again.wait_for()
    page.unroute_all()
    again.focus()
    page.keyboard.press("Enter")
    page.get_by_role("button", name=f"{NAME}: negative").wait_for()
    page.wait_for_function("document.activeElement === document.querySelector('.rw-data-grade')")


def test_a_grade_of_a_query_that_was_deleted_meanwhile_says_so(bench: DataBench, page: Any, project: int) -> None:
    bench.visit(page, project)
    page.locator(".rw-data-grade").first.wait_for()
    bench.store.texts.delete_queries([query.id for query in bench.store.texts.queries(project)])
    page.locator(".rw-data-grade").first.select_option("0")
    page.get_by_text("This query was deleted meanwhile. Your label is kept").first.wait_for()


def test_lines_without_a_header_come_from_a_file_too(bench: DataBench, page: Any, project: int, tmp_path: Path) -> None:
    file = tmp_path / "pairs.tsv"
    file.write_text("what is a panda\ta bear of China\n", encoding="utf-8")
    bench.visit(page, project, "Import")
    page.locator("#import-files input[type=file]").set_input_files(str(file))
    page.locator("#import-files a").wait_for()
    page.get_by_role("button", name="Preview").click()
    page.get_by_text("1 of 1 row can be used").first.wait_for()
    page.get_by_text("There is no header, so every line").wait_for()
