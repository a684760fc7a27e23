"""The Compare tab: inputs left, result right. Components and wiring; what they do is in handlers.py."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gradio as gr

from ui.assets import read_examples
from ui.comparison import RAW, SIGMOID, Comparison
from ui.components import message_line, result_view, shortcut_script
from ui.label_sending import send_to_labels
from ui.panels import download_panel, visit_script
from ui.passages import FILE_TYPES, SEPARATIONS, join_passages
from ui.services import Services
from ui.tabs.compare.events import FIELDS, CompareEvents
from ui.tabs.compare.handlers import advise, compare, model_choices
from ui.takeaway import take_away

# How many scorings may be under way. The pool lets one call at a time onto a device; BM25 need not wait for it.
_SCORINGS_AT_ONCE = 24

_PRIVATE: dict[str, Any] = {"api_visibility": "private"}
_QUIET = _PRIVATE | {"show_progress": "hidden", "queue": False}

# What a visitor's own browser keeps, in the order of the script's arguments; visit.js brings it back.
_SETTINGS = ("models", "layers", "all_layers", "scale")
_KEEP_SETTINGS = """(models, layers, all_layers, scale) => {
    try {
        localStorage.setItem('reranker-workbench:settings', JSON.stringify({models, layers, all_layers, scale}));
    } catch (error) { /* a browser that keeps nothing */ }
}"""


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareTab:
    """What the frame needs of the tab.

    Attributes:
        models: the picker of models.
        downloads: the panel of models that are not here.
        result: the result view; its event `judge` says which query of which project was sent to be judged.
        scored: events after which models may have been loaded.
        refresh: gives new values of `models` and `downloads` for the names that are chosen.
        offered: the components that go with a choice of models.
        choose: gives an update of `models` that chooses some by name, then one for each of `offered`.
    """

    models: gr.CheckboxGroup
    downloads: gr.HTML
    result: gr.HTML
    scored: list[Any]
    refresh: Callable[[list[str]], tuple[Any, Any]]
    offered: list[Any]
    choose: Callable[[list[str]], tuple[Any, ...]]


def build_compare_tab(services: Services, page: gr.Blocks) -> CompareTab:
    """Build the tab inside `with gr.Blocks()`.

    Args:
        services: what outlives a visit.
        page: whose end stops what the visit runs.
    """
    examples = read_examples()
    first = next(example for example in examples if example.get("is_first"))
    form: dict[str, Any] = {}
    with gr.Row(equal_height=False):
        with gr.Column(scale=1, min_width=320, elem_classes="rw-inputs"):
            example_buttons, upload = _build_texts(form, examples, first)
            _build_models(services, form)
            downloads = download_panel()
            _build_layers(form)
            form["scale"] = gr.Radio([RAW, SIGMOID], value=RAW, label="Scores (BM25 stays raw)", elem_classes="rw-chips")
            _build_advanced(form)
            with gr.Column(elem_classes="rw-actions"):
                message = message_line()
                with gr.Row(elem_classes="rw-buttons"):
                    button = gr.Button("Score (Ctrl Enter)", variant="primary", elem_id="score-button", scale=3)
                    stop = gr.Button("Stop", elem_classes="rw-stop", scale=1, min_width=80)
            shortcut_script()
            visit = visit_script()
            arrived = gr.State(None)
        with gr.Column(scale=2, min_width=320):
            result = result_view(
                compare(services, _ask_first(first, ("bm25",)), visit="the first sight")[0],
                take_away=lambda wanted: take_away(services, wanted),
                send=lambda wanted: send_to_labels(services, wanted),
            )
            advice = gr.Markdown(advise(services, services.first_models), elem_classes="rw-advice")

    events = CompareEvents(services, form, first=_ask_first(first, services.first_models))
    scoring: dict[str, Any] = _PRIVATE | {
        "concurrency_limit": _SCORINGS_AT_ONCE,
        "concurrency_id": "score",
        "show_progress_on": message,
        "trigger_mode": "multiple",  # the latest run counts: it replaces the one before, which is stopped
    }
    inputs, outputs = set(form.values()), [result, message]
    scored = [button.click(events.score_form, inputs, outputs, **scoring)]
    texts = [form["query"], form["pasted"], form["separated"]]
    for example_button, example in zip(example_buttons, examples, strict=True):
        filled = (example["query"], *join_passages(example["passages"]))
        filling = example_button.click(lambda texts=filled: texts, None, texts, **_QUIET)
        scored.append(filling.then(events.score_form, inputs, outputs, **scoring))
    stop.click(events.stop, None, None, **_QUIET)
    page.unload(events.stop)
    upload.upload(events.upload, upload, [*texts, message], **_QUIET)
    offered = [form["layers"], form["all_layers"], downloads, advice]
    _wire_choices(form, events, offered)
    everything = [*(form[name] for name in FIELDS), downloads, advice, arrived, message]
    # A link may come while the visit itself is still being answered: each counts.
    arriving = visit.opened(events.arrive, None, everything, trigger_mode="multiple", **_QUIET)
    scored.append(arriving.then(events.score_arrived, arrived, outputs, **scoring))
    return CompareTab(
        models=form["models"],
        downloads=downloads,
        result=result,
        scored=scored,
        refresh=events.refresh,
        offered=offered,
        choose=events.choose_models,
    )


def _wire_choices(form: dict[str, Any], events: CompareEvents, offered: list[Any]) -> None:
    """Offer what goes with the models that are chosen, and let the browser keep the choice."""
    choice = [form["models"], form["layers"], form["all_layers"]]
    form["models"].input(events.choose, choice, offered, trigger_mode="always_last", **_QUIET)
    form["layers"].input(events.price, choice[:2], form["layers"], trigger_mode="always_last", **_QUIET)
    settings = [form[name] for name in _SETTINGS]
    for component in settings:
        component.input(None, settings, None, js=_KEEP_SETTINGS, trigger_mode="always_last", **_PRIVATE)


def _build_texts(
    form: dict[str, Any], examples: list[dict[str, Any]], first: dict[str, Any]
) -> tuple[list[gr.Button], gr.UploadButton]:
    with gr.Row(elem_classes="rw-examples"):
        buttons = [gr.Button(example["title"], size="sm", min_width=60) for example in examples]
    text, separated = join_passages(first["passages"])
    form["query"] = gr.Textbox(label="Query", lines=1, max_lines=6, value=first["query"])
    form["pasted"] = gr.Textbox(label="Passages", lines=6, max_lines=9, value=text)
    with gr.Row(elem_classes="rw-beside"):
        form["separated"] = gr.Radio(list(SEPARATIONS), value=separated, label="Passages are", elem_classes="rw-chips")
        upload = gr.UploadButton("File …", file_types=list(FILE_TYPES), size="sm", min_width=64, scale=0)
    return buttons, upload


def _build_models(services: Services, form: dict[str, Any]) -> None:
    form["models"] = gr.CheckboxGroup(
        model_choices(services),
        value=list(services.first_models),
        label="Models",
        elem_classes="rw-chips",
        elem_id="compare-models",
    )


def _build_layers(form: dict[str, Any]) -> None:
    form["layers"] = gr.CheckboxGroup(
        [], value=[], label="Cutoff layers", visible=False, elem_classes=["rw-chips", "rw-numbers"]
    )
    form["all_layers"] = gr.Checkbox(label="All layers", value=False, visible=False)


def _build_advanced(form: dict[str, Any]) -> None:
    with gr.Accordion("Advanced: prompt, instructions, lengths", open=False):
        # Text boxes: gradio's number box turns an empty one into 0.
        form["max_length"] = gr.Textbox(
            label="max_length", placeholder="512", info="Tokens of a pair; a passage that is longer loses its tail."
        )
        form["query_max_length"] = gr.Textbox(
            label="query_max_length", placeholder="3/4 of max_length", info="Tokens of the query."
        )
        form["prompt"] = gr.Textbox(
            label="Prompt", lines=2, placeholder="the model's own", info="What follows the passage; LLM rerankers only."
        )
        form["query_instruction"] = gr.Textbox(
            label="Query instruction", placeholder="none; LLM rerankers: “A: ”", info="Text before the query."
        )
        form["passage_instruction"] = gr.Textbox(
            label="Passage instruction", placeholder="none; LLM rerankers: “B: ”", info="Text before each passage."
        )


def _ask_first(example: dict[str, Any], models: tuple[str, ...]) -> Comparison:
    """Ask for the example that stands in the boxes: BM25 for the first sight, the others once the page is there."""
    return Comparison(query=example["query"], passages=tuple(example["passages"]), models=models)
