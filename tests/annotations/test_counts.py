"""How far the work is."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from annotations.store import Store
from annotations.store.counts import Counts
from tests.annotations.desk import Desk, lay_out


def test_counts_are_those_of_one_annotator(desk: Desk) -> None:
    grace = desk.store.annotators.get_or_add("Grace")
    desk.judge(0, 3)
    desk.judge(1, None, state="skipped")
    desk.judge(2, None, state="cant_tell")
    desk.judge(3, None, state="later")
    desk.judge(4, 3, annotator_id=grace.id, expected_version=0)

    expected = Counts(candidates=5, graded=1, skipped=1, cant_tell=1, later=1)
    assert expected.unjudged == 1
    assert desk.store.counts.of_query(desk.query_id, desk.annotator_id) == expected
    assert desk.store.counts.of_project(desk.project_id, desk.annotator_id) == expected
    assert desk.store.counts.of_project(desk.project_id, grace.id).graded == 1


def test_what_is_undone_or_deleted_or_elsewhere_is_not_counted(desk: Desk) -> None:
    other = lay_out(desk.store, name="bears")
    other.judge(0, 1, client_id="bears")
    passages = [row.passage.id for row in desk.store.texts.candidates(desk.query_id)]
    for index in range(3):
        desk.judge(index, 1)
    desk.undo()
    desk.store.texts.delete_passages(passages[:1])

    expected = Counts(candidates=4, graded=1, skipped=0, cant_tell=0, later=0)
    assert desk.store.counts.of_query(desk.query_id, desk.annotator_id) == expected
    assert desk.store.counts.of_project(desk.project_id, desk.annotator_id) == expected
    desk.store.texts.delete_queries([desk.query_id])
    nothing = Counts(candidates=0, graded=0, skipped=0, cant_tell=0, later=0)
    assert desk.store.counts.of_query(desk.query_id, desk.annotator_id) == nothing
    assert desk.store.counts.of_project(desk.project_id, desk.annotator_id) == nothing


def test_today_begins_when_the_person_says(path: Path) -> None:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    moments = [now]
    with Store.open(path, clock=lambda: moments[-1]) as store:
        desk = lay_out(store)
        desk.judge(0, 1)
        moments.append(now + timedelta(days=2))
        desk.judge(1, 1)
        desk.judge(2, 1)
        desk.undo()

        assert store.counts.today(desk.project_id, desk.annotator_id) == 1
        assert store.counts.today(desk.project_id, desk.annotator_id, since=now) == 2
        assert store.counts.today(desk.project_id, desk.annotator_id, since=moments[-1] + timedelta(seconds=1)) == 0


def test_the_median_is_that_of_the_last_judgements_with_a_time(desk: Desk) -> None:
    assert desk.store.counts.median_seconds(desk.project_id, desk.annotator_id) is None
    for index, duration in enumerate((500, None, 4000, 1500)):
        desk.judge(index, 1, duration_ms=duration)

    assert desk.store.counts.median_seconds(desk.project_id, desk.annotator_id) == 1.5
    for number in range(100):
        desk.judge(4, number % 4, duration_ms=200)
    assert desk.store.counts.median_seconds(desk.project_id, desk.annotator_id) == 0.2
