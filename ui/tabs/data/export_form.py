"""The form of an export: in which form, whose labels count, what is positive and negative."""

from typing import Any

import gradio as gr

from ui.components import message_line
from ui.page_views import QUIET
from ui.services import Services
from ui.tabs.data.exporting import FORMS, RULES, export_project, read_options
from ui.tabs.data.long_events import LongEvents
from ui.tabs.data.pages import LONG_WORK, describe_place, view

# gradio's own click downloads what was there before, so the new file is fetched by a second click.
_FETCH = "(message) => { if (!message) document.querySelector('#export-file').click(); }"


def build_export(services: Services, page: gr.Blocks, project: gr.Dropdown) -> list[gr.HTML]:
    """Build the form, and give its view."""
    form: dict[str, Any] = {"project": project}
    with gr.Column(elem_classes="rw-data-form"):
        with gr.Row():
            form["form"] = gr.Radio(list(FORMS), value="training", label="What", elem_classes="rw-chips")
        build_label_options(form)
        with gr.Row():
            form["negatives"] = gr.Textbox(
                "7",
                label="Random negatives",
                info="For a query without any; training rows only.",
                max_lines=1,
                min_width=150,
            )
            form["seed"] = gr.Textbox("0", label="Seed", info="Of their choice.", max_lines=1, min_width=100)
            form["prompt"] = gr.Textbox(
                "",
                label="Prompt",
                info="Of training rows. Empty: the project's, or the model card's.",
                min_width=260,
                scale=2,
            )
        message = message_line()
        with gr.Row(elem_classes="rw-buttons"):
            start = gr.Button("Export", variant="primary", scale=1, min_width=120)
            stop = gr.Button("Stop", elem_classes="rw-stop", scale=0, min_width=80)
            manifest = gr.DownloadButton("Its manifest", visible=False, size="sm", scale=0, min_width=140)
            file = gr.DownloadButton("Download again", visible="hidden", elem_id="export-file", size="sm", scale=0)
        shown = view(services, "export", label="What was exported")
    events = _ExportEvents(services, form, what="export", outputs=4)
    work = LONG_WORK | {"show_progress_on": message}
    exported = start.click(events.start, set(form.values()), [shown, message, file, manifest], **work)
    exported.then(None, message, None, js=_FETCH, **QUIET)
    stop.click(events.stop, None, None, **QUIET)
    page.unload(events.stop)
    return [shown]


def build_label_options(form: dict[str, Any]) -> None:
    """Build the fields that say whose labels count and how: rule, threshold, parts."""
    with gr.Row():
        form["rule"] = gr.Dropdown(
            list(RULES),
            value="majority",
            label="Several annotators",
            info="People before imports.",
            min_width=170,
            filterable=False,
        )
        form["positive_from"] = gr.Dropdown(
            [("usual", ""), ("1", "1"), ("2", "2"), ("3", "3")],
            value="",
            label="Positive from grade",
            info="Usual: 1, or 2 of 0 to 3.",
            min_width=150,
            filterable=False,
        )
        form["negative_to"] = gr.Dropdown(
            [("usual", ""), ("0", "0"), ("1", "1"), ("2", "2")],
            value="",
            label="Negative up to grade",
            info="Usual: 0.",
            min_width=150,
            filterable=False,
        )
        form["splits"] = gr.CheckboxGroup(
            ["train", "dev", "test"], value=[], label="Parts (none chosen: all)", elem_classes="rw-chips", min_width=200
        )


class _ExportEvents(LongEvents):
    """Handlers that gradio calls. Updates come in the order: view, message, file, manifest."""

    def start(self, values: dict[Any, Any], request: gr.Request, progress: gr.Progress = gr.Progress()) -> Any:  # noqa: B008
        """Write the files and hand them out."""

        def act(tell: Any) -> tuple[Any, ...]:
            form = self.read(values)
            done = export_project(
                self.services, form["project"], form["form"], options=read_options(form), on_progress=tell
            )
            value = describe_place(self.services, form["project"]) | done.report
            manifest = gr.update(value=str(done.manifest) if done.manifest else None, visible=done.manifest is not None)
            return value, "", gr.update(value=str(done.download)), manifest

        return self.work(request, progress, act)
