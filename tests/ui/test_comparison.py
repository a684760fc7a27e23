"""What a visitor asks for, as a plain value: every check has its sentence, and JSON gives back the same value."""

import json
from dataclasses import fields
from typing import Any

import pytest

from reranker_core.errors import InputError
from ui.comparison import MOST_PASSAGES, SIGMOID, Comparison

LEAST: dict[str, Any] = {"query": "q", "passages": ["a"], "models": ["bm25"]}
WHOLE = Comparison(
    query=" what is\n🐼? ",
    passages=("a", "", "NUL\x00", "\u202eb\u2028"),
    models=("bm25", "bge-reranker-v2-m3"),
    layers=(8, 40),
    all_layers=True,
    scale=SIGMOID,
    max_length=64,
    query_max_length=64,
    prompt="",
    query_instruction="Q: ",
    passage_instruction="",
)


def make(**changes: Any) -> Comparison:
    return Comparison.from_json(LEAST | changes)


def test_json_gives_the_same_comparison_back() -> None:
    assert Comparison.from_json(json.loads(json.dumps(WHOLE.to_json()))) == WHOLE
    assert WHOLE.to_json().keys() == {field.name for field in fields(Comparison)}
    assert hash(WHOLE) == hash(Comparison.from_json(WHOLE.to_json()))


def test_what_is_at_its_default_is_left_out_of_the_json() -> None:
    assert make().to_json() == LEAST
    assert make(layers=[], all_layers=False, scale="raw", prompt=None, max_length=None).to_json() == LEAST
    assert make(prompt="").to_json() == LEAST | {"prompt": ""}


@pytest.mark.parametrize(
    "changes", [{"max_length": 1, "query_max_length": 1}, {"query_max_length": 512}, {"layers": [40, 8, 8]}]
)
def test_values_at_the_edge_are_taken(changes: dict[str, Any]) -> None:
    assert make(**changes).to_json() == LEAST | changes


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"query": ""}, r"^The query is empty\. Write what is looked for\.$"),
        ({"query": " \n\u3000"}, r"^The query is empty"),
        ({"query": None}, r"^query must be a text, got None\."),
        ({"query": ["q"]}, r"^query must be a text, got \('q',\)\."),
        ({"query": 5}, r"^query must be a text, got 5\."),
        ({"query": "half \ud83d"}, r"^The query has half of a surrogate pair \(U\+D83D\) at character 6"),
        ({"passages": []}, r"^There is no passage to score\. Paste at least one\.$"),
        ({"passages": ["a"] * (MOST_PASSAGES + 1)}, r"up to 1,000 passages, got 1,001\. Take fewer, or use `python -m"),
        ({"passages": "a text"}, r"^passages must be a list of texts, got 'a text'\."),
        ({"passages": None}, r"^passages must be a list of texts, got None\."),
        ({"passages": {"0": "a"}}, r"^passages must be a list of texts"),
        ({"passages": ["a", None]}, r"^passages must be a list of texts"),
        ({"passages": ["a", ["b"]]}, r"^passages must be a list of texts"),
        ({"passages": ["a", "\udc3c"]}, r"^Passage 2 has half of a surrogate pair"),
        ({"models": []}, r"^No model is chosen\. Choose at least one; BM25 needs no weights\.$"),
        ({"models": "bm25"}, r"^models must be a list of texts"),
        ({"models": [{"name": "bm25"}]}, r"^models must be a list of texts"),
        ({"models": ["bm25", "a", "bm25"]}, r"^A model is named twice in bm25, a, bm25\. Name each once\.$"),
        ({"models": ["\ud83d"]}, r"^The name of a model has half of a surrogate pair"),
        ({"layers": [True]}, r"^layers must be a list of whole numbers, got \(True,\)\."),
        ({"layers": [8.0]}, r"^layers must be a list of whole numbers"),
        ({"layers": ["8"]}, r"^layers must be a list of whole numbers"),
        ({"layers": 8}, r"^layers must be a list of whole numbers"),
        ({"layers": None}, r"^layers must be a list of whole numbers"),
        ({"layers": [[8]]}, r"^layers must be a list of whole numbers"),
        ({"all_layers": 1}, r"^all_layers must be true or false, got 1\.$"),
        ({"all_layers": "no"}, r"^all_layers must be true or false"),
        ({"scale": "Sigmoid"}, r'^scale must be "raw" or "sigmoid", got \'Sigmoid\'\.$'),
        ({"scale": None}, r"^scale must be"),
        ({"scale": ["raw"]}, r"^scale must be"),
        ({"max_length": 0}, r"^max_length must be a whole number of tokens from 1 on, got 0\. Leave it out"),
        ({"max_length": True}, r"^max_length must be a whole number"),
        ({"max_length": 512.0}, r"^max_length must be a whole number"),
        ({"max_length": "512"}, r"^max_length must be a whole number"),
        ({"query_max_length": -1}, r"^query_max_length must be a whole number"),
        ({"query_max_length": float("nan")}, r"^query_max_length must be a whole number"),
        ({"query_max_length": 513}, r"^query_max_length is at most max_length \(512\), got 513\. Lower it\.$"),
        ({"query_max_length": 65, "max_length": 64}, r"^query_max_length is at most max_length \(64\), got 65"),
        ({"prompt": 5}, r"^prompt must be a text, got 5\."),
        ({"prompt": "\ud83d"}, r"^The prompt has half of a surrogate pair"),
        ({"query_instruction": ["a"]}, r"^query_instruction must be a text"),
        ({"passage_instruction": {"a": "b"}}, r"^passage_instruction must be a text"),
    ],
)
def test_what_cannot_be_compared_is_refused_with_a_sentence(changes: dict[str, Any], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence) as raised:
        make(**changes)
    assert len(str(raised.value)) < 250


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (None, r"^A comparison is a JSON object\. Copy the link or the JSON again\.$"),
        ([LEAST], r"^A comparison is a JSON object"),
        ("{}", r"^A comparison is a JSON object"),
        (5, r"^A comparison is a JSON object"),
        ({}, r"^The comparison lacks 'query'\. Copy"),
        ({"query": "q", "models": ["bm25"]}, r"^The comparison lacks 'passages'"),
        ({"query": "q", "passages": ["a"]}, r"^The comparison lacks 'models'"),
        (LEAST | {"device": "cuda"}, r"^A comparison has no field 'device'\. It may come from a newer version\.$"),
        (LEAST | {"self": 1, "__class__": 2}, r"^A comparison has no field '__class__'"),
        (LEAST | {5: 1, None: 2}, r"^A comparison has no field '5'"),
    ],
)
def test_what_is_no_comparison_is_refused_with_a_sentence(content: Any, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Comparison.from_json(content)
