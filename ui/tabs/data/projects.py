"""Which project the Data screen shows, how much is in it, and projects made or archived."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from annotations.errors import InputError
from annotations.gold import NEGATIVE_TO, POSITIVE_FROM
from ui.hosting import refuse_strangers
from ui.label_projects import list_projects
from ui.label_requests import Answer, Request
from ui.services import Services
from ui.tabs.data.pages import require_project

if TYPE_CHECKING:
    from annotations.models import Project
    from annotations.store import Store

_MOST_ANNOTATORS = 100  # that are counted; one more costs about a millisecond in a project of 100,000 judgements


def choose_project(services: Services, wanted: object) -> tuple[list[tuple[str, int]], int | None]:
    """Give the projects for the picker, and the one that is shown: the wanted one if it is there, else the first."""
    choices = list_projects(services.labels.store)
    known = [key for _, key in choices]
    return choices, wanted if type(wanted) is int and wanted in known else (known[0] if known else None)


def rename_project(services: Services, project: object, name: object) -> "Project":
    """Give a project another name; all that is in it stays.

    Raises:
        InputError: none is chosen, or the name is none or taken.
    """
    refuse_strangers(services, "Projects are renamed")
    chosen = require_project(services, project)
    return services.labels.store.projects.rename(chosen.id, read_chosen_name(name))


def archive_project(services: Services, project: object) -> str:
    """Take a project off the list; its labels stay. Return a sentence.

    Raises:
        InputError: none is chosen.
    """
    refuse_strangers(services, "Projects are archived")
    archived = services.labels.store.projects.archive(require_project(services, project).id)
    return f"“{archived.name}” is archived. Nothing of it is deleted; it comes back below."


def restore_project(services: Services, project: object) -> "Project":
    """Put an archived project back on the list.

    Raises:
        InputError: none is chosen.
    """
    refuse_strangers(services, "Projects are put back")
    return services.labels.store.projects.archive(require_project(services, project).id, is_archived=False)


def list_archived(services: Services) -> list[tuple[str, int]]:
    """List the projects that were archived: name and id."""
    everything = services.labels.store.projects.list(include_archived=True)
    return [(project.name, project.id) for project in everything if project.archived_at is not None]


def count_project(services: Services, wanted: Request) -> Answer:
    """Count what a project holds: `queries`, `passages`, `candidates`, `positive`, `negative`, `deleted`, `judged` by whom.

    `positive` and `negative` are pairs that somebody graded so, at the usual threshold of the scale.

    Raises:
        InputError: there is no such project.
    """
    project = require_project(services, wanted.get("project"))
    return {"name": project.name, "scale": project.scale, **count_labels(services.labels.store, project)}


def count_labels(store: "Store", project: "Project") -> Answer:
    """Count a project's texts, pairs and judgements; see `count_project`."""
    from annotations.store.pair_filters import PairFilter

    def count_graded(grades: range) -> int:
        return store.browse.pairs(project.id, filters=PairFilter(grades=tuple(grades)), limit=1).total

    with store.labels.read(project.id) as reading:
        all_queries, all_passages = reading.count_queries(), reading.count_passages()
    queries = store.browse.queries(project.id, limit=1).total
    deleted = store.browse.deleted(project.id, limit=1).total
    return {
        "queries": queries,
        "passages": all_passages - (deleted - (all_queries - queries)),
        "candidates": store.browse.pairs(project.id, limit=1).total,
        "positive": count_graded(range(POSITIVE_FROM[project.scale or "binary"], 4)),
        "negative": count_graded(range(NEGATIVE_TO + 1)),
        "deleted": deleted,
        "judged": list_annotators(store, project.id),
    }


def list_annotators(store: "Store", project_id: int) -> list[Answer]:
    """List who judges in a project: `annotator` (an id), `handle`, `kind`, and how many candidates are in each state."""
    found = []
    for annotator in store.annotators.list()[:_MOST_ANNOTATORS]:
        counts = store.counts.of_project(project_id, annotator.id)
        if counts.unjudged < counts.candidates:
            by_state = asdict(counts)
            del by_state["candidates"]
            found.append({"annotator": annotator.id, "handle": annotator.handle, "kind": annotator.kind, **by_state})
    return found


def read_chosen_name(name: object) -> str:
    """Read the name of a project to be made.

    Raises:
        InputError: it is none.
    """
    if not isinstance(name, str) or not name.strip():
        raise InputError("A project needs a name. Give it one, such as what its queries are about.")
    return name.strip()
