"""Queries, passages and candidates: each text once, as it came, and never gone for good."""

import pytest

from annotations.backup import list_backups
from annotations.errors import InputError, StorageError
from annotations.store import Store
from annotations.store.text_rows import NewCandidate
from annotations.store.texts import NewPassage, NewQuery
from tests.annotations.desk import Desk, lay_out

COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


def test_texts_that_differ_only_in_their_unicode_form_are_one_and_the_first_stays(store: Store) -> None:
    project = store.projects.create("p")
    added = store.texts.add_passages(project.id, [NewPassage(text=text) for text in (DECOMPOSED, COMPOSED, DECOMPOSED)])

    assert (len(set(added.ids)), added.new) == (1, 1)
    assert store.texts.passage(added.ids[0]).text == DECOMPOSED
    assert store.texts.add_passages(project.id, [NewPassage(text=COMPOSED)]).new == 0


@pytest.mark.parametrize(
    "text", ["", " leading", "trailing ", "a\r\nb", "A", "nul \x00 inside", "\u202eright to left", "大熊猫", "🐼" * 1000]
)
def test_a_passage_comes_back_exactly(store: Store, text: str) -> None:
    project = store.projects.create("p")
    (key,) = store.texts.add_passages(project.id, [NewPassage(text=text)]).ids

    assert store.texts.passage(key).text == text


def test_nothing_is_trimmed_or_folded(store: Store) -> None:
    project = store.projects.create("p")
    texts = ["a", " a", "a ", "a\n", "a\r\n", "A", "\uff41"]

    assert store.texts.add_passages(project.id, [NewPassage(text=text) for text in texts]).new == len(texts)


def test_half_a_character_or_an_empty_query_is_refused(store: Store) -> None:
    project = store.projects.create("p")

    with pytest.raises(InputError, match="half a character at 3"):
        store.texts.add_passages(project.id, [NewPassage(text="abc\ud83d")])
    with pytest.raises(InputError, match="needs a text"):
        store.texts.add_query(project.id, " ")
    with pytest.raises(InputError, match="no project 99"):
        store.texts.add_query(99, "what is panda?")
    assert store.texts.queries(project.id) == []


def test_more_texts_than_fit_one_statement_come_back_in_the_order_of_the_input(store: Store) -> None:
    project = store.projects.create("p")
    names = [f"text {number % 1300}" for number in range(2000)]
    added = store.texts.add_passages(project.id, [NewPassage(text=name) for name in names])

    text_by_id = {passage.id: passage.text for passage in store.texts.passages(project.id)}
    assert [text_by_id[key] for key in added.ids] == names
    assert added.new == 1300


def test_a_text_may_be_called_by_several_names(store: Store) -> None:
    project = store.projects.create("p")
    passages = [
        NewPassage(text="Title body", external_id="d1", title="Title"),
        NewPassage(text="Title body", external_id="d2"),
        NewPassage(text="Title body", external_id="d1", title="another"),
    ]
    (key,) = set(store.texts.add_passages(project.id, passages).ids)
    query = store.texts.add_query(project.id, "q", external_id="1")
    store.texts.add_query(project.id, "q", external_id="7")

    names = store.texts.external_ids_of_passages([key])[key]
    assert [(name.ext_id, name.title) for name in names] == [("d1", "Title"), ("d2", None)]
    assert store.texts.external_ids_of_queries([query.id]) == {query.id: ["1", "7"]}


def test_the_first_split_of_a_query_stays_until_it_is_set(store: Store) -> None:
    project = store.projects.create("p")
    query = store.texts.add_query(project.id, "q")
    assert query.split is None
    assert store.texts.add_query(project.id, "q", split="dev").split == "dev"
    assert store.texts.add_query(project.id, "q", split="test").split == "dev"

    store.texts.set_split([query.id], None)
    assert store.texts.query(query.id).split is None


def test_projects_do_not_share_texts(store: Store) -> None:
    one, other = store.projects.create("one"), store.projects.create("other")

    assert store.texts.add_query(one.id, "q").id != store.texts.add_query(other.id, "q").id
    assert [query.text for query in store.texts.queries(one.id)] == ["q"]


def test_a_list_of_texts_comes_page_by_page(store: Store) -> None:
    project = store.projects.create("p")
    store.texts.add_queries(project.id, [NewQuery(text=str(number)) for number in range(5)])

    first = store.texts.queries(project.id, limit=3)
    rest = store.texts.queries(project.id, after_id=first[-1].id, limit=3)
    assert [query.text for query in [*first, *rest]] == ["0", "1", "2", "3", "4"]


def test_a_candidate_keeps_its_first_source_and_the_order_of_the_input(desk: Desk) -> None:
    passages = [row.passage.id for row in desk.store.texts.candidates(desk.query_id)]
    again = [NewCandidate(query_id=desk.query_id, passage_id=key, source="manual", source_rank=1) for key in passages[::-1]]
    added = desk.store.texts.add_candidates(again)

    assert (added.ids, added.new) == (desk.candidates[::-1], 0)
    rows = desk.store.texts.candidates(desk.query_id)
    assert [row.passage.text for row in rows] == [f"passage {number}" for number in range(5)]
    assert {row.candidate.source for row in rows} == {"bm25"}


def test_a_candidate_is_of_one_project_and_of_texts_that_are_there(desk: Desk) -> None:
    other = lay_out(desk.store, name="bears")
    foreign = desk.store.texts.candidates(other.query_id)[0].passage.id

    with pytest.raises(InputError, match="of two projects"):
        desk.store.texts.add_candidates([NewCandidate(query_id=desk.query_id, passage_id=foreign, source="bm25")])
    with pytest.raises(InputError, match="no passage 999"):
        desk.store.texts.add_candidates([NewCandidate(query_id=desk.query_id, passage_id=999, source="bm25")])
    with pytest.raises(InputError, match="needs a source"):
        desk.store.texts.add_candidates([NewCandidate(query_id=other.query_id, passage_id=foreign, source="")])


def test_deleting_texts_hides_them_and_their_judgements_come_back_with_them(desk: Desk) -> None:
    desk.judge(0, 3)
    desk.judge(1, 1)
    passage = desk.store.texts.candidates(desk.query_id)[0].passage

    desk.store.texts.delete_passages([passage.id])
    assert [row.candidate.id for row in desk.store.texts.candidates(desk.query_id)] == list(desk.candidates[1:])
    assert passage.id not in {row.id for row in desk.store.texts.passages(desk.project_id)}
    assert [row.id for row in desk.store.texts.passages(desk.project_id, is_deleted=True)] == [passage.id]
    desk.store.texts.delete_queries([desk.query_id])
    assert desk.store.texts.candidates(desk.query_id) == []
    assert desk.store.texts.queries(desk.project_id) == []

    assert desk.judge(2, 2).status == "saved"  # it was on its way when somebody deleted the query
    desk.store.texts.restore_queries([desk.query_id])
    desk.store.texts.restore_passages([passage.id])
    assert desk.grades() == [3, 1, 2, None, None]
    assert len(desk.store.texts.candidates(desk.query_id)) == 5


def test_a_copy_is_made_before_many_labels_or_several_texts_are_changed_and_else_none(store: Store) -> None:
    desk = lay_out(store, candidates=19)
    texts, path = store.texts, store.path
    passages = [row.passage.id for row in texts.candidates(desk.query_id)]
    counts = []

    def count() -> None:
        counts.append(len(list_backups(path)))

    texts.delete_queries([desk.query_id])
    texts.restore_queries([desk.query_id])
    texts.delete_passages(passages[:1])
    texts.restore_passages(iter(passages[:1]))
    texts.set_split([desk.query_id], "train")
    for number in range(20):
        desk.judge(0, 1, annotator_id=store.annotators.get_or_add(f"Ada {number}").id)
    count()
    texts.delete_passages(passages[:1])  # 20 judgements
    count()
    texts.delete_queries([lay_out(store, candidates=20, name="bears").query_id])
    count()
    texts.delete_passages(passages[1:3])
    count()
    texts.restore_passages(passages[:3])
    count()
    texts.set_split([desk.query_id, texts.add_query(desk.project_id, "another").id], "test")
    count()
    assert counts == [0, 1, 2, 3, 4, 5]
    assert {copy.reason for copy in list_backups(path)} == {"bulk"}


def test_nothing_is_deleted_where_no_copy_can_be_made(desk: Desk) -> None:
    passages = [row.passage.id for row in desk.store.texts.candidates(desk.query_id)]
    (desk.store.path.parent / "backups").write_text("in the way", encoding="utf-8")
    with pytest.raises(StorageError, match="backups"):
        desk.store.texts.delete_passages(passages[:2])
    assert len(desk.store.texts.candidates(desk.query_id)) == 5


def test_a_deleted_text_that_is_added_again_is_there_again(desk: Desk) -> None:
    query = desk.store.texts.query(desk.query_id)
    desk.judge(0, 3)
    desk.store.texts.delete_queries([query.id])

    assert desk.store.texts.add_query(desk.project_id, query.text).id == query.id
    assert len(desk.store.texts.candidates(query.id)) == 5
    assert desk.grades()[0] == 3
