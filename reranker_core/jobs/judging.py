"""From what was read of a job to its state, and to what a person is told. Pure: the same facts, the same answer."""

import signal
from dataclasses import dataclass

from reranker_core.jobs.facts import Facts, read_time

STALLED_AFTER = 60.0
"""Seconds without a heartbeat after which a living job is said to give no sign of life."""

# Seconds in which who starts a job gets its supervisor going. A job nobody speaks of after that is lost.
_START = 15.0

_FINAL = ("completed", "stopped", "failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """How a job stands.

    Attributes:
        state: one of `STATES`.
        message: what it does, or why it ended so and what to do.
        error_kind: of a failed job; else "".
        ended_at: when it ended, as the file says it; `None` while it is active, or where that is unknown.
    """

    state: str
    message: str
    error_kind: str = ""
    ended_at: str | None = None


def judge(facts: Facts) -> Judgement:
    """Judge a job by its facts. Who lives goes before what is written, and what the worker says before how it ended."""
    if facts.is_working:
        return _judge_working(facts)
    if facts.is_trained and not _goes_on(facts):
        return _judge_trained(facts)
    status = facts.worker.get("status")
    if status in _FINAL:
        return _judge_ended(facts, str(status))
    if facts.exit:
        return _judge_exit(facts)
    if facts.is_supervised:
        return _judge_supervised(facts)
    return _judge_silent(facts)


def _goes_on(facts: Facts) -> bool:
    """Say whether a supervisor is at it still, with a worker to come or just gone."""
    return facts.is_supervised and not facts.exit and facts.worker.get("status") not in _FINAL


def _judge_working(facts: Facts) -> Judgement:
    said = str(facts.worker.get("message") or "")
    stage = facts.worker.get("stage")
    silence = facts.now - read_time(facts.worker.get("updated_at"))
    if facts.is_asked_to_stop:
        state, message = "stopping", "Saves what it has, then ends."
    elif not facts.worker or (stage == "loading" and not facts.worker.get("step")):
        state, message = "starting", said or "Starting."
    else:
        state, message = "evaluating" if stage == "evaluating" else "running", said
    if facts.worker and silence > STALLED_AFTER:
        message = (
            f"{message} No sign of life for {_say_minutes(silence)}; if that lasts, stop it at once and resume.".strip()
        )
    return Judgement(state=state, message=message)


def _judge_trained(facts: Facts) -> Judgement:
    ended_at = _find_end(facts)
    if facts.has_report:
        return Judgement(state="completed", message="Trained, and judged in the report.", ended_at=ended_at)
    error = facts.worker.get("error") or {}
    reason = str(facts.worker.get("report_error") or error.get("message") or "")
    if not reason:
        how = "stopped" if facts.is_asked_to_stop else "killed"
        reason = f"It was {how} before the report was made"
    return Judgement(
        state="completed",
        message=f"Trained; what was trained is saved. {reason.rstrip('.')}. Resume makes the report only.",
        ended_at=ended_at,
    )


def _judge_ended(facts: Facts, status: str) -> Judgement:
    error = facts.worker.get("error") or {}
    is_failed = status == "failed"
    message = str((error.get("message") if is_failed else facts.worker.get("message")) or "")
    if status == "completed":  # without result.json, which somebody took away
        status, message = "lost", f"It ended well, but its result.json is gone. {_say_resume(facts)}"
    return Judgement(
        state=status,
        message=message,
        error_kind=str(error.get("kind") or "bug") if is_failed else "",
        ended_at=_find_end(facts),
    )


def _judge_exit(facts: Facts) -> Judgement:
    """Judge by how the worker's process ended, where the worker itself said nothing."""
    rc, number = facts.exit.get("rc"), facts.exit.get("signal")
    reason, ended_at = facts.exit.get("reason"), _find_end(facts)
    if reason == "left the queue":
        message = f"Stopped while it waited for its turn. {_say_resume(facts)}"
        return Judgement(state="stopped", message=message, ended_at=ended_at)
    if reason:
        return Judgement(state="failed", message=str(reason), error_kind="bug", ended_at=ended_at)
    if facts.is_asked_to_stop:
        message = f"Ended at once; what was not saved is gone. {_say_resume(facts)}"
        return Judgement(state="stopped", message=message, ended_at=ended_at)
    if number == signal.SIGKILL:
        message = (
            "The process was killed, most likely for want of memory. Close other programs or free models, then resume; or "
            f"start anew with a smaller batch, group or passage_max_len. {_say_resume(facts)}"
        )
        return Judgement(state="failed", message=message, error_kind="killed", ended_at=ended_at)
    if number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        message = f"The process was ended from outside ({_name_signal(number)}). {_say_resume(facts)}"
        return Judgement(state="stopped", message=message, ended_at=ended_at)
    how = f"crashed ({_name_signal(number)})" if number else f"ended with exit status {rc}"
    words = f": {facts.last_words.rstrip('.')}" if facts.last_words else ""
    message = f"The process {how} without saying why{words}. The log has more. {_say_resume(facts)}"
    return Judgement(state="failed", message=message, error_kind="bug", ended_at=ended_at)


def _judge_supervised(facts: Facts) -> Judgement:
    """Judge a job whose worker is not there yet, or has ended a moment ago."""
    if facts.is_asked_to_stop:
        return Judgement(state="stopping", message="Ends in a moment.")
    if facts.worker:
        state = "evaluating" if facts.worker.get("stage") == "evaluating" else "running"
        return Judgement(state=state, message=str(facts.worker.get("message") or ""))
    if facts.phase == "running":
        return Judgement(state="starting", message="Starting.")
    return Judgement(state="queued", message="Waits for its turn.")


def _judge_silent(facts: Facts) -> Judgement:
    """Judge a job without a process and without a word about its end."""
    if facts.is_asked_to_stop:
        message = f"Stopped. {_say_resume(facts)}"
        return Judgement(state="stopped", message=message, ended_at=_find_end(facts))
    if not facts.worker and not facts.phase and facts.now - _find_begin(facts) < _START:
        return Judgement(state="queued", message="Waits for its turn.")
    what = "It was never started" if not facts.attempt else "Its processes are gone without a word about why"
    why = "" if not facts.attempt else "; they were killed, or the machine was switched off"
    return Judgement(state="lost", message=f"{what}{why}. {_say_resume(facts)}", ended_at=_find_end(facts))


def _find_begin(facts: Facts) -> float:
    return facts.attempted_at or read_time(facts.record.get("created_at"))


def _find_end(facts: Facts) -> str | None:
    ended = facts.exit.get("ended_at") or facts.worker.get("updated_at")
    return None if ended is None else str(ended)


def _say_resume(facts: Facts) -> str:
    if facts.is_trained:
        return "Resume makes the report only."
    return "Resume begins anew." if facts.checkpoint is None else f"Resume goes on after step {facts.checkpoint:,}."


def _say_minutes(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes:,} minutes" if minutes > 1 else "a minute"


def _name_signal(number: object) -> str:
    try:
        return signal.Signals(int(str(number))).name
    except ValueError:
        return f"signal {number}"
