"""The Annotate tab: which project and whose judgements above, the view below. What the view asks is in ui.labelling."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

import gradio as gr

from ui.assets import FOLDER, read_text
from ui.components import message_line
from ui.hosting import hide_places, refuse_strangers, say_to_visitor
from ui.label_cuts import READING_FUNCTIONS
from ui.label_requests import Answer, Request, Subject, answer_page
from ui.labelling import PAGE_FUNCTIONS, set_guideline
from ui.services import Services
from ui.tabs.annotate.handlers import DEFAULT_NAME, AnnotateEvents

if TYPE_CHECKING:
    from annotations.store import Store

_QUIET: dict[str, Any] = {"api_visibility": "private", "show_progress": "hidden", "queue": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class AnnotateTab:
    """What the frame needs of the tab.

    Attributes:
        project: the picker of projects; its value is an id.
        name: of who judges.
        view: the labelling view; its value names project and annotator.
        message: the line for one sentence.
        enter: for when the tab comes to the front: takes picker, name and view, updates picker, name, view and message.
        show: gives updates of picker, name, view and message that show a project, or one of its queries.
    """

    project: gr.Dropdown
    name: gr.Textbox
    view: gr.HTML
    message: gr.HTML
    enter: Callable[[Any, Any, Any], Any]
    show: Callable[..., Any]


def build_annotate_tab(services: Services) -> AnnotateTab:
    """Build the tab inside `with gr.Blocks()`.

    Args:
        services: the labels, which are opened when somebody labels, not before; and the models, to tell what they read.
    """
    events = AnnotateEvents(lambda: services.labels.store, say=partial(say_to_visitor, services))
    with gr.Row(elem_classes="rw-label-above"):
        project = gr.Dropdown(
            [], value=None, label="Project", scale=3, min_width=200, filterable=True, elem_id="annotate-project"
        )
        name = gr.Textbox(
            DEFAULT_NAME, label="Your name", scale=1, min_width=120, max_lines=1, elem_id="annotate-name", max_length=200
        )
        new = gr.Button("New project", size="sm", scale=0, min_width=110)
    with gr.Group(visible=False) as form:
        title = gr.Textbox(label="Name of the project", max_lines=1)
        guideline = gr.Textbox(
            label="Guideline", lines=2, placeholder="Positive: the passage answers the question, alone. Negative: …"
        )
        language = gr.Textbox(label="Language", placeholder="en, zh, …", max_lines=1)
        create = gr.Button("Create", variant="primary", size="sm")
    message = message_line()
    view = label_view(services)

    everything = [project, name, view, message]
    view.arrived(events.arrive, None, everything, **_QUIET)
    view.sample(events.try_example, name, everything, **_QUIET)
    for chosen in (project.input, name.submit, name.blur):
        chosen(events.show, [project, name, view], everything, **_QUIET)
    is_open = gr.State(False)
    new.click(events.turn_form, is_open, [form, is_open], **_QUIET)
    made = create.click(events.create, [title, guideline, language, name, view], [*everything, form, is_open], **_QUIET)
    made.then(None, None, [title, guideline, language], js="() => ['', '', '']", **_QUIET)
    return AnnotateTab(project=project, name=name, view=view, message=message, enter=events.enter, show=events.show)


def label_view(services: Services) -> gr.HTML:
    """Make the labelling view. Its value is what `AnnotateEvents.show` gives.

    Its events are `arrived`, with the `project` and `annotator` that this browser kept, and `sample`, which asks for the
    example's project.
    """
    may_change = "yes" if services.can_change_labels else "no"  # the guideline
    files = sorted(file.name for file in (FOLDER / "scripts" / "annotate").glob("*.js"))
    return gr.HTML(
        {},
        html_template=f'<div class="rw-annotate" role="region" aria-label="Labelling" data-may-change="{may_change}"></div>'
        '<p class="rw-spoken rw-hidden" role="status"></p>',
        js_on_load="\n".join(read_text(f"scripts/annotate/{name}") for name in files),
        apply_default_css=False,
        server_functions=[
            *(_bind(services, function, partial(_open_store, services, function.__name__)) for function in PAGE_FUNCTIONS),
            *(_bind(services, function, lambda: services) for function in READING_FUNCTIONS),
        ],
    )


def _open_store(services: Services, asked: str) -> "Store":
    """Give the store to what a page asked for.

    Raises:
        InputError: it changes the labels as a whole, and visitors may not.
        StorageError: the store cannot be opened.
    """
    if asked == set_guideline.__name__:
        refuse_strangers(services, "The guideline is changed")
    return services.labels.store


def _bind(
    services: Services, function: Callable[[Subject, Request], Answer], find_subject: Callable[[], Subject]
) -> Callable[[Request], Answer]:
    """Give a function of the store, or of the services, the form in which gradio calls it, under its own name.

    A store that cannot be opened is an answer too, and no answer tells strangers a path of this machine.
    """

    @answer_page
    def answer(find: Callable[[], Subject], wanted: Request) -> Answer:
        return function(find(), wanted)

    @wraps(function)
    def bound(wanted: Request) -> Answer:
        found = answer(find_subject, wanted)
        return found | {"error": hide_places(services, found["error"])} if "error" in found else found

    # gradio reads the arguments from the signature, which `wraps` would take from the function.
    del bound.__wrapped__
    return bound
