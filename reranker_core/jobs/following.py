"""A job on a terminal: what happens, a bar, and in the end how it ended."""

import time
from dataclasses import dataclass

from reranker_core.jobs.metrics import JobMetrics
from reranker_core.jobs.status import JobStatus
from reranker_core.jobs.store import Jobs
from reranker_core.training.progress import TrainingProgress
from reranker_core.training.terminal import ProgressView

_TICK = 0.5  # seconds between two looks


def follow(jobs: Jobs, job_id: str) -> JobStatus:
    """Show how a job goes until it has ended; Ctrl+C ends the showing, not the job.

    Returns:
        How it ended.

    Raises:
        InputError: there is no such job.
    """
    view, told = ProgressView(), Told()
    try:
        while True:
            job = jobs.read(job_id)
            view.show(told.what_is_new(job, jobs.read_metrics(job_id)))
            if not job.is_active:
                return job
            time.sleep(_TICK)
    finally:
        view.close()


@dataclass(slots=True)
class Told:
    """What was shown by now, so that nothing is shown twice."""

    state: str = ""
    waits_for: str = ""
    events: int = 0
    measured: int = -1
    logged: int = -1

    def what_is_new(self, job: JobStatus, metrics: JobMetrics) -> TrainingProgress:
        """Say what came since the last look."""
        notes = []
        if job.is_active and (job.state, job.waits_for) != (self.state, self.waits_for):
            notes.append(f"{job.state.capitalize()}: {job.message}" if job.message else f"{job.state.capitalize()}.")
        self.state, self.waits_for = job.state, job.waits_for
        notes += [str(event.get("message", "")) for event in metrics.events[self.events :]]
        self.events = len(metrics.events)
        for point in metrics.dev:
            if point["step"] > self.measured:
                notes.append(f"Dev set after step {point['step']:,}: nDCG@10 {point.get('nDCG@10') or 0:.4f}.")
                self.measured = point["step"]
        last = metrics.train[-1] if metrics.train else {"step": -1}
        figures = None
        if job.is_active and last["step"] != self.logged:
            self.logged = last["step"]
            figures = {name: last.get(name) for name in ("loss", "gap", "tokens_per_second")}
        return TrainingProgress(
            stage=job.stage or job.state, done=job.step, total=job.total, notes=tuple(notes), figures=figures
        )
