"""Starting processes that outlive who starts them."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from reranker_core.errors import InputError
from reranker_core.jobs.folder import JobFolder, add_object, now
from reranker_core.jobs.processes import mark_process

GRACE = 600.0
"""Seconds that a job which is asked to stop has to save and end: a step of a large model on a CPU takes minutes."""

_ROOT = Path(__file__).parents[2]


def launch(folder: JobFolder, *, attempt: int, grace: float) -> None:
    """Start the supervisor of a job, detached, and note that in attempts.jsonl.

    Raises:
        InputError: it cannot be started, or the note cannot be written.
    """
    came = now()
    argv = [sys.executable, "-m", "reranker_core.jobs.supervisor", str(folder.path), str(attempt)]
    argv += ["--grace", f"{grace:g}", "--since", came]
    try:
        with folder.supervisor_log.open("ab") as log:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=_find_this_package(dict(os.environ)),
            )
        # A child that nobody waits for stays a zombie as long as this program lives.
        threading.Thread(target=process.wait, name=f"job {folder.id}", daemon=True).start()
        mark = mark_process(process.pid)
        add_object(folder.attempts, {"attempt": attempt, "at": came, "argv": argv, "supervisor": mark.to_dict()})
    except OSError as error:
        raise InputError(
            f"{folder.path} cannot be written, or no process be started ({error.strerror}). Check the disk and the memory."
        ) from error


def worker_environment(*, offline: bool) -> dict[str, str]:
    """Give the worker's environment: the user's own, and what a process without a terminal needs.

    Args:
        offline: the run must never download.
    """
    added = {"PYTHONUNBUFFERED": "1", "TOKENIZERS_PARALLELISM": "false"} | ({"HF_HUB_OFFLINE": "1"} if offline else {})
    return _find_this_package(os.environ | added)


def _find_this_package(environment: dict[str, str]) -> dict[str, str]:
    """Let a child find this package from whatever working directory, in a checkout that is not installed too."""
    others = environment.get("PYTHONPATH")
    return environment | {"PYTHONPATH": os.pathsep.join([str(_ROOT), *([others] if others else [])])}
