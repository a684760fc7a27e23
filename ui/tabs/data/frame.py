"""The events around the views: which project they show. Values in, updates of the components out."""

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from ui.label_projects import create_project
from ui.services import Services
from ui.tabs.data.pages import describe_place, say
from ui.tabs.data.projects import archive_project, choose_project, list_archived, restore_project


class FrameEvents:
    """Handlers that gradio calls. Updates come in the order: projects, archived projects, message, all views."""

    def __init__(self, services: Services, *, views: int) -> None:
        """Take the services, and how many views there are."""
        self._services = services
        self._views = views

    def arrive(self, event: gr.EventData) -> Any:
        """Show the project that this browser showed last."""
        given = event._data if isinstance(event._data, Mapping) else {}
        return self.show(given.get("project"))

    def show(self, project: Any) -> Any:
        """Show a project, or the first one if it is not there."""
        return self._answer(lambda: self._show(project))

    def refresh(self, project: Any) -> Any:
        """Give the pickers anew, with the projects that other tabs made; what stands below stays, if its project does."""

        def act() -> tuple[Any, ...]:
            choices, chosen = choose_project(self._services, project)
            if chosen != project:
                return self._show(project)
            archived = gr.update(choices=list_archived(self._services))
            return gr.update(choices=choices), archived, gr.skip(), *(gr.skip(),) * self._views

        return self._answer(act)

    def choose(self, project: Any) -> Any:
        """Show the project that was chosen: message and views."""
        return "", *(describe_place(self._services, project),) * self._views

    def create(self, title: str, language: str, project: Any) -> Any:
        """Make a project and show it; the last update empties the name's box."""

        def act() -> Any:
            made = create_project(self._services.labels.store, title or "", language=language or "")
            return (*self._show(made.id, f"“{made.name}” is made. Import texts and labels, or send some from Compare."), "")

        return self._answer(act, boxes=1)

    def archive(self, project: Any) -> Any:
        """Take the chosen project off the list, and show another one."""
        return self._answer(lambda: self._show(None, archive_project(self._services, project)))

    def restore(self, archived: Any, project: Any) -> Any:
        """Put an archived project back on the list, and show it."""
        return self._answer(lambda: self._show(restore_project(self._services, archived).id))

    def _show(self, project: Any, message: str = "") -> tuple[Any, ...]:
        choices, chosen = choose_project(self._services, project)
        return (
            gr.update(choices=choices, value=chosen),
            gr.update(choices=list_archived(self._services), value=None),
            message,
            *(describe_place(self._services, chosen),) * self._views,
        )

    def _answer(self, act: Callable[[], tuple[Any, ...]], *, boxes: int = 0) -> tuple[Any, ...]:
        try:
            return act()
        except Exception as failure:
            skipped = (gr.skip(),) * (self._views + boxes)
            return gr.skip(), gr.skip(), say(self._services, failure), *skipped
