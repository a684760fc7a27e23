"""Training rows are read as people have them, and written so that they train the first time."""

import hashlib
import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reranker_core.errors import InputError
from reranker_core.examples import TrainingExample, read_training_jsonl, text_hash, write_training_jsonl
from tests.core.examples.hostile import TEXTS, filled, folder, scores, texts

MINIMAL = '{"query": "q", "pos": ["p"]}'


def example(**fields: Any) -> TrainingExample:
    return TrainingExample(**{"query": "q", "pos": ("p",), "neg": ("n",)} | fields)


def read(*lines: str | bytes) -> list[TrainingExample]:
    return list(read_training_jsonl(lines, name="train.jsonl"))


def write(path: Path, *examples: TrainingExample) -> list[dict[str, Any]]:
    write_training_jsonl(path, examples)
    return [json.loads(line) for line in path.read_bytes().decode().removesuffix("\n").split("\n")]


# Reading


def test_the_cards_row_is_read_with_and_without_negatives_and_prompt() -> None:
    full = '{"query": "q", "pos": ["p1", "p2"], "neg": ["n"], "prompt": "does B answer A?"}'
    assert read(full) == [TrainingExample(query="q", pos=("p1", "p2"), neg=("n",), prompt="does B answer A?")]
    bare = TrainingExample(query="q", pos=("p",), neg=(), prompt=None)
    assert read(MINIMAL) == [bare]
    assert read('{"query": "q", "pos": ["p"], "neg": []}') == [bare]
    assert read('{"query": "q", "pos": ["p"], "neg": null, "prompt": null, "pos_scores": null}') == [bare]


def test_scores_of_a_teacher_are_read_as_floats() -> None:
    [row] = read('{"query": "q", "pos": ["p"], "neg": ["n", "m"], "pos_scores": [96], "neg_scores": [0.5, -1e3]}')
    assert row.pos_scores == (96.0,)
    assert row.neg_scores == (0.5, -1000.0)
    assert all(isinstance(score, float) for score in (*row.pos_scores, *row.neg_scores))


def test_other_keys_are_passed_over() -> None:
    assert read('{"query": "q", "id": 7, "type": {"a": [null]}, "pos": ["p"], "neg": ["n"], "score": NaN}') == [example()]


def test_empty_texts_are_read_since_files_have_them() -> None:
    assert read('{"query": "", "pos": [""], "neg": [" "], "prompt": ""}') == [
        TrainingExample(query="", pos=("",), neg=(" ",), prompt="")
    ]


def test_byte_order_mark_line_ends_and_blank_lines_do_not_matter(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_bytes(f"\ufeff{MINIMAL}\r\n\r\n  \t\n{MINIMAL}\n\n{MINIMAL}".encode())
    assert list(read_training_jsonl(path)) == read(MINIMAL, MINIMAL, MINIMAL)
    assert list(read_training_jsonl(str(path))) == list(read_training_jsonl(path))


def test_a_line_ends_at_a_line_feed_only(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    text = "a\u2028b\u2029c\x85d\x1ee"
    path.write_bytes(json.dumps({"query": text, "pos": [text]}, ensure_ascii=False).encode())
    assert [row.query for row in read_training_jsonl(path)] == [text]


def test_rows_come_one_at_a_time() -> None:
    lines = iter([MINIMAL, "{"])
    rows = read_training_jsonl(lines)
    assert next(rows).query == "q"
    assert next(lines) == "{"


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (
            "{",
            "no valid JSON (Expecting property name enclosed in double quotes at character 2). Write one",
        ),
        ("[" * 100_000, "no valid JSON"),
        ('{"query": %s}' % ("9" * 5000), "no valid JSON"),
        (b"\xff\xfe{", "no UTF-8 (byte 1 of the line). Save the file as UTF-8."),
        ("[]", "expected a JSON object, got an empty list. Write one JSON object a line."),
        ('{"pos": ["p"]}', '"query" is missing; the row has "pos". Add it.'),
        ("{}", '"query" is missing; the row has no keys. Add it.'),
        ('{"query": null, "pos": ["p"]}', '"query" must be a text, got null. Correct it.'),
        ('{"query": "q"}', '"pos" is missing; the row has "query". Remove the line or add a positive passage.'),
        (
            '{"query": "q", "pos": ""}',
            '"pos" must be a non-empty list of strings, got "". Remove the line or add a positive passage.',
        ),
        (
            '{"query": "q", "pos": []}',
            '"pos" must be a non-empty list of strings, got an empty list. Remove the line or add a positive passage.',
        ),
        ('{"query": "q", "pos": null}', '"pos" must be a non-empty list of strings, got null.'),
        ('{"query": "q", "pos": ["p", 3]}', 'text 2 of "pos" must be a text, got 3. Correct it.'),
        (
            '{"query": "q", "pos": ["p"], "neg": "n"}',
            '"neg" must be a list of strings, got "n". Remove the line or correct it.',
        ),
        ('{"query": "q", "pos": ["p"], "neg": [null]}', 'text 1 of "neg" must be a text, got null. Correct it.'),
        ('{"query": "q", "pos": ["p"], "prompt": true}', '"prompt" must be a text, got true. Correct it.'),
        (
            '{"query": "q", "pos": ["p"], "pos_scores": [1, 2]}',
            '"pos_scores" must be a list of 1, one for each text of "pos", got a list of 2.',
        ),
        ('{"query": "q", "pos": ["p"], "neg_scores": 1}', '"neg_scores" must be a list of 0'),
        ('{"query": "q", "pos": ["p"], "pos_scores": ["1"]}', 'score 1 of "pos_scores" must be a finite number, got "1".'),
        ('{"query": "q", "pos": ["p"], "pos_scores": [true]}', 'score 1 of "pos_scores" must be a finite number, got true'),
        ('{"query": "q", "pos": ["p"], "pos_scores": [NaN]}', 'score 1 of "pos_scores" must be a finite number, got nan'),
        ('{"query": "q", "pos": ["p"], "pos_scores": [1e999]}', 'score 1 of "pos_scores" must be a finite number, got inf'),
        (
            '{"query": "q", "pos": ["p"], "pos_scores": [1%s]}' % ("0" * 400),
            'score 1 of "pos_scores" must be a finite number, got a very large number',
        ),
        ('{"query": "q", "pos": ["p"], "pos": ["x"]}', 'the key "pos" is there twice. Keep one of them.'),
        (r'{"query": "a\ud83d", "pos": ["p"]}', '"query" has half of a surrogate pair (U+D83D) at character 2'),
        (r'{"query": "q", "pos": ["p"], "prompt": "\udc00"}', '"prompt" has half of a surrogate pair'),
    ],
)
def test_a_bad_row_is_named_by_file_and_line_with_what_to_do(line: str | bytes, message: str) -> None:
    with pytest.raises(InputError) as caught:
        read(MINIMAL, "", line, MINIMAL)
    assert str(caught.value).startswith(f"train.jsonl:3: {message}")
    assert str(caught.value).isprintable()


def test_a_path_is_named_as_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("train.jsonl").write_text("{")
    with pytest.raises(InputError, match=r"^train\.jsonl:1: "):
        list(read_training_jsonl("train.jsonl"))


def test_a_bad_value_is_shown_short_and_in_one_line() -> None:
    with pytest.raises(InputError) as caught:
        read(json.dumps({"query": "q", "pos": "a\n\u2028\ud83d" + "x" * 500}))
    assert r'got "a\n\u2028\ud83dxxx' in str(caught.value)
    assert len(str(caught.value)) < 200


# An example


def test_an_example_is_checked_and_cannot_be_changed() -> None:
    row = TrainingExample(query="q", pos=["p"], neg=["n"])  # type: ignore[arg-type]
    assert (row.pos, row.neg, hash(row)) == (("p",), ("n",), hash(example()))
    with pytest.raises(AttributeError):
        row.query = "other"  # type: ignore[misc]
    with pytest.raises(InputError, match="non-empty"):
        example(pos=())
    with pytest.raises(InputError, match='"query" must be a text, got a bytes'):
        example(query=b"q")


# Writing


def test_a_row_is_written_in_the_cards_form(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    write(path, example(prompt="does B answer A?"))
    assert path.read_bytes() == b'{"query": "q", "pos": ["p"], "neg": ["n"], "prompt": "does B answer A?"}\n'
    write(path, example(query="熊猫"))
    assert path.read_text(encoding="utf-8") == '{"query": "熊猫", "pos": ["p"], "neg": ["n"]}\n'


def test_scores_are_written_as_floats_in_every_row(tmp_path: Path) -> None:
    [row] = write(tmp_path / "train.jsonl", example(pos_scores=(96,), neg_scores=(0.5,)))
    assert list(row) == ["query", "pos", "neg", "pos_scores", "neg_scores"]
    assert (tmp_path / "train.jsonl").read_text().endswith('"pos_scores": [96.0], "neg_scores": [0.5]}\n')


def test_counts_and_hash_of_the_file_are_given_back(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    written = write_training_jsonl(path, [example(neg=("n", "m")), example(pos=("p", "o", "r"))])
    data = path.read_bytes()
    assert (written.path, written.rows, written.positives, written.negatives) == (path, 2, 4, 3)
    assert (written.size, written.sha256) == (len(data), hashlib.sha256(data).hexdigest())


rows = st.lists(
    st.builds(
        lambda query, pos, neg: TrainingExample(
            query=query, pos=tuple(pos), neg=tuple(n for n in neg if text_hash(n) not in {text_hash(p) for p in pos})
        ),
        filled,
        st.lists(filled, min_size=1, max_size=3),
        st.lists(filled, min_size=1, max_size=3),
    ).filter(lambda row: bool(row.neg)),
    min_size=1,
    max_size=4,
)


@pytest.mark.slow
@given(rows=rows, prompt=st.one_of(st.none(), filled), teacher=st.one_of(st.none(), scores))
def test_any_texts_come_back_as_they_were(rows: list[TrainingExample], prompt: str | None, teacher: float | None) -> None:
    complete = [
        TrainingExample(
            query=row.query,
            pos=row.pos,
            neg=row.neg,
            prompt=prompt,
            pos_scores=None if teacher is None else (teacher,) * len(row.pos),
            neg_scores=None if teacher is None else (-teacher,) * len(row.neg),
        )
        for row in rows
    ]
    with folder() as place:
        write_training_jsonl(place / "train.jsonl", complete)
        assert list(read_training_jsonl(place / "train.jsonl")) == complete


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text[:20]))
def test_readers_that_split_lines_elsewhere_read_the_same(text: str, tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    write_training_jsonl(path, [example(query=text, pos=(f"{text} p",))])
    [line] = path.read_bytes().decode().splitlines()
    assert json.loads(line)["query"] == text
    [row] = read_training_jsonl(path)
    assert (row.query, row.pos) == (text, (f"{text} p",))


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ({"neg": ()}, "it has no negative. Add one"),
        ({"query": ""}, '"query" is empty or only white space, got "". Remove it or fill it in.'),
        ({"prompt": " \n"}, r'"prompt" is empty or only white space, got " \n".'),
        ({"pos": ("p", "\u3000")}, r'text 2 of "pos" is empty or only white space, got "\u3000".'),
        ({"neg": ("",)}, 'text 1 of "neg" is empty'),
        ({"pos": ("p", "n")}, '"n" is in "pos" and in "neg". Decide for one of them.'),
        ({"pos": ("caf\u00e9",), "neg": ("cafe\u0301",)}, '"caf\u00e9" is in "pos" and in "neg"'),
        ({"prompt": "B?"}, "it has a prompt, the first row has not. Give a prompt to all rows or to none."),
        (
            {"pos_scores": (1,), "neg_scores": (0,)},
            "it has scores, the first row has not. Give scores to all rows or to none.",
        ),
        ({"pos_scores": (1,)}, 'it has scores under one of "pos" and "neg" only. Give both or leave both out.'),
        ({"neg_scores": (1,)}, 'it has scores under one of "pos" and "neg" only. Give both or leave both out.'),
    ],
)
def test_what_breaks_training_is_refused_and_nothing_is_written(bad: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        write_training_jsonl(tmp_path / "train.jsonl", [example(), example(**bad)])
    assert str(caught.value).startswith(f"row 2 of train.jsonl: {message}")
    assert str(caught.value).isprintable()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("first", [{"prompt": "B?"}, {"pos_scores": (1,), "neg_scores": (0,)}])
def test_a_row_must_not_lack_what_the_first_has(first: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^row 3 of train\.jsonl: it lacks (a prompt|scores), the first row has\."):
        write_training_jsonl(tmp_path / "train.jsonl", [example(**first), example(**first), example()])


def test_the_first_row_is_checked_like_any_other(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^row 1 of train\.jsonl: it has no negative"):
        write_training_jsonl(tmp_path / "train.jsonl", [example(neg=())])
    with pytest.raises(InputError, match=r"^row 1 of train\.jsonl: expected a TrainingExample, got an object"):
        write_training_jsonl(tmp_path / "train.jsonl", [{"query": "q"}])  # type: ignore[list-item]


def test_no_rows_at_all_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no rows to write"):
        write_training_jsonl(tmp_path / "train.jsonl", [])
    assert list(tmp_path.iterdir()) == []


def test_what_lay_there_stays_when_writing_fails_and_goes_when_it_succeeds(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    path.write_text("before")

    def broken() -> Iterator[TrainingExample]:
        yield example()
        raise OSError("the caller's own")

    with pytest.raises(OSError, match="the caller's own"):
        write_training_jsonl(path, broken())
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]
    write_training_jsonl(path, [example()])
    assert len(list(read_training_jsonl(path))) == 1
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_lies_at_the_place_before_the_last_row(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    seen: list[bool] = []

    def watched() -> Iterator[TrainingExample]:
        for _ in range(3):
            seen.append(path.exists())
            yield example()

    write_training_jsonl(path, watched())
    assert seen == [False, False, False]
    assert path.exists()


def test_writing_and_reading_hold_one_row_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "train.jsonl"
    long = "x" * 100_000
    tracemalloc.start()
    try:
        write_training_jsonl(path, (example(query=f"{number} {long}") for number in range(100)))
        assert sum(1 for _ in read_training_jsonl(path)) == 100
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 10_000_000
    assert peak < 3_000_000


@pytest.mark.parametrize("place", ["none/train.jsonl", ".", "folder", "nul\0.jsonl", ""])
def test_a_place_that_cannot_be_written_is_one_sentence(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match=r"cannot be written \(.*\)\. Check"):
        write_training_jsonl(place, [example()])
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


# Identity


@given(text=texts)
def test_the_hash_of_a_text_trims_and_folds_nothing(text: str) -> None:
    assert text_hash(text) == text_hash(text)
    assert text_hash(f" {text}") != text_hash(text)
    assert text_hash(f"{text}\n") != text_hash(text)


def test_the_hash_of_a_text_is_that_of_its_nfc_form() -> None:
    assert text_hash("caf\u00e9") == hashlib.sha256("caf\u00e9".encode()).hexdigest()
    assert text_hash("cafe\u0301") == text_hash("caf\u00e9")
    assert text_hash("\ufb01") != text_hash("fi")
    assert text_hash("Cafe") != text_hash("cafe")
    assert text_hash("") == hashlib.sha256(b"").hexdigest()
    with pytest.raises(InputError, match="surrogate"):
        text_hash("\ud83d")
