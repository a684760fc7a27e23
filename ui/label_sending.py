"""From Compare to Annotate: a query with its passages as candidates, and with what the models said about them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from annotations.errors import InputError
from reranker_core.examples.relevance import as_finite
from reranker_core.inputs import DEFAULT_MAX_LENGTH
from ui.choices import find_choice
from ui.comparison import SIGMOID, Comparison
from ui.errors import say_failure
from ui.services import Services
from ui.takeaway import check_result

if TYPE_CHECKING:
    from annotations.models import ModelRef, Project
    from annotations.store import Store

_SOURCE = "compare"


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
        project = _find_project(store, wanted)
        query_id, new = add_comparison(services, project.id, comparison, result["columns"])
        known = len(set(comparison.passages)) - new
        return {
            "said": f"{new} new candidate{'s' * (new != 1)} for this query in “{project.name}”"
            f"{f', {known} were there' if known else ''}.",
            "project": project.id,
            "query": query_id,
        }
    except Exception as failure:
        return {"error": say_failure(failure)}


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
    query = store.texts.add_query(project_id, comparison.query)
    passages = store.texts.add_passages(project_id, [NewPassage(text=text) for text in comparison.passages])
    ranks = columns[-1]["ranks"]
    added = store.texts.add_candidates(
        [
            NewCandidate(query_id=query.id, passage_id=passage_id, source=_SOURCE, source_rank=rank)
            for passage_id, rank in zip(passages.ids, ranks, strict=True)
        ]
    )
    for column in columns:
        model = _add_model(services, comparison, column)
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
        are_ranks = all(type(rank) is int and rank >= 1 for rank in column["ranks"])
        if not are_scores or not are_ranks or not (column["layer"] is None or type(column["layer"]) is int):
            raise InputError("The result holds something that is no score. Press Score again.")


def _add_model(services: Services, comparison: Comparison, column: Mapping[str, Any]) -> "ModelRef":
    """Name what made a column: the comparison's model of that title, and how it was asked."""
    for name in comparison.models:
        choice = find_choice(services, name)
        if choice.short_title == column["model"]:
            break
    else:
        raise InputError(f"The result has a column of {column['model']!r:.60}, which was not asked for. Press Score again.")
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
