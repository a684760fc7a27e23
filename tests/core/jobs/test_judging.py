"""The state of a job by what is there to be read: facts in, state and sentence out."""

import signal
from dataclasses import replace
from typing import Any

import pytest

from reranker_core.jobs.facts import Facts
from reranker_core.jobs.judging import judge
from reranker_core.jobs.status import STATES

NOW = 1_700_000_000.0
FRESH, OLD = "2023-11-14T22:13:18+00:00", "2023-11-14T22:03:20+00:00"  # two seconds and ten minutes before

ALIVE: dict[str, Any] = {"is_working": True, "is_supervised": True, "phase": "running"}
TRAINING = {"stage": "training", "step": 3, "message": "Training: step 3 of 9.", "updated_at": FRESH, "status": ""}


def facts(**given: Any) -> Facts:
    return Facts(record={"created_at": OLD}, attempted_at=NOW - 600, now=NOW, **given)


def ended(status: str, **given: Any) -> dict[str, Any]:
    return TRAINING | {"status": status, "message": f"it is {status}"} | given


@pytest.mark.parametrize(
    ("given", "state"),
    [
        ({"is_supervised": True}, "queued"),
        ({"is_supervised": True, "phase": "queued"}, "queued"),
        ({"is_supervised": True, "phase": "queued", "is_asked_to_stop": True}, "stopping"),
        ({"is_supervised": True, "phase": "running"}, "starting"),
        (ALIVE, "starting"),
        (ALIVE | {"worker": TRAINING | {"stage": "loading", "step": 0}}, "starting"),
        (ALIVE | {"worker": TRAINING}, "running"),
        (ALIVE | {"worker": TRAINING | {"stage": "measuring"}}, "running"),
        (ALIVE | {"worker": TRAINING | {"stage": "evaluating"}}, "evaluating"),
        (ALIVE | {"worker": TRAINING, "is_asked_to_stop": True}, "stopping"),
        # The supervisor was killed; the worker goes on.
        (ALIVE | {"worker": TRAINING, "is_supervised": False}, "running"),
        (ALIVE | {"is_supervised": False}, "starting"),
        # It said how it ended, and is still there: its memory is not free yet.
        (ALIVE | {"worker": ended("completed"), "is_trained": True}, "running"),
        # The worker has gone a moment ago, and the supervisor is about to say how.
        ({"is_supervised": True, "phase": "running", "worker": TRAINING}, "running"),
        ({"worker": ended("completed"), "is_trained": True, "has_report": True}, "completed"),
        ({"worker": ended("completed"), "is_trained": True}, "completed"),
        ({"worker": ended("stopped"), "exit": {"rc": 0}}, "stopped"),
        ({"worker": ended("failed", error={"kind": "data", "message": "bad row"}), "exit": {"rc": 1}}, "failed"),
        ({"worker": TRAINING, "exit": {"rc": -9, "signal": signal.SIGKILL}}, "failed"),
        ({"worker": TRAINING, "exit": {"rc": -9, "signal": signal.SIGKILL}, "is_asked_to_stop": True}, "stopped"),
        ({"worker": TRAINING, "exit": {"rc": -15, "signal": signal.SIGTERM}}, "stopped"),
        ({"worker": TRAINING, "exit": {"rc": -11, "signal": signal.SIGSEGV}}, "failed"),
        ({"exit": {"rc": 1, "signal": None}}, "failed"),
        ({"exit": {"rc": None, "reason": "left the queue"}, "is_asked_to_stop": True}, "stopped"),
        # Killed while it made its report: what was trained is there.
        ({"worker": TRAINING | {"stage": "evaluating"}, "exit": {"rc": -9, "signal": 9}, "is_trained": True}, "completed"),
        ({"worker": TRAINING}, "lost"),
        ({"phase": "queued"}, "lost"),
        ({}, "lost"),
        ({"attempt": 0}, "lost"),
        ({"worker": TRAINING, "is_asked_to_stop": True}, "stopped"),
        # A resume for the report only waits for the device.
        ({"is_supervised": True, "phase": "queued", "is_trained": True}, "queued"),
    ],
)
def test_the_state_follows_from_the_facts(given: dict[str, Any], state: str) -> None:
    assert state in STATES
    assert judge(facts(**given)).state == state


def test_a_job_that_is_being_started_is_queued_and_not_lost() -> None:
    young = Facts(record={"created_at": FRESH}, attempt=0, now=NOW)
    assert judge(young).state == "queued"
    assert judge(replace(young, now=NOW + 60)).state == "lost"
    assert judge(Facts(attempt=1, attempted_at=NOW - 1, now=NOW)).state == "queued"


@pytest.mark.parametrize(
    ("given", "parts"),
    [
        ({"exit": {"rc": -9, "signal": 9}, "checkpoint": 40}, ["killed, most likely for want of memory", "after step 40"]),
        (
            {"exit": {"rc": 1}, "last_words": "ImportError: no torch."},
            ["exit status 1", ": ImportError: no torch. The log"],
        ),
        ({"exit": {"rc": -11, "signal": 11}}, ["crashed (SIGSEGV)", "begins anew"]),
        ({"exit": {"rc": 1, "reason": "No memory."}}, ["No memory."]),
        ({"worker": ended("failed", error={"kind": "data", "message": "rows.jsonl:3: bad."})}, ["rows.jsonl:3: bad."]),
        ({"worker": TRAINING, "checkpoint": 1_000}, ["gone without a word", "after step 1,000"]),
        ({"attempt": 0}, ["never started", "begins anew"]),
        ({"is_trained": True, "is_asked_to_stop": True}, ["is saved", "stopped before the report", "the report only"]),
        ({"is_trained": True}, ["is saved", "killed before the report", "the report only"]),
        (
            {"is_trained": True, "worker": ended("completed", report_error="The report failed: x.")},
            ["The report failed: x. Re"],
        ),
    ],
)
def test_an_end_is_said_with_what_to_do(given: dict[str, Any], parts: list[str]) -> None:
    message = judge(facts(**given)).message
    for part in parts:
        assert part in message
    assert message.endswith(".")
    assert ".." not in message


def test_a_worker_without_a_heartbeat_is_said_to_be_silent_and_not_ended() -> None:
    silent = judge(facts(**ALIVE, worker=TRAINING | {"updated_at": OLD}))
    assert silent.state == "running"
    assert "No sign of life for 10 minutes" in silent.message
    assert "sign of life" not in judge(facts(**ALIVE, worker=TRAINING)).message


def test_the_kind_of_a_failure_is_kept() -> None:
    assert judge(facts(worker=ended("failed", error={"kind": "space", "message": "full"}))).error_kind == "space"
    assert judge(facts(exit={"rc": -9, "signal": 9})).error_kind == "killed"
    assert judge(facts(worker=ended("stopped"))).error_kind == ""
