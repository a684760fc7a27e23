"""How the views of the screens and the server speak: one JSON object there, one back. Anybody can send anything."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import gradio as gr

from reranker_core.errors import InputError
from ui.assets import read_text
from ui.hosting import say_to_visitor
from ui.label_requests import Answer, Request
from ui.services import Services

PageFunction = Callable[[Services, Request], Answer]

QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}


def view(
    services: Services,
    scripts: Iterable[str],
    *,
    name: str,
    label: str,
    functions: Iterable[PageFunction] = (),
    value: Any = None,
) -> gr.HTML:
    """Make a view: `page_parts.js` and then scripts of `assets/scripts/` over an empty `<section class="rw-<name>">`.

    Args:
        services: for the functions.
        scripts: their paths below that folder, without `.js`.
        name: of the section's class.
        label: read by screen readers.
        functions: that the scripts can call by their names, as `server.<name>(object)`.
        value: of the view, any JSON.
    """
    return gr.HTML(
        {} if value is None else value,
        html_template=f'<section class="rw-{name}" aria-label="{label}"></section>'
        '<p class="rw-spoken rw-hidden" role="status"></p>',
        js_on_load="\n".join(read_text(f"scripts/{script}.js") for script in ("page_parts", *scripts)),
        apply_default_css=False,
        server_functions=[bind(services, function) for function in functions] or None,
    )


def bind(services: Services, function: PageFunction) -> Callable[[Request], Answer]:
    """Give a function the form in which gradio calls it; a failure becomes `error`, a sentence."""

    def bound(wanted: Request) -> Answer:
        try:
            if not isinstance(wanted, Mapping):
                raise InputError("The page must send an object. Load it again.")
            return function(services, wanted)
        except Exception as failure:
            return {"error": say_to_visitor(services, failure)}

    bound.__name__ = function.__name__
    return bound
