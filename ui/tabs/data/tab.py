"""The Data tab: which project above, below it what is in it, what comes in, what goes out, and what keeps it safe."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui.components import message_line
from ui.page_views import QUIET
from ui.services import Services
from ui.tabs.data.agreement import agreement_of
from ui.tabs.data.backups import list_copies, make_copy, restore_copy
from ui.tabs.data.browse import (
    browse_pairs,
    filter_choices,
    judgement_history,
    redo_grade,
    save_grade,
    undo_grade,
    whole_passage,
)
from ui.tabs.data.checks import check_labels, fix_check
from ui.tabs.data.deletions import count_deletion, delete_text, list_deleted, restore_text
from ui.tabs.data.export_form import build_export
from ui.tabs.data.frame import FrameEvents
from ui.tabs.data.import_form import build_import
from ui.tabs.data.pages import TELL_CHANGED, view
from ui.tabs.data.pooling_form import build_pooling
from ui.tabs.data.projects import count_project
from ui.tabs.data.snapshot_form import build_snapshots

_BROWSE = (
    browse_pairs,
    filter_choices,
    save_grade,
    undo_grade,
    redo_grade,
    judgement_history,
    whole_passage,
    count_deletion,
    delete_text,
    restore_text,
    list_deleted,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataTab:
    """What the frame needs of the tab.

    Attributes:
        project: the picker of projects; its value is an id.
        shown: the components that `show` and `refresh` update, in their order.
        show: gives updates that show a project, or the first one if it is not there.
        refresh: gives the pickers anew when the tab is opened again; what stands below stays, if its project does.
    """

    project: gr.Dropdown
    shown: list[Any]
    show: Callable[[Any], Any]
    refresh: Callable[[Any], Any]


def build_data_tab(services: Services, page: gr.Blocks) -> DataTab:
    """Build the tab inside `with gr.Blocks()`.

    Args:
        services: what outlives a visit.
        page: whose end stops what the visit runs.
    """
    with gr.Column(elem_classes="rw-data-tab"):
        project = gr.Dropdown([], value=None, label="Project", filterable=True, elem_id="data-project")
        counts = view(services, "counts", label="What is in the project", functions=[count_project])
        with gr.Accordion("New project, rename, archive …", open=False):
            with gr.Row():
                title = gr.Textbox(label="Name of the new project", max_lines=1, scale=2, min_width=180, max_length=200)
                language = gr.Textbox(label="Language", placeholder="en, zh, …", max_lines=1, scale=1, min_width=90)
                create = gr.Button("Make it", variant="primary", size="sm", scale=0, min_width=110)
            with gr.Row(visible=services.can_change_labels):
                new_title = gr.Textbox(
                    label="New name of the chosen project", max_lines=1, scale=2, min_width=180, max_length=200
                )
                rename = gr.Button("Rename", size="sm", scale=0, min_width=110)
            with gr.Row(visible=services.can_change_labels):
                archived = gr.Dropdown([], value=None, label="Archived projects", scale=2, min_width=180)
                restore = gr.Button("Put back on the list", size="sm", scale=0, min_width=150)
                archive = gr.Button("Archive the chosen project", size="sm", scale=0, min_width=180)
        message = message_line()
        with gr.Tabs():
            views = [counts, *_build_sections(services, page, project)]
    events = FrameEvents(services, views=len(views))
    shown = [project, archived, message, *views]
    counts.arrived(events.arrive, None, shown, **QUIET)
    views[-1].arrived(events.arrive, None, shown, **QUIET)  # a backup was put back
    project.input(events.choose, project, [message, *views], **QUIET)
    created = create.click(events.create, [title, language, project], [*shown, title], **QUIET)
    for done in (
        created,
        rename.click(events.rename, [new_title, project], [*shown, new_title], **QUIET),
        archive.click(events.archive, project, shown, **QUIET),
        restore.click(events.restore, [archived, project], shown, **QUIET),
    ):
        done.then(None, None, None, js=TELL_CHANGED, **QUIET)
    return DataTab(project=project, shown=shown, show=events.show, refresh=events.refresh)


def _build_sections(services: Services, page: gr.Blocks, project: gr.Dropdown) -> list[gr.HTML]:
    """Build the inner tabs, and give their views."""
    with gr.Tab("Browse", id="browse"):
        views = [view(services, "browse", label="Pairs", parts=["browse_grades"], functions=_BROWSE)]
    with gr.Tab("Import", id="import"):
        views += build_import(services, page, project)
    with gr.Tab("Find candidates", id="candidates"):
        views += build_pooling(services, page, project)
    with gr.Tab("Export", id="export"):
        views += build_export(services, page, project)
    with gr.Tab("Snapshots", id="snapshots"):
        views += build_snapshots(services, page, project)
    with gr.Tab("Checks", id="checks"):
        views += [view(services, "checks", label="Checks", functions=[check_labels, fix_check])]
    with gr.Tab("Agreement", id="agreement"):
        views += [view(services, "agreement", label="Agreement", functions=[agreement_of])]
    with gr.Tab("Backups", id="backups"):
        views += [view(services, "backups", label="Backups", functions=[list_copies, make_copy, restore_copy])]
    return views
