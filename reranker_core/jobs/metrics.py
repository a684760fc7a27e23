"""The figures of a job, read from its metrics.jsonl: what holds after it was resumed, whole lines only."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

Point = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobMetrics:
    """The figures of a job, each list by step.

    Attributes:
        train: what was logged: `step`, `epoch`, `loss`, `gap`, `spread`, `learning_rate`, `tokens_per_second`, `seconds`,
            `time`, and `grad_norm` and `gpu_memory_gb` where there are such. A number that was not finite is `None`.
        dev: measurements: `step`, the measures by name (`"nDCG@10"`), `spread`, `by_layer`, `seconds`, `time`. Step 0 is
            the base.
        events: what a person should know, in the order in which it happened: `step`, `event`, `message`, `time`.
    """

    train: tuple[Point, ...] = ()
    dev: tuple[Point, ...] = ()
    events: tuple[Point, ...] = ()


def read_metrics(path: Path) -> JobMetrics:
    """Read a metrics.jsonl.

    Where a run went on from a checkpoint, what it had logged beyond that step does not hold any more, and is left out; of
    two lines for a step the later one counts. Lines that are no whole JSON object, such as a last one that is being
    written, are passed over; without a file there are no figures.
    """
    try:
        text = path.read_bytes().decode(errors="replace")
    except OSError:
        return JobMetrics()
    points: dict[str, dict[int, Point]] = {"train": {}, "dev": {}}
    events: list[Point] = []
    for line in text.split("\n"):
        point = _parse(line)
        if point is None:
            continue
        kind, step = point.pop("kind"), point["step"]
        if kind == "event":
            events.append(point)
            if point.get("event") in ("resumed", "anew"):
                _forget_beyond(points, step if point["event"] == "resumed" else -1)
        elif kind in points:
            points[kind][step] = point
    train, dev = (tuple(by_step[step] for step in sorted(by_step)) for by_step in points.values())
    return JobMetrics(train=train, dev=dev, events=tuple(events))


def _parse(line: str) -> Point | None:
    try:
        point = json.loads(line)
    except (ValueError, RecursionError):
        return None
    is_point = isinstance(point, dict) and isinstance(point.get("kind"), str) and isinstance(point.get("step"), int)
    return point if is_point else None


def _forget_beyond(points: dict[str, dict[int, Point]], last: int) -> None:
    for by_step in points.values():
        for step in [step for step in by_step if step > last]:
            del by_step[step]
