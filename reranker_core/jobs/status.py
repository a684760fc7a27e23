"""How a job stands, as plain values."""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from reranker_core.training.settings import TrainingSettings

ACTIVE_STATES = ("queued", "starting", "running", "evaluating", "stopping")
"""The states in which a process works on a job, or waits to."""

STATES = (*ACTIVE_STATES, "stopped", "completed", "failed", "lost")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """How a job stands.

    Attributes:
        id: its folder's name.
        name: as a person calls it.
        folder: the job's folder, which is the run's `output_dir` and serves as `adapter=` too.
        state: one of `STATES`. "evaluating" is the report after the training; "lost" is a job without a process and
            without a word about its end.
        stage: what the worker does or did last: "loading", "measuring", "training", "saving" or "evaluating"; "" before.
        step: steps of training that are done.
        total: steps of training in all; 0 as long as that is unknown.
        message: one or two sentences: what it does, or why it ended so and what to do.
        base: the model that it starts from.
        data: the snapshot or file that it learns from, by name.
        device: where it computes, such as "cpu" or "cuda:0".
        attempt: 1, and one more with each resume; 0 where nobody started it.
        created_at: when it was made; UTC, ISO 8601, like the other times. `None` where that is unknown.
        started_at: when the worker of this attempt began.
        ended_at: when it ended.
        seconds_left: of the training, as far as one can tell.
        product: the folder of the adapter or of the whole model, once there is one.
        kind: of the product: "adapter" or "model"; "" without one.
        has_report: whether report.json is there.
        can_stop: whether `Jobs.stop` would do something.
        can_resume: whether `Jobs.resume` would do something.
        waits_for: the id of the job before it in the queue; "" where it waits for none.
        settings: of the run; `None` where job.json is damaged.
        error_kind: of a failed job: "memory", "space", "data", "diverged", "model", "killed" or "bug"; else "".
    """

    id: str
    name: str
    folder: Path
    state: str
    stage: str = ""
    step: int = 0
    total: int = 0
    message: str = ""
    base: str = ""
    data: str = ""
    device: str = ""
    attempt: int = 0
    created_at: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    seconds_left: float | None = None
    product: Path | None = None
    kind: str = ""
    has_report: bool = False
    can_stop: bool = False
    can_resume: bool = False
    waits_for: str = ""
    settings: TrainingSettings | None = None
    error_kind: str = ""

    @property
    def is_active(self) -> bool:
        """Say whether a process works on it, or waits to."""
        return self.state in ACTIVE_STATES

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values."""
        values = {one.name: getattr(self, one.name) for one in fields(self)}
        plain = {name: str(value) if isinstance(value, Path) else value for name, value in values.items()}
        return plain | {"settings": None if self.settings is None else self.settings.to_dict()}
