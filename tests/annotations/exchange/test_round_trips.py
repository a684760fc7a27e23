"""What was exported comes back: judgements, grades and rows, and random negatives as nobody's judgement."""

import json
from pathlib import Path
from typing import Any
from uuid import uuid4

from annotations.exchange import (
    ExportOptions,
    export_beir,
    export_csv,
    export_qrels,
    export_training,
    open_source,
    run_import,
)
from annotations.store import Store
from reranker_core.examples import read_beir_qrels, read_trec_qrels
from tests.annotations.exchange.messy_project import PASSAGES, Bench, name_texts


def list_judgements(store: Store, project_id: int) -> list[tuple[Any, ...]]:
    """Give everything that was said in a project about texts that were not deleted."""
    handles = {annotator.id: annotator.handle for annotator in store.annotators.list()}
    return [
        (
            *(query.text, row.passage.text, handles[one.annotator_id], one.state, one.grade, one.updated_at),
            one.duration_ms,
        )
        for query in store.texts.queries(project_id)
        for row in store.texts.candidates(query.id)
        for one in store.judgements.of_query(query.id)
        if one.candidate_id == row.candidate.id
    ]


def list_candidates(store: Store, project_id: int) -> list[tuple[str, str, str]]:
    """Give the candidates of a project with their sources."""
    return [
        (query.text, row.passage.text, row.candidate.source)
        for query in store.texts.queries(project_id)
        for row in store.texts.candidates(query.id)
    ]


def test_judgements_come_back_from_csv_and_go_out_as_the_same_file(mess: Bench, tmp_path: Path) -> None:
    store, bench = mess.store, mess
    store.texts.set_split([bench.queries["only positive"]], "dev")
    report = export_csv(store, bench.project_id, tmp_path / "labels.csv")
    other = store.projects.create(str(uuid4())).id
    back = run_import(store, other, open_source(tmp_path / "labels.csv"))

    judged = list_judgements(store, bench.project_id)
    assert len(judged) == 13
    assert list_judgements(store, other) == judged
    assert list_candidates(store, other) == list_candidates(store, bench.project_id)
    assert [query.split for query in store.texts.queries(other)][1] == "dev"
    assert (back.rows, back.problems.count, back.judgements.new) == (report.rows, 0, 13)
    export_csv(store, other, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "labels.csv").read_bytes()


def test_people_come_back_as_people_and_imports_as_imports_where_nobody_is_known(mess: Bench, tmp_path: Path) -> None:
    export_csv(mess.store, mess.project_id, tmp_path / "labels.csv")
    with Store.open(tmp_path / "labels.db") as fresh:
        project_id = fresh.projects.create("pandas").id
        run_import(fresh, project_id, open_source(tmp_path / "labels.csv"))
        assert {one.handle: one.kind for one in fresh.annotators.list()} == {
            **{"Ada": "human", "Bob": "human", "file": "import"}
        }
        export_csv(fresh, project_id, tmp_path / "again.csv")
    assert (tmp_path / "again.csv").read_bytes() == (tmp_path / "labels.csv").read_bytes()


def test_grades_come_back_from_a_beir_folder_under_every_id(export_store: Store, tmp_path: Path) -> None:
    store = export_store
    bench = name_texts(store)
    store.texts.set_split([bench.queries["two"]], "test")
    store.texts.set_split([bench.queries["one"], bench.queries["none"], bench.queries["same"]], "train")
    export_beir(store, bench.project_id, tmp_path / "beir")
    other = store.projects.create(str(uuid4())).id
    run_import(store, other, open_source(tmp_path / "beir"))

    def look(project_id: int) -> set[tuple[Any, ...]]:
        return {(query, passage, grade) for query, passage, _, _, grade, _, _ in list_judgements(store, project_id)}

    assert look(other) == look(bench.project_id)
    assert {query.text: query.split for query in store.texts.queries(other)} == {
        **{"one": "train", "two": "test", "none": "train", "same": "train"}
    }
    export_beir(store, other, tmp_path / "again")
    for name in ("qrels/train.tsv", "qrels/test.tsv"):
        assert read_beir_qrels(tmp_path / "again" / name) == read_beir_qrels(tmp_path / "beir" / name)
    for name in ("corpus.jsonl", "queries.jsonl"):
        rows = [{*(tmp_path / folder / name).read_text(encoding="utf-8").splitlines()} for folder in ("beir", "again")]
        assert rows[0] == rows[1]


def test_grades_come_back_from_trec_qrels(export_store: Store, tmp_path: Path) -> None:
    store = export_store
    bench = name_texts(store)
    export_beir(store, bench.project_id, tmp_path / "beir")
    export_qrels(store, bench.project_id, tmp_path / "all.qrels", form="trec")
    other = store.projects.create(str(uuid4())).id
    source = open_source(
        tmp_path / "all.qrels",
        corpus=tmp_path / "beir" / "corpus.jsonl",
        queries=tmp_path / "beir" / "queries.jsonl",
    )
    run_import(store, other, source)
    export_qrels(store, other, tmp_path / "again.qrels", form="trec")
    assert read_trec_qrels(tmp_path / "again.qrels") == read_trec_qrels(tmp_path / "all.qrels")


def test_training_rows_come_back_and_random_negatives_as_candidates(mess: Bench, tmp_path: Path) -> None:
    store, bench = mess.store, mess
    export_training(store, bench.project_id, tmp_path / "rows.jsonl", options=ExportOptions(prompt="Is it so?"))
    rows = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    other = store.projects.create(str(uuid4())).id
    report = run_import(store, other, open_source(tmp_path / "rows.jsonl"))

    assert (report.random_negatives, report.prompt) == (7, "Is it so?")
    assert [(query, passage, grade) for query, passage, _, _, grade, _, _ in list_judgements(store, other)] == [
        ("what is a panda?", PASSAGES["bear"], 1),
        ("what is a panda?", PASSAGES["food"], 1),
        ("what is a panda?", PASSAGES["car"], 0),
        ("only positive", PASSAGES["bear"], 1),
    ]
    assert [(passage, source) for query, passage, source in list_candidates(store, other) if source == "random"] == [
        (text, "random") for text in rows[1]["neg"]
    ]
    export_training(store, other, tmp_path / "again.jsonl", options=ExportOptions(prompt=report.prompt))
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "rows.jsonl").read_bytes()
