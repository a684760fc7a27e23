"""The public endpoints of the labels: texts in, texts and JSON out. No caller chooses a place on this machine."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr

from annotations.errors import InputError
from ui.hosting import say_to_visitor
from ui.label_requests import LONGEST_NAME
from ui.services import Services
from ui.tabs.data.backups import make_copy
from ui.tabs.data.checks import check_labels as run_all_checks
from ui.tabs.data.exporting import Form, describe_export, make_name, read_options, write_export
from ui.tabs.data.import_files import read_pasted
from ui.tabs.data.importing import describe_report, read_map
from ui.tabs.data.projects import count_labels
from ui.tabs.data.snapshot_form import make_snapshot as freeze_labels

if TYPE_CHECKING:
    from annotations.models import Project

MOST_SENT = 20_000_000  # characters of one answer
MOST_SENT_TO_STRANGERS = 5_000_000

_FORMS: Mapping[str, Form] = {
    "jsonl": "training",
    "qrels": "qrels-trec",
    "qrels-beir": "qrels-beir",
    "beir": "beir",
    "csv": "csv",
}
_AT_ONCE: dict[str, Any] = {"concurrency_id": "label-api", "concurrency_limit": 2}


def build_label_api(services: Services) -> None:
    """Publish the endpoints inside `with gr.Blocks()`."""
    _publish_projects(services)
    _publish_import(services)
    _publish_export(services)
    _publish_safety(services)


def _publish_projects(services: Services) -> None:
    def projects() -> list[dict[str, Any]]:
        """List the projects: name, scale, and how many queries, passages, candidates, positives and negatives each has."""
        with _speaking(services):
            store = services.labels.store
            return [
                {"name": project.name, "scale": project.scale, **count_labels(store, project)}
                for project in store.projects.list()
            ]

    gr.api(projects, api_name="projects", **_AT_ONCE)


def _publish_import(services: Services) -> None:
    def import_labels(
        project: str,
        text: str,
        name: str = "pasted",
        annotator: str = "import",
        grade_map: dict[str, int | None] | None = None,
        create: bool = False,
        ignore_splits: bool = False,
    ) -> dict[str, Any]:
        """Import labels from a text, all or nothing; the answer says what was new, known, and left out with reasons.

        Args:
            project: the name of a project.
            text: csv or tsv with a header (query, passage, grade, ...), jsonl of pairs or of training rows.
            name: by which the import is listed.
            annotator: whose judgements those without a name are.
            grade_map: what a value of the text becomes: 0 to 3, or null for unjudged.
            create: make the project if it is not there and something is imported.
            ignore_splits: leave out which part the text puts a query into: its hash places it.
        """
        from annotations.exchange import ImportOptions, run_import
        from annotations.exchange.importing import new_project

        with _speaking(services):
            given = {"text": text, "name": name, "annotator": annotator}
            source = read_pasted(services, _read(given, "text"), name=_read(given, "name", longest=LONGEST_NAME))
            options = ImportOptions(
                annotator=_read(given, "annotator", longest=LONGEST_NAME),
                grade_map=read_map(grade_map) or None,
                ignore_splits=ignore_splits is True,
            )
            store = services.labels.store
            is_new = create and not _is_there(services, project)
            if is_new:
                _read({"project": project}, "project", longest=LONGEST_NAME)
            with new_project(store, project) if is_new else nullcontext(_find(services, project)) as into:
                return describe_report(run_import(store, into.id, source, options=options))

    gr.api(import_labels, api_name="import_labels", **_AT_ONCE)


def _publish_export(services: Services) -> None:
    def export_labels(
        project: str,
        to: str = "jsonl",
        rule: str = "majority",
        positive_from: int | None = None,
        negative_to: int | None = None,
        seed: int = 0,
    ) -> dict[str, Any]:
        """Export labels as texts: `files` by name, and a `report` in which what went in is what came out and was left out.

        Args:
            project: the name of a project.
            to: jsonl (training rows), qrels (TREC), qrels-beir, beir (a folder's files) or csv (all judgements).
            rule: for several annotators: majority, highest or lowest.
            positive_from: the lowest positive grade; by default 1, or 2 on the scale from 0 to 3.
            negative_to: the highest negative grade; by default 0.
            seed: of the random negatives of training rows.
        """
        with _speaking(services):
            values = {"rule": rule, "positive_from": positive_from, "negative_to": negative_to, "seed": seed}
            return _export(services, project, to, values)

    gr.api(export_labels, api_name="export_labels", **_AT_ONCE)


def _publish_safety(services: Services) -> None:
    def make_snapshot(project: str, name: str) -> str:
        """Freeze a project's labels under a name, for training and evaluation, where the app runs; returns a sentence.

        Args:
            project: the name of a project.
            name: of the snapshot, new in the project.
        """
        with _speaking(services):
            return freeze_labels(services, _find(services, project).id, name, options=read_options({}))

    def check_labels(project: str) -> list[dict[str, Any]]:
        """Look for what may be wrong with a project's labels: each check with its sentence, count and first examples.

        Args:
            project: the name of a project.
        """
        with _speaking(services):
            checks: list[dict[str, Any]] = run_all_checks(services, {"project": _find(services, project).id})["checks"]
            return checks

    def back_up_labels() -> str:
        """Make a verified copy of all labels where the app runs; returns a sentence."""
        with _speaking(services):
            return str(make_copy(services, {})["said"])

    gr.api(make_snapshot, api_name="make_snapshot", **_AT_ONCE)
    gr.api(check_labels, api_name="check_labels", **_AT_ONCE)
    gr.api(back_up_labels, api_name="back_up_labels", **_AT_ONCE)


@contextmanager
def _speaking(services: Services) -> Iterator[None]:
    """Give the client a failure as its sentence."""
    try:
        yield
    except Exception as failure:
        raise gr.Error(say_to_visitor(services, failure), print_exception=False) from failure


def _find(services: Services, name: str) -> "Project":
    """Give a project of the list by its name.

    Raises:
        InputError: there is none; lists those there are.
    """
    everything = services.labels.store.projects.list(include_archived=True)
    there = [project for project in everything if project.archived_at is None]
    for project in there:
        if project.name == name:
            return project
    names = ", ".join(f'"{project.name:.60}"' for project in there[:20]) or "none yet"
    if any(project.name == name for project in everything):
        raise InputError(f'The project "{name!s:.80}" is archived. Put it back on the list, or choose another: {names}.')
    raise InputError(f'There is no project "{name!s:.80}". There are: {names}.')


def _is_there(services: Services, name: str) -> bool:
    return any(project.name == name for project in services.labels.store.projects.list())


def _read(given: Mapping[str, object], name: str, *, longest: int | None = None) -> str:
    """Read one of the texts that a program sends, which may send anything.

    Raises:
        InputError: it is no text, or too long.
    """
    value = given[name]
    if not isinstance(value, str):
        raise InputError(f"{name} must be a text, got {value!r:.40}. Send a string.")
    if longest is not None and len(value) > longest:
        raise InputError(f"{name} has {longest} characters at most, got {len(value):,}. Shorten it.")
    return value


def _export(services: Services, project: str, to: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Write an export where nobody else sees it, and give its files as texts.

    Raises:
        InputError: there is no such project or form, an option cannot be used, or it is too much for one answer.
    """
    if not isinstance(to, str) or to not in _FORMS:
        raise InputError(f"Labels go out to {', '.join(_FORMS)}, got {to!s:.40}. Choose one of them.")
    chosen = _find(services, project)
    with tempfile.TemporaryDirectory(prefix="export-") as folder:
        suffix = {"jsonl": ".jsonl", "csv": ".csv", "qrels": ".qrels", "qrels-beir": ".tsv", "beir": ""}[to]
        place = Path(folder) / f"{make_name(chosen.name)}{suffix}"
        report = write_export(services, chosen.id, place, form=_FORMS[to], options=read_options(values))
        written = [file for file in sorted(Path(folder).rglob("*")) if file.is_file()]
        most = MOST_SENT if services.allow_folders else MOST_SENT_TO_STRANGERS
        if (size := sum(file.stat().st_size for file in written)) > most:
            raise InputError(
                f"The export has {size:,} bytes, and one answer {most:,} at most. Export it on the Data screen."
            )
        base = place if place.is_dir() else Path(folder)
        files = {str(file.relative_to(base)): file.read_text(encoding="utf-8") for file in written}
    return {"files": files, "report": describe_export(report, place=None)}
