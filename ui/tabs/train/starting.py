"""Start: labels frozen, memory made free, the job begun."""

import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from reranker_core.errors import InputError
from ui.label_requests import Answer, Request
from ui.services import Services
from ui.tabs.train.drafts import Drafts
from ui.tabs.train.freezing import freeze
from ui.tabs.train.naming import name_job, name_rows_file
from ui.tabs.train.planning import read_wish, work_out
from ui.tabs.train.sources import find_labels

if TYPE_CHECKING:
    from reranker_core.jobs import JobStatus

_MOST_OF_STRANGERS = 3  # active jobs at once, where visitors may train
_MOST_SENT = 20_000_000  # characters of one answer


def start_run(services: Services, wanted: Request, *, drafts: Drafts) -> Answer:
    """Start a training: `id` and `name` of the job, `said`, a sentence, and `released`, models that were unloaded.

    `wanted` is what `plan_run` takes.

    Raises:
        InputError: it may not be started here, cannot be done, or a field is wrong; says why.
    """
    job, released, said = begin_training(services, wanted, drafts=drafts)
    return {"id": job.id, "name": job.name, "released": list(released), "said": said}


def begin_training(services: Services, wanted: Request, *, drafts: Drafts) -> "tuple[JobStatus, tuple[str, ...], str]":
    """Start a training; gives the job, the models that were unloaded for it, and a sentence.

    Raises:
        InputError: it may not be started here, cannot be done, or a setting is wrong; says why.
        AnnotationError: the labels cannot be frozen.
    """
    refuse_training(services)
    wish = read_wish(services, {**wanted, "is_fresh": True}, drafts=drafts)
    planned = work_out(services, wish)
    if planned.memory.blocked:
        raise InputError(planned.memory.blocked)
    wish = planned.wish
    if wish.settings is None:  # work_out has refused it already
        raise InputError("A setting cannot be used. Its field says why.")
    name = name_job(services, wish.labels, wanted=wanted.get("name"))
    place, frozen = freeze(services, wish.labels, wish.material.draft)
    released = services.hand_over.make_room(services.pool, device=planned.preview.device, needed=planned.memory.needed)
    job = services.jobs.start(replace(wish.settings, train_data=(place,)), name=name)
    unloaded = f"Unloaded for it: {', '.join(released)}; they come back when it is over." if released else ""
    waits = " It waits for the job before it." if job.waits_for else ""
    return job, released, " ".join(part for part in (f"{job.name} is started.{waits}", frozen, unloaded) if part)


def refuse_training(services: Services) -> None:
    """Refuse to start where nobody may, or where visitors have started enough.

    Raises:
        InputError: says why.
    """
    if reason := explain_no_training(services):
        raise InputError(reason)
    if services.allow_folders:
        return
    active = sum(job.is_active for job in services.jobs.list())
    if active >= _MOST_OF_STRANGERS:
        raise InputError(
            f"{active} trainings run or wait already. Wait for one to end, or take labels and command with you."
        )


def explain_no_training(services: Services) -> str:
    """Say why nothing can be trained here, and what can be done instead; an empty text where it can."""
    if services.can_train:
        return ""
    return (
        "Nothing is trained on this server: training runs where the app runs on your own machine, or where its owner "
        "allows it (--allow_training). Take the training rows and the command below to a machine of your own."
    )


def take_rows(services: Services, wanted: Request) -> Answer:
    """Give the training rows of `labels` to take away: `file`, a name, and its `text`.

    Raises:
        InputError: there are none, or too many for one answer.
    """
    labels = find_labels(services, wanted.get("labels"))
    if labels.place is None and labels.project_id is not None:
        text = _export(services, labels.project_id)
    elif labels.place is not None and (labels.place / "train.jsonl").is_file():
        text = (labels.place / "train.jsonl").read_text(encoding="utf-8")
    else:
        raise InputError("These rows are a file already. Take that.")
    if len(text) > _MOST_SENT:
        raise InputError(
            f"There are {len(text):,} characters of rows, and one answer has {_MOST_SENT:,}. Export under Data."
        )
    return {"file": name_rows_file(services, labels), "text": text}


def _export(services: Services, project_id: int) -> str:
    from annotations.exchange import ExportOptions, export_training

    with tempfile.TemporaryDirectory(prefix="rows-") as folder:
        place = Path(folder) / "train.jsonl"
        export_training(services.labels.store, project_id, place, options=ExportOptions(splits=("train",)))
        return place.read_text(encoding="utf-8")
