"""Training jobs: a folder each, trained by processes of their own, so that nobody has to stay.

Importing it brings no torch in.

```python
from reranker_core.jobs import Jobs
from reranker_core.training import TrainingSettings

jobs = Jobs(Path("workbench-data/jobs"))
settings = TrainingSettings(model_name_or_path="BAAI/bge-reranker-v2-m3", train_data=("labels.jsonl",), output_dir="-")
job = jobs.start(settings)  # output_dir is the job's folder in any case
print(jobs.read(job.id).message)
```

A job's folder is the run's `output_dir` at the same time, and each file of it has one writer:

```
job.json · attempts.jsonl · control/STOP    who starts, resumes and stops it
supervisor.json · exit.json                 the supervisor: waits for the device, starts the worker, notes how it ended
state.json · log.txt                        the worker: trains, then judges what came out
settings.json · metrics.jsonl · checkpoints/ · adapter/ or model/ · result.json     reranker_core.training, in the worker
report.json · report.md                     reranker_core.reports, in the worker
```
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reranker_core.jobs.commands import command_of, torchrun_command
    from reranker_core.jobs.metrics import JobMetrics
    from reranker_core.jobs.status import ACTIVE_STATES, STATES, JobStatus
    from reranker_core.jobs.store import Jobs

_MODULE_BY_NAME = {
    "ACTIVE_STATES": "status",
    "STATES": "status",
    "JobMetrics": "metrics",
    "JobStatus": "status",
    "Jobs": "store",
    "command_of": "commands",
    "torchrun_command": "commands",
}

__all__ = ["ACTIVE_STATES", "STATES", "JobMetrics", "JobStatus", "Jobs", "command_of", "torchrun_command"]


def __getattr__(name: str) -> Any:
    """Import a public name on first use (PEP 562)."""
    if name not in _MODULE_BY_NAME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_BY_NAME[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
