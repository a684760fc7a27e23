"""Snapshots: labels frozen under a name, for training and evaluation; listed, made, verified."""

from typing import TYPE_CHECKING, Any

import gradio as gr

from annotations.errors import InputError
from annotations.plurals import count
from ui.components import done, message_line
from ui.label_requests import Answer, Request, read_text
from ui.page_views import QUIET
from ui.services import Services
from ui.tabs.data.export_form import build_label_options
from ui.tabs.data.exporting import read_options
from ui.tabs.data.long_events import LongEvents
from ui.tabs.data.pages import LONG_WORK, TELL_CHANGED, Progress, describe_place, require_own_machine, require_project, view

if TYPE_CHECKING:
    from annotations.exchange import ExportOptions
    from annotations.models import DatasetSnapshot

_LONGEST_NAME = 200


def make_snapshot(
    services: Services, project: object, name: object, *, options: "ExportOptions", on_progress: Progress | None = None
) -> str:
    """Freeze a project's labels; return a sentence.

    Raises:
        InputError: the name is taken or empty, nothing has a grade, or the screen is served to others.
    """
    from annotations.snapshots import create_snapshot

    require_own_machine(services, "Snapshots are made")
    chosen = require_project(services, project)
    if not isinstance(name, str) or not name.strip() or len(name) > _LONGEST_NAME:
        raise InputError(f"A snapshot needs a name of at most {_LONGEST_NAME} characters. Give it one.")
    labels = services.labels
    report = create_snapshot(labels.store, chosen.id, labels.snapshots, name=name, options=options, on_progress=on_progress)
    parts = ", ".join(f"{count(part['queries'], 'query')} in {split}" for split, part in report.parts.items())
    return " ".join([f"“{report.registered.name}” is made: {parts}.", *report.warnings])


def list_snapshots(services: Services, wanted: Request) -> Answer:
    """List a project's snapshots, the newest first: `rows`, see `_describe`."""
    project = require_project(services, wanted.get("project"))
    return {"rows": [_describe(services, snapshot) for snapshot in services.labels.store.snapshots.list(project.id)]}


def verify_snapshot(services: Services, wanted: Request) -> Answer:
    """Compare the files of the snapshot `name` with their hashes: `said`, a sentence.

    Raises:
        InputError: something was changed or is gone; says what.
    """
    from annotations.snapshots import check_snapshot, find_snapshot_folder

    project = require_project(services, wanted.get("project"))
    registered = services.labels.store.snapshots.get(project.id, read_text(wanted, "name", longest=_LONGEST_NAME))
    check_snapshot(find_snapshot_folder(registered, services.labels.snapshots), registered=registered)
    return {"said": f"“{registered.name}” is as it was made: every file has its hash."}


def build_snapshots(services: Services, page: gr.Blocks, project: gr.Dropdown) -> list[gr.HTML]:
    """Build the form, and give its view."""
    shown = view(services, "snapshots", label="Snapshots", functions=[list_snapshots, verify_snapshot])
    if not services.allow_folders:
        return [shown]
    form: dict[str, Any] = {"project": project}
    with gr.Column(elem_classes="rw-data-form"):
        form["name"] = gr.Textbox(label="Name of a new snapshot", max_lines=1, max_length=_LONGEST_NAME)
        with gr.Accordion("Whose labels, and what is positive", open=False):
            build_label_options(form)
        message = message_line()
        with gr.Row(elem_classes="rw-buttons"):
            start = gr.Button("Make a snapshot", variant="primary", scale=1, min_width=140)
            stop = gr.Button("Stop", elem_classes="rw-stop", scale=0, min_width=80)
    events = _SnapshotEvents(services, form, what="snapshot", outputs=3)
    work = LONG_WORK | {"show_progress_on": message}
    made = start.click(events.start, set(form.values()), [shown, message, form["name"]], **work)
    made.then(None, None, None, js=TELL_CHANGED, **QUIET)
    stop.click(events.stop, None, None, **QUIET)
    page.unload(events.stop)
    return [shown]


class _SnapshotEvents(LongEvents):
    """Handlers that gradio calls. Updates come in the order: view, message, name."""

    def start(self, values: dict[Any, Any], request: gr.Request, progress: gr.Progress = gr.Progress()) -> Any:  # noqa: B008
        """Make a snapshot; the name's box is empty then."""

        def act(tell: Progress) -> tuple[Any, ...]:
            form = self.read(values)
            options = read_options(form)
            said = make_snapshot(self.services, form["project"], form["name"], options=options, on_progress=tell)
            return describe_place(self.services, form["project"]), done(said), ""

        return self.work(request, progress, act)


def _describe(services: Services, snapshot: "DatasetSnapshot") -> Answer:
    from annotations.snapshots import find_snapshot_folder

    manifest = snapshot.manifest or {}
    place = find_snapshot_folder(snapshot, services.labels.snapshots)
    parts = manifest.get("parts") or {}
    return {
        "name": snapshot.name,
        "at": snapshot.created_at.isoformat(),
        "parts": {split: part.get("queries", 0) for split, part in parts.items()},
        "rows": {split: part.get("rows", 0) for split, part in parts.items()},
        "sha256": snapshot.sha256,
        "leak": (manifest.get("leak") or {}).get("share"),
        "id": snapshot.path,
        "folder": str(place) if services.allow_folders else "",
        "is_there": place.is_dir(),
    }
