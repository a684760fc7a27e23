"""Measures are those of the textbooks, ties flatter nobody, and what is missing counts 0."""

import math
import random

import pytest

from reranker_core.errors import InputError
from reranker_core.evaluation import measure_run
from reranker_core.mining.corpus_index import hash_number

GRADES = {"a": 3, "b": 0, "c": 1, "d": 2, "e": 2, "f": -1}
RANKING = ["b", "c", "x", "e", "a", "f"]  # x has no grade, d was not found
RUN = {"q": {passage_id: -float(place) for place, passage_id in enumerate(RANKING)}}


def gain(grades: list[int]) -> float:
    return sum(grade / math.log2(place + 2) for place, grade in enumerate(grades))


def test_ndcg_takes_grades_as_gains_over_the_logarithm_of_the_rank() -> None:
    measured = measure_run(RUN, {"q": GRADES}, measures=["nDCG@10", "nDCG@4"])
    assert measured.means["nDCG@10"] == pytest.approx(gain([0, 1, 0, 2, 3, 0]) / gain([3, 2, 2, 1]))
    assert measured.means["nDCG@4"] == pytest.approx(gain([0, 1, 0, 2]) / gain([3, 2, 2, 1]))


@pytest.mark.parametrize(
    ("measure", "value"),
    [
        ("RR@10", 1 / 4),
        ("RR@3", 0.0),
        ("AP", (1 / 4 + 2 / 5) / 3),
        ("P@5", 2 / 5),
        ("R@4", 1 / 3),
        ("Success@3", 0.0),
        ("Success@4", 1.0),
        ("RR(rel=1)@10", 1 / 2),
        ("Judged@5", 4 / 5),
    ],
)
def test_binary_measures_take_grades_from_the_threshold_on_as_relevant(measure: str, value: float) -> None:
    measured = measure_run(RUN, {"q": GRADES}, measures=[measure], relevant_from=2)
    assert measured.by_query["q"][measure] == pytest.approx(value)
    assert measured.means[measure] == pytest.approx(value)


def test_the_threshold_leaves_ndcg_alone() -> None:
    assert measure_run(RUN, {"q": GRADES}).means["nDCG@10"] == pytest.approx(
        measure_run(RUN, {"q": GRADES}, relevant_from=3).means["nDCG@10"]
    )


def test_equal_scores_stand_by_a_hash_of_the_passage_id_whatever_the_order_of_the_input() -> None:
    ids = [f"p{number}" for number in range(20)]
    place = sorted(ids, key=hash_number).index("p0") + 1
    assert place > 1
    for order in (ids, ids[::-1], random.Random(1).sample(ids, k=len(ids))):
        measured = measure_run({"q": dict.fromkeys(order, 0.25)}, {"q": {"p0": 1}}, measures=["RR", "RR@20"])
        assert measured.means == {"RR": pytest.approx(1 / place), "RR@20": pytest.approx(1 / place)}


def test_scores_that_differ_beyond_float32_are_told_apart() -> None:
    first, second = sorted(["a", "b"], key=hash_number)
    run = {"q": {first: 0.9, second: 0.9 + 1e-12}}
    assert measure_run(run, {"q": {second: 1}}, measures=["RR", "nDCG@1"]).means == {"RR": 1.0, "nDCG@1": 1.0}


def test_queries_without_a_run_count_0_and_those_without_grades_do_not_count() -> None:
    qrels = {"q": {"a": 1}, "lost": {"a": 1}, "empty": {"a": 1}}
    measured = measure_run({"q": {"a": 1.0}, "empty": {}, "unknown": {"a": 1.0}}, qrels)
    assert measured.means == {"nDCG@10": pytest.approx(1 / 3), "RR@10": pytest.approx(1 / 3)}
    assert (measured.queries, measured.without_run) == (3, 2)
    assert measured.by_query["lost"] == {"nDCG@10": 0.0, "RR@10": 0.0}
    assert set(measured.by_query) == set(qrels)


def test_queries_without_a_relevant_passage_count_0_and_are_counted() -> None:
    qrels = {"good": {"a": 2}, "weak": {"a": 1}, "none": {"a": 0}, "skipped": {"a": -1}}
    measured = measure_run({query_id: {"a": 1.0} for query_id in qrels}, qrels, relevant_from=2)
    assert measured.without_relevant == 3
    assert measured.means["RR@10"] == pytest.approx(1 / 4)
    assert measured.by_query["weak"] == {"nDCG@10": 1.0, "RR@10": 0.0}
    assert measured.by_query["skipped"] == {"nDCG@10": 0.0, "RR@10": 0.0}


def test_the_judged_share_is_that_of_the_best_ten_and_a_grade_below_0_is_none() -> None:
    run = {"long": {f"p{number}": -float(number) for number in range(30)}, "short": {"p0": 2.0, "p1": 1.0}}
    qrels = {
        "long": {f"p{number}": 1 for number in (0, 3, 9, 10, 20)},
        "short": {"p0": 0, "p1": -1},
        "lost": {"p0": 1},
    }
    assert measure_run(run, qrels).judged_share == pytest.approx((3 / 10 + 1 / 2) / 2)


def test_judged_only_takes_out_what_has_no_grade_and_still_tells_the_judged_share() -> None:
    measured = measure_run(RUN, {"q": GRADES}, judged_only=True, relevant_from=2)
    assert measured.means["nDCG@10"] == pytest.approx(gain([0, 1, 2, 3]) / gain([3, 2, 2, 1]))
    assert measured.means["RR@10"] == pytest.approx(1 / 3)
    assert measured.judged_share == pytest.approx(4 / 6)
    assert measured.judged_only


def test_a_run_of_ungraded_passages_only_is_worth_0() -> None:
    measured = measure_run({"q": {"x": 1.0}}, {"q": {"a": 1}}, judged_only=True)
    assert measured.means == {"nDCG@10": 0.0, "RR@10": 0.0}
    assert measured.judged_share == 0.0


@pytest.mark.parametrize(
    "measure",
    ["ndgc@10", "P", "nDCG@0", "nDCG@-1", "nDCG@ten", "ERR@10", "NumQ", "P(of=3)@5", "nDCG(dcg='exp-log2')@10", ""],
)
def test_an_unknown_measure_is_refused_with_those_that_are_known(measure: str) -> None:
    with pytest.raises(InputError, match=r"nDCG@10, RR@10, AP, P@5, R@100"):
        measure_run(RUN, {"q": GRADES}, measures=["RR@10", measure])


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(InputError, match='passage "a" the score nan'):
        measure_run({"q": {"a": math.nan}}, {"q": {"a": 1}})
    with pytest.raises(InputError, match="at least 1, got 0"):
        measure_run(RUN, {"q": GRADES}, relevant_from=0)
    with pytest.raises(InputError, match="no query with grades"):
        measure_run(RUN, {})
    with pytest.raises(InputError, match="must be a list"):
        measure_run(RUN, {"q": GRADES}, measures="RR")
