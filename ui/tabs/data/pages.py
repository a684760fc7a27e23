"""What the views of the Data screen share: their place, who may do what, and long work that can be stopped."""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import gradio as gr

from annotations.errors import InputError
from ui import page_views
from ui.label_requests import Answer, read_number
from ui.page_views import PageFunction
from ui.services import Services

if TYPE_CHECKING:
    from annotations.models import Project

Progress = Callable[[str, float | None], None]

# Long work has a place of its own in gradio's queue: scoring waits for none of it, and labelling is not in the queue.
LONG_WORK: dict[str, Any] = {"api_visibility": "private", "concurrency_limit": 4, "concurrency_id": "data"}
# Tells all views that the labels are others now, and they ask again.
TELL_CHANGED = "() => { document.dispatchEvent(new CustomEvent('rw-data-changed')); }"

_TOLD_EVERY = 0.1  # s between two looks at how far long work is


def view(
    services: Services,
    name: str,
    *,
    label: str,
    parts: Iterable[str] = (),
    functions: Iterable[PageFunction] = (),
) -> gr.HTML:
    """Make a view: the script `assets/scripts/data/<name>.js` over what all of them share.

    Its value is what `describe_place` gives, or that and more.

    Args:
        services: for the functions.
        name: of the script.
        label: read by screen readers.
        parts: names of scripts that come before it, and are one with it.
        functions: that the script can call by their names.
    """
    scripts = [f"data/{part}" for part in ("shared", *parts, name)]
    return page_views.view(services, scripts, name="data", label=label, functions=functions, value={"project": None})


def describe_place(services: Services, project_id: int | None) -> Answer:
    """Give what every view needs: which project, whether this is the person's own machine, and what a visitor may do."""
    return {"project": project_id, "is_local": services.allow_folders, "can_change": services.can_change_labels}


def require_project(services: Services, project: object) -> "Project":
    """Give the project that is chosen.

    Raises:
        InputError: none is, or it is not there.
        StorageError: the store cannot be opened, which is why none can be chosen.
    """
    projects = services.labels.store.projects
    if project is None:
        raise InputError("No project is chosen. Choose one above, or make one under “New project”.")
    return projects.get_by_id(read_number({"project": project}, "project", least=1))


def require_own_machine(services: Services, what: str) -> None:
    """Refuse what only the owner of the machine may do.

    Raises:
        InputError: the screen is served to others.
    """
    if not services.allow_folders:
        raise InputError(f"{what} only where the app runs on your own machine.")


@contextmanager
def working(services: Services, visit: str, progress: Callable[..., object]) -> Iterator[Progress]:
    """Run long work of a visit, which can stop it; an earlier one of the same name is stopped.

    Args:
        services: the runs.
        visit: whose, and what.
        progress: gradio's; called with a fraction and `desc`.

    Yields:
        What the work calls with words and a fraction; it raises `StoppedError` once the work was stopped.
    """
    run = services.runs.begin(visit)
    told_at, told = 0.0, ""

    def tell(words: str, fraction: float | None) -> None:
        nonlocal told_at, told
        run.check()
        now = time.monotonic()
        if words != told or now - told_at >= _TOLD_EVERY:
            told_at, told = now, words
            progress(fraction or 0.0, desc=f"{words[:1].upper()}{words[1:]}")  # gradio shows no words without a number

    try:
        tell("Beginning", None)
        yield tell
    finally:
        services.runs.end(visit, run)


def visit_of(request: gr.Request, what: str) -> str:
    """Name long work of a visit."""
    return f"{request.session_hash} {what}"
