"""What a person reads and does in the result view: table, pictures, taking away."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser.result_harness import Harness, find_all, make_large_value, make_layers, make_value

from ui.assets import read_text

PASSAGES = ["hi", "The giant panda is a bear.", "Pandas is a library.", "大熊猫是熊科动物。"]
SCORES = {"BM25": [0.0, 1.2, 0.4, 0.0], "v2-m3": [-8.2, 5.3, -3.4, 3.9], "minicpm · 40": [-9.1, 8.5, 5.1, 9.3]}
HOSTILE = [
    '<img src=x onerror="window.wasRun = true">',
    "${window.wasRun = true}",
    "{{value}} {{#each this}}x{{/each}}",
    "`ticks` \\u0041 </script><script>window.wasRun = true</script>",
    "nothing \0 here",
    "\u202eright to left \u05e9\u05dc\u05d5\u05dd",
    "🐼 emoji",
]


@pytest.fixture(scope="module")
def harness() -> Iterator[Harness]:
    """The page, served inside this process."""
    harness = Harness()
    harness.launch()
    yield harness
    harness.app.close()


@pytest.fixture(scope="module")
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


def shown_order(page: Any) -> list[int]:
    """Read the passage numbers from the top."""
    return [int(text) for text in page.get_by_role("button", name="choose passage").all_text_contents()]


def head(page: Any, title: str) -> Any:
    return page.get_by_role("columnheader").get_by_role("button", name=title, exact=True)


def picture(page: Any, label: str) -> Any:
    return page.get_by_role("img", name=re.compile(label))


def thick_line(picture: Any) -> Any:
    """The line that is drawn over its own thin one when a passage is marked."""
    return picture.locator("path[stroke-width], path.rw-thick")


def hit_line(picture: Any, passage: int) -> Any:
    return picture.locator(f'path[data-passage="{passage - 1}"]')


def test_the_last_column_sorts_at_first_and_its_head_turns_the_order(page: Any, harness: Harness) -> None:
    harness.show(page, make_value(PASSAGES, SCORES))
    assert shown_order(page) == [4, 2, 3, 1]
    assert page.locator(".rw-lead").text_content() == "For what is panda? · 4 passages by minicpm · 40"
    head(page, "minicpm · 40").click()
    assert shown_order(page) == [1, 3, 2, 4]
    assert page.get_by_role("columnheader", name="minicpm · 40").get_attribute("aria-sort") == "ascending"
    assert page.locator(".rw-lead").text_content() == "For what is panda? · 4 passages by minicpm · 40, lowest first"


def test_any_column_sorts_and_equal_scores_keep_input_order(page: Any, harness: Harness) -> None:
    harness.show(page, make_value(PASSAGES, SCORES))
    head(page, "BM25").click()
    assert shown_order(page) == [2, 3, 1, 4]
    head(page, "BM25").click()
    assert shown_order(page) == [1, 4, 3, 2]
    head(page, "Passage").click()
    assert shown_order(page) == [1, 2, 3, 4]
    assert page.get_by_role("columnheader", name="Passage").get_attribute("aria-sort") == "ascending"


def test_sorting_moves_the_rows_that_are_there(page: Any, harness: Harness) -> None:
    harness.show(page, make_value(PASSAGES, SCORES))
    page.evaluate("document.querySelectorAll('tr[data-passage]').forEach(row => { row.wasThere = true; })")
    head(page, "v2-m3").click()
    assert page.evaluate("[...document.querySelectorAll('tr[data-passage]')].every(row => row.wasThere)")


def test_the_order_stays_for_a_new_value_with_the_same_columns(page: Any, harness: Harness) -> None:
    harness.show(page, make_value(PASSAGES, SCORES))
    head(page, "BM25").click()
    harness.show(page, make_value([*PASSAGES, "a panda"], {title: [*scores, 9.9] for title, scores in SCORES.items()}))
    assert shown_order(page) == [5, 2, 3, 1, 4]
    harness.show(page, make_value(PASSAGES[:3], {title: SCORES[title][:3] for title in ("BM25", "v2-m3")}))
    assert shown_order(page) == [2, 3, 1]
    assert page.locator(".rw-lead").text_content().endswith("by v2-m3")


def test_a_cell_shows_three_decimals_its_rank_and_on_hover_all_of_the_score(page: Any, harness: Harness) -> None:
    scores = {"v2-m3": [0.123456789, 0.0000123, 0.00000000012]}
    harness.show(page, make_value(["a", "b", "c"], scores))
    cells = page.get_by_role("cell")
    assert cells.all_text_contents() == ["0.123#1", "0.000012#2", "1.2e-10#3"]
    assert [cell.get_attribute("title") for cell in cells.all()] == ["0.123456789", "0.0000123", "1.2e-10"]


def test_arrows_say_the_change_of_rank_against_the_reference_that_was_picked(page: Any, harness: Harness) -> None:
    harness.show(page, make_value(PASSAGES, SCORES))
    fourth = page.locator("tr", has_text=PASSAGES[3])
    assert fourth.get_by_role("cell").all_text_contents() == ["0.000#3", "3.900#2▲1", "9.300#1▲2"]
    assert fourth.get_by_role("img", name="up 2 against BM25").is_visible()
    page.get_by_label("Ranks against").select_option(label="minicpm · 40")
    assert fourth.get_by_role("cell").all_text_contents() == ["0.000#3▼2", "3.900#2▼1", "9.300#1"]
    assert fourth.get_by_role("img", name="down 2 against minicpm · 40").is_visible()
    assert page.locator("caption").text_content().endswith("Arrows: rank against minicpm · 40.")


def test_the_reference_is_remembered_by_its_title(page: Any, harness: Harness) -> None:
    harness.show(page, make_value(PASSAGES, SCORES))
    reference = page.get_by_label("Ranks against")
    reference.select_option(label="v2-m3")
    harness.show(page, make_value(["a", "b"], {"BM25": [1.0, 2.0], "gemma": [1.0, 2.0]}))
    assert reference.locator("option:checked").text_content() == "BM25"
    harness.show(page, make_value(PASSAGES, dict(reversed(SCORES.items()))))
    assert reference.locator("option:checked").text_content() == "v2-m3"


def test_one_column_needs_no_reference_and_no_picture_of_ranks(page: Any, harness: Harness) -> None:
    harness.show(page, make_value(PASSAGES, {"BM25": SCORES["BM25"]}))
    assert not page.get_by_label("Ranks against").is_visible()
    assert page.locator("caption").text_content().startswith("Shading shows where a score lies")
    assert page.get_by_role("heading", name="Rank by model").count() == 0


def test_long_passages_are_folded_at_the_end_of_a_word(page: Any, harness: Harness) -> None:
    long = "panda bear " * 109 + "ends"
    harness.show(page, make_value([long, "short", long], {"BM25": [3.0, 2.0, 1.0]}))
    text = page.locator(".rw-text").first
    assert re.fullmatch(r"(panda bear )+(panda ?)?…", text.text_content())
    assert 250 < len(text.text_content()) <= 301
    more = page.get_by_role("button", name="show all 1,203 characters").first
    assert more.get_attribute("aria-expanded") == "false"
    more.click()
    assert text.text_content() == long
    page.get_by_role("button", name="show less").click()
    assert len(text.text_content()) <= 301


def test_all_passages_unfold_and_fold_at_once(page: Any, harness: Harness) -> None:
    long = "panda bears " * 100
    harness.show(page, make_value([long, "short", long], {"BM25": [3.0, 2.0, 1.0]}))
    page.get_by_role("button", name="Unfold all").click()
    assert page.locator(".rw-text").all_text_contents() == [long, "short", long]
    page.get_by_role("button", name="Fold all", exact=True).click()
    assert page.get_by_role("button", name="show all").count() == 2
    harness.show(page, make_value(["short"], {"BM25": [3.0]}))
    assert page.get_by_role("button", name="fold all").count() == 0


def test_query_terms_are_marked_where_utf16_says(page: Any, harness: Harness) -> None:
    text = "🐼 panda: 大熊猫 panda"
    first, second = 3, len("🐼 panda: 大熊猫 ") + 1  # the emoji counts twice
    harness.show(page, make_value([{"text": text, "marks": [first, first + 5, second, second + 5]}], {"BM25": [1.0]}))
    assert page.locator("mark").all_text_contents() == ["panda", "panda"]
    assert page.locator(".rw-text").text_content() == text


def test_what_a_model_did_not_read_is_greyed_and_named(page: Any, harness: Harness) -> None:
    text = "read by both. panda read by one. read by none."
    cuts = [{"by": "v2-m3", "at": 14, "tokens": 122}, {"by": "gemma", "at": 33, "tokens": 1}]
    passage = {"text": text, "marks": find_all(text, "panda"), "cuts": cuts}
    harness.show(page, make_value([passage], {"v2-m3": [1.0]}))
    assert page.locator(".rw-lost").text_content() == "panda read by one. cut by gemmaread by none."
    assert page.locator(".rw-text").text_content().startswith("read by both. cut by v2-m3panda")
    assert page.get_by_text("cut: v2-m3 did not read the last 122 tokens; gemma the last 1 token").is_visible()
    assert page.locator("mark").all_text_contents() == ["panda"]
    grey, ink = (page.locator(name).evaluate("node => getComputedStyle(node).color") for name in (".rw-lost", ".rw-text"))
    assert grey != ink


def test_a_folded_passage_says_that_it_was_cut(page: Any, harness: Harness) -> None:
    passage = {"text": "panda bears " * 100, "cuts": [{"by": "v2-m3", "at": 600, "tokens": 80}]}
    harness.show(page, make_value([passage], {"v2-m3": [1.0]}))
    assert page.get_by_text("cut: v2-m3 did not read the last 80 tokens").is_visible()
    assert page.get_by_text("cut by v2-m3").count() == 0
    page.get_by_role("button", name="show all").click()
    assert page.get_by_text("cut by v2-m3").is_visible()
    assert page.locator(".rw-lost").text_content() == "panda bears " * 50


def test_a_chosen_passage_is_marked_in_table_and_pictures_until_it_is_let_go(page: Any, harness: Harness) -> None:
    layers = make_layers("minicpm", [8, 16, 40], [SCORES["v2-m3"]] * 3, 8)
    harness.show(page, make_value(PASSAGES, SCORES, layers=[layers]))
    button = page.get_by_role("button", name="choose passage 3")
    pictures = [picture(page, "Ranks of"), picture(page, "over 3 layers")]
    button.focus()
    page.keyboard.press("Enter")
    assert button.get_attribute("aria-pressed") == "true"
    assert "rw-chosen" in page.locator("tr", has_text=PASSAGES[2]).get_attribute("class")
    for drawn in pictures:
        assert thick_line(drawn).get_attribute("d") == hit_line(drawn, 3).get_attribute("d")
    assert page.locator(".rw-about").all_text_contents() == [f"3 {PASSAGES[2]}"] * 2
    page.keyboard.press("Escape")
    assert button.get_attribute("aria-pressed") == "false"
    assert [thick_line(drawn).count() for drawn in pictures] == [0, 0]
    button.click()
    button.click()
    assert button.get_attribute("aria-pressed") == "false"


def test_what_is_pointed_at_is_marked_for_the_moment(page: Any, harness: Harness) -> None:
    harness.show(page, make_value(PASSAGES, SCORES))
    drawn, about = picture(page, "Ranks of"), page.locator(".rw-about")
    page.locator("tr", has_text=PASSAGES[0]).hover()
    assert about.text_content() == "1 hi"
    assert thick_line(drawn).get_attribute("d") == hit_line(drawn, 1).get_attribute("d")
    # the left end of a line; four pixels beside it is near enough
    box = drawn.bounding_box()
    x, y = (float(part) for part in re.match(r"M([\d.]+) ([\d.]+)", hit_line(drawn, 2).get_attribute("d")).groups())
    page.mouse.move(box["x"] + x + 3, box["y"] + y + 4)
    assert about.text_content() == f"2 {PASSAGES[1]}"
    assert "rw-pointed" in page.locator("tr", has_text=PASSAGES[1]).get_attribute("class")
    page.mouse.click(box["x"] + x + 3, box["y"] + y + 4)
    page.get_by_role("heading", name="Result view").hover()
    assert about.text_content() == f"2 {PASSAGES[1]}"
    assert page.get_by_role("button", name="choose passage 2").get_attribute("aria-pressed") == "true"


def test_slopes_are_coloured_by_what_changed_from_the_reference_to_the_sorted_column(page: Any, harness: Harness) -> None:
    harness.show(page, make_value(PASSAGES, SCORES))
    assert picture(page, "From BM25 to minicpm · 40 1 rose, 3 fell, 0 kept their rank").is_visible()
    page.get_by_label("Ranks against").select_option(label="v2-m3")
    assert picture(page, "From v2-m3 to minicpm · 40 1 rose, 1 fell, 2 kept their rank").is_visible()
    colours = (
        picture(page, "Ranks of")
        .locator("path.rw-line")
        .evaluate_all("lines => lines.filter(line => line.getAttribute('d')).map(line => getComputedStyle(line).stroke)")
    )
    assert sorted(colours.count(colour) for colour in set(colours)) == [1, 1, 2]
    head(page, "v2-m3").click()
    assert page.get_by_text("Sorted by v2-m3, the reference itself").is_visible()


def test_the_twelve_best_are_drawn_full_and_the_others_faint(page: Any, harness: Harness) -> None:
    harness.show(page, make_large_value(30, ["BM25", "v2-m3"]))
    assert picture(page, "Ranks of").locator("path.rw-faint").count() == 18
    assert page.get_by_text("The 12 best by v2-m3 are drawn full.").is_visible()


@pytest.mark.parametrize("page", [390, 1280], indirect=True)
@pytest.mark.parametrize(
    "titles", [[*SCORES, "minicpm · 28", "minicpm · 32"], [f"a folder with a long name {n}" for n in range(3)]]
)
def test_labels_below_the_slopes_never_overlap(page: Any, harness: Harness, titles: list[str]) -> None:
    harness.show(page, make_value(PASSAGES, {title: [float(n), 1, 2, 3] for n, title in enumerate(titles)}))
    drawn = picture(page, "Ranks of")
    boxes = drawn.locator("text").evaluate_all(
        """labels => labels.filter(label => !label.hasAttribute('transform')).map(label => {
            const {x, y, width, height} = label.getBBox(); return [x, y, x + width, y + height - 3]; })"""
    )
    width = drawn.evaluate("node => node.viewBox.baseVal.width")
    assert len(boxes) > 4
    assert all(box[0] >= -1 and box[2] <= width + 1 for box in boxes)
    for index, one in enumerate(boxes):
        for other in boxes[:index]:
            assert one[0] >= other[2] or other[0] >= one[2] or one[1] >= other[3] or other[1] >= one[3]


def test_the_layer_picture_shows_scores_or_ranks_and_from_where_the_order_stays(page: Any, harness: Harness) -> None:
    rows = [[1.0, 2.0, 3.0, 4.0], [4.0, 3.0, 2.0, 1.0], [8.0, 3.5, 2.0, -1.0], [9.0, 3.5, 2.0, -1.5]]
    harness.show(page, make_value(PASSAGES, SCORES, layers=[make_layers("minicpm", [8, 16, 28, 40], rows, 16)]))
    assert page.get_by_role("heading", name="Score by layer · minicpm — order stable from layer 16").is_visible()
    drawn = picture(page, "over 4 layers of minicpm, 8 to 40: order stable from layer 16. Best at layer 40: passage 1")
    assert {"8", "16", "28", "40", "9.0", "-1.5"} <= set(drawn.locator("text").all_text_contents())
    rank = page.get_by_role("button", name="Rank", exact=True)
    rank.focus()
    page.keyboard.press("Enter")
    assert rank.get_attribute("aria-pressed") == "true"
    assert page.get_by_role("heading", name="Rank by layer · minicpm").is_visible()
    first, *others = re.findall(r" ([\d.]+)", hit_line(drawn, 1).get_attribute("d"))
    assert float(first) > float(others[0])
    assert others == others[:1] * 3
    assert "#4" in drawn.locator("text").all_text_contents()


@pytest.mark.parametrize("stable_from", [None, 40])
def test_an_order_that_changes_to_the_end_is_not_called_stable(
    page: Any, harness: Harness, stable_from: int | None
) -> None:
    layers = make_layers("minicpm", [8, 40], [SCORES["BM25"], SCORES["v2-m3"]], stable_from)
    harness.show(page, make_value(PASSAGES, SCORES, layers=[layers]))
    assert page.get_by_role("heading", name="minicpm — order still changes at layer 40").is_visible()
    assert picture(page, "order still changes at layer 40").locator(".rw-stable").count() == 0


def test_hostile_texts_are_shown_as_text(page: Any, harness: Harness) -> None:
    scores = {"<b>a</b>${window.wasRun = true}": list(range(len(HOSTILE))), "{{value}}": list(range(len(HOSTILE)))}
    value = make_value(HOSTILE, scores, query="<i>${1+1}</i> {{value}}")
    harness.show(page, value)
    assert page.locator(".rw-text").all_text_contents() == HOSTILE[::-1]
    assert page.locator(".rw-lead q").text_content() == "<i>${1+1}</i> {{value}}"
    assert page.get_by_role("columnheader").all_text_contents() == ["Passage", next(iter(scores)), "↓{{value}}"]
    page.get_by_role("button", name="choose passage 1").click()
    assert page.locator(".rw-about").text_content() == f"1 {HOSTILE[0]}"
    assert page.locator(".rw-result img, .rw-result script, .rw-result i, .rw-result li b b").count() == 0
    assert page.evaluate("window.wasRun") is None


def test_a_passage_of_200_000_characters_unfolds_with_some_of_its_marks(page: Any, harness: Harness) -> None:
    text = ("giant panda " * 20_000)[:200_000]
    harness.show(page, make_value([{"text": text, "marks": find_all(text, "panda")}, "hi"], {"BM25": [1.0, 2.0]}))
    page.get_by_role("button", name="show all 200,000 characters").click()
    assert page.locator(".rw-text").nth(1).text_content() == text
    assert page.locator("mark").count() == 500


def test_two_hundred_passages_by_five_columns_are_all_there(page: Any, harness: Harness) -> None:
    titles = ["BM25", "v2-m3", "minicpm · 20", "minicpm · 28", "minicpm · 40"]
    value = make_large_value(200, titles, layers=range(8, 41))
    harness.show(page, value)
    assert page.get_by_role("cell").count() == 1000
    head(page, "v2-m3").click()
    scores = value["columns"][1]["scores"]
    assert shown_order(page) == [index + 1 for index in sorted(range(200), key=lambda index: -scores[index])]
    assert [picture(page, name).locator("path[data-passage]").count() for name in ("Ranks", "Scores")] == [200, 200]


def test_many_columns_scroll_beside_passages_that_stay(page: Any, harness: Harness) -> None:
    harness.show(page, make_value(PASSAGES, {f"minicpm · {layer}": [1.0, 2.0, 3.0, layer] for layer in range(8, 41)}))
    table = page.get_by_role("group", name="Table, scrolls sideways")
    table.focus()
    page.keyboard.press("End")
    table.evaluate("node => { node.scrollLeft = node.scrollWidth; }")
    assert page.get_by_role("button", name="choose passage 1").is_visible()
    assert page.get_by_role("button", name="choose passage 1").bounding_box()["x"] > 0


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


@pytest.mark.parametrize("page", [390], indirect=True)
def test_on_a_phone_rows_are_cards_with_the_column_beside_each_score(page: Any, harness: Harness) -> None:
    harness.show(page, make_value(PASSAGES, SCORES))
    cells = page.locator("tr[data-passage]").first.locator("td")
    assert cells.evaluate_all("cells => cells.map(cell => getComputedStyle(cell, '::before').content)") == [
        f'"{title}"' for title in SCORES
    ]
    boxes = [cell.bounding_box() for cell in cells.all()]
    assert len({box["x"] for box in boxes}) == 1
    assert len({box["y"] for box in boxes}) == 3
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert not page.locator("thead").is_visible()


@pytest.mark.parametrize("page", [390], indirect=True)
def test_on_a_phone_a_list_sorts(page: Any, harness: Harness) -> None:
    harness.show(page, make_value(PASSAGES, SCORES))
    page.get_by_label("Sort by").select_option(label="BM25")
    assert shown_order(page) == [2, 3, 1, 4]
    page.get_by_role("button", name="highest first").click()
    assert shown_order(page) == [1, 4, 3, 2]
    page.get_by_label("Sort by").select_option(label="input order")
    assert shown_order(page) == [1, 2, 3, 4]


@pytest.mark.parametrize("page", [390], indirect=True)
def test_on_a_phone_a_new_result_comes_into_sight(page: Any, harness: Harness) -> None:
    page.evaluate("document.querySelector('#show').style.marginTop = '1200px'")
    harness.show(page, make_value(PASSAGES, SCORES))
    page.wait_for_function("document.querySelector('.rw-lead').getBoundingClientRect().top < 300")


def test_an_empty_view_says_what_to_do_and_a_result_is_announced(page: Any, harness: Harness) -> None:
    assert page.get_by_text("Paste a query and passages and press Score, or take an example.").is_visible()
    harness.show(page, make_value(PASSAGES, SCORES))
    page.get_by_role("status").filter(has_text="4 passages scored by 3 columns. Best by minicpm · 40: passage 4.").wait_for(
        state="attached"
    )
    harness.show(page, None)
    assert page.get_by_role("table").count() == 0


def test_each_model_says_what_it_took(page: Any, harness: Harness) -> None:
    value = make_value(PASSAGES, SCORES)
    value["models"][1]["summary"] = "96 ms · 262 tokens"
    harness.show(page, value)
    assert page.get_by_role("listitem").filter(has_text="v2-m3 96 ms · 262 tokens").is_visible()
    assert page.get_by_role("columnheader", name="v2-m3").get_attribute("title") == "96 ms · 262 tokens"
