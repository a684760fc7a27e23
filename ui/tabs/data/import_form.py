"""The form of an import: what is given, how it is taken, first a look, then the import."""

from collections.abc import Mapping
from typing import Any

import gradio as gr

from ui.components import message_line
from ui.page_views import QUIET
from ui.services import Services
from ui.tabs.data.import_files import FILE_TYPES, Given
from ui.tabs.data.importing import Looked, preview, run
from ui.tabs.data.left_over import find_left, remove_left
from ui.tabs.data.long_events import LongEvents
from ui.tabs.data.pages import LONG_WORK, TELL_CHANGED, Progress, describe_place, view


def build_import(services: Services, page: gr.Blocks, project: gr.Dropdown) -> list[gr.HTML]:
    """Build the form, and give its view."""
    form: dict[str, Any] = {"project": project, "looked": gr.State(Looked())}
    with gr.Column(elem_classes="rw-data-form"):
        _build_sources(services, form)
        _build_options(form)
        message = message_line()
        with gr.Row(elem_classes="rw-buttons"):
            look = gr.Button("Preview", variant="primary", scale=1, min_width=120)
            start = gr.Button("Import", scale=1, min_width=120)
            stop = gr.Button("Stop", elem_classes="rw-stop", scale=0, min_width=80)
        shown = view(services, "import", label="What would be imported", functions=[find_left, remove_left])
    events = _ImportEvents(services, form, what="import", outputs=3)
    inputs, outputs = set(form.values()), [shown, message, form["looked"]]
    work = LONG_WORK | {"show_progress_on": message}
    look.click(events.look, inputs, outputs, **work)
    shown.remap(events.remap, inputs, outputs, **work)
    start.click(events.start, inputs, outputs, **work).then(None, None, None, js=TELL_CHANGED, **QUIET)
    stop.click(events.stop, None, None, **QUIET)
    page.unload(events.stop)
    return [shown]


def _build_sources(services: Services, form: dict[str, Any]) -> None:
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=300):
            form["files"] = gr.File(
                label="Files", file_count="multiple", file_types=list(FILE_TYPES), height=170, elem_id="import-files"
            )
            gr.Markdown(
                "csv, tsv, jsonl, a TREC run or qrels; or together corpus.jsonl, queries.jsonl, qrels and a run.",
                elem_classes="rw-advice",
            )
        with gr.Column(scale=1, min_width=300):
            form["text"] = gr.Textbox(
                label="Or paste: csv with a header, jsonl, or lines of query, tab, passage",
                lines=4,
                max_lines=8,
                placeholder="query,passage,grade",
            )
            form["folder"] = gr.Textbox(
                label="Or the path of a file, or of a BEIR folder, on this machine",
                max_lines=1,
                visible=services.allow_folders,
            )


def _build_options(form: dict[str, Any]) -> None:
    with gr.Accordion("Options", open=False), gr.Row():
        form["annotator"] = gr.Textbox(
            "import",
            label="Whose judgements",
            info="Of rows that name nobody: a person, or “import”.",
            max_lines=1,
            min_width=150,
            max_length=200,
        )
        form["scale"] = gr.Dropdown(
            [("find out", ""), ("positive / negative", "binary"), ("grades 0 to 3", "graded")],
            value="",
            label="Scale",
            info="Of a project's first labels.",
            min_width=150,
            filterable=False,
        )
        form["max_queries"] = gr.Textbox("", label="Only the first queries", info="Empty: all.", max_lines=1, min_width=150)
        form["run_depth"] = gr.Textbox(
            "100", label="Candidates of a run", info="For each query; empty: all.", max_lines=1, min_width=150
        )
        form["again"] = gr.Checkbox(False, label="Import again what was imported before", min_width=150)


class _ImportEvents(LongEvents):
    """Handlers that gradio calls. Updates come in the order: view, message, what was looked at."""

    def look(self, values: dict[Any, Any], request: gr.Request, progress: gr.Progress = gr.Progress()) -> Any:  # noqa: B008
        """Show what would be imported."""
        return self.work(request, progress, lambda tell: self._look(values, {}, tell))

    def remap(
        self,
        values: dict[Any, Any],
        event: gr.EventData,
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (how gradio hands it over)
    ) -> Any:
        """Show it again with another map of grades, or with the parts of its queries left out or kept."""
        data = event._data if isinstance(event._data, dict) else {}
        return self.work(request, progress, lambda tell: self._look(values, data, tell))

    def start(self, values: dict[Any, Any], request: gr.Request, progress: gr.Progress = gr.Progress()) -> Any:  # noqa: B008
        """Import it."""

        def act(tell: Progress) -> Any:
            form = self.read(values)
            project, looked = form["project"], form["looked"]
            report = run(self.services, project, _given(form), options=form, looked=looked, on_progress=tell)
            return describe_place(self.services, project) | report, "", looked

        return self.work(request, progress, act)

    def _look(self, values: dict[Any, Any], chosen: Mapping[str, Any], tell: Progress) -> Any:
        form = self.read(values)
        found, looked = preview(
            self.services,
            form["project"],
            _given(form),
            options=form,
            looked=form["looked"],
            changes=chosen.get("map"),
            ignore_splits=chosen.get("ignore_splits"),
            on_progress=tell,
        )
        return describe_place(self.services, form["project"]) | found, "", looked


def _given(form: Mapping[str, Any]) -> Given:
    return Given(files=tuple(form["files"] or ()), text=form["text"] or "", folder=form["folder"] or "")
