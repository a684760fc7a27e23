"""Which process is meant, and that nothing of it stays."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from reranker_core.jobs.locks import take_lock
from reranker_core.jobs.processes import ProcessMark, end_tree, is_alive, mark_process, own_mark

pytestmark = pytest.mark.slow

# A process that does not listen to SIGTERM, with a child in a session of its own that does not either.
_STUBBORN = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if len(sys.argv) == 1:
    subprocess.Popen([sys.executable, __file__, "child"], start_new_session=True)
print("ready", flush=True)
time.sleep(600)
"""


@pytest.fixture
def sleeper() -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(["sleep", "600"])
    yield process
    process.kill()
    process.wait()


def test_a_process_is_known_by_its_start_and_not_by_its_number_alone(sleeper: "subprocess.Popen[bytes]") -> None:
    mark = mark_process(sleeper.pid)
    assert is_alive(mark)
    assert is_alive(own_mark())
    assert ProcessMark.from_dict(mark.to_dict()) == mark
    assert not is_alive(replace(mark, start=mark.start - 1))  # another one had its number before
    assert not is_alive(replace(mark, boot="before the machine was switched off"))
    assert ProcessMark.from_dict({"pid": "1", "create_time": 3, "boot": ""}) is None


def test_a_zombie_is_dead(sleeper: "subprocess.Popen[bytes]") -> None:
    mark = mark_process(sleeper.pid)
    sleeper.kill()
    while psutil.Process(sleeper.pid).status() != psutil.STATUS_ZOMBIE:
        time.sleep(0.01)
    assert psutil.pid_exists(sleeper.pid)
    assert not is_alive(mark)
    sleeper.wait()
    assert not is_alive(mark)
    assert not is_alive(mark_process(sleeper.pid))


def test_a_process_that_does_not_listen_is_ended_with_its_children_wherever_they_are(tmp_path: Path) -> None:
    script = tmp_path / "stubborn.py"
    script.write_text(_STUBBORN, encoding="utf-8")
    with subprocess.Popen([sys.executable, str(script)], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(2)] == [b"ready\n"] * 2
        marks = [mark_process(process.pid), *(mark_process(one.pid) for one in psutil.Process(process.pid).children())]
        assert [is_alive(mark) for mark in marks] == [True, True]
        end_tree(marks[0], patience=0.3)
    assert not any(map(is_alive, marks))


def test_a_lock_lasts_as_long_as_a_child_has_it(tmp_path: Path) -> None:
    path = tmp_path / ".lock"
    handle = take_lock(path)
    assert handle is not None
    with subprocess.Popen(["sleep", "600"], pass_fds=(handle,)) as child:
        os.close(handle)
        assert take_lock(path) is None
        child.kill()
    again = take_lock(path)
    assert again is not None
    os.close(again)
