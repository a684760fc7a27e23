"""Undo and redo of one's own judgements, and what happened to each."""

from pathlib import Path

import pytest

from annotations.errors import ConflictError, InputError
from annotations.store import Store
from tests.annotations.desk import Desk, lay_out


def test_undo_takes_back_one_step_after_the_other_and_redo_brings_them_again(desk: Desk) -> None:
    desk.judge(0, 1)
    desk.judge(1, 2)
    desk.judge(0, 3)

    seen = [desk.grades()[:2]]
    while desk.undo() == "done":
        seen.append(desk.grades()[:2])
    assert seen == [[3, 2], [1, 2], [1, None], [None, None]]
    while desk.redo() == "done":
        seen.append(desk.grades()[:2])
    assert seen[4:] == [[1, None], [1, 2], [3, 2]]
    assert desk.undo() == "done"
    assert desk.grades()[:2] == [1, 2]


def test_undo_works_after_the_store_was_opened_again(desk: Desk, path: Path) -> None:
    desk.judge(0, 1)
    desk.judge(1, 2)
    desk.store.close()

    with Store.open(path) as desk.store:
        assert desk.undo() == "done"
        assert desk.grades()[:2] == [1, None]
    with Store.open(path) as desk.store:
        assert desk.redo() == "done"
        assert desk.grades()[:2] == [1, 2]


def test_a_new_judgement_drops_what_could_be_redone(desk: Desk) -> None:
    desk.judge(0, 1)
    desk.judge(1, 2)
    desk.undo()
    desk.judge(2, 3)

    assert desk.redo() == "nothing"
    desk.undo()
    desk.undo()
    assert desk.grades()[:3] == [None, None, None]
    desk.redo()
    desk.redo()
    assert desk.redo() == "nothing"
    assert desk.grades()[:3] == [1, None, 3]


def test_undo_brings_back_all_that_was_kept_with_a_judgement(desk: Desk) -> None:
    desk.judge(0, None, state="later", score_shown=True, position_shown=3, order_mode="ranked", duration_ms=900)
    desk.judge(0, 2)
    desk.undo()

    kept = desk.judgement(0)
    assert kept is not None
    assert (kept.state, kept.grade, kept.score_shown, kept.position_shown) == ("later", None, True, 3)
    assert (kept.order_mode, kept.duration_ms, kept.version) == ("ranked", 900, 3)


def test_what_was_saved_together_is_one_step(desk: Desk) -> None:
    desk.judge(0, 3)
    desk.store.judgements.save_many([desk.make(index, 1) for index in range(4)])
    desk.judge(4, 2)

    desk.undo()
    step = desk.store.history.undo(desk.project_id, desk.annotator_id)
    assert desk.grades() == [3, None, None, None, None]
    assert {change.candidate_id for change in step.changes} == set(desk.candidates[:4])
    assert {change.query_id for change in step.changes} == {desk.query_id}
    assert desk.redo() == "done"
    assert desk.grades() == [1, 1, 1, 1, None]
    assert desk.undo() == "done"
    assert desk.undo() == "done"
    assert desk.grades() == [None] * 5
    assert desk.undo() == "nothing"


def test_two_judgements_of_one_candidate_in_one_step_are_taken_back_in_order(desk: Desk) -> None:
    desk.judge(0, 3)
    desk.store.judgements.save_many([desk.make(0, 1), desk.make(0, 2, expected_version=2)])
    assert desk.grades()[0] == 2

    desk.undo()
    assert desk.grades()[0] == 3
    desk.redo()
    assert desk.grades()[0] == 2
    desk.undo()
    assert desk.grades()[0] == 3


def test_nobody_undoes_what_is_not_theirs(desk: Desk) -> None:
    grace = desk.store.annotators.get_or_add("Grace")
    desk.judge(0, 1)
    desk.judge(0, 3, annotator_id=grace.id, expected_version=0)

    assert desk.undo() == "done"
    assert desk.undo() == "nothing"
    theirs = desk.judgement(0, grace.id)
    assert theirs is not None
    assert theirs.grade == 3
    assert desk.store.history.redo(desk.project_id, grace.id).status == "nothing"


def test_projects_have_steps_of_their_own(desk: Desk) -> None:
    other = lay_out(desk.store, name="bears")
    desk.judge(0, 1)
    other.judge(0, 2, client_id="page of bears")

    assert desk.undo() == "done"
    assert desk.undo() == "nothing"
    assert (desk.grades()[0], other.grades()[0]) == (None, 2)


def test_undo_follows_the_order_of_all_tabs_of_a_person(desk: Desk) -> None:
    desk.judge(0, 1, client_id="tab-1", seq=100)
    desk.judge(0, 2, client_id="tab-2", seq=0)
    desk.judge(1, 3, client_id="tab-1", seq=101)

    seen = []
    for number in range(3):
        desk.store.history.undo(desk.project_id, desk.annotator_id, client_id="tab-1", seq=200 + number)
        seen.append(desk.grades()[:2])
    assert seen == [[2, None], [1, None], [None, None]]


def test_an_undo_that_is_sent_again_undoes_once(desk: Desk) -> None:
    desk.judge(0, 1)
    desk.store.judgements.save_many([desk.make(1, 2), desk.make(2, 2)])

    first, again = (desk.store.history.undo(desk.project_id, desk.annotator_id, client_id="tab", seq=1) for _ in range(2))
    assert (first.status, again.status) == ("done", "repeated")
    assert again.changes == first.changes
    assert desk.grades()[:3] == [1, None, None]


def test_a_number_of_another_send_is_no_undo_that_was_sent_again(desk: Desk) -> None:
    grace = desk.store.annotators.get_or_add("Grace").id
    desk.judge(0, 1, client_id="tab", seq=1)
    history = desk.store.history
    with pytest.raises(InputError, match="page tab was something else, so this undo changed nothing"):
        history.undo(desk.project_id, desk.annotator_id, client_id="tab", seq=1)
    assert desk.grades()[0] == 1
    history.undo(desk.project_id, desk.annotator_id, client_id="tab", seq=2)
    other = lay_out(desk.store, name="bears")
    for act, project, who in (
        (history.redo, desk.project_id, desk.annotator_id),
        (history.undo, desk.project_id, grace),
        (history.undo, other.project_id, desk.annotator_id),
    ):
        with pytest.raises(InputError, match="was something else"):
            act(project, who, client_id="tab", seq=2)


def test_each_change_is_an_event_that_says_what_was_before_and_after(desk: Desk) -> None:
    saved = desk.judge(0, 1, client_id="tab", seq=4)
    desk.judge(0, 2)
    desk.undo()
    desk.redo()

    assert saved.judgement is not None
    events = desk.store.history.of(saved.judgement)
    assert [one.action for one in events] == ["save", "save", "undo", "redo"]
    grades = [(one.before and one.before["grade"], one.after and one.after["grade"]) for one in events]
    assert grades == [(None, 1), (1, 2), (2, 1), (1, 2)]
    assert (events[0].client_id, events[0].seq, events[0].actor_id) == ("tab", 4, desk.annotator_id)
    assert [one.undoes for one in events] == [None, None, events[1].id, events[2].id]
    assert desk.store.history.of(saved.judgement.id) == events


def test_what_was_undone_to_nothing_and_judged_anew_has_one_history(desk: Desk) -> None:
    desk.judge(0, 1)
    desk.judge(1, 2)
    desk.judge(0, 3, annotator_id=desk.store.annotators.get_or_add("Grace").id)
    desk.undo()
    desk.undo()
    history = desk.store.history

    assert [one.action for one in history.of_candidate(desk.candidates[0], desk.annotator_id)] == ["save", "undo"]
    desk.judge(0, 3)
    grades = [one.after and one.after["grade"] for one in history.of_candidate(desk.candidates[0], desk.annotator_id)]
    assert grades == [1, None, 3]
    assert history.of_candidate(desk.candidates[2], desk.annotator_id) == []


def test_a_step_is_taken_back_only_if_it_is_the_one_that_was_seen(desk: Desk) -> None:
    history, line = desk.store.history, (desk.project_id, desk.annotator_id)
    desk.store.judgements.save_many([desk.make(0, 1, seq=7), desk.make(1, 1, seq=8)])
    desk.judge(2, 1, client_id="other page", seq=0)
    for seen in (0, 10**6, ("page", 8), ("page", 0)):
        with pytest.raises(ConflictError, match="is not the one that this page shows"):
            history.undo(*line, seen=seen)
    newest = history.open_steps(*line).undo_id
    assert history.undo(*line, seen=newest).status == "done"
    assert history.undo(*line, seen=("page", 7)).status == "done"  # any of those that were saved together
    assert desk.grades()[:3] == [None, None, None]
    with pytest.raises(ConflictError):
        history.redo(*line, seen=("other page", 0))
    assert history.redo(*line, seen=("page", 8)).status == "done"
    assert desk.grades()[:3] == [1, 1, None]


def test_it_is_known_whether_there_is_a_step_to_undo_or_redo(desk: Desk) -> None:
    def steps() -> tuple[bool, bool]:
        found = desk.store.history.open_steps(desk.project_id, desk.annotator_id)
        return found.can_undo, found.can_redo

    seen = [steps()]
    desk.judge(0, 1)
    for act in (desk.undo, desk.redo, desk.undo, lambda: desk.judge(1, 2)):
        seen.append(steps())
        act()
    seen.append(steps())
    assert seen == [(False, False), (True, False), (False, True), (True, False), (False, True), (True, False)]
