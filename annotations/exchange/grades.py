"""What the grades of a file become: 0 to 3, unjudged, or nothing until somebody says what."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from annotations.errors import InputError
from annotations.exchange.import_options import ImportOptions
from annotations.models import Scale
from reranker_core.examples.texts import describe

GradeMap = Mapping[str, int | None]

_WHOLE = re.compile(r"[+-]?[0-9]{1,9}(\.0*)?")  # 3.0 too, which some tools write
_YES, _NO = ("pos", "true"), ("neg", "false")
_FROM_FOUR = {4: 3, 3: 2, 2: 1, 1: 1}  # 1 is still relevant there, so it must not become 0
_HIGHEST: Mapping[Scale, int] = {"binary": 1, "graded": 3}


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeRules:
    """How the grades of a file are read.

    Attributes:
        scale: of what comes out; `None` if the file has no grades.
        grade_map: what each value of the file becomes; `None` is unjudged. One that is missing is not mapped.
        notes: sentences about what should be known.
    """

    scale: Scale | None
    grade_map: GradeMap
    notes: tuple[str, ...] = ()

    def read(self, raw: str) -> int | None:
        """Give the grade of a value, or `None` for unjudged.

        Raises:
            InputError: it is not mapped.
        """
        try:
            return self.grade_map[raw]
        except KeyError:
            grades = "0 or 1" if self.scale == "binary" else "0, 1, 2 or 3"
            raise InputError(
                f"the grade {describe(raw)} is not mapped to {grades} or unjudged. Name it in the map, or correct the row."
            ) from None


def settle_grades(
    raw_grades: Iterable[str], *, options: ImportOptions, project_scale: Scale | None, project_name: str
) -> GradeRules:
    """Decide what every value of a file becomes: what the options say, else what is proposed.

    Raises:
        InputError: the options have another scale than the project, or a grade that the scale lacks.
    """
    values = list(dict.fromkeys(raw_grades))
    scale = options.scale or project_scale
    if project_scale and scale != project_scale:
        raise InputError(
            f'"{project_name}" is {project_scale}, as its first label made it, so nothing {scale} can be imported. Map the '
            "grades, or choose another project."
        )
    given = options.grade_map or {}
    chosen = {raw: given[key] for raw in values if (key := _find_key(raw, given)) is not None}
    scale = scale or _decide_scale(values, chosen)
    if scale == "binary" and any(grade is not None and grade > 1 for grade in given.values()):
        raise InputError("The map gives grades above 1, but the scale is binary: its grades are 0 and 1. Correct the map.")
    proposed = propose_map(values, scale=scale)
    grade_map = {raw: (chosen if raw in chosen else proposed)[raw] for raw in values if raw in chosen or raw in proposed}
    is_used = any(grade is not None for grade in grade_map.values())
    return GradeRules(scale=scale if is_used else None, grade_map=grade_map, notes=_warn(grade_map, scale))


def propose_map(values: Sequence[str], *, scale: Scale | None) -> dict[str, int | None]:
    """Propose grades for values; one for which there is no good proposal is left out.

    0 to 3 stay what they are; a scale from 1 to 4 becomes 1, 1, 2, 3; -1 is unjudged; `pos` and `true` are the highest
    grade, `neg` and `false` the lowest.

    Args:
        values: all that stand in the file.
        scale: of the grades.
    """
    highest = _HIGHEST[scale or "graded"]
    numbers = {number for number in map(_read_whole, values) if number is not None and number >= 0}
    is_from_four = 0 not in numbers and max(numbers, default=0) == 4
    proposed: dict[str, int | None] = {}
    for raw in values:
        number = _read_whole(raw)
        if number is not None and is_from_four:
            number = _FROM_FOUR.get(number, number)
        if number == -1:
            proposed[raw] = None
        elif number is not None and 0 <= number <= highest:
            proposed[raw] = number
        elif raw.casefold() in _YES:
            proposed[raw] = highest
        elif raw.casefold() in _NO:
            proposed[raw] = 0
    return proposed


def _decide_scale(values: Iterable[str], chosen: GradeMap) -> Scale:
    """Tell the scale: binary if nothing but 0 and 1, or words for them, comes."""
    for raw in values:
        grade = chosen[raw] if raw in chosen else _read_whole(raw)
        is_word = raw not in chosen and raw.casefold() in (*_YES, *_NO)
        if not is_word and (grade not in (None, -1, 0, 1) or (grade is None and raw not in chosen)):
            return "graded"
    return "binary"


def _warn(grade_map: GradeMap, scale: Scale | None) -> tuple[str, ...]:
    numbers = {_read_whole(raw): grade for raw, grade in grade_map.items()}
    if scale == "graded" and numbers.get(1) == 1 and numbers.keys() <= {None, -1, 0, 1}:
        return (
            "The file's grades are only 0 and 1, but the scale goes to 3, where a 1 is not positive. Map 1 to 3 if it is.",
        )
    return ()


def _find_key(raw: str, given: GradeMap) -> str | None:
    """Find the map's entry for a value: its own, or that of the same number written otherwise."""
    if raw in given:
        return raw
    number = _read_whole(raw)
    return next((key for key in given if number is not None and _read_whole(key) == number), None)


def _read_whole(raw: str) -> int | None:
    return int(raw.partition(".")[0]) if _WHOLE.fullmatch(raw) else None
