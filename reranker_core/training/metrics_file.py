"""metrics.jsonl: one JSON object a line, added as a run goes on, so that others can read along."""

import math
import os
import time
from pathlib import Path
from typing import Any, BinaryIO

from reranker_core.examples.new_files import dump_json


class MetricsFile:
    """Adds lines to metrics.jsonl; in any process but the first it writes nothing.

    Every line has `kind` ("train", "dev" or "event"), `step`, and `time` in seconds since 1970. Numbers that are not finite
    are null.
    """

    def __init__(self, path: Path, *, writes: bool) -> None:
        """Say where the lines go."""
        self._path, self._writes = path, writes

    def add(self, kind: str, *, step: int, **values: Any) -> None:
        """Add a line and have it in the file, on a line of its own even where a write before it broke off."""
        if not self._writes:
            return
        line = {"kind": kind, "step": step, **values, "time": round(time.time(), 3)}
        with self._path.open("ab+") as file:
            begins = b"" if _ends_whole(file) else b"\n"
            file.write(begins + dump_json(_without_nan(line)).encode() + b"\n")


def _ends_whole(file: BinaryIO) -> bool:
    if file.seek(0, os.SEEK_END) == 0:
        return True
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
