"""The command line, run inside the tests' own process."""

import io
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reranker_core.command_line import main


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.split("\n")[:-1]]


Run = Callable[..., Result]


def make_run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *, home: Path) -> Run:
    """Give what runs one command, with bytes on its standard input, and never in the home of who runs the tests."""
    monkeypatch.setenv("RERANKER_WORKBENCH_HOME", str(home))

    def run_main(*arguments: object, stdin: bytes = b"") -> Result:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin), encoding="ascii"))
        code = main([str(argument) for argument in arguments])
        return Result(code, *capsys.readouterr())

    return run_main


def assert_refused(result: Result, *parts: str) -> None:
    """Hold a refusal to: exit status 2, nothing scored, one line on standard error."""
    assert (result.code, result.out) == (2, "")
    assert result.err.count("\n") == 1
    assert result.err.endswith(".\n")
    for part in parts:
        assert part in result.err
