"""The models that a visitor can choose: the catalogue and what was added, each with what choosing it takes."""

from contextlib import suppress
from dataclasses import dataclass

from reranker_core.catalogue import MODELS, ModelInfo, find_model
from reranker_core.errors import InputError, RerankerError
from reranker_core.hub import is_here
from reranker_core.local_models import LocalModel, describe_local_model
from ui.services import Services


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One model of the list.

    Attributes:
        info: of the catalogue, or described from the folder.
        base: what the pool loads.
        adapter: the folder of the adapter on it, or `None`.
        is_ready: whether everything that loading needs is on this machine.
        problem: why a model that was added cannot be used, else an empty string.
    """

    info: ModelInfo
    base: str
    adapter: str | None = None
    is_ready: bool
    problem: str = ""

    @property
    def name(self) -> str:
        """The name by which it is asked for."""
        return self.info.name

    @property
    def title(self) -> str:
        """The name as a person reads it."""
        return self.info.title

    @property
    def short_title(self) -> str:
        """The name for the head of a column."""
        return self.info.short_title

    @property
    def layers(self) -> range | None:
        """The cutoff layers that it has, or `None`."""
        return range(self.info.layers[0], self.info.layers[1] + 1) if self.info.layers else None


def list_choices(services: Services) -> list[Choice]:
    """List what can be chosen: the catalogue first, then what was added."""
    local, _ = _list_local(services)
    return [_of_catalogue(info) for info in MODELS] + [_of_local(services, model) for model in local]


def explain_missing(services: Services) -> str:
    """Say why the models that were added cannot be listed, or give an empty text."""
    return _list_local(services)[1]


def find_choice(services: Services, name: object) -> Choice:
    """Look a model up by its name in the catalogue or among those that were added.

    Raises:
        InputError: there is none of that name; lists those there are.
    """
    if isinstance(name, str):
        if info := find_model(name):
            return _of_catalogue(info)
        with suppress(RerankerError):  # a list that cannot be read: explain_missing says it where it may be said
            if local := services.local_models.find(name):
                return _of_local(services, local)
    names = [info.name for info in MODELS] + [local.name for local in _list_local(services)[0]]
    raise InputError(f'There is no model "{name!s:.80}". Choose one of {", ".join(names)}.')


def list_first_models() -> tuple[str, ...]:
    """Name what needs no network: BM25, and the models that come with this program where they are there."""
    return tuple(info.name for info in MODELS if not info.repo_id and is_here(info))


def _of_catalogue(info: ModelInfo) -> Choice:
    return Choice(info=info, base=info.name, is_ready=is_here(info))


def _list_local(services: Services) -> tuple[list[LocalModel], str]:
    """List what was added; a list that cannot be read must not take the catalogue with it."""
    try:
        return services.local_models.list(), ""
    except RerankerError as error:
        return [], str(error)


def _of_local(services: Services, model: LocalModel) -> Choice:
    try:
        info, problem = describe_local_model(model), ""
    except RerankerError as error:
        # Where strangers visit, no path of this machine is shown.
        hidden = "its folder cannot be read on this server. Choose another model."
        info, problem = _placeholder(model), str(error) if services.allow_folders else hidden
    known = find_model(model.base)
    is_ready = not problem and (known is None or is_here(known))
    return Choice(info=info, base=model.base, adapter=model.adapter, is_ready=is_ready, problem=problem)


def _placeholder(model: LocalModel) -> ModelInfo:
    return ModelInfo(
        name=model.name,
        repo_id="",
        family="",
        base_model="",
        languages="",
        layers=None,
        advice="",
        parameters=None,
        context=None,
        licence="",
        download_gb=None,
    )
