"""`Report`: what a training was worth, as plain values that survive JSON."""

import dataclasses
import types
from collections.abc import Mapping, Sequence
from typing import Any, Union, get_args, get_origin, get_type_hints

from reranker_core.errors import InputError
from reranker_core.reports.parts import (
    JudgedShare,
    LayerRow,
    MeasureRow,
    Provenance,
    QueryChange,
    RegressionResult,
    ScoreShift,
)

FORMAT = 1
VERDICTS = ("better", "worse", "unclear", "nothing to judge on")


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Base and tuned model on the same queries.

    Attributes:
        verdict: "better", "worse", "unclear" or "nothing to judge on"; by the first measure, of a layerwise model at its
            last layer.
        headline: the verdict in one line, such as "Better: nDCG@10 0.412 → 0.463 on 60 held-out queries".
        detail: difference, interval, p, queries better and worse, and what could be shown with more labels.
        queries: how many were judged on; 0 for none.
        better: on how many the tuned model is better by the first measure.
        worse: on how many it is worse.
        equal: on how many both have the same value.
        measures: the first one decides; empty without queries.
        by_layer: of a model with several layers, ascending; else empty.
        judged: `None` without queries.
        wins: the queries that gained most, at most 5, the largest gain first.
        losses: those that lost most, at most 5, the largest loss first.
        scale: what became of the scores' scale; `None` without queries.
        regression: the fixed pairs.
        largest_change: the most by which a score of these queries and fixed pairs changed; 0.0 for a tuned model that is
            its base.
        notes: what to keep in mind, in sentences.
        made_of: what was compared, on what.
    """

    verdict: str
    headline: str
    detail: str
    queries: int
    better: int
    worse: int
    equal: int
    measures: tuple[MeasureRow, ...]
    by_layer: tuple[LayerRow, ...]
    judged: JudgedShare | None
    wins: tuple[QueryChange, ...]
    losses: tuple[QueryChange, ...]
    scale: ScoreShift | None
    regression: RegressionResult
    largest_change: float
    notes: tuple[str, ...]
    made_of: Provenance

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values, as report.json holds them; `from_dict` reads them."""
        values: dict[str, Any] = _to_json(dataclasses.asdict(self))
        return {"format": FORMAT, **values}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Report":
        """Read what `to_dict` gave.

        Raises:
            InputError: it is of a newer version, something is missing, or of another kind than it should be; says which.
        """
        if isinstance(values, Mapping) and isinstance(values.get("format"), int) and values["format"] > FORMAT:
            raise InputError(
                f"The report has format {values['format']}, this version reads {FORMAT}. Update the workbench."
            )
        report: Report = _read(cls, values, "report")
        if report.verdict not in VERDICTS:
            raise InputError(f'verdict must be one of {", ".join(VERDICTS)}, got "{report.verdict}". Make the report anew.')
        return report

    def to_markdown(self) -> str:
        """Write it as a page that is readable by itself."""
        from reranker_core.reports.markdown import write_markdown

        return write_markdown(self)


def _to_json(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _to_json(one) for key, one in value.items()}
    return [_to_json(one) for one in value] if isinstance(value, list | tuple) else value


def _read(kind: Any, value: Any, where: str) -> Any:
    """Read a JSON value as what the annotation of a field says."""
    if dataclasses.is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise _refuse(where, "an object", value)
        hints = get_type_hints(kind)
        if missing := [name for name in hints if name not in value]:
            raise InputError(f"{where} lacks {missing[0]}. Make the report anew.")
        made = {name: _read(hint, value[name], f"{where}.{name}") for name, hint in hints.items()}
        return kind(**made)  # type: ignore[operator]  # a dataclass's own type
    if get_origin(kind) in (Union, types.UnionType):
        return _read_union(get_args(kind), value, where)
    if get_origin(kind) is tuple:
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise _refuse(where, "a list", value)
        return tuple(_read(get_args(kind)[0], one, f"{where}[{place}]") for place, one in enumerate(value))
    if get_origin(kind) is list:
        return list(_read(tuple[get_args(kind)[0], ...], value, where))  # type: ignore[misc]  # made at run time
    if get_origin(kind) is dict:
        if not isinstance(value, Mapping):
            raise _refuse(where, "an object", value)
        return {str(key): _read(get_args(kind)[1], one, f"{where}.{key}") for key, one in value.items()}
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise _refuse(where, kind.__name__, value)
    return value


def _read_union(kinds: Sequence[Any], value: Any, where: str) -> Any:
    if value is None and type(None) in kinds:
        return None
    others = [kind for kind in kinds if kind is not type(None)]
    if len(others) == 1:
        return _read(others[0], value, where)
    if type(value) in others:
        return value
    lists = [kind for kind in others if get_origin(kind) is list]
    if not lists:
        raise _refuse(where, " or ".join(kind.__name__ for kind in others), value)
    return _read(lists[0], value, where)


def _refuse(where: str, expected: str, value: Any) -> InputError:
    return InputError(f"{where} must be {expected}, got {str(value)[:60]!r}. Make the report anew.")
