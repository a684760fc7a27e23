"""The following side of the Train screen: the jobs, what the chosen one does and did, and what can be done with it.

The view asks by itself while a job is active, and what it is told comes from the jobs' folders alone: a reload, a second
browser and an app that was started again show the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui.page_views import view
from ui.services import Services
from ui.tabs.train.job_actions import forget_job, resume_job, stop_job, use_job
from ui.tabs.train.job_merging import merge_job
from ui.tabs.train.job_reports import export_job, read_job_report
from ui.tabs.train.job_views import follow_jobs

# In the order in which each needs those before it.
_SCRIPTS = (
    "train/follow_10_state",
    "train/follow_20_charts",
    "train/follow_25_figures",
    "train/follow_30_jobs",
    "train/follow_40_job",
    "train/follow_50_report",
    "train/follow_60_actions",
    "train/follow_90_start",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """What the tab and the frame need of this side. Names of models are those by which they are chosen.

    Attributes:
        view: of the jobs; its value is what `show` gives.
        show: gives the value of `view` that shows a job, such as one that was just started.
        selected: event, another job was chosen: `{"id"}`.
        ended: event, a job that was active has ended: `{"id"}`.
        in_use: event, the list of added models is another one now: `{"base", "name"}`; empty texts where one was taken off.
        compared: event, base and tuned are to be compared: `{"base", "name"}`; base is "" where it cannot score by itself.
    """

    view: gr.HTML
    show: Callable[[str], dict[str, Any]]
    selected: Any
    ended: Any
    in_use: Any
    compared: Any


def build_following(services: Services, page: gr.Blocks) -> Following:
    """Build the view inside `with gr.Blocks()`.

    Args:
        services: what outlives a visit.
        page: whose end is nothing to this view, for jobs and merges go on without a visit.
    """
    del page
    made = view(
        services,
        _SCRIPTS,
        name="follow",
        label="Training jobs",
        functions=[
            follow_jobs,
            read_job_report,
            export_job,
            stop_job,
            resume_job,
            forget_job,
            use_job,
            merge_job,
        ],
        value=show_job(""),
    )
    return Following(
        view=made,
        show=show_job,
        selected=made.selected,
        ended=made.ended,
        in_use=made.in_use,
        compared=made.compared,
    )


def show_job(job_id: str) -> dict[str, Any]:
    """Give the value of the view that shows a job; an empty id shows the active one, or else the newest."""
    return {"job": job_id}
