"""What a run is judged on: labels that were kept apart go before those that chose the step."""

from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from reranker_core.examples import CorpusEntry, QueryEntry, TrainingExample, write_snapshot
from reranker_core.reports.judged_on import count_trained, find_judged_on
from reranker_core.training.settings import TrainingSettings
from tests.core.reports.conftest import write_rows


def write_labels(folder: Path, *, splits: tuple[str, ...] = ("train", "dev", "test")) -> Path:
    """Write a snapshot with one query in each of some splits."""
    names = ("train", "dev", "test")
    write_snapshot(
        folder,
        corpus=[CorpusEntry(id=one, title="", text=f"passage {one}") for one in ("a", "b")],
        queries=[QueryEntry(id=name, text=f"query {name}") for name in names],
        qrels={name: {name: {"a": 1, "b": 0}} for name in splits},
        candidates={name: {"a": 2.0, "b": 1.0} for name in names},
        examples={
            name: [TrainingExample(query=f"query {name}", pos=("passage a",), neg=("passage b",))] for name in splits
        },
        manifest={"name": "labels"},
    )
    return folder


@pytest.fixture
def make(tmp_path: Path) -> Any:
    def make_settings(**changes: Any) -> TrainingSettings:
        values: dict[str, Any] = {"model_name_or_path": "bge-reranker-base", "output_dir": tmp_path / "run"}
        return TrainingSettings(**(values | changes))

    return make_settings


def test_the_test_part_of_the_snapshot_goes_before_its_dev_part(make: Any, tmp_path: Path) -> None:
    found = find_judged_on(make(train_data=(write_labels(tmp_path / "labels"),)))

    assert found is not None
    assert [*found.task.qrels] == ["test"]
    assert not found.chose_step


def test_without_a_test_part_the_dev_part_that_chose_the_step_is_left(make: Any, tmp_path: Path) -> None:
    settings = make(train_data=(write_labels(tmp_path / "labels", splits=("train", "dev")),))

    for data in (None, tmp_path / "labels"):
        found = find_judged_on(settings, data)
        assert found is not None
        assert [*found.task.qrels] == ["dev"]
        assert found.chose_step


def test_another_snapshot_is_judged_on_by_its_test_part(make: Any, tmp_path: Path) -> None:
    settings = make(train_data=(write_rows(tmp_path / "rows.jsonl", first=0, count=4),))

    found = find_judged_on(settings, write_labels(tmp_path / "labels"))

    assert found is not None
    assert [*found.task.qrels] == ["test"]
    assert not found.chose_step
    assert count_trained(found.task, settings) == 0


def test_a_share_held_out_chose_the_step_and_was_not_trained_on(make: Any, tmp_path: Path) -> None:
    settings = make(train_data=(write_rows(tmp_path / "rows.jsonl", first=0, count=20),), hold_out=0.3)

    found = find_judged_on(settings)

    assert found is not None
    assert found.chose_step
    assert count_trained(found.task, settings) == 0
    assert count_trained(found.task, replace(settings, hold_out=0.0)) == len(found.task.qrels) > 0


def test_rows_that_are_gone_are_no_failure(make: Any, tmp_path: Path) -> None:
    settings = make(train_data=(tmp_path / "gone.jsonl",))

    found = find_judged_on(settings, write_rows(tmp_path / "test.jsonl", first=0, count=4))

    assert found is not None
    assert count_trained(found.task, settings) is None


def test_rows_that_were_changed_are_not_taken_for_those_that_were_trained_on(make: Any, tmp_path: Path) -> None:
    rows = write_rows(tmp_path / "rows.jsonl", first=0, count=4)
    settings, learnt_from = make(train_data=(rows,)), {"rows.jsonl": sha256(rows.read_bytes()).hexdigest()}
    found = find_judged_on(settings, write_rows(tmp_path / "test.jsonl", first=0, count=4))

    assert found is not None
    assert count_trained(found.task, settings, learnt_from=learnt_from) == 4
    write_rows(rows, first=50, count=4)
    assert count_trained(found.task, settings, learnt_from=learnt_from) is None


def test_a_run_that_kept_nothing_apart_has_nothing(make: Any, tmp_path: Path) -> None:
    assert find_judged_on(make(train_data=(write_rows(tmp_path / "rows.jsonl", first=0, count=4),))) is None
