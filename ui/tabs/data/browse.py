"""Browse: what the page asks for to show pairs, a page at a time, and to correct grades where they stand."""

import re
from typing import TYPE_CHECKING, Any, get_args

from annotations.errors import InputError
from reranker_core.baseline import find_terms, query_terms
from ui.label_requests import Answer, Request, of_this_store, read_choice, read_number, read_optional_number, read_text
from ui.label_saving import redo_step, save, undo_step
from ui.label_windows import find_window
from ui.services import Services
from ui.tabs.data.pages import require_project
from ui.tabs.data.projects import list_annotators
from ui.text_places import count_units

if TYPE_CHECKING:
    from annotations.models import JudgementEvent
    from annotations.store.browsing import Pair, PairJudgement
    from annotations.store.pair_filters import PairFilter

PAGE = 50  # pairs
LONGEST_QUERY = 600  # characters of a query that are shown

_LOOKED_AT = 8_000  # characters of a passage in which words are marked: 50 passages take 0.1 s
_MARKED = 100  # places in one passage


def browse_pairs(services: Services, wanted: Request) -> Answer:
    """Give a page of pairs: `rows` (see `_describe_pair`), `total`, `offset`, `size`, the project's `scale`, and `store`.

    `store` is the identity of the database, which goes back with every grade: ids mean nothing in another one.

    Args:
        services: the labels.
        wanted: `project`, `offset`, and any of `text`, `query`, `annotator` (a handle), `state`, `grade`, `judged` (yes or
            no), `split` and `source`; what is empty or left out does not narrow the list.

    Raises:
        InputError: a filter cannot be used, or there is no such project.
    """
    project = require_project(services, wanted.get("project"))
    offset = read_number(wanted, "offset") if "offset" in wanted else 0
    filters = read_filters(wanted)
    page = services.labels.store.browse.pairs(project.id, filters=filters, offset=offset, limit=PAGE)
    return {
        "rows": [_describe_pair(pair, filters.text) for pair in page.rows],
        "total": page.total,
        "offset": offset,
        "size": PAGE,
        "scale": project.scale,
        "store": services.labels.store.identity,
    }


def filter_choices(services: Services, wanted: Request) -> Answer:
    """Give what can be chosen to filter by: `annotators` (handles) and `sources`; and the project's `scale`."""
    store = services.labels.store
    project = require_project(services, wanted.get("project"))
    return {
        "annotators": [one["handle"] for one in list_annotators(store, project.id)],
        "sources": store.browse.sources(project.id),
        "scale": project.scale,
    }


def read_filters(wanted: Request) -> "PairFilter":
    """Read the filters that a page sends; an annotator alone means what that one judged in any way.

    Raises:
        InputError: one cannot be used.
    """
    from annotations.models import Split, State
    from annotations.store.pair_filters import PairFilter

    def choose(name: str, choices: tuple[str, ...]) -> str | None:
        return read_choice(wanted, name, choices) if wanted.get(name) not in (None, "") else None

    def text(name: str) -> str:
        return read_text(wanted, name, longest=1000) if wanted.get(name) else ""

    grade = read_optional_number(wanted, "grade")
    state = choose("state", get_args(State))
    judged = choose("judged", ("yes", "no"))
    split: Any = choose("split", (*get_args(Split), "none"))
    annotator = text("annotator") or None
    states: tuple[Any, ...] = () if state is None else (state,)
    if annotator is not None and state is None and grade is None and judged is None:
        states = get_args(State)
    return PairFilter(
        text=text("text"),
        query_id=read_optional_number(wanted, "query", least=1),
        annotator=annotator,
        states=states,
        grades=() if grade is None else (grade,),
        is_judged=None if judged is None else judged == "yes",
        split=split,
        source=text("source") or None,
    )


def save_grade(services: Services, wanted: Request) -> Answer:
    """Save judgements; arguments and answer as `ui.label_saving.save`."""
    return of_this_store(save)(services.labels.store, wanted)


def undo_grade(services: Services, wanted: Request) -> Answer:
    """Take back the newest step of `annotator` in `project`; answer as `ui.label_saving.undo_step`."""
    return of_this_store(undo_step)(services.labels.store, wanted)


def redo_grade(services: Services, wanted: Request) -> Answer:
    """Do again what `annotator` undid last in `project`; answer as `ui.label_saving.redo_step`."""
    return of_this_store(redo_step)(services.labels.store, wanted)


def judgement_history(services: Services, wanted: Request) -> Answer:
    """Tell what `annotator` (an id) judged, undid and redid of `candidate`: `events`, the oldest first."""
    candidate_id, annotator_id = read_number(wanted, "candidate", least=1), read_number(wanted, "annotator", least=1)
    events = services.labels.store.history.of_candidate(candidate_id, annotator_id)
    return {"events": [_describe_event(event) for event in events]}


def whole_passage(services: Services, wanted: Request) -> Answer:
    """Give the whole `text` of a `passage` of a `project`.

    Raises:
        InputError: there is none.
    """
    project = require_project(services, wanted.get("project"))
    passage = services.labels.store.texts.passage(read_number(wanted, "passage", least=1))
    if passage.project_id != project.id:
        raise InputError(f"There is no passage {passage.id} in this project. Load the page again.")
    return {"text": passage.text}


def fold(text: str, *, searched: str, query: str) -> Answer:
    """Choose what is shown of a passage: all of a short one, else the stretch with most of the words.

    Args:
        text: the passage.
        searched: what was searched for, marked wherever it stands; where it is empty, the query's words are.
        query: its text.

    Returns:
        `text`, `marks` (flat pairs of places in it, in UTF-16 units as scripts in a browser count), `is_begun` and
        `is_cut`, whether something stands before and after it.
    """
    looked_at = text[:_LOOKED_AT]
    places = find_searched(looked_at, searched) if searched.strip() else find_terms(looked_at, query_terms(query))
    start, end = find_window(text, places)
    shown = text[start:end]
    unit = count_units(shown)
    inside = [(one - start, other - start) for one, other in places if one >= start and other <= end]
    return {
        "text": shown,
        "marks": [unit(place) for span in inside[:_MARKED] for place in span],
        "is_begun": start > 0,
        "is_cut": end < len(text),
    }


def find_searched(text: str, searched: str) -> list[tuple[int, int]]:
    """Find the words of a search in a text, inside other words too, without regard to case; ascending, none overlapping."""
    words = sorted({word.strip() for word in searched.split()}, key=len, reverse=True)
    return [match.span() for match in re.finditer("|".join(map(re.escape, words)), text, re.IGNORECASE)]


def describe_judgement_of(judgement: "PairJudgement") -> Answer:
    """Give one annotator's judgement as the page keeps it."""
    return {
        "annotator": judgement.annotator_id,
        "handle": judgement.handle,
        "kind": judgement.kind,
        "state": judgement.state,
        "grade": judgement.grade,
        "version": judgement.version,
    }


def _describe_pair(pair: "Pair", searched: str) -> Answer:
    return {
        "candidate": pair.candidate_id,
        "query": pair.query_id,
        "query_text": fold(pair.query[:LONGEST_QUERY], searched=searched, query="")
        | {"is_cut": len(pair.query) > LONGEST_QUERY},
        "passage": pair.passage_id,
        "passage_text": fold(pair.passage, searched=searched, query=pair.query),
        "source": pair.source,
        "rank": pair.source_rank,
        "split": pair.split,
        "scores": pair.scores,
        "judgements": [describe_judgement_of(judgement) for judgement in pair.judgements],
    }


def _describe_event(event: "JudgementEvent") -> Answer:
    def short(kept: dict[str, Any] | None) -> Answer | None:
        return kept and {"state": kept["state"], "grade": kept["grade"]}

    return {
        "action": event.action,
        "at": event.at.isoformat(),
        "before": short(event.before),
        "after": short(event.after),
    }
