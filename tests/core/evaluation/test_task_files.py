"""Tasks out of BEIR folders, runs, snapshots and training rows rank what they say, and nothing else."""

from pathlib import Path
from typing import Any

import pytest

from reranker_core.errors import InputError
from reranker_core.evaluation import RankingTask, make_rows_task, read_task
from reranker_core.evaluation.task_files import DRAWN
from reranker_core.examples import (
    CorpusEntry,
    QueryEntry,
    TrainingExample,
    text_hash,
    write_beir,
    write_run,
    write_snapshot,
    write_training_jsonl,
)
from reranker_core.mining import CorpusIndex
from reranker_core.mining.corpus_index import hash_number

CORPUS = [CorpusEntry(id=f"d{number}", title="Animals", text=f"number {number} eats fish") for number in range(30)]
CORPUS += [CorpusEntry(id="panda", text="pandas eat bamboo"), CorpusEntry(id="empty", text="")]
QUERIES = [QueryEntry(id="fish", text="who eats fish?"), QueryEntry(id="bamboo", text="bamboo?")]
QUERIES += [QueryEntry(id="none", text="zebra?"), QueryEntry(id="other", text="not graded")]
QRELS = {"fish": {"d1": 2, "d2": 1, "panda": 0}, "bamboo": {"panda": 3, "d5": -1}, "none": {"d1": 1}}
CANDIDATES = {"fish": {"d3": 1.0, "panda": 3.0, "d2": 1.0, "d1": 1.0}, "bamboo": {"d4": 2.0}, "other": {"d1": 1.0}}


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    write_beir(tmp_path / "fishes", corpus=CORPUS, queries=QUERIES, qrels={"test": QRELS, "dev": {"fish": {"d1": 1}}})
    return tmp_path / "fishes"


@pytest.fixture
def make_snapshot(tmp_path: Path) -> Any:
    def make(**manifest: Any) -> Path:
        rows = [TrainingExample(query="who eats fish?", pos=("Animals number 1 eats fish",), neg=("pandas eat bamboo",))]
        write_snapshot(
            tmp_path / "frozen",
            corpus=CORPUS,
            queries=QUERIES,
            qrels={"test": QRELS, "dev": {"other": {"d1": 2}}},
            candidates=CANDIDATES,
            examples={"test": rows},
            manifest={"name": "First labels"} | manifest,
        )
        return tmp_path / "frozen"

    return make


def test_a_beir_folder_ranks_what_bm25_finds_of_its_corpus(beir: Path) -> None:
    task = read_task(beir, depth=7)
    index = CorpusIndex({entry.id: entry.passage for entry in CORPUS})
    assert task.candidates == {
        "fish": tuple(index.search("who eats fish?", depth=7)),
        "bamboo": ("panda",),
        "none": (),
    }
    assert (task.name, task.first_stage, task.relevant_from) == ("fishes (test)", "bm25", 1)
    assert task.qrels == QRELS
    assert task.passages["d1"] == "Animals number 1 eats fish"
    assert "the best 7 passages that BM25 finds in a corpus of 32" in task.note
    assert len(read_task(beir).candidates["fish"]) == 30


def test_a_run_brings_the_candidates_and_its_order_with_ties_by_hash(beir: Path, tmp_path: Path) -> None:
    write_run(tmp_path / "dense.run", CANDIDATES)
    tied = tuple(sorted(("d1", "d2", "d3"), key=hash_number))
    assert tied != ("d3", "d2", "d1")  # the order of the file
    task = read_task(beir, run=tmp_path / "dense.run")
    assert task.candidates == {"fish": ("panda", *tied), "bamboo": ("d4",), "none": ()}
    assert task.first_stage == "dense"
    assert "the candidates of dense.run in" in task.note
    assert "Of the relevant passages (grade 1 or more) 50% are among them" in task.note
    assert read_task(beir, run=tmp_path / "dense.run", depth=2).candidates["fish"] == ("panda", tied[0])


def test_the_split_is_test_or_the_one_asked_for_or_the_only_one(beir: Path, tmp_path: Path) -> None:
    assert read_task(beir, split="dev").qrels == {"fish": {"d1": 1}}
    write_beir(tmp_path / "one", corpus=CORPUS, queries=QUERIES, qrels={"validation": QRELS})
    assert read_task(tmp_path / "one").name == "one (validation)"
    with pytest.raises(InputError, match=r'no split "train". There are: dev, test'):
        read_task(beir, split="train")
    write_beir(tmp_path / "two", corpus=CORPUS, queries=QUERIES, qrels={"a": QRELS, "b": QRELS})
    with pytest.raises(InputError, match=r'no split "test". There are: a, b'):
        read_task(tmp_path / "two")


def test_only_the_first_queries_are_taken(beir: Path) -> None:
    task = read_task(beir, max_queries=2)
    assert list(task.qrels) == list(task.candidates) == ["fish", "bamboo"]
    assert task.queries.keys() == {"fish", "bamboo"}


def test_a_snapshot_ranks_all_its_candidates_with_its_threshold_and_prompt(make_snapshot: Any) -> None:
    folder = make_snapshot(
        threshold={"positive_from": 2, "negative_to": 0}, prompt="B answers A?", candidates_scored_by="bm25"
    )
    task = read_task(folder)
    assert (task.name, task.relevant_from, task.first_stage) == ("First labels (test)", 2, "bm25")
    assert task.candidates.keys() == QRELS.keys()
    assert set(task.candidates["fish"]) == set(CANDIDATES["fish"])
    assert task.prompts == dict.fromkeys(QRELS, "B answers A?")
    assert "(grade 2 or more) 50% are" in task.note
    assert read_task(folder, split="dev").qrels == {"other": {"d1": 2}}
    with pytest.raises(InputError, match=r"part train of snapshot .* has no grades"):
        read_task(folder, split="train")


@pytest.mark.parametrize(("threshold", "expected"), [(None, 1), (3, 3), ({"positive_from": 1}, 1)])
def test_a_snapshot_of_others_may_say_less(make_snapshot: Any, threshold: Any, expected: int) -> None:
    task = read_task(make_snapshot(threshold=threshold))
    assert (task.relevant_from, task.prompts, task.first_stage) == (expected, {}, "")


def test_a_damaged_snapshot_is_no_beir_folder(make_snapshot: Any) -> None:
    folder = make_snapshot()
    (folder / "candidates.run").unlink()
    with pytest.raises(InputError, match=r"candidates\.run of snapshot"):
        read_task(folder)


def test_training_rows_rank_the_passages_of_all_rows_of_a_query(tmp_path: Path) -> None:
    rows = [
        TrainingExample(query="fish?", pos=("otter",), neg=("car", "crane"), prompt="B?"),
        TrainingExample(query="bamboo?", pos=("panda",), neg=("car",), prompt="B?"),
        TrainingExample(query="fish?", pos=("crane",), neg=("panda", "otter"), prompt="B?"),
    ]
    write_training_jsonl(tmp_path / "dev.jsonl", rows)
    task = read_task(tmp_path / "dev.jsonl")
    fish, bamboo = text_hash("fish?"), text_hash("bamboo?")
    assert task.queries == {fish: "fish?", bamboo: "bamboo?"}
    by_text = {task.passages[passage_id]: grade for passage_id, grade in task.qrels[fish].items()}
    assert by_text == {"otter": 1, "crane": 1, "car": 0, "panda": 0}
    assert task.candidates[fish] == tuple(sorted(task.qrels[fish], key=hash_number))
    assert task.prompts == {fish: "B?", bamboo: "B?"}
    assert "3.0 passages on average" in task.note
    assert list(read_task(tmp_path / "dev.jsonl", max_queries=1).qrels) == [fish]


def test_a_query_without_negatives_ranks_random_passages_that_have_no_grade() -> None:
    rows = [TrainingExample(query=f"query {number}", pos=(f"passage {number}",), neg=("far",)) for number in range(40)]
    bare = TrainingExample(query="passage 7", pos=("passage 3", "passage 4"))
    task = make_rows_task([*rows, bare], name="rows")
    query_id = text_hash("passage 7")
    texts = {task.passages[passage_id] for passage_id in task.candidates[query_id]}
    assert len(texts) == 2 + DRAWN
    assert "passage 7" not in texts  # the query itself
    assert task.qrels[query_id] == {text_hash("passage 3"): 1, text_hash("passage 4"): 1}
    assert "1 of 41 queries have no negatives and rank random passages" in task.note
    again = make_rows_task([bare, *rows[::-1]], name="rows")
    assert again.candidates[query_id] == task.candidates[query_id]


def test_random_passages_come_from_the_corpus_that_is_given() -> None:
    corpus = CorpusIndex({"a": "alpha", "b": "beta", "p": "passage"})
    task = make_rows_task([TrainingExample(query="query", pos=("passage",))], name="rows", corpus=corpus)
    assert {task.passages[one] for one in task.candidates[text_hash("query")]} == {"passage", "alpha", "beta"}


def test_rows_with_nothing_to_rank_are_left_out_or_refused() -> None:
    alone = TrainingExample(query="query", pos=("passage",))
    with pytest.raises(InputError, match="nothing to rank"):
        make_rows_task([alone], name="rows")
    task: RankingTask = make_rows_task(
        [alone, TrainingExample(query="other", pos=("passage",), neg=("query",))], name="rows"
    )
    assert list(task.qrels) == [text_hash("other")]
    assert "1 queries were left out" in task.note


def test_what_does_not_go_together_is_refused(beir: Path, make_snapshot: Any, tmp_path: Path) -> None:
    write_run(tmp_path / "a.run", {"fish": {"whale": 1.0}})
    rows = tmp_path / "rows.jsonl"
    write_training_jsonl(rows, [TrainingExample(query="q", pos=("a",), neg=("b",))])
    for place, how, words in (
        (beir, {"depth": 0}, "depth must be at least 1"),
        (beir, {"max_queries": 0}, "max_queries must be at least 1"),
        (beir, {"run": tmp_path / "a.run"}, 'names passage "whale"'),
        (make_snapshot(), {"run": tmp_path / "a.run"}, "brings its own candidates"),
        (rows, {"run": tmp_path / "a.run"}, "brings its own candidates"),
        (rows, {"split": "test"}, "no splits"),
        (tmp_path, {}, "no BEIR folder"),
        (tmp_path / "gone.jsonl", {}, "cannot be read"),
    ):
        with pytest.raises(InputError, match=words):
            read_task(place, **how)
