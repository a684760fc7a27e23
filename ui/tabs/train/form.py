"""The form: what its view asks of the server. Values in, plain JSON out."""

from annotations.errors import AnnotationError
from ui.hosting import say_to_visitor
from ui.label_requests import Answer, Request
from ui.services import Services
from ui.tabs.train.drafts import Drafts
from ui.tabs.train.fields import KNOBS, describe_options
from ui.tabs.train.planning import plan_run
from ui.tabs.train.sources import list_bases, list_labels
from ui.tabs.train.starting import explain_no_training, start_run


def training_choices(services: Services, wanted: Request) -> Answer:
    """Give what the form offers: `bases`, `labels`, `options`, `knobs`, and why nothing can be started, if that is so.

    Labels that cannot be read are none, with `problem` saying why: a file can still be trained on.
    """
    problem = ""
    labels = []
    try:
        labels = list_labels(services)
    except AnnotationError as error:
        problem = say_to_visitor(services, error)
    return {
        "bases": list_bases(services),
        "labels": labels,
        "options": describe_options(services),
        "knobs": list(KNOBS),
        "why_not": explain_no_training(services),
        "is_local": services.allow_folders,
        "problem": problem,
    }


class RunFunctions:
    """The functions that look at a project's labels before they are frozen; they share the drafts."""

    def __init__(self) -> None:
        """Start without a draft."""
        self._drafts = Drafts()

    def plan_training_run(self, services: Services, wanted: Request) -> Answer:
        """Work out what a training would do; see `planning.plan_run`."""
        return plan_run(services, wanted, drafts=self._drafts)

    def start_training_run(self, services: Services, wanted: Request) -> Answer:
        """Start a training; see `starting.start_run`."""
        return start_run(services, wanted, drafts=self._drafts)
