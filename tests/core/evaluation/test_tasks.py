"""A task is ranked in one go: all layers in one pass, each query with its prompt, told and stopped in pairs."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from reranker_core import BM25Reranker
from reranker_core.errors import InputError
from reranker_core.evaluation import RankingTask, fuse_runs, rank_by_bm25, score_task
from reranker_core.mining import CorpusIndex
from reranker_core.mining.corpus_index import hash_number

LOGITS = {"pandas eat bamboo": 3.0, "otters eat fish": 5.0, "a red car": 1.0}


def test_every_layer_is_a_run_with_the_best_first(task: RankingTask, known_logits: Any) -> None:
    reranker = known_logits(LOGITS, family="layerwise", layers=8)
    runs = score_task(reranker, task, cutoff_layers=[2, 8])
    assert list(runs) == [2, 8]
    assert [(query_id, list(row.items())) for query_id, row in runs[2].items()] == [
        ("bamboo", [("panda", 1.0), ("car", -1.0)]),
        ("fish", [("otter", 3.0), ("panda", 1.0), ("car", -1.0)]),
    ]
    assert runs[8]["bamboo"] == {"panda": -5.0, "car": -7.0}
    assert list(score_task(reranker, task)) == [8]
    assert reranker.lengths == [None] * 4


def test_the_length_is_passed_on(task: RankingTask, known_logits: Any) -> None:
    reranker = known_logits(LOGITS)
    score_task(reranker, task, max_length=64)
    assert reranker.lengths == [64, 64]


def test_a_model_without_layers_is_not_asked_for_layers(task: RankingTask, known_logits: Any) -> None:
    assert list(score_task(known_logits(LOGITS), task, cutoff_layers=[2, 8])) == [None]


@pytest.mark.parametrize(
    ("family", "prompts"),
    [("decoder", [None, "Does B answer A?"]), ("layerwise", [None, "Does B answer A?"]), ("encoder", [None])],
)
def test_each_query_is_scored_with_its_prompt_where_the_family_reads_one(
    task: RankingTask, known_logits: Any, family: str, prompts: list[str | None]
) -> None:
    reranker = known_logits(LOGITS, family=family, layers=3 if family == "layerwise" else None)
    score_task(reranker, task)
    assert reranker.prompts == prompts


def test_prompts_reach_a_model_and_runs_are_its_scores(task: RankingTask, load: Callable[..., Any]) -> None:
    reranker = load("llm")
    run = score_task(reranker, task, max_length=64)[None]
    pairs = [("who eats fish?", task.passages[passage_id]) for passage_id in run["fish"]]
    expected = reranker.score(pairs, max_length=64, prompt="Does B answer A?").column()
    assert list(run["fish"].values()) == pytest.approx(expected, abs=1e-5)
    assert expected != pytest.approx(reranker.score(pairs, max_length=64).column(), abs=1e-4)


def test_progress_goes_through_all_pairs_and_what_it_raises_stops(task: RankingTask, known_logits: Any) -> None:
    told: list[tuple[int, int]] = []
    score_task(known_logits(LOGITS), task, on_progress=lambda done, total: told.append((done, total)))
    assert told == [(1, 5), (2, 5), (3, 5), (5, 5)]

    def stop(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        score_task(known_logits(LOGITS), task, on_progress=stop)


def test_equal_scores_stand_by_a_hash_of_the_id_and_a_query_without_candidates_has_an_empty_row(
    task: RankingTask, known_logits: Any
) -> None:
    alone = replace(task, candidates={"bamboo": (), "fish": tuple(sorted(task.passages))})
    run = score_task(known_logits({}), alone)[None]
    assert run["bamboo"] == {}
    assert list(run["fish"]) == sorted(task.passages, key=hash_number)


def test_bm25_counts_words_over_all_passages_and_gives_every_candidate_a_score(task: RankingTask) -> None:
    run = rank_by_bm25(task)
    found = CorpusIndex(task.passages).search("who eats fish?", depth=10)
    assert found.keys() == {"otter", "crane"}
    assert run["fish"] == {"otter": found["otter"], **dict.fromkeys(sorted(("panda", "car"), key=hash_number), 0.0)}
    assert next(iter(run["fish"])) == "otter"


def test_bm25_gives_equal_texts_the_same_score_under_all_their_ids(task: RankingTask) -> None:
    copies = replace(task, passages=task.passages | {"copy": "otters eat fish"}, candidates={"fish": ("copy", "otter")})
    scores = rank_by_bm25(copies)["fish"]
    assert scores["copy"] == scores["otter"] > 0


def test_bm25_as_a_reranker_needs_no_options(task: RankingTask) -> None:
    assert next(iter(score_task(BM25Reranker(), task, max_length=64)[None]["fish"])) == "otter"


def test_fusion_adds_reciprocal_ranks_of_every_run_that_has_a_passage() -> None:
    runs = [{"q": {"a": 9.0, "b": 2.0, "c": 1.0}}, {"q": {"c": 0.9, "b": 0.5}, "other": {"d": 1.0}}]
    fused = fuse_runs(runs)
    assert fused["q"] == pytest.approx({"a": 1 / 61, "b": 1 / 62 + 1 / 62, "c": 1 / 63 + 1 / 61})
    assert list(fused["q"]) == ["c", "b", "a"]
    assert fused["other"] == {"d": 1 / 61}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"qrels": {}}, "no query with grades"),
        ({"qrels": {"lost": {"panda": 1}}}, 'names query "lost"'),
        ({"candidates": {"fish": ("whale",)}}, 'names passage "whale"'),
        ({"relevant_from": 0}, "at least 1, got 0"),
    ],
)
def test_a_task_that_lacks_a_text_or_grades_is_refused(task: RankingTask, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        replace(task, **changes)
