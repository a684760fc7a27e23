"""What to judge next: in which order the candidates of one query come. Pure; `store.queue` gives the rows.

Every order but `shuffled` keeps a share of its places for candidates drawn at random, since what a model chooses alone
teaches no more than chance does (Althammer et al. 2023, arXiv 2309.06131), and since only those drawn at random can show
what the model misses.
"""

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal, get_args

from annotations.errors import InputError
from annotations.models import State

Order = Literal["pooled", "shuffled", "uncertain", "disagreement"]


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueScore:
    """What one model at one layer said about a candidate, with its rank there, from 1, if that was kept."""

    score: float
    rank: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueRow:
    """A candidate, as far as its place in the queue and its state for one annotator go.

    Attributes:
        candidate_id: which.
        source: where it came from, such as `bm25`.
        source_rank: its rank there, from 1.
        scores: by the id of the `ModelRef`; every layer of a model is one.
        state: of the annotator's judgement; `None` if there is none.
        grade: of that judgement, if it is graded.
        version: of that judgement; 0 if there is none.
        is_imported: whether an annotator of kind `import` graded it.
    """

    candidate_id: int
    source: str
    source_rank: int | None
    scores: Mapping[int, QueueScore]
    state: State | None = None
    grade: int | None = None
    version: int = 0
    is_imported: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A candidate at its place.

    Attributes:
        candidate_id: which.
        position: from 1.
        is_random: whether it was drawn at random, in an order that is not.
        order: the order that was used: `shuffled` where scores were asked for that are not there.
    """

    candidate_id: int
    position: int
    is_random: bool
    order: Order


def order_candidates(rows: Sequence[QueueRow], *, order: Order, seed: int, random_share: float = 0.2) -> list[Placed]:
    """Order the candidates of one query, judged ones too, so that nothing moves by being judged.

    `shuffled` depends on each candidate alone: those that come later move nothing to another side of anything.

    Args:
        rows: in any order.
        order: `pooled` by the rank in the source; `shuffled`; `uncertain` by `measure_uncertainty`; `disagreement` by
            `measure_disagreement`. Those without a rank or a score come last, shuffled.
        seed: the same gives the same order again.
        random_share: of the places, 0 to 1; which they are depends on the seed alone.

    Raises:
        InputError: there is no such order, or the share is none.
    """
    if order not in get_args(Order):
        raise InputError(f"An order is one of {', '.join(get_args(Order))}, got {order!r}.")
    if not 0 <= random_share <= 1:
        raise InputError(f"random_share must be a part from 0 to 1, got {random_share}.")
    shuffled = sorted(rows, key=lambda row: _draw(seed, row.candidate_id))
    used, chosen = _choose(shuffled, order)
    placed: list[Placed] = []
    taken: set[int] = set()
    by_chance, by_order = iter(shuffled), iter(chosen)
    for position in range(1, len(rows) + 1):
        is_random = used != "shuffled" and _is_random_place(position, seed, random_share)
        row = next(row for row in (by_chance if is_random else by_order) if row.candidate_id not in taken)
        taken.add(row.candidate_id)
        placed.append(Placed(candidate_id=row.candidate_id, position=position, is_random=is_random, order=used))
    return placed


def measure_uncertainty(rows: Sequence[QueueRow]) -> dict[int, float]:
    """Give how far each score lies from the border between this query's likely relevant and other candidates.

    That the least certain teach most is uncertainty sampling (Lewis and Gale, SIGIR 1994). Its border, the score that means
    1/2, is no use here, for scores of models and BM25 have different scales and most candidates of a query are not
    relevant; so the border is the one that splits the query's own scores best into two groups: least variance within
    (Otsu 1979, IEEE Trans. SMC 9). Only scores of one model are compared: of the one that scored most candidates, and
    among equals of the newest.

    Returns:
        By candidate, in units of that model's score, 0 and more; empty where fewer than two were scored.
    """
    columns = _by_model(rows)
    if not columns:
        return {}
    scores = columns[max(columns, key=lambda model: (len(columns[model]), model))]
    if len(scores) < 2:
        return {}
    border = _find_border(sorted(scores.values()))
    return {candidate: abs(score - border) for candidate, score in scores.items()}


def measure_disagreement(rows: Sequence[QueueRow]) -> dict[int, float]:
    """Give the largest difference between a candidate's ranks by model and layer.

    Ranks are parts of the candidates that the model ranked, so that models which ranked more do not count for more; equal
    scores share the middle of their ranks.

    Returns:
        By candidate, 0 to 1; only those that two models or layers ranked.
    """
    places: dict[int, list[float]] = {}
    for scores in _by_model(rows).values():
        highest_first = sorted(scores, key=lambda candidate: -scores[candidate])
        above = 0
        for _, tied in groupby(highest_first, key=lambda candidate: scores[candidate]):
            together = list(tied)
            for candidate in together:
                places.setdefault(candidate, []).append((above + len(together) / 2) / len(scores))
            above += len(together)
    return {candidate: max(found) - min(found) for candidate, found in places.items() if len(found) > 1}


def _choose(shuffled: list[QueueRow], order: Order) -> tuple[Order, list[QueueRow]]:
    """Sort rows by an order, equal ones as they come, and tell which order it is."""
    if order == "pooled":
        return order, sorted(shuffled, key=lambda row: (_last_if_none(row.source_rank), row.candidate_id))
    if order == "uncertain":
        return _sort_by(measure_uncertainty(shuffled), shuffled, order, lambda distance: distance)
    if order == "disagreement":
        return _sort_by(measure_disagreement(shuffled), shuffled, order, lambda spread: -spread)
    return "shuffled", shuffled


def _sort_by(
    values: dict[int, float], shuffled: list[QueueRow], order: Order, key: Callable[[float], float]
) -> tuple[Order, list[QueueRow]]:
    if not values:
        return "shuffled", shuffled
    keys = {candidate: key(value) for candidate, value in values.items()}
    return order, sorted(shuffled, key=lambda row: keys.get(row.candidate_id, math.inf))


def _last_if_none(rank: int | None) -> float:
    return math.inf if rank is None else rank


def _by_model(rows: Sequence[QueueRow]) -> dict[int, dict[int, float]]:
    """Give the scores of each model and layer, by candidate."""
    columns: dict[int, dict[int, float]] = {}
    for row in rows:
        for model, said in row.scores.items():
            columns.setdefault(model, {})[row.candidate_id] = said.score
    return columns


def _find_border(scores: list[float]) -> float:
    """Give the middle between the means of the two groups into which ascending scores split best."""
    total, below = math.fsum(scores), 0.0
    best, border = -1.0, scores[0]
    for count in range(1, len(scores)):
        below += scores[count - 1]
        low, high = below / count, (total - below) / (len(scores) - count)
        between = count * (len(scores) - count) * (high - low) ** 2
        if between > best:
            best, border = between, (low + high) / 2
    return border


def _is_random_place(position: int, seed: int, share: float) -> bool:
    """Tell whether a place is drawn: of any number of places from the first on it is the share, give or take one."""
    offset = int.from_bytes(_draw(seed, "places")[:6]) / 2**48
    return math.floor(position * share + offset) > math.floor((position - 1) * share + offset)


def _draw(seed: int, what: int | str) -> bytes:
    """Give bytes that look random and are always the same; Python's own hash is another in every program."""
    return hashlib.sha256(f"{seed}:{what}".encode()).digest()
