"""BEIR folders, runs and qrels: texts by ids, from files or from the project."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from annotations.exchange import ImportOptions, open_source, preview_import, run_import
from annotations.exchange.file_lines import Lines
from annotations.exchange.trec_files import read_qrels_rows, read_run_rows
from annotations.store import Store
from reranker_core.examples import Problems, read_beir_qrels, read_run, read_trec_qrels
from tests.annotations.exchange.imported import (
    check_same,
    labels_of,
    listed,
    names_of,
    scores_of,
    sources_of,
    take,
    write_jsonl,
)
from tests.core.examples.hostile import files, folder

QUERIES = [{"_id": "1", "text": "first"}, {"_id": "2", "text": "second"}, {"_id": "3", "text": "alone"}]
CORPUS = [
    {"_id": "a", "title": "Panda", "text": "a bear "},
    {"_id": "b", "title": "", "text": " spaces "},
    {"_id": "c", "text": ""},
    {"_id": "d", "title": "", "text": ""},
    {"_id": "e", "title": "Only", "text": ""},
    {"_id": "f", "text": "nobody asks for it"},
]


def lay_out(place: Path, *, qrels: dict[str, str], run: str = "") -> Path:
    """Write a BEIR folder."""
    write_jsonl(place / "queries.jsonl", QUERIES)
    write_jsonl(place / "corpus.jsonl", CORPUS)
    (place / "qrels").mkdir()
    for split, rows in qrels.items():
        (place / "qrels" / f"{split}.tsv").write_text(rows)
    if run:
        (place / "candidates.run").write_text(run)
    return place


def test_a_beir_folder_comes_whole(shared_store: Store, tmp_path: Path) -> None:
    place = lay_out(
        tmp_path / "beir",
        qrels={
            "test": "query-id\tcorpus-id\tscore\n1\ta\t2\n1\tc\t-1\n1\td\t1\n",
            "train": "2\tb\t3.0 \n2\tc\t0\n2\td\t0\n",
            "dev": "1\te\t0\n",
            "extra": "3\tf\t1\n",
        },
        run="1 Q0 a 2 0.5 bm25\n1 Q0 e 1 2.5 bm25\n2 Q0 f 1 1 bm25\n",
    )
    project_id, preview, report = take(shared_store, place)
    assert labels_of(shared_store, project_id) == {
        ("first", "Panda a bear"): {"import": 2},
        ("first", "Only"): {"import": 0},
        ("first", ""): {"import": 1},
        ("alone", "nobody asks for it"): {"import": 1},
        ("second", " spaces "): {"import": 3},
        ("second", ""): {"import": 0},
        ("second", "nobody asks for it"): {},
    }
    assert names_of(shared_store, project_id) == {
        "Panda a bear": [("a", "Panda")],
        " spaces ": [("b", None)],
        "": [("c", None), ("d", None)],
        "Only": [("e", "Only")],
        "nobody asks for it": [("f", None)],
    }
    assert sources_of(shared_store, project_id)["first", "Only"] == ("bm25", 1)
    assert sources_of(shared_store, project_id)["first", "Panda a bear"] == ("bm25", 2)
    assert sources_of(shared_store, project_id)["first", ""] == ("qrels", None)
    assert scores_of(shared_store, project_id) == {
        ("first", "Only"): {"bm25@0": (2.5, 1)},
        ("first", "Panda a bear"): {"bm25@0": (0.5, 2)},
        ("second", "nobody asks for it"): {"bm25@0": (1.0, 1)},
    }
    assert (preview.scores, report.scores.new) == (3, 3)
    assert report.sentence.endswith(", 3 new scores.")
    assert [query.split for query in shared_store.texts.queries(project_id)] == ["dev", "train", None]
    assert preview.splits == {"dev": 1, "train": 1}
    assert preview.raw_grades == {"2": 1, "-1": 1, "1": 2, "3.0": 1, "0": 3}
    assert preview.grade_map["-1"] is None
    assert preview.notes == ("1 query stands in several parts of the split. The first one counts.",)
    assert (preview.queries, preview.passages, report.used, report.problems.count) == (3, 5, 20, 0)
    assert [(row.passage, row.raw_grade) for row in preview.sample[:2]] == [("Only", "0"), ("Panda a bear", "2")]


def test_ids_without_a_text_and_contradictions_are_problems_with_their_lines(shared_store: Store, tmp_path: Path) -> None:
    place = lay_out(
        tmp_path / "beir",
        qrels={"dev": "1\ta\t2\n9\ta\t1\n1\tz\t1\n1\tc\t0\n1\td\t3\n1\ta\t2\n1\tb\thalf\n1\tb\n\t\n1\tb\t\n"},
        run="1 Q0 a 1 9 x\n1 Q0 a 2 8 x\n1 Q0 y 3 7 x\n1 Q0 b four 6 x\n1 Q0 b 5 nan x\n",
    )
    with (place / "queries.jsonl").open("a") as file:
        file.write('{"_id": "4", "text": " "}\n')
    project_id, preview, _ = take(shared_store, place)
    told = {str(problem).partition(". ")[0] for problem in preview.problems.listed}
    assert told == {
        'candidates.run:2: query "1" has passage "a" twice',
        'candidates.run:4: the rank must be a whole number, got "four"',
        'candidates.run:5: the score must be a finite number, got "nan"',
        'candidates.run:3: passage "y" is not in corpus.jsonl',
        "queries.jsonl:4: the query is empty",
        'dev.tsv:2: query "9" is not in queries.jsonl'.replace("dev", "qrels/dev"),
        'qrels/dev.tsv:3: passage "z" is not in corpus.jsonl',
        "qrels/dev.tsv:5: import judged the same passage for this query otherwise before: grade 0 in qrels/dev.tsv:4, here "
        "grade 3",
        'qrels/dev.tsv:7: the grade "half" is not mapped to 0, 1, 2 or 3 or unjudged',
        "qrels/dev.tsv:8: expected 3 columns (query-id, corpus-id, score), got 2",
    }
    assert labels_of(shared_store, project_id) == {
        ("first", "Panda a bear"): {"import": 2},
        ("first", ""): {"import": 0},
        ("first", " spaces "): {},
    }


def test_a_run_is_cut_at_its_depth_and_only_the_first_queries_with_rows_come(shared_store: Store, tmp_path: Path) -> None:
    run = "".join(f"{query} Q0 {passage} 1 {score} t\n" for query in (3, 2) for score, passage in enumerate("abe"))
    place = lay_out(tmp_path / "beir", qrels={"test": "2\tf\t1\n"}, run=run)
    project_id, preview, _ = take(shared_store, place, run_depth=2, max_queries=1)
    assert set(labels_of(shared_store, project_id)) == {
        ("second", "Only"),
        ("second", " spaces "),
        ("second", "nobody asks for it"),
    }
    assert preview.left_out == {
        "they are beyond the first 2 of a query's run": 2,
        "they are of queries beyond the first 1": 4,
    }
    assert (preview.queries, preview.passages) == (1, 5)


def test_run_and_qrels_take_their_texts_from_files_or_from_the_project(shared_store: Store, tmp_path: Path) -> None:
    place = lay_out(tmp_path / "beir", qrels={}, run="")
    (tmp_path / "bm25.run").write_text("1\tQ0\ta\t1\t3\tbm25\n2 Q0 b 1 3 bm25\n2 Q0 z 2 2 bm25\n")
    (tmp_path / "qrels.txt").write_text("1 0 a 4\n1 0 f 1\n8 0 a 1\n2 0 c 2\n")
    both = {"run": tmp_path / "bm25.run"}
    with_texts = {**both, "corpus": place / "corpus.jsonl", "queries": place / "queries.jsonl"}

    def import_it(project_id: int, **beside: Any) -> Any:
        source = open_source(tmp_path / "qrels.txt", **beside)
        assert source.kind == "trec"
        options = ImportOptions(max_queries=2)
        preview = preview_import(shared_store, project_id, source, options=options)
        report = run_import(shared_store, project_id, source, options=options)
        check_same(preview, report)
        return preview

    first = shared_store.projects.create("texts of files").id
    preview = import_it(first, **with_texts)
    expected = {
        ("first", "Panda a bear"): {"import": 3},
        ("first", "nobody asks for it"): {"import": 1},
        ("second", " spaces "): {},
        ("second", ""): {"import": 1},
    }
    assert labels_of(shared_store, first) == expected
    assert [message.partition(". ")[0] for _, message in listed(preview)] == [
        'passage "z" is not in corpus.jsonl',
        'query "8" is not in queries.jsonl',
    ]

    second = shared_store.projects.create("texts of the project").id
    texts = open_source(lay_out(tmp_path / "texts", qrels={}))
    run_import(shared_store, second, texts)
    preview = import_it(second, **both)
    assert labels_of(shared_store, second) == expected
    assert (preview.queries, preview.passages, preview.candidates) == (2, 4, 4)
    assert [row.query for row in preview.sample] == ["first"] * 3 + ["second"] * 2
    assert listed(preview)[0][1].startswith('passage "z" has no text in the project. Give the file with the corpus too')

    write_jsonl(tmp_path / "other.jsonl", [{"query": "q", "passage": "another", "passage_id": "a"}])
    run_import(shared_store, second, open_source(tmp_path / "other.jsonl"))
    told = preview_import(shared_store, second, open_source(tmp_path / "bm25.run"))
    assert listed(told)[0] == (
        1,
        'passage "a" is the id of several texts of the project. Give the file with the corpus too.',
    )


@pytest.mark.slow
@given(data=files)
@settings(deadline=None)
def test_rows_are_those_that_the_readers_of_the_core_give(data: bytes) -> None:
    with folder() as place:
        path = place / "file"
        path.write_bytes(data)
        problems, ours = Problems(), Problems()
        run = [tuple(row) for row in read_run_rows(Lines(path), name="file", problems=ours)]
        expected: Any = read_run(path, name="file", problems=problems)
        assert sorted(row[1:4] for row in run) == sorted((q, p, s) for q, rows in expected.items() for p, s in rows.items())
        assert [one.line for one in ours.listed] == [one.line for one in problems.listed]
        assert (ours.rows, ours.count) == (problems.rows, problems.count)

        for is_beir, read in ((True, read_beir_qrels), (False, read_trec_qrels)):
            problems, ours = Problems(limit=1000), Problems()
            rows = list(read_qrels_rows(Lines(path), is_beir=is_beir, name="file", problems=ours))
            expected = read(path, name="file", problems=problems)
            bad = {one.line for one in problems.listed}
            good = [row for row in rows if row.line not in bad]
            assert sorted((row.query_id, row.passage_id, int(float(row.raw))) for row in good) == sorted(
                (q, p, grade) for q, grades in expected.items() for p, grade in grades.items()
            )
            assert {one.line for one in ours.listed} <= bad
            assert ours.rows == problems.rows == len(rows) + ours.count
