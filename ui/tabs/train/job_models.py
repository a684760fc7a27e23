"""What a job trained, as a model of the list: by which name it stands there, and the name of its base."""

from contextlib import suppress
from pathlib import Path

from reranker_core.catalogue import find_model
from reranker_core.errors import InputError, RerankerError
from reranker_core.jobs import JobStatus
from reranker_core.local_models import LocalModel
from ui.label_requests import Request, read_text
from ui.services import Services

_LONGEST_ID = 100
_LONGEST_STEM = 70  # characters; a number may follow, and a name of the list has at most 80
_ROOM = 1000  # names that are tried


def require_job(services: Services, wanted: Request) -> JobStatus:
    """Give the job whose `id` the page sends.

    Raises:
        InputError: there is none.
    """
    return services.jobs.read(read_text(wanted, "id", longest=_LONGEST_ID))


def refuse_without_training(services: Services, what: str) -> None:
    """Refuse what changes jobs, where the app is served to others without leave for it.

    Args:
        services: whether visitors may.
        what: begins the sentence, such as "Jobs are stopped".

    Raises:
        InputError: they may not.
    """
    if not services.can_train:
        raise InputError(
            f"{what} only where the app runs on your own machine. Ask who runs it; with --allow_training every visitor may."
        )


def find_in_use(services: Services, job: JobStatus) -> LocalModel | None:
    """Find what a job trained on the list of added models; `None` if it is not there, or the list cannot be read."""
    try:
        added = services.local_models.list()
    except RerankerError:
        return None
    adapters = {str(job.folder), str(job.folder / "adapter")}
    model = str(job.folder / "model")
    return next(
        (one for one in added if one.adapter in adapters or (one.adapter is None and one.base in (model, str(job.folder)))),
        None,
    )


def add_product(services: Services, job: JobStatus) -> tuple[LocalModel, str]:
    """Put what a job trained on the list of added models, under the job's name; where it stands there already, find it.

    Returns:
        The model, and a note that a person should see, or an empty string.

    Raises:
        InputError: the job has made nothing yet, or the list cannot be written.
        RerankerError: what it made does not fit its base, or cannot be read; says why.
    """
    if there := find_in_use(services, job):
        return there, ""
    if job.product is None or job.settings is None:
        raise InputError(f"{job.name} has made no model yet. Wait until it has, or resume it.")
    name = choose_name(services, job.name)
    if job.kind == "model":
        return services.local_models.add(str(job.product), name=name)
    return services.local_models.add(job.settings.model_name_or_path, adapter=str(job.folder), name=name)


def name_base(services: Services, job: JobStatus) -> str:
    """Give the name by which a job's base is chosen; a folder that is not on the list yet is added.

    Returns:
        The name; empty where the base alone is no reranker, as a raw language model.
    """
    if job.settings is None:
        return ""
    given = job.settings.model_name_or_path
    if known := find_model(given):
        return known.name
    place = str(Path(given).expanduser().absolute())
    with suppress(RerankerError):
        for one in services.local_models.list():
            if one.adapter is None and one.base == place:
                return one.name
        return services.local_models.add(place)[0].name
    return ""


def choose_name(services: Services, wanted: str) -> str:
    """Make a free name of a job's, such as `bees` or `bees-2`.

    Raises:
        InputError: the list of added models cannot be read.
    """
    cleaned = "".join(one if one.isprintable() and one not in "/\\" else "-" for one in wanted)[:_LONGEST_STEM].strip()
    stem = cleaned if cleaned not in ("", ".", "..") else "tuned"
    for number in range(1, _ROOM):
        name = stem if number == 1 else f"{stem}-{number}"
        if find_model(name) is None and services.local_models.find(name) is None:
            return name
    raise InputError(f"There are {_ROOM} models called {stem}. Forget some of them under Models.")


def let_go(services: Services, model: LocalModel | None) -> None:
    """Unload a model, whose files are about to change or to go.

    Raises:
        RerankerError: it is scoring just now.
    """
    if model is not None:
        services.pool.unload(model.base, adapter=model.adapter)
