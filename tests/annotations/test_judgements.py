"""Saving a judgement: once, on the disk, and never over something that the page had not seen."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event

from annotations.errors import ConflictError, InputError, StorageError
from annotations.store import Store
from tests.annotations.desk import Desk, lay_out, raw


def test_a_saved_judgement_is_in_the_file_when_save_returns(desk: Desk) -> None:
    assert desk.judge(0, 3).status == "saved"

    with raw(desk.store.path) as connection:
        assert connection.execute("SELECT state, grade, version FROM judgement").fetchall() == [("graded", 3, 1)]


def test_a_commit_that_fails_is_no_saved_judgement(desk: Desk) -> None:
    desk.judge(0, 1)

    def fail(connection: object) -> None:
        raise StorageError("the disk went away at COMMIT")

    event.listen(desk.store._database._writing, "commit", fail)
    with pytest.raises(StorageError, match="went away"):
        desk.judge(1, 1)
    event.remove(desk.store._database._writing, "commit", fail)

    assert desk.grades()[:2] == [1, None]
    assert desk.judge(1, 2).status == "saved"


def test_all_that_a_page_says_about_a_judgement_is_kept(desk: Desk) -> None:
    guideline = desk.store.projects.guideline(desk.project_id)
    desk.judge(
        0, 2, score_shown=True, position_shown=4, order_mode="shuffled", guideline_version_id=guideline.id, duration_ms=1234
    )

    kept = desk.judgement(0)
    assert kept is not None
    assert (kept.score_shown, kept.position_shown, kept.order_mode) == (True, 4, "shuffled")
    assert (kept.guideline_version_id, kept.duration_ms, kept.annotator_id) == (guideline.id, 1234, desk.annotator_id)


@pytest.mark.parametrize("state", ["skipped", "cant_tell", "later"])
def test_what_is_not_graded_has_no_grade(desk: Desk, state: str) -> None:
    desk.judge(0, None, state=state)

    kept = desk.judgement(0)
    assert kept is not None
    assert (kept.state, kept.grade) == (state, None)


@pytest.mark.parametrize(
    "changed",
    [
        {"grade": 4},
        {"grade": -1},
        {"grade": True},
        {"grade": None},
        {"state": "skipped"},
        {"state": "liked"},
        {"scale": "stars"},
        {"client_id": ""},
        {"seq": -1},
        {"expected_version": -1},
        {"duration_ms": -5},
    ],
)
def test_what_cannot_be_a_judgement_is_refused(desk: Desk, changed: dict[str, object]) -> None:
    with pytest.raises(InputError):
        desk.make(0, **{"grade": 1, "state": "graded", **changed})  # type: ignore[arg-type]


def test_a_candidate_or_guideline_that_is_not_there_is_refused(desk: Desk) -> None:
    other = lay_out(desk.store, name="bears", annotator="Ada")
    foreign = desk.store.projects.guideline(other.project_id)

    with pytest.raises(InputError, match="no candidate 999"):
        desk.judge(0, candidate_id=999)
    with pytest.raises(InputError, match="no annotator 999"):
        desk.judge(0, annotator_id=999)
    with pytest.raises(InputError, match="another project"):
        desk.judge(0, guideline_version_id=foreign.id)
    assert desk.grades() == [None] * 5


# The scale


def test_the_first_label_fixes_the_scale_for_good(desk: Desk) -> None:
    desk.judge(0, None, scale="graded")
    assert desk.store.projects.get_by_id(desk.project_id).scale is None

    desk.judge(0, 1, scale="binary")
    assert desk.store.projects.get_by_id(desk.project_id).scale == "binary"
    with pytest.raises(InputError, match="binary, as its first label made it, but the page graded graded"):
        desk.judge(1, 1, scale="graded")
    with pytest.raises(InputError, match="its grades are 0 and 1, got 2"):
        desk.judge(1, 2, scale=None)
    assert desk.judge(1, 0, scale=None).status == "saved"

    while desk.undo() == "done":
        pass
    assert desk.store.projects.get_by_id(desk.project_id).scale == "binary"


def test_a_first_label_without_a_scale_is_refused(desk: Desk) -> None:
    with pytest.raises(InputError, match="no scale yet"):
        desk.judge(0, 1, scale=None)
    assert desk.judgement(0) is None


# Two tabs


def test_a_stale_change_is_not_written_and_is_told_what_is_there(desk: Desk) -> None:
    desk.judge(0, 1, client_id="tab-1", seq=0, expected_version=0)
    desk.judge(0, 2, client_id="tab-2", seq=0, expected_version=1)

    with pytest.raises(ConflictError, match="in another tab meanwhile: grade 2") as refused:
        desk.judge(0, 3, client_id="tab-1", seq=1, expected_version=1)

    assert refused.value.current is not None
    assert (refused.value.current.grade, refused.value.current.version) == (2, 2)
    assert desk.grades()[0] == 2
    assert len(desk.store.history.of(refused.value.current)) == 2
    assert desk.judge(0, 3, client_id="tab-1", seq=2, expected_version=2).status == "saved"


def test_two_tabs_that_both_saw_nothing_do_not_overwrite_each_other(desk: Desk) -> None:
    desk.judge(0, 1, client_id="tab-1", seq=0, expected_version=0)

    with pytest.raises(ConflictError):
        desk.judge(0, 0, client_id="tab-2", seq=0, expected_version=0)
    assert desk.grades()[0] == 1


def test_what_was_undone_in_another_tab_is_a_conflict_with_nothing(desk: Desk) -> None:
    desk.judge(0, 1, client_id="tab-1", expected_version=0)
    desk.undo()

    with pytest.raises(ConflictError, match="undone in another tab") as refused:
        desk.judge(0, 2, client_id="tab-2", expected_version=1)
    assert refused.value.current is None


def test_a_version_never_comes_back_so_an_old_page_cannot_be_taken_for_a_new_one(desk: Desk) -> None:
    desk.judge(0, 1, client_id="tab-1", expected_version=0)
    desk.undo()
    desk.judge(0, 2, client_id="tab-2", expected_version=0)

    with pytest.raises(ConflictError):
        desk.judge(0, 3, client_id="tab-1", expected_version=1)
    assert desk.grades()[0] == 2


# Sent again, sent late


def test_a_repeated_send_is_answered_and_writes_nothing(desk: Desk) -> None:
    first = desk.judge(0, 2, seq=7)
    again = desk.judge(0, 2, seq=7, expected_version=0)

    assert (first.status, again.status) == ("saved", "repeated")
    assert again.judgement is not None
    assert (again.judgement.grade, again.judgement.version) == (2, 1)
    assert len(desk.store.history.of(again.judgement)) == 1


def test_a_repeated_send_is_answered_after_a_restart_too(desk: Desk, path: Path) -> None:
    desk.judge(0, 2, seq=7)
    desk.store.close()

    with Store.open(path) as desk.store:
        assert desk.judge(0, 2, seq=7, expected_version=0).status == "repeated"


def test_the_same_number_for_another_judgement_is_refused_rather_than_lost(desk: Desk) -> None:
    desk.judge(0, 2, seq=7)

    with pytest.raises(InputError, match="was another judgement, so this one was not saved"):
        desk.judge(1, 2, seq=7)
    with pytest.raises(InputError, match="was another judgement"):
        desk.judge(0, 3, seq=7)


def test_a_late_send_of_the_same_page_changes_nothing(desk: Desk) -> None:
    desk.judge(0, 3, seq=9)
    late = desk.judge(0, 1, seq=8, expected_version=0)

    assert late.status == "late"
    assert late.judgement is not None
    assert (late.judgement.grade, late.judgement.version) == (3, 1)
    assert desk.judge(1, 1, seq=5).status == "saved"  # of another candidate, so not late


def test_numbers_say_nothing_between_two_pages(desk: Desk) -> None:
    desk.judge(0, 3, client_id="old", seq=500)

    assert desk.judge(0, 1, client_id="new", seq=0).status == "saved"
    assert desk.grades()[0] == 1


# Clocks, people, many at once


def test_a_clock_that_goes_back_changes_nothing_but_times(path: Path) -> None:
    moments = iter(datetime(2026, 1, 1, tzinfo=UTC) - timedelta(days=n) for n in range(1000))
    with Store.open(path, clock=lambda: next(moments)) as store:
        desk = lay_out(store)
        desk.judge(0, 1)
        desk.judge(0, 2)
        desk.judge(1, 3)

        assert desk.judge(0, 1, seq=0, expected_version=0).status == "repeated"
        assert desk.grades()[:2] == [2, 3]
        desk.undo()
        assert desk.grades()[:2] == [2, None]
        desk.undo()
        assert desk.grades()[:2] == [1, None]
        desk.redo()
        judgement = desk.judgement(0)
        assert judgement is not None
        events = store.history.of(judgement)
        assert [one.action for one in events] == ["save", "save", "undo", "redo"]
        assert events[-1].at < events[0].at


def test_two_annotators_each_have_their_own_judgement(desk: Desk) -> None:
    grace = desk.store.annotators.get_or_add("Grace")
    desk.judge(0, 1)
    desk.judge(0, 3, annotator_id=grace.id, expected_version=0)

    assert [judgement.grade for judgement in desk.store.judgements.of_query(desk.query_id)] == [1, 3]
    mine = desk.store.judgements.of_query(desk.query_id, annotator_id=desk.annotator_id)
    assert [judgement.grade for judgement in mine] == [1]


def test_many_are_saved_all_or_none(desk: Desk) -> None:
    desk.judge(2, 3)

    with pytest.raises(ConflictError):
        desk.store.judgements.save_many([desk.make(0, 1), desk.make(1, 1), desk.make(2, 1, expected_version=0)])
    assert desk.grades() == [None, None, 3, None, None]

    saved = desk.store.judgements.save_many([desk.make(0, 1), desk.make(1, 1)])
    assert [one.status for one in saved] == ["saved", "saved"]
    assert desk.grades() == [1, 1, 3, None, None]


def test_many_that_are_sent_again_are_written_once(desk: Desk) -> None:
    inputs = [desk.make(0, 1), desk.make(1, 1)]
    desk.store.judgements.save_many(inputs)

    assert [one.status for one in desk.store.judgements.save_many(inputs)] == ["repeated", "repeated"]
    assert desk.undo() == "done"
    assert desk.undo() == "nothing"


def test_what_is_saved_together_is_of_one_annotator_and_one_project(desk: Desk) -> None:
    other = lay_out(desk.store, name="bears", annotator="Grace")

    with pytest.raises(InputError, match="one annotator"):
        desk.store.judgements.save_many([desk.make(0), desk.make(1, annotator_id=other.annotator_id)])
    with pytest.raises(InputError, match="one project"):
        desk.store.judgements.save_many([desk.make(0), desk.make(1, candidate_id=other.candidates[0])])
    assert desk.grades() == [None] * 5


def test_what_comes_back_belongs_to_no_session(desk: Desk) -> None:
    saved = desk.judge(0, 1)
    desk.store.close()

    assert saved.judgement is not None
    assert (saved.judgement.grade, saved.judgement.candidate_id) == (1, desk.candidates[0])
    with pytest.raises(StorageError, match="was closed"):
        desk.store.projects.list()


def test_a_judgement_of_a_deleted_text_is_kept_and_tells_which_was_deleted(desk: Desk) -> None:
    assert desk.judge(0).deleted is None
    passage = desk.store.texts.candidates(desk.query_id)[1].passage.id
    desk.store.texts.delete_passages([passage])
    assert desk.judge(1).deleted == "passage"
    desk.store.texts.delete_queries([desk.query_id])
    sent = desk.make(2)
    assert [desk.store.judgements.save(sent).deleted, desk.store.judgements.save(sent).deleted] == ["query", "query"]
    desk.store.texts.restore_queries([desk.query_id])
    assert desk.grades()[:3] == [1, 1, 1]
