"""What may be wrong with labels, and what is done about it."""

import pytest

from annotations.checks import SHOWN, Check, apply_fix, count_deletion, run_checks
from annotations.errors import InputError
from annotations.store import Store
from annotations.store.text_rows import NewCandidate
from annotations.store.texts import NewPassage, NewQuery
from tests.annotations.desk import Desk, lay_out


def check(desk: Desk) -> dict[str, Check]:
    """Give what the checks find, by kind."""
    return {one.kind: one for one in run_checks(desk.store, desk.project_id)}


def add(desk: Desk, query: str, *passages: str, split: str | None = None) -> Desk:
    """Add a query with candidates, and give a desk on it."""
    store = desk.store
    query_id = store.texts.add_queries(desk.project_id, [NewQuery(text=query, split=split)]).ids[0]  # type: ignore[arg-type]
    keys = store.texts.add_passages(desk.project_id, [NewPassage(text=text) for text in passages]).ids
    wanted = [NewCandidate(query_id=query_id, passage_id=key, source="bm25") for key in keys]
    return Desk(
        store=store,
        project_id=desk.project_id,
        annotator_id=desk.annotator_id,
        query_id=query_id,
        candidates=store.texts.add_candidates(wanted).ids,
        numbers=desk.numbers,
    )


def test_sound_labels_have_nothing_to_be_mended(desk: Desk) -> None:
    desk.judge(0, 3)
    desk.judge(1, 0)
    desk.judge(2, 1)
    desk.judge(3, None)

    assert run_checks(desk.store, desk.project_id) == []


def test_two_annotators_who_contradict_each_other_are_named_and_one_can_judge_again(desk: Desk) -> None:
    grace = desk.store.annotators.get_or_add("Grace").id
    alan = desk.store.annotators.get_or_add("Alan").id
    robot = desk.store.annotators.get_or_add("import", kind="import").id
    for index, (ada, other, who) in enumerate([(3, 0, grace), (2, 1, grace), (0, 3, robot), (0, 2, grace)]):
        desk.judge(index, ada)
        desk.judge(index, other, annotator_id=who)
    desk.judge(4, None)
    desk.judge(4, 3, annotator_id=grace)
    desk.judge(4, 0, annotator_id=alan)

    found = check(desk)["contradiction"]
    assert found.count == 3  # a person may overrule an import, and 1 against 2 is no contradiction
    assert [(row.passages[0].text, row.note) for row in found.rows] == [
        ("passage 0", "Ada: 3, Grace: 0; the rule takes 0"),
        ("passage 3", "Ada: 0, Grace: 2; the rule takes 0"),
        ("passage 4", "Grace: 3, Alan: 0; the rule takes 0"),
    ]
    assert found.rows[0].queries[0].text == "what is panda, asks pandas?"
    assert run_checks(desk.store, desk.project_id, rule="highest")[0].rows[1].note.endswith("takes 2")
    fixed = apply_fix(desk.store, desk.project_id, "judge_contradictions_again", annotator_id=desk.annotator_id)
    assert fixed == 2
    states = [row.state if (row := desk.judgement(index)) else None for index in range(5)]
    assert states == ["later", "graded", "graded", "later", "skipped"]
    assert [desk.judgement(index, grace).grade for index in (0, 3)] == [0, 2]  # type: ignore[union-attr]
    assert check(desk)["contradiction"].count == 1  # of others, who can judge again themselves
    assert apply_fix(desk.store, desk.project_id, "judge_contradictions_again", annotator_id=desk.annotator_id) == 0
    assert desk.undo() == "done"
    assert desk.grades()[:4] == [3, 2, 0, 0]


def test_passages_that_differ_in_nothing_but_case_and_space_are_reported_and_may_not_contradict(desk: Desk) -> None:
    twins = add(desk, "Who  eats BAMBOO?", "A  panda\n", "ａ PANDA", "a panda bear")
    add(desk, "who eats bamboo?")
    twins.judge(0, 3)
    twins.judge(1, 0)

    found = check(desk)
    assert [[text.text for text in (*row.queries, *row.passages)] for row in found["near_duplicates"].rows] == [
        ["Who  eats BAMBOO?", "who eats bamboo?"],
        ["A  panda\n", "ａ PANDA"],
    ]
    (row,) = found["contradicting_twins"].rows
    assert (row.candidate_ids, row.note) == (twins.candidates[:2], "grades 3, 0")
    assert apply_fix(desk.store, desk.project_id, "judge_twins_again", annotator_id=desk.annotator_id) == 2
    assert twins.grades() == [None, None, None]
    desk.undo()
    assert twins.grades() == [3, 0, None]
    assert apply_fix(desk.store, desk.project_id, "judge_duplicates_again", annotator_id=desk.annotator_id) == 2
    assert twins.grades() == [None, None, None]
    assert "contradicting_twins" not in check(desk)


def test_twins_whose_grades_differ_are_opened_again_and_others_stay(desk: Desk) -> None:
    first = add(desk, "Who eats?", "a panda", "A Panda", "a bear", "A Bear")
    second = add(desk, "who  eats?", "a panda", "a bear", "a word")
    for one, grades in ((first, (3, 2, 1, 1)), (second, (3, 1, 0))):
        for index, grade in enumerate(grades):
            one.judge(index, grade)

    rows = check(desk)["near_duplicates"].rows
    assert [row.note for row in rows] == [
        "2 queries, with different grades",
        "2 passages, with different grades",
        "2 passages",
    ]
    assert apply_fix(desk.store, desk.project_id, "judge_duplicates_again", annotator_id=desk.annotator_id) == 3
    assert (first.grades(), second.grades()) == ([None, None, 1, 1], [None, 1, 0])


def test_what_an_import_contradicts_itself_about_is_opened_for_the_person_who_asks(desk: Desk) -> None:
    store = desk.store
    robots = [store.annotators.get_or_add(name, kind="import").id for name in ("import", "other file")]
    twins = add(desk, "Who eats?", "a panda", "A Panda")
    for who, grade in zip(robots, (3, 0), strict=True):
        desk.judge(0, grade, annotator_id=who)
        desk.judge(1, 1, annotator_id=who)
    for name, grade in (("Grace", 3), ("Alan", 0)):  # who can judge again themselves
        desk.judge(2, grade, annotator_id=store.annotators.get_or_add(name).id)
    for index, grade in enumerate((3, 0)):
        twins.judge(index, grade, annotator_id=robots[0])

    def fix(name: str, who: int = desk.annotator_id) -> int:
        return apply_fix(store, desk.project_id, name, annotator_id=who)

    def count_open() -> list[int]:
        return [one.open for one in store.queue.open_queries(desk.project_id, desk.annotator_id)]

    assert count_open() == [3]
    assert [fix("judge_contradictions_again") for _ in range(2)] == [1, 0]
    assert count_open() == [4]
    assert fix("judge_twins_again") == 2
    assert count_open() == [4, 2]
    assert [judged.state for index in range(2) if (judged := desk.judgement(index))] == ["later"]
    desk.judge(0, 2)
    assert check(desk)["contradiction"].count == 1
    assert fix("judge_twins_again", robots[1]) == 0  # no person


def test_queries_that_cannot_be_trained_as_they_are_are_told_apart(desk: Desk) -> None:
    desk.judge(0, 1)
    desk.judge(1, 0)
    only_positive = add(desk, "only positive", "a", "b")
    only_positive.judge(0, 2)
    only_positive.judge(1, 1)
    unclear = add(desk, "unclear", "a", "b", "c")
    unclear.judge(0, None, state="cant_tell")
    unclear.judge(1, None)
    unclear.judge(2, None, state="later")
    add(desk, "not judged", "a")
    between = add(desk, "neither", "a")
    between.judge(0, 1)
    later = add(desk, "put off", "a")
    later.judge(0, None, state="later")

    found = check(desk)
    assert {kind: [row.queries[0].text for row in one.rows] for kind, one in found.items()} == {
        "no_positive": ["what is panda, asks pandas?", "neither"],
        "no_negative": ["only positive"],
        "unclear": ["unclear"],
    }
    assert [fix.can_apply for fix in found["no_negative"].fixes] == [False]
    assert apply_fix(desk.store, desk.project_id, "judge_unclear_again", annotator_id=desk.annotator_id) == 2
    assert "unclear" not in check(desk)


def test_queries_without_a_positive_are_opened_again_or_deleted_where_nothing_is_left(desk: Desk) -> None:
    done = add(desk, "all graded", "a", "b")
    for index in range(2):
        done.judge(index, 0)
    unclear = add(desk, "unclear", "a", "b", "c", "d")
    for index, state in enumerate(("skipped", "cant_tell", "later")):
        unclear.judge(index, None, state=state)
    unclear.judge(3, 0)
    half = add(desk, "half judged", "a", "b")
    half.judge(0, 0)
    fine = add(desk, "fine", "a", "b")
    fine.judge(0, 3)
    fine.judge(1, 0)

    def fix(name: str) -> int:
        return apply_fix(desk.store, desk.project_id, name, annotator_id=desk.annotator_id)

    (found,) = [one for one in run_checks(desk.store, desk.project_id) if one.kind == "no_positive"]
    assert [(row.queries[0].text, row.note) for row in found.rows] == [
        ("all graded", "2 graded"),
        ("unclear", "1 graded, 3 skipped, not clear or put off"),
        ("half judged", "1 graded"),
    ]
    assert [(one.name, one.deletes) for one in found.fixes] == [
        ("judge_no_positive_again", False),
        ("delete_no_positive", True),
    ]
    assert fix("judge_no_positive_again") == 2
    assert [judged.state for index in range(4) if (judged := unclear.judgement(index))] == [*["later"] * 3, "graded"]
    counted = count_deletion(desk.store, desk.project_id, "delete_no_positive")
    assert (counted.queries, counted.candidates, counted.judgements) == (1, 2, 2)
    assert count_deletion(desk.store, desk.project_id, "judge_twins_again").queries == 0
    assert fix("delete_no_positive") == 1
    assert [row.queries[0].text for row in check(desk)["no_positive"].rows] == ["unclear", "half judged"]
    desk.store.texts.restore_queries([done.query_id])
    assert done.grades() == [0, 0]


def test_on_the_binary_scale_one_is_positive(store: Store) -> None:
    desk = lay_out(store)
    desk.judge(0, 1, scale="binary")

    assert [one.kind for one in run_checks(store, desk.project_id)] == ["no_negative"]


def test_a_passage_that_is_positive_in_test_and_in_train_leaks(desk: Desk) -> None:
    desk.store.texts.add_passages(desk.project_id, [NewPassage(text="TWIN")])
    train = add(desk, "in train", "shared", "Twin", "negative in test", split="train")
    test = add(desk, "in test", "shared", "twin", "negative in test", split="test")
    dev = add(desk, "in dev", "shared", split="dev")
    for one, grades in ((train, (3, 3, 3)), (test, (2, 3, 0)), (dev, (3,))):
        for index, grade in enumerate(grades):
            one.judge(index, grade)

    found = check(desk)["leak"]
    assert [[text.text for text in (*row.queries, *row.passages)] for row in found.rows] == [
        ["in test", "in train", "shared"],
        ["in test", "in train", "twin", "Twin"],
    ]
    desk.store.texts.set_split([test.query_id], "train")
    assert "leak" not in check(desk)
    desk.store.texts.set_split([test.query_id], "test")
    chained = add(desk, "shares with the one in test", "far", "negative in train", split="test")
    apart = add(desk, "shares nothing", "alone", split="test")
    far = NewCandidate(
        query_id=test.query_id,
        passage_id=desk.store.texts.add_passages(desk.project_id, [NewPassage(text="far")]).ids[0],
        source="bm25",
    )
    both = Desk(
        store=desk.store,
        project_id=desk.project_id,
        annotator_id=desk.annotator_id,
        query_id=test.query_id,
        candidates=desk.store.texts.add_candidates([far]).ids,
        numbers=desk.numbers,
    )
    for one in (both, chained, apart):
        one.judge(0, 3)
    assert apply_fix(desk.store, desk.project_id, "move_leaks_to_train", annotator_id=desk.annotator_id) == 2
    splits = [desk.store.texts.query(one.query_id).split for one in (train, test, dev, chained, apart)]
    assert splits == ["train", "train", "dev", "train", "test"]
    assert "leak" not in check(desk)


def test_passages_without_text_can_be_deleted_and_restored(desk: Desk) -> None:
    empty = add(desk, "empty", "", " \n\u3000", "full")

    found = check(desk)["empty"]
    assert (found.count, [row.passages[0].text for row in found.rows]) == (2, ["", " \n\u3000"])
    assert apply_fix(desk.store, desk.project_id, "delete_empty", annotator_id=desk.annotator_id) == 2
    assert [row.passage.text for row in desk.store.texts.candidates(empty.query_id)] == ["full"]
    assert check(desk) == {}
    desk.store.texts.restore_passages([found.rows[0].passages[0].id])
    assert check(desk)["empty"].count == 1


def test_what_was_deleted_or_undone_is_not_checked_and_long_lists_are_cut(desk: Desk) -> None:
    store = desk.store
    grace = store.annotators.get_or_add("Grace").id
    store.texts.add_passages(desk.project_id, [NewPassage(text=" " * n) for n in range(SHOWN + 5)])
    desk.judge(0, 3)
    desk.judge(0, 0, annotator_id=grace)
    desk.judge(1, 3)
    desk.judge(1, 0, annotator_id=grace)
    store.texts.delete_passages([store.texts.candidates(desk.query_id)[0].passage.id])

    found = check(desk)
    assert (found["empty"].count, len(found["empty"].rows)) == (SHOWN + 5, SHOWN)
    assert [row.passages[0].text for row in found["contradiction"].rows] == ["passage 1"]
    desk.undo()
    assert check(desk).keys() == {"empty", "no_positive"}
    store.texts.delete_queries([desk.query_id])
    assert check(desk).keys() == {"empty"}


def test_what_is_no_rule_or_no_fix_is_refused(desk: Desk) -> None:
    with pytest.raises(InputError, match="majority, highest, lowest, got 'best'"):
        run_checks(desk.store, desk.project_id, rule="best")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="got 'fill_at_export'"):
        apply_fix(desk.store, desk.project_id, "fill_at_export", annotator_id=desk.annotator_id)
    with pytest.raises(InputError, match="no project 99"):
        run_checks(desk.store, 99)
