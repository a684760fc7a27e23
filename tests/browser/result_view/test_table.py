"""What a person reads and does in the result's table."""

import re
from typing import Any

import pytest
from browser.result_harness import (
    HOSTILE,
    PASSAGES,
    SCORES,
    Harness,
    find_all,
    head,
    make_large_value,
    make_value,
    picture,
    shown_order,
)


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
