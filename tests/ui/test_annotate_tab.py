"""The handlers around the Annotate view, called directly."""

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from annotations.errors import StorageError
from annotations.store import Store
from ui.label_projects import EXAMPLE_NAME
from ui.tabs.annotate.handlers import AnnotateEvents


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store, which the tests fill in their order."""
    with Store.open(tmp_path_factory.mktemp("labels") / "labels.db") as store:
        yield store


@pytest.fixture
def events(store: Store) -> AnnotateEvents:
    return AnnotateEvents(lambda: store)


def arrive(events: AnnotateEvents, **kept: Any) -> Any:
    return events.arrive(SimpleNamespace(_data=kept))


def test_without_a_project_nothing_is_chosen_and_the_example_makes_one(events: AnnotateEvents, store: Store) -> None:
    picker, name, value, message = arrive(events, project=None, annotator=None)
    assert (picker["choices"], picker["value"]) == ([], None)
    assert (name, value, message) == ("me", {"project": None, "annotator": "me"}, "")
    picker, _, value, _ = events.try_example("Ada")
    assert picker["choices"] == [(EXAMPLE_NAME, value["project"])]
    assert value["annotator"] == "Ada"


def test_a_browser_gets_its_own_project_back_and_another_one_where_that_is_gone(
    events: AnnotateEvents, store: Store
) -> None:
    mine = store.projects.create("mine")
    assert arrive(events, project=mine.id, annotator="Bo")[2] == {"project": mine.id, "annotator": "Bo"}
    first = store.projects.list()[0].id
    assert arrive(events, project=999, annotator=7)[2] == {"project": first, "annotator": "me"}
    assert arrive(events)[2]["project"] == first
    assert events.arrive(SimpleNamespace(_data="nonsense"))[2]["project"] == first


def test_a_new_project_is_chosen_at_once_and_a_name_twice_is_a_sentence(events: AnnotateEvents, store: Store) -> None:
    picker, name, value, _, form, is_open = events.create("bees", "Say yes.", "en", " Ada ")
    assert (name, picker["value"], form["visible"], is_open) == ("Ada", value["project"], False, False)
    assert store.projects.guideline(value["project"]).text == "Say yes."
    *_, message, form, _ = events.create("bees", "", "", "Ada")
    assert 'There is a project "bees" already' in message
    assert "visible" not in form
    assert [update if update is True else update["visible"] for update in events.turn_form(False)] == [True, True]
    assert "needs a character" in events.show(value["project"], "A\x00")[3]
    assert events.show(value["project"], "Ada", query=5)[2]["query"] == 5


def test_when_the_tab_comes_to_the_front_projects_are_looked_up_again(events: AnnotateEvents, store: Store) -> None:
    assert all("choices" not in update and "value" not in update for update in events.enter(None, "me", {}))
    made = store.projects.create("made elsewhere")
    picker, _, value, _ = events.enter(made.id, "Ada", {"project": None, "annotator": "Ada"})
    assert ("made elsewhere", made.id) in picker["choices"]
    again = events.enter(made.id, "Ada", value)[2]
    assert again["project"] == value["project"] == made.id
    assert again != value


def test_an_emptied_name_is_not_taken_and_the_former_one_stays(events: AnnotateEvents, store: Store) -> None:
    project = store.projects.create("whose").id
    shown = {"project": project, "annotator": "Ada"}
    made = events.create("hers", "", "", "", shown)
    for answer in (events.show(project, " ", shown), events.enter(project, "", shown), made):
        assert answer[1] == answer[2]["annotator"] == "Ada"
        assert answer[3] == "A name cannot be empty, so you still judge as “Ada”."
    assert (made[4]["visible"], made[5]) == (False, False)
    assert events.show(project, "", {})[1::2] == ("me", "")


def test_a_store_that_opens_again_is_shown_when_the_tab_comes_to_the_front(events: AnnotateEvents) -> None:
    assert events.enter(None, "Ada", {"error": "The disk is full."})[2]["annotator"] == "Ada"


def test_a_store_that_cannot_be_opened_is_a_sentence_and_nothing_unexpected_leaks() -> None:
    def fail() -> Store:
        raise StorageError("The disk is full.")

    assert arrive(AnnotateEvents(fail))[3] == "The disk is full."
    failed = arrive(AnnotateEvents(fail))[2]
    assert AnnotateEvents(fail).enter(None, "Ada", failed)[2] == failed == {"error": "The disk is full."}
    assert "ZeroDivisionError" in arrive(AnnotateEvents(lambda: 1 / 0))[3]
