"""What a command shows: its answer on standard output, as lines or JSON; notes and progress on standard error."""

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from annotations.exchange.import_options import Progress
from annotations.models import DatasetSnapshot, ImportBatch
from annotations.plurals import count

_SHOWN = 20  # problems in words


@runtime_checkable
class Problems(Protocol):
    """Rows that were left out: those of `reranker_core.examples`, as far as a command needs them."""

    @property
    def count(self) -> int: ...

    @property
    def listed(self) -> Sequence[object]: ...


def add_json_option(command: argparse.ArgumentParser) -> None:
    """Add the option that says how the answer is written."""
    command.add_argument("--json", action="store_true", help="answer as one JSON object, for other programs")


def answer(lines: Iterable[str]) -> None:
    """Write the answer for people."""
    sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    for line in lines:
        print(line)  # noqa: T201 (a command answers on the terminal)


def answer_json(value: Mapping[str, Any]) -> None:
    """Write the answer as one JSON object."""
    answer([json.dumps(to_json(value), ensure_ascii=False, indent=2)])


def note(message: object) -> None:
    """Say something on standard error that is no answer."""
    print(f"note: {message}", file=sys.stderr)  # noqa: T201 (a command answers on the terminal)


def to_json(value: Any) -> Any:
    """Make of reports what JSON can hold."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case Mapping():
            return {str(key): to_json(inside) for key, inside in value.items()}
        case Path():
            return str(value)
        case datetime():
            return value.isoformat()
        case Problems():
            return {"count": value.count, "listed": [str(problem) for problem in value.listed]}
        case ImportBatch():
            return {"source": value.source_name, "sha256": value.sha256, "published_at": to_json(value.published_at)}
        case DatasetSnapshot():
            return {"name": value.name, "path": value.path, "sha256": value.sha256, "at": to_json(value.created_at)}
        case _ if is_dataclass(value):
            return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
        case _ if isinstance(value, Iterable):
            return [to_json(inside) for inside in value]
        case _:
            raise TypeError(f"no JSON for {type(value).__name__}")


def lay_out(rows: Sequence[Mapping[str, object]]) -> Iterator[str]:
    """Lay rows of equal keys out as a table under their names; numbers to the right."""
    if not rows:
        return
    cells = [list(rows[0])] + [["" if value is None else str(value) for value in row.values()] for row in rows]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    is_number = [all(isinstance(row[name], int | None) for row in rows) for name in rows[0]]
    for row in cells:
        padded = (
            cell.rjust(width) if to_right else cell.ljust(width)
            for cell, width, to_right in zip(row, widths, is_number, strict=True)
        )
        yield "  ".join(padded).rstrip()


def list_problems(problems: Problems, *, what: str = "") -> Iterator[str]:
    """Say what is wrong with rows, by their lines; `what` says it of all."""
    if not problems.count:
        return
    left = count(problems.count, "row with a problem, which is left out", "rows with a problem, which are left out")
    yield what or f"{left}:"
    for problem in problems.listed[:_SHOWN]:
        yield f"  {problem}"
    if problems.count > _SHOWN:
        yield f"  and {problems.count - _SHOWN} more"


def list_left_out(reasons: Mapping[str, int]) -> Iterator[str]:
    """Say what was left out, by reason."""
    for reason, number in reasons.items():
        yield f"  left out {number}: {reason}"


@contextmanager
def show_stages() -> Iterator[Progress]:
    """Show a bar for each stage on standard error where that is a terminal."""
    from tqdm import tqdm

    layout = "{desc} {percentage:3.0f}%|{bar}| {elapsed}"
    with tqdm(total=1.0, file=sys.stderr, disable=None, delay=1, bar_format=layout) as bar:

        def tell(stage: str, fraction: float | None) -> None:
            bar.set_description_str(stage, refresh=False)
            bar.update((fraction or 0.0) - bar.n)

        yield tell
