"""The Train tab: what to train on the left, what trains and what came of it on the right."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui.page_views import QUIET, PageFunction, view
from ui.services import Services
from ui.tabs.train.following import Following, build_following
from ui.tabs.train.form import RunFunctions, training_choices
from ui.tabs.train.starting import take_rows

_SCRIPTS = (
    "train/form_10_state",
    "train/form_20_fields",
    "train/form_30_plan",
    "train/form_40_checks",
    "train/form_90_start",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainTab:
    """What the frame needs of the tab.

    Attributes:
        form: the view of the form; its event `turned` asks for another tab: `{"tab"}`.
        following: the side of the jobs.
        started: event chain after which a job is active.
    """

    form: gr.HTML
    following: Following
    started: Any


def build_train_tab(services: Services, page: gr.Blocks, *, label_functions: Iterable[PageFunction] = ()) -> TrainTab:
    """Build the tab inside `with gr.Blocks()`.

    Args:
        services: what outlives a visit.
        page: whose end is nothing to a job.
        label_functions: `check_labels` and `fix_check`, of another tab: the checks of a project's labels, and what mends
            them.
    """
    functions = RunFunctions()
    with gr.Row(equal_height=False, elem_classes="rw-train-tab"):
        with gr.Column(scale=1, min_width=320, elem_classes="rw-train-side"):
            form = view(
                services,
                _SCRIPTS,
                name="train",
                label="A new training",
                functions=[
                    training_choices,
                    functions.plan_training_run,
                    functions.start_training_run,
                    take_rows,
                    *label_functions,
                ],
            )
        with gr.Column(scale=2, min_width=320):
            following = build_following(services, page)

    def show_started(event: gr.EventData) -> Any:
        given = event._data.get("id") if isinstance(event._data, dict) else None
        return following.show(given if isinstance(given, str) else "")

    started = form.begun(show_started, None, following.view, **QUIET)
    return TrainTab(form=form, following=following, started=started)
