"""The tour: a small labelled collection of our own, and the steps from comparing to a reranker that was trained on it.

How far somebody is comes from facts alone (the project, its judgements, its jobs), so that a reload or another browser
shows the same. What the data is and how it was made: assets/tour/README.md.
"""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import gradio as gr

from reranker_core.errors import InputError
from ui.assets import FOLDER, read_text
from ui.comparison import Comparison
from ui.hosting import hide_places
from ui.label_requests import Answer, Request
from ui.page_views import bind
from ui.services import Services

if TYPE_CHECKING:
    from annotations.models import Project
    from annotations.store import Store
    from reranker_core.jobs import JobStatus

TOUR_NAME = "Tour: Larkwater Railway"
TOUR_GUIDELINE = (
    "Positive: the passage answers the question, as things stand today. Negative: it is about something else, or near it "
    "only, or it is a withdrawn page or a story of the Letter: notices of the former operator no longer hold, whatever "
    "they say. House words: a Drover is a day ticket, the hush coach is quiet, the Keep holds what was found, a saddle is "
    "a bicycle."
)
TOUR_FOLDER = FOLDER / "tour"
TOUR_BASE = "starter-encoder"
TOUR_PRESET = "encoder"
# In place of the preset's, as the form takes them: a model this small learns little from steps for a large one, and smaller
# groups are quicker. Chosen on the dev part.
TOUR_SETTINGS = {"learning_rate": "5e-4", "train_group_size": "6"}

# Ids of assets/tour. Two candidates of each of the first were left for the visitor to judge, the answer among them.
WAITING = ("q024", "q089", "q106", "q144")
_COMPARED = "q026"
_COMPARED_PASSAGES = ("old-27", "letter-23", "larder-1", "larder-3", "larder-5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Tour:
    """What the frame needs of the tour.

    Attributes:
        view: the strip of steps.
        turned: event, another tab is wanted: `{"tab"}`. Compare has its comparison by then.
        judge: event, a query is to be judged: `{"project", "query"}`, as `judge` of Compare's result.
        reported: event, the report of a job is wanted: `{"job"}`.
    """

    view: gr.HTML
    turned: Any
    judge: Any
    reported: Any


def build_tour(services: Services) -> Tour:
    """Build the strip inside `with gr.Blocks()`. It can be put away, and then stands there as one small button."""
    view = gr.HTML(
        {},
        html_template='<section class="rw-tour" aria-label="Tour"></section>'
        '<p class="rw-spoken rw-hidden" role="status"></p>',
        js_on_load="\n".join(read_text(f"scripts/{name}.js") for name in ("link", "tour")),
        apply_default_css=False,
        server_functions=[bind(services, function) for function in (tour_state, begin_tour, tour_comparison)],
    )
    return Tour(view=view, turned=view.turned, judge=view.judge, reported=view.reported)


def load_tour(services: Services) -> int:
    """Import the tour's collection as a project of its own; if it is there already, only find it.

    A project that was archived is put back on the list, and an import that ended half way is made again.

    Returns:
        The project's id.

    Raises:
        InputError: a project of this name holds something else.
        AnnotationError: the store cannot be opened or written.
    """
    from annotations.exchange import open_source, run_import
    from annotations.exchange.importing import new_project

    store = services.labels.store
    source = open_source(TOUR_FOLDER)
    project = _find_project(store)
    if project is None:
        with new_project(store, TOUR_NAME) as made:
            store.projects.set_guideline(made.id, TOUR_GUIDELINE)
            run_import(store, made.id, source)
        return made.id
    if project.archived_at is not None:
        store.projects.archive(project.id, is_archived=False)
    if not store.imports.list(project.id):
        run_import(store, project.id, source)
    _find_questions(store, project)
    return project.id


def tour_state(services: Services, wanted: Request) -> Answer:
    """Say how far it is: `project`, `questions` (`id`, `text`, `is_judged`) and `job`; `project` is null before it begins.

    With them go `base`, `preset` and `typed`, values by the setting's name, that the training form is to be filled with.
    A job is the newest on a snapshot of the project: `id`, `state`, `message`, `is_active`, `has_report`, `headline`.
    """
    del wanted
    store = services.labels.store
    project = _find_project(store)
    if project is None or project.archived_at is not None or not store.imports.list(project.id):
        return {"project": None}
    return {
        "project": project.id,
        "questions": _find_questions(store, project),
        "job": _find_job(services, project),
        "can_train": services.can_train,
        "base": TOUR_BASE,
        "preset": TOUR_PRESET,
        "typed": TOUR_SETTINGS,
    }


def begin_tour(services: Services, wanted: Request) -> Answer:
    """Load the collection, and say how far the tour is: see `tour_state`."""
    load_tour(services)
    return tour_state(services, wanted)


def tour_comparison(services: Services, wanted: Request) -> Answer:
    """Give what the first step compares: `request`, as a link carries it."""
    del services, wanted
    queries, passages = _read_texts("queries.jsonl"), _read_texts("corpus.jsonl")
    texts = tuple(passages[name] for name in _COMPARED_PASSAGES)
    return {"request": Comparison(query=queries[_COMPARED], passages=texts, models=("bm25", TOUR_BASE)).to_json()}


def _find_project(store: "Store") -> "Project | None":
    return next((one for one in store.projects.list(include_archived=True) if one.name == TOUR_NAME), None)


def _find_questions(store: "Store", project: "Project") -> list[dict[str, Any]]:
    """Give the questions that wait for an answer, and whether somebody has found it.

    Raises:
        InputError: the project has no such questions.
    """
    with store.labels.read(project.id) as reading:
        keys = {name.ext_id: name.text_id for name in reading.query_names() if name.ext_id in WAITING}
        if not keys:
            raise InputError(
                f'The project "{TOUR_NAME}" holds other questions than the tour. Rename it under Data, then begin again.'
            )
        texts = reading.query_texts(keys.values())
        judged = reading.judgements(keys.values())
    return [
        {
            "id": keys[name],
            "text": texts[keys[name]],
            "is_judged": any(row.grade == 1 and not row.is_deleted for row in judged.get(keys[name], ())),
        }
        for name in WAITING
        if keys.get(name) in texts
    ]


def _find_job(services: Services, project: "Project") -> dict[str, Any] | None:
    """Describe the newest job that learns from a snapshot of the project."""
    snapshots = services.labels.store.snapshots.list(project.id)
    places = {(services.labels.snapshots / snapshot.path).resolve() for snapshot in snapshots}
    for job in services.jobs.list() if places else ():
        if job.settings is not None and any(path.resolve() in places for path in job.settings.train_data):
            return {
                "id": job.id,
                "state": job.state,
                "message": hide_places(services, job.message),
                "is_active": job.is_active,
                "has_report": job.has_report,
                "headline": _read_headline(job),
            }
    return None


def _read_headline(job: "JobStatus") -> str:
    """Give the verdict of a job's report in a line; nothing where there is none that can be read."""
    from reranker_core.reports import read_report

    if not job.has_report:
        return ""
    try:
        return read_report(job.folder).headline
    except InputError:
        return ""


def _read_texts(name: str) -> dict[str, str]:
    """Read texts of the collection by id; a passage begins with its title."""
    rows = [json.loads(line) for line in (TOUR_FOLDER / name).read_text(encoding="utf-8").splitlines()]
    return {row["_id"]: f"{row.get('title', '')} {row['text']}".strip() for row in rows}
