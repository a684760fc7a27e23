"""What the Annotate page asks for, as functions from the store and one JSON object to one JSON object."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from annotations.errors import InputError
from ui.label_projects import LONGEST_GUIDELINE
from ui.label_queries import find_next, load_query, next_query, rest_of_query
from ui.label_requests import (
    Answer,
    PageFunction,
    Request,
    answer_page,
    find_annotator,
    of_this_store,
    read_handle,
    read_number,
    read_optional_number,
    read_text,
    read_view,
)
from ui.label_saving import describe_steps, redo_step, save, save_bulk, undo_step

if TYPE_CHECKING:
    from annotations.models import JudgementEvent
    from annotations.store import Store


def open_page(store: "Store", wanted: Request) -> Answer:
    """Give what a page needs to begin: project, scale, guideline, the first open query, the one after it, counters, steps.

    Raises:
        InputError: the view cannot be used, or there is no such project.
    """
    view = read_view(wanted)
    project = store.projects.get_by_id(view.project_id)
    annotator_id = find_annotator(store, view.handle)
    query = find_next(store, view, after_query_id=None)
    return {
        "store": store.identity,
        "project": {"id": project.id, "name": project.name},
        "scale": project.scale,
        "guideline": _describe_guideline(store, view.project_id),
        "query": query,
        "following": find_next(store, view, after_query_id=query["id"]) if query else None,
        "counters": _count(store, view.project_id, annotator_id, _read_midnight(wanted)),
        "steps": describe_steps(store, view.project_id, annotator_id),
    }


def count_all(store: "Store", wanted: Request) -> Answer:
    """Give `counters` and `steps` of `annotator` in `project`, and its `scale`; today began at `midnight` (s, UTC).

    Raises:
        InputError: there is no such project.
    """
    project_id = read_number(wanted, "project", least=1)
    annotator_id = find_annotator(store, read_handle(wanted))
    return {
        "counters": _count(store, project_id, annotator_id, _read_midnight(wanted)),
        "steps": describe_steps(store, project_id, annotator_id),
        "scale": store.projects.get_by_id(project_id).scale,
    }


def set_guideline(store: "Store", wanted: Request) -> Answer:
    """Give a project a new version of its guideline: `guideline`; what was judged keeps the one it was judged under.

    Raises:
        InputError: there is no such project, or the text is too long.
    """
    project_id = read_number(wanted, "project", least=1)
    store.projects.set_guideline(project_id, read_text(wanted, "text", longest=LONGEST_GUIDELINE))
    return {"guideline": _describe_guideline(store, project_id)}


def history_of(store: "Store", wanted: Request) -> Answer:
    """Tell what `annotator` judged, undid and redid of `candidate`: `events`, the oldest first."""
    candidate_id = read_number(wanted, "candidate", least=1)
    events = store.history.of_candidate(candidate_id, find_annotator(store, read_handle(wanted)))
    return {"events": [_describe_event(event) for event in events]}


def whole_text(store: "Store", wanted: Request) -> Answer:
    """Give the whole `text` of the passage of a `candidate`, however long it is.

    Raises:
        InputError: it is not there, or not one of `query`.
    """
    query_id, candidate_id = read_number(wanted, "query", least=1), read_number(wanted, "candidate", least=1)
    for found in store.texts.candidates(query_id):
        if found.candidate.id == candidate_id:
            return {"text": found.passage.text}
    raise InputError(f"There is no candidate {candidate_id} of query {query_id} any more. Load the page again.")


# By the names under which the page's scripts call them.
PAGE_FUNCTIONS: tuple[PageFunction, ...] = tuple(
    answer_page(function)
    for function in (
        open_page,
        next_query,
        load_query,
        rest_of_query,
        of_this_store(save),
        of_this_store(save_bulk),
        of_this_store(undo_step),
        of_this_store(redo_step),
        count_all,
        set_guideline,
        history_of,
        whole_text,
    )
)


def _describe_guideline(store: "Store", project_id: int) -> Answer:
    guideline = store.projects.guideline(project_id)
    return {"id": guideline.id, "text": guideline.text}


def _count(store: "Store", project_id: int, annotator_id: int, midnight: datetime | None) -> Answer:
    counts = store.counts.of_project(project_id, annotator_id)
    return {
        "candidates": counts.candidates,
        "graded": counts.graded,
        "skipped": counts.skipped,
        "cant_tell": counts.cant_tell,
        "later": counts.later,
        "today": store.counts.today(project_id, annotator_id, since=midnight),
        "median": store.counts.median_seconds(project_id, annotator_id),
    }


def _read_midnight(wanted: Request) -> datetime | None:
    """Read when the day began where the page is; the server's clock and place may be others."""
    seconds = read_optional_number(wanted, "midnight")
    if seconds is None:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise InputError(f"midnight must be a time in seconds, got {seconds}. Load the page again.") from error


def _describe_event(event: "JudgementEvent") -> Answer:
    def short(kept: dict[str, object] | None) -> Answer | None:
        return kept and {"state": kept["state"], "grade": kept["grade"], "score_shown": kept["score_shown"]}

    return {
        "action": event.action,
        "at": event.at.isoformat(),
        "before": short(event.before),
        "after": short(event.after),
    }
