"""No reader crashes or loses a row in silence, whatever is in the file."""

from collections.abc import Callable, Iterable
from typing import Any

import pytest
from hypothesis import given

from reranker_core.errors import InputError
from reranker_core.examples import (
    Problems,
    read_beir_qrels,
    read_corpus,
    read_queries,
    read_run,
    read_training_jsonl,
    read_trec_qrels,
)
from tests.core.examples.hostile import count_rows, files, folder

Reader = Callable[..., Iterable[Any]]
READERS: list[Reader] = [read_training_jsonl, read_corpus, read_queries, read_beir_qrels, read_trec_qrels, read_run]

pytestmark = pytest.mark.slow  # hundreds of drawn files for every reader


def rows_of(read: Reader, source: Any, **how: Any) -> list[Any]:
    """Read everything, and make a list of pairs of what comes as a table."""
    result: Any = read(source, **how)
    if not isinstance(result, dict):
        return list(result)
    return [(query, passage, value) for query, values in result.items() for passage, value in values.items()]


@pytest.mark.parametrize("read", READERS)
@given(data=files)
def test_rows_that_came_out_and_reasons_are_the_rows_of_the_file(read: Reader, data: bytes) -> None:
    problems = Problems(limit=1000)
    with folder() as place:
        (place / "file").write_bytes(data)
        rows = rows_of(read, place / "file", problems=problems)
    assert len(rows) + problems.count == problems.rows == count_rows(data)
    assert len(problems.listed) == problems.count
    lines = data.split(b"\n")
    numbers = [problem.line for problem in problems.listed]
    assert numbers == sorted(set(numbers))
    for problem in problems.listed:
        assert lines[problem.line - 1].strip(b" \t\r")
        assert problem.message.isprintable(), problem.message
        assert problem.message.endswith(".")


@pytest.mark.parametrize("read", READERS)
@given(data=files)
def test_the_first_problem_is_raised_with_its_line_where_none_are_collected(read: Reader, data: bytes) -> None:
    problems = Problems()
    lines = [line + b"\n" for line in data.split(b"\n")]
    rows = rows_of(read, lines, name="file", problems=problems)
    if problems.count:
        with pytest.raises(InputError) as caught:
            rows_of(read, lines, name="file")
        assert str(caught.value) == str(problems.listed[0])
        assert str(caught.value).startswith(f"file:{problems.listed[0].line}: ")
    else:
        assert rows_of(read, lines) == rows


def test_the_files_of_these_tests_hold_good_and_bad_rows_for_every_reader() -> None:
    good = dict.fromkeys(READERS, 0)
    bad = dict.fromkeys(READERS, 0)

    @given(data=files)
    def count(data: bytes) -> None:
        for read in READERS:
            problems = Problems()
            good[read] += len(rows_of(read, data.split(b"\n"), problems=problems))
            bad[read] += problems.count

    count()
    assert min(good.values()) > 20
    assert min(bad.values()) > 20


@pytest.mark.parametrize("read", READERS)
def test_a_file_that_cannot_be_read_is_one_sentence(read: Reader, tmp_path: Any) -> None:
    for source in (tmp_path / "none.jsonl", tmp_path, str(tmp_path / "none.jsonl"), "nul\0", ""):
        with pytest.raises(InputError, match=r"cannot be read \(.*\)\. Check"):
            rows_of(read, source)


@pytest.mark.parametrize("read", READERS)
def test_what_is_no_line_is_refused(read: Reader) -> None:
    with pytest.raises(InputError, match=r"^line:1: expected a line, got 65\."):
        rows_of(read, b"A")


@pytest.mark.parametrize("read", READERS)
def test_an_empty_file_has_no_rows_and_no_problems(read: Reader) -> None:
    problems = Problems()
    sources: list[list[str | bytes]] = [[], [""], ["\ufeff"], [b"\xef\xbb\xbf\r\n"], ["\n", " \t\r\n", b"\r"]]
    for lines in sources:
        assert rows_of(read, lines, problems=problems) == []
    assert (problems.rows, problems.count) == (0, 0)


def test_problems_are_listed_up_to_the_limit_and_counted_beyond_it() -> None:
    problems = Problems(limit=2)
    lines = ["{", '{"query": "q", "pos": ["p"]}', "{", "{"]
    assert len(list(read_training_jsonl(lines, name="a.jsonl", problems=problems))) == 1
    assert [(problem.source, problem.line) for problem in problems.listed] == [("a.jsonl", 1), ("a.jsonl", 3)]
    assert (problems.count, problems.rows) == (3, 4)
    list(read_training_jsonl(["{"], name="b.jsonl", problems=Problems(limit=0)))


def test_one_collection_of_problems_serves_several_files() -> None:
    problems = Problems()
    list(read_corpus(["{"], name="corpus.jsonl", problems=problems))
    read_beir_qrels(["q"], name="qrels/test.tsv", problems=problems)
    assert [str(problem).split(": ")[0] for problem in problems.listed] == ["corpus.jsonl:1", "qrels/test.tsv:1"]
