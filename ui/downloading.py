"""Models of the catalogue that are not here: what to show of them, and starting and stopping their downloads."""

from collections.abc import Iterable
from typing import Any

from reranker_core.catalogue import find_model
from reranker_core.errors import InputError
from reranker_core.hub import find_in_cache
from ui.choices import find_choice
from ui.hosting import hide_places
from ui.services import Services


def describe_downloads(services: Services, names: Iterable[str]) -> dict[str, Any]:
    """Lay out for the download panel those of the models that are not on this machine.

    Args:
        services: downloads and models.
        names: of models that were chosen; an adapter stands for its base.

    Returns:
        `items`, each with name, title, size, licence, status, done, total, rate and message. The status is
        `"absent"`, `"forbidden"` where visitors may not download, or one of `DownloadState`.
    """
    bases = dict.fromkeys(_published_base(services, name) for name in names)
    return {"items": [item for base in bases if base and (item := describe_download(services, base))]}


def describe_download(services: Services, name: str) -> dict[str, Any] | None:
    """Describe the download of one published model; `None` if it is here and nothing is to be said."""
    info = find_model(name)
    if info is None or not info.repo_id:
        return None
    state = services.downloads.state(info.repo_id)
    is_active = state is not None and state.is_active
    if not is_active and find_in_cache(info.repo_id) is not None:
        return None
    if state is None or state.status == "completed":  # completed and gone since
        status, done, total, rate, message = "absent", 0, None, None, ""
    else:
        status, message = state.status, hide_places(services, state.message)
        done, total, rate = state.done_bytes, state.total_bytes, state.bytes_per_second
    if not services.allow_download and not is_active:
        status = "forbidden"
    return {
        "name": info.name,
        "title": info.title,
        "size": info.download_gb,
        "licence": info.licence,
        "status": status,
        "done": done,
        "total": total,
        "rate": rate,
        "message": message,
    }


def start_download(services: Services, name: str) -> None:
    """Start a download, or go on with one that was stopped.

    Raises:
        InputError: visitors may not download here, or there is no such model.
    """
    services.downloads.start(_repo_id(services, name))


def stop_download(services: Services, name: str) -> None:
    """Stop a download; what is there stays.

    Raises:
        InputError: visitors may not download here, or there is no such model.
    """
    services.downloads.stop(_repo_id(services, name))


def _repo_id(services: Services, name: str) -> str:
    if not services.allow_download:
        raise InputError("Downloads are off on this server. Choose a model that is ready.")
    info = find_model(name) if isinstance(name, str) else None
    if info is None or not info.repo_id:
        raise InputError(f'There is no model "{name}" to download. Choose one of the catalogue.')
    return info.repo_id


def _published_base(services: Services, name: str) -> str | None:
    try:
        choice = find_choice(services, name)
    except InputError:
        return None  # forgotten since the page was opened
    known = find_model(choice.base)
    return known.name if known and known.repo_id else None
