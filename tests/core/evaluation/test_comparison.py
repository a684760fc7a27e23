"""A difference is shown only where chance would seldom make it, and what could have been shown is said."""

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from reranker_core.errors import InputError
from reranker_core.evaluation import Comparison, MeasuredRun, adjust, compare_measures, compare_runs

Make = Callable[[Sequence[float]], MeasuredRun]


@pytest.fixture
def compare(make_measured: Make) -> Callable[..., Comparison]:
    """Compare two lists of values."""

    def compare_values(before: Sequence[float], after: Sequence[float], **how: Any) -> Comparison:
        return compare_runs(make_measured(before), make_measured(after), measure="AP", **how)

    return compare_values


@pytest.mark.parametrize(
    "differences",
    [
        [0.5],
        [0.5, -0.25],
        [0.25, 0.25, 0.25, 0.25, 0.25],
        [0.1, 0.2, -0.3],
        [0.1, 0.0, 0.4, 0.0, -0.2, 0.3, 0.05],
        [-0.7, -0.1, -0.2, 0.1, -0.6, -0.35, 0.2, -0.05],
    ],
)
def test_few_queries_are_tested_by_all_choices_of_signs(
    compare: Callable[..., Comparison], differences: list[float]
) -> None:
    ways = [
        abs(math.fsum(sign * value for sign, value in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    reached = sum(way >= abs(math.fsum(differences)) - 1e-9 for way in ways)
    assert compare([0.0] * len(differences), differences).p == reached / len(ways)


def test_many_queries_are_tested_by_drawn_signs_that_come_close_to_all_of_them(compare: Callable[..., Comparison]) -> None:
    differences = np.random.default_rng(5).normal(0.05, 0.1, 17)
    signs = (np.arange(2**17)[:, None] >> np.arange(17) & 1) * 2 - 1
    exact = (np.abs(signs @ differences) >= abs(differences.sum()) - 1e-12).mean()
    assert 0.01 < exact < 0.2
    assert compare([0.0] * 17, list(differences)).p == pytest.approx(exact, abs=0.01)


def test_queries_without_a_difference_leave_the_others_to_be_tried_in_all_ways(compare: Callable[..., Comparison]) -> None:
    assert compare([0.2] * 30, [0.2] * 25 + [0.3] * 5).p == 2 / 32


def test_drawn_signs_never_give_a_p_of_0(compare: Callable[..., Comparison]) -> None:
    assert compare([0.0] * 40, [0.1] * 40).p == 1 / 10_001
    assert compare([0.0] * 40, [0.1] * 40, draws=99).p == 1 / 100


def test_identical_runs_differ_by_nothing(compare: Callable[..., Comparison]) -> None:
    same = compare([0.3, 0.5, 1.0], [0.3, 0.5, 1.0])
    assert (same.difference, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)
    assert (same.wins, same.ties, same.losses) == (0, 3, 0)
    assert (same.detectable, same.queries_needed, same.verdict) == (None, None, "cannot tell")
    assert same.describe().startswith("no difference: AP is the same for every query")


def test_the_interval_is_that_of_means_over_queries_drawn_again(compare: Callable[..., Comparison]) -> None:
    two = compare([0.0, 0.0], [0.0, 1.0])  # a mean of 0 has 1 chance in 4
    assert (two.low, two.high) == (0.0, 1.0)
    values = np.random.default_rng(3).normal(0.1, 0.2, 400)
    many = compare([0.0] * 400, list(values))
    half = 1.96 * values.std() / 20
    assert (many.low, many.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.002)
    assert many.difference == pytest.approx(values.mean())


@pytest.mark.parametrize(("queries", "deviation", "expected"), [(30, 0.2, 0.10), (50, 0.3, 0.12), (200, 0.2, 0.04)])
def test_the_difference_that_could_have_been_shown_is_that_of_the_tables(
    compare: Callable[..., Comparison], queries: int, deviation: float, expected: float
) -> None:
    values = np.random.default_rng(1).normal(0.0, 1.0, queries)
    values = (values - values.mean()) / values.std(ddof=1) * deviation + 0.01
    found = compare([0.0] * queries, list(values))
    assert found.deviation == pytest.approx(deviation)
    assert found.detectable == pytest.approx(expected, abs=0.005)
    assert found.queries_needed == math.ceil((2.801585 * deviation / 0.01) ** 2)


def test_what_is_missing_is_said_in_queries(compare: Callable[..., Comparison]) -> None:
    found = compare([0.5] * 10, [0.4, 0.9] * 5)
    assert found.verdict == "cannot tell"
    assert found.queries_needed is not None
    more = found.queries_needed - 10
    assert found.describe().endswith(
        f"This many could show about {found.detectable:.3f}. About {more} more labelled queries could show it."
    )
    tiny = compare([0.5] * 10, [0.4, 0.60001] * 5)
    assert "would take more than 100,000 labelled queries" in tiny.describe()


def test_fewer_than_six_queries_show_nothing_however_large_the_difference(compare: Callable[..., Comparison]) -> None:
    five = compare([0.0] * 5, [0.5, 0.6, 0.7, 0.8, 0.9])
    assert (five.p, five.verdict, five.detectable) == (2 / 32, "cannot tell", None)
    assert "Fewer than 6 queries" in five.describe()
    assert compare([0.0] * 6, [0.5, 0.6, 0.7, 0.8, 0.9, 1.0]).verdict == "better"


def test_the_verdict_follows_the_direction(compare: Callable[..., Comparison]) -> None:
    low, high = [0.1, 0.2, 0.1, 0.3, 0.2, 0.1, 0.2, 0.3], [0.5, 0.7, 0.6, 0.5, 0.7, 0.6, 0.5, 0.7]
    up, down = compare(low, high), compare(high, low)
    assert (up.verdict, down.verdict) == ("better", "worse")
    assert (up.wins, up.losses) == (down.losses, down.wins) == (8, 0)
    assert up.describe().startswith("better: AP 0.188 → 0.600, +0.412 (95 % interval")
    assert down.difference == pytest.approx(-up.difference)
    assert (down.low, down.high) == pytest.approx((-up.high, -up.low), abs=0.01)


def test_one_query_can_be_compared(compare: Callable[..., Comparison]) -> None:
    one = compare([0.2], [0.7])
    assert (one.deviation, one.detectable, one.queries_needed, one.p) == (None, None, None, 1.0)
    assert "1 query" in one.describe()


def test_the_order_of_the_queries_changes_nothing(make_measured: Make) -> None:
    values = list(np.random.default_rng(2).random(30))
    before, after = make_measured([0.4] * 30), make_measured(values)
    turned = replace(after, by_query=dict(reversed(after.by_query.items())))
    assert compare_runs(before, after, measure="AP") == compare_runs(before, turned, measure="AP")


def test_holm_multiplies_the_least_p_most_and_keeps_the_order(compare: Callable[..., Comparison]) -> None:
    one = compare([0.1], [0.2])
    given = [replace(one, p=p) for p in (0.04, 0.01, 0.03, 0.9)]
    assert [each.p for each in adjust(given)] == pytest.approx([0.09, 0.04, 0.09, 0.9])
    assert adjust([]) == []


def test_of_several_measures_the_first_stands_for_itself() -> None:
    def measured(values: list[float]) -> MeasuredRun:
        rows = {f"q{place}": dict.fromkeys(("AP", "RR", "P@1"), value) for place, value in enumerate(values)}
        means = dict.fromkeys(("AP", "RR", "P@1"), sum(values) / len(values))
        return MeasuredRun(
            means=means,
            by_query=rows,
            queries=len(rows),
            judged_share=1.0,
            without_run=0,
            without_relevant=0,
            relevant_from=1,
        )

    found = compare_measures(measured([0.0] * 6), measured([0.1] * 6))
    assert {name: one.p for name, one in found.items()} == {"AP": 2 / 64, "RR": 4 / 64, "P@1": 4 / 64}


def test_runs_that_were_not_measured_alike_are_refused(make_measured: Make) -> None:
    run = make_measured([0.1, 0.2])
    for other, words in (
        (make_measured([0.1]), "different queries"),
        (replace(run, judged_only=True), "judged_only"),
        (replace(run, relevant_from=2), "relevant_from"),
    ):
        with pytest.raises(InputError, match=words):
            compare_runs(run, other, measure="AP")
    with pytest.raises(InputError, match="by AP, not by RR"):
        compare_runs(run, run, measure="RR")


@pytest.mark.slow
def test_where_nothing_differs_one_test_in_twenty_errs_and_the_interval_holds(compare: Callable[..., Comparison]) -> None:
    generator = np.random.default_rng(11)
    erred = held = 0
    for _ in range(600):
        # Values as nDCG has them: many equal, some far apart, bounded.
        differences = np.where(generator.random(40) < 0.4, 0.0, generator.triangular(-0.6, 0.0, 0.6, 40))
        found = compare([0.0] * 40, list(differences), draws=1000)
        erred += found.p < 0.05
        held += found.low <= 0.0 <= found.high
    assert 0.03 < erred / 600 < 0.07
    assert 0.92 < held / 600 < 0.97


@pytest.mark.slow
def test_the_power_is_as_promised(compare: Callable[..., Comparison]) -> None:
    generator = np.random.default_rng(12)
    shown = sum(
        compare([0.0] * 50, list(generator.normal(2.80 * 0.2 / math.sqrt(50), 0.2, 50)), draws=1000).p < 0.05
        for _ in range(500)
    )
    assert 0.75 < shown / 500 < 0.85


def test_what_several_comparisons_could_have_shown_is_foreseen_at_the_level_that_is_left(
    compare: Callable[..., Comparison],
) -> None:
    values = [0.3, -0.1, 0.2, 0.4, 0.0, 0.1, -0.2, 0.3]
    alone = compare([0.0] * 8, values)
    among = adjust([alone] * 8)[0]
    deviation = np.std(values, ddof=1)
    span = 2.734 + 0.8416  # standard normal quantiles of 1 - 0.05 / 16 and 0.8
    assert (alone.counted_as, among.counted_as) == (1, 8)
    assert among.queries_needed == math.ceil((span * deviation / np.mean(values)) ** 2)
    assert among.queries_needed > (alone.queries_needed or 0)
    assert among.detectable is None  # eight wins of eight queries have p = 2 / 2^8, and counted eight times 0.06
    assert "Fewer than 9 queries can show no difference at all among so many comparisons." in among.describe()
    assert adjust([compare([0.0] * 9, [*values, 0.2])] * 8)[0].detectable == pytest.approx(
        span * np.std([*values, 0.2], ddof=1) / 3, rel=1e-3
    )
