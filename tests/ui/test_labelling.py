"""What the Annotate page asks and sends, as the server answers it: real stores, no browser."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from annotations.errors import InputError, StorageError
from annotations.store import Store
from annotations.store.scores import NewScore
from annotations.store.texts import NewPassage
from tests.annotations.desk import Desk, lay_out
from ui.label_projects import EXAMPLE_NAME, create_example, create_project, list_projects
from ui.label_requests import require_annotator
from ui.labelling import PAGE_FUNCTIONS


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for all tests; each makes a project of its own."""
    with Store.open(tmp_path_factory.mktemp("labels") / "labels.db") as store:
        yield store


@pytest.fixture
def desk(store: Store, request: pytest.FixtureRequest) -> Desk:
    """A project with a query and five candidates."""
    return lay_out(store, name=request.node.name)


def call(name: str, store: Store, **wanted: Any) -> dict[str, Any]:
    """Ask as the page does: through JSON, by the function's name."""
    function = next(function for function in PAGE_FUNCTIONS if function.__name__ == name)
    if name in ("save", "save_bulk", "undo_step", "redo_step"):
        wanted = {"store": store.identity} | wanted
    return json.loads(json.dumps(function(store, json.loads(json.dumps(wanted)))))


def look(desk: Desk, name: str = "open_page", **more: Any) -> dict[str, Any]:
    return call(name, desk.store, **({"project": desk.project_id, "annotator": "Ada", "order": "pooled"} | more))


def item(desk: Desk, seq: int, candidate: int, grade: int | None = 1, **more: Any) -> dict[str, Any]:
    sent = {"seq": seq, "candidate": desk.candidates[candidate], "state": "graded", "grade": grade, "scale": "binary"}
    return sent | {"expected_version": 0} | more


def send(desk: Desk, *items: Any, client: str = "page", name: str = "save") -> dict[str, Any]:
    return call(name, desk.store, client_id=f"{client} {desk.project_id}", annotator="Ada", items=list(items))


def find(answer: dict[str, Any], candidate: int) -> dict[str, Any]:
    """Find a candidate of the query that is shown: a fifth of them stand at random places."""
    return next(one for one in answer["query"]["candidates"] if one["id"] == candidate)


def test_a_page_opens_with_query_candidates_guideline_and_counters(desk: Desk) -> None:
    answer = look(desk)
    assert answer["project"]["id"] == desk.project_id
    assert answer["scale"] is None
    assert answer["guideline"]["text"] == "1 is an answer."
    assert answer["following"] is None
    assert [one["position"] for one in answer["query"]["candidates"]] == [1, 2, 3, 4, 5]
    assert {one["version"] for one in answer["query"]["candidates"]} == {0}
    assert answer["counters"] == {
        "candidates": 5, "graded": 0, "skipped": 0, "cant_tell": 0, "later": 0, "today": 0, "median": None,
    }  # fmt: skip


def test_looking_makes_no_annotator(desk: Desk) -> None:
    look(desk, annotator="somebody who only looks")
    assert "somebody who only looks" not in [annotator.handle for annotator in desk.store.annotators.list()]


def test_each_judgement_is_answered_and_what_was_shown_is_kept(desk: Desk) -> None:
    guideline = look(desk)["guideline"]["id"]
    shown = {"score_shown": True, "position_shown": 3, "order_mode": "pooled", "guideline": guideline, "duration_ms": 410}
    answer = send(desk, item(desk, 0, 0, **shown), item(desk, 1, 1, state="skipped", grade=None))
    assert [one["status"] for one in answer["items"]] == ["saved", "saved"]
    assert [(one["state"], one["grade"], one["version"]) for one in answer["items"]] == [
        ("graded", 1, 1),
        ("skipped", None, 1),
    ]
    kept = desk.judgement(0)
    assert kept is not None
    assert (kept.score_shown, kept.position_shown, kept.order_mode, kept.guideline_version_id, kept.duration_ms) == (
        True, 3, "pooled", guideline, 410,
    )  # fmt: skip
    assert look(desk)["counters"]["graded"] == 1
    assert look(desk, "count_all")["scale"] == "binary"


def test_a_label_for_a_query_that_was_deleted_is_saved_and_says_so(desk: Desk) -> None:
    desk.store.texts.delete_queries([desk.query_id])
    answer = send(desk, item(desk, 1, 0))["items"][0]
    assert (answer["status"], answer["version"]) == ("saved", 1)
    assert answer["message"].startswith("This query was deleted meanwhile. Your label is kept")
    desk.store.texts.restore_queries([desk.query_id])
    assert send(desk, item(desk, 2, 1))["items"][0]["message"] == ""


def test_what_is_sent_again_is_written_once(desk: Desk) -> None:
    send(desk, item(desk, 0, 0))
    again = send(desk, item(desk, 0, 0), item(desk, 1, 1, grade=0))
    assert [one["status"] for one in again["items"]] == ["repeated", "saved"]
    assert len(desk.store.history.of(desk.judgement(0) or 0)) == 1


def test_a_conflict_tells_what_is_there_and_the_others_are_saved(desk: Desk) -> None:
    send(desk, item(desk, 0, 0, grade=0), client="other tab")
    answer = send(desk, item(desk, 0, 0, grade=1), item(desk, 1, 1, grade=1))
    conflict, saved = answer["items"]
    assert (conflict["status"], conflict["grade"], conflict["version"]) == ("conflict", 0, 1)
    assert "another tab" in conflict["message"]
    assert saved["status"] == "saved"
    assert desk.grades()[:2] == [0, 1]


@pytest.mark.parametrize(
    "wrong",
    [
        "not an object", None, {}, {"seq": 0, "candidate": 10**15, "state": "graded", "grade": 1, "expected_version": 0},
        {"seq": True, "candidate": 1, "state": "graded", "grade": 1, "expected_version": 0},
        {"seq": 0, "candidate": 2**70, "state": "graded", "grade": 1, "expected_version": 0},
        {"seq": 0, "candidate": 1, "state": "drop table", "grade": 1, "expected_version": 0},
        {"seq": 0, "candidate": 1, "state": "graded", "grade": 1.5, "expected_version": 0},
        {"seq": 0, "candidate": 1, "state": "graded", "grade": 1, "expected_version": 0, "order_mode": "x" * 41},
    ],
)  # fmt: skip
def test_a_judgement_that_makes_no_sense_is_refused_with_a_sentence_and_the_others_are_saved(
    desk: Desk, wrong: Any
) -> None:
    refused, saved = send(desk, wrong, item(desk, 9, 1))["items"]
    assert refused["status"] == "refused"
    assert refused["message"].endswith(".")
    assert saved["status"] == "saved"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("open_page", None), ("open_page", ["list"]), ("open_page", {}),
        ("open_page", {"project": "1", "annotator": "Ada"}),
        ("open_page", {"project": 1, "annotator": " "}), ("open_page", {"project": 1, "annotator": "A\x00"}),
        ("open_page", {"project": 1, "annotator": "x" * 201}), ("open_page", {"project": 1, "annotator": "\ud800"}),
        ("open_page", {"project": 10**9, "annotator": "Ada"}),
        ("open_page", {"project": 1, "annotator": "Ada", "order": "best"}),
        ("open_page", {"project": 1, "annotator": "Ada", "depth": 0}),
        ("open_page", {"project": 1, "annotator": "Ada", "midnight": 2**52}),
        ("load_query", {"project": 1, "annotator": "Ada", "query": 10**9}),
        ("rest_of_query", {"project": 1, "annotator": "Ada", "query": 1, "candidates": "all"}),
        ("save", {"annotator": "Ada", "items": []}), ("save", {"client_id": "p", "annotator": "Ada", "items": [{}] * 21}),
        ("undo_step", {"project": 1, "annotator": "Ada", "client_id": "p"}),
        ("set_guideline", {"project": 1, "text": "x" * 20_001}), ("whole_text", {"query": 1, "candidate": 10**9}),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_answered_with_a_sentence(store: Store, desk: Desk, name: str, wanted: Any) -> None:
    function = next(function for function in PAGE_FUNCTIONS if function.__name__ == name)
    answer = function(store, wanted)
    assert answer["again"] is False
    assert answer["error"].endswith(".")


def test_the_name_of_an_import_is_not_taken_by_a_person(desk: Desk) -> None:
    desk.store.annotators.get_or_add("qrels", kind="import")
    assert "the name of an import" in look(desk, annotator="qrels")["error"]
    assert look(desk, annotator="import")["error"].startswith(
        '"import" is the name of imports, under which nobody can judge'
    )
    with pytest.raises(InputError, match='"import" is the name of imports'):
        require_annotator(desk.store, "import")
    assert "import" not in {annotator.handle for annotator in desk.store.annotators.list()}


def test_a_full_disk_asks_the_page_to_try_again_and_so_does_what_nobody_expected(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise StorageError("The disk is full.")

    monkeypatch.setattr(desk.store.judgements, "save", fail)
    assert send(desk, item(desk, 0, 0)) == {"error": "The disk is full.", "again": True}
    monkeypatch.setattr(desk.store.judgements, "save", lambda _: 1 / 0)
    answer = send(desk, item(desk, 0, 0))
    assert answer["again"] is True
    assert "ZeroDivisionError" in answer["error"]


def test_a_step_is_undone_and_done_again_once_however_often_it_is_sent(desk: Desk) -> None:
    send(desk, item(desk, 0, 0))
    who = {"client_id": f"page {desk.project_id}"}
    undone = look(desk, "undo_step", seq=1, **who)
    assert undone["changes"] == [
        {"query": desk.query_id, "candidate": desk.candidates[0], "state": None, "grade": None, "version": 0}
    ]
    assert look(desk, "undo_step", seq=1, **who)["status"] == "repeated"
    assert undone["steps"]["undo"] == 0 < undone["steps"]["redo"]
    assert look(desk, "undo_step", seq=2, **who)["status"] == "nothing"
    assert [e["action"] for e in look(desk, "history_of", candidate=desk.candidates[0])["events"]] == ["save", "undo"]
    again = look(desk, "redo_step", seq=3, **who)
    assert again["changes"][0]["grade"] == 1
    assert again["steps"] == look(desk)["steps"] == look(desk, "count_all")["steps"]
    assert again["steps"]["undo"] > 0 == again["steps"]["redo"]
    actions = [event["action"] for event in look(desk, "history_of", candidate=desk.candidates[0])["events"]]
    assert actions == ["save", "undo", "redo"]


def test_the_rest_of_a_query_is_one_step(desk: Desk) -> None:
    answer = send(desk, *(item(desk, n, n, grade=0) for n in range(4)), name="save_bulk")
    assert [one["status"] for one in answer["items"]] == ["saved"] * 4
    look(desk, "undo_step", client_id=f"page {desk.project_id}", seq=9)
    assert desk.grades() == [None] * 5
    send(desk, item(desk, 10, 1, grade=1), client="other tab")
    failed = send(desk, item(desk, 11, 0, grade=0), item(desk, 12, 1, grade=0), name="save_bulk")
    assert failed["again"] is False
    assert failed["conflicts"] == [{"candidate": desk.candidates[1], "state": "graded", "grade": 1, "version": 3}]
    assert desk.grades()[:2] == [None, 1]


@pytest.mark.parametrize("other", ["another", None])
def test_what_was_made_for_another_database_is_not_written_here(desk: Desk, other: str | None) -> None:
    send(desk, item(desk, 0, 0))
    who = {"client_id": f"page {desk.project_id}", "store": other, "project": desk.project_id, "annotator": "Ada"}
    sent = {"save": item(desk, 1, 1), "save_bulk": item(desk, 2, 2), "undo_step": None, "redo_step": None}
    for seq, (name, judgement) in enumerate(sent.items(), 10):
        function = next(function for function in PAGE_FUNCTIONS if function.__name__ == name)
        answer = function(desk.store, {"items": [judgement], "seq": seq, **who})
        assert "another database" in answer["error"]
        assert answer["again"] is False
        assert answer["other_store"] == look(desk)["store"] == desk.store.identity
    assert desk.grades() == [1, None, None, None, None]


def test_what_is_not_saved_tells_the_scale_that_another_page_fixed(desk: Desk) -> None:
    assert "scale" not in look(desk, "save", client_id="one", items=[item(desk, 0, 0, grade=3, scale="graded")])
    refused = look(desk, "save", client_id="two", items=[item(desk, 0, 1)])
    assert (refused["items"][0]["status"], refused["scale"]) == ("refused", "graded")
    conflict = look(desk, "save", client_id="three", items=[item(desk, 0, 0)])
    assert (conflict["items"][0]["status"], conflict["scale"]) == ("conflict", "graded")
    bulk = look(desk, "save_bulk", client_id="four", items=[item(desk, 0, 2)])
    assert ("Grade it again" in bulk["error"], bulk["scale"]) == (True, "graded")


def test_only_the_step_that_the_page_shows_is_undone(desk: Desk) -> None:
    look(desk, "save", client_id=f"here {desk.project_id}", items=[item(desk, 0, 0)])
    mine = {"client_id": f"here {desk.project_id}", "seq": 0}
    look(desk, "save", client_id=f"there {desk.project_id}", items=[item(desk, 0, 1)])
    step = {"client_id": f"here {desk.project_id}"}
    refused = look(desk, "undo_step", seq=1, seen=mine, **step)
    assert "Nothing was changed; undo again" in refused["error"]
    assert refused["again"] is False
    assert desk.grades()[:2] == [1, 1]
    assert look(desk, "undo_step", seq=2, seen=refused["steps"]["undo"], **step)["changes"][0]["grade"] is None
    assert look(desk, "undo_step", seq=3, seen=mine, **step)["status"] == "done"
    assert desk.grades()[:2] == [None, None]
    assert "redo again" in look(desk, "redo_step", seq=4, seen=0, **step)["error"]
    assert look(desk, "redo_step", seq=5, seen=mine, **step)["status"] == "done"
    assert desk.grades()[:2] == [1, None]


def test_queries_come_one_after_another_and_those_that_are_done_do_not(desk: Desk) -> None:
    second = desk.store.texts.add_query(desk.project_id, "another query").id
    passage = desk.store.texts.add_passages(desk.project_id, [NewPassage(text="another passage")]).ids[0]
    from annotations.store.text_rows import NewCandidate

    desk.store.texts.add_candidates([NewCandidate(query_id=second, passage_id=passage, source="manual")])
    opened = look(desk)
    assert (opened["query"]["id"], opened["following"]["id"]) == (desk.query_id, second)
    assert look(desk, "next_query", after_query=second) == {"query": None}
    send(desk, item(desk, 0, 0), item(desk, 1, 1))
    assert look(desk, depth=2)["query"]["id"] == second
    done = look(desk, "load_query", query=desk.query_id)
    assert [find(done, key)["grade"] for key in desk.candidates[:3]] == [1, 1, None]


def test_the_shuffled_order_stays_for_one_and_is_another_for_the_next(desk: Desk) -> None:
    def order(name: str) -> list[int]:
        return [one["id"] for one in look(desk, order="shuffled", annotator=name)["query"]["candidates"]]

    first = order("Ada")
    send(desk, item(desk, 0, 3))
    assert order("Ada") == first
    assert len({tuple(order(name)) for name in ("Ada", "Bo", "Cy", "Di")}) > 1


def test_scores_are_named_by_model_and_layer(desk: Desk) -> None:
    for name, layer, score in (("bm25", 0, 1.5), ("BAAI/bge-reranker-v2-minicpm-layerwise", 28, -2.0)):
        model = desk.store.scores.add_model(name, layer=layer)
        desk.store.scores.put(model.id, [NewScore(candidate_id=desk.candidates[0], score=score, rank=1)])
    assert find(look(desk), desk.candidates[0])["scores"] == [
        {"title": "BM25", "score": 1.5, "rank": 1},
        {"title": "bge-reranker-v2-minicpm-layerwise · 28", "score": -2.0, "rank": 1},
    ]


def test_a_large_query_comes_in_parts_and_whole_texts_on_demand(store: Store, request: pytest.FixtureRequest) -> None:
    desk = lay_out(store, name=request.node.name, candidates=203)
    long = store.texts.add_passages(desk.project_id, [NewPassage(text="word " * 40_000 + "panda 🐼")]).ids[0]
    from annotations.store.text_rows import NewCandidate

    extra = NewCandidate(query_id=desk.query_id, passage_id=long, source="manual", source_rank=1)
    key = store.texts.add_candidates([extra]).ids[0]
    query = look(desk)["query"]
    assert len(query["candidates"]) == 200
    assert len(query["rest"]) == 4
    rest = look(desk, "rest_of_query", query=desk.query_id, candidates=query["rest"])
    assert [one["id"] for one in rest["candidates"]] == query["rest"]
    assert [one["position"] for one in rest["candidates"]] == [201, 202, 203, 204]
    sent = next(one for one in query["candidates"] + rest["candidates"] if one["id"] == key)
    assert sent["is_cut"]
    assert len(sent["text"]) == 20_000
    assert look(desk, "whole_text", query=desk.query_id, candidate=key)["text"].endswith("panda 🐼")


def test_a_new_guideline_is_a_new_version(desk: Desk) -> None:
    before = look(desk)["guideline"]
    after = look(desk, "set_guideline", text="2 is an answer.")["guideline"]
    assert after["text"] == "2 is an answer."
    assert after["id"] != before["id"]


def test_the_example_is_a_real_project_made_once(store: Store) -> None:
    project = create_example(store)
    assert create_example(store).id == project.id
    query = call("open_page", store, project=project.id, annotator="Ada", order="pooled")["query"]
    assert len(query["candidates"]) == 11
    assert query["candidates"][0]["scores"][0]["title"] == "BM25"
    store.projects.archive(project.id)
    assert (EXAMPLE_NAME, project.id) not in list_projects(store)
    create_example(store)
    assert (EXAMPLE_NAME, project.id) in list_projects(store)


def test_a_project_needs_a_name(store: Store) -> None:
    with pytest.raises(ValueError, match="needs a name"):
        create_project(store, "  ")
    assert create_project(store, "mine", guideline=" say yes ").name == "mine"


def test_a_store_that_is_closed_is_a_sentence(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "labels.db")
    store.close()
    assert call("open_page", store, project=1, annotator="Ada")["again"] is True
