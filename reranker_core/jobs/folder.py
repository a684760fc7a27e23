"""The folder of a job: what lies where; written whole, and read without ever failing at what is half there."""

import json
import os
import re
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from reranker_core.examples.new_files import dump_json, new_file

JOB_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")

_TAIL = 256 * 1024  # bytes of a log that are read at most


def new_id() -> str:
    """Make an id: the time in UTC, so that names sort by age, and something random."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def now() -> str:
    """Give the time, as every file of a job has it: UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


class JobFolder:
    """Names the files of a job.

    Attributes:
        path: the folder.
        record: job.json, written once.
        attempts: attempts.jsonl, a line for each start.
        supervisor: supervisor.json.
        state: state.json.
        exit: exit.json.
        stop: control/STOP; that it is there asks to stop.
        log: what the worker says.
        supervisor_log: what the supervisor says, which is nothing where all goes well.
        metrics: metrics.jsonl.
        checkpoints: the folder of the checkpoints.
        result: result.json of the training.
        report: report.json.
        lock: held by the supervisor and the worker, so that a job never runs twice.
        reserve: takes up room on the disk, so that a job can say that the disk is full.
    """

    def __init__(self, path: Path) -> None:
        """Name the files; nothing is read or written."""
        self.path = path
        self.record = path / "job.json"
        self.attempts = path / "attempts.jsonl"
        self.supervisor = path / "supervisor.json"
        self.state = path / "state.json"
        self.exit = path / "exit.json"
        self.stop = path / "control" / "STOP"
        self.log = path / "log.txt"
        self.supervisor_log = path / "supervisor.log"
        self.metrics = path / "metrics.jsonl"
        self.checkpoints = path / "checkpoints"
        self.result = path / "result.json"
        self.report = path / "report.json"
        self.lock = path / ".lock"
        self.reserve = path / ".reserve"

    @property
    def id(self) -> str:
        """The job's id."""
        return self.path.name

    def find_product(self) -> tuple[Path | None, str]:
        """Find what was trained, and say whether it is an "adapter" or a "model"."""
        for kind, file in (("adapter", "adapter_config.json"), ("model", "config.json")):
            if (self.path / kind / file).is_file():
                return self.path / kind, kind
        return None, ""


def list_folders(jobs: Path) -> list[JobFolder]:
    """List the folders of all jobs, the newest first."""
    try:
        names = [entry.name for entry in os.scandir(jobs) if JOB_ID.fullmatch(entry.name) and entry.is_dir()]
    except OSError:
        return []
    return [JobFolder(jobs / name) for name in sorted(names, reverse=True)]


def read_object(path: Path) -> dict[str, Any] | None:
    """Read a JSON object; `None` where there is none, or none that is whole."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def read_objects(path: Path) -> list[dict[str, Any]]:
    """Read the JSON objects of a jsonl file, those lines that are whole."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return []
    objects = []
    for line in lines:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(value, dict):
            objects.append(value)
    return objects


def write_object(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON object, whole or not at all.

    Raises:
        InputError: it cannot be written.
    """
    with new_file(path) as file:
        file.write_header(dump_json(dict(content)))


def add_object(path: Path, content: Mapping[str, Any]) -> None:
    """Add a line to a jsonl file, on a line of its own even after one that was cut off, and have it on the disk."""
    with path.open("ab") as file:
        file.write(f"\n{dump_json(dict(content))}\n".encode())
        file.flush()
        os.fsync(file.fileno())


def read_end(path: Path, *, lines: int) -> str:
    """Read the last lines of a log. Of a line that was written over, as progress bars are, the last state is shown."""
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL))
            text = file.read().decode(errors="replace")
    except OSError:
        return ""
    shown = [line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n")]
    if size > _TAIL and len(shown) > 1:
        shown = shown[1:]  # which begins somewhere in it
    while shown and not shown[-1].strip():
        shown.pop()
    return "\n".join(shown[-lines:])


def read_last_words(path: Path) -> str:
    """Read the last line of a log that says something, shortened."""
    line = read_end(path, lines=1).strip()
    return line if len(line) <= 300 else f"{line[:299]}…"
