"""Files of a job that are half there, damaged or hostile: read without an error, and nothing outside is touched."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from reranker_core.errors import InputError
from reranker_core.jobs import JobMetrics, Jobs
from reranker_core.jobs.folder import JOB_ID, JobFolder, add_object, new_id, read_end, read_object, read_objects
from reranker_core.jobs.following import Told
from reranker_core.jobs.locks import take_lock
from reranker_core.jobs.metrics import read_metrics
from reranker_core.jobs.processes import own_mark
from reranker_core.jobs.queueing import try_to_take_device
from reranker_core.jobs.state_file import StateFile

MakeJob = Callable[..., JobFolder]


def line(kind: str, step: int, **values: object) -> str:
    return json.dumps({"kind": kind, "step": step, **values})


def test_figures_that_a_resume_went_back_behind_do_not_count(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    lines = [
        *(line("train", step, loss=step) for step in range(1, 6)),
        line("dev", 0, **{"nDCG@10": 0.5}),
        line("dev", 4, **{"nDCG@10": 0.6}),
        line("event", 2, event="resumed", message="Went on from checkpoint-2."),
        *(line("train", step, loss=10 * step) for step in (3, 4)),
        line("event", 4, event="collapse", message="It collapses."),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    metrics = read_metrics(path)
    assert [(point["step"], point["loss"]) for point in metrics.train] == [(1, 1), (2, 2), (3, 30), (4, 40)]
    assert [point["step"] for point in metrics.dev] == [0]
    assert [event["event"] for event in metrics.events] == ["resumed", "collapse"]


def test_a_run_that_began_anew_leaves_none_of_its_earlier_figures(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    lines = [line("dev", 0, spread=1), line("train", 1, loss=1), line("event", 0, event="anew", message="From the start.")]
    path.write_text("\n".join([*lines, line("dev", 0, spread=2)]), encoding="utf-8")
    metrics = read_metrics(path)
    assert (metrics.train, [point["spread"] for point in metrics.dev]) == ((), [2])


@pytest.mark.parametrize("rest", ['{"kind": "train", "ste', "\udcff\udcfe", "null", "[1]", '{"kind": "train"}', "\x00" * 9])
def test_a_half_written_line_is_passed_over(rest: str, tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(f"{line('train', 1, loss=2)}\n{rest}".encode("utf-8", "surrogateescape"))
    assert [point["loss"] for point in read_metrics(path).train] == [2]
    assert read_objects(path)[0]["loss"] == 2
    assert read_metrics(tmp_path / "none") == JobMetrics()


def test_a_line_stands_alone_after_one_that_was_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "attempts.jsonl"
    path.write_text('{"attempt": 1, "a', encoding="utf-8")
    add_object(path, {"attempt": 2})
    assert read_objects(path) == [{"attempt": 2}]


def test_the_end_of_a_log_shows_bars_as_they_stood_last(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"first\n10%\r50%\r100%\r\nwindows\r\n\xff broken\n\n")
    assert read_end(path, lines=9) == "first\n100%\nwindows\n\ufffd broken"
    assert read_end(path, lines=1) == "\ufffd broken"
    path.write_bytes(b"x" * 300_000 + b"\nlast\n")
    assert read_end(path, lines=9) == "last"
    path.write_bytes(b"first\n" + b"\r40% of a download" * 30_000)  # a bar is one line that does not end
    assert read_end(path, lines=9) == "40% of a download"
    assert read_end(tmp_path / "none", lines=9) == ""


def test_ids_sort_by_time_and_are_no_paths() -> None:
    assert JOB_ID.fullmatch(new_id())
    for bad in (
        "",
        "..",
        "../x",
        "20260102-030405-abcdef/..",
        "20260102-030405-abcdef\n",
        "/etc",
        "20260102-030405-ABCDEF",
    ):
        assert not JOB_ID.fullmatch(bad)


@pytest.mark.parametrize("job_id", ["", "..", "../..", "20260102-030405-abcdef/../x", "20990101-000000-ffffff", "a\x00b"])
def test_no_id_leads_out_of_the_home(job_id: str, jobs: Jobs, make_job: MakeJob, tmp_path: Path) -> None:
    make_job()
    (tmp_path / "x").mkdir()
    for ask in (jobs.read, jobs.stop, jobs.resume, jobs.forget, jobs.read_log, jobs.read_metrics):
        with pytest.raises(InputError, match="There is no job"):
            ask(job_id)
    assert len(jobs.list()) == 1


def test_a_home_without_jobs_has_none_and_is_not_made(jobs: Jobs) -> None:
    assert jobs.list() == []
    assert not jobs.folder.exists()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"settings": {"who": 1}}', b'{"settings": 3}', b"\xff\xfe"])
def test_a_damaged_job_is_listed_as_one_and_can_only_be_forgotten(content: bytes, jobs: Jobs, make_job: MakeJob) -> None:
    whole = make_job("20260102-030405-aaaaaa", name="whole")
    damaged = make_job("20260102-030406-bbbbbb")
    damaged.record.write_bytes(content)
    for name in ("state.json", "supervisor.json", "exit.json", "attempts.jsonl", "result.json", "metrics.jsonl"):
        (damaged.path / name).write_bytes(content)
    one, other = jobs.list()
    assert (one.id, one.state, one.can_resume, one.settings) == (damaged.id, "lost", False, None)
    assert one.message.endswith(".")
    assert (other.id, other.name) == (whole.id, "whole")
    with pytest.raises(InputError):
        jobs.resume(damaged.id)
    jobs.forget(damaged.id)
    assert [job.id for job in jobs.list()] == [whole.id]
    assert not damaged.path.exists()


def test_forgetting_a_job_that_is_a_link_leaves_what_it_leads_to(jobs: Jobs, tmp_path: Path) -> None:
    other = tmp_path / "precious"
    other.mkdir()
    jobs.folder.mkdir(parents=True)
    link = jobs.folder / "20260102-030405-abcdef"
    link.symlink_to(other)
    jobs.forget(link.name)
    assert other.is_dir()
    assert not link.exists()


def test_a_job_tells_what_it_is_of(jobs: Jobs, make_job: MakeJob) -> None:
    folder = make_job()
    job = jobs.read(folder.id)
    assert (job.name, job.base, job.data, job.device) == ("encoder on rows.jsonl", "encoder", "rows.jsonl", "cpu")
    assert job.settings is not None
    assert job.settings.output_dir == folder.path
    assert json.loads(json.dumps(job.to_dict()))["folder"] == str(folder.path)
    (folder.path / "adapter").mkdir()
    (folder.path / "adapter" / "adapter_config.json").write_text("{}")
    job = jobs.read(folder.id)
    assert (job.product, job.kind) == (folder.path / "adapter", "adapter")


def test_a_home_that_was_moved_has_its_jobs_still(jobs: Jobs, make_job: MakeJob, tmp_path: Path) -> None:
    folder = make_job()
    moved = tmp_path / "elsewhere"
    jobs.folder.rename(moved)
    job = Jobs(moved).read(folder.id)
    assert job.settings is not None
    assert job.settings.output_dir == job.folder == moved / folder.id


def test_changed_data_is_not_gone_on_with(jobs: Jobs, make_job: MakeJob, rows: Path) -> None:
    folder = make_job()
    before = rows.read_bytes()
    rows.write_bytes(before + b"\n")
    with pytest.raises(InputError, match=r"rows\.jsonl was changed since it was started. Bring the data back"):
        jobs.resume(folder.id)
    rows.unlink()
    with pytest.raises(InputError, match=r"rows\.jsonl is not there"):
        jobs.resume(folder.id)
    assert not folder.attempts.exists()


def test_data_that_is_missing_starts_nothing(jobs: Jobs, make_settings: Callable[..., object], rows: Path) -> None:
    settings = make_settings()
    rows.unlink()
    with pytest.raises(InputError, match="is not there"):
        jobs.start(settings)  # type: ignore[arg-type]
    assert jobs.list() == []


def test_state_is_written_whole_and_its_end_even_where_nothing_changed(make_job: MakeJob) -> None:
    folder = make_job()
    with StateFile(folder, attempt=3) as state:
        first = read_object(folder.state)
        assert first is not None
        assert (first["attempt"], first["status"], first["process"]["pid"]) == (3, "", os.getpid())
        assert folder.reserve.stat().st_size > 100_000
        state.tell(stage="training", step=2)
        state.finish("stopped", message="done")
    last = read_object(folder.state)
    assert last is not None
    assert (last["stage"], last["step"], last["status"], last["message"]) == ("training", 2, "stopped", "done")
    assert not folder.reserve.exists()
    assert [path.name for path in folder.path.glob(".*.part")] == []


def test_a_folder_that_cannot_be_written_does_not_end_the_heartbeat(make_job: MakeJob) -> None:
    folder = make_job()
    with StateFile(folder, attempt=1) as state:
        moved = folder.path.rename(folder.path.with_name("away"))
        state.tell(stage="training")
        state.tell(stage="saving")
        moved.rename(folder.path)
        state.finish("completed", message="done")
    assert (read_object(folder.state) or {})["status"] == "completed"


def waiting(folder: JobFolder, **changes: object) -> JobFolder:
    """Let a job wait in the queue, as its supervisor, this process, would note it."""
    note = {"attempt": 1, "phase": "queued", "device": "cpu", "since": "2026-01-02T03:04:05+00:00"}
    folder.supervisor.write_text(json.dumps(note | {"process": own_mark().to_dict()} | changes), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("changes", "lets_pass"),
    [
        ({}, False),
        ({"since": "2026-01-02T09:00:00+00:00"}, True),
        ({"device": "cuda:0"}, True),
        ({"phase": "running"}, True),
        ({"process": own_mark().to_dict() | {"create_time": 1.0}}, True),
        ({"process": None}, True),
    ],
    ids=["came before", "came later", "other device", "has had its turn", "is dead", "is damaged"],
)
def test_a_job_waits_for_those_that_came_before_and_live(
    changes: dict[str, object], lets_pass: bool, make_job: MakeJob
) -> None:
    waiting(make_job("20260102-030405-aaaaaa"), **changes)
    second = make_job("20260102-030406-bbbbbb")
    lock = try_to_take_device(second, device="cpu", since="2026-01-02T05:00:00+00:00")
    assert (lock is not None) == lets_pass
    if lock is not None:
        assert try_to_take_device(second, device="cpu", since="2026-01-02T05:00:00+00:00") is None
        os.close(lock)


@pytest.mark.parametrize(("came", "lets_pass"), [("04:00:00", False), ("06:00:00", True)], ids=["before", "later"])
def test_a_job_that_was_started_before_goes_first_though_its_supervisor_is_slower(
    came: str, lets_pass: bool, make_job: MakeJob
) -> None:
    first = make_job("20260102-030405-aaaaaa")
    at = f"2026-01-02T{came}+00:00"
    add_object(first.attempts, {"attempt": 1, "at": at, "argv": [], "supervisor": own_mark().to_dict()})
    second = make_job("20260102-030406-bbbbbb")
    lock = try_to_take_device(second, device="cpu", since="2026-01-02T05:00:00+00:00")
    assert (lock is not None) == lets_pass
    if lock is not None:
        os.close(lock)


def test_who_leaves_the_queue_holds_nobody_up(make_job: MakeJob) -> None:
    first = waiting(make_job("20260102-030405-aaaaaa"))
    first.stop.parent.mkdir()
    first.stop.touch()
    lock = try_to_take_device(make_job("20260102-030406-bbbbbb"), device="cpu", since="2026-01-02T05:00:00+00:00")
    assert lock is not None
    os.close(lock)


def test_the_queue_is_told_in_the_order_in_which_jobs_came(jobs: Jobs, make_job: MakeJob) -> None:
    at = {"a": "2026-01-02T04:00:00+00:00", "b": "2026-01-02T03:00:00+00:00", "c": "2026-01-02T05:00:00+00:00"}
    folders = {letter: waiting(make_job(f"20260102-030405-{letter * 6}", name=letter)) for letter in at}
    for letter, time in at.items():
        add_object(folders[letter].attempts, {"attempt": 1, "at": time, "supervisor": own_mark().to_dict()})
    waits = {job.name: job.waits_for[-1:] for job in jobs.list()}
    assert waits == {"b": "", "a": "b", "c": "a"}
    assert jobs.read(folders["c"].id).message == "Waits for a to end."


def test_following_tells_each_thing_once(jobs: Jobs, make_job: MakeJob) -> None:
    folder = make_job()
    told = Told()
    job = replace(jobs.read(folder.id), state="running", stage="training", step=1, total=9, message="Training.")
    point = {"step": 1, "loss": 0.5}
    metrics = JobMetrics(train=(point,), dev=({"step": 0, "nDCG@10": 0.25},), events=({"message": "Beware."},))
    first = told.what_is_new(job, metrics)
    assert first.notes == ("Running: Training.", "Beware.", "Dev set after step 0: nDCG@10 0.2500.")
    assert (first.done, first.total, (first.figures or {})["loss"]) == (1, 9, 0.5)
    again = told.what_is_new(job, metrics)
    assert (again.notes, again.figures) == ((), None)
    assert told.what_is_new(job, JobMetrics(train=(point, {"step": 2, "loss": None}))).figures is not None


def test_a_worker_that_has_not_said_anything_yet_counts_where_its_supervisor_was_killed(
    jobs: Jobs, make_job: MakeJob
) -> None:
    dead = own_mark().to_dict() | {"create_time": 1.0}
    folder = waiting(make_job(), phase="running", process=dead, worker=own_mark().to_dict())
    assert jobs.read(folder.id).state == "starting"
    with pytest.raises(InputError, match="is not at its end"):
        jobs.resume(folder.id)
    waiting(folder, phase="running", process=dead, worker=dead)
    assert jobs.read(folder.id).state == "lost"


def test_a_job_that_a_process_out_of_sight_has_is_not_forgotten(
    jobs: Jobs, make_job: MakeJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_job()
    monkeypatch.setattr("reranker_core.jobs.store._LEAVING", 0.0)
    lock = take_lock(folder.lock)
    assert lock is not None
    with pytest.raises(InputError, match=r"has .* still"):
        jobs.forget(folder.id)
    os.close(lock)
    jobs.forget(folder.id)
    assert not folder.path.exists()


def test_odd_names_among_checkpoints_are_passed_over(jobs: Jobs, make_job: MakeJob) -> None:
    folder = make_job()
    for name in ("checkpoint-\u00b2", "checkpoint-x", "checkpoint-3"):
        (folder.checkpoints / name).mkdir(parents=True)
        (folder.checkpoints / name / "run.json").write_text("{}", encoding="utf-8")
    assert "after step 3" in jobs.read(folder.id).message
