"""Texts, ids and files that readers stumble over."""

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from hypothesis import strategies as st

BOM = "\ufeff".encode()

TEXTS = (
    "two\nlines",
    "a\r\nb\rc",
    "tab\tand \\t",
    "NUL \x00 inside",
    "\u2028line\u2029paragraph\x85next\x0b\x0c\x1c\x1d\x1e",
    "مرحبا \u202eבעברית",
    "🐼👩‍👩‍👧",
    "quotes \" and ' and \\",
    "  spaces around  ",
    "\ufeffmark",
    "cafe\u0301",
    '{"query": "q"}',
    "long " * 50_000,
)

texts = st.one_of(st.sampled_from(TEXTS[:-1]), st.text())
"""Any text that is one: no half surrogate pairs."""

filled = texts.filter(lambda text: bool(text.strip()))

trec_ids = st.text(min_size=1, max_size=8).filter(lambda t: t.split() == [t] and not t.startswith("\ufeff"))
beir_ids = st.text(min_size=1, max_size=8).filter(
    lambda t: bool(t.strip()) and t.splitlines() == [t] and "\t" not in t and not t.startswith("\ufeff")
)
grades = st.integers(-5, 999_999_999)
scores = st.floats(allow_nan=False, allow_infinity=False)

_values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.just("\ud83d")),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=4), inner, max_size=3)),
    max_leaves=6,
)
_fields = ("query", "pos", "neg", "prompt", "pos_scores", "neg_scores", "_id", "title", "text", "other")
_objects = st.dictionaries(
    st.sampled_from(_fields), st.one_of(_values, texts, st.lists(texts, max_size=3), st.lists(scores, max_size=3))
)
_good_objects = st.builds(
    lambda query, pos, entry: {"query": query, "pos": pos, "_id": entry, "text": query},
    texts,
    st.lists(texts, min_size=1, max_size=3),
    st.one_of(st.text(max_size=2), st.integers(0, 9)),
)
_words = st.one_of(
    st.sampled_from(["1", "0", "Q0", "d1", "3.0", "-1", "0.5", "1e999", "nan", "", "x", "\u00a0", "1\r2", "٣", "9" * 5000]),
    st.text(max_size=3),
)
_columns = st.builds(
    lambda words, gap: gap.join(words), st.lists(_words, min_size=1, max_size=7), st.sampled_from(["\t", " ", " \t "])
)
_good_columns = st.builds(
    lambda query, passage, tail, gap: gap.join([query, *tail[0], passage, *tail[1]]),
    st.sampled_from(["q1", "q2", "q3"]),
    st.sampled_from(["d1", "d2", "d3", "d\u00a04"]),
    st.sampled_from([((), ("2",)), (("0",), ("3.0",)), (("Q0",), ("1", "-0.5e3", "tag"))]),
    st.sampled_from(["\t", "\t", " "]),
)
_good = st.one_of(_good_objects.map(json.dumps), _good_columns, _good_columns)
_bad = st.one_of(
    st.one_of(_objects, _values).map(json.dumps),
    _columns,
    st.sampled_from(["", "  ", "\t\t", "\r", "{", "[" * 100_000, '{"query": "q", "query": "q"}']),
)
_lines = st.one_of(
    st.lists(_good, max_size=12),
    st.lists(st.one_of(_good, _bad), max_size=12),
)
_noise = st.lists(st.binary(max_size=20), max_size=3)

files = st.builds(
    lambda mark, lines, noise, end: mark + end.join([*(line.encode("utf-8", "surrogatepass") for line in lines), *noise]),
    st.sampled_from([b"", b"", BOM]),
    _lines,
    _noise,
    st.sampled_from([b"\n", b"\r\n"]),
)
"""The bytes of a file with good rows, bad rows and noise, for any format."""


def count_rows(data: bytes) -> int:
    """Count the lines that are not blank, in the simplest way there is."""
    return sum(1 for line in data.removeprefix(BOM).split(b"\n") if line.strip(b" \t\r"))


@contextmanager
def folder() -> Iterator[Path]:
    """A new folder for each example; pytest's `tmp_path` is one for all of them."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)
