"""What a person chooses at an import: whose parts of the split count, how many queries come; and what is told of it."""

from pathlib import Path

import pytest

from annotations.errors import InputError
from annotations.exchange import ImportOptions, open_source, preview_import, source_from_text
from annotations.exchange.importing import new_project
from annotations.store import Store
from tests.annotations.exchange.imported import labels_of, take, write_jsonl

TEST_ONLY = "The file puts {} into test and none into train, so nothing could be trained on them. "


def lay_out(folder: Path, *, queries: int, part: str = "test") -> Path:
    """Write a BEIR folder with one file of qrels: the second query is graded twice, every other one once."""
    write_jsonl(folder / "corpus.jsonl", [{"_id": "a", "text": "a bear"}, {"_id": "b", "text": "a car"}])
    write_jsonl(folder / "queries.jsonl", [{"_id": f"q{n}", "text": f"query {n}"} for n in range(queries)])
    (folder / "qrels").mkdir()
    rows = [f"q{n}\ta\t{n % 3}\n" for n in range(queries)] + ["q1\tb\t2\n"]
    (folder / "qrels" / f"{part}.tsv").write_text("".join(rows), encoding="utf-8")
    return folder


def test_a_file_that_puts_all_into_test_says_so_and_hashes_can_place_its_queries(
    shared_store: Store, tmp_path: Path
) -> None:
    place = lay_out(tmp_path / "beir", queries=3)
    kept, preview, _ = take(shared_store, place)
    assert preview.notes == (TEST_ONLY.format("3 queries") + "Their hashes can place them instead.",)
    assert [query.split for query in shared_store.texts.queries(kept)] == ["test"] * 3

    placed, preview, report = take(shared_store, place, ignore_splits=True)
    assert preview.splits == {"test": 3}
    assert preview.notes == (
        "The file's parts are left out (test: 3 queries). The hash of each new query places it, by default 60 / 15 / 25 % "
        "in train, dev, test; queries that were here before keep their part.",
    )
    assert [query.split for query in shared_store.texts.queries(placed)] == [None] * 3
    assert report.batch is not None
    assert report.batch.report["options"]["ignore_splits"] is True
    assert labels_of(shared_store, placed) == labels_of(shared_store, kept)

    table = "query\tpassage\tsplit\none\ta\ttest\ntwo\ta\tdev\n"
    placed, preview, _ = take(shared_store, table, ignore_splits=True)
    assert preview.splits == {"test": 1, "dev": 1}
    assert [query.split for query in shared_store.texts.queries(placed)] == [None, None]
    _, preview, _ = take(shared_store, table)
    assert preview.notes[0].startswith("The file puts 1 query into dev and 1 query into test and none into train")
    assert take(shared_store, table.replace("dev", "train"))[1].notes == ()


def test_with_a_number_of_queries_their_grades_are_counted_and_no_others(shared_store: Store, tmp_path: Path) -> None:
    place = lay_out(tmp_path / "beir", queries=9)
    assert take(shared_store, place)[1].raw_grades == {"0": 3, "1": 3, "2": 4}
    assert take(shared_store, place, max_queries=2)[1].raw_grades == {"0": 1, "1": 1, "2": 1}
    project_id = shared_store.projects.create("the first of a table").id
    source = source_from_text("query,passage,grade\nq,a,yes\nq,b,maybe\nr,a,odd\nq,c,yes\n")
    preview = preview_import(shared_store, project_id, source, options=ImportOptions(max_queries=1))
    assert preview.raw_grades == {"yes": 2, "maybe": 1}
    assert preview.unmapped == ("yes", "maybe")


def test_lines_without_a_header_are_taken_from_a_file_as_they_are_when_they_are_pasted(
    shared_store: Store, tmp_path: Path
) -> None:
    text = "what eats bamboo\ta panda\nred panda\ta Python library\n"  # the first has as many words as qrels have columns
    for name in ("a.tsv", "a.csv", "a.txt"):
        (tmp_path / name).write_text(text, encoding="utf-8")
        source = open_source(tmp_path / name)
        assert (source.kind, list(source.paths)) == ("table", ["pairs"]), name
    assert list(open_source(tmp_path / "a.txt", kind="table").paths) == ["pairs"]
    from_file, preview, _ = take(shared_store, tmp_path / "a.tsv")
    pasted, other, _ = take(shared_store, text)
    assert labels_of(shared_store, from_file) == labels_of(shared_store, pasted)
    assert preview.notes == other.notes == (
        "There is no header, so every line, the first one too, is taken for a query, a tab and a passage.",
    )  # fmt: skip
    for text, role in (("query\ttext\nq\tp\n", "table"), ("1 0\td1 1\n", "qrels"), ("q\td\t1\n", "qrels")):
        (tmp_path / "b.tsv").write_text(text, encoding="utf-8")
        assert list(open_source(tmp_path / "b.tsv").paths) == [role], text


def test_a_project_that_was_made_for_an_import_goes_with_it_but_not_with_what_somebody_put_into_it(
    shared_store: Store,
) -> None:
    names = {project.name for project in shared_store.projects.list(include_archived=True)}

    def fail(name: str, *, query: str = "") -> None:
        with new_project(shared_store, name) as made:
            if query:
                shared_store.texts.add_query(made.id, query)
            raise InputError("nothing came")

    with pytest.raises(InputError):
        fail("made in vain")
    assert {project.name for project in shared_store.projects.list(include_archived=True)} == names
    with pytest.raises(InputError):
        fail("made, and used", query="from another page")
    [query] = shared_store.texts.queries(shared_store.projects.get("made, and used").id)
    assert query.text == "from another page"
