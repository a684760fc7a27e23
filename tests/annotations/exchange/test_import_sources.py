"""What a file is: by its name, by what is beside it, by its first lines."""

import gc
import hashlib
import json
from pathlib import Path

import pytest

from annotations.errors import InputError
from annotations.exchange import open_source, run_import, source_from_text
from annotations.store import Store

PAIR = '{"query": "q", "passage": "p"}\n'
TRAINING = '{"query": "q", "pos": ["p"]}\n'


def test_a_source_is_recognised_by_its_name_and_its_first_lines(tmp_path: Path) -> None:
    for name, content, kind, role in (
        ("a.csv", "anything\n", "table", "table"),
        ("a.tsv", "query\tpassage\n", "table", "table"),
        ("a.tsv", "query-id\tcorpus-id\tscore\nq\td\t1\n", "trec", "qrels"),
        ("a.jsonl", "\n" + PAIR, "jsonl", "jsonl"),
        ("a.jsonl", "{\n" + TRAINING, "training", "training"),
        ("a.json", TRAINING, "training", "training"),
        ("a.ndjson", "", "jsonl", "jsonl"),
        ("a.run", "q Q0 d 1 2 t\n", "trec", "run"),
        ("a.trec", "q 0 d 1\n", "trec", "qrels"),
        ("qrels", "q\t0\td\t1\n", "trec", "qrels"),
        ("a.txt", "q Q0 d 1 2 t\n", "trec", "run"),
        ("a.txt", "query,text\n", "table", "table"),
        ("a.txt", "\ufeff" + PAIR, "jsonl", "jsonl"),
    ):
        (tmp_path / name).write_text(content, encoding="utf-8")
        source = open_source(tmp_path / name)
        assert (source.kind, list(source.paths), source.name) == (kind, [role], name), content
        assert source.sha256 == hashlib.sha256(content.encode()).hexdigest()
        assert source.size == len(content.encode())
    (tmp_path / "a.txt").write_text("q Q0 d 1 2 t\n")
    assert open_source(tmp_path / "a.txt", kind="table").kind == "table"


def test_files_that_belong_together_are_one_source_with_one_hash(tmp_path: Path) -> None:
    for name in ("corpus.jsonl", "queries.jsonl", "a.manifest.json"):
        (tmp_path / name).write_text("{}\n")
    (tmp_path / "a.jsonl").write_text(TRAINING)
    (tmp_path / "qrels").mkdir()
    for split in ("test", "train"):
        (tmp_path / "qrels" / f"{split}.tsv").write_text("q\td\t1\n")
    (tmp_path / "other.run").write_text("q Q0 d 1 2 t\n")

    assert set(open_source(tmp_path / "a.jsonl").paths) == {"training", "manifest"}
    beir = open_source(tmp_path)
    assert set(beir.paths) == {"corpus", "queries", "qrels/test", "qrels/train"}
    (tmp_path / "candidates.run").write_text("q Q0 d 1 2 t\n")
    with_run = open_source(tmp_path)
    assert with_run.paths["run"].name == "candidates.run"
    assert open_source(tmp_path, run=tmp_path / "other.run").paths["run"].name == "other.run"
    assert set(open_source(tmp_path, qrels=tmp_path / "qrels" / "test.tsv").paths) == {"corpus", "queries", "qrels", "run"}
    assert len({beir.sha256, with_run.sha256}) == 2

    beside = {name: tmp_path / f"{name}.jsonl" for name in ("corpus", "queries")}
    trec = open_source(tmp_path / "other.run", qrels=tmp_path / "qrels" / "test.tsv", **beside)
    assert (trec.kind, set(trec.paths)) == ("trec", {"run", "qrels", "corpus", "queries"})


def test_what_cannot_be_imported_is_one_sentence(tmp_path: Path) -> None:
    for name, content in (("a.zip", "PK"), ("a.txt", "just words\n"), ("a.run", "three words here\n"), ("a.csv", "q,p\n")):
        (tmp_path / name).write_text(content)
    (tmp_path / "folder").mkdir()
    run = tmp_path / "b.run"
    run.write_text("q Q0 d 1 2 t\n")
    for path, beside, message in (
        (tmp_path / "none.csv", {}, r"none.csv cannot be read \(No such file or directory\)"),
        (tmp_path / "nul\0", {}, "cannot be read"),
        (tmp_path / "folder", {}, "has no corpus.jsonl and no queries.jsonl"),
        (tmp_path / "folder", {"corpus": run}, "is a folder, and so in BEIR's layout, with its own texts"),
        (tmp_path / "a.zip", {}, "is packed. Unpack it"),
        (tmp_path / "a.txt", {}, "is nothing that can be imported: expected csv or tsv"),
        (tmp_path / "a.run", {}, "has neither the 6 columns of a TREC run nor the 4"),
        (tmp_path / "a.csv", {"run": run}, "has neither the 6 columns"),
        (tmp_path / "a.csv", {"kind": "table", "run": run}, "is of kind table, which needs no run"),
        (tmp_path / "a.csv", {"kind": "beir"}, "is a file, but BEIR's layout is a folder"),
        (tmp_path / "a.csv", {"kind": "xml"}, "A source is one of table, jsonl, training, beir, trec, got 'xml'"),
        (run, {"run": run}, "are both run"),
        (run, {"qrels": tmp_path / "none"}, "cannot be read"),
    ):
        with pytest.raises(InputError, match=message):
            open_source(path, **beside)  # type: ignore[arg-type]


def test_pasted_text_is_recognised_and_lies_in_a_file_as_long_as_it_is_needed() -> None:
    for text, kind, role in (
        ("query,passage\nq,p\n", "table", "table"),
        ("\nquery\tpassage\nq\tp\n", "table", "table"),
        (PAIR, "jsonl", "jsonl"),
        (TRAINING, "training", "training"),
        ("q\tp\n", "table", "pairs"),
    ):
        source = source_from_text(text)
        assert (source.kind, list(source.paths), source.name) == (kind, [role], "pasted")
        assert source.paths[role].read_text() == text
    place = source.paths["pairs"]
    del source
    gc.collect()
    assert not place.exists()
    for text, message in (("", "is nothing that can be imported"), ("\ud83d", "half of a surrogate pair")):
        with pytest.raises(InputError, match=message):
            source_from_text(text)


def test_a_file_that_changed_since_it_was_opened_is_not_imported(shared_store: Store, tmp_path: Path) -> None:
    project_id = shared_store.projects.create("changed").id
    (tmp_path / "a.jsonl").write_text(PAIR)
    source = open_source(tmp_path / "a.jsonl")

    def change(stage: str, fraction: float | None) -> None:
        if stage == "making a backup":
            (tmp_path / "a.jsonl").write_text(PAIR + json.dumps({"query": "r", "passage": "p"}))

    for on_progress in (change, None):
        with pytest.raises(InputError, match=r"a.jsonl was changed since it was opened. Open it again"):
            run_import(shared_store, project_id, source, on_progress=on_progress)
        assert shared_store.texts.queries(project_id) == []
        assert shared_store.imports.find_staged(project_id) is None
