"""Systems side by side: BM25 first, layers and fusions as rows, differences to one of them."""

from dataclasses import replace
from typing import Any

import pytest

from reranker_core.errors import InputError
from reranker_core.evaluation import (
    RankingTask,
    adjust,
    compare_runs,
    compare_systems,
    evaluate,
    evaluate_systems,
    fuse_runs,
    measure_run,
)

LOGITS = {"pandas eat bamboo": 3.0, "otters eat fish": 5.0, "a red car": 4.0}


def titles(evaluation: Any) -> list[str]:
    return [one.system.title for one in evaluation.systems]


def test_bm25_comes_first_then_each_layer_and_its_fusion(task: RankingTask, known_logits: Any) -> None:
    rerankers = [("deep", known_logits(LOGITS, family="layerwise", layers=8)), ("flat", known_logits(LOGITS))]
    evaluation = evaluate(task, rerankers, cutoff_layers=[2, 8], fuse=True)
    assert titles(evaluation) == [
        "bm25",
        *("deep@2", "deep@2 + bm25", "deep@8", "deep@8 + bm25"),
        *("flat", "flat + bm25"),
    ]
    assert [(one.system.layer, one.layers_share) for one in evaluation.systems[1:5:2]] == [(2, 0.25), (8, 1.0)]
    bm25, deep, fused = evaluation.systems[:3]
    assert fused.run == fuse_runs([bm25.run, deep.run])
    assert evaluation.baseline == "deep@2"
    assert evaluation.comparisons.keys() == {*titles(evaluation)} - {"deep@2"}


def test_the_candidates_order_is_a_system_of_its_own_unless_it_is_bm25(task: RankingTask) -> None:
    assert titles(evaluate(replace(task, first_stage="dense"))) == ["dense", "bm25"]
    found = evaluate(replace(task, first_stage="bm25"))
    assert titles(found) == ["bm25"]
    assert found.systems[0].measured == measure_run(
        {"bamboo": {"car": 2.0, "panda": 1.0}, "fish": {"panda": 3.0, "otter": 2.0, "car": 1.0}}, task.qrels
    )


def test_figures_are_those_of_the_runs_and_differences_are_adjusted_together(task: RankingTask, known_logits: Any) -> None:
    queries = [f"query {number}" for number in range(8)]
    many = RankingTask(
        name="many",
        queries={query: query for query in queries},
        passages={"right": "right", "wrong": "wrong", "other": "other"},
        candidates=dict.fromkeys(queries, ("wrong", "right", "other")),
        qrels={query: {"right": 2, "wrong": 1} for query in queries},
        relevant_from=2,
    )
    rerankers = [("good", known_logits({"right": 1.0})), ("bad", known_logits({"wrong": 9.0}))]
    evaluation = evaluate(many, rerankers, measures=["RR@10", "AP"])
    by_title = {one.system.title: one for one in evaluation.systems}
    how = {"measures": ["RR@10", "AP"], "relevant_from": 2}
    for one in evaluation.systems:
        assert one.measured == measure_run(one.run, many.qrels, **how)
        assert one.judged_only == measure_run(one.run, many.qrels, **how, judged_only=True)
    expected = [
        compare_runs(by_title["good"].measured, by_title[title].measured, measure="RR@10") for title in ("bm25", "bad")
    ]
    assert list(evaluation.comparisons.values()) == adjust(expected)
    assert evaluation.comparisons["bad"].p == 2 * 2 / 2**8


def test_another_baseline_can_be_chosen(task: RankingTask, known_logits: Any) -> None:
    rerankers = [("good", known_logits(LOGITS)), ("bad", known_logits({}))]
    assert evaluate(task, rerankers, baseline="bm25").comparisons.keys() == {"good", "bad"}
    with pytest.raises(InputError, match=r'no system "worst" to compare with. There are: bm25, good, bad'):
        evaluate(task, rerankers, baseline="worst")


def test_the_frame_and_the_rows_hold_every_figure(task: RankingTask, known_logits: Any) -> None:
    evaluation = evaluate(task, [("deep", known_logits(LOGITS, family="layerwise", layers=8))], cutoff_layers=[2, 8])
    rows = list(evaluation.list_rows())
    frame = evaluation.to_frame()
    assert list(frame["system"]) == titles(evaluation)
    assert list(frame["nDCG@10"]) == [row["nDCG@10"] for row in rows]
    assert list(frame["RR@10 judged only"]) == [row["judged_only"]["RR@10"] for row in rows]
    assert frame["layer"].isna().tolist() == [True, False, False]
    assert list(frame["layer"].dropna()) == [2, 8]
    baseline, other = rows[1], rows[2]
    assert (baseline["baseline"], baseline["difference"], baseline["verdict"]) == (None, None, None)
    assert (other["baseline"], other["verdict"], other["layers_share"]) == ("deep@2", "cannot tell", 1.0)
    assert other["pairs"] == 5
    assert other["pairs_per_second"] == pytest.approx(5 / other["seconds"])


def test_every_query_has_a_row_for_every_system(task: RankingTask, known_logits: Any) -> None:
    evaluation = evaluate(task, [("good", known_logits(LOGITS))])
    rows = list(evaluation.list_queries())
    assert [(row["query_id"], row["system"]) for row in rows] == [
        ("bamboo", "bm25"),
        ("bamboo", "good"),
        ("fish", "bm25"),
        ("fish", "good"),
    ]
    assert rows[1]["query"] == "who eats bamboo?"
    assert rows[1]["RR@10"] == 0.5  # the car comes first


def test_one_system_is_compared_with_nothing(task: RankingTask) -> None:
    evaluation = evaluate(task)
    assert (evaluation.baseline, evaluation.comparisons) == (None, {})
    assert compare_systems(task, evaluation.systems, baseline="bm25").baseline is None


def test_what_is_done_is_given_before_the_next_model_is_asked_for(task: RankingTask, known_logits: Any) -> None:
    asked: list[str] = []

    def load() -> Any:
        for name in ("first", "second"):
            asked.append(name)
            yield name, known_logits(LOGITS)

    found = evaluate_systems(task, load())
    assert (next(found).system.title, asked) == ("bm25", [])
    assert (next(found).system.title, asked) == ("first", ["first"])


def test_two_systems_of_one_name_are_refused(task: RankingTask, known_logits: Any) -> None:
    for name in ("bm25", "good"):
        with pytest.raises(InputError, match=f'There is a system "{name}" already'):
            evaluate(task, [("good", known_logits(LOGITS)), (name, known_logits(LOGITS))])


def test_progress_names_the_model(task: RankingTask, known_logits: Any) -> None:
    told: list[tuple[str, float | None]] = []
    evaluate(task, [("good", known_logits(LOGITS))], on_progress=lambda stage, share: told.append((stage, share)))
    assert ("scoring by good", 1.0) in told
