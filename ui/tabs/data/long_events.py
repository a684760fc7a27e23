"""What the forms of the Data screen share: reading the form, long work with progress and Stop, failures as sentences."""

from collections.abc import Callable, Mapping
from typing import Any

import gradio as gr

from ui.hosting import say_to_visitor
from ui.runs import ReplacedError
from ui.services import Services
from ui.tabs.data.pages import Progress, visit_of, working


class LongEvents:
    """The handlers of one form. Each returns one update for each of its outputs; the second is always the message."""

    def __init__(self, services: Services, form: Mapping[str, Any], *, what: str, outputs: int) -> None:
        """Take the components of the form by their names.

        Args:
            services: what outlives a visit.
            form: the components.
            what: names the work, so that a visit can stop it.
            outputs: how many updates a handler returns.
        """
        self.services = services
        self._names = {component: name for name, component in form.items()}
        self._what = what
        self._outputs = outputs

    def stop(self, request: gr.Request) -> None:
        """Stop the work of this visit."""
        self.services.runs.stop(visit_of(request, self._what))

    def read(self, values: Mapping[Any, Any]) -> dict[str, Any]:
        """Give what stands on the form, by name."""
        return {name: values[component] for component, name in self._names.items()}

    def work(self, request: gr.Request, progress: Any, act: Callable[[Progress], tuple[Any, ...]]) -> tuple[Any, ...]:
        """Run the work; on a failure everything stays as it is, and the message says why."""
        skipped: list[Any] = [gr.skip() for _ in range(self._outputs)]
        try:
            with working(self.services, visit_of(request, self._what), progress) as tell:
                return act(tell)
        except ReplacedError:
            return tuple(skipped)  # what replaced it speaks
        except Exception as failure:
            skipped[1] = say_to_visitor(self.services, failure)
            return tuple(skipped)
