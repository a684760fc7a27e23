"""Projects, their guidelines, and annotators."""

import pytest

from annotations.errors import InputError
from annotations.store import Store


def test_a_project_is_found_by_its_name_and_has_no_scale_yet(store: Store) -> None:
    made = store.projects.create(" pandas ", language="en", guideline="1 is an answer.", default_prompt="Given A and B")

    found = store.projects.get("pandas")
    assert (found.id, found.language, found.default_prompt, found.scale) == (made.id, "en", "Given A and B", None)
    assert store.projects.guideline(made.id).text == "1 is an answer."
    with pytest.raises(InputError, match='no project "bears"'):
        store.projects.get("bears")


def test_a_name_is_given_once(store: Store) -> None:
    store.projects.create("caf\u00e9")

    with pytest.raises(InputError, match="already"):
        store.projects.create("cafe\u0301")
    for name in ("", "  ", "a\nb"):
        with pytest.raises(InputError, match="name of a project"):
            store.projects.create(name)


def test_a_project_gets_another_name_that_nobody_else_has(store: Store) -> None:
    pandas, bears = store.projects.create("pandas"), store.projects.create("bears")

    assert store.projects.rename(pandas.id, " Pandas ").name == "Pandas"
    assert store.projects.rename(pandas.id, "Pandas").id == store.projects.get("Pandas").id == pandas.id
    for name, sentence in (("Pandas", "already"), (" ", "name of a project")):
        with pytest.raises(InputError, match=sentence):
            store.projects.rename(bears.id, name)
    with pytest.raises(InputError, match="no project 999"):
        store.projects.rename(999, "x")


def test_the_prompt_of_training_rows_can_be_given_later_and_taken_away(store: Store) -> None:
    project = store.projects.create("p")

    assert store.projects.set_default_prompt(project.id, "Is it so?").default_prompt == "Is it so?"
    assert store.projects.get("p").default_prompt == "Is it so?"
    store.projects.set_default_prompt(project.id, None)
    assert store.projects.get("p").default_prompt is None


def test_a_changed_guideline_is_a_new_version_and_the_old_one_stays(store: Store) -> None:
    project = store.projects.create("p", guideline="first")
    first = store.projects.guideline(project.id)

    assert store.projects.set_guideline(project.id, "first").id == first.id
    second = store.projects.set_guideline(project.id, "second")
    assert (second.n, store.projects.guideline(project.id).text) == (2, "second")
    assert second.id != first.id


def test_an_archived_project_is_not_listed_and_can_come_back(store: Store) -> None:
    kept, gone = store.projects.create("b"), store.projects.create("a")
    store.projects.archive(gone.id)

    assert [project.name for project in store.projects.list()] == [kept.name]
    assert [project.name for project in store.projects.list(include_archived=True)] == ["a", "b"]
    assert store.projects.get("a").archived_at is not None
    store.projects.archive(gone.id, is_archived=False)
    assert len(store.projects.list()) == 2


def test_an_annotator_is_one_row_for_each_handle(store: Store) -> None:
    ada = store.annotators.get_or_add("Ada")

    assert store.annotators.get_or_add(" Ada ").id == ada.id
    assert store.annotators.get_or_add("qrels", kind="import").kind == "import"
    assert [annotator.handle for annotator in store.annotators.list()] == ["Ada", "qrels"]
    with pytest.raises(InputError, match="name of an annotator"):
        store.annotators.get_or_add("")


def test_who_wants_to_be_forgotten_gets_another_handle(store: Store) -> None:
    ada, grace = store.annotators.get_or_add("Ada"), store.annotators.get_or_add("Grace")

    store.annotators.rename(ada.id, "somebody")
    assert {annotator.id: annotator.handle for annotator in store.annotators.list()} == {
        ada.id: "somebody",
        grace.id: "Grace",
    }
    with pytest.raises(InputError, match="already"):
        store.annotators.rename(grace.id, "somebody")
