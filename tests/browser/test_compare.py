"""What a person does on the Compare screen."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from browser.conftest import RunningApp

HOSTILE = [
    '<img src=x onerror="window.wasRun = true">',
    "${window.wasRun = true}",
    "{{value}} {{#each this}}x{{/each}}",
    "`backticks` \\u0041 </script><script>window.wasRun = true</script>",
    "\u202eright to left \u05e9\u05dc\u05d5\u05dd",
    "🐼 emoji and panda",
]


def rows(page: Any) -> list[list[str]]:
    """Read the table: passage, then each cell."""
    script = """rows => rows.map(row => [row.querySelector('.rw-text').textContent,
        ...[...row.querySelectorAll('td')].map(cell => cell.title)])"""
    return page.get_by_role("region", name="Result", exact=True).locator("tbody tr").evaluate_all(script)


def titles(page: Any) -> list[str]:
    """Read the heads of the columns."""
    heads = page.get_by_role("region", name="Result", exact=True).locator("thead th").all_inner_texts()
    return [head.strip(" ↓↑\n").replace("\n", " ") for head in heads][1:]


def choose(page: Any, *names: str) -> None:
    """Choose models by the words of their chips."""
    for name in names:
        page.get_by_role("checkbox", name=name, exact=True).check()


def score(page: Any, query: str, passages: list[str]) -> None:
    page.get_by_label("Query", exact=True).fill(query)
    page.get_by_label("Passages", exact=True).fill("\n".join(passages))
    page.get_by_label("Query", exact=True).press("Control+Enter")
    page.get_by_text(f"{len(passages)} passage").and_(page.locator(".rw-lead")).wait_for()
    page.locator(".rw-lead q", has_text=query).wait_for()


def wait_for_columns(page: Any, *expected: str) -> None:
    page.locator(".rw-table thead th").nth(len(expected)).wait_for(timeout=60_000)
    assert titles(page) == list(expected)


def test_the_first_sight_is_a_scored_example(page: Any) -> None:
    found = rows(page)
    assert len(found) == 11
    assert found[0][0].startswith("Giant pandas, giant squid")


def test_a_pasted_query_is_scored_by_keyboard_and_nothing_leaves_the_machine(page: Any, app: RunningApp) -> None:
    score(page, "what is panda?", ["hi", "A panda is a bear."])
    found = rows(page)
    assert [text for text, _ in found] == ["A panda is a bear.", "hi"]
    assert float(found[0][1]) > float(found[1][1]) == 0
    assert app.outgoing == []


def test_the_panda_pair_is_one_click_away(page: Any) -> None:
    page.get_by_role("button", name="Panda pair").click()
    page.locator(".rw-lead q", has_text="what is panda?").wait_for()
    assert rows(page)[0][0].startswith("The giant panda (Ailuropoda melanoleuca)")


@pytest.mark.slow
def test_two_models_and_three_layers_stand_side_by_side_with_the_scores_of_the_library(
    page: Any, load: Any, tmp_path: Path
) -> None:
    passages = ["hi", "A panda is a bear.", "大熊猫是中国特有的熊科动物。"]
    choose(page, "tiny-encoder", "tiny-layerwise")
    choose(page, "3", "5")  # the deepest, 8, is chosen already
    score(page, "what is panda?", passages)
    wait_for_columns(page, "BM25", "tiny-encoder", "tiny-layerwise · 3", "tiny-layerwise · 5", "tiny-layerwise · 8")

    pairs = [("what is panda?", passage) for passage in passages]
    expected = [load("encoder").compute_score(pairs), *load("layerwise").compute_score(pairs, cutoff_layers=[3, 5, 8])]
    by_text = {text: [float(cell) for cell in cells] for text, *cells in rows(page)}
    for index, passage in enumerate(passages):
        assert by_text[passage][1:] == pytest.approx([column[index] for column in expected], abs=1e-5)

    # Sorted by another column, and back by the same.
    page.get_by_role("button", name="tiny-encoder", exact=False).filter(has_text="tiny-encoder").first.click()
    order = [float(cells[2]) for cells in rows(page)]
    assert order == sorted(order, reverse=True)

    # Copied as Python it runs to the same scores.
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy as Python").click()
    page.get_by_text("Copied as Python").wait_for()
    script = tmp_path / "comparison.py"
    script.write_text(page.evaluate("navigator.clipboard.readText()"), encoding="utf-8")
    printed = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, encoding="utf-8", check=True, timeout=120
    ).stdout.splitlines()
    columns = [json.loads(line[line.rindex("[") :]) for line in printed]
    assert len(columns) == 5
    for index, passage in enumerate(passages):
        assert by_text[passage] == pytest.approx([column[index] for column in columns], abs=1e-5)


@pytest.mark.slow
def test_a_link_brings_the_comparison_to_another_browser(page: Any, app: RunningApp, chromium: Any) -> None:
    choose(page, "tiny-layerwise")
    choose(page, "4")
    score(page, "where does it live?", ["In the mountains.", "two words"])
    wait_for_columns(page, "BM25", "tiny-layerwise · 4", "tiny-layerwise · 8")
    before = rows(page)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy link").click()
    page.get_by_text("Copied the link").wait_for()
    link = page.evaluate("navigator.clipboard.readText()")
    assert link.startswith(f"{app.url}#c=")

    context = chromium.new_context(locale="en-US")
    other = context.new_page()
    asked: list[str] = []
    other.on("request", lambda request: asked.append(request.url))
    other.goto(link)
    other.locator(".rw-lead q", has_text="where does it live?").wait_for(timeout=60_000)
    wait_for_columns(other, "BM25", "tiny-layerwise · 4", "tiny-layerwise · 8")
    assert rows(other) == before
    assert other.get_by_label("Passages", exact=True).input_value() == "In the mountains.\ntwo words"
    assert not any("c=" in url for url in asked)  # the fragment stays in the browser
    context.close()


@pytest.mark.slow
def test_a_link_that_was_cut_is_said_and_changes_nothing(page: Any, app: RunningApp) -> None:
    page.goto(f"{app.url}#c=qzzzz")
    page.get_by_role("alert").filter(has_text="cut or changed on its way").wait_for()
    page.wait_for_timeout(1500)  # nothing may wipe it: the only proof is that it is still there
    assert page.get_by_role("alert").filter(has_text="cut or changed on its way").is_visible()
    assert len(rows(page)) == 11


def chosen(page: Any) -> list[str]:
    """Read which models, layers and scale are chosen on the form."""
    return page.locator(".rw-inputs input:checked").evaluate_all(
        "inputs => inputs.map(input => input.closest('label').innerText.trim())"
    )


@pytest.mark.slow
def test_a_link_opens_as_it_was_sent_whatever_this_browser_had_set(page: Any, app: RunningApp) -> None:
    choose(page, "tiny-llm", "tiny-encoder")
    page.get_by_role("radio", name="sigmoid").check()
    score(page, "an earlier query", ["one"])
    wait_for_columns(page, "BM25", "tiny-llm", "tiny-encoder")
    request = {"query": "the one sent", "passages": ["a", "b"], "models": ["bm25", "tiny-layerwise"], "layers": [3, 5]}
    pack = """async (object) => {
        const json = new Blob([JSON.stringify(object)]);
        const packed = await new Response(json.stream().pipeThrough(new CompressionStream('deflate-raw'))).arrayBuffer();
        const text = btoa(String.fromCharCode(...new Uint8Array(packed)));
        return text.replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
    }"""
    link = f"{app.url}#c={page.evaluate(pack, request)}"
    visit = page.context.new_page()
    visit.goto(link)
    visit.locator(".rw-lead q", has_text="the one sent").wait_for(timeout=60_000)
    wait_for_columns(visit, "BM25", "tiny-layerwise · 3", "tiny-layerwise · 5")
    settings = chosen(visit)
    assert [name for name in settings if "tiny" in name or name == "BM25"] == ["BM25", "tiny-layerwise"]
    assert [name for name in settings if name.isdigit()] == ["3", "5"]
    assert "sigmoid" not in settings


@pytest.mark.slow
def test_a_run_is_stopped_by_its_button_and_the_earlier_result_stays(page: Any) -> None:
    before = rows(page)
    choose(page, "tiny-llm", "tiny-layerwise")
    page.get_by_label("Query", exact=True).fill("a long run")
    page.get_by_label("Passages", exact=True).fill("\n".join(f"panda {number} " * 60 for number in range(1000)))
    page.get_by_label("Query", exact=True).press("Control+Enter")
    page.get_by_role("button", name="Stop").click()
    page.get_by_role("alert").filter(has_text="Stopped").wait_for(timeout=60_000)
    if "before stays" in page.get_by_role("alert").inner_text():
        assert rows(page) == before
    assert page.get_by_label("Query", exact=True).input_value() == "a long run"


@pytest.mark.slow
def test_a_reload_brings_back_what_was_scored_and_a_new_visit_the_settings(page: Any, app: RunningApp) -> None:
    choose(page, "tiny-encoder")
    page.get_by_role("radio", name="sigmoid").check()
    score(page, "what is panda?", ["hi", "A panda is a bear."])
    wait_for_columns(page, "BM25", "tiny-encoder")
    before = rows(page)
    page.reload()
    page.locator(".rw-lead q", has_text="what is panda?").wait_for()
    wait_for_columns(page, "BM25", "tiny-encoder")
    assert rows(page) == before
    assert {"BM25", "tiny-encoder", "sigmoid"} <= set(chosen(page))

    visit = page.context.new_page()
    visit.goto(app.url)
    visit.get_by_role("checkbox", name="tiny-encoder").wait_for()
    visit.locator("label:has(input[name='tiny-encoder']:checked)").wait_for()
    visit.get_by_role("radio", name="sigmoid", checked=True).wait_for()
    assert len(rows(visit)) == 11


def test_hostile_passages_are_shown_as_text_in_table_and_pictures(page: Any) -> None:
    choose(page, "tiny-encoder")
    score(page, "<b>panda</b> ${1+1}", HOSTILE)
    wait_for_columns(page, "BM25", "tiny-encoder")
    assert sorted(text for text, _, _ in rows(page)) == sorted(HOSTILE)
    assert page.evaluate("window.wasRun") is None


def test_an_error_is_a_sentence_and_the_result_and_inputs_stay(page: Any) -> None:
    score(page, "bear", ["A bear.", "hi"])
    before = rows(page)
    page.get_by_label("Query", exact=True).fill("")
    page.get_by_role("button", name="Score (").click()
    page.get_by_role("alert").filter(has_text="The query is empty").wait_for()
    assert rows(page) == before
    assert page.get_by_label("Passages", exact=True).input_value() == "A bear.\nhi"


def test_a_file_fills_query_and_passages_without_a_change_to_them(page: Any, tmp_path: Path) -> None:
    passages = ["two\n\nparagraphs of a bear", " a space before", "plain"]
    file = tmp_path / "rows.jsonl"
    file.write_text("\n".join(json.dumps({"query": "bear?", "passage": passage}) for passage in passages), encoding="utf-8")
    page.locator("input[type=file]").first.set_input_files(file)
    page.get_by_text("3 passages from rows.jsonl.").wait_for()
    page.get_by_role("button", name="Score (").click()
    page.locator(".rw-lead q", has_text="bear?").wait_for()
    assert sorted(text for text, _ in rows(page)) == sorted(passages)

    bad = tmp_path / "bad.jsonl"
    bad.write_text('"fine"\n{broken\n', encoding="utf-8")
    page.locator("input[type=file]").first.set_input_files(bad)
    page.get_by_role("alert").filter(has_text="bad.jsonl:2: this is no valid JSON").wait_for()
    assert len(rows(page)) == 3


def test_what_max_length_cut_is_marked_and_greyed(page: Any) -> None:
    choose(page, "tiny-encoder")
    page.get_by_role("button", name="Advanced").click()
    page.get_by_label("Tokens of a pair").fill("24")
    score(page, "panda", ["A panda is a bear that lives in the mountains of China and eats bamboo all day.", "hi"])
    wait_for_columns(page, "BM25", "tiny-encoder")
    lost = page.locator(".rw-lost")
    assert lost.count() >= 1
    assert lost.last.inner_text().endswith("all day.")
    assert page.get_by_text("cut", exact=False).count()


def test_the_table_is_reached_and_sorted_by_keyboard_alone(page: Any) -> None:
    choose(page, "tiny-encoder")
    score(page, "bear", ["A bear.", "hi", "two bears"])
    wait_for_columns(page, "BM25", "tiny-encoder")
    page.get_by_label("Query", exact=True).focus()
    for _ in range(80):
        page.keyboard.press("Tab")
        if "BM25" in page.evaluate("document.activeElement.closest('thead') ? document.activeElement.textContent : ''"):
            break
    page.keyboard.press("Enter")
    order = [float(cells[1]) for cells in rows(page)]
    assert order == sorted(order, reverse=True)
    assert page.locator("th[aria-sort=descending]").inner_text().strip(" ↓\n") == "BM25"


def test_models_that_are_chosen_faster_than_the_server_answers_all_count(page: Any) -> None:
    held: list[Any] = []

    def hold_the_first(route: Any) -> None:
        if held:
            route.continue_()
        held.append(route)

    page.route("**/gradio_api/run/**", hold_the_first)
    with page.expect_request("**/gradio_api/run/**"):
        choose(page, "tiny-encoder")
    choose(page, "tiny-layerwise")
    held[0].continue_()
    page.get_by_role("checkbox", name="3", exact=True).check()
    page.unroute("**/gradio_api/run/**")


@pytest.mark.slow
def test_a_second_visitor_scores_while_the_first_one_waits(page: Any, app: RunningApp, chromium: Any, load: Any) -> None:
    passages = [f"panda number {number} lives on a mountain" for number in range(150)]
    context = chromium.new_context(locale="en-US")
    other = context.new_page()
    other.goto(app.url)
    other.get_by_label("Query", exact=True).wait_for()
    for visit, name, query in ((page, "tiny-layerwise", "first visitor"), (other, "tiny-llm", "second visitor")):
        choose(visit, name)
        visit.get_by_label("Query", exact=True).fill(query)
        visit.get_by_label("Passages", exact=True).fill("\n".join(passages))
    for visit in (page, other):
        visit.get_by_label("Query", exact=True).press("Control+Enter")
    for visit, folder, query in ((page, "layerwise", "first visitor"), (other, "llm", "second visitor")):
        visit.locator(".rw-lead q", has_text=query).wait_for(timeout=60_000)
        expected = load(folder).compute_score([(query, passage) for passage in passages])
        by_text = {text: float(cells[-1]) for text, *cells in rows(visit)}
        assert [by_text[passage] for passage in passages] == pytest.approx(expected, abs=1e-5)
    context.close()


def test_a_comparison_is_sent_to_be_judged_and_opened_there(page: Any) -> None:
    for query, project in (("giant pandas", "Sent"), ("eating bamboo", None)):
        page.get_by_role("tab", name="Compare").click()
        score(page, query, ["giant pandas eat bamboo", "hi"])
        page.get_by_role("button", name="Send to Annotate").click()
        page.get_by_role("dialog").get_by_label("Project").select_option("New project …" if project else "Sent")
        if project:
            page.get_by_label("Its name").fill(project)
        page.get_by_role("button", name="Send", exact=True).click()
        page.get_by_text("2 new candidates for this query in “Sent”.").wait_for()
        page.get_by_role("button", name="Judge them now").click()
        page.locator(".rw-label-query-text", has_text=query).wait_for()
