"""The Compare tab: inputs left, result right. Components and wiring; what they do is in handlers.py."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import gradio as gr

from ui.assets import read_examples
from ui.comparison import RAW, SIGMOID
from ui.components import message_line, result_view, shortcut_script
from ui.downloading import describe_downloads
from ui.errors import keep_on_failure
from ui.panels import download_panel, visit_script
from ui.passages import FILE_TYPES, SEPARATIONS, join_passages, read_passages_file
from ui.services import Services
from ui.tabs.compare.handlers import advise, compare, fill_form, model_choices, offer_layers
from ui.takeaway import take_away

# How many scorings may be under way. The pool lets one call at a time onto a device; BM25 need not wait for it.
_SCORINGS_AT_ONCE = 8

_PRIVATE: dict[str, Any] = {"api_visibility": "private"}
_QUIET = _PRIVATE | {"show_progress": "hidden", "concurrency_limit": None}

_DEFAULTS = {
    "query": "",
    "pasted": "",
    "separated": SEPARATIONS[0],
    "models": ["bm25"],
    "layers": [],
    "all_layers": False,
    "scale": RAW,
    "max_length": "",
    "query_max_length": "",
    "prompt": "",
    "query_instruction": "",
    "passage_instruction": "",
}
_SETTINGS = ("models", "layers", "all_layers", "scale")


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareTab:
    """What the frame needs of the tab.

    Attributes:
        models: the picker of models.
        downloads: the panel of models that are not here.
        scored: events after which models may have been loaded.
        refresh: gives new values of `models` and `downloads` for the names that are chosen.
    """

    models: gr.CheckboxGroup
    downloads: gr.HTML
    scored: list[Any]
    refresh: Callable[[list[str]], tuple[Any, Any]]


def build_compare_tab(services: Services, page: gr.Blocks) -> CompareTab:
    """Build the tab inside `with gr.Blocks()`.

    Args:
        services: what outlives a visit.
        page: whose load brings a visitor's settings back.
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
        with gr.Column(scale=2, min_width=320):
            result = result_view(_score_at_start(services, first), take_away=lambda wanted: take_away(services, wanted))
            advice = gr.Markdown(advise(services, ["bm25"]), elem_classes="rw-advice")

    names = {component: name for name, component in form.items()}

    @keep_on_failure
    def on_score(
        values: dict[Any, Any],
        request: gr.Request,
        progress: gr.Progress = gr.Progress(),  # noqa: B008 (how gradio hands it over)
    ) -> Any:
        fields = {name: values[component] for component, name in names.items()}

        def on_stage(words: str, fraction: float | None) -> None:
            progress(fraction, desc=words)

        return compare(services, fields, visit=_visit_of(request), on_stage=on_stage)

    def on_choice(chosen: list[str], layers: list[int], all_layers: bool) -> Any:
        offer = offer_layers(services, chosen, layers)
        is_newly_shown = bool(offer.layers) and not offer.chosen
        kept = [offer.layers[-1]] if is_newly_shown else list(offer.chosen)
        has_layers = bool(offer.layers)
        return (
            gr.update(
                choices=list(offer.layers),
                value=kept,
                label=offer.label,
                info=offer_layers(services, chosen, kept).cost,
                visible=has_layers,
            ),
            gr.update(label=offer.all_label, visible=len(offer.layers) > 1, value=all_layers and has_layers),
            describe_downloads(services, chosen),
            advise(services, chosen),
        )

    def on_layers(chosen: list[str], layers: list[int]) -> Any:
        return gr.update(info=offer_layers(services, chosen, layers).cost)

    @keep_on_failure
    def on_file(path: str) -> Any:
        read = read_passages_file(path)
        text, separated = join_passages(read.passages)
        return (gr.skip() if read.query is None else read.query, text, separated), read.note

    def on_upload(path: str) -> Any:
        texts, note = on_file(path)
        return (*(texts if isinstance(texts, tuple) else (gr.skip(),) * 3), note)

    def on_opened(event: gr.EventData) -> Any:
        given = event._data or {}
        fields, note = keep_on_failure(partial(fill_form, services))(given.get("request"))
        if given.get("error") or not isinstance(fields, dict) or "query" not in fields:
            return (*(gr.skip() for _ in form), given.get("error") or note)
        offer = offer_layers(services, fields["models"], fields["layers"])
        layers = gr.update(choices=list(offer.layers), value=list(offer.chosen), visible=bool(offer.layers))
        return (*(layers if name == "layers" else fields[name] for name in form), note)

    def on_stop(request: gr.Request) -> None:
        services.runs.stop(_visit_of(request))

    def restore(kept: Any) -> Any:
        if not isinstance(kept, dict):
            return (gr.skip(),) * len(_SETTINGS)
        fields = {name: kept.get(name, _DEFAULTS[name]) for name in _SETTINGS}
        known = {name for _, name in model_choices(services)}
        fields["models"] = [name for name in fields["models"] if name in known] or ["bm25"]
        offer = offer_layers(services, fields["models"], fields["layers"])
        layers = gr.update(choices=list(offer.layers), value=list(offer.chosen), visible=bool(offer.layers))
        models = gr.update(choices=model_choices(services), value=fields["models"])
        return models, layers, fields["all_layers"], fields["scale"]

    def refresh(chosen: list[str]) -> tuple[Any, Any]:
        return gr.update(choices=model_choices(services)), describe_downloads(services, chosen)

    scoring: dict[str, Any] = {
        "concurrency_limit": _SCORINGS_AT_ONCE,
        "concurrency_id": "score",
        "show_progress_on": message,
        "trigger_mode": "multiple",  # the latest run counts: it replaces the one before, which is stopped
    }
    inputs, outputs = set(form.values()), [result, message]
    scored = [button.click(on_score, inputs, outputs, **_PRIVATE, **scoring)]
    for example_button, example in zip(example_buttons, examples, strict=True):
        filled = (example["query"], *join_passages(example["passages"]))
        texts = [form["query"], form["pasted"], form["separated"]]
        filling = example_button.click(lambda texts=filled: texts, None, texts, **_QUIET)
        scored.append(filling.then(on_score, inputs, outputs, **_PRIVATE, **scoring))
    stop.click(on_stop, None, None, **_QUIET)
    page.unload(on_stop)
    upload.upload(on_upload, upload, [form["query"], form["pasted"], form["separated"], message], **_QUIET)
    chosen = [form["models"], form["layers"], form["all_layers"]]
    form["models"].change(on_choice, chosen, [form["layers"], form["all_layers"], downloads, advice], **_QUIET)
    form["layers"].input(on_layers, [form["models"], form["layers"]], form["layers"], **_QUIET)
    opening = visit.opened(on_opened, None, [*form.values(), message], **_QUIET)
    scored.append(opening.then(on_score, inputs, outputs, **_PRIVATE, **scoring))
    _keep_settings(page, [form[name] for name in _SETTINGS], restore)
    return CompareTab(models=form["models"], downloads=downloads, scored=scored, refresh=refresh)


def _keep_settings(page: gr.Blocks, settings: list[Any], restore: Callable[[Any], Any]) -> None:
    """Keep what a visitor sets in his own browser, and bring it back when the page loads."""
    kept = gr.BrowserState(None, storage_key="reranker-workbench:settings", secret="no secret: nothing private is in it")

    def keep(*values: Any) -> dict[str, Any]:
        return dict(zip(_SETTINGS, values, strict=True))

    for component in settings:
        component.input(keep, settings, kept, **_QUIET)
    page.load(restore, kept, settings, **_QUIET)


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
        model_choices(services), value=["bm25"], label="Models", elem_classes="rw-chips", elem_id="compare-models"
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


def _score_at_start(services: Services, example: dict[str, Any]) -> dict[str, Any]:
    """Score the example that stands in the boxes, so that the first sight is a result."""
    text, separated = join_passages(example["passages"])
    fields = _DEFAULTS | {"query": example["query"], "pasted": text, "separated": separated}
    value, _ = compare(services, fields, visit="the first sight")
    return value


def _visit_of(request: gr.Request) -> str:
    return str(request.session_hash or "")


__all__ = ["RAW", "SIGMOID", "CompareTab", "build_compare_tab"]
