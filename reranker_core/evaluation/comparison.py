"""Is one run better than another? The paired difference, what chance could make of it, and what could have been seen.

The randomisation test decides and the bootstrap shows how large the difference may be: both agree with the t-test and need
no normal values, which Wilcoxon's and the sign test do not replace (Smucker, Allan and Carterette 2007, CIKM; Urbano, Lima
and Hanjalic 2019, SIGIR, arXiv 1905.11096).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from reranker_core.errors import InputError
from reranker_core.evaluation.measures import MeasuredRun

Verdict = Literal["better", "worse", "cannot tell"]

LEVEL = 0.05
"""The p below which a difference counts as shown; the interval covers the rest, 95 %."""

_Values: TypeAlias = npt.NDArray[np.float64]
_POWER = 0.8
_EXACT_UP_TO = 16  # differences: 65,536 ways to choose their signs
_BLOCK = 4_000_000  # numbers drawn at once: 32 MB
_TOO_MANY = 100_000  # queries that nobody labels


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """The difference of two runs in one measure, over the same queries.

    Attributes:
        measure: the measure.
        queries: how many were compared.
        baseline_mean: of the run compared with.
        mean: of the run in question.
        difference: `mean - baseline_mean`.
        low: lower end of the 95 % bootstrap interval of the difference.
        high: its upper end.
        p: how often chance alone gives a difference this large in either direction; of `adjust` where there are several.
        wins: queries on which the run in question is better.
        ties: queries on which both have the same value.
        losses: queries on which it is worse.
        deviation: the standard deviation of the differences by query; `None` for one query.
        detectable: the smallest mean difference that this many queries show four times in five, given `deviation`; `None`
            where the differences do not vary, or with too few queries (5, if it is the only comparison) to show any.
        queries_needed: how many queries would show a difference like this one four times in five; `None` where that cannot
            be said, as for no difference.
        counted_as: by how much `p` was raised for the comparisons beside this one, as Holm has it; `detectable` and
            `queries_needed` hold for the stricter level. The interval is always this difference's own.
    """

    measure: str
    queries: int
    baseline_mean: float
    mean: float
    difference: float
    low: float
    high: float
    p: float
    wins: int
    ties: int
    losses: int
    deviation: float | None
    detectable: float | None
    queries_needed: int | None
    counted_as: int = 1

    @property
    def verdict(self) -> Verdict:
        """Whether the run in question is shown to be better or worse, by `p` below 0.05."""
        if self.p >= LEVEL:
            return "cannot tell"
        return "better" if self.difference > 0 else "worse"

    def describe(self) -> str:
        """Say it in plain words.

        Example:
            >>> a = MeasuredRun(means={"AP": 0.5}, by_query={"q": {"AP": 0.5}}, queries=1, judged_share=1.0,
            ...                 without_run=0, without_relevant=0, relevant_from=1)
            >>> compare_runs(a, a, measure="AP").describe()
            'no difference: AP is the same for every query (0.500, 1 query).'
        """
        count = f"{self.queries:,} quer{'y' if self.queries == 1 else 'ies'}"
        if self.ties == self.queries:
            return f"no difference: {self.measure} is the same for every query ({self.mean:.3f}, {count})."
        facts = (
            f"{self.measure} {self.baseline_mean:.3f} → {self.mean:.3f}, {self.difference:+.3f} (95 % interval "
            f"{self.low:+.3f} to {self.high:+.3f}, p = {show_p(self.p)}, {count}: {self.wins} better, {self.losses} worse)"
        )
        if self.verdict != "cannot tell":
            return f"{self.verdict}: {facts}."
        return f"cannot tell yet: {facts}. {self.say_what_is_missing()}".rstrip()

    def say_what_is_missing(self) -> str:
        """Say what so many queries can show, and how many more could show this difference; empty if it cannot be said."""
        fewest = _fewest(self.counted_as)
        if self.queries < fewest:
            among = "" if self.counted_as == 1 else " among so many comparisons"
            return f"Fewer than {fewest} queries can show no difference at all{among}."
        seen = f"This many could show about {self.detectable:.3f}. " if self.detectable else ""
        if self.queries_needed is None or self.queries_needed <= self.queries:
            return seen
        if self.queries_needed > _TOO_MANY:
            return f"{seen}A difference this small would take more than {_TOO_MANY:,} labelled queries."
        more = _round(self.queries_needed - self.queries)
        return f"{seen}About {more:,} more labelled quer{'y' if more == 1 else 'ies'} could show it."


def compare_runs(
    baseline: MeasuredRun, other: MeasuredRun, *, measure: str = "nDCG@10", draws: int = 10_000, seed: int = 0
) -> Comparison:
    """Compare two measured runs query by query.

    Args:
        baseline: the run to compare with.
        other: the run in question.
        measure: one that both were measured by.
        draws: of the bootstrap, and of the randomisation test where not all signs can be tried (more than 16 queries on
            which the runs differ).
        seed: of the draws. The same runs give the same result, whatever the order of their queries.

    Raises:
        InputError: the runs were not measured alike, or not by this measure.
    """
    _check_alike(baseline, other, measure)
    query_ids = sorted(baseline.by_query)
    before = np.array([baseline.by_query[query_id][measure] for query_id in query_ids])
    after = np.array([other.by_query[query_id][measure] for query_id in query_ids])
    differences = after - before
    mean = float(differences.mean())
    deviation = float(differences.std(ddof=1)) if len(differences) > 1 else None
    detectable, needed = _foresee(mean, deviation, queries=len(differences), counted_as=1)
    low, high = _bootstrap(differences, draws=draws, seed=seed)
    return Comparison(
        measure=measure,
        queries=len(query_ids),
        baseline_mean=float(before.mean()),
        mean=float(after.mean()),
        difference=mean,
        low=low,
        high=high,
        p=_randomise(differences, draws=draws, seed=seed),
        wins=int((differences > 0).sum()),
        ties=int((differences == 0).sum()),
        losses=int((differences < 0).sum()),
        deviation=deviation,
        detectable=detectable,
        queries_needed=needed,
    )


def compare_measures(
    baseline: MeasuredRun, other: MeasuredRun, *, draws: int = 10_000, seed: int = 0
) -> dict[str, Comparison]:
    """Compare two runs in every measure: the first one decides and stands for itself, the others are adjusted by Holm.

    Raises:
        InputError: as `compare_runs`.
    """
    found = [compare_runs(baseline, other, measure=name, draws=draws, seed=seed) for name in other.means]
    return {comparison.measure: comparison for comparison in (*found[:1], *adjust(found[1:]))}


def adjust(comparisons: Sequence[Comparison]) -> list[Comparison]:
    """Adjust the p of several comparisons by Holm (1979), so that all of them together err once in twenty at most.

    The least p counts as often as there are comparisons, the next once less, and none is below the one before it. What
    could have been seen is foreseen at the level that this leaves to each.
    """
    order = sorted(range(len(comparisons)), key=lambda index: comparisons[index].p)
    adjusted: dict[int, Comparison] = {}
    highest = 0.0
    for place, index in enumerate(order):
        one, counted_as = comparisons[index], len(order) - place
        highest = max(highest, min(1.0, counted_as * one.p))
        detectable, needed = _foresee(one.difference, one.deviation, queries=one.queries, counted_as=counted_as)
        adjusted[index] = replace(one, p=highest, detectable=detectable, queries_needed=needed, counted_as=counted_as)
    return [adjusted[index] for index in range(len(comparisons))]


def _foresee(
    difference: float, deviation: float | None, *, queries: int, counted_as: int
) -> tuple[float | None, int | None]:
    """Give the difference that this many queries could show, and how many could show this difference."""
    if deviation is None or deviation <= 1e-12:
        return None, None
    level, fewest = LEVEL / counted_as, _fewest(counted_as)
    # 2.80 standard errors for one comparison at 0.05.
    spread = (NormalDist().inv_cdf(1 - level / 2) + NormalDist().inv_cdf(_POWER)) * deviation
    needed = max(fewest, math.ceil((spread / difference) ** 2)) if abs(difference) > 1e-12 else None
    return (spread / math.sqrt(queries) if queries >= fewest else None), needed


def _fewest(counted_as: int) -> int:
    """Give the number of queries from which on winning all of them has a p below the level: p = 2 / 2^n."""
    return math.floor(math.log2(2 * counted_as / LEVEL)) + 1


def show_p(p: float) -> str:
    """Write a p as people read it.

    >>> show_p(0.00009999), show_p(0.0312), show_p(0.5)
    ('0.0001', '0.031', '0.50')
    """
    return f"{p:.4f}" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def _check_alike(baseline: MeasuredRun, other: MeasuredRun, measure: str) -> None:
    for run in (baseline, other):
        if measure not in run.means:
            raise InputError(f"The runs were measured by {', '.join(run.means)}, not by {measure}. Measure both by it.")
    if baseline.by_query.keys() != other.by_query.keys():
        raise InputError(
            f"The runs were measured over different queries ({baseline.queries} and {other.queries}). Measure both with "
            "the same qrels."
        )
    if (baseline.relevant_from, baseline.judged_only) != (other.relevant_from, other.judged_only):
        raise InputError("The runs were measured with different relevant_from or judged_only. Measure both alike.")


def _bootstrap(differences: _Values, *, draws: int, seed: int) -> tuple[float, float]:
    """Give the percentile interval of the mean over queries drawn with replacement."""
    generator = np.random.default_rng(seed)
    count = len(differences)
    means = np.concatenate(
        [differences[generator.integers(count, size=(size, count))].mean(axis=1) for size in _split(draws, count)]
    )
    low, high = np.quantile(means, [LEVEL / 2, 1 - LEVEL / 2])
    return float(low), float(high)


def _randomise(differences: _Values, *, draws: int, seed: int) -> float:
    """Give how often random signs make the sum of the differences as large as it is, in either direction.

    Exact where all signs can be tried; else (b + 1) / (draws + 1), which is never 0 (Phipson and Smyth 2010).
    """
    differing = differences[differences != 0]  # the sign of 0 changes nothing
    if not len(differing):
        return 1.0
    # Sums that are equal on paper differ by rounding.
    limit = abs(differing.sum()) - 1e-12 * np.abs(differing).sum()
    if len(differing) <= _EXACT_UP_TO:
        ways = np.arange(2 ** len(differing))[:, None] >> np.arange(len(differing)) & 1
        return float((np.abs((ways * 2 - 1) @ differing) >= limit).mean())
    generator = np.random.default_rng(seed)
    reached = sum(
        int((np.abs((generator.integers(2, size=(size, len(differing))) * 2 - 1) @ differing) >= limit).sum())
        for size in _split(draws, len(differing))
    )
    return (reached + 1) / (draws + 1)


def _split(draws: int, count: int) -> list[int]:
    """Split draws of `count` numbers each into blocks that fit into memory."""
    block = max(1, _BLOCK // count)
    return [min(block, draws - start) for start in range(0, draws, block)]


def _round(count: int) -> int:
    """Round to two digits: an estimate needs no more."""
    unit = int(10 ** max(0, len(str(count)) - 2))
    return math.ceil(count / unit) * unit
