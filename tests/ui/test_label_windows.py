"""What is shown first of a long passage."""

import pytest

from reranker_core.baseline import query_terms
from ui.label_windows import LONG, SENT, WINDOW, describe_text
from ui.text_places import count_units

TERMS = query_terms("giant panda bamboo 熊猫")


def window(text: str) -> str:
    shown = describe_text(text, TERMS)
    start, end = shown["window"]
    return shown["text"].encode("utf-16-le")[2 * start : 2 * end].decode("utf-16-le")


def test_a_short_passage_is_shown_whole() -> None:
    shown = describe_text("a giant panda", TERMS)
    assert shown == {
        "text": "a giant panda",
        "is_cut": False,
        "begin": 0,
        "length": 13,
        "marks": [2, 7, 8, 13],
        "window": [0, 13],
    }


@pytest.mark.parametrize("filler", ["nothing here. ", "没有什么可看的。", "🐼🐼 emoji "])
def test_a_long_one_shows_the_stretch_with_most_different_terms(filler: str) -> None:
    before, after = filler * 300, filler * 300
    text = f"{before}panda panda panda panda {filler * 200}the giant panda eats bamboo {after}"
    shown = window(text)
    assert "the giant panda eats bamboo" in shown
    assert len(shown) <= WINDOW
    assert shown in text


def test_without_a_term_the_beginning_is_shown_up_to_a_whole_word() -> None:
    text = "nothing " * 400
    shown = window(text)
    assert text.startswith(shown)
    assert shown.endswith("nothing")


def test_the_window_is_inside_what_is_sent_of_a_very_long_one() -> None:
    shown = describe_text("x " * 25_000 + "giant panda" + " x" * 75_000, TERMS)
    assert shown["is_cut"]
    assert len(shown["text"]) == SENT
    assert shown["length"] == 200_011
    start, end = shown["marks"][:2]
    assert shown["text"][start:end] == "giant"
    assert shown["begin"] + start == 50_000
    assert shown["window"][0] <= start < end <= shown["window"][1]


def test_an_empty_passage_and_one_word_without_end() -> None:
    assert describe_text("", TERMS)["window"] == [0, 0]
    assert len(window("x" * 5 * LONG)) == WINDOW


def test_places_count_as_scripts_in_a_browser_do() -> None:
    assert [count_units("a🐼b")(place) for place in range(4)] == [0, 1, 3, 4]
    assert count_units("")(0) == 0
    shown = describe_text("🐼 giant", TERMS)
    assert shown["marks"] == [3, 8]
