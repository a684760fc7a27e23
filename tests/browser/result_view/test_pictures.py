"""Ranks as slopes and scores over layers, linked to the table."""

import re
from typing import Any

import pytest
from browser.result_harness import (
    PASSAGES,
    SCORES,
    Harness,
    head,
    hit_line,
    make_large_value,
    make_layers,
    make_value,
    picture,
    thick_line,
)


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
