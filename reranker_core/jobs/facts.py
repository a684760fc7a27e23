"""What can be read of a job, without judging it."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from reranker_core.jobs.folder import JobFolder, read_last_words, read_object, read_objects
from reranker_core.jobs.processes import ProcessMark, is_alive

Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the files of a job say, and which of its processes live. Files of an earlier attempt count as not there.

    Attributes:
        record: job.json; empty where it is missing or damaged.
        attempt: the latest; 0 where nobody started it.
        attempted_at: when it was asked for, in seconds since 1970; 0 where that is unknown.
        phase: of the supervisor: "queued", "running", or "" before it said anything.
        is_supervised: its supervisor lives.
        worker: state.json; empty before it was written.
        is_working: its worker lives.
        exit: exit.json; empty before it was written.
        is_asked_to_stop: control/STOP is there.
        is_trained: the training came to its end, in whichever attempt.
        has_report: report.json is there.
        has_product: an adapter or model was saved.
        checkpoint: the step of the last checkpoint; `None` without one.
        last_words: the last line of the log, where an ended worker did not say why.
        step: how many steps were done when one last heard of it, in whichever attempt.
        total: how many there are.
        now: the time, in seconds since 1970.
    """

    record: Fields = field(default_factory=dict)
    attempt: int = 1
    attempted_at: float = 0.0
    phase: str = ""
    is_supervised: bool = False
    worker: Fields = field(default_factory=dict)
    is_working: bool = False
    exit: Fields = field(default_factory=dict)
    is_asked_to_stop: bool = False
    is_trained: bool = False
    has_report: bool = False
    has_product: bool = False
    checkpoint: int | None = None
    last_words: str = ""
    step: int = 0
    total: int = 0
    now: float = 0.0


def read_facts(folder: JobFolder) -> Facts:
    """Read what there is."""
    # Processes are looked at before what they wrote: one that ends in between has then written its last.
    attempts = read_objects(folder.attempts)
    supervisor, state = read_object(folder.supervisor) or {}, read_object(folder.state) or {}
    lives = {name: _lives(mark) for name, mark in _list_marks(attempts, supervisor, state).items()}
    supervisor, state = read_object(folder.supervisor) or {}, read_object(folder.state) or {}
    exit_note, result = read_object(folder.exit) or {}, read_object(folder.result) or {}
    attempt = max((_number(one, "attempt") for one in (*attempts, supervisor, state)), default=0)
    worker = state if state.get("attempt") == attempt else {}
    ended = exit_note if exit_note.get("attempt") == attempt else {}
    started = [read_time(one.get("at")) for one in attempts if one.get("attempt") == attempt]
    return Facts(
        record=read_object(folder.record) or {},
        attempt=attempt,
        attempted_at=max(started, default=0.0),
        phase=str(supervisor.get("phase", "")) if supervisor.get("attempt") == attempt else "",
        is_supervised=lives["asked for"] or lives["supervisor"],
        worker=worker,
        is_working=lives["started"] or lives["worker"],
        exit=ended,
        is_asked_to_stop=folder.stop.exists(),
        is_trained=result.get("status") == "completed",
        has_report=folder.report.is_file(),
        has_product=folder.find_product()[0] is not None,
        checkpoint=_find_checkpoint(folder),
        last_words=read_last_words(folder.log) if ended and not worker.get("status") else "",
        step=_number(state, "step"),
        total=_number(state, "total"),
        now=time.time(),
    )


def read_time(text: object) -> float:
    """Read an ISO 8601 time as seconds since 1970; 0 where it is none."""
    try:
        return datetime.fromisoformat(str(text)).timestamp()
    except ValueError:
        return 0.0


def _list_marks(attempts: list[dict[str, Any]], supervisor: Fields, state: Fields) -> dict[str, object]:
    return {
        "asked for": attempts[-1].get("supervisor") if attempts else None,
        "supervisor": supervisor.get("process"),
        "started": supervisor.get("worker"),
        "worker": state.get("process"),
    }


def _lives(mark: object) -> bool:
    process = ProcessMark.from_dict(mark) if isinstance(mark, Mapping) else None
    return process is not None and is_alive(process)


def _number(values: Fields, name: str) -> int:
    value = values.get(name)
    return value if isinstance(value, int) else 0


def _find_checkpoint(folder: JobFolder) -> int | None:
    names = [path.parent.name for path in folder.checkpoints.glob("checkpoint-*/run.json")]
    steps = [int(name.rpartition("-")[2]) for name in names if name.rpartition("-")[2].isdecimal()]
    return max(steps, default=None)
