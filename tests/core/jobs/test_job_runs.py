"""Jobs as they run: processes that are killed, stopped and resumed at each state, two programs on a home, a full disk."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest

from reranker_core.errors import InputError
from reranker_core.jobs import Jobs, JobStatus
from reranker_core.jobs.folder import read_object
from reranker_core.jobs.locks import device_lock, take_lock
from reranker_core.jobs.processes import ProcessMark, is_alive
from reranker_core.training.settings import TrainingSettings
from tests.core.small_disk import fill, small_disk

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("leave_nothing")]

MakeSettings = Callable[..., TrainingSettings]
WaitUntil = Callable[..., JobStatus]

LONG = {"num_train_epochs": 400, "save_strategy": "steps", "save_steps": 2, "save_total_limit": 1}

_START = """
import json, sys
from pathlib import Path
from reranker_core.jobs import Jobs
from reranker_core.training.settings import TrainingSettings
home, *settings = sys.argv[1:]
sys.stdin.readline()
for one in settings:
    print(Jobs(Path(home)).start(TrainingSettings.from_dict(json.loads(one))).id, flush=True)
sys.stdin.readline()
"""
_RESUME = """
import sys
from pathlib import Path
from reranker_core.errors import InputError
from reranker_core.jobs import Jobs
sys.stdin.readline()
try:
    print(Jobs(Path(sys.argv[1])).resume(sys.argv[2]).attempt)
except InputError as error:
    print(error)
"""


def program(source: str, *arguments: object) -> "subprocess.Popen[str]":
    """Start another program on the same home, which waits for a line on its standard input."""
    argv = [sys.executable, "-c", source, *map(str, arguments)]
    return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)


def go(one: "subprocess.Popen[str]") -> None:
    assert one.stdin is not None
    one.stdin.write("\n")
    one.stdin.flush()


def note_of(job: JobStatus, file: str) -> dict[str, Any]:
    return read_object(job.folder / file) or {}


def mark_of(job: JobStatus, who: str) -> ProcessMark:
    values = note_of(job, "supervisor.json")["process" if who == "supervisor" else "worker"]
    mark = ProcessMark.from_dict(values)
    assert mark is not None
    return mark


def kill(job: JobStatus, who: str) -> None:
    os.kill(mark_of(job, who).pid, signal.SIGKILL)


def is_training(job: JobStatus) -> bool:
    return job.state == "running" and job.step >= 3


def has_ended(job: JobStatus) -> bool:
    return not job.is_active


def is_free(jobs: Jobs) -> bool:
    handle = take_lock(device_lock(jobs.folder, "cpu"), patience=5)
    if handle is not None:
        os.close(handle)
    return handle is not None


def test_two_programs_start_stop_and_resume_on_one_home(
    jobs: Jobs, make_settings: MakeSettings, wait_until: WaitUntil
) -> None:
    settings = json.dumps(make_settings(**LONG).to_dict())
    programs = [program(_START, jobs.folder, settings) for _ in range(2)]
    for one in programs:
        go(one)
    ids = [one.stdout.readline().strip() for one in programs]  # type: ignore[union-attr]
    for one in programs:
        os.killpg(one.pid, signal.SIGKILL)  # with all that a terminal would take along
        one.communicate()

    assert len({*ids, ""}) == 3
    wait_until(ids[0], lambda job: {"queued"} != {one.state for one in jobs.list()})
    first, second = sorted(map(jobs.read, ids), key=lambda job: job.state == "queued")
    first = wait_until(first.id, is_training)
    second = jobs.read(second.id)
    assert (second.state, second.waits_for, second.message) == ("queued", first.id, f"Waits for {first.name} to end.")
    if sys.platform == "linux":
        assert psutil.Process(mark_of(first, "worker").pid).nice() >= 5

    assert jobs.stop(second.id).state in ("stopping", "stopped")
    second = wait_until(second.id, has_ended)
    assert (second.state, second.can_resume) == ("stopped", True)
    assert "while it waited" in second.message
    assert not (second.folder / "state.json").exists()

    jobs.stop(first.id)
    first = wait_until(first.id, has_ended)
    assert (first.state, first.kind, first.total) == ("stopped", "adapter", 1200)
    assert f"saved after {first.step:,} of 1,200 steps" in first.message
    assert not any(is_alive(mark_of(first, who)) for who in ("worker",))
    assert is_free(jobs)

    resumes = [program(_RESUME, jobs.folder, first.id) for _ in range(2)]
    for one in resumes:
        go(one)
    answers = sorted(one.communicate()[0].strip() for one in resumes)
    assert answers[0] == "2"
    assert "is not at its end" in answers[1]
    again = wait_until(first.id, lambda job: job.state == "running" and job.step > first.step)
    assert (again.attempt, again.can_resume) == (2, False)
    with pytest.raises(InputError, match="Stop it first"):
        jobs.forget(first.id)
    steps = [point["step"] for point in jobs.read_metrics(first.id).train]
    assert steps == list(range(1, len(steps) + 1))
    os.kill(mark_of(again, "worker").pid, signal.SIGSTOP)  # it hangs
    jobs.stop(first.id, at_once=True)
    first = wait_until(first.id, has_ended)
    assert first.state == "stopped"
    assert "not saved is gone. Resume goes on after step" in first.message
    jobs.forget(first.id)
    assert [job.id for job in jobs.list()] == [second.id]


def test_a_job_goes_on_whoever_else_is_killed_and_comes_to_its_end(
    jobs: Jobs, make_settings: MakeSettings, wait_until: WaitUntil, rows: Path
) -> None:
    first = jobs.start(make_settings(num_train_epochs=12, save_strategy="steps", save_steps=6), name="first")
    second = jobs.start(make_settings(), name="second")
    wait_until(second.id, lambda job: job.waits_for == first.id and bool(note_of(job, "supervisor.json")))
    kill(second, "supervisor")
    second = wait_until(second.id, has_ended)
    assert (second.state, second.can_resume) == ("lost", True)
    assert "begins anew" in second.message

    wait_until(first.id, lambda job: job.state in ("starting", "running") and bool(note_of(job, "state.json")))
    supervisor = mark_of(first, "supervisor")
    kill(first, "supervisor")
    while is_alive(supervisor):
        time.sleep(0.01)
    assert take_lock(device_lock(jobs.folder, "cpu")) is None  # the worker keeps the device
    assert take_lock(first.folder / ".lock") is None  # and the job
    second = jobs.resume(second.id)
    second = wait_until(second.id, lambda job: job.waits_for == first.id)
    first = wait_until(first.id, has_ended)
    assert (first.state, first.step, first.total, first.kind) == ("completed", 36, 36, "adapter")
    assert first.message.startswith("Trained")
    assert not (first.folder / "exit.json").exists()
    assert (read_object(first.folder / "result.json") or {})["command"].startswith("python -m reranker_core.training")

    second = wait_until(second.id, has_ended)
    assert (second.state, second.attempt, second.step) == ("completed", 2, 3)
    rows.write_bytes(rows.read_bytes() + b"\n")
    with pytest.raises(InputError, match=r"was changed since|is complete"):
        jobs.resume(first.id)


@pytest.mark.parametrize("state", ["starting", "running"])
def test_a_worker_that_is_killed_has_failed_and_goes_on_from_its_checkpoint(
    state: str, jobs: Jobs, make_settings: MakeSettings, wait_until: WaitUntil
) -> None:
    job = jobs.start(make_settings(**LONG | {"num_train_epochs": 8}))
    if state == "starting":
        job = wait_until(job.id, lambda job: job.state == "starting" and job.stage == "loading")
    else:
        job = wait_until(job.id, is_training)
    kill(job, "worker")
    job = wait_until(job.id, has_ended)
    assert job.can_resume
    assert is_free(jobs)
    assert (job.state, job.error_kind) == ("failed", "killed")
    assert "killed, most likely for want of memory" in job.message
    assert note_of(job, "exit.json")["signal"] == signal.SIGKILL
    if state == "running":
        jobs.resume(job.id)
        job = wait_until(job.id, has_ended)
        assert (job.state, job.attempt, job.step) == ("completed", 2, 24)
        assert [point["step"] for point in jobs.read_metrics(job.id).train] == list(range(1, 25))
        assert any(event["event"] == "resumed" for event in jobs.read_metrics(job.id).events)


def test_a_job_without_its_supervisor_can_be_stopped_and_one_that_hangs_is_ended(
    jobs: Jobs, make_settings: MakeSettings, wait_until: WaitUntil
) -> None:
    job = jobs.start(make_settings(**LONG))
    job = wait_until(job.id, is_training)
    kill(job, "supervisor")
    assert jobs.stop(job.id).state == "stopping"
    job = wait_until(job.id, has_ended)
    assert (job.state, job.kind) == ("stopped", "adapter")
    assert "Stopped and saved after" in job.message

    Jobs(jobs.folder, grace=1.0).resume(job.id)
    job = wait_until(job.id, lambda one: one.state == "running" and one.step > job.step)
    os.kill(mark_of(job, "worker").pid, signal.SIGSTOP)
    jobs.stop(job.id)
    job = wait_until(job.id, has_ended)
    assert (job.state, job.can_resume) == ("stopped", True)
    assert not is_alive(mark_of(job, "worker"))
    assert is_free(jobs)


def test_a_job_whose_report_is_broken_off_keeps_what_it_trained_and_gets_the_report_later(
    jobs: Jobs, make_settings: MakeSettings, wait_until: WaitUntil
) -> None:
    job = jobs.start(make_settings(hold_out=0.3))
    job = wait_until(job.id, lambda job: job.state == "evaluating")
    kill(job, "worker")
    job = wait_until(job.id, has_ended)
    assert (job.state, job.kind, job.has_report, job.can_resume) == ("completed", "adapter", False, True)
    assert "killed before the report was made. Resume makes the report only" in job.message
    assert job.product is not None
    trained = {path: path.read_bytes() for path in job.product.iterdir()}

    jobs.resume(job.id)
    wait_until(job.id, lambda job: job.state == "evaluating")
    jobs.stop(job.id)
    job = wait_until(job.id, has_ended)
    assert (job.state, job.has_report) == ("completed", False)
    assert "stopped before the report was made. Resume makes the report only" in job.message

    jobs.resume(job.id)
    job = wait_until(job.id, has_ended)
    assert (job.state, job.attempt, job.has_report, job.can_resume) == ("completed", 3, True, False)
    assert (job.folder / "report.md").is_file()
    assert {path: path.read_bytes() for path in job.product.iterdir()} == trained  # type: ignore[union-attr]
    with pytest.raises(InputError, match="is complete, and has its report"):
        jobs.resume(job.id)
    followed = subprocess.run(
        [sys.executable, "-m", "reranker_core.jobs", "follow", "--home", str(jobs.folder.parent)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert read_object(job.folder / "report.json") is not None
    assert str((read_object(job.folder / "report.json") or {})["headline"]) in followed.stderr


def test_a_disk_that_is_full_fails_a_job_which_goes_on_once_there_is_room(
    make_settings: MakeSettings, tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk") as disk:
        jobs = Jobs(disk / "jobs")
        job = jobs.start(make_settings(**LONG))
        wait = wait_on(jobs)
        wait(job.id, is_training)
        filling = fill(disk)
        job = wait(job.id, has_ended)
        assert (job.state, job.error_kind) == ("failed", "space"), job.message
        assert job.message.startswith("The disk is full.")
        assert (job.folder / "job.json").is_file()
        filling.unlink()
        before = job.step
        job = jobs.resume(job.id)
        job = wait(job.id, lambda job: job.step > before)
        assert jobs.read_metrics(job.id).events[-1]["event"] == "resumed"
        os.kill(mark_of(job, "worker").pid, signal.SIGSTOP)
        assert jobs.stop(job.id).state == "stopping"
        kill(job, "worker")
        assert wait(job.id, has_ended).state == "stopped"


def wait_on(jobs: Jobs) -> WaitUntil:
    def wait(job_id: str, wanted: Callable[[JobStatus], bool]) -> JobStatus:
        ends = time.monotonic() + 120
        while time.monotonic() < ends:
            if wanted(job := jobs.read(job_id)):
                return job
            time.sleep(0.05)
        raise AssertionError(f"{job.state}: {job.message}\n{jobs.read_log(job_id, last=20)}")

    return wait
