"""Finding texts by what is in them."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from annotations.errors import InputError
from annotations.store import Store
from annotations.store.texts import NewPassage
from tests.annotations.desk import raw

TEXTS = (
    "The giant panda eats bamboo.",  # 0
    "A pandemic and the agenda of it.",  # 1: all pieces of "panda", but not the word
    "大熊猫是熊科动物。",  # 2
    "熊 and 猫",  # 3
    "Über den Großen Panda; Café ДОМ",  # 4
    "Cafe\u0301 au lait, 100% juice, under_score, a\\b",  # 5, decomposed
    'He said "NOT panda" AND left OR text:panda* NEAR(x y)',  # 6
    "",  # 7
    "🐼🐼🐼 emoji",  # 8
    "דוב הפנדה הענק",  # 9
)


@pytest.fixture
def project(store: Store) -> int:
    """A project with these texts as passages, in this order, and a query."""
    project = store.projects.create("pandas")
    store.texts.add_passages(project.id, [NewPassage(text=text) for text in TEXTS])
    store.texts.add_query(project.id, "what is 熊猫, a panda?")
    other = store.projects.create("others")
    store.texts.add_passages(other.id, [NewPassage(text="another panda")])
    return project.id


def find(store: Store, project: int, text: str) -> list[int]:
    """Give the indexes of the texts that are found."""
    return [TEXTS.index(passage.text) for passage in store.search.passages(project, text)]


def test_words_are_found_in_any_script_order_and_case(store: Store, project: int) -> None:
    expected = {
        "panda": [0, 4, 6],
        "PANDA giant": [0],
        "大熊猫": [2],
        "熊猫": [2],  # shorter than the index goes
        "熊": [2, 3],
        "猫 大熊猫": [2],
        "über": [4],
        "дом": [4],
        "café": [4, 5],
        "CAFE\u0301": [4, 5],
        "🐼🐼": [8],
        "הפנדה": [9],
        "emo": [8],
        "": list(range(10)),
        " \n\t": list(range(10)),
        "panda zebra": [],
    }
    assert {text: find(store, project, text) for text in expected} == expected


def test_what_somebody_types_is_never_syntax(store: Store, project: int) -> None:
    expected = {
        "100%": [5],
        "%": [5],
        "_": [5],
        "under_s": [5],
        "undergs": [],
        "a\\b": [5],
        '"': [6],
        '"NOT': [6],
        "panda*": [6],
        "panda OR": [6],  # and not everything with either
        "NOT panda": [6],
        "text:panda": [6],
        "NEAR(x y)": [6],
        "-panda": [],
        "^panda": [],
        "')": [],
        "panda\0bamboo": [0],
        "panda\ud800": [0, 4, 6],
    }
    assert {text: find(store, project, text) for text in expected} == expected


def test_a_text_that_is_too_long_is_refused_and_the_longest_is_not(store: Store, project: int) -> None:
    assert find(store, project, "panda " * 166) == [0, 4, 6]
    assert find(store, project, " ".join(str(number) for number in range(280))[:1000]) == []
    assert find(store, project, "x" * 1000) == []
    with pytest.raises(InputError, match=r"at most 1,000 characters, got 1,001"):
        find(store, project, "x" * 1001)


def test_queries_are_found_too_and_lists_go_on_where_they_ended(store: Store, project: int) -> None:
    assert [query.text for query in store.search.queries(project, "熊猫 panda")] == ["what is 熊猫, a panda?"]
    first = store.search.passages(project, "panda", limit=2)
    assert [passage.text for passage in store.search.passages(project, "panda", after_id=first[-1].id)] == [TEXTS[6]]


def test_what_is_deleted_or_staged_is_not_found(store: Store, project: int) -> None:
    (panda, *_) = store.search.passages(project, "giant")
    store.texts.delete_passages([panda.id])
    batch = store.imports.begin(project, source_kind="csv", source_name="a.csv", sha256="")
    store.texts.add_passages(project, [NewPassage(text="a staged panda bear")], batch_id=batch.id)

    assert find(store, project, "panda") == [4, 6]
    assert store.search.passages(project, "staged") == []
    store.texts.restore_passages([panda.id])
    assert find(store, project, "panda") == [0, 4, 6]
    store.imports.publish(batch.id)
    assert [passage.text for passage in store.search.passages(project, "staged")] == ["a staged panda bear"]


def test_the_index_follows_every_change_of_a_text(store: Store, project: int) -> None:
    batch = store.imports.begin(project, source_kind="csv", source_name="a.csv", sha256="")
    store.texts.add_passages(project, [NewPassage(text="a staged panda bear")], batch_id=batch.id)
    store.imports.discard(batch.id)

    def index(connection: object, piece: str) -> list[int]:
        statement = f"SELECT rowid FROM passage_search WHERE passage_search MATCH '\"{piece}\"'"
        return [row[0] for row in connection.execute(statement)]  # type: ignore[attr-defined]

    with raw(store.path) as connection:
        assert index(connection, "tag") == []
        connection.execute("UPDATE passage SET text = 'A zebra.' WHERE id = 1")
        assert (index(connection, "gia"), index(connection, "zeb")) == ([], [1])
        connection.execute("UPDATE passage SET deleted_at = 'now' WHERE id = 1")
        assert index(connection, "zeb") == [1]
        connection.execute("INSERT INTO passage_search (passage_search, rank) VALUES ('integrity-check', 1)")


@pytest.mark.slow
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=12) | st.sampled_from(TEXTS).map(lambda text: text[2:9]))
def test_whatever_is_searched_for_is_found_exactly_where_it_stands(store: Store, project: int, text: str) -> None:
    found = find(store, project, text)

    words = text.replace("\0", " ").split()
    for index, passage in enumerate(TEXTS):
        if all(word in passage for word in words):
            assert index in found
