"""What a training run tells while it goes on; the command line and the screens show it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingProgress:
    """How far a run is.

    Attributes:
        stage: what is being done: "loading", "measuring", "training" or "saving".
        done: of `total`: steps of training, pairs of measuring, bytes of loading.
        total: how much there is to do; 0 where that is unknown.
        notes: sentences for a person, each told once, such as the plan before the start and the figures of an epoch.
        figures: what was logged just now, by name: loss, learning_rate, …; `None` where nothing was.
    """

    stage: str
    done: int = 0
    total: int = 0
    notes: tuple[str, ...] = ()
    figures: Mapping[str, float | None] | None = None


OnProgress = Callable[[TrainingProgress], None]
ShouldStop = Callable[[], bool]
