"""What the page is told of jobs: the list, the chosen one, its figures and its log; of the last two only what is new."""

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from reranker_core.errors import InputError, RerankerError
from reranker_core.jobs import JobMetrics, JobStatus, command_of
from ui.hosting import hide_places
from ui.label_requests import Answer, Request
from ui.services import Services
from ui.tabs.train.job_merging import describe_merge
from ui.tabs.train.job_models import find_in_use

POINTS = 500  # of a curve; of longer ones each point is the mean of some steps
LOG_LINES = 300
_DRAWN = 12  # jobs whose curves are sent at once
_TRAIN = ("loss", "gap", "spread", "tokens_per_second", "learning_rate")
_MEASURE = "nDCG@10"


def follow_jobs(services: Services, wanted: Request) -> Answer:
    """Tell how the jobs stand.

    Args:
        services: the jobs.
        wanted: `chosen`, the id of a job, or nothing for the active or newest one; `drawn`, ids of jobs whose curves are
            shown; `known`, by id the `token` of the curves that the page has; `log`, whether the log is shown, and
            `log_token` of the one that it has.

    Returns:
        `now`; `can_change`, whether this visitor may stop, resume and forget; `jobs`, newest first, see `describe_job`;
        `chosen`, its id, or null without any job; `curves` by id, of those that changed, see `describe_curves`; `command`
        of the chosen one; `log`, `{"token", "text"}` where it changed.
    """
    jobs = services.jobs.list()
    chosen = _choose(jobs, wanted.get("chosen"))
    answer: Answer = {
        "now": datetime.now(UTC).isoformat(timespec="milliseconds"),
        "can_change": services.can_train,
        "jobs": [describe_job(services, job) for job in jobs],
        "chosen": chosen.id if chosen else None,
        "curves": {},
    }
    if chosen is None:
        return answer
    drawn = wanted.get("drawn")
    ids = [chosen.id, *(one for one in (drawn if isinstance(drawn, list) else []) if one != chosen.id)][:_DRAWN]
    answer["curves"] = _read_curves(services, [job for job in jobs if job.id in ids], wanted.get("known"))
    answer["command"] = "" if chosen.settings is None else hide_places(services, shlex.join(command_of(chosen.settings)))
    if wanted.get("log") is True:
        token = _token(chosen.folder / "log.txt")
        if token != wanted.get("log_token"):
            answer["log"] = {"token": token, "text": hide_places(services, _read_log(services, chosen))}
    return answer


def describe_job(services: Services, job: JobStatus) -> Answer:
    """Lay out a job: what stands in the list, and what the buttons need.

    Returns:
        The plain fields of `JobStatus`; and `folder` on a person's own machine, `in_use` (the name of what it trained on
        the list of models, or ""), `verdict` and `headline` of its report, `report` (a token that changes with it), `merge`
        as `describe_merge` gives it.
    """
    model = find_in_use(services, job)
    report = job.folder / "report.json"
    token = _token(report) if job.has_report else ""
    verdict, headline = _read_headline(report, token) if token else ("", "")
    return {
        "id": job.id,
        "name": job.name,
        "state": job.state,
        "is_active": job.is_active,
        "stage": job.stage,
        "step": job.step,
        "total": job.total,
        "message": hide_places(services, job.message),
        "error_kind": job.error_kind,
        "base": hide_places(services, _short_base(job.base)),
        "data": job.data,
        "device": job.device,
        "attempt": job.attempt,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "ended_at": job.ended_at,
        "seconds_left": job.seconds_left,
        "kind": job.kind,
        "can_stop": job.can_stop,
        "can_resume": job.can_resume,
        "waits_for": job.waits_for,
        "folder": str(job.folder) if services.allow_folders else "",
        "in_use": model.name if model else "",
        "report": token,
        "verdict": verdict,
        "headline": headline,
        "merge": describe_merge(services, job),
    }


def describe_curves(metrics: JobMetrics, *, token: str) -> Answer:
    """Lay a job's figures out as columns; a figure that was not finite, or not logged, is null.

    Returns:
        `token`; `train` with `step`, `loss`, `gap`, `spread`, `tokens_per_second` and `learning_rate`, at most `POINTS` of
        each, and `steps_a_point`; `dev` with `step`, `value` (nDCG@10) and `spread`; `events` with `step`, `event` and
        `message`.
    """
    train, size = _thin(metrics.train)
    return {
        "token": token,
        "train": {name: [point.get(name) for point in train] for name in ("step", *_TRAIN)},
        "steps_a_point": size,
        "dev": {
            "step": [point["step"] for point in metrics.dev],
            "value": [point.get(_MEASURE) for point in metrics.dev],
            "spread": [point.get("spread") for point in metrics.dev],
        },
        "events": [{name: event.get(name) for name in ("step", "event", "message")} for event in metrics.events],
    }


def _choose(jobs: Sequence[JobStatus], wanted: object) -> JobStatus | None:
    """Give the job that is wanted, or else the one at work, one that waits, the newest."""
    known = next((job for job in jobs if job.id == wanted), None)
    active = [job for job in jobs if job.is_active]
    at_work = [job for job in active if job.state != "queued"]
    return known or next(iter([*at_work, *active, *jobs]), None)


def _read_curves(services: Services, jobs: Sequence[JobStatus], known: object) -> Answer:
    has = known if isinstance(known, Mapping) else {}
    curves: Answer = {}
    for job in jobs:
        token = _token(job.folder / "metrics.jsonl")
        if token == has.get(job.id):
            continue
        try:
            metrics = services.jobs.read_metrics(job.id)
        except InputError:  # it was forgotten a moment ago
            continue
        curves[job.id] = _hide_in_events(services, describe_curves(metrics, token=token))
    return curves


def _hide_in_events(services: Services, curves: Answer) -> Answer:
    for event in curves["events"]:
        event["message"] = hide_places(services, str(event["message"] or ""))
    return curves


def _read_log(services: Services, job: JobStatus) -> str:
    try:
        return services.jobs.read_log(job.id, last=LOG_LINES)
    except RerankerError:
        return ""


def _thin(points: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any]], int]:
    """Give at most `POINTS` points, each the mean of so many steps in a row, at the last of them; and how many steps."""
    size = -(-len(points) // POINTS) or 1
    if size == 1:
        return list(points), 1
    groups = [points[place : place + size] for place in range(0, len(points), size)]
    return [{"step": group[-1]["step"]} | {name: _mean(group, name) for name in _TRAIN} for group in groups], size


def _mean(points: Sequence[Mapping[str, Any]], name: str) -> float | None:
    values = [value for point in points if isinstance(value := point.get(name), int | float)]
    return sum(values) / len(values) if values else None


def _token(file: Path) -> str:
    """Give a text that is another one when the file has changed; empty where there is none."""
    try:
        state = file.stat()
    except OSError:
        return ""
    return f"{state.st_ino}-{state.st_size}-{state.st_mtime_ns}"


@lru_cache(maxsize=256)
def _read_headline(report: Path, token: str) -> tuple[str, str]:
    """Read verdict and headline of a report. A report holds texts and is read once, until `token` says that it changed."""
    del token
    try:
        content = json.loads(report.read_bytes())
        return str(content["verdict"]), str(content["headline"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return "", ""


def _short_base(base: str) -> str:
    return Path(base).name if Path(base).is_absolute() else base
