"""Small widgets that several tabs share: downloads, the state of the machine, what a visit brings along."""

from typing import Any

import gradio as gr

from reranker_core.errors import InputError
from ui.assets import read_text


def named_model(event: gr.EventData) -> str:
    """Take the name of a model from an event of the panels here.

    Raises:
        InputError: there is none; the event did not come from our page.
    """
    name = event._data.get("name") if isinstance(event._data, dict) else None
    if not isinstance(name, str):
        raise InputError("The page must name a model. Reload it.")
    return name


def download_panel(value: dict[str, Any] | None = None) -> gr.HTML:
    """Make the panel for models that are not here; `value` is what `downloading.describe_downloads` gives.

    Its events are `fetch` and `halt`, each with the `name` of a model.
    """
    return gr.HTML(
        value,
        html_template='<div class="rw-downloads" hidden></div>',
        js_on_load=read_text("scripts/downloads.js") + read_text("scripts/download_panel.js"),
        apply_default_css=False,
    )


def status_line(value: str = "") -> gr.HTML:
    """Make the line in the header that says which models are ready and what memory they take."""
    return gr.HTML(
        value,
        html_template='<span class="rw-state" role="status"></span>',
        js_on_load=read_text("scripts/status.js"),
        apply_default_css=False,
        elem_classes="rw-status",
    )


def unsent_notice() -> gr.HTML:
    """Make the line that says that labels of an earlier visit wait in this browser; a click opens Annotate to send them."""
    return gr.HTML(
        html_template='<button type="button" class="rw-button rw-unsent" hidden></button>',
        js_on_load=read_text("scripts/unsent.js"),
        apply_default_css=False,
        elem_classes="rw-notice",
    )


def visit_script() -> gr.HTML:
    """Make what opens a shared link, or what stood here before a reload; shows nothing.

    Its event is `opened`, with the `request` (a comparison as JSON), or an `error` sentence.
    """
    return gr.HTML(
        html_template="<span></span>",
        js_on_load=read_text("scripts/link.js") + read_text("scripts/visit.js"),
        apply_default_css=False,
    )


def models_table(value: dict[str, Any]) -> gr.HTML:
    """Make the table of models; `value` is what `tabs.models.describe_models` gives.

    Its events carry the `name` of a model: `warm` (load it), `release` (unload), `remove` (forget), `fetch` and `halt`
    (download).
    """
    return gr.HTML(
        value,
        html_template='<div class="rw-models rw-panel" role="region" aria-label="Models"></div>',
        js_on_load=read_text("scripts/downloads.js") + read_text("scripts/models_table.js"),
        apply_default_css=False,
    )


def published_tables(value: dict[str, Any]) -> gr.HTML:
    """Make the tables of published results; `value` is what `tabs.models.describe_published` gives."""
    return gr.HTML(
        value,
        html_template='<section class="rw-published rw-panel" aria-label="Published results"></section>',
        js_on_load=read_text("scripts/published.js"),
        apply_default_css=False,
    )
