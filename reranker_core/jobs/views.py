"""From facts to `JobStatus`, and the order of the queue."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from reranker_core.errors import InputError
from reranker_core.jobs.data_hashes import name_data
from reranker_core.jobs.facts import Facts
from reranker_core.jobs.folder import JobFolder
from reranker_core.jobs.judging import judge
from reranker_core.jobs.records import read_settings
from reranker_core.jobs.status import ACTIVE_STATES, JobStatus
from reranker_core.training.settings import TrainingSettings


def describe_job(folder: JobFolder, facts: Facts) -> JobStatus:
    """Put together how a job stands. Who it waits for is not known here: see `order_queue`."""
    try:
        settings: TrainingSettings | None = read_settings(facts.record, folder.path)
        judgement, damage = judge(facts), ""
    except InputError as error:
        settings, judgement, damage = None, judge(facts), str(error)
    product, kind = folder.find_product()
    worker = facts.worker
    is_active = judgement.state in ACTIVE_STATES
    record = {name: value for name, value in facts.record.items() if isinstance(value, str)}
    return JobStatus(
        id=folder.id,
        name=record.get("name") or _name_job(settings, folder),
        folder=folder.path,
        state=judgement.state,
        stage=str(worker.get("stage") or ""),
        step=facts.step,
        total=facts.total,
        message=damage or judgement.message,
        base="" if settings is None else _name_base(settings),
        data="" if settings is None else name_data(settings),
        device=record.get("device", ""),
        attempt=facts.attempt,
        created_at=record.get("created_at"),
        started_at=worker.get("started_at"),
        ended_at=judgement.ended_at,
        seconds_left=worker.get("seconds_left") if is_active else None,
        product=product,
        kind=kind,
        has_report=facts.has_report,
        can_stop=is_active and judgement.state != "stopping",
        can_resume=settings is not None and not is_active and not (facts.is_trained and facts.has_report),
        settings=settings,
        error_kind=judgement.error_kind,
    )


def order_queue(jobs: Sequence[JobStatus], *, since: Mapping[str, float]) -> list[JobStatus]:
    """Say of each queued job for which it waits: the one that came before it on its device, or the one at work there.

    Args:
        jobs: all of a home, in any order, which is kept.
        since: when each was started or resumed, by its id.
    """
    last_by_device: dict[str, JobStatus] = {}
    for job in jobs:
        if job.is_active and job.state != "queued":
            last_by_device[job.device] = job
    waits: dict[str, JobStatus] = {}
    for job in sorted((job for job in jobs if job.state == "queued"), key=lambda job: (since[job.id], job.id)):
        if job.device in last_by_device:
            waits[job.id] = last_by_device[job.device]
        last_by_device[job.device] = job
    return [_with_wait(job, waits[job.id]) if job.id in waits else job for job in jobs]


def _with_wait(job: JobStatus, before: JobStatus) -> JobStatus:
    return replace(job, waits_for=before.id, message=f"Waits for {before.name} to end.")


def _name_job(settings: TrainingSettings | None, folder: JobFolder) -> str:
    return folder.id if settings is None else f"{_name_base(settings)} on {name_data(settings)}"


def _name_base(settings: TrainingSettings) -> str:
    base = settings.model_name_or_path
    return Path(base).name if Path(base).is_absolute() else base
