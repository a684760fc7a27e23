"""The following side of the Train screen: what the page is told of jobs, and what it can do with them."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from made_jobs import CHECKPOINTS, HOSTILE, MadeJobs, make_report

from reranker_core.errors import InputError
from reranker_core.jobs import Jobs
from reranker_core.jobs.processes import own_mark
from reranker_core.local_models import LocalModels
from ui.page_views import bind
from ui.services import Services
from ui.tabs.train.job_actions import forget_job, resume_job, stop_job, use_job
from ui.tabs.train.job_merging import merge_job
from ui.tabs.train.job_models import choose_name
from ui.tabs.train.job_reports import export_job, make_stem, read_job_report
from ui.tabs.train.job_views import POINTS, follow_jobs

LLM = CHECKPOINTS / "llm"


@pytest.fixture
def made(tmp_path: Path) -> MadeJobs:
    """The jobs of a home of the test's own."""
    return MadeJobs(tmp_path)


def serve(made: MadeJobs, *, is_local: bool = True) -> Services:
    home = made.folder.parent
    return Services(jobs=Jobs(made.folder), local_models=LocalModels(home / "models.json"), allow_folders=is_local)


@pytest.fixture
def services(made: MadeJobs) -> Services:
    """Services as on a person's own machine."""
    return serve(made)


def told(services: Services, **wanted: Any) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(json.dumps(follow_jobs(services, wanted)))  # as it goes to the page
    return answer


def row(services: Services, job: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in told(services)["jobs"] if one["id"] == job)
    return found


# What is told


def test_without_jobs_there_is_nothing_to_choose(services: Services) -> None:
    answer = told(services)
    assert (answer["jobs"], answer["chosen"], answer["curves"]) == ([], None, {})


def test_the_job_at_work_is_chosen_by_itself_and_else_the_newest(made: MadeJobs, services: Services) -> None:
    running = made.make("first", state="running", step=3)
    newest = made.make("second")
    assert [one["name"] for one in told(services)["jobs"]] == ["second", "first"]
    assert told(services)["chosen"] == running
    made.end(running)
    assert told(services)["chosen"] == newest
    assert told(services, chosen=running)["chosen"] == running
    assert told(services, chosen="20260102-100000-ffffff")["chosen"] == newest


def test_curves_come_once_and_again_when_they_grew(made: MadeJobs, services: Services) -> None:
    job = made.make("first", state="running", step=2, dev={0: 0.4})
    curves = told(services)["curves"][job]
    assert curves["train"]["step"] == [1, 2]
    assert curves["train"]["loss"] == [2.0, 1.0]
    assert curves["dev"] == {"step": [0], "value": [0.4], "spread": [1.0]}
    known = {job: curves["token"]}
    assert told(services, known=known)["curves"] == {}
    made.log_steps(job, [0.5], first=3)
    assert told(services, known=known)["curves"][job]["train"]["step"] == [1, 2, 3]


def test_a_half_written_line_and_a_loss_that_is_no_number_leave_the_other_points(
    made: MadeJobs, services: Services
) -> None:
    job = made.make("first", state="running", losses=[2.0, None, 1.0])
    with (made.folder / job / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "train", "step": 4, "lo')
    assert told(services)["curves"][job]["train"]["loss"] == [2.0, None, 1.0]


def test_after_a_resume_only_the_points_that_hold_are_told_with_where_it_went_on(
    made: MadeJobs, services: Services
) -> None:
    job = made.make("first", losses=[2.0, 1.5, 9.0, 9.0], dev={2: 0.5, 4: 0.1})
    made.add_event(job, 2, "resumed", "Went on from checkpoint-2.")
    made.log_steps(job, [1.0, 0.8], first=3, dev={4: 0.6})
    curves = told(services)["curves"][job]
    assert curves["train"]["loss"] == [2.0, 1.5, 1.0, 0.8]
    assert curves["dev"]["value"] == [0.5, 0.6]
    assert curves["events"] == [{"step": 2, "event": "resumed", "message": "Went on from checkpoint-2."}]


def test_of_a_long_run_each_point_is_the_mean_of_some_steps(made: MadeJobs, services: Services) -> None:
    job = made.make("long", losses=[None, *(float(step) for step in range(2, 2 * POINTS + 2))])
    curves = told(services)["curves"][job]
    assert curves["steps_a_point"] == 3
    assert len(curves["train"]["step"]) <= POINTS
    assert curves["train"]["step"][-1] == 2 * POINTS + 1
    assert curves["train"]["loss"][:2] == [2.5, 5.0]  # of steps 2 and 3; of 4, 5 and 6


def test_the_log_comes_when_it_is_open_and_has_changed(made: MadeJobs, services: Services) -> None:
    job = made.make("first", log="one\ntwo\n")
    assert "log" not in told(services)
    log = told(services, log=True)["log"]
    assert log["text"] == "one\ntwo"
    assert "log" not in told(services, log=True, log_token=log["token"])
    (made.folder / job / "log.txt").write_text("one\ntwo\nthree\n")
    assert told(services, log=True, log_token=log["token"])["log"]["text"] == "one\ntwo\nthree"


def test_a_failed_job_says_why_and_that_it_can_go_on(made: MadeJobs, services: Services) -> None:
    job = made.make(
        "first", state="failed", step=3, error={"kind": "memory", "message": "Out of memory. Shorten passages."}
    )
    found = row(services, job)
    assert found["state"] == "failed"
    assert found["message"].startswith("Out of memory. Shorten passages.")
    assert found["can_resume"]


def test_a_folder_without_its_record_is_a_job_that_says_so(made: MadeJobs, services: Services) -> None:
    job = made.make("first")
    (made.folder / job / "job.json").unlink()
    assert "job.json" in row(services, job)["message"]
    assert told(services, chosen=job)["command"] == ""


def test_the_headline_of_a_report_stands_in_the_list_and_follows_the_file(made: MadeJobs, services: Services) -> None:
    job = made.make("first", report=make_report())
    first = row(services, job)
    assert (first["verdict"], first["headline"]) == ("better", "Better: nDCG@10 0.412 → 0.463 on 60 held-out queries")
    made.write_report(job, make_report("worse"))
    second = row(services, job)
    assert second["verdict"] == "worse"
    assert second["report"] != first["report"]
    (made.folder / job / "report.json").write_text("{half")
    assert row(services, job)["headline"] == ""


def test_a_report_comes_with_what_is_taken_away(made: MadeJobs, services: Services) -> None:
    report = make_report(query=HOSTILE)
    answer = read_job_report(services, {"id": made.make("Bees & Co/2", report=report)})
    assert answer["report"] == report.to_dict()
    assert answer["markdown"] == report.to_markdown()
    assert answer["file"] == "report-bees-co-2"
    assert make_stem("../..") == "job"


def test_strangers_see_jobs_without_places_of_this_machine_and_change_none(made: MadeJobs) -> None:
    base = made.folder.parent / "models" / "tiny"
    shutil.copytree(CHECKPOINTS / "encoder", base)
    job = made.make("first", base=base, report=make_report(), log=f"wrote {made.folder}/x/y\n", state="stopped")
    stranger = serve(made, is_local=False)
    answer = follow_jobs(stranger, {"log": True}) | read_job_report(stranger, {"id": job})
    assert str(made.folder.parent) not in json.dumps(answer)
    assert "/somewhere" not in json.dumps(answer)
    assert answer["can_change"] is False
    for function in (stop_job, resume_job, forget_job, use_job, merge_job, export_job):
        assert "--allow_training" in bind(stranger, function)({"id": job, "is_sure": True})["error"]
    assert (made.folder / job).is_dir()


@pytest.mark.parametrize("job", ["../../etc", "", "20260102-100000-ffffff", 7, None])
def test_only_ids_of_jobs_name_jobs(services: Services, job: object) -> None:
    for function in (stop_job, resume_job, forget_job, use_job, merge_job, export_job, read_job_report):
        assert bind(services, function)({"id": job, "is_sure": True})["error"]


# What can be done


def test_what_was_trained_is_in_use_by_the_jobs_name_once(made: MadeJobs, services: Services) -> None:
    job = made.make("bees", adapter="adapter-llm", base=LLM)
    used = use_job(services, {"id": job})
    assert (used["name"], used["base"]) == ("bees", "llm")
    model = services.local_models.find("bees")
    assert model is not None
    assert (model.base, model.adapter) == (str(LLM), str(made.folder / job))
    assert use_job(services, {"id": job})["name"] == "bees"
    assert [one.name for one in services.local_models.list()] == ["bees", "llm"]
    assert row(services, job)["in_use"] == "bees"


def test_a_jobs_name_becomes_one_that_is_free_and_allowed(made: MadeJobs, services: Services) -> None:
    for wanted, name in (
        ("a/b\\c\n", "a-b-c-"),
        ("..", "tuned"),
        ("x" * 200, "x" * 70),
        ("bge-reranker-v2-m3", "bge-reranker-v2-m3-2"),
    ):
        assert choose_name(services, wanted) == name
    first, second = (made.make("bees", adapter="adapter-llm", base=LLM) for _ in range(2))
    assert [use_job(services, {"id": job})["name"] for job in (first, second)] == ["bees", "bees-2"]


def test_a_job_without_a_product_and_one_that_does_not_fit_are_not_taken_into_use(
    made: MadeJobs, services: Services
) -> None:
    with pytest.raises(InputError, match="has made no model yet"):
        use_job(services, {"id": made.make("empty", state="stopped")})
    wrong = made.make("wrong", adapter="adapter-llm", base=CHECKPOINTS / "encoder")
    assert bind(services, use_job)({"id": wrong})["error"]
    assert services.local_models.list() == []


def test_forgetting_says_first_what_goes_and_then_takes_it_all(made: MadeJobs, services: Services) -> None:
    job = made.make("bees", adapter="adapter-llm", base=LLM, report=make_report())
    use_job(services, {"id": job})
    goes = forget_job(services, {"id": job})["goes"]
    assert (goes["name"], goes["product"], goes["report"]) == ("bees", "adapter", True)
    assert goes["bytes"] > (made.folder / job / "adapter" / "adapter_model.safetensors").stat().st_size
    assert services.local_models.find("bees")
    said = forget_job(services, {"id": job, "is_sure": True})["said"]
    assert said == "bees is forgotten, and bees is off the list of models."
    assert services.local_models.find("bees") is None
    assert told(services)["jobs"] == []
    assert not (made.folder / job).exists()


def test_an_active_job_is_not_forgotten(made: MadeJobs, services: Services) -> None:
    job = made.make("first", state="running", step=3)
    with pytest.raises(InputError, match="Stop it first"):
        forget_job(services, {"id": job, "is_sure": True})
    assert (made.folder / job).is_dir()


def test_a_job_that_is_being_merged_is_not_forgotten(made: MadeJobs, services: Services) -> None:
    job = made.make("bees", adapter="adapter-llm", base=LLM)
    (made.folder / job / "merge.json").write_text(json.dumps({"process": own_mark().to_dict(), "share": 0.5}))
    with pytest.raises(InputError, match="being merged"):
        forget_job(services, {"id": job, "is_sure": True})
    assert (made.folder / job).is_dir()


def test_stopping_writes_that_it_is_wanted_and_the_page_sees_it(made: MadeJobs, services: Services) -> None:
    job = made.make("first", state="running", step=3)
    assert "ends after this step" in stop_job(services, {"id": job})["said"]
    assert row(services, job)["state"] == "stopping"


def test_a_merge_is_followed_by_the_file_of_its_process(made: MadeJobs, services: Services) -> None:
    job = made.make("bees", adapter="adapter-llm", base=LLM)
    folder = made.folder / job
    assert row(services, job)["merge"]["state"] == ""
    (folder / "merge.json").write_text(json.dumps({"process": own_mark().to_dict(), "share": 0.25}))
    assert (row(services, job)["merge"]["state"], row(services, job)["merge"]["share"]) == ("running", 0.25)
    with pytest.raises(InputError, match="is being merged"):
        merge_job(services, {"id": job})
    gone = own_mark().to_dict() | {"create_time": 1.0}
    (folder / "merge.json").write_text(json.dumps({"process": gone, "share": 0.25}))
    assert (row(services, job)["merge"]["state"], row(services, job)["merge"]["message"][:28]) == (
        "failed",
        "The merge ended without a wo",
    )
    (folder / "merge.json").write_text(json.dumps({"error": "The disk is full."}))
    assert row(services, job)["merge"]["message"] == "The disk is full."
    (folder / "merged_model").mkdir()
    (folder / "merged_model" / "config.json").write_text("{}")
    assert row(services, job)["merge"]["state"] == "done"
    with pytest.raises(InputError, match="is merged already"):
        merge_job(services, {"id": job})


def test_only_an_adapter_of_a_job_that_ended_is_merged_or_exported(made: MadeJobs, services: Services) -> None:
    running = made.make("first", state="running", adapter="adapter-llm", base=LLM)
    empty = made.make("second", state="stopped")
    for job in (running, empty):
        with pytest.raises(InputError, match="no adapter that could be merged"):
            merge_job(services, {"id": job})
    with pytest.raises(InputError, match="nothing yet that could be exported"):
        export_job(services, {"id": empty})
    with pytest.raises(InputError, match="not merged yet"):
        export_job(services, {"id": made.make("third", adapter="adapter-llm", base=LLM), "what": "merged"})
