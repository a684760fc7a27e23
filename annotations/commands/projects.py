"""`projects`: which there are, with their counts; and finding one for the other commands."""

import argparse
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager

from annotations.commands.output import add_json_option, answer, answer_json, lay_out
from annotations.errors import InputError
from annotations.home import Home, find_home
from annotations.models import Project
from annotations.store import Store
from annotations.store.pair_filters import PairFilter


def add_project_option(command: argparse.ArgumentParser) -> None:
    """Add the option that names the project."""
    command.add_argument("--project", required=True, metavar="NAME", help="the project; `projects` lists them")


def add_projects(command: argparse.ArgumentParser) -> None:
    """Add what `projects` takes."""
    command.add_argument("--all", action="store_true", help="those too that were put away")
    add_json_option(command)
    command.set_defaults(run=_run)


@contextmanager
def open_labels(home: Home, *, create: bool = False) -> Iterator[Store]:
    """Open the labels of a home.

    Raises:
        InputError: there are none yet, and none are to be made.
        StorageError: they cannot be opened.
    """
    if not create and not home.labels.is_file():
        raise InputError(
            f"There are no labels in {home.folder} yet. Import some with --create, or name another folder with --home."
        )
    home.folder.mkdir(parents=True, exist_ok=True)
    with Store.open(home.labels) as store:
        yield store


def look_up(store: Store, name: str) -> Project | None:
    """Find a project by its name, also one that was put away; `None` if there is none."""
    wanted = unicodedata.normalize("NFC", name.strip())
    return next((one for one in store.projects.list(include_archived=True) if one.name == wanted), None)


def find_project(store: Store, name: str, *, hint: str = "") -> Project:
    """Find a project by its name.

    Raises:
        InputError: there is none; lists those that there are.
    """
    project = look_up(store, name)
    if project is None:
        names = ", ".join(f'"{one.name}"' for one in store.projects.list()) or "none yet"
        raise InputError(f'There is no project "{name}". There are: {names}.{hint}')
    return project


def _run(options: argparse.Namespace) -> None:
    with open_labels(find_home(options.home)) as store:
        rows = [_describe(store, project) for project in store.projects.list(include_archived=options.all)]
    if options.json:
        answer_json({"projects": rows})
    else:
        answer(lay_out(rows) if rows else ["There is no project yet."])


def _describe(store: Store, project: Project) -> dict[str, object]:
    with store.labels.read(project.id) as reading:
        queries, passages = reading.count_queries(), reading.count_passages()
    candidates = store.browse.pairs(project.id, limit=1).total
    judged = store.browse.pairs(project.id, filters=PairFilter(is_judged=True), limit=1).total
    return {
        "project": project.name,
        "scale": project.scale or "",
        "queries": queries,
        "passages": passages,
        "candidates": candidates,
        "judged": judged,
        "state": "put away" if project.archived_at else "",
    }
