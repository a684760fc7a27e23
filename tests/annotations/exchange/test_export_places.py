"""Where an export is not written: over the labels, their copies, other databases and snapshots."""

import csv
import shutil
from pathlib import Path

import pytest

from annotations.errors import InputError
from annotations.exchange import ExportReport, export_beir, export_csv, export_qrels, export_training
from annotations.snapshots import create_snapshot
from annotations.store import Store
from tests.annotations.exchange.imported import labels_of, take_into
from tests.annotations.exchange.messy_project import PASSAGES, set_up


def write_qrels(store: Store, project_id: int, path: Path) -> ExportReport:
    return export_qrels(store, project_id, path, form="trec")


def test_no_export_replaces_labels_copies_databases_or_parts_of_a_snapshot(tmp_path: Path) -> None:
    labels = tmp_path / "rows.manifest.json"  # beside rows.jsonl
    with Store.open(labels, backups=tmp_path / "copies") as store:
        bench = set_up(store)
        bench.add_query("q", "bear", "car")
        bench.judge("q", "bear", 3)
        bench.judge("q", "car", 0)
        store.backup()
        create_snapshot(store, bench.project_id, tmp_path / "snapshots", name="one")
        (tmp_path / "link").symlink_to(store.path)
        (tmp_path / "hard").hardlink_to(store.path)
        shutil.copy(store.path, tmp_path / "other")
        for writer in (export_training, export_csv, write_qrels, export_beir):
            for place, message in (
                (labels.name, "holds the labels themselves"),
                (f"copies/../{labels.name}", "holds the labels themselves"),
                (f"{labels.name}-wal", "holds the labels themselves"),
                (f"{labels.name}-shm", "holds the labels themselves"),
                ("link", "holds the labels themselves"),
                ("hard", "holds the labels themselves"),
                ("other", "is a database"),
                ("copies/new", "among the backups"),
                ("snapshots/one/new", "snapshots never change"),
                ("snapshots/one/qrels/new", "snapshots never change"),
            ):
                with pytest.raises(InputError, match=message):
                    writer(store, bench.project_id, tmp_path / place)
        with pytest.raises(InputError, match=r"rows\.manifest\.json holds the labels themselves"):
            export_training(store, bench.project_id, tmp_path / "rows.jsonl")
        assert not (tmp_path / "rows.jsonl").exists()


def test_a_name_says_what_the_file_is_and_a_tsv_has_tabs(export_store: Store, tmp_path: Path) -> None:
    bench = set_up(export_store)
    bench.add_query("a, query\twith both", "bear")
    bench.judge("a, query\twith both", "bear", 3)
    with pytest.raises(InputError, match=r"A table ends in \.csv or \.tsv, got labels\.txt\."):
        export_csv(export_store, bench.project_id, tmp_path / "labels.txt")
    with pytest.raises(InputError, match=r"A file of qrels ends in \.tsv or \.txt or \.qrels, got all\.csv\."):
        write_qrels(export_store, bench.project_id, tmp_path / "all.csv")
    assert [*tmp_path.iterdir()] == []

    export_csv(export_store, bench.project_id, tmp_path / "labels.TSV")
    with (tmp_path / "labels.TSV").open(encoding="utf-8", newline="") as file:
        (row,) = csv.DictReader(file, delimiter="\t", strict=True)
    assert (row["query"], row["passage"]) == ("a, query\twith both", PASSAGES["bear"])
    other = export_store.projects.create("from a table with tabs").id
    take_into(export_store, other, tmp_path / "labels.TSV")
    assert labels_of(export_store, other) == labels_of(export_store, bench.project_id)
