"""From what a training tells to state.json and the log."""

import time

from reranker_core.jobs.state_file import StateFile
from reranker_core.training.progress import TrainingProgress
from reranker_core.training.terminal import ProgressView


class Telling:
    """Passes on how far a training is.

    Attributes:
        has_begun: a step was done in this attempt, so that there is something to save. Who is asked after each step
            whether to stop sets it too: figures may come only every so many steps.
    """

    def __init__(self, state: StateFile) -> None:
        """Pass on to a state file, and to standard error."""
        self.has_begun = False
        self._state = state
        self._view = ProgressView(is_terminal=False)
        self._first: tuple[float, int] | None = None  # when a step was first heard of, and which

    def tell(self, progress: TrainingProgress) -> None:
        """Pass on one message."""
        self._view.show(progress)
        if progress.stage != "training":
            self._state.tell(stage=progress.stage, message=_describe(progress))
            return
        self.has_begun = self.has_begun or progress.figures is not None
        self._state.tell(
            stage="training",
            step=progress.done,
            total=progress.total,
            message=f"Training: step {progress.done:,} of {progress.total:,}.",
            seconds_left=self._estimate(progress),
        )

    def _estimate(self, progress: TrainingProgress) -> float | None:
        """Estimate the seconds that are left, by what steps have taken in this attempt with what was measured between."""
        moment = time.monotonic()
        if self._first is None:
            self._first = (moment, progress.done)
        began, first = self._first
        if progress.done <= first:
            return None
        return round((moment - began) / (progress.done - first) * max(0, progress.total - progress.done), 1)


def _describe(progress: TrainingProgress) -> str:
    if progress.stage == "measuring":
        return f"Measuring on the dev set: {progress.done:,} of {progress.total:,} pairs."
    if progress.stage == "saving":
        return "Saving what was trained."
    share = f" ({progress.done / progress.total:.0%})" if progress.total else ""
    return f"Loading data and model{share}."
