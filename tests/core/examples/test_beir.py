"""BEIR folders are read without losing a row, and written so that everybody reads the same."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reranker_core.errors import InputError
from reranker_core.examples import (
    CorpusEntry,
    Problems,
    Qrels,
    QueryEntry,
    open_beir,
    read_beir_qrels,
    read_corpus,
    read_queries,
    write_beir,
    write_beir_qrels,
    write_corpus,
    write_queries,
)
from tests.core.examples.hostile import beir_ids, folder, grades, texts

HEADER = "query-id\tcorpus-id\tscore"


def corpus(*lines: str) -> list[CorpusEntry]:
    return list(read_corpus(lines, name="corpus.jsonl"))


def qrels(*lines: str) -> Qrels:
    return read_beir_qrels(lines, name="test.tsv")


# corpus.jsonl and queries.jsonl


def test_a_document_has_an_id_a_text_and_perhaps_a_title() -> None:
    assert corpus(
        '{"_id": "d1", "title": "Panda", "text": "a bear", "metadata": {"url": "x"}}',
        '{"_id": "d2", "text": "no title"}',
        '{"_id": 3, "title": null, "text": ""}',
    ) == [
        CorpusEntry(id="d1", title="Panda", text="a bear"),
        CorpusEntry(id="d2", text="no title"),
        CorpusEntry(id="3", text=""),
    ]


@pytest.mark.parametrize(
    ("title", "text", "passage"),
    [
        ("Panda", "a bear", "Panda a bear"),
        (" Panda ", " a bear\n", "Panda   a bear"),
        ("Panda", "", "Panda"),
        ("", "", ""),
        ("", "  as it is\n", "  as it is\n"),
    ],
)
def test_what_is_ranked_is_title_and_text_trimmed_or_the_text_alone_untouched(title: str, text: str, passage: str) -> None:
    assert CorpusEntry(id="d", title=title, text=text).passage == passage


def test_a_query_has_an_id_and_a_text() -> None:
    assert list(read_queries(['{"_id": "q1", "text": "what is panda?", "metadata": {}}', '{"_id": 2, "text": ""}'])) == [
        QueryEntry(id="q1", text="what is panda?"),
        QueryEntry(id="2", text=""),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"text": "t"}', '"_id" is missing; the row has "text". Add it.'),
        ('{"_id": "d", "title": "t"}', '"text" is missing; the row has "_id", "title". Add it.'),
        ('{"_id": "d", "text": null}', '"text" must be a text, got null. Correct it.'),
        ('{"_id": "", "text": "t"}', '"_id" must not be empty. Give each row its own.'),
        ('{"_id": true, "text": "t"}', '"_id" must be a text, got true. Correct it.'),
        ('{"_id": 1.5, "text": "t"}', '"_id" must be a text, got 1.5. Correct it.'),
        ('{"_id": "1", "text": "t"}', 'the _id "1" was there before. Give each row its own.'),
        ('{"_id": 1, "text": "t"}', 'the _id "1" was there before. Give each row its own.'),
        (r'{"_id": "d\ud83d", "text": "t"}', '"_id" has half of a surrogate pair'),
        ('["d", "t"]', "expected a JSON object, got a list of 2."),
    ],
)
def test_a_bad_row_of_corpus_or_queries_is_named_by_file_and_line(line: str, message: str) -> None:
    first = '{"_id": "1", "text": "t"}'
    for read in (read_corpus, read_queries):
        with pytest.raises(InputError) as caught:
            list(read([first, line], name="file.jsonl"))
        assert str(caught.value).startswith(f"file.jsonl:2: {message}")


def test_a_title_must_be_a_text() -> None:
    with pytest.raises(InputError, match=r'^corpus\.jsonl:1: "title" must be a text, got 3\. '):
        corpus('{"_id": "d", "title": 3, "text": "t"}')


def test_a_corpus_comes_row_by_row() -> None:
    lines = iter(['{"_id": "d", "text": "t"}', "{"])
    assert next(read_corpus(lines)).id == "d"
    assert next(lines) == "{"


# qrels


@pytest.mark.parametrize(
    "header",
    [
        HEADER,
        "query_id\tdoc_id\trelevance",
        "QUERY-ID\tCORPUS-ID\tSCORE\r",
        "\ufeffquery-id\tcorpus-id\tscore",
        "qid\tpid\trel",
    ],
)
def test_a_header_is_passed_over(header: str) -> None:
    problems = Problems()
    assert read_beir_qrels([header, "q\td\t1"], problems=problems) == {"q": {"d": 1}}
    assert (problems.rows, problems.count) == (1, 0)


def test_a_file_without_header_keeps_its_first_row() -> None:
    assert qrels("q1\td1\t1", "q1\td2\t0") == {"q1": {"d1": 1, "d2": 0}}
    assert qrels("", "query\tdoc\t1") == {"query": {"doc": 1}}


def test_a_first_line_that_is_neither_header_nor_row_is_told() -> None:
    for line in ("q1\td1\trelevant", "query-id\tcorpus-id", "foo\tbar\tscore", f"{HEADER}\textra"):
        with pytest.raises(InputError, match=r"^test\.tsv:1: "):
            qrels(line)


def test_a_header_is_one_at_the_top_only() -> None:
    with pytest.raises(InputError, match=r'^test\.tsv:2: the grade must be a whole number, got "score"\.'):
        qrels(HEADER, HEADER)
    with pytest.raises(InputError, match=r"^test\.tsv:2: "):
        qrels("q\td\t1", HEADER)
    problems = Problems()
    assert read_beir_qrels([b"\xff", HEADER.encode(), b"q\td\t1"], problems=problems) == {"q": {"d": 1}}
    assert [problem.line for problem in problems.listed] == [1, 2]


def test_grades_are_whole_numbers_however_they_are_written() -> None:
    table = qrels("q\ta\t3", "q\tb\t3.0", "q\tc\t-1", "q\td\t0", "q\te\t+2", "q\tf\t 4 ", "q\tg\t-1.00", "q\th\t007")
    assert table == {"q": {"a": 3, "b": 3, "c": -1, "d": 0, "e": 2, "f": 4, "g": -1, "h": 7}}
    assert all(type(grade) is int for grade in table["q"].values())


@pytest.mark.parametrize("grade", ["", "x", "0.5", "1e0", "1_0", "٣", "0x1", "nan", "3,0", "--1", "9" * 5000])
def test_other_grades_are_refused(grade: str) -> None:
    with pytest.raises(InputError, match=r'^test\.tsv:2: the grade must be a whole number, got ".*"\. Correct the line\.'):
        qrels("q\td\t1", f"q\te\t{grade}")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("q d 1", "expected query-id, tab, corpus-id, tab, score, got 1 column. Correct the line."),
        ("q\t0\td\t1", "expected query-id, tab, corpus-id, tab, score, got 4 columns. Correct the line."),
        ("\td\t1", "the query id is empty. Correct the line."),
        ("q\t \t1", "the passage id is empty. Correct the line."),
        ("q\td\t2", 'query "q" has passage "d" twice, the first time with 1. Remove one of the lines.'),
        ("q\td\t1", 'query "q" has passage "d" twice'),
        ("q\ud83d\td\t1", "the query id has half of a surrogate pair"),
    ],
)
def test_a_bad_row_of_qrels_is_named_by_file_and_line(line: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        qrels(HEADER, "q\td\t1", line)
    assert str(caught.value).startswith(f"test.tsv:3: {message}")


def test_of_a_pair_that_comes_twice_the_first_stays() -> None:
    problems = Problems()
    assert read_beir_qrels(["q\td\t1", "q\td\t2"], problems=problems) == {"q": {"d": 1}}
    assert [problem.line for problem in problems.listed] == [2]


def test_ids_with_spaces_are_ids_here() -> None:
    assert qrels("a query\ta doc\t1") == {"a query": {"a doc": 1}}


# Folders


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    """A small folder."""
    place = tmp_path / "beir"
    write_beir(
        place,
        corpus=[CorpusEntry(id="d1", title="T", text="one"), CorpusEntry(id="d2", text="two")],
        queries=[QueryEntry(id="q1", text="first"), QueryEntry(id="q2", text="second")],
        qrels={"test": {"q1": {"d1": 3, "d2": -1}}, "train": {"q2": {"d2": 0}}, "extra": {}},
    )
    return place


def test_a_folder_is_written_in_beirs_form(beir: Path) -> None:
    files = {str(path.relative_to(beir)): path.read_text() for path in beir.rglob("*") if path.is_file()}
    assert files == {
        "corpus.jsonl": '{"_id": "d1", "title": "T", "text": "one"}\n{"_id": "d2", "title": "", "text": "two"}\n',
        "queries.jsonl": '{"_id": "q1", "text": "first"}\n{"_id": "q2", "text": "second"}\n',
        "qrels/test.tsv": f"{HEADER}\nq1\td1\t3\nq1\td2\t-1\n",
        "qrels/train.tsv": f"{HEADER}\nq2\td2\t0\n",
        "qrels/extra.tsv": f"{HEADER}\n",
    }


def test_a_folder_that_was_written_is_read_back(beir: Path) -> None:
    opened = open_beir(beir)
    assert opened.splits == ("train", "test", "extra")
    assert [entry.passage for entry in opened.read_corpus()] == ["T one", "two"]
    assert [entry.text for entry in opened.read_queries()] == ["first", "second"]
    assert opened.read_qrels("test") == {"q1": {"d1": 3, "d2": -1}}
    assert opened.read_qrels("extra") == {}
    with pytest.raises(InputError, match=r'has no split "dev"\. There are: train, test, extra'):
        opened.read_qrels("dev")


def test_messages_name_the_files_of_a_folder(beir: Path) -> None:
    (beir / "qrels" / "test.tsv").write_text("q1\n")
    (beir / "corpus.jsonl").write_text("{\n")
    problems = Problems()
    list(open_beir(beir).read_corpus(problems=problems))
    open_beir(beir).read_qrels("test", problems=problems)
    assert [str(problem).split(": ")[0] for problem in problems.listed] == ["corpus.jsonl:1", "qrels/test.tsv:1"]


def test_a_folder_needs_corpus_and_queries_but_no_qrels(beir: Path, tmp_path: Path) -> None:
    for path in (beir / "qrels").iterdir():
        path.unlink()
    (beir / "qrels").rmdir()
    assert open_beir(beir).splits == ()
    (beir / "queries.jsonl").unlink()
    with pytest.raises(InputError, match=r"has no queries\.jsonl, so it is no BEIR folder"):
        open_beir(beir)
    with pytest.raises(InputError, match=r"has no corpus\.jsonl and no queries\.jsonl"):
        open_beir(tmp_path / "nowhere")
    with pytest.raises(InputError):
        open_beir("x" * 5000)


def test_only_visible_tsv_files_are_splits(beir: Path) -> None:
    for name in (".dev.tsv", "notes.txt", "dev"):
        (beir / "qrels" / name).write_text("")
    assert open_beir(beir).splits == ("train", "test", "extra")


def test_counts_and_hashes_of_a_folder_are_given_back(tmp_path: Path) -> None:
    written = write_beir(
        tmp_path / "b",
        corpus=[CorpusEntry(id="d", text="t")] * 1,
        queries=[QueryEntry(id="q", text="t")],
        qrels={"test": {"q": {"d": 1}}},
    )
    assert list(written) == ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"]
    for name, file in written.items():
        data = (tmp_path / "b" / name).read_bytes()
        assert file.path == tmp_path / "b" / name
        assert (file.rows, file.size, file.sha256) == (1, len(data), hashlib.sha256(data).hexdigest())


def write_with(tmp_path: Path, **what: Any) -> None:
    given_parts = {
        "corpus": [CorpusEntry(id="d", text="t")],
        "queries": [QueryEntry(id="q", text="t")],
        "qrels": {"test": {"q": {"d": 1}}},
    }
    write_beir(tmp_path / "b", **(given_parts | what))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({"corpus": [CorpusEntry(id="d", text="t")] * 2}, 'row 2 of corpus.jsonl: the _id "d" was there before'),
        ({"queries": [QueryEntry(id="q", text="t")] * 2}, 'row 2 of queries.jsonl: the _id "q" was there before'),
        (
            {"corpus": [CorpusEntry(id="a\tb", text="t")]},
            "row 1 of corpus.jsonl: the _id must have no tabs and no line breaks",
        ),
        ({"corpus": [CorpusEntry(id="a\u2028", text="t")]}, "row 1 of corpus.jsonl: the _id must have no tabs and no line"),
        ({"qrels": {"test": {"x": {"d": 1}}}}, 'qrels/test.tsv names query "x", which is not among the queries.'),
        ({"qrels": {"dev": {"q": {"x": 1}}}}, 'qrels/dev.tsv names passage "x" for query "q", which is not in the corpus.'),
        ({"qrels": {"test": {"q": {}}}}, 'query "q" has no passages, so no line would tell of it. Leave it out.'),
        ({"qrels": {"test": {"q": {"d": 1.0}}}}, "a grade must be a whole number of up to nine digits, got 1.0."),
        ({"qrels": {"test": {"q": {"d": True}}}}, "a grade must be a whole number of up to nine digits, got true."),
        ({"qrels": {"test": {"q": {"d": 10**9}}}}, "a grade must be a whole number of up to nine digits, got 1000000000."),
        ({"qrels": {"../test": {}}}, 'a split must be the name of a file, got "../test".'),
        ({"qrels": {"a/b": {}}}, 'a split must be the name of a file, got "a/b".'),
        ({"qrels": {"a\\b": {}}}, "a split must be the name of a file"),
        ({"qrels": {"a\0": {}}}, "a split must be the name of a file"),
        ({"qrels": {".test": {}}}, "a split must be the name of a file"),
        ({"qrels": {" test": {}}}, "a split must be the name of a file"),
        ({"qrels": {"": {}}}, "the split must not be empty"),
    ],
)
def test_what_could_not_be_read_back_is_refused_and_nothing_is_written(
    what: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        write_with(tmp_path, **what)
    assert str(caught.value).startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    with pytest.raises(InputError, match=r"is there already, and is not written over"):
        write_with(tmp_path)
    assert [path.name for path in tmp_path.rglob("*")] == ["b"]


def test_a_corpus_that_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterator[CorpusEntry]:
        yield CorpusEntry(id="d", text="t")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_with(tmp_path, corpus=broken())
    assert list(tmp_path.iterdir()) == []


@given(entries=st.dictionaries(beir_ids, st.tuples(texts, texts), max_size=4))
def test_any_texts_come_back_as_they_were(entries: dict[str, tuple[str, str]]) -> None:
    documents = [CorpusEntry(id=key, title=title, text=text) for key, (title, text) in entries.items()]
    queries = [QueryEntry(id=key, text=text) for key, (_, text) in entries.items()]
    with folder() as place:
        write_corpus(place / "corpus.jsonl", documents)
        write_queries(place / "queries.jsonl", queries)
        assert list(read_corpus(place / "corpus.jsonl")) == documents
        assert list(read_queries(place / "queries.jsonl")) == queries
        assert len((place / "corpus.jsonl").read_bytes().decode().splitlines()) == len(documents)
        assert [json.loads(line)["_id"] for line in (place / "queries.jsonl").read_bytes().decode().splitlines()] == [
            *entries
        ]


@given(table=st.dictionaries(beir_ids, st.dictionaries(beir_ids, grades, min_size=1, max_size=4), max_size=4))
def test_any_qrels_come_back_as_they_were(table: Qrels) -> None:
    with folder() as place:
        written = write_beir_qrels(place / "test.tsv", table)
        assert read_beir_qrels(place / "test.tsv") == table
        assert written.rows == sum(map(len, table.values()))


def test_an_entry_is_checked() -> None:
    for make in (CorpusEntry, QueryEntry):
        with pytest.raises(InputError, match='"_id" must not be empty'):
            make(id=" ", text="t")
        with pytest.raises(InputError, match='"text" must be a text, got null'):
            make(id="d", text=None)  # type: ignore[arg-type]
