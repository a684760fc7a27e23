"""Where a model stops reading, as the server tells the Annotate page: real stores and tiny models, no browser."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from annotations.store.text_rows import NewCandidate
from annotations.store.texts import NewPassage
from reranker_core import Reranker
from reranker_core.pool import ModelPool
from ui import label_cuts
from ui.label_cuts import READING_FUNCTIONS
from ui.label_place import Labels
from ui.services import Services

QUERY = "what is panda?"
PASSAGES = ("short", "🐼 The giant panda is a bear. " * 40, "大熊猫" * 400)


@dataclass
class Place:
    """Services with two tiny models, and a project with one query."""

    services: Services
    depths: list[int | None]
    project_id: int
    query_id: int
    candidates: tuple[int, ...]

    def ask(self, name: str, **wanted: Any) -> dict[str, Any]:
        """Ask as the page does: through JSON, by the function's name."""
        function = next(function for function in READING_FUNCTIONS if function.__name__ == name)
        return json.loads(json.dumps(function(self.services, json.loads(json.dumps(wanted)))))

    def find(self, **changed: Any) -> dict[str, Any]:
        """Ask for the cuts of all candidates."""
        usual = {"project": self.project_id, "query": self.query_id, "candidates": list(self.candidates)}
        return self.ask("find_cuts", **(usual | {"model": "encoder", "max_length": 48} | changed))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, checkpoints: Path, load: Callable[..., Any]) -> Iterator[Place]:
    depths: list[int | None] = []

    def load_once(name: str, *, max_layer: int | None, **_: Any) -> Reranker:
        depths.append(max_layer)
        return load(Path(name).name, max_layer=max_layer)

    services = Services(pool=ModelPool(load_once), labels=Labels(tmp_path_factory.mktemp("labels")))
    for name in ("encoder", "layerwise"):
        services.local_models.add(str(checkpoints / name), name=name)
    store = services.labels.store
    project = store.projects.create("pandas")
    query = store.texts.add_query(project.id, QUERY)
    passages = store.texts.add_passages(project.id, [NewPassage(text=text) for text in PASSAGES])
    added = store.texts.add_candidates(
        [NewCandidate(query_id=query.id, passage_id=key, source="bm25") for key in passages.ids]
    )
    yield Place(services, depths, project.id, query.id, added.ids)
    services.labels.close()


def test_models_that_are_here_can_be_chosen_and_bm25_which_reads_all_cannot(place: Place) -> None:
    assert [one["name"] for one in place.ask("list_readers")["readers"]] == ["starter-encoder", "encoder", "layerwise"]


def test_cuts_are_where_compare_says_counted_as_a_browser_counts(place: Place, load: Callable[..., Any]) -> None:
    answer = place.find()
    scores = load("encoder").score([(QUERY, passage) for passage in PASSAGES], max_length=48)
    kept = load("encoder").kept_characters(PASSAGES, scores.cut_passage_tokens)
    assert kept[0] is None
    units = [len(text[:count].encode("utf-16-le")) // 2 for text, count in zip(PASSAGES[1:], kept[1:], strict=True)]
    assert [(one["candidate"], one["at"]) for one in answer["cuts"]] == [*zip(place.candidates[1:], units, strict=True)]
    assert units[0] > kept[1]
    assert (answer["rest"], answer["is_busy"]) == ([], False)
    assert place.find(max_length=None)["cuts"] == place.find(max_length=512)["cuts"]


def test_a_layerwise_model_is_loaded_no_deeper_than_its_first_layer(place: Place) -> None:
    place.depths.clear()
    assert place.find(model="layerwise")["cuts"]
    assert place.depths == [2]


def test_what_is_too_much_for_one_call_is_left_for_the_next(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_cuts, "SENT_CHARACTERS", 1300)
    first = place.find()
    assert first["rest"] == [place.candidates[2]]
    assert place.find(candidates=first["rest"])["rest"] == []


def test_while_others_compute_the_page_is_told_so_and_asks_again(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.find()
    monkeypatch.setattr(label_cuts, "WAIT", 0.0)
    is_held, leave = threading.Event(), threading.Event()

    def hold() -> None:
        choice = place.services.local_models.find("encoder")
        assert choice
        with place.services.pool.borrow(choice.base):
            is_held.set()
            leave.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    is_held.wait(10)
    answer = place.find()
    leave.set()
    thread.join()
    assert answer == {"cuts": [], "rest": [*place.candidates], "is_busy": True}
    assert place.find()["is_busy"] is False


@pytest.mark.parametrize(
    ("wanted", "sentence"),
    [
        ({"model": "nobody"}, 'There is no model "nobody"'),
        ({"model": "bge-reranker-v2-m3"}, "is not ready on this server"),
        ({"max_length": 100_000}, "max_length must be from 1 to"),
        ({"query": 999}, "999"),
        ({"project": 999}, "in this project any more"),
        ({"candidates": "all"}, "candidates must be a list"),
    ],
)
def test_what_cannot_be_told_is_a_sentence(place: Place, wanted: dict[str, Any], sentence: str) -> None:
    answer = place.find(**wanted)
    assert sentence in answer["error"]
    assert answer["again"] is False
