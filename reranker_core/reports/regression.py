"""The regression set: fixed pairs with a clear right order, against forgetting what the labels do not show."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reranker_core.errors import InputError
from reranker_core.evaluation import RankingTask
from reranker_core.examples import Run
from reranker_core.reports.parts import FixedPair, RegressionResult

REGRESSION_SET = Path(__file__).resolve().parents[2] / "assets" / "regression_set.jsonl"

_KEYS = ("query", "relevant", "irrelevant", "language")
_RELEVANT, _IRRELEVANT = "relevant", "irrelevant"


@dataclass(frozen=True, slots=True, kw_only=True)
class FixedTexts:
    """A query with a passage that answers it and one that does not; `language` is "en" or "zh"."""

    query: str
    relevant: str
    irrelevant: str
    language: str


def read_regression_set(path: Path = REGRESSION_SET) -> tuple[FixedTexts, ...]:
    """Read the fixed pairs.

    Raises:
        InputError: the file cannot be read, or a row is bad.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}). It comes with the program: fetch it again.") from error
    return tuple(_read_row(line, f"{path.name}:{number}") for number, line in enumerate(lines, start=1) if line.strip())


def make_regression_task(fixed: Sequence[FixedTexts]) -> RankingTask:
    """Make a task of the pairs, so that they are scored as everything else; its ids are places and roles."""
    places = [str(place) for place in range(len(fixed))]
    texts = {
        f"{place} {role}": getattr(one, role)
        for place, one in zip(places, fixed, strict=True)
        for role in (_RELEVANT, _IRRELEVANT)
    }
    return RankingTask(
        name="regression set",
        queries={place: one.query for place, one in zip(places, fixed, strict=True)},
        passages=texts,
        candidates={place: (f"{place} {_RELEVANT}", f"{place} {_IRRELEVANT}") for place in places},
        qrels={place: {f"{place} {_RELEVANT}": 1, f"{place} {_IRRELEVANT}": 0} for place in places},
    )


def judge_regression(fixed: Sequence[FixedTexts], before: Run, after: Run) -> RegressionResult:
    """Tell what became of the pairs, by their scores as `make_regression_task` names them."""
    pairs = tuple(
        FixedPair(
            query=one.query,
            relevant=one.relevant,
            irrelevant=one.irrelevant,
            language=one.language,
            relevant_before=before[str(place)][f"{place} {_RELEVANT}"],
            irrelevant_before=before[str(place)][f"{place} {_IRRELEVANT}"],
            relevant_after=after[str(place)][f"{place} {_RELEVANT}"],
            irrelevant_after=after[str(place)][f"{place} {_IRRELEVANT}"],
        )
        for place, one in enumerate(fixed)
    )
    broken = sum(pair.is_right_before and not pair.is_right_after for pair in pairs)
    mended = sum(pair.is_right_after and not pair.is_right_before for pair in pairs)
    right_before, right_after = sum(pair.is_right_before for pair in pairs), sum(pair.is_right_after for pair in pairs)
    return RegressionResult(
        pairs=pairs,
        right_before=right_before,
        right_after=right_after,
        broken=broken,
        mended=mended,
        largest_drop=max((max(0.0, _margin_before(pair) - _margin_after(pair)) for pair in pairs), default=0.0),
        sentence=_say(len(pairs), right_before, broken=broken, mended=mended),
    )


def _margin_before(pair: FixedPair) -> float:
    return pair.relevant_before - pair.irrelevant_before


def _margin_after(pair: FixedPair) -> float:
    return pair.relevant_after - pair.irrelevant_after


def _say(pairs: int, right: int, *, broken: int, mended: int) -> str:
    if not broken and not mended:
        return f"Regression set unchanged: {right} of {pairs} fixed pairs are in the right order, as before."
    gained = f"{mended} that {'was' if mended == 1 else 'were'} wrong {'is' if mended == 1 else 'are'} right now"
    if not broken:
        return f"Regression set: none of {pairs} fixed pairs got worse, and {gained}."
    lost = f"{broken} of {right} fixed pairs that were in the right order {'is' if broken == 1 else 'are'} wrong now"
    return f"Regression set: {lost}{f', and {gained}' if mended else ''}."


def _read_row(line: str, where: str) -> FixedTexts:
    try:
        row = json.loads(line)
    except ValueError as error:
        raise InputError(f"{where}: no valid JSON ({error}). Correct the line.") from error
    if not isinstance(row, dict) or sorted(row) != sorted(_KEYS) or not all(isinstance(row[key], str) for key in _KEYS):
        raise InputError(f"{where}: a fixed pair has the texts {', '.join(_KEYS)}, got {line[:80]!r}. Correct the line.")
    return FixedTexts(**row)
