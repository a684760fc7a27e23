"""Widgets of our own. Their templates are static; every text of a user is set with `textContent` by the script.

They are functions, not subclasses of `gr.HTML`: gradio writes a stub file beside every module that subclasses one.
"""

from collections.abc import Callable
from typing import Any

import gradio as gr

from ui.assets import FOLDER, read_text


def result_view(
    value: dict[str, Any] | None = None,
    take_away: Callable[[dict[str, Any]], dict[str, str]] | None = None,
    send: Callable[[dict[str, Any]], dict[str, Any]] | None = None,
) -> gr.HTML:
    """Make the view of a comparison: table, pictures, and the buttons by which it is taken away.

    Args:
        value: what `formatting.describe_comparison` gives, or `None`.
        take_away: called with `kind` (`"python"`, `"curl"`, `"json"` or `"csv"`), `request`, `result` and `address`;
            returns `text` and the `file` name for it, or `error` with a sentence. Without it there are no buttons.
            Whoever can open the page can call it with anything.
        send: called as `ui.label_sending.send_to_labels`. Without it there is no button to send passages to be judged.
    """
    files = sorted(file.name for file in (FOLDER / "scripts" / "result").glob("*.js"))
    scripts = ["scripts/link.js", *(f"scripts/result/{name}" for name in files)]
    return gr.HTML(
        value,
        html_template='<div class="rw-result" role="region" aria-label="Result"></div>'
        '<p class="rw-spoken rw-hidden" role="status"></p>',
        js_on_load="\n".join(map(read_text, scripts)),
        apply_default_css=False,
        server_functions=[*([_named_take_away(take_away)] if take_away else []), *([_named_send(send)] if send else [])]
        or None,
    )


def message_line() -> gr.HTML:
    """Make the place of one sentence that a screen reader speaks at once; empty, it takes no room.

    Its value is a text, which says what went wrong, or what `done` gives.
    """
    return gr.HTML(
        "",
        html_template='<p class="rw-message" role="alert"></p>',
        js_on_load=read_text("scripts/message.js"),
        apply_default_css=False,
    )


def done(said: str) -> dict[str, str]:
    """Give a message line's value that says what was done, and does not look like a warning."""
    return {"said": said}


def shortcut_script() -> gr.HTML:
    """Bind Ctrl+Enter to the score button; shows nothing."""
    return gr.HTML(
        html_template="<span></span>", js_on_load=read_text("scripts/score_shortcut.js"), apply_default_css=False
    )


def _named_take_away(function: Callable[[dict[str, Any]], dict[str, str]]) -> Callable[[dict[str, Any]], dict[str, str]]:
    """Give a function the name by which the script calls it."""

    def take_away(wanted: dict[str, Any]) -> dict[str, str]:
        return function(wanted)

    return take_away


def _named_send(function: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Give a function the name by which the script calls it."""

    def send_to_labels(wanted: dict[str, Any]) -> dict[str, Any]:
        return function(wanted)

    return send_to_labels
