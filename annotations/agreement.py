"""How far annotators agree: raw, Cohen's kappa and Krippendorff's alpha, two by two and all together.

On the binary scale kappa and alpha are nominal. On the graded scale kappa is weighted linearly (Cohen 1968), since 2 and 3
disagree less than 0 and 3, and alpha is ordinal (Krippendorff 2011, "Computing Krippendorff's Alpha-Reliability"). Only
graded judgements count; skipped ones say nothing about the passage.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import krippendorff
import numpy as np

from annotations.errors import InputError
from annotations.models import Scale
from annotations.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class PairAgreement:
    """How far two annotators agree.

    Attributes:
        first: the handle of one.
        second: the handle of the other.
        pairs: how many query-passage pairs both graded.
        raw: the share of these with the same grade; `None` if there are none.
        kappa: Cohen's; 1 is full agreement, 0 as much as chance gives; `None` where it is not defined.
        alpha: Krippendorff's, likewise.
        note: why something is `None`, as a sentence; else empty.
    """

    first: str
    second: str
    pairs: int
    raw: float | None
    kappa: float | None
    alpha: float | None
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """How far all annotators of a project agree.

    Attributes:
        scale: of the grades; `None` where nothing is graded.
        kappa_weights: `none` on the binary scale, `linear` on the graded one.
        alpha_level: `nominal` on the binary scale, `ordinal` on the graded one.
        annotators: who graded anything, by handle.
        pairs: how many query-passage pairs at least two graded.
        raw: the share of the same grades among all comparisons of two; `None` if there are none.
        kappa: the mean over the pairs of annotators that have one (Light 1971); `None` if none has.
        alpha: of all annotators together; `None` where it is not defined.
        by_pair: of every two.
        note: what the figures are, or why there are none, as a sentence.
    """

    scale: Scale | None
    kappa_weights: Literal["none", "linear"]
    alpha_level: Literal["nominal", "ordinal"]
    annotators: tuple[str, ...]
    pairs: int
    raw: float | None
    kappa: float | None
    alpha: float | None
    by_pair: tuple[PairAgreement, ...]
    note: str


def measure_agreement(store: Store, project_id: int) -> Agreement:
    """Tell how far the annotators of a project agree, imports and models included.

    Raises:
        InputError: there is no such project.
        StorageError: the file or its disk failed.
    """
    grades: dict[str, dict[int, int]] = {}
    with store.labels.read(project_id) as reading:
        handles = {key: annotator.handle for key, annotator in reading.annotators().items()}
        for page in reading.pages():
            for rows in reading.judgements([row.id for row in page if not row.is_deleted]).values():
                for row in rows:
                    if row.grade is not None and not row.is_deleted:
                        grades.setdefault(handles[row.annotator_id], {})[row.candidate_id] = row.grade
        return compare_annotators(grades, scale=reading.project.scale)


def compare_annotators(grades: Mapping[str, Mapping[int, int]], *, scale: Scale | None) -> Agreement:
    """Tell how far annotators agree.

    Args:
        grades: of each annotator, by what was graded.
        scale: of the grades.

    Raises:
        InputError: there are grades but no scale.
    """
    if scale is None and any(grades.values()):
        raise InputError("Grades need a scale to be compared, binary or graded, got none. Give that of the project.")
    is_graded = scale == "graded"
    annotators = tuple(sorted(handle for handle, own in grades.items() if own))
    by_pair = [_compare_two(first, second, grades, is_graded=is_graded) for first, second in combinations(annotators, 2)]
    compared = sum(one.pairs for one in by_pair)
    kappas = [one.kappa for one in by_pair if one.kappa is not None]
    times = Counter(item for handle in annotators for item in grades[handle])
    return Agreement(
        scale=scale,
        kappa_weights="linear" if is_graded else "none",
        alpha_level="ordinal" if is_graded else "nominal",
        annotators=annotators,
        pairs=sum(count > 1 for count in times.values()),
        raw=sum(one.raw * one.pairs for one in by_pair if one.raw is not None) / compared if compared else None,
        kappa=sum(kappas) / len(kappas) if kappas else None,
        alpha=_measure_alpha([grades[handle] for handle in annotators], is_graded=is_graded),
        by_pair=tuple(by_pair),
        note=_describe(annotators, by_pair, is_graded=is_graded),
    )


def _compare_two(first: str, second: str, grades: Mapping[str, Mapping[int, int]], *, is_graded: bool) -> PairAgreement:
    shared = grades[first].keys() & grades[second].keys()
    both = [(grades[first][item], grades[second][item]) for item in shared]
    note = ""
    if not both:
        note = f"{first} and {second} graded no pair both, so there is nothing to compare."
    elif len({grade for two in both for grade in two}) == 1:
        note = (
            f"{first} and {second} gave grade {both[0][0]} to all {len(both)}; kappa and alpha need two different grades."
        )
    return PairAgreement(
        first=first,
        second=second,
        pairs=len(both),
        raw=sum(one == other for one, other in both) / len(both) if both else None,
        kappa=None if note else _measure_kappa(both, is_graded=is_graded),
        alpha=None if note else _measure_alpha([grades[first], grades[second]], is_graded=is_graded),
        note=note,
    )


def _measure_kappa(both: Sequence[tuple[int, int]], *, is_graded: bool) -> float:
    """Give 1 - observed / expected disagreement; there must be two different grades among them."""
    ones, others = Counter(one for one, _ in both), Counter(other for _, other in both)

    def weigh(one: int, other: int) -> int:
        return abs(one - other) if is_graded else int(one != other)

    observed = sum(weigh(one, other) for one, other in both)
    expected = sum(weigh(one, other) * ones[one] * others[other] for one in ones for other in others) / len(both)
    return 1 - observed / expected


def _measure_alpha(annotators: Sequence[Mapping[int, int]], *, is_graded: bool) -> float | None:
    """Give Krippendorff's alpha; `None` unless two different grades are among those of items that two graded."""
    times = Counter(item for own in annotators for item in own)
    items = sorted(item for item, count in times.items() if count > 1)
    if len({own[item] for own in annotators for item in items if item in own}) < 2:
        return None
    table = np.array([[own.get(item, np.nan) for item in items] for own in annotators])  # (annotators, items)
    return float(krippendorff.alpha(reliability_data=table, level_of_measurement="ordinal" if is_graded else "nominal"))


def _describe(annotators: Sequence[str], by_pair: Sequence[PairAgreement], *, is_graded: bool) -> str:
    if len(annotators) < 2:
        return f"Agreement needs two annotators who grade the same pairs; so far there is {len(annotators) or 'none'}."
    if not any(one.pairs for one in by_pair):
        return "No pair was graded by two annotators. Let two of them judge the same queries."
    if all(one.kappa is None for one in by_pair):
        return "All grades that can be compared are the same; kappa and alpha need two different ones."
    if is_graded:
        return "Kappa is weighted linearly, alpha is ordinal: a grade that is nearer counts as less of a disagreement."
    return "Kappa and alpha are nominal: two grades are the same or they are not."
