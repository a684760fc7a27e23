"""The public endpoints of trainings. Models by name, labels by project or snapshot: no caller chooses a place here."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from reranker_core.errors import InputError
from reranker_core.training.settings import training_options
from ui.errors import raise_to_client
from ui.hosting import hide_places, hiding_places
from ui.services import Services
from ui.tabs.train.drafts import Drafts
from ui.tabs.train.fields import show_value
from ui.tabs.train.sources import find_by_name
from ui.tabs.train.starting import begin_training, refuse_training

if TYPE_CHECKING:
    from reranker_core.jobs import JobStatus

_LINES = 50  # of a log
_AT_ONCE: dict[str, Any] = {"concurrency_id": "train-api", "concurrency_limit": 2}


def build_train_api(services: Services) -> None:
    """Publish the endpoints inside `with gr.Blocks()`."""
    _publish_start(services)
    _publish_following(services)


def _publish_start(services: Services) -> None:
    drafts = Drafts()

    @raise_to_client
    def start_training(
        base: str, labels: str, preset: str = "", settings: dict[str, Any] | None = None, name: str = ""
    ) -> dict[str, Any]:
        """Start a training beside the app; returns the job, whose `id` the other endpoints take, and what was `said`.

        Args:
            base: a name that `models` lists, of a model that is on the server's machine and has no adapter.
            labels: the name of a project, which is frozen into a snapshot, or of a snapshot.
            preset: such as encoder, decoder, layerwise or smoke; by default the one that fits.
            settings: by the names of the trainer's flags; they go before the preset.
            name: of the job; by default the project's name with a number.
        """
        with hiding_places(services):
            refuse_training(services)
            if settings is not None and not isinstance(settings, Mapping):
                raise InputError(f"settings must be an object of names and values, got {settings!r:.40}.")
            _refuse_places(settings or {})
            wanted = {
                "base": base,
                "labels": find_by_name(services, str(labels)).key,
                "preset": preset,
                "typed": {str(key): _write(value) for key, value in (settings or {}).items()},
                "name": name,
            }
            job, released, said = begin_training(services, wanted, drafts=drafts)
        return describe_job(services, job) | {"said": said, "released": list(released)}

    gr.api(start_training, api_name="start_training", **_AT_ONCE)


def _publish_following(services: Services) -> None:
    @raise_to_client
    def list_jobs() -> list[dict[str, Any]]:
        """List the trainings, the newest first: id, name, state, step, total, message, base, data, what can be done."""
        _refuse(services)
        return [describe_job(services, job) for job in services.jobs.list()]

    @raise_to_client
    def follow_job(job: str) -> dict[str, Any]:
        """Tell how a training stands: the job, the last `train` and `dev` figures, and the last lines of its `log`.

        Args:
            job: its id.
        """
        _refuse(services)
        with hiding_places(services):
            status, metrics = services.jobs.read(str(job)), services.jobs.read_metrics(str(job))
            log = hide_places(services, services.jobs.read_log(str(job), last=_LINES))
        last = {
            "train": metrics.train[-1] if metrics.train else None,
            "dev": metrics.dev[-1] if metrics.dev else None,
        }
        return describe_job(services, status) | last | {"log": log}

    @raise_to_client
    def stop_job(job: str, at_once: bool = False) -> dict[str, Any]:
        """Stop a training, which saves a checkpoint first; one that waits never begins.

        Args:
            job: its id.
            at_once: end its processes now; what was not saved is lost.
        """
        _refuse(services)
        with hiding_places(services):
            return describe_job(services, services.jobs.stop(str(job), at_once=at_once is True))

    @raise_to_client
    def resume_job(job: str) -> dict[str, Any]:
        """Go on with a training that ended early, from its last whole checkpoint.

        Args:
            job: its id.
        """
        refuse_training(services)
        with hiding_places(services):
            return describe_job(services, services.jobs.resume(str(job)))

    for function in (list_jobs, follow_job, stop_job, resume_job):
        gr.api(function, api_name=function.__name__, **_AT_ONCE)


def describe_job(services: Services, job: "JobStatus") -> dict[str, Any]:
    """Lay a job out as plain JSON, without paths of this machine where others see it."""
    values = job.to_dict()
    if not services.allow_folders:
        for name in ("folder", "product", "settings"):
            values.pop(name, None)
        values |= {name: hide_places(services, values[name]) for name in ("message", "base", "data")}
    return values


def _refuse(services: Services) -> None:
    """Refuse where visitors may not train: jobs are the owner's, and their logs show texts.

    Raises:
        InputError: they may not.
    """
    if not services.can_train:
        refuse_training(services)


def _refuse_places(settings: Mapping[str, Any]) -> None:
    """Refuse settings that name a place. The form of a local app takes them: there the person at the screen chooses.

    Raises:
        InputError: there is one.
    """
    for option in training_options():
        if option.kind is Path and option.name in settings:
            raise InputError(f"{option.name} is no setting that can be chosen here: it names a place. Leave it out.")


def _write(value: object) -> str:
    """Write a value as it is typed on the form, which reads and checks it."""
    if value is None:
        return "none"
    return repr(value) if isinstance(value, float) else show_value(value)
