"""A run and qrels → measures by ir-measures, as a mean and for each query."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reranker_core.errors import InputError
from reranker_core.examples import Qrels
from reranker_core.examples.texts import describe
from reranker_core.mining.ranking import order_scores

MEASURES = ("nDCG@10", "RR@10")
"""What is measured unless something else is asked for."""

_EXAMPLES = ("nDCG@10", "RR@10", "AP", "P@5", "R@100", "Success@5", "Rprec", "Bpref", "Judged@10")
_NAMES = frozenset(example.partition("@")[0] for example in _EXAMPLES)
_JUDGED_DEPTH = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class MeasuredRun:
    """What a run is worth.

    Attributes:
        means: by measure, in the order asked for; the mean over all queries of the qrels.
        by_query: by query id, then by measure.
        queries: how many queries the means are over.
        judged_share: of the best 10 passages of the queries that have some, the share that has a grade; 0 to 1. Of the run
            as it was given, also with `judged_only`.
        without_run: how many queries the run lacks; each of their values is 0.
        without_relevant: how many queries have no grade from `relevant_from` on. Their binary measures are 0 whatever is
            ranked, as in trec_eval, so that they lower every system's mean alike.
        relevant_from: the grade from which on a passage is relevant to binary measures.
        judged_only: whether passages without a grade were taken out of the run first.
    """

    means: dict[str, float]
    by_query: dict[str, dict[str, float]]
    queries: int
    judged_share: float
    without_run: int
    without_relevant: int
    relevant_from: int
    judged_only: bool = False


def measure_run(
    run: Mapping[str, Mapping[str, float]],
    qrels: Qrels,
    *,
    measures: Sequence[str] = MEASURES,
    relevant_from: int = 1,
    judged_only: bool = False,
) -> MeasuredRun:
    """Measure a run by ir-measures.

    Passages stand by descending score, equal scores by a hash of the passage id: the order of a file would put positives
    first. Grades below 0 count as no grade. nDCG takes grades as gains, over the logarithm of the rank; the binary measures
    (RR, AP, P, R, Success, Rprec, Bpref) take a grade from `relevant_from` on as relevant. A passage without a grade gains
    nothing.

    Args:
        run: scores by query id and passage id. Queries that the qrels lack are passed over.
        qrels: grades by query id and passage id.
        measures: as ir-measures writes them, such as `"nDCG@10"`, `"AP"`, `"R@100"`, `"Judged@10"`.
        relevant_from: the lowest relevant grade, at least 1.
        judged_only: take passages without a grade out of the run first.

    Raises:
        InputError: a measure is unknown, a score is not finite, `relevant_from` is below 1, or the qrels have no query.

    Example:
        >>> measured = measure_run({"q": {"a": 0.9, "b": 0.1}}, {"q": {"b": 1}})
        >>> measured.means["RR@10"], measured.judged_share
        (0.5, 0.5)
    """
    if relevant_from < 1:
        raise InputError(f"relevant_from must be at least 1, got {relevant_from}: a grade of 0 is judged not relevant.")
    if not qrels:
        raise InputError("There is no query with grades, so nothing can be measured. Give qrels that have some.")
    parsed = parse_measures(measures, relevant_from=relevant_from)
    graded = {query_id: _drop_ungraded(grades) for query_id, grades in qrels.items()}
    ranked = {query_id: _rank(query_id, run[query_id]) for query_id in graded if run.get(query_id)}
    measured = (
        ranked
        if not judged_only
        else {
            query_id: [passage_id for passage_id in ranking if passage_id in graded[query_id]]
            for query_id, ranking in ranked.items()
        }
    )
    by_query = _measure(parsed, graded, measured)
    return MeasuredRun(
        means={name: math.fsum(values[name] for values in by_query.values()) / len(by_query) for name in parsed},
        by_query=by_query,
        queries=len(by_query),
        judged_share=_share_judged(graded, ranked),
        without_run=len(graded) - len(ranked),
        without_relevant=sum(max(grades.values(), default=0) < relevant_from for grades in graded.values()),
        relevant_from=relevant_from,
        judged_only=judged_only,
    )


def parse_measures(measures: Sequence[str], *, relevant_from: int = 1) -> dict[str, Any]:
    """Read the names of measures; a binary one that names no `rel` of its own gets `relevant_from`.

    Returns:
        ir-measures' own objects by the names as they were given, each once.

    Raises:
        InputError: there is none, or one is unknown; lists those that are known.
    """
    if isinstance(measures, str) or not measures:
        raise InputError(f"measures must be a list such as {list(MEASURES)}, got {describe(measures)}. Name at least one.")
    return {name: _parse(name, relevant_from) for name in measures}


def _parse(name: str, relevant_from: int) -> Any:
    import ir_measures

    try:
        measure = ir_measures.parse_measure(name)
        cutoff = measure.params.get("cutoff", 1)
        is_known = measure.NAME in _NAMES and type(cutoff) is int and cutoff >= 1
        if is_known and "rel" in measure.SUPPORTED_PARAMS and "rel" not in measure.params:
            measure = measure(rel=relevant_from)
        is_known = is_known and _providers().supports(measure)
    except (ValueError, NameError, TypeError, AssertionError):  # ir-measures' own ways to refuse a name
        is_known = False
    if not is_known:
        raise InputError(
            f"{describe(name)} is no measure that is known here. Known, with any cutoff: {', '.join(_EXAMPLES)}."
        )
    return measure


def _providers() -> Any:
    """Give the parts of ir-measures that compute in this process; its default also starts Perl where it finds some."""
    import ir_measures

    join: Any = ir_measures.providers.FallbackProvider  # has no types
    return join([ir_measures.pytrec_eval, ir_measures.judged, ir_measures.msmarco])


def _drop_ungraded(grades: Mapping[str, int]) -> dict[str, int]:
    return {passage_id: grade for passage_id, grade in grades.items() if grade >= 0}


def _rank(query_id: str, scores: Mapping[str, float]) -> list[str]:
    for passage_id, score in scores.items():
        if not math.isfinite(score):
            raise InputError(
                f"query {describe(query_id)} gives passage {describe(passage_id)} the score {score}. Scores must be finite."
            )
    return list(order_scores(scores))


def _measure(
    parsed: Mapping[str, Any], graded: Mapping[str, Mapping[str, int]], rankings: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, float]]:
    """Have ir-measures compute every value; what it does not report is 0."""
    # Ranks go in place of scores: ir-measures' providers read float32, in which close scores become equal.
    run = {
        query_id: {passage_id: float(len(ranking) - place) for place, passage_id in enumerate(ranking)}
        for query_id, ranking in rankings.items()
        if ranking
    }
    values: dict[tuple[Any, str], float] = {
        (metric.measure, metric.query_id): float(metric.value)
        for metric in _providers().iter_calc(set(parsed.values()), dict(graded), run)
    }
    return {
        query_id: {name: _finite(values.get((measure, query_id), 0.0)) for name, measure in parsed.items()}
        for query_id in graded
    }


def _finite(value: float) -> float:
    return value if math.isfinite(value) else 0.0


def _share_judged(graded: Mapping[str, Mapping[str, int]], rankings: Mapping[str, Sequence[str]]) -> float:
    """Average over the queries with a run what ir-measures calls Judged@10."""
    shares = [
        sum(passage_id in graded[query_id] for passage_id in best) / len(best)
        for query_id, ranking in rankings.items()
        if (best := ranking[:_JUDGED_DEPTH])
    ]
    return math.fsum(shares) / len(shares) if shares else 0.0
