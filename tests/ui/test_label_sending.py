"""A comparison sent to be judged: candidates with their scores, once however often it is sent."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reranker_core.local_models import LocalModels
from ui.comparison import SIGMOID, Comparison
from ui.formatting import describe_comparison
from ui.label_place import LABELS_FILE, Labels
from ui.label_sending import send_to_labels
from ui.scoring import score_comparison
from ui.services import Services

COMPARISON = Comparison(
    query="what is panda?",
    passages=("The giant panda is a bear.", "hi", "hi", "大熊猫是熊科动物。"),
    models=("bm25", "tiny-layerwise"),
    layers=(3, 8),
    scale=SIGMOID,
    max_length=64,
    prompt="Is it?",
)


@pytest.fixture
def services(tmp_path: Path, checkpoints: Path) -> Iterator[Services]:
    """Services with one tiny model and no labels yet."""
    models = LocalModels()
    models.add(str(checkpoints / "layerwise"), name="tiny-layerwise")
    services = Services(local_models=models, labels=Labels(tmp_path), allow_folders=True)
    yield services
    services.labels.close()


def send(services: Services, comparison: Comparison, **wanted: Any) -> dict[str, Any]:
    result = describe_comparison(comparison, score_comparison(services, comparison)[0])
    given = {"kind": "send", "request": comparison.to_json(), "result": result, "project": "Pandas", "is_new": True}
    return send_to_labels(services, given | wanted)


def test_passages_become_candidates_with_the_scores_of_every_column(services: Services) -> None:
    answer = send(services, COMPARISON)
    store = services.labels.store
    project = store.projects.get("Pandas")
    (query,) = store.texts.queries(project.id)
    assert answer == {"said": "3 new candidates for this query in “Pandas”.", "project": project.id, "query": query.id}
    found = store.texts.candidates(query.id)
    assert (query.text, [one.passage.text for one in found]) == (COMPARISON.query, [*dict.fromkeys(COMPARISON.passages)])
    columns = {
        (model.name, model.layer, model.max_length, model.normalised, model.prompt): [
            score.score for score in store.scores.of_query(query.id) if score.model_ref_id == model.id
        ]
        for model in store.scores.models()
    }
    scores = {result.choice.name: result.scores for result in score_comparison(services, COMPARISON)[0]}
    apart = [0, 1, 3]  # "hi" stands there twice
    assert columns == {
        ("bm25", 0, 0, False, ""): [scores["bm25"].column(None)[place] for place in apart],
        **{
            ("tiny-layerwise", layer, 64, True, "Is it?"): [scores["tiny-layerwise"].column(layer)[p] for p in apart]
            for layer in (3, 8)
        },
    }


def test_sent_again_with_one_passage_more_only_that_is_new(services: Services) -> None:
    send(services, COMPARISON)
    more = replace(COMPARISON, passages=(*COMPARISON.passages, "new"))
    assert send(services, more, is_new=False)["said"].startswith(
        "1 new candidate for this query in “Pandas”, 3 were there."
    )
    assert send_to_labels(services, {"kind": "projects"}) == {"projects": ["Pandas"]}


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ({"project": " "}, "A project needs a name"),
        ({"project": "Bees", "is_new": False}, "Bees"),
        ({"result": {"columns": []}}, "Press Score first"),
        ({"result": None}, "Press Score first"),
        ({"request": {"query": ""}}, "lacks 'passages'"),
        ({"kind": "all"}, "Load it again"),
    ],
)
def test_what_cannot_be_sent_is_one_sentence_and_adds_nothing(
    services: Services, wanted: dict[str, Any], says: str
) -> None:
    answer = send(services, replace(COMPARISON, models=("bm25",), prompt=None), **wanted)
    assert says in answer["error"]
    assert "Something went wrong" not in answer["error"]
    assert services.labels.store.projects.list() == []


def test_a_column_of_a_model_that_was_not_asked_for_leaves_nothing_half_made(services: Services) -> None:
    columns = [
        {"title": name, "model": name, "layer": None, "scores": [1.0, 0.5, 0.5, 0.0], "ranks": [1, 2, 2, 4]}
        for name in ("BM25", "BMX")
    ]
    answer = send(services, replace(COMPARISON, models=("bm25",), prompt=None), result={"columns": columns})
    assert "'BMX', which was not asked for" in answer["error"]
    store = services.labels.store
    assert (store.projects.list(), store.scores.models()) == ([], [])


def test_a_project_that_could_not_be_filled_does_not_stay_and_one_that_holds_something_does(services: Services) -> None:
    sent = replace(COMPARISON, query="a query", models=("bm25",), prompt=None)
    result = describe_comparison(sent, score_comparison(services, sent)[0])
    wanted = {"kind": "send", "request": sent.to_json(), "result": result, "project": "Pandas", "is_new": True}
    store = services.labels.store
    with closing(sqlite3.connect(services.labels.home / LABELS_FILE)) as file:
        file.execute("CREATE TRIGGER full BEFORE INSERT ON query BEGIN SELECT RAISE(ABORT, 'no room'); END")
        assert "error" in send_to_labels(services, wanted)
        assert store.projects.list(include_archived=True) == []
        file.execute("DROP TRIGGER full")
    assert send_to_labels(services, wanted)["project"] == store.projects.get("Pandas").id
    assert not store.projects.remove_empty(store.projects.get("Pandas").id)
    assert [one.name for one in store.projects.list()] == ["Pandas"]


@pytest.mark.parametrize(
    "changed",
    [
        {"scores": ["1", 2, 3, 4]},
        {"scores": [1e999, 2, 3, 4]},
        {"ranks": [0, 1, 2, 3]},
        {"ranks": [1, 2, 2, 2**70]},
        {"layer": "x"},
    ],
)
def test_what_is_no_score_is_refused(services: Services, changed: dict[str, Any]) -> None:
    column = {"title": "BM25", "model": "BM25", "layer": None, "scores": [1.0, 0.0, 0.0, 0.0], "ranks": [1, 2, 2, 2]}
    result = {"columns": [column | changed]}
    assert "no score" in send(services, replace(COMPARISON, models=("bm25",)), result=result)["error"]
    assert services.labels.store.projects.list() == []
