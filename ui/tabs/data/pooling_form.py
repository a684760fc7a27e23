"""The form that finds candidates: which models, how deep, how many at random."""

from typing import Any

import gradio as gr

from ui.choices import list_choices
from ui.components import message_line
from ui.page_views import QUIET
from ui.services import Services
from ui.tabs.data.long_events import LongEvents
from ui.tabs.data.pages import LONG_WORK, TELL_CHANGED, Progress, describe_place, view
from ui.tabs.data.pooling import MOST_MODELS, pool_project, read_settings


def build_pooling(services: Services, page: gr.Blocks, project: gr.Dropdown) -> list[gr.HTML]:
    """Build the form, and give its view."""
    form: dict[str, Any] = {"project": project}
    with gr.Column(elem_classes="rw-data-form"):
        gr.Markdown(
            "Looks for passages to judge among all passages of the project: the best of BM25 and of the chosen models, and "
            "some at random, so that labels do not only say what these models find.",
            elem_classes="rw-advice",
        )
        form["models"] = gr.CheckboxGroup(
            _ready(services), value=[], label=f"Beside BM25 (ready models, up to {MOST_MODELS})", elem_classes="rw-chips"
        )
        with gr.Row():
            form["depth"] = gr.Textbox(
                "20", label="Depth", info="The best of each, for a query.", max_lines=1, min_width=130
            )
            form["first_stage"] = gr.Textbox(
                "100", label="Reranked", info="BM25's best that models see.", max_lines=1, min_width=130
            )
            form["random_share"] = gr.Slider(0, 0.9, value=0.2, step=0.05, label="Share at random", min_width=160)
            form["seed"] = gr.Textbox("0", label="Seed", info="Of the draws.", max_lines=1, min_width=90)
        message = message_line()
        with gr.Row(elem_classes="rw-buttons"):
            start = gr.Button("Find candidates", variant="primary", scale=1, min_width=140)
            stop = gr.Button("Stop", elem_classes="rw-stop", scale=0, min_width=80)
        shown = view(services, "pooling", label="What was found")
    events = _PoolingEvents(services, form, what="pooling", outputs=2)
    work = LONG_WORK | {"show_progress_on": message}
    found = start.click(events.start, set(form.values()), [shown, message], **work)
    found.then(None, None, None, js=TELL_CHANGED, **QUIET)
    stop.click(events.stop, None, None, **QUIET)
    page.unload(events.stop)
    shown.arrived(lambda: gr.update(choices=_ready(services)), None, form["models"], **QUIET)
    return [shown]


class _PoolingEvents(LongEvents):
    """Handlers that gradio calls. Updates come in the order: view, message."""

    def start(self, values: dict[Any, Any], request: gr.Request, progress: gr.Progress = gr.Progress()) -> Any:  # noqa: B008
        """Find candidates."""

        def act(tell: Progress) -> tuple[Any, ...]:
            form = self.read(values)
            report = pool_project(self.services, form["project"], read_settings(form), on_progress=tell)
            return describe_place(self.services, form["project"]) | report, ""

        return self.work(request, progress, act)


def _ready(services: Services) -> list[tuple[str, str]]:
    """List the models that can be used at once: title and name."""
    return [
        (choice.title, choice.name)
        for choice in list_choices(services)
        if choice.is_ready and not choice.problem and choice.info.family != "bm25"
    ]
