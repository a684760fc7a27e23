"""The Data screen's pages of pairs, and what is corrected, deleted and restored there: functions called directly."""

import json
from pathlib import Path
from typing import Any

import pytest

from annotations.store.text_rows import NewCandidate
from annotations.store.texts import NewPassage
from ui.label_place import Labels
from ui.page_views import bind
from ui.services import Services
from ui.tabs.data.browse import browse_pairs, filter_choices, fold, judgement_history, save_grade, undo_grade, whole_passage
from ui.tabs.data.deletions import count_deletion, delete_text, list_deleted, restore_text
from ui.tabs.data.frame import FrameEvents
from ui.tabs.data.projects import archive_project, choose_project, count_project, list_archived, restore_project

LONG = "words that say nothing. " * 200 + "the 🐼 giant panda eats bamboo. " + "more of the same. " * 200
TEXTS = {
    "what is panda?": ["hi", LONG, "大熊猫是中国特有的熊科动物。"],
    "how long does a bee live?": ["Six weeks.", "Years."],
}


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Services over a store in a folder of its own."""
    services = Services(labels=Labels(tmp_path_factory.mktemp("home")), allow_folders=True)
    yield services
    services.labels.close()


@pytest.fixture
def project(services: Services, request: pytest.FixtureRequest) -> int:
    """Two queries with candidates, in a project of the test's own."""
    return lay_out(services, request.node.name)


def lay_out(services: Services, name: str) -> int:
    store = services.labels.store
    project = store.projects.create(name)
    for text, passages in TEXTS.items():
        query = store.texts.add_query(project.id, text)
        added = store.texts.add_passages(project.id, [NewPassage(text=passage) for passage in passages])
        ranked = [
            NewCandidate(query_id=query.id, passage_id=key, source="bm25", source_rank=rank)
            for rank, key in enumerate(added.ids, 1)
        ]
        store.texts.add_candidates(ranked)
    return project.id


def rows(services: Services, project: int, **filters: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = browse_pairs(services, {"project": project, **filters})["rows"]
    return found


def grade(services: Services, row: dict[str, Any], grade: int, *, version: int = 0, by: str = "Ada", seq: int) -> Any:
    item = {"seq": seq, "candidate": row["candidate"], "state": "graded", "grade": grade, "scale": "binary"}
    sent = {"client_id": f"{by} {row['candidate']}", "annotator": by, "items": [item | {"expected_version": version}]}
    return save_grade(services, sent | {"store": services.labels.store.identity})["items"][0]


def test_words_and_filters_narrow_the_pairs_and_what_was_searched_for_is_marked(services: Services, project: int) -> None:
    everything = rows(services, project)
    assert [row["rank"] for row in everything] == [1, 2, 3, 1, 2]
    (chinese,) = rows(services, project, text="熊猫")
    marks, text = chinese["passage_text"]["marks"], chinese["passage_text"]["text"]
    assert [text[a:b] for a, b in zip(marks[::2], marks[1::2], strict=True)] == ["熊猫"]

    grade(services, everything[0], 1, seq=1)
    grade(services, everything[3], 0, by="Bob", seq=1)
    candidates = [row["candidate"] for row in everything]
    for filters, expected in (
        ({"judged": "yes"}, [0, 3]),
        ({"judged": "no"}, [1, 2, 4]),
        ({"grade": 0}, [3]),
        ({"annotator": "Ada"}, [0]),
        ({"annotator": "Ada", "judged": "yes"}, [0]),
        ({"state": "later"}, []),
        ({"query": everything[3]["query"]}, [3, 4]),
        ({"source": "bm25", "split": "none"}, range(5)),
        ({"split": "test"}, []),
    ):
        assert [row["candidate"] for row in rows(services, project, **filters)] == [candidates[n] for n in expected]
    assert filter_choices(services, {"project": project}) == {
        "annotators": ["Ada", "Bob"],
        "sources": ["bm25"],
        "scale": "binary",
    }
    counts = count_project(services, {"project": project})
    assert {name: counts[name] for name in ("queries", "passages", "candidates", "positive", "negative", "deleted")} == {
        "queries": 2,
        "passages": 5,
        "candidates": 5,
        "positive": 1,
        "negative": 1,
        "deleted": 0,
    }
    assert [(one["handle"], one["graded"]) for one in counts["judged"]] == [("Ada", 1), ("Bob", 1)]
    json.dumps([everything, counts])


def test_a_long_passage_is_folded_around_what_is_looked_for_and_given_whole_when_asked(
    services: Services, project: int
) -> None:
    (row,) = rows(services, project, text="giant panda")
    shown = row["passage_text"]
    assert len(shown["text"]) <= 900
    assert shown["is_begun"]
    assert shown["is_cut"]
    places = shown["marks"]
    units = shown["text"].encode("utf-16-le")
    marked = [units[2 * a : 2 * b].decode("utf-16-le") for a, b in zip(places[::2], places[1::2], strict=True)]
    assert marked == ["giant", "panda"]  # after a character of two units
    assert whole_passage(services, {"project": project, "passage": row["passage"]}) == {"text": LONG}


def test_a_search_marks_parts_of_words_and_takes_no_character_for_a_pattern() -> None:
    folded = fold("C++ (and c++11) cost $1.", searched="c++ $1.", query="anything")
    assert folded["marks"] == [0, 3, 9, 12, 21, 24]


def test_a_grade_is_corrected_with_its_version_and_undone(services: Services, project: int) -> None:
    row = rows(services, project)[0]
    assert grade(services, row, 1, seq=1)["status"] == "saved"
    stale = grade(services, row, 0, version=0, seq=2)
    assert (stale["status"], stale["grade"], stale["version"]) == ("conflict", 1, 1)
    assert grade(services, row, 0, version=1, seq=3)["status"] == "saved"
    (ada,) = rows(services, project)[0]["judgements"]
    assert (ada["handle"], ada["grade"], ada["version"]) == ("Ada", 0, 2)

    step = {"project": project, "annotator": "Ada", "client_id": "page", "seq": 1}
    assert undo_grade(services, step | {"store": "of another database"})["other_store"] == services.labels.store.identity
    undone = undo_grade(services, step | {"store": services.labels.store.identity})
    assert undone["changes"][0]["grade"] == 1
    events = judgement_history(services, {"candidate": row["candidate"], "annotator": ada["annotator"]})["events"]
    assert [(event["action"], (event["after"] or {}).get("grade")) for event in events] == [
        ("save", 1),
        ("save", 0),
        ("undo", 1),
    ]


@pytest.mark.parametrize("kind", ["query", "passage"])
def test_a_deletion_says_what_goes_with_it_needs_the_word_and_is_restored(
    services: Services, project: int, kind: str
) -> None:
    row = rows(services, project)[0]
    grade(services, row, 1, seq=1)
    wanted = {"project": project, "kind": kind, "id": row[kind]}
    gone = 3 if kind == "query" else 1
    assert count_deletion(services, wanted) == {"candidates": gone, "judgements": 1, "word": "delete"}
    delete = bind(services, delete_text)
    assert "Nothing was deleted" in delete(wanted | {"word": "yes"})["error"]
    assert len(rows(services, project)) == 5
    assert delete(wanted | {"word": " Delete "}) == {}
    assert len(rows(services, project)) == 5 - gone
    (deleted,) = list_deleted(services, {"project": project})["rows"]
    assert (deleted["kind"], deleted["id"]) == (kind, row[kind])
    counts = count_project(services, {"project": project})
    assert (counts["queries"], counts["passages"]) == ((1, 5) if kind == "query" else (2, 4))
    restore_text(services, wanted)
    assert rows(services, project)[0]["judgements"][0]["grade"] == 1
    assert list_deleted(services, {"project": project})["total"] == 0


def test_nothing_of_another_project_is_shown_or_deleted_through_one(services: Services, project: int) -> None:
    other = lay_out(services, "another one")
    row = rows(services, other)[0]
    for function, wanted in (
        (whole_passage, {"passage": row["passage"]}),
        (count_deletion, {"kind": "query", "id": row["query"]}),
        (delete_text, {"kind": "passage", "id": row["passage"], "word": "delete"}),
        (restore_text, {"kind": "query", "id": row["query"]}),
    ):
        assert "in this project" in bind(services, function)({"project": project, **wanted})["error"]
    assert rows(services, project, query=row["query"]) == []


def test_whatever_a_page_sends_is_answered_by_a_sentence(services: Services, project: int) -> None:
    ask = bind(services, browse_pairs)
    for wanted in (
        None,
        [],
        {},
        {"project": "1"},
        {"project": 10**9},
        {"project": project, "offset": -1},
        {"project": project, "text": "x" * 2000},
        {"project": project, "text": "\ud800"},
        {"project": project, "state": "<b>"},
        {"project": project, "grade": 7},
        {"project": project, "annotator": "nobody there"},
        {"project": project, "split": ["test"]},
    ):
        answer = ask(wanted)  # type: ignore[arg-type]
        assert "error" in answer, wanted
        assert "should not have" not in answer["error"], wanted


def test_a_project_gets_another_name_and_stays_chosen(services: Services, project: int) -> None:
    was = services.labels.store.projects.get_by_id(project).name
    events = FrameEvents(services, views=2)
    picker, _, message, *views, box = events.rename(" another name ", project)
    assert (picker["value"], message, box) == (project, {"said": "The project is called “another name” now."}, "")
    assert ("another name", project) in picker["choices"]
    assert len(views) == 2
    for name in ("", None):
        assert "needs a name" in events.rename(name, project)[2]
    assert events.rename(was, project)[2]["said"].startswith("The project is called")


def test_a_project_is_archived_and_comes_back(services: Services, project: int) -> None:
    assert "archived" in archive_project(services, project)
    choices, chosen = choose_project(services, project)
    assert project not in [key for _, key in choices]
    assert chosen != project
    assert project in [key for _, key in list_archived(services)]
    restore_project(services, project)
    assert choose_project(services, project)[1] == project


def test_a_file_that_cannot_be_opened_is_a_sentence_without_its_path_for_strangers(tmp_path: Path) -> None:
    (tmp_path / "secret-place").mkdir()
    (tmp_path / "secret-place" / "labels.db").write_text("no database at all")
    for is_local in (True, False):
        services = Services(labels=Labels(tmp_path / "secret-place"), allow_folders=is_local)
        said = bind(services, browse_pairs)({"project": 1})["error"]
        assert ("secret-place" in said) is is_local
