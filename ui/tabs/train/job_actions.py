"""What can be done with a job: stop, resume, forget, take into use. Each answers with a sentence, `said`."""

import os
from pathlib import Path

from reranker_core.errors import InputError
from ui.label_requests import Answer, Request
from ui.services import Services
from ui.tabs.train.job_merging import describe_merge
from ui.tabs.train.job_models import (
    add_product,
    find_in_use,
    let_go,
    name_base,
    refuse_without_training,
    require_job,
)


def stop_job(services: Services, wanted: Request) -> Answer:
    """Stop the job `id`: it saves what it has and ends; with `at_once` it ends without saving.

    Raises:
        InputError: there is no such job, it has ended, or visitors may not stop jobs.
    """
    refuse_without_training(services, "Jobs are stopped")
    job = require_job(services, wanted)
    services.jobs.stop(job.id, at_once=wanted.get("at_once") is True)
    title = job.name
    if job.state == "queued":
        return {"said": f"{title} is taken off the queue."}
    if wanted.get("at_once") is True:
        return {"said": f"{title} is ended. Resume goes on from its last checkpoint."}
    return {"said": f"{title} saves what it has, and ends after this step."}


def resume_job(services: Services, wanted: Request) -> Answer:
    """Let the job `id` go on from its last checkpoint.

    Raises:
        InputError: it cannot, says why; or visitors may not resume jobs.
    """
    refuse_without_training(services, "Jobs are resumed")
    job = require_job(services, wanted)
    let_go(services, find_in_use(services, job))
    services.jobs.resume(job.id)
    return {"said": f"{job.name} makes its report." if job.state == "completed" else f"{job.name} goes on."}


def forget_job(services: Services, wanted: Request) -> Answer:
    """Delete the job `id` with its files, and take what it trained off the list of models.

    Without `is_sure` nothing goes; the answer is `goes` then: `bytes` on the disk, the `name` under which it is in use, and
    whether a `product` and a `report` go with it.

    Raises:
        InputError: it is active or being merged, or visitors may not forget jobs.
        RerankerError: what it trained is scoring just now.
    """
    refuse_without_training(services, "Jobs are forgotten")
    job = require_job(services, wanted)
    title = job.name
    if job.is_active:
        raise InputError(f"{title} is {job.state}. Stop it first, then forget it.")
    if describe_merge(services, job)["state"] == "running":
        raise InputError(f"{title} is being merged. Wait until that has ended, then forget it.")
    model = find_in_use(services, job)
    if wanted.get("is_sure") is not True:
        return {
            "goes": {
                "bytes": _measure(job.folder),
                "name": model.name if model else "",
                "product": job.kind,
                "report": job.has_report,
            }
        }
    let_go(services, model)
    services.jobs.forget(job.id)
    if model is not None:
        services.local_models.forget(model.name)
    off = f", and {model.name} is off the list of models" if model else ""
    return {"said": f"{title} is forgotten{off}.", "name": model.name if model else ""}


def use_job(services: Services, wanted: Request) -> Answer:
    """Put what the job `id` trained on the list of models: `name`, `base` and `said`.

    Raises:
        InputError: it has made nothing yet, or visitors may not.
        RerankerError: what it made cannot be used; says why.
    """
    refuse_without_training(services, "What a job trained is taken into use")
    job = require_job(services, wanted)
    model, note = add_product(services, job)
    said = f"{model.name} is in use: it can be chosen on every tab, and by that name on the command line. {note}".strip()
    return {"name": model.name, "base": name_base(services, job), "said": said}


def _measure(folder: Path) -> int:
    """Sum up the bytes of all files below a folder; what goes meanwhile counts as nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).lstat().st_size
            except OSError:
                continue
    return total
