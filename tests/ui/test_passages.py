"""Passages from the box and from files: every text comes through as it was, and what cannot be read is named."""

import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest

from reranker_core.errors import InputError
from ui.passages import (
    BY_BLANK_LINES,
    FILE_TYPES,
    JSON_STRINGS,
    ONE_PER_LINE,
    SEPARATIONS,
    ReadFile,
    join_passages,
    read_passages_file,
    split_passages,
)

HOSTILE = [
    "one\ntwo",
    "\nafter a line break",
    "before one\n",
    "  spaces around\t",
    "a blank line\n\ninside",
    "windows\r\ninside",
    "mac\rinside",
    "NUL\x00 inside",
    "\u202eright to left\u202c",
    "line\u2028separator\u2029paragraph\x85next",
    "form\x0cfeed\x0b\x1c\x1d\x1e",
    "'single' \"double\" `back` \\",
    '"a JSON string"',
    "🐼" * 3,
    "<img src=x onerror=alert(1)> ${alert(1)} {{value}}",
    "=1+1",
    "a,b;c\td",
    "\ufeffmarked",
]


def write(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(tmp_path: Path, name: str, content: str | bytes) -> ReadFile:
    return read_passages_file(write(tmp_path, name, content))


# The box


@pytest.mark.parametrize(
    ("text", "separated", "expected"),
    [
        ("a\nb", ONE_PER_LINE, ["a", "b"]),
        ("a\r\n\r\nb\r\n", ONE_PER_LINE, ["a", "b"]),
        ("a\rb", ONE_PER_LINE, ["a", "b"]),
        ("  a \n\t\n b", ONE_PER_LINE, ["  a ", " b"]),
        ("a\u2028b\x85c\x0cd", ONE_PER_LINE, ["a\u2028b\x85c\x0cd"]),
        ("", ONE_PER_LINE, []),
        ("a\nb\n\nc", BY_BLANK_LINES, ["a\nb", "c"]),
        ("\n\na\n \n\n\n b \n", BY_BLANK_LINES, ["a", " b "]),
        ("a\r\nb\r\n\r\nc", BY_BLANK_LINES, ["a\nb", "c"]),
        ("", BY_BLANK_LINES, []),
        ('"a\\nb"\n\n  "c"  \r\n""\n" "', JSON_STRINGS, ["a\nb", "c", "", " "]),
        ('"\\u0000\\ud83d\\udc3c"', JSON_STRINGS, ["\x00🐼"]),
        ("\n", JSON_STRINGS, []),
    ],
)
def test_passages_are_split_and_nothing_but_empty_lines_is_dropped(text: str, separated: str, expected: list[str]) -> None:
    assert split_passages(text, separated) == expected


@pytest.mark.parametrize("line", ["bare", '"open', "5", "null", '["a"]', '"a" "b"', '"a\tb"', "[" * 100_000])
def test_a_line_that_is_no_json_string_is_named(line: str) -> None:
    with pytest.raises(InputError, match=r"^Line 3 of the passages is no JSON string like \"text\"\. Mend it"):
        split_passages(f'"a"\n\n{line}\n"b"', JSON_STRINGS)


def test_an_unknown_separation_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputError, match=f"separated as {', '.join(SEPARATIONS)}, got 'tabs'"):
        split_passages("a", "tabs")


@pytest.mark.parametrize(
    ("passages", "separated"),
    [
        ([], ONE_PER_LINE),
        (["one", " two "], ONE_PER_LINE),
        (["form\x0cfeed", "line\u2028separator"], ONE_PER_LINE),
        (["one\ntwo", "three"], BY_BLANK_LINES),
        (["a blank line\n\ninside"], JSON_STRINGS),
        (["one\ntwo", "three\n"], JSON_STRINGS),
        (["a\rb"], JSON_STRINGS),
        (["  ", "a"], JSON_STRINGS),
        ([""], JSON_STRINGS),
    ],
)
def test_the_simplest_separation_is_taken_from_which_the_same_texts_come_back(passages: list[str], separated: str) -> None:
    text, chosen = join_passages(passages)
    assert chosen == separated
    assert split_passages(text, chosen) == passages


def test_every_hostile_text_comes_back_from_the_box_alone_and_beside_others() -> None:
    for passages in ([text] for text in HOSTILE):
        assert split_passages(*join_passages(passages)) == passages
    assert split_passages(*join_passages(HOSTILE)) == HOSTILE


def test_texts_stay_readable_in_the_box() -> None:
    assert join_passages(["大熊猫\n\n🐼"]) == ('"大熊猫\\n\\n🐼"', JSON_STRINGS)


def test_any_texts_come_back_from_the_box_also_after_a_browser_has_rewritten_the_line_ends() -> None:
    random_ = random.Random(1)
    pieces = [
        *"ab\"'\\,=<$",
        "\n",
        "\n\n",
        "\r\n",
        "\r",
        " ",
        "\t",
        "\x00",
        "\u202e",
        "\u2028",
        "\x0c",
        "\x85",
        "\u3000",
        "🐼",
    ]
    for _ in range(2000):
        passages = ["".join(random_.choices(pieces, k=random_.randint(0, 6))) for _ in range(random_.randint(0, 4))]
        text, separated = join_passages(passages)
        assert split_passages(text, separated) == passages
        in_browser = text.replace("\r\n", "\n").replace("\r", "\n")
        assert split_passages(in_browser, separated) == passages
        assert split_passages(in_browser.replace("\n", "\r\n"), separated) == passages


# Files


@pytest.mark.parametrize(
    ("name", "content", "query", "passages"),
    [
        ("a.txt", "one\r\n\r\n two \nthree", None, ["one", " two ", "three"]),
        ("a.TXT", "\ufeffone\u2028still one\n", None, ["one\u2028still one"]),
        ("a.jsonl", '"one"\n\n"two\\nlines"\r\n"three"\r"four"', None, ["one", "two\nlines", "three", "four"]),
        ("a.jsonl", '\ufeff{"passage": "one"}\n{"passage": " two "}', None, ["one", " two "]),
        ("a.jsonl", '{"_id": "1", "title": "T", "text": "one", "metadata": {}}\n{"text": "two"}', None, ["T one", "two"]),
        ("a.jsonl", '{"query": "q", "passages": ["one", "two"]}', "q", ["one", "two"]),
        (
            "a.jsonl",
            '{"query": "q", "pos": ["one"], "neg": ["two", "three"], "prompt": "p"}',
            "q",
            ["one", "two", "three"],
        ),
        ("a.jsonl", '{"query": "q", "pos": "one", "neg": null}\n{"neg": ["two"]}', "q", ["one", "two"]),
        ("a.jsonl", '{"passage": "one"}\n{"query": "q", "passage": "two"}', "q", ["one", "two"]),
        ("a.jsonl", '{"query": "  ", "passage": "one"}\n{"query": "q", "passage": "two"}', "q", ["one", "two"]),
        ("a.jsonl", '"one"\n""\n{"passage": " "}\n{"pos": ["", "two"]}', None, ["one", "two"]),
        ("a.jsonl", '{"title": "T", "passage": "one"}\n{"title": "", "text": "two"}', None, ["one", "two"]),
        ("a.csv", "passage\none\n\ntwo\n", None, ["one", "two"]),
        ("a.csv", "passage,score\none,1\n,2\n ,3\n", None, ["one"]),
        ("a.csv", 'Query, Passage \nq,"one, ""two""\nthree"\n,four\r\n', "q", ['one, "two"\nthree', "four"]),
        ("a.csv", "\ufeffid,title,text\n1,T,one\n2,,two\n", None, ["T one", "two"]),
        ("a.csv", 'one\n"two, three"\nfour', None, ["one", "two, three", "four"]),
        ("a.csv", "text,score\none\u2028still\x0cone\x85,1\n", None, ["one\u2028still\x0cone\x85"]),
        ("a.csv", 'passage\n"NUL\x00 and\r\nlines\rof\nall kinds"\n', None, ["NUL\x00 and\r\nlines\rof\nall kinds"]),
        ("a.csv", "passage\r=1+1\r two \r", None, ["=1+1", " two "]),
        ("a.tsv", 'query\tdocument\nq\tone, two\n\t"three\tfour"\n', "q", ["one, two", "three\tfour"]),
        ("a.json", '{"query": "q", "passages": ["one", "", " "], "columns": []}', "q", ["one", "", " "]),
        ("a.json", '"one"', None, ["one"]),
    ],
)
def test_a_file_gives_its_query_and_its_passages(
    tmp_path: Path, name: str, content: str, query: str | None, passages: list[str]
) -> None:
    found = read(tmp_path, name, content)
    assert (found.query, found.passages) == (query, passages)
    assert found.note == f"{len(passages)} passage{'' if len(passages) == 1 else 's'} from {name}."


def test_hostile_texts_come_through_every_kind_of_file(tmp_path: Path) -> None:
    jsonl = "\n".join(json.dumps({"query": "q", "passage": text}, ensure_ascii=False) for text in HOSTILE)
    assert read(tmp_path, "a.jsonl", jsonl).passages == HOSTILE
    assert read(tmp_path, "a.json", json.dumps({"query": "q", "passages": HOSTILE})).passages == HOSTILE
    for name, dialect in (("a.csv", "excel"), ("b.csv", "unix"), ("a.tsv", "excel-tab")):
        path = tmp_path / name
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, dialect, quoting=csv.QUOTE_ALL).writerows([["passage"], *([text] for text in HOSTILE)])
        assert read_passages_file(path).passages == HOSTILE


def test_a_passage_of_200_000_characters_is_read_from_a_csv(tmp_path: Path) -> None:
    long = '"x' * 100_000
    quoted = long.replace('"', '""')
    assert read(tmp_path, "a.csv", f'passage\n"{quoted}"\n').passages == [long]


def test_further_queries_are_left_out_with_their_passages_and_said(tmp_path: Path) -> None:
    rows = [("q", "one"), ("r", "two"), ("q", "three"), ("s", "four"), ("r", "five")]
    content = "\n".join(json.dumps({"query": query, "pos": [text]}) for query, text in rows[:2])
    assert read(tmp_path, "a.jsonl", content).note == (
        "1 passage from a.jsonl. It holds 1 more query, left out with what belongs to it."
    )
    found = read(tmp_path, "a.csv", "query,passage\n" + "\n".join(map(",".join, rows)))
    assert (found.query, found.passages) == ("q", ["one", "three"])
    assert found.note == "2 passages from a.csv. It holds 2 more queries, left out with what belongs to it."


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("a.txt", b"one\ntwo\nd\xe9j\xe0 vu", r"^a\.txt:3: this is no UTF-8 text\. Save the file as UTF-8\.$"),
        ("a.csv", "passage\n熊猫".encode("utf-16"), r"^a\.csv:1: this is no UTF-8 text"),
        ("a.txt", "", r"^a\.txt holds no passage\. Choose a file"),
        ("a.txt", " \n\t\n", r"^a\.txt holds no passage"),
        ("a.csv", "", r"^a\.csv holds no passage"),
        ("a.csv", "query,passage\n", r"^a\.csv holds no passage"),
        ("a.jsonl", "\n\n", r"^a\.jsonl holds no passage"),
        ("a.json", "", r"^a\.json: this is no valid JSON"),
        ("a.json", '{"passages": []}', r"^a\.json holds no passage"),
        ("a.jsonl", '"one"\n\n{"passage": "two"', r"^a\.jsonl:3: this is no valid JSON \(.*\)\. Mend the line"),
        ("a.jsonl", "\n" + "[" * 100_000, r"^a\.jsonl:2: this is no valid JSON"),
        ("a.jsonl", '"one"\n\n5', r"^a\.jsonl:3 must be a text or an object with a passage, got 5\."),
        ("a.jsonl", '["one"]', r"^a\.jsonl:1 must be a text or an object"),
        ("a.jsonl", '\n{"query": 5, "passage": "one"}', r'^a\.jsonl:2: "query" must be a text, got 5\.'),
        ("a.jsonl", '\n{"passage": null}', r"^a\.jsonl:2: a passage must be a text, got None\."),
        ("a.jsonl", '{"pos": ["one"], "neg": [2]}', r"^a\.jsonl:1: a passage must be a text, got 2\."),
        ("a.jsonl", '{"passages": {"a": 1}}', r"^a\.jsonl:1: a passage must be a text"),
        (
            "a.jsonl",
            '"one"\n{"id": 1, "body": "two"}',
            r'^a\.jsonl:2 has none of "passage", "passages", "text", "pos", "neg"',
        ),
        ("a.jsonl", '"one"\n"half \\ud83d"', r"^a\.jsonl:2: the passage has half of a surrogate pair \(U\+D83D\)"),
        ("a.jsonl", '{"query": "\\udc3c", "passage": "a"}', r"^a\.jsonl:1: the query has half of a surrogate pair"),
        ("a.csv", "id,body\n1,one\n", r"^a\.csv:1: no column is called passage or text, got id, body\. Name"),
        ("a.csv", "one\ntwo, three\n", r"^a\.csv:1: no column is called passage or text, got one\."),
        ("a.csv", 'passage\none\n"two\nthree\n', r"^a\.csv:4: .*\. Quote fields that hold quotes or line breaks\.$"),
        ("a.tsv", 'passage\n"one" two\n', r"^a\.tsv:2: .* Quote fields"),
        ("a.csv", 'query,passage\nq,"one\ntwo"\n\n"q\nr"\n', r"^a\.csv:5 has none of"),
        (
            "a.pdf",
            "one",
            r"^a\.pdf: passages come from \.txt, \.jsonl, \.csv, \.tsv, \.json, got \.pdf\. Rename or convert it\.$",
        ),
        ("README", "one", r"^README: passages come from .* got no ending"),
    ],
)
def test_a_file_that_cannot_be_read_gets_a_sentence_that_names_the_place(
    tmp_path: Path, name: str, content: Any, sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        read(tmp_path, name, content)


def test_messages_name_the_file_as_the_person_knows_it(tmp_path: Path) -> None:
    path = write(tmp_path, "upload-1234", b"\xff")
    with pytest.raises(InputError, match=r"^mine\.txt:1: this is no UTF-8"):
        read_passages_file(path, name="mine.txt")
    with pytest.raises(InputError, match=r"^gone\.txt cannot be read \(No such file or directory\)"):
        read_passages_file(tmp_path / "gone.txt")


def test_every_ending_that_is_offered_is_read(tmp_path: Path) -> None:
    for ending in FILE_TYPES:
        assert read(tmp_path, f"a{ending}", '"one"').passages in (["one"], ['"one"'])
