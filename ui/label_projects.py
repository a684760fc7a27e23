"""Projects for the Annotate screen: choose, create, and a small real one from the examples."""

from typing import TYPE_CHECKING

from annotations.errors import InputError
from reranker_core.baseline import score_passages
from reranker_core.scores import shared_ranks
from ui.assets import read_examples

if TYPE_CHECKING:
    from annotations.models import Project
    from annotations.store import Store

EXAMPLE_NAME = "Example: pandas and bees"
EXAMPLE_GUIDELINE = (
    "Positive: the passage answers the question, alone. Negative: it does not, even if the words match. The language does "
    "not matter."
)

LONGEST_GUIDELINE = 20_000  # characters
_LONGEST_LANGUAGE = 100
_FEWEST = 3  # passages of an example that is worth labelling


def list_projects(store: "Store") -> list[tuple[str, int]]:
    """List the projects for a picker: name and id, by name."""
    return [(project.name, project.id) for project in store.projects.list()]


def create_project(store: "Store", name: str, *, guideline: str = "", language: str = "") -> "Project":
    """Make a project; its scale comes with its first label.

    Raises:
        InputError: the name is empty, too long or taken, or another text is too long.
    """
    if not name.strip():
        raise InputError("A project needs a name. Give it one, such as what its queries are about.")
    for what, text, most in (("guideline", guideline, LONGEST_GUIDELINE), ("language", language, _LONGEST_LANGUAGE)):
        if len(text) > most:
            raise InputError(f"The {what} has {most:,} characters at most, got {len(text):,}. Shorten it.")
    return store.projects.create(name, guideline=guideline.strip(), language=language.strip())


def create_example(store: "Store") -> "Project":
    """Make a project from the examples, with candidates ranked and scored by BM25; give it if it is there already."""
    from annotations.store.scores import NewScore
    from annotations.store.text_rows import NewCandidate
    from annotations.store.texts import NewPassage

    for project in store.projects.list(include_archived=True):
        if project.name == EXAMPLE_NAME:
            return store.projects.archive(project.id, is_archived=False) if project.archived_at else project
    project = store.projects.create(EXAMPLE_NAME, guideline=EXAMPLE_GUIDELINE)
    model = store.scores.add_model("bm25")
    for example in read_examples():
        if len(example["passages"]) < _FEWEST:
            continue
        query = store.texts.add_query(project.id, example["query"])
        added = store.texts.add_passages(project.id, [NewPassage(text=text) for text in example["passages"]])
        scores = score_passages(example["query"], example["passages"])
        ranks = shared_ranks(scores)
        candidates = store.texts.add_candidates(
            [
                NewCandidate(query_id=query.id, passage_id=passage_id, source="bm25", source_rank=rank)
                for passage_id, rank in zip(added.ids, ranks, strict=True)
            ]
        )
        store.scores.put(
            model.id,
            [
                NewScore(candidate_id=candidate_id, score=score, rank=rank)
                for candidate_id, score, rank in zip(candidates.ids, scores, ranks, strict=True)
            ],
        )
    return project
