"""From Compare to Annotate: a query with its passages as candidates, and with what the models said about them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from annotations.errors import InputError
from annotations.plurals import count
from reranker_core.examples.relevance import as_finite
from reranker_core.inputs import DEFAULT_MAX_LENGTH
from ui.choices import Choice, find_choice
from ui.comparison import MOST_PASSAGES, SIGMOID, Comparison
from ui.hosting import say_to_visitor
from ui.services import Services
from ui.takeaway import check_result

if TYPE_CHECKING:
    from annotations.models import ModelRef, Project
    from annotations.store import Store

_SOURCE = "compare"
_DEEPEST = 10_000  # layers; no model comes near


def send_to_labels(services: Services, wanted: object) -> dict[str, Any]:
    """Take a comparison over into a project, or list the projects that there are.

    Args:
        services: the labels.
        wanted: what the page sends: nothing but `kind` `"projects"`, or `kind` `"send"` with `request` (a comparison as
            JSON), `result` (what the result view shows), `project` (a name) and `is_new`.

    Returns:
        `projects`, their names; or `said`, a sentence with counts, and the ids `project` and `query`; or `error` with a
        sentence.
    """
    try:
        if not isinstance(wanted, Mapping) or wanted.get("kind") not in ("projects", "send"):
            raise InputError("The page must ask for projects or send a comparison. Load it again.")
        store = services.labels.store
        if wanted["kind"] == "projects":
            return {"projects": [project.name for project in store.projects.list()]}
        comparison = Comparison.from_json(wanted.get("request"))
        result = check_result(comparison, wanted.get("result"))
        _check_columns(result["columns"])
        for column in result["columns"]:
            _find_model(services, comparison, column)  # before anything is made
        project = _find_project(store, wanted)
        try:
            query_id, new = add_comparison(services, project.id, comparison, result["columns"])
        except Exception:
            if wanted.get("is_new"):
                store.projects.remove_empty(project.id)  # made for this, and in the way of the next try
            raise
        known = len(set(comparison.passages)) - new
        return {
            "said": f"{count(new, 'new candidate')} for this query in “{project.name}”"
            f"{f', {known} were there' if known else ''}.",
            "project": project.id,
            "query": query_id,
        }
    except Exception as failure:
        return {"error": say_to_visitor(services, failure)}


def add_comparison(
    services: Services, project_id: int, comparison: Comparison, columns: list[dict[str, Any]]
) -> tuple[int, int]:
    """Add a query, its passages as candidates, and every column as scores of its model at its layer.

    A candidate's rank is that of the last column, by which the screen sorts at first.

    Returns:
        The query's id, and how many of the candidates were not there before.
    """
    from annotations.store.scores import NewScore
    from annotations.store.text_rows import NewCandidate
    from annotations.store.texts import NewPassage

    store = services.labels.store
    models = [_add_model(services, comparison, column) for column in columns]
    query = store.texts.add_query(project_id, comparison.query)
    passages = store.texts.add_passages(project_id, [NewPassage(text=text) for text in comparison.passages])
    ranks = columns[-1]["ranks"]
    added = store.texts.add_candidates(
        [
            NewCandidate(query_id=query.id, passage_id=passage_id, source=_SOURCE, source_rank=rank)
            for passage_id, rank in zip(passages.ids, ranks, strict=True)
        ]
    )
    for column, model in zip(columns, models, strict=True):
        found: dict[int, NewScore] = {}  # a passage that was pasted twice is one candidate
        for candidate_id, score, rank in zip(added.ids, column["scores"], column["ranks"], strict=True):
            found.setdefault(candidate_id, NewScore(candidate_id=candidate_id, score=float(score), rank=rank))
        store.scores.put(model.id, list(found.values()))
    return query.id, added.new


def _check_columns(columns: list[dict[str, Any]]) -> None:
    """Check that what a page sends as scores and ranks are numbers.

    Raises:
        InputError: they are not, or there is no column.
    """
    if not columns:
        raise InputError("There is no result to send yet. Press Score first.")
    for column in columns:
        are_scores = all(as_finite(score) is not None for score in column["scores"])
        are_ranks = all(type(rank) is int and 1 <= rank <= MOST_PASSAGES for rank in column["ranks"])
        layer = column["layer"]
        is_layer = layer is None or (type(layer) is int and 0 <= layer <= _DEEPEST)
        if not are_scores or not are_ranks or not is_layer:
            raise InputError("The result holds something that is no score. Press Score again.")


def _find_model(services: Services, comparison: Comparison, column: Mapping[str, Any]) -> Choice:
    """Find the comparison's model of a column's title.

    Raises:
        InputError: it has none.
        RerankerError: a model of the comparison is not on the list any more.
    """
    for name in comparison.models:
        choice = find_choice(services, name)
        if choice.short_title == column["model"]:
            return choice
    raise InputError(f"The result has a column of {column['model']!r:.60}, which was not asked for. Press Score again.")


def _add_model(services: Services, comparison: Comparison, column: Mapping[str, Any]) -> "ModelRef":
    """Name what made a column, and how it was asked."""
    choice = _find_model(services, comparison, column)
    if choice.name == "bm25":
        return services.labels.store.scores.add_model("bm25")
    return services.labels.store.scores.add_model(
        choice.name,
        layer=column["layer"] or 0,
        max_length=comparison.max_length or DEFAULT_MAX_LENGTH,
        normalised=comparison.scale == SIGMOID,
        prompt=comparison.prompt or "",
    )


def _find_project(store: "Store", wanted: Mapping[str, Any]) -> "Project":
    name = wanted.get("project")
    if not isinstance(name, str) or not name.strip():
        raise InputError("A project needs a name. Choose one, or name a new one.")
    if wanted.get("is_new"):
        return store.projects.create(name.strip())
    return store.projects.get(name)
