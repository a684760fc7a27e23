"""A dev set is read from a file of its own, or held out of the training rows by a rule that later rows do not change."""

from pathlib import Path
from typing import Any

import pytest

from reranker_core.errors import InputError
from reranker_core.examples import (
    CorpusEntry,
    QueryEntry,
    TrainingExample,
    text_hash,
    write_beir,
    write_snapshot,
    write_training_jsonl,
)
from reranker_core.mining import CorpusIndex
from reranker_core.training.data import TrainingData
from reranker_core.training.dev_data import hold_out, read_dev_data, use_own_dev_part
from reranker_core.training.settings import TrainingSettings

CORPUS = [CorpusEntry(id="a", text="pandas eat bamboo"), CorpusEntry(id="b", text="otters eat fish")]
QUERIES = [QueryEntry(id="q", text="bamboo?"), QueryEntry(id="r", text="fish?")]


def row(query: str, *, neg: tuple[str, ...] = ("wrong",)) -> TrainingExample:
    return TrainingExample(query=query, pos=(f"answer to {query}",), neg=neg)


def data_of(rows: list[TrainingExample], **how: Any) -> TrainingData:
    return TrainingData(rows=tuple(rows), seed=0, group_size=4, has_teacher=False, **how)


def held(rows: list[TrainingExample], share: float = 0.2) -> set[str]:
    return set(hold_out(data_of(rows), share)[1].queries.values())


def test_rows_of_a_file_are_ranked(tmp_path: Path) -> None:
    write_training_jsonl(tmp_path / "dev.jsonl", [row("one"), row("two")])
    task = read_dev_data(tmp_path / "dev.jsonl")
    assert set(task.queries.values()) == {"one", "two"}
    assert "positives and negatives of its rows" in task.note


def test_of_a_snapshot_the_dev_part_is_taken(tmp_path: Path) -> None:
    write_snapshot(
        tmp_path / "frozen",
        corpus=CORPUS,
        queries=QUERIES,
        qrels={"dev": {"q": {"a": 3}}, "test": {"r": {"b": 3}}},
        candidates={"q": {"a": 1.0, "b": 2.0}, "r": {"b": 1.0}},
        examples={},
        manifest={"threshold": {"positive_from": 2, "negative_to": 0}},
    )
    task = read_dev_data(tmp_path / "frozen")
    assert (task.candidates, task.relevant_from) == ({"q": ("b", "a")}, 2)


def write_frozen(folder: Path, *, has_dev: bool) -> Path:
    part = "dev" if has_dev else "test"
    qrels, candidates = {part: {"q": {"a": 3}}}, {"q": {"a": 1.0}}
    examples = {"train": [row("one")]}
    write_snapshot(
        folder, corpus=CORPUS, queries=QUERIES, qrels=qrels, candidates=candidates, examples=examples, manifest={}
    )
    return folder


def test_the_dev_part_of_what_is_trained_on_is_measured_on_unless_something_else_was_asked_for(tmp_path: Path) -> None:
    whole, without = write_frozen(tmp_path / "a", has_dev=True), write_frozen(tmp_path / "b", has_dev=False)

    def choose(*places: Path, **values: Any) -> tuple[Path | None, list[str]]:
        settings = TrainingSettings(model_name_or_path="m", train_data=places, output_dir=tmp_path / "out", **values)
        chosen, notes = use_own_dev_part(settings)
        return chosen.dev_data, notes

    plain = tmp_path / "plain.jsonl"
    write_training_jsonl(plain, [row("two")])
    assert choose(whole) == (whole, [f"Measured on is the dev part of {whole}."])
    assert choose(plain, whole)[0] == whole
    assert choose(without) == (None, [f"The dev part of {without} is empty, so it is not measured on."])
    assert choose(whole, hold_out=0.2) == (None, [])
    assert choose(whole, dev_data=plain) == (plain, [])
    assert choose(plain, tmp_path) == (None, [])
    dev_data, notes = choose(whole, without)
    assert dev_data is None
    assert notes[0].startswith("Several snapshots are trained on")


def test_early_stopping_takes_a_snapshots_own_dev_part_and_says_where_there_is_none(tmp_path: Path) -> None:
    def choose(place: Path) -> TrainingSettings:
        return use_own_dev_part(
            TrainingSettings(
                model_name_or_path="m", train_data=(place,), output_dir=tmp_path / "out", early_stopping_patience=2
            )
        )[0]

    whole = write_frozen(tmp_path / "a", has_dev=True)
    assert (choose(whole).dev_data, choose(whole).early_stopping_patience) == (whole, 2)
    with pytest.raises(InputError, match=r"needs measurements\. The dev part of .*b is empty.*Give dev_data or hold_out"):
        choose(write_frozen(tmp_path / "b", has_dev=False))


@pytest.mark.parametrize("splits", [("dev", "train"), ("validation",)])
def test_of_a_beir_folder_dev_is_taken_or_the_only_split(tmp_path: Path, splits: tuple[str, ...]) -> None:
    qrels = {split: {"q": {"a": 1}} if place == 0 else {"r": {"b": 1}} for place, split in enumerate(splits)}
    write_beir(tmp_path / "beir", corpus=CORPUS, queries=QUERIES, qrels=qrels)
    assert read_dev_data(tmp_path / "beir").candidates == {"q": ("a",)}


def test_a_beir_folder_without_dev_is_not_measured_on_its_test_part(tmp_path: Path) -> None:
    write_beir(tmp_path / "beir", corpus=CORPUS, queries=QUERIES, qrels={"train": {"q": {"a": 1}}, "test": {"r": {"b": 1}}})
    with pytest.raises(InputError, match=r"no qrels/dev\.tsv, and 2 other splits \(train, test\)"):
        read_dev_data(tmp_path / "beir")


def test_about_the_share_is_held_out_and_the_rest_trains_in_its_order() -> None:
    rows = [row(f"query {number}") for number in range(400)]
    train, task = hold_out(data_of(rows), 0.2)
    assert 60 <= len(task.queries) <= 100
    assert [one for one in rows if one.query not in set(task.queries.values())] == list(train)
    assert held(rows, 0.1) < held(rows, 0.2)


def test_which_queries_are_held_out_stays_the_same_in_later_versions() -> None:
    assert held([row(f"query {number}") for number in range(20)]) == {"query 14", "query 18"}


def test_later_rows_move_nothing() -> None:
    rows = [row(f"query {number}") for number in range(100)]
    first = held(rows[:50])
    assert held(rows[::-1]) & {one.query for one in rows[:50]} == first


def test_near_copies_of_a_query_stay_together() -> None:
    queries = [f"Query ｎｕｍｂｅｒ {number}" for number in range(60)]
    copies = [f" query  NUMBER {number}\n" for number in range(60)]
    found = held([row(query) for query in (*queries, *copies)])
    assert 0 < len(found) < 120
    for query, copy in zip(queries, copies, strict=True):
        assert (query in found) == (copy in found)


def test_held_out_rows_without_negatives_rank_passages_of_the_training_corpus() -> None:
    texts = [f"passage {number}" for number in range(30)]
    corpus = CorpusIndex({text_hash(text): text for text in texts})
    rows = [row(f"query {number}", neg=()) for number in range(40)]
    _, task = hold_out(data_of(rows, corpus=corpus), 0.2)
    for query_id, candidates in task.candidates.items():
        ranked = {task.passages[passage_id] for passage_id in candidates}
        assert len(ranked & set(texts)) == 15
        assert ranked - set(texts) == {f"answer to {task.queries[query_id]}"}


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1])
def test_a_share_that_leaves_nothing_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        hold_out(data_of([row("one")]), share)


def test_too_few_rows_to_part_are_refused() -> None:
    with pytest.raises(InputError, match="of 1 rows leaves"):
        hold_out(data_of([row("one")]), 0.2)
