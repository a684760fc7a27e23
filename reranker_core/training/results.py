"""What comes out of a training run, as plain values: no tensors, no model."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from reranker_core.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class DevFigures:
    """One measurement on the dev set.

    Attributes:
        step: after how many steps; 0 is the base.
        measures: by name, such as `"nDCG@10"`.
        by_layer: for a layerwise model, nDCG@10 by cutoff layer; else empty.
        spread: standard deviation of the scores of a query's candidates, averaged over the queries.
        spread_by_layer: for a layerwise model, the same by cutoff layer; else empty.
    """

    step: int
    measures: dict[str, float]
    by_layer: dict[int, float]
    spread: float
    spread_by_layer: dict[int, float] = field(default_factory=dict)

    @property
    def spreads(self) -> dict[int | None, float]:
        """Give the spread of every layer, or that of the only one under `None`."""
        by_layer: dict[int | None, float] = {None: self.spread}
        if self.spread_by_layer:
            by_layer = dict(self.spread_by_layer.items())
        return by_layer

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        return {
            "step": self.step,
            "measures": self.measures,
            "by_layer": {str(layer): value for layer, value in self.by_layer.items()},
            "spread": self.spread,
            "spread_by_layer": {str(layer): value for layer, value in self.spread_by_layer.items()},
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "DevFigures":
        """Read what `to_dict` gave."""
        by_layer = {int(layer): value for layer, value in values["by_layer"].items()}
        spreads = {int(layer): value for layer, value in values.get("spread_by_layer", {}).items()}
        return cls(
            step=values["step"],
            measures=dict(values["measures"]),
            by_layer=by_layer,
            spread=values["spread"],
            spread_by_layer=spreads,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingResult:
    """How a training run ended.

    Attributes:
        status: `"completed"`, or `"stopped"` on request; a stopped run can be resumed.
        output_dir: the run's folder.
        product: the folder of the adapter or of the whole model.
        kind: `"adapter"` or `"model"`.
        merged_model: the folder of the whole model with the adapter merged, if it was asked for.
        steps: how many were done.
        planned_steps: how many a whole run has.
        kept_step: after how many steps the product was taken; 0 where nothing was better than the base on the dev set.
        before: the dev set's measures of the base; `None` without a dev set.
        after: those of the product.
        dev: every measurement.
        dev_note: what the dev set ranks, in words.
        warnings: what a person should know, in sentences.
        difference: of the product as it is loaded again from what was trained: the largest difference of scores; `None`
            where it was not compared.
        seconds: wall-clock time of this run, without what was before a resume.
        base: the name and fingerprint of the weights it started from.
        data: the SHA-256 of each file that was learnt from, by its name.
        versions: of the libraries that computed it, of Python, and of this project where it is installed.
        dev_set: what was measured on: where it came from, the SHA-256 of its content, its queries; `None` without one.
        processes: how many trained together.
        device: where the first of them computed.
        started_at: UTC, ISO 8601; of this run, without what was before a resume.
        command: the command line that started it; empty where a program did.
    """

    status: str
    output_dir: Path
    product: Path
    kind: str
    merged_model: Path | None
    steps: int
    planned_steps: int
    kept_step: int
    before: dict[str, float] | None
    after: dict[str, float] | None
    dev: tuple[DevFigures, ...]
    dev_note: str
    warnings: tuple[str, ...]
    difference: float | None
    seconds: float
    base: dict[str, str]
    data: dict[str, str]
    versions: dict[str, str]
    dev_set: dict[str, Any] | None = None
    processes: int = 1
    device: str = ""
    started_at: str = ""
    command: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values, as result.json holds them; `from_dict` reads them."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        plain = {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}
        return plain | {"dev": [figures.to_dict() for figures in self.dev], "warnings": list(self.warnings)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrainingResult":
        """Read what `to_dict` gave."""
        merged = values["merged_model"]
        changed = {
            "output_dir": Path(values["output_dir"]),
            "product": Path(values["product"]),
            "merged_model": None if merged is None else Path(merged),
            "dev": tuple(map(DevFigures.from_dict, values["dev"])),
            "warnings": tuple(values["warnings"]),
        }
        return cls(**(dict(values) | changed))


def read_result(output_dir: str | os.PathLike[str]) -> TrainingResult:
    """Read the result.json of a run.

    Raises:
        InputError: there is none, or it is damaged.
    """
    path = Path(output_dir) / "result.json"
    if not path.is_file():
        raise InputError(f"{output_dir} has no result.json: no run has ended there. Choose the folder of a finished run.")
    try:
        return TrainingResult.from_dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read ({error}). It was changed or damaged.") from error
