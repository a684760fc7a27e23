"""One query with its candidates, as the Annotate page shows it; and which query comes next."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from annotations.errors import InputError
from reranker_core.baseline import query_terms
from ui.label_requests import Answer, Request, View, find_annotator, read_list, read_number, read_view
from ui.label_windows import describe_text

if TYPE_CHECKING:
    from annotations.models import ModelRef
    from annotations.queue import Placed, QueueRow
    from annotations.store import Store

SENT_CANDIDATES = 200  # of one query at once
SENT_CHARACTERS = 400_000  # of passages at once: their terms are found in 0.4 s


def next_query(store: "Store", wanted: Request) -> Answer:
    """Give the first query after `after_query` that has open candidates: `query`, or `None` if there is none.

    A query is `id`, `text`, `order` (that was used), `candidates` (see `_describe`) and `rest`, the candidates whose texts
    are to be asked for with `rest_of_query`.

    Raises:
        InputError: the view cannot be used, or there is no such project.
    """
    view = read_view(wanted)
    after = None if wanted.get("after_query") is None else read_number(wanted, "after_query")
    return {"query": find_next(store, view, after_query_id=after)}


def load_query(store: "Store", wanted: Request) -> Answer:
    """Give one query of a project, open or not: `query`.

    Raises:
        InputError: there is none of that id in the project.
    """
    return {"query": describe_query(store, read_view(wanted), read_number(wanted, "query", least=1))}


def rest_of_query(store: "Store", wanted: Request) -> Answer:
    """Give more of a query's candidates: `candidates`, and `rest`, those that are still to be asked for.

    Raises:
        InputError: the candidates are no list of numbers, or there is no such query in the project.
    """
    view, query_id = read_view(wanted), read_number(wanted, "query", least=1)
    keys = read_list(wanted, "candidates", longest=100_000)
    candidates, rest, _ = _collect(store, view, query_id, only={key for key in keys if type(key) is int})
    return {"candidates": candidates, "rest": rest}


def find_next(store: "Store", view: View, *, after_query_id: int | None) -> Answer | None:
    """Describe the next query that is open for who looks; `None` if there is none."""
    found = store.queue.open_queries(
        view.project_id,
        find_annotator(store, view.handle),
        after_query_id=after_query_id,
        limit=1,
        include_imported=view.include_imported,
        depth=view.depth,
    )
    return describe_query(store, view, found[0].query_id) if found else None


def describe_query(store: "Store", view: View, query_id: int) -> Answer:
    """Describe a query with as many of its candidates as are sent at once.

    Raises:
        InputError: there is no such query in the project.
    """
    candidates, rest, order = _collect(store, view, query_id, only=None)
    return {
        "id": query_id,
        "text": store.texts.query(query_id).text,
        "order": order,
        "candidates": candidates,
        "rest": rest,
    }


def _collect(store: "Store", view: View, query_id: int, *, only: set[int] | None) -> tuple[list[Answer], list[int], str]:
    """Give the candidates that are sent, the ids of those that are not, and the order that was used."""
    from annotations.queue import order_candidates

    query = store.texts.query(query_id)
    if query.project_id != view.project_id or query.deleted_at is not None:
        raise InputError(f"There is no query {query_id} in this project any more. Press N for the next one.")
    rows = {row.candidate_id: row for row in store.queue.rows(query_id, find_annotator(store, view.handle))}
    seed = view.seed(store.projects.get_by_id(view.project_id))
    placed = order_candidates([*rows.values()], order=view.order, seed=seed)
    texts = {found.candidate.id: found.passage.text for found in store.texts.candidates(query_id)}
    wanted = [place for place in placed if place.candidate_id in texts and (only is None or place.candidate_id in only)]
    sent = _count_sent([texts[place.candidate_id] for place in wanted])
    models = {model.id: model for model in store.scores.models()}
    terms = query_terms(query.text)
    candidates = [
        describe_text(texts[place.candidate_id], terms) | _describe(rows[place.candidate_id], place, models)
        for place in wanted[:sent]
    ]
    order = placed[0].order if placed else view.order
    return candidates, [place.candidate_id for place in wanted[sent:]], order


def _describe(row: "QueueRow", place: "Placed", models: dict[int, "ModelRef"]) -> Answer:
    """Describe a candidate without its text; `version` is 0 where there is no judgement."""
    return {
        "id": row.candidate_id,
        "state": row.state,
        "grade": row.grade,
        "version": row.version,
        "position": place.position,
        "is_random": place.is_random,
        "is_imported": row.is_imported,
        "source": row.source,
        "scores": [
            {"title": title_of(models[key]), "score": said.score, "rank": said.rank} for key, said in row.scores.items()
        ],
    }


def title_of(model: "ModelRef") -> str:
    """Name a model and its layer as the screen does: the last part of its name."""
    name = "BM25" if model.name == "bm25" else model.name.rstrip("/").rsplit("/", 1)[-1]
    title = f"{name} + {model.adapter.rstrip('/').rsplit('/', 1)[-1]}" if model.adapter else name
    return f"{title} · {model.layer}" if model.layer else title


def _count_sent(texts: Sequence[str]) -> int:
    """Count the candidates that fit into one answer; the first does, however long it is."""
    characters = 0
    for number, text in enumerate(texts[:SENT_CANDIDATES]):
        characters += min(len(text), SENT_CHARACTERS)
        if number and characters > SENT_CHARACTERS:
            return number
    return min(len(texts), SENT_CANDIDATES)
