"""Whatever is in a file: no reader crashes, and every row is used, left out for a reason, or a problem."""

import csv
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from annotations.errors import InputError
from annotations.exchange import open_source, preview_import, run_import, source_from_text
from annotations.exchange.table_columns import COLUMNS
from annotations.store import Store
from reranker_core.examples import text_hash
from tests.annotations.exchange.imported import check_same, labels_of
from tests.core.examples.hostile import BOM, count_rows, files, folder, texts

few = settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
many = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])

odd = ["2026-11-23T12:00:00Z", "1e400", "nan", "a,b", 'a"b', "a\tb", "a\nb", "\r", "\x00", "\u2028", "\ufeff", "9" * 40]
values = st.one_of(st.sampled_from(["", "q", "graded", "later", "-1", "test", "Ada"]), st.sampled_from(odd), texts)
good = {
    "query": ["q", "r"],
    "passage": ["p", "", "a,b", 'a "b"', "a\nb"],
    "state": ["", "", "graded", "skipped"],
    "grade": ["", "1", "0", "3.0", "-1", "0.5"],
    "annotator": ["", "Ada", "Bob"],
    "judged_at": ["", "2026-11-23T12:00:00Z"],
    "seconds": ["", "1.5"],
    "source": ["", "bm25"],
    "source_rank": ["", "3"],
    "split": ["", "test"],
    "query_id": ["", "q1"],
    "passage_id": ["", "p1"],
    "title": ["", "T"],
    "score_shown": ["", "1"],
}


def value_of(column: str) -> st.SearchStrategy[str]:
    """Draw what may stand in a column; now and then anything."""
    usual = st.sampled_from(good.get(column, [""]))
    return st.integers(0, 14).flatmap(lambda number: usual if number else values)


@st.composite
def tables(draw: Any) -> bytes:
    """Draw a table with a header that can be read, with good and bad rows, and noise between."""
    more = draw(st.lists(st.sampled_from([*COLUMNS[2:], "other"]), max_size=5, unique=True))
    names = ["query", *more, "passage"]
    out = io.StringIO()
    writer = csv.writer(out, delimiter=draw(st.sampled_from(",\t;")), lineterminator=draw(st.sampled_from(["\n", "\r\n"])))
    writer.writerow(names)
    for _ in range(draw(st.integers(0, 8))):
        row = [draw(value_of(name)) for name in names]
        writer.writerow(row[: draw(st.sampled_from([len(row)] * 9 + [len(row) - 1]))])
    lines = out.getvalue().encode().split(b"\n")
    for noise in draw(st.lists(st.binary(max_size=12), max_size=1)):
        lines.insert(draw(st.integers(1, len(lines))), noise)
    return draw(st.sampled_from([b"", BOM])) + b"\n".join(lines)


numbers = st.one_of(st.integers(-2, 3), st.just(3.0), st.none(), st.booleans())
pairs = st.one_of(
    st.fixed_dictionaries(
        {"query": value_of("query"), "passage": value_of("passage")},
        optional={name: value_of(name) for name in COLUMNS[3:]},
    ),
    st.fixed_dictionaries({"query": value_of("query"), "passage": value_of("passage"), "label": numbers}),
    st.fixed_dictionaries({"query": value_of("query"), "passages": st.lists(value_of("passage"), max_size=3)}),
    st.fixed_dictionaries({"query": st.one_of(values, numbers), "passage": st.one_of(values, numbers)}),
)
training = st.fixed_dictionaries(
    {"query": value_of("query"), "pos": st.lists(value_of("passage"), max_size=3)},
    optional={"neg": st.lists(value_of("passage"), max_size=3), "prompt": values},
)


def join(rows: list[dict[str, Any]]) -> bytes:
    """Write rows as jsonl."""
    return "\n".join(map(json.dumps, rows)).encode()


beside = st.one_of(
    files,
    st.lists(st.sampled_from(["q1\td1\t2", "q1\td2\t0", "q2\td1\t-1", "q3\td9\t1"])).map(
        lambda rows: "\n".join(rows).encode()
    ),
)


@contextmanager
def written(**contents: bytes) -> Iterator[Path]:
    """Write files into a new folder; in names, one underscore is a dot and two are a slash."""
    with folder() as place:
        for name, content in contents.items():
            path = place / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        yield place


def check_preview(store: Store, source: Any) -> Any:
    """Preview, and check that no row went missing; `None` if the file is nothing that can be read."""
    preview = None
    with suppress(InputError):
        preview = preview_import(store, store.projects.get("hostile").id, source())
        assert preview.rows == preview.used + preview.problems.count + sum(preview.left_out.values())
        for problem in preview.problems.listed:
            assert problem.line >= 1
            assert str(problem).isprintable(), str(problem)
            assert problem.message.endswith("."), problem.message
        lines = [(problem.source, problem.line) for problem in preview.problems.listed]
        assert len(set(lines)) == len(lines)
        assert preview.judgements == sum(preview.annotators.values())
    return preview


@pytest.fixture(scope="module")
def hostile_store(shared_store: Store) -> Store:
    """A store with a project for previews, which write nothing."""
    shared_store.projects.create("hostile")
    return shared_store


def check_any_file(store: Store, data: bytes) -> None:
    """Preview bytes as every kind of file there is."""
    with written(a_csv=data, a_tsv=data, a_jsonl=data, a_run=data, a_qrels=data, a_txt=data) as place:
        for path in sorted(place.iterdir()):
            check_preview(store, lambda path=path: open_source(path))
        for kind in ("table", "jsonl", "training", "trec"):
            preview = check_preview(store, lambda kind=kind: open_source(place / "a.txt", kind=kind))
            if preview is not None and kind in ("jsonl", "training"):
                assert preview.rows == count_rows(data)
    with suppress(UnicodeDecodeError):
        text = data.decode()
        check_preview(store, lambda: source_from_text(text))


@pytest.mark.slow
@many
@given(data=files)
def test_no_bytes_crash_a_reader_or_lose_a_row(hostile_store: Store, data: bytes) -> None:
    check_any_file(hostile_store, data)


@pytest.mark.slow
@many
@given(corpus=files, queries=files, qrels=beside, run=files)
def test_no_folder_crashes_the_reader_or_loses_a_row(
    hostile_store: Store, corpus: bytes, queries: bytes, qrels: bytes, run: bytes
) -> None:
    with written(
        corpus_jsonl=corpus, queries_jsonl=queries, qrels__test_tsv=qrels, qrels__dev_tsv=qrels, candidates_run=run
    ) as place:
        preview = check_preview(hostile_store, lambda: open_source(place))
    assert preview is not None
    expected = sum(map(count_rows, (corpus, queries, run)))
    assert expected <= preview.rows <= expected + 2 * count_rows(qrels)


def check_import(store: Store, data: bytes, name: str) -> None:
    """Import for real what a preview told, and check what arrived."""
    project_id = store.projects.create(text_hash(f"{name}{data!r}{len(store.projects.list())}")).id
    with written(**{name: data}) as place:
        source = open_source(next(iter(place.iterdir())), kind="training" if b'"pos"' in data else None)
        try:
            preview = preview_import(store, project_id, source)
        except InputError:
            return
        if not preview.used:
            with pytest.raises(InputError, match=r"^No row of|has no rows, at most a header"):
                run_import(store, project_id, source)
            assert labels_of(store, project_id) == {}
            return
        report = run_import(store, project_id, source)
    check_same(preview, report)
    found = labels_of(store, project_id)
    assert sum(map(len, found.values())) == preview.judgements
    assert len(found) == preview.candidates


@few
@given(data=tables())
@example(data=b'query,passage\nq,"open\nq,b\nq,"c"\n')
def test_a_few_tables_arrive_as_previewed(shared_store: Store, data: bytes) -> None:
    check_import(shared_store, data, "a_csv")


@pytest.mark.slow
@many
@given(data=tables())
def test_any_table_arrives_as_previewed(store: Store, data: bytes) -> None:
    check_import(store, data, "a_csv")


@pytest.mark.slow
@many
@given(rows=st.lists(pairs, max_size=6))
def test_any_pairs_arrive_as_previewed(store: Store, rows: list[dict[str, Any]]) -> None:
    check_import(store, join(rows), "a_jsonl")


@pytest.mark.slow
@many
@given(rows=st.lists(training, max_size=6))
def test_any_training_rows_arrive_as_previewed(store: Store, rows: list[dict[str, Any]]) -> None:
    check_import(store, join(rows), "a_jsonl")
