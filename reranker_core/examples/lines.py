"""Rows out of lines, for every format: where lines end, how they are decoded, and what becomes of a bad one.

A line ends at "\\n" and nowhere else (a "\\r" before it belongs to the end): U+2028 and its like are part of a text. Lines
that are empty or hold only spaces and tabs are skipped. A byte order mark before the first line is dropped.
"""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from reranker_core.errors import InputError
from reranker_core.examples.texts import check_text, describe

Source: TypeAlias = str | os.PathLike[str] | Iterable[str | bytes]
"""A file by its path, or lines one by one, with or without their ends, as text or as UTF-8."""

_Row = TypeVar("_Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """Why one row was left out.

    Attributes:
        source: the file, as messages name it.
        line: counted from 1.
        message: what was expected, what came, what to do.
    """

    source: str
    line: int
    message: str

    def __str__(self) -> str:
        """Say it in one line: `train.jsonl:17: …`."""
        return f"{self.source}:{self.line}: {self.message}"


class Problems:
    """Collects what is wrong with rows, for a reader that shall go on instead of raising at the first bad one.

    A bad row has one problem, the first that was found, so `rows` is always the rows that came out plus `count`. One of
    these may serve several files.
    """

    def __init__(self, *, limit: int = 100) -> None:
        """Start without any.

        Args:
            limit: how many are kept in words; those beyond it are only counted.
        """
        self._limit = limit
        self._listed: list[Problem] = []
        self._count = 0
        self._rows = 0

    @property
    def listed(self) -> tuple[Problem, ...]:
        """The first ones, in the order of the rows, up to the limit."""
        return tuple(self._listed)

    @property
    def count(self) -> int:
        """How many rows were left out, beyond the limit too."""
        return self._count

    @property
    def rows(self) -> int:
        """How many rows were read, good and bad; header and blank lines are no rows."""
        return self._rows

    def add_row(self) -> None:
        """Count a row that was read."""
        self._rows += 1

    def add(self, problem: Problem) -> None:
        """Note why the row was left out."""
        self._count += 1
        if len(self._listed) < self._limit:
            self._listed.append(problem)


def parse_rows(
    source: Source,
    parse: Callable[[str], _Row],
    *,
    name: str | None,
    problems: Problems | None,
    is_header: Callable[[str], bool] = lambda line: False,
) -> Iterator[_Row]:
    """Read rows one at a time, holding no more than a line.

    Args:
        source: a path or lines.
        parse: makes a row of a line without its end, or raises `InputError` with a sentence.
        name: named in messages; by default the path as given, or "line".
        problems: collects bad rows, which are then left out; `None` raises at the first one.
        is_header: tells whether the first line that is not blank is a header.

    Raises:
        InputError: the file cannot be read, or, without `problems`, a row is bad: `name:line: sentence`.
    """
    name = name or (str(os.fspath(source)) if isinstance(source, str | os.PathLike) else "line")
    may_be_header = True
    for number, line in enumerate(_open_lines(source), start=1):
        try:
            text = _decode(line, is_first=number == 1)
            if not text.strip(" \t\r"):
                continue
            was_first, may_be_header = may_be_header, False
            if was_first and is_header(text):
                continue
            row = parse(text)
        except InputError as error:
            may_be_header = False
            problem = Problem(source=name, line=number, message=str(error))
            if problems is None:
                raise InputError(str(problem)) from error
            problems.add_row()
            problems.add(problem)
            continue
        if problems is not None:
            problems.add_row()
        yield row


def parse_object(line: str) -> dict[str, Any]:
    """Read one JSON object.

    Raises:
        InputError: it is none, or has a key twice, of which JSON readers silently drop one.
    """
    try:
        value = json.loads(line, object_pairs_hook=_refuse_repeats)
    except InputError:
        raise
    except json.JSONDecodeError as error:
        where = f"{error.msg} at character {error.pos + 1}"
        raise InputError(f"no valid JSON ({where}). Write one JSON object a line.") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"no valid JSON ({error}). Write one JSON object a line.") from error
    if not isinstance(value, dict):
        raise InputError(f"expected a JSON object, got {describe(value)}. Write one JSON object a line.")
    return value


def take_text(row: dict[str, Any], key: str) -> str:
    """Take a text that must be there.

    Raises:
        InputError: it is missing, or no text.
    """
    if key not in row:
        raise InputError(f'"{key}" is missing; the row has {list_keys(row)}. Add it.')
    return check_text(row[key], where=f'"{key}"')


def list_keys(row: dict[str, Any]) -> str:
    """Name the keys of a row in a message."""
    return ", ".join([describe(key) for key in row][:8]) or "no keys"


def _refuse_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise InputError(f"the key {describe(key)} is there twice. Keep one of them.")
            seen.add(key)
    return value


def _open_lines(source: Source) -> Iterator[str | bytes]:
    if not isinstance(source, str | os.PathLike):
        yield from source
        return
    try:
        with Path(source).open("rb") as file:  # as bytes, lines end at "\n" only
            yield from file
    except (OSError, ValueError) as error:  # ValueError: a path with NUL
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{source} cannot be read ({reason}). Check the path and who may read it.") from error


def _decode(line: str | bytes, *, is_first: bool) -> str:
    if isinstance(line, bytes):
        try:
            line = line.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"no UTF-8 (byte {error.start + 1} of the line). Save the file as UTF-8.") from error
    if not isinstance(line, str):
        raise InputError(f"expected a line, got {describe(line)}. Give a path, or lines as text or bytes.")
    if is_first:
        line = line.removeprefix("\ufeff")
    return line.removesuffix("\n").removesuffix("\r")
