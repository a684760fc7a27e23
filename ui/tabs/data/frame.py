"""The events around the views: which project they show. Values in, updates of the components out."""

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from ui.components import done
from ui.hosting import say_to_visitor
from ui.label_projects import create_project
from ui.services import Services
from ui.tabs.data.pages import describe_place
from ui.tabs.data.projects import archive_project, choose_project, list_archived, rename_project, restore_project


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
        """Show a project, or the first one if it is not there; where none can be read, every view says why."""
        return self._answer(lambda: self._show(project), shown=project, has_views=True)

    def refresh(self, project: Any) -> Any:
        """Give the pickers anew, with the projects that other tabs made; what stands below stays, if its project does."""

        def act() -> tuple[Any, ...]:
            choices, chosen = choose_project(self._services, project)
            if chosen is None or chosen != project:
                return self._show(project)
            archived = gr.update(choices=list_archived(self._services))
            return gr.update(choices=choices), archived, "", *(gr.skip(),) * self._views

        return self._answer(act, shown=project, has_views=project is None)

    def choose(self, project: Any) -> Any:
        """Show the project that was chosen: message and views."""
        return "", *(describe_place(self._services, project),) * self._views

    def create(self, title: str, language: str, project: Any) -> Any:
        """Make a project and show it; the last update empties the name's box."""

        def act() -> Any:
            made = create_project(self._services.labels.store, title or "", language=language or "")
            said = f"“{made.name}” is made. Import texts and labels, or send some from Compare."
            return (*self._show(made.id, done(said)), "")

        return self._answer(act, boxes=1)

    def rename(self, title: str, project: Any) -> Any:
        """Give the chosen project another name; the last update empties the name's box."""

        def act() -> Any:
            renamed = rename_project(self._services, project, title)
            return (*self._show(renamed.id, done(f"The project is called “{renamed.name}” now.")), "")

        return self._answer(act, boxes=1)

    def archive(self, project: Any) -> Any:
        """Take the chosen project off the list, and show another one."""
        return self._answer(lambda: self._show(None, done(archive_project(self._services, project))))

    def restore(self, archived: Any, project: Any) -> Any:
        """Put an archived project back on the list, and show it."""
        return self._answer(lambda: self._show(restore_project(self._services, archived).id))

    def _show(self, project: Any, message: Any = "") -> tuple[Any, ...]:
        choices, chosen = choose_project(self._services, project)
        return (
            gr.update(choices=choices, value=chosen),
            gr.update(choices=list_archived(self._services), value=None),
            message,
            *(describe_place(self._services, chosen),) * self._views,
        )

    def _answer(
        self, act: Callable[[], tuple[Any, ...]], *, boxes: int = 0, shown: Any = None, has_views: bool = False
    ) -> tuple[Any, ...]:
        """Act; on a failure say why.

        Args:
            act: gives all updates.
            boxes: updates beside the usual ones.
            shown: the project that was to be shown.
            has_views: whether the views are told of a failure too.
        """
        try:
            return act()
        except Exception as failure:
            said = say_to_visitor(self._services, failure)
            views: Any = gr.skip()
            if has_views:
                place = describe_place(self._services, shown if type(shown) is int else None)
                views = place | {"error": said}
            return gr.skip(), gr.skip(), said, *(views,) * self._views, *(gr.skip(),) * boxes
