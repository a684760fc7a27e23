"""The events around the Annotate view: which project, whose judgements. Values in, updates of the widgets out."""

from collections.abc import Callable, Mapping
from time import monotonic_ns
from typing import TYPE_CHECKING, Any

import gradio as gr

from annotations.errors import InputError
from ui.errors import say_failure
from ui.label_projects import create_example, create_project, list_projects
from ui.label_requests import read_handle

if TYPE_CHECKING:
    from annotations.store import Store

DEFAULT_NAME = "me"

_JUST_NOW = 3.0  # seconds


class AnnotateEvents:
    """Handlers that gradio calls. Updates come in the order: picker of projects, name, view, message."""

    def __init__(self, open_store: Callable[[], "Store"], *, say: Callable[[Exception], str] = say_failure) -> None:
        """Take what gives the store, which is asked when somebody labels, not before; and what words a failure."""
        self._open_store = open_store
        self._say = say

    def arrive(self, event: gr.EventData) -> Any:
        """Show what this browser showed last, at a query that was just sent; without such a project the first one."""
        given = event._data if isinstance(event._data, Mapping) else {}
        query = given.get("query")
        sent = query if type(query) is int else None
        return self._answer(lambda store: self._show(store, given.get("project"), given.get("annotator"), query=sent))

    def show(self, project: Any, name: Any, value: Any = None, *, query: int | None = None) -> Any:
        """Show a project to who has that name, at one of its queries if one is given; another one if it is not there.

        Args:
            project: that is chosen.
            name: of who judges; where it is empty, the one in the value stays, and the message says so.
            value: of the view.
            query: to begin with.
        """
        return self._answer(lambda store: self._show(store, project, name, value, query=query, is_anew=True))

    def enter(self, project: Any, name: Any, value: Any) -> Any:
        """Look again at what there is, when the tab comes to the front: other tabs make projects and bring queries.

        Args:
            project: that is chosen.
            name: of who judges.
            value: of the view; empty until it has said what this browser kept, which `arrive` answers. One that holds an
                error is asked for again.
        """
        was_sent_here = isinstance(value, Mapping) and value.get("query") is not None and _age(value) < _JUST_NOW
        if not value or was_sent_here:
            return (gr.skip(),) * 4
        return self._answer(lambda store: self._show(store, project, name, value, is_anew=True))

    def try_example(self, name: Any) -> Any:
        """Make the example's project and show it."""
        return self._answer(lambda store: self._show(store, create_example(store).id, name))

    def create(self, title: str, guideline: str, language: str, name: Any, value: Any = None) -> Any:
        """Make a project and show it; the form, and whether it is open, are updated too. On a failure it stays."""

        def act(store: "Store") -> Any:
            project = create_project(store, title, guideline=guideline, language=language)
            return (*self._show(store, project.id, name, value), gr.update(visible=False), False)

        answer = self._answer(act)
        return answer if len(answer) == 6 else (*answer, gr.skip(), gr.skip())

    def turn_form(self, is_open: bool) -> Any:
        """Open or close the form of a new project: the form, and whether it is open."""
        return gr.update(visible=not is_open), not is_open

    def _show(
        self,
        store: "Store",
        project: Any,
        name: Any,
        former: Any = None,
        *,
        query: int | None = None,
        is_anew: bool = False,
    ) -> Any:
        choices = list_projects(store)
        known = [key for _, key in choices]
        chosen = project if project in known else (known[0] if known else None)
        handle, message = _read_name(name, former)
        value: dict[str, Any] = {"project": chosen, "annotator": handle}
        if query is not None:
            value["query"] = query
        if is_anew:
            value["turn"] = monotonic_ns()  # the view does not see a value that is like the one before
        return gr.update(choices=choices, value=chosen), handle, value, message

    def _answer(self, act: Callable[["Store"], Any]) -> Any:
        try:
            return act(self._open_store())
        except InputError as failure:
            return gr.skip(), gr.skip(), gr.skip(), self._say(failure)
        except Exception as failure:
            said = self._say(failure)
            return gr.skip(), gr.skip(), {"error": said}, said


def _read_name(name: Any, former: Any) -> tuple[str, str]:
    """Give whose judgements these are, and what is to be said of it: an emptied name is not taken.

    Raises:
        InputError: the name cannot be used.
    """
    if isinstance(name, str) and name.strip():
        return read_handle({"annotator": name}), ""
    known = former.get("annotator") if isinstance(former, Mapping) else None
    if not isinstance(known, str) or not known.strip():
        return DEFAULT_NAME, ""
    return read_handle({"annotator": known}), f"A name cannot be empty, so you still judge as “{known}”."


def _age(value: Mapping[str, Any]) -> float:
    """Tell how many seconds ago the view was told to show something."""
    turn = value.get("turn")
    return (monotonic_ns() - turn) / 1e9 if type(turn) is int else 0.0
