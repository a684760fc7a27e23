"""The tour: its collection as a project, and how far somebody is."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from made_jobs import MadeJobs, make_report

from annotations.snapshots import create_snapshot
from annotations.store.judgements import JudgementInput
from reranker_core.errors import RerankerError
from reranker_core.jobs import Jobs
from ui.comparison import Comparison
from ui.label_place import Labels
from ui.services import Services
from ui.tour import TOUR_BASE, TOUR_NAME, WAITING, begin_tour, load_tour, tour_comparison, tour_state


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """Services over labels of their own, with the tour in them."""
    services = Services(labels=Labels(tmp_path_factory.mktemp("home")), allow_folders=True)
    assert tour_state(services, {}) == {"project": None}
    load_tour(services)
    yield services
    services.labels.close()


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[Services]:
    """Services over labels of their own, with nothing in them."""
    services = Services(labels=Labels(tmp_path))
    yield services
    services.labels.close()


def test_a_second_click_finds_the_project_again(services: Services) -> None:
    before = [project.id for project in services.labels.store.projects.list()]
    assert [load_tour(services)] == before
    assert [project.id for project in services.labels.store.projects.list()] == before


def test_the_project_has_questions_labels_and_a_guideline(services: Services) -> None:
    store, project_id = services.labels.store, load_tour(services)
    with store.labels.read(project_id) as reading:
        assert (reading.count_queries(), reading.count_passages()) == (206, 242)
    assert "withdrawn" in store.projects.guideline(project_id).text


def test_only_the_questions_left_open_are_offered_for_judging(services: Services) -> None:
    store, project_id = services.labels.store, load_tour(services)
    me = store.annotators.get_or_add("somebody").id
    found = store.queue.open_queries(project_id, me, limit=50)
    assert {query.query_id for query in found} == {one["id"] for one in tour_state(services, {})["questions"]}


def test_a_question_counts_as_answered_once_its_answer_is_judged(services: Services) -> None:
    store = services.labels.store
    question = tour_state(services, {})["questions"][0]
    me = store.annotators.get_or_add("me").id
    rows = {row.candidate_id: row for row in store.queue.rows(question["id"], me)}
    open_ones = [key for key, row in rows.items() if not row.is_imported]
    texts = {one.candidate.id: one.passage.text for one in store.texts.candidates(question["id"])}
    answer = next(key for key in open_ones if "costs nothing extra" in texts[key])
    other = next(key for key in open_ones if key != answer)
    assert len(open_ones) == 2
    for seq, (key, grade) in enumerate(((other, 0), (answer, 1))):
        assert not tour_state(services, {})["questions"][0]["is_judged"]
        given = JudgementInput(candidate_id=key, annotator_id=me, state="graded", grade=grade, client_id="page", seq=seq)
        store.judgements.save(given)
    assert [one["is_judged"] for one in tour_state(services, {})["questions"]] == [True, False, False, False]


def test_an_archived_tour_is_put_back_on_the_list(services: Services) -> None:
    projects = services.labels.store.projects
    project_id = load_tour(services)
    projects.archive(project_id)
    assert tour_state(services, {}) == {"project": None}
    assert begin_tour(services, {})["project"] == project_id
    assert [project.id for project in projects.list()] == [project_id]


def test_the_comparison_is_one_that_compare_takes(services: Services) -> None:
    comparison = Comparison.from_json(tour_comparison(services, {})["request"])
    assert comparison.models == ("bm25", TOUR_BASE)
    assert len(comparison.passages) == 5
    assert comparison.passages[0].startswith("Buffet car menu of 2019 The snack bar")


def test_an_import_that_never_came_is_made_again(empty: Services) -> None:
    made = empty.labels.store.projects.create(TOUR_NAME)
    assert tour_state(empty, {}) == {"project": None}
    found = begin_tour(empty, {})
    assert found["project"] == made.id
    assert len(found["questions"]) == len(WAITING)
    assert found["job"] is None


def test_another_project_of_the_same_name_is_refused_with_what_to_do(empty: Services, tmp_path: Path) -> None:
    from annotations.exchange import run_import, source_from_text

    store = empty.labels.store
    mine = store.projects.create(TOUR_NAME)
    run_import(store, mine.id, source_from_text("query,passage,grade\nbee,six weeks,1\nbee,a fly,0\n", name="mine"))
    with pytest.raises(Exception, match="Rename it under Data") as caught:
        load_tour(empty)
    assert isinstance(caught.value, RerankerError)


def test_the_job_of_the_tour_is_the_one_on_a_snapshot_of_it(services: Services, tmp_path: Path) -> None:
    made = MadeJobs(tmp_path)
    snapshot = create_snapshot(
        services.labels.store, load_tour(services), services.labels.snapshots, name="frozen"
    ).snapshot
    mine = made.make("the tour's", report=make_report())
    record = made.folder / mine / "job.json"
    told = json.loads(record.read_text(encoding="utf-8"))
    told["settings"]["train_data"] = [str(snapshot.folder)]
    record.write_text(json.dumps(told), encoding="utf-8")
    made.make("another's, and newer", report=make_report())

    found = tour_state(replace(services, jobs=Jobs(made.folder)), {})["job"]

    assert (found["id"], found["state"], found["is_active"]) == (mine, "completed", False)
    assert found["headline"] == make_report().headline
