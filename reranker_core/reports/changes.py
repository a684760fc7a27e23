"""The queries that gained and lost most, with the passages that made the difference."""

import math
from collections.abc import Mapping

from reranker_core.evaluation import MeasuredRun, RankingTask
from reranker_core.examples import Run
from reranker_core.reports.parts import PassageMove, QueryChange

SHOWN_QUERIES = 5
SHOWN_PASSAGES = 4
_SEEN = 10  # places that nDCG@10 looks at
LONGEST_TEXT = 2_000
"""Characters of a passage that a report keeps."""


def find_changes(
    task: RankingTask, runs: tuple[Run, Run], measured: tuple[MeasuredRun, MeasuredRun], *, measure: str
) -> tuple[tuple[QueryChange, ...], tuple[QueryChange, ...]]:
    """Find the queries that gained most and those that lost most.

    Args:
        task: what was ranked.
        runs: of the base and of the tuned model, best first.
        measured: the same runs.
        measure: by which gain and loss are told.

    Returns:
        Wins and losses, at most 5 each, the largest first.
    """
    before, after = ({query_id: values[measure] for query_id, values in one.by_query.items()} for one in measured)
    change = {query_id: after[query_id] - before[query_id] for query_id in before}
    wins = sorted((query_id for query_id in change if change[query_id] > 0), key=lambda one: (-change[one], one))
    losses = sorted((query_id for query_id in change if change[query_id] < 0), key=lambda one: (change[one], one))

    def describe(query_id: str) -> QueryChange:
        return QueryChange(
            query_id=query_id,
            query=task.queries[query_id],
            base=before[query_id],
            tuned=after[query_id],
            passages=_find_moves(task, query_id, runs[0].get(query_id, {}), runs[1].get(query_id, {})),
        )

    shown = (tuple(map(describe, ids[:SHOWN_QUERIES])) for ids in (wins, losses))
    return next(shown), next(shown)


def _find_moves(
    task: RankingTask, query_id: str, before: Mapping[str, float], after: Mapping[str, float]
) -> tuple[PassageMove, ...]:
    """Find the passages whose move counts most: as nDCG@10 weighs places, and twice where a passage is relevant."""
    rank_before, rank_after = ({one: rank for rank, one in enumerate(run, start=1)} for run in (before, after))
    grades = task.qrels.get(query_id, {})

    def weigh(passage_id: str) -> float:
        move = abs(_discount(rank_before[passage_id]) - _discount(rank_after[passage_id]))
        return move * (2 if grades.get(passage_id, 0) >= task.relevant_from else 1)

    moved = [one for one in before if rank_before[one] != rank_after[one]]
    moved.sort(key=lambda one: (-weigh(one), -abs(rank_before[one] - rank_after[one]), rank_after[one]))
    return tuple(
        PassageMove(
            passage_id=one,
            text=task.passages[one][:LONGEST_TEXT],
            grade=grade if (grade := grades.get(one)) is not None and grade >= 0 else None,
            rank_before=rank_before[one],
            rank_after=rank_after[one],
            score_before=before[one],
            score_after=after[one],
        )
        for one in moved[:SHOWN_PASSAGES]
    )


def _discount(rank: int) -> float:
    return 1 / math.log2(1 + rank) if rank <= _SEEN else 0.0
