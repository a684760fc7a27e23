"""What became of the scale of the scores.

The loss over a group is the same whatever is added to all scores of a query, so that training moves the scale freely.
Order, and so every measure, is not touched by that; a threshold is.
"""

import math
import statistics
from collections.abc import Sequence

from reranker_core.evaluation import RankingTask
from reranker_core.examples import Run
from reranker_core.reports.parts import ScoreGroup, ScoreShift

# What whoever set a threshold does not notice (judged): of the share of passages that are let through, and of the mean,
# in standard deviations of the scores before.
_NOTABLE_SHARE = 0.05
_NOTABLE_MOVE = 0.25

_Scores = Sequence[tuple[float, float]]  # of each pair: before, after


def measure_shift(task: RankingTask, before: Run, after: Run) -> ScoreShift:
    """Hold the scores of the same pairs before and after against each other.

    Args:
        task: what was ranked, with grades.
        before: scores of the base.
        after: scores of the tuned model, for the same pairs.
    """
    groups: dict[bool, list[tuple[float, float]]] = {True: [], False: []}
    for query_id, scores in before.items():
        grades = task.qrels.get(query_id, {})
        for passage_id, score in scores.items():
            groups[grades.get(passage_id, 0) >= task.relevant_from].append((score, after[query_id][passage_id]))
    relevant, other = _describe(groups[True]), _describe(groups[False])
    everything = [*groups[True], *groups[False]]
    same_share = _find_same_share(everything)
    sentence = _say(relevant, other, whole=_describe(everything), same_share=same_share)
    return ScoreShift(relevant=relevant, other=other, same_share=same_share, sentence=sentence)


def _describe(scores: _Scores) -> ScoreGroup | None:
    if not scores:
        return None
    before, after = ([pair[place] for pair in scores] for place in (0, 1))
    return ScoreGroup(
        passages=len(scores),
        mean_before=statistics.fmean(before),
        mean_after=statistics.fmean(after),
        spread_before=statistics.pstdev(before),
        spread_after=statistics.pstdev(after),
        passed_before=_share(before),
        passed_after=_share(after),
    )


def _share(scores: Sequence[float]) -> float:
    return sum(score > 0 for score in scores) / len(scores)  # the sigmoid of 0 is 0.5


def _find_same_share(scores: _Scores) -> float | None:
    """Find the sigmoid threshold that lets as many through now as 0.5 did: between the last in and the first out."""
    passed = sum(before > 0 for before, _ in scores)
    if passed in (0, len(scores)):
        return None
    ordered = sorted((after for _, after in scores), reverse=True)
    return _sigmoid((ordered[passed - 1] + ordered[passed]) / 2)


def _sigmoid(score: float) -> float:
    return 1 / (1 + math.exp(-score)) if score >= 0 else math.exp(score) / (1 + math.exp(score))


def _show_threshold(share: float) -> str:
    """Show it with three digits, or with as many more as tell it from 1."""
    return next(shown for digits in range(3, 18) if (shown := f"{share:.{digits}g}") != "1")


def _say(
    relevant: ScoreGroup | None, other: ScoreGroup | None, *, whole: ScoreGroup | None, same_share: float | None
) -> str:
    if whole is None:
        return "No passage was scored."
    groups = [(name, group) for name, group in (("relevant", relevant), ("other", other)) if group is not None]
    before = " and ".join(f"{group.passed_before:.0%} of the {name}" for name, group in groups)
    move = whole.mean_after - whole.mean_before
    if any(abs(group.passed_after - group.passed_before) >= _NOTABLE_SHARE for _, group in groups):
        after = " and ".join(f"{group.passed_after:.0%}" for _, group in groups)
        moved = f"A sigmoid threshold of 0.5 let {before} passages through before, and {after} now: choose thresholds anew."
        if same_share is None or same_share in (0.0, 1.0):  # which no threshold can be
            return moved
        return f"{moved} At {_show_threshold(same_share)} it lets as many passages through as before."
    if abs(move) >= _NOTABLE_MOVE * max(whole.spread_before, 1e-9):
        return (
            f"A sigmoid threshold of 0.5 lets through about what it did, {before} passages, but scores are {abs(move):.2f} "
            f"{'higher' if move > 0 else 'lower'} on average: choose other thresholds anew."
        )
    return f"A sigmoid threshold of 0.5 lets through about what it did, {before} passages, and scores have hardly moved."
