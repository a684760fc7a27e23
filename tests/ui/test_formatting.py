"""Scores → what the result view shows: places in texts, ranks, shades, and the layer from which the order stays."""

import json
from typing import Any

import pytest

from reranker_core.catalogue import ModelInfo, find_model
from reranker_core.scores import Scores
from ui.choices import Choice
from ui.comparison import SIGMOID, Comparison
from ui.formatting import describe_comparison, stable_from, summarize
from ui.scoring import ModelScores

PLACEHOLDER = ModelInfo(
    name="mine",
    repo_id="",
    family="encoder",
    base_model="",
    languages="",
    layers=None,
    advice="",
    parameters=None,
    context=None,
    licence="",
    download_gb=None,
)


def scores(values: list[list[float]], **changes: Any) -> Scores:
    n = len(values)
    given: dict[str, Any] = {
        "values": tuple(map(tuple, values)),
        "layers": (None,) * len(values[0]),
        "tokens": (10,) * n,
        "cut_query_tokens": (0,) * n,
        "cut_passage_tokens": (0,) * n,
        "model": "m",
        "family": "encoder",
        "device": "cpu",
        "dtype": "float32",
        "normalized": False,
        "seconds": 0.0412,
    }
    return Scores(**(given | changes))


def result(name: str, values: list[list[float]], *, shown: Any = None, kept: Any = None, **changes: Any) -> ModelScores:
    found = scores(values, **changes)
    return ModelScores(
        choice=Choice(info=find_model(name) or PLACEHOLDER, base=name, is_ready=True),
        scores=found,
        shown_layers=shown or found.layers,
        kept_characters=kept or (None,) * len(values),
    )


def ask(*passages: str, query: str = "q", **changes: Any) -> Comparison:
    return Comparison(query=query, passages=passages, models=("bm25",), **changes)


def utf16(text: str, start: int, end: int | None = None) -> str:
    """Slice a text as a script in a browser does."""
    return text.encode("utf-16-le")[2 * start : None if end is None else 2 * end].decode("utf-16-le")


def marked(passage: dict[str, Any]) -> list[str]:
    return [utf16(passage["text"], start, end) for start, end in zip(*[iter(passage["marks"])] * 2, strict=True)]


# Places in texts


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("The panda eats, pandas sit. PANDA!", ["panda", "PANDA"]),
        ("🐼🐼 panda 🐼 大熊猫 𠀋panda", ["panda", "熊猫", "panda"]),
        ("é\u0301 pan\u00adda\u202e panda", ["pan\u00adda", "panda"]),
        ("\uffff panda", ["panda"]),
        ("\uffff🐼 panda", ["panda"]),
        ("𝐩𝐚𝐧𝐝𝐚 🐼panda", ["𝐩𝐚𝐧𝐝𝐚", "panda"]),
        ("nothing here 🐼", []),
        ("", []),
    ],
)
def test_marks_are_where_a_browser_finds_the_words(text: str, parts: list[str]) -> None:
    shown = describe_comparison(ask(text, query="the panda 熊猫 of"), [result("bm25", [[0.0]])])
    assert marked(shown["passages"][0]) == parts
    assert shown["passages"][0]["marks"] == sorted(shown["passages"][0]["marks"])


def test_cuts_are_where_a_browser_finds_them_first_the_earliest() -> None:
    text = "🐼a𠀋b and the rest"
    shown = describe_comparison(
        ask("short", text),
        [
            result("bge-reranker-v2-m3", [[0.0]] * 2, kept=(None, 4), cut_passage_tokens=(0, 7)),
            result("bm25", [[0.0]] * 2),
            result("mine", [[0.0]] * 2, kept=(None, 0), cut_passage_tokens=(0, 12)),
            result("bge-reranker-v2-gemma", [[0.0]] * 2, kept=(None, len(text)), cut_passage_tokens=(0, 1)),
        ],
    )
    short, long = shown["passages"]
    assert short["cuts"] == []
    assert [(cut["by"], utf16(text, 0, cut["at"]), cut["tokens"]) for cut in long["cuts"]] == [
        ("mine", "", 12),
        ("v2-m3", "🐼a𠀋b", 7),
        ("v2-gemma", text, 1),
    ]


def test_texts_reach_the_page_as_they_came_and_the_whole_is_json() -> None:
    hostile = ["<img src=x onerror=alert(1)>", "${alert(1)} {{value}}", "a\x00b", "\u202eabc\u2028", "🐼" * 3, " \n"]
    asked = ask(*hostile, query="<b>q</b>\x00", scale=SIGMOID, max_length=20)
    shown = describe_comparison(asked, [result("mine", [[float(i)] for i in range(6)])])
    assert [passage["text"] for passage in shown["passages"]] == hostile
    assert (shown["query"], shown["scale"]) == ("<b>q</b>\x00", "sigmoid")
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown
    json.dumps(shown, ensure_ascii=False).encode()
    assert Comparison.from_json(shown["request"]) == asked


# Columns


def test_each_shown_layer_is_a_column_with_shared_ranks_and_its_own_shading() -> None:
    layers = result(
        "bge-reranker-v2-minicpm-layerwise",
        [[1.0, 9.0, 5.0], [3.0, 9.0, 5.0], [2.0, 9.0, 0.0]],
        layers=(8, 20, 28),
        shown=(8, 28),
    )
    shown = describe_comparison(ask("a", "b", "c"), [result("bm25", [[0.0], [0.25], [1.0]]), layers])

    assert shown["columns"] == [
        {
            "title": "BM25",
            "model": "BM25",
            "layer": None,
            "scores": [0.0, 0.25, 1.0],
            "ranks": [3, 2, 1],
            "shades": [0.0, 0.25, 1.0],
        },
        {
            "title": "v2-minicpm · 8",
            "model": "v2-minicpm",
            "layer": 8,
            "scores": [1.0, 3.0, 2.0],
            "ranks": [3, 1, 2],
            "shades": [0.0, 1.0, 0.5],
        },
        {
            "title": "v2-minicpm · 28",
            "model": "v2-minicpm",
            "layer": 28,
            "scores": [5.0, 5.0, 0.0],
            "ranks": [1, 1, 3],
            "shades": [1.0, 1.0, 0.0],
        },
    ]
    assert [model["title"] for model in shown["models"]] == ["BM25", "v2-minicpm"]
    assert shown["layers"] == [
        {
            "model": "v2-minicpm",
            "layers": [8, 20, 28],
            "scores": [[1.0, 3.0, 2.0], [9.0, 9.0, 9.0], [5.0, 5.0, 0.0]],
            "ranks": [[3, 1, 2], [1, 1, 1], [1, 1, 3]],
            "stable_from": None,
        }
    ]


def test_a_model_of_one_layer_has_no_picture_over_the_layers() -> None:
    shown = describe_comparison(ask("a"), [result("mine", [[1.0]], layers=(8,))])
    assert shown["layers"] == []
    assert shown["columns"][0]["title"] == "mine · 8"


@pytest.mark.parametrize(
    ("values", "shades"),
    [
        ([2.0, 2.0], [0.0, 0.0]),
        ([-7.5], [0.0]),
        ([-3.0, -1.0, -2.0], [0.0, 1.0, 0.5]),
        ([5e-324, 0.0], [1.0, 0.0]),
        ([1.0, 1.0 + 2**-52], [0.0, 1.0]),
    ],
)
def test_shades_go_from_the_lowest_to_the_highest_of_the_column(values: list[float], shades: list[float]) -> None:
    shown = describe_comparison(ask(*"abc"[: len(values)]), [result("mine", [[value] for value in values])])
    assert shown["columns"][0]["shades"] == shades


# The layer from which the order stays


@pytest.mark.parametrize(
    ("ranks", "first"),
    [
        ([[1, 2], [1, 2], [1, 2]], 8),
        ([[2, 1], [1, 2], [1, 2]], 9),
        ([[1, 2], [2, 1], [1, 2]], None),
        ([[1, 2], [2, 1], [1, 2], [1, 2]], 10),
        ([[2, 1], [2, 1], [1, 2]], None),
        ([[1, 1], [1, 2], [1, 2]], 9),
        ([[1, 2], [1, 1]], None),
        ([[1], [1], [1]], 8),
        ([[1, 2]], None),
        ([], None),
    ],
)
def test_the_order_stays_from_the_first_layer_that_all_later_ones_agree_with(
    ranks: list[list[int]], first: int | None
) -> None:
    assert stable_from(ranks, range(8, 8 + len(ranks))) == first


def test_the_layer_is_named_by_its_number_not_by_its_place() -> None:
    shown = describe_comparison(
        ask("a", "b"), [result("mine", [[2.0, 1.0, 1.5], [1.0, 2.0, 3.0]], layers=(3, 20, 40), shown=(40,))]
    )
    assert shown["layers"][0]["stable_from"] == 20


# What a model took


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "41 ms · 20 tokens · 0 cut · cpu float32"),
        ({"seconds": 12.3456, "tokens": (1000, 2000)}, "12,346 ms · 3,000 tokens · 0 cut · cpu float32"),
        ({"cut_passage_tokens": (0, 7)}, "41 ms · 20 tokens · 1 cut · cpu float32"),
        (
            {"cut_passage_tokens": (0, 7), "cut_query_tokens": (3, 3), "device": "cuda:0", "dtype": "bfloat16"},
            "41 ms · 20 tokens · 2 cut, query shortened by 3 tokens · cuda:0 bfloat16",
        ),
        (
            {"cut_query_tokens": (1, 1), "tokens": (0, 1)},
            "41 ms · 1 token · 2 cut, query shortened by 1 token · cpu float32",
        ),
        ({"family": "bm25"}, "41 ms · counts shared words, stays raw"),
    ],
)
def test_the_summary_says_time_tokens_cuts_device_and_dtype(changes: dict[str, Any], words: str) -> None:
    assert summarize(scores([[0.5], [0.25]], **changes)) == words


def test_the_summary_says_that_one_pass_served_several_layers() -> None:
    one_pass = summarize(scores([[0.5, 0.25, 0.1]], layers=(8, 20, 28), family="layerwise"))
    assert one_pass == "41 ms · 10 tokens · 0 cut · cpu float32 · one pass for 3 layers"
