"""What to judge next: the order of a query's candidates, and the queries that are still open."""

import random
from typing import Any

import pytest

from annotations.errors import InputError
from annotations.queue import Order, Placed, QueueRow, QueueScore, order_candidates
from annotations.store import Store
from annotations.store.imports import ImportedJudgement
from annotations.store.queue_rows import OpenQuery
from annotations.store.scores import NewScore
from annotations.store.text_rows import NewCandidate
from annotations.store.texts import NewPassage
from tests.annotations.desk import Desk, lay_out


def row(candidate: int, *scores: float | None, rank: int | None = None) -> QueueRow:
    """Make a candidate with the scores of models 1, 2, …"""
    said = {model: QueueScore(score=score) for model, score in enumerate(scores, start=1) if score is not None}
    return QueueRow(candidate_id=candidate, source="bm25", source_rank=rank, scores=said)


def place(rows: list[QueueRow], order: Order, *, seed: int = 7, share: float = 0.0) -> list[int]:
    """Give the candidates in order, without any that are drawn at random."""
    placed = order_candidates(rows, order=order, seed=seed, random_share=share)
    assert [one.position for one in placed] == list(range(1, len(rows) + 1))
    return [one.candidate_id for one in placed]


def test_pooled_goes_by_rank_then_by_age_and_what_has_no_rank_comes_last() -> None:
    rows = [row(9), row(4, rank=2), row(3, rank=1), row(2, rank=2), row(8)]

    assert place(rows, "pooled") == [3, 2, 4, 8, 9]


def test_shuffled_is_the_same_after_a_reload_and_nothing_changes_places_when_more_come() -> None:
    few = [row(key) for key in range(1, 40)]
    first = place(few, "shuffled")
    random.Random(1).shuffle(few)

    assert place(few, "shuffled") == first != sorted(first)
    assert place(few, "shuffled", seed=8) != first
    more = place([*few, *(row(key) for key in range(40, 80))], "shuffled")
    assert [key for key in more if key < 40] == first
    assert first[:5] == [4, 7, 12, 26, 33]  # on every machine, in every version of Python


def test_uncertain_begins_where_the_querys_own_scores_part() -> None:
    """Two relevant ones far above ten others: the median lies among those, and so does 0."""
    rows = [row(key, score) for key, score in enumerate([9.0, 8.5, 4.0, *(0.1 * n for n in range(-5, 5))], start=1)]

    assert place(rows, "uncertain")[:2] == [3, 2]
    uneven = [row(key, score) for key, score in enumerate([10.0, 6.0, 6.0, 6.0, 3.4, 0.0, 0.0, 0.0], start=1)]
    assert place(uneven, "uncertain")[0] == 5  # one that stands out is not a group against all others
    shifted = [row(one.candidate_id, one.scores[1].score * 3 - 100) for one in rows]
    assert place(shifted, "uncertain") == place(rows, "uncertain")


def test_uncertain_goes_by_the_model_that_scored_most_and_then_by_the_newest() -> None:
    both = [row(1, 0.0, 9.0), row(2, 5.1, 0.0), row(3, 10.0, 4.6), row(4)]

    assert place(both, "uncertain") == [3, 2, 1, 4]
    assert place([*both, row(5, 9.0)], "uncertain")[0] == 2


def test_disagreement_goes_by_the_spread_of_ranks_not_of_scores() -> None:
    rows = [row(1, 0.9, 50.0), row(2, 0.8, 30.0), row(3, 0.7, 40.0), row(4, 0.6, 900.0), row(5, 0.5, 45.0), row(6, 0.1)]

    # Ranks: 1 2 3 4 5 6 of six and 2 5 4 1 3 of five. The sixth has one only.
    assert place(rows, "disagreement") == [2, 4, 3, 5, 1, 6]


def test_equal_scores_are_no_disagreement() -> None:
    rows = [row(1, 1.0, 3.0), row(2, 0.0, 2.0), row(3, 0.0, 1.0), row(4, 0.0, 0.0), row(5, -1.0, -1.0)]

    spread_of_ties = place(rows, "disagreement")
    assert set(spread_of_ties[:2]) == {2, 4}
    assert set(spread_of_ties[2:]) == {1, 3, 5}


@pytest.mark.parametrize(
    ("order", "rows"),
    [
        ("uncertain", [row(1), row(2), row(3)]),
        ("uncertain", [row(1, 1.0), row(2), row(3)]),
        ("disagreement", [row(1, 1.0), row(2, 2.0), row(3, None, 1.0)]),
    ],
)
def test_without_scores_the_order_is_shuffled_and_says_so(order: Order, rows: list[QueueRow]) -> None:
    placed = order_candidates(rows, order=order, seed=7)

    assert placed == order_candidates(rows, order="shuffled", seed=7)
    assert {(one.order, one.is_random) for one in placed} == {("shuffled", False)}


@pytest.mark.parametrize("order", ["pooled", "uncertain", "disagreement"])
def test_a_fixed_share_of_places_is_drawn_at_random_from_the_rest(order: Order) -> None:
    rows = [row(key, float(key), float(key * 37 % 200), rank=key) for key in range(1, 201)]
    placed = order_candidates(rows, order=order, seed=7, random_share=0.2)
    places = [one.position for one in placed if one.is_random]

    assert sorted(one.candidate_id for one in placed) == list(range(1, 201))
    assert len(places) == 40
    assert places == list(range(places[0], 201, 5))
    fewer = order_candidates(rows[:50], order=order, seed=7, random_share=0.2)
    assert [one.position for one in fewer if one.is_random] == places[:10]
    assert len({order_candidates(rows, order=order, seed=seed)[0].is_random for seed in range(20)}) == 2
    by_order = [one.candidate_id for one in placed if not one.is_random]
    whole = place(rows, order)
    assert by_order == [key for key in whole if key in set(by_order)]
    drawn = [whole.index(one.candidate_id) for one in placed if one.is_random][:20]
    assert drawn != sorted(drawn)
    assert max(drawn) > 120  # from anywhere in the order, not from its top


def test_what_is_no_order_or_no_share_is_refused() -> None:
    with pytest.raises(InputError, match="pooled, shuffled, uncertain, disagreement, got 'best'"):
        order_candidates([], order="best", seed=1)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="from 0 to 1, got 20"):
        order_candidates([], order="pooled", seed=1, random_share=20)
    assert order_candidates([], order="uncertain", seed=1) == []


# Rows


def import_grades(desk: Desk, grades: dict[int, int | None], *, is_published: bool = True, annotator: Any = None) -> None:
    """Import grades of candidates, by index, as somebody of kind `import`; `None` is skipped."""
    importer = annotator or desk.store.annotators.get_or_add("import", kind="import")
    batch = desk.store.imports.begin(
        desk.project_id, source_kind="csv", source_name="a.csv", sha256=str(grades), scale="graded"
    )
    given = [
        ImportedJudgement(
            candidate_id=desk.candidates[index],
            annotator_id=importer.id,
            state="skipped" if grade is None else "graded",
            grade=grade,
        )
        for index, grade in grades.items()
    ]
    desk.store.imports.add_judgements(batch.id, given)
    if is_published:
        desk.store.imports.publish(batch.id)


def test_rows_hold_ones_own_judgements_all_scores_and_what_an_import_graded(desk: Desk) -> None:
    grace = desk.store.annotators.get_or_add("Grace")
    models = [desk.store.scores.add_model("minicpm", layer=layer).id for layer in (8, 40)]
    desk.store.scores.put(models[0], [NewScore(candidate_id=desk.candidates[0], score=1.5, rank=1)])
    desk.store.scores.put(models[1], [NewScore(candidate_id=desk.candidates[0], score=-2.0)])
    import_grades(desk, {1: 3, 2: None})
    desk.judge(0, 2)
    desk.judge(0, 1, expected_version=1)
    desk.judge(2, None, state="later")
    desk.judge(3, 3, annotator_id=grace.id, expected_version=0)
    desk.judge(4, 3)
    desk.undo()

    rows = desk.store.queue.rows(desk.query_id, desk.annotator_id)
    assert [(one.candidate_id, one.state, one.grade, one.version, one.is_imported) for one in rows] == [
        (desk.candidates[0], "graded", 1, 2, False),
        (desk.candidates[1], None, None, 0, True),
        (desk.candidates[2], "later", None, 1, False),
        (desk.candidates[3], None, None, 0, False),
        (desk.candidates[4], None, None, 0, False),
    ]
    assert rows[0].scores == {models[0]: QueueScore(score=1.5, rank=1), models[1]: QueueScore(score=-2.0)}
    assert (rows[0].source, rows[0].source_rank, rows[1].scores) == ("bm25", None, {})


def test_what_is_deleted_or_staged_is_not_in_the_queue(desk: Desk) -> None:
    store = desk.store
    store.texts.delete_passages([store.texts.candidates(desk.query_id)[0].passage.id])
    import_grades(desk, {2: 1}, is_published=False, annotator=store.annotators.get_or_add("Ada"))
    batch = store.imports.find_staged(desk.project_id)
    assert batch
    passage = store.texts.add_passages(desk.project_id, [NewPassage(text="staged")], batch_id=batch.id).ids[0]
    new = NewCandidate(query_id=desk.query_id, passage_id=passage, source="csv")
    store.texts.add_candidates([new], batch_id=batch.id)
    model = store.scores.add_model("m3")
    store.scores.put(model.id, [NewScore(candidate_id=desk.candidates[1], score=1.0)], batch_id=batch.id)

    rows = store.queue.rows(desk.query_id, desk.annotator_id)
    assert [one.candidate_id for one in rows] == list(desk.candidates[1:])
    assert all((one.state, one.scores) == (None, {}) for one in rows)
    assert [one.open for one in store.queue.open_queries(desk.project_id, desk.annotator_id)] == [4]
    store.texts.delete_queries([desk.query_id])
    assert store.queue.rows(desk.query_id, desk.annotator_id) == []
    assert store.queue.open_queries(desk.project_id, desk.annotator_id) == []


def test_open_queries_come_in_the_order_they_were_added_until_all_is_judged(store: Store) -> None:
    desk = lay_out(store, candidates=3)
    second = store.texts.add_query(desk.project_id, "second").id
    store.texts.add_query(desk.project_id, "without candidates")
    passages = [one.passage.id for one in store.texts.candidates(desk.query_id)]
    more = [NewCandidate(query_id=second, passage_id=key, source="bm25") for key in passages[:2]]
    later = store.texts.add_candidates(more).ids
    lay_out(store, name="other project")

    def find(**options: Any) -> list[tuple[int, int]]:
        found = store.queue.open_queries(desk.project_id, desk.annotator_id, **options)
        return [(one.query_id, one.open) for one in found]

    assert store.queue.open_queries(desk.project_id, desk.annotator_id)[1] == OpenQuery(
        query_id=second, text="second", open=2
    )
    assert find() == [(desk.query_id, 3), (second, 2)]
    assert find(limit=1) == [(desk.query_id, 3)]
    assert find(after_query_id=desk.query_id) == [(second, 2)]
    for index, state in enumerate(("skipped", "cant_tell", "later")):
        desk.judge(index, None, state=state)
    assert find() == [(desk.query_id, 1), (second, 2)]  # what was put off is open
    desk.judge(2, 0)
    assert find() == [(second, 2)]
    both = Desk(
        store=store,
        project_id=desk.project_id,
        annotator_id=desk.annotator_id,
        query_id=second,
        candidates=later,
        numbers=desk.numbers,
    )
    import_grades(both, {0: 1})
    assert find() == [(second, 1)]
    assert find(include_imported=True) == [(second, 2)]
    desk.undo()
    assert find() == [(desk.query_id, 1), (second, 1)]


def test_what_an_import_graded_is_open_to_whom_put_it_off(desk: Desk) -> None:
    def find(who: int) -> list[int]:
        return [one.open for one in desk.store.queue.open_queries(desk.project_id, who)]

    grace = desk.store.annotators.get_or_add("Grace").id
    import_grades(desk, dict.fromkeys(range(5), 1))
    assert (find(desk.annotator_id), find(grace)) == ([], [])
    desk.judge(1, None, state="later")
    assert (find(desk.annotator_id), find(grace)) == ([1], [])
    row = desk.store.queue.rows(desk.query_id, desk.annotator_id)[1]
    assert (row.state, row.is_imported) == ("later", True)
    desk.judge(1, 0)
    assert find(desk.annotator_id) == []


def test_with_a_depth_a_query_is_done_when_so_many_are_judged(desk: Desk) -> None:
    def find(depth: int) -> list[int]:
        return [one.open for one in desk.store.queue.open_queries(desk.project_id, desk.annotator_id, depth=depth)]

    assert (find(3), find(9)) == ([3], [5])
    desk.judge(0, 1)
    desk.judge(1, None, state="later")
    assert find(3) == [2]
    desk.judge(1, 1)
    desk.judge(2, 1)
    assert (find(3), find(4), find(9)) == ([], [1], [2])
    desk.store.texts.delete_passages([desk.store.texts.candidates(desk.query_id)[0].passage.id])
    assert (find(3), find(9)) == ([1], [2])
    with pytest.raises(InputError, match="depth must be a whole number from 1, got 0"):
        find(0)


def test_what_the_queue_gives_can_be_ordered(desk: Desk) -> None:
    rows = desk.store.queue.rows(desk.query_id, desk.annotator_id)

    placed = order_candidates(rows, order="pooled", seed=1, random_share=0.0)
    assert placed[0] == Placed(candidate_id=desk.candidates[0], position=1, is_random=False, order="pooled")
