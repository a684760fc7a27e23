"""Judgements as csv: every one of them in any state, and what nobody judged."""

import csv
from pathlib import Path

import pytest

from annotations.errors import InputError
from annotations.exchange import ExportOptions, export_beir, export_csv, export_training
from annotations.exchange.table_columns import COLUMNS
from annotations.store import Store
from annotations.store.texts import NewPassage, NewQuery
from tests.annotations.exchange.messy_project import PASSAGES, Bench, make_a_mess, set_up


def read(path: Path) -> list[dict[str, str]]:
    """Read a csv file as other programs do."""
    with path.open(encoding="utf-8", newline="") as file:
        return [*csv.DictReader(file, strict=True)]


def test_every_judgement_and_every_unjudged_candidate_is_a_row(mess: Bench, tmp_path: Path) -> None:
    store, bench = mess.store, mess
    report = export_csv(store, bench.project_id, tmp_path / "labels.csv")
    rows = read(tmp_path / "labels.csv")
    names = {text: short for short, text in PASSAGES.items()}
    said = [(row["query"], names[row["passage"]], row["state"], row["grade"], row["annotator"]) for row in rows]

    assert said == [
        ("what is a panda?", "bear", "graded", "3", "Ada"),
        ("what is a panda?", "bear", "graded", "0", "file"),
        ("what is a panda?", "food", "graded", "2", "Ada"),
        ("what is a panda?", "food", "graded", "2", "Bob"),
        ("what is a panda?", "car", "graded", "0", "Ada"),
        ("what is a panda?", "blank", "graded", "0", "Ada"),
        ("what is a panda?", "half", "graded", "1", "Ada"),
        ("what is a panda?", "later", "later", "", "Ada"),
        ("what is a panda?", "unsure", "cant_tell", "", "Bob"),
        ("what is a panda?", "far 0", "", "", ""),
        ("only positive", "bear", "graded", "3", "file"),
        ("only positive", "car", "", "", ""),
        ("only positive", "far 1", "skipped", "", "Ada"),
        ("only negative", "car", "graded", "0", "Ada"),
        ("never graded", "car", "skipped", "", "Ada"),
        ("never judged", "car", "", "", ""),
        ("never judged", "bear", "", "", ""),
    ]
    assert (report.rows, report.counts["unjudged"]) == (17, 4)
    assert report.account("judgements").given == 15
    assert report.account("judgements").left_out == {"the passage was deleted": 1, "the query was deleted": 1}
    assert report.account("candidates").left_out == {"the passage was deleted": 1, "the query was deleted": 1}
    shown = store.judgements.get(bench.candidate("what is a panda?", "bear"), store.annotators.get_or_add("Ada").id)
    assert shown is not None
    assert rows[0]["judged_at"] == shown.updated_at.isoformat().replace("+00:00", "Z")
    assert {key: rows[0][key] for key in COLUMNS[7:]} == {
        **{"seconds": "1.234", "source": "bm25", "source_rank": "1", "split": "", "query_id": "", "passage_id": ""},
        **{"title": "", "score_shown": "1"},
    }
    assert {rows[9][key] for key in COLUMNS[2:8]} == {""}


def test_ids_titles_and_parts_stand_beside_the_texts(export_store: Store, tmp_path: Path) -> None:
    store = export_store
    bench = set_up(store)
    bench.add_query("one", "bear")
    store.texts.add_queries(bench.project_id, [NewQuery(text="one", external_id=name, split="dev") for name in ("b", "a")])
    passages = [
        NewPassage(text=PASSAGES["bear"], external_id=name, title=title) for name, title in (("p2", None), ("p1", "T"))
    ]
    store.texts.add_passages(bench.project_id, passages)
    export_csv(store, bench.project_id, tmp_path / "labels.csv")
    [row] = read(tmp_path / "labels.csv")
    assert [row[key] for key in ("query_id", "passage_id", "title", "split", "state")] == ["a", "p1", "T", "dev", ""]


def test_parts_and_annotators_choose_rows_and_what_is_left_out_is_counted(export_store: Store, tmp_path: Path) -> None:
    store = export_store
    bench = make_a_mess(store)
    store.texts.set_split([bench.queries["only positive"]], "dev")
    chosen = ExportOptions(annotators=("Bob",))
    report = export_csv(store, bench.project_id, tmp_path / "labels.csv", options=chosen)
    assert {row["annotator"] for row in read(tmp_path / "labels.csv")} == {"Bob", ""}
    assert (report.account("judgements").used, report.account("candidates").used) == (2, 15)
    assert report.account("judgements").left_out["of an annotator who was not chosen"] == 11

    store.texts.set_split([key for name, key in bench.queries.items() if name != "only positive"], "test")
    report = export_csv(store, bench.project_id, tmp_path / "labels.csv", options=ExportOptions(splits=("dev",)))
    assert {row["query"] for row in read(tmp_path / "labels.csv")} == {"only positive"}
    assert report.account("queries").left_out == {"the query is in another part": 4, "the query was deleted": 1}
    with pytest.raises(InputError, match="no candidate to write: 5 × the query is in another part; 1 × the query was"):
        export_csv(store, bench.project_id, tmp_path / "labels.csv", options=ExportOptions(splits=("train",)))
    assert len(read(tmp_path / "labels.csv")) == 3


def test_reading_a_few_at_a_time_changes_nothing(mess: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(folder: Path) -> dict[str, bytes]:
        folder.mkdir()
        export_csv(mess.store, mess.project_id, folder / "labels.csv")
        export_training(mess.store, mess.project_id, folder / "rows.jsonl")
        export_beir(mess.store, mess.project_id, folder / "beir")
        files = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith("manifest.json")]
        return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}

    at_once = write(tmp_path / "at once")
    monkeypatch.setattr("annotations.store.labels._PAGE", 2)
    monkeypatch.setattr("annotations.exchange.csv_export._AT_ONCE", 3)
    monkeypatch.setattr("annotations.exchange.row_choice._AT_ONCE", 1)
    monkeypatch.setattr("annotations.exchange.corpus_files._AT_ONCE", 2)
    assert write(tmp_path / "a few") == at_once
    assert len(at_once) == 6
