"""Runs and qrels row by row, with line numbers and grades as they stand there.

`reranker_core.examples` reads the same rows into tables of whole grades. An import also needs to say on which line an id
stands that nobody has a text for, and lets its map decide what a grade such as 0.5 becomes.
"""

import math
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Literal, NamedTuple, TypeVar

from annotations.errors import InputError
from annotations.exchange.file_lines import Lines
from reranker_core.examples import Problem, Problems, read_beir_qrels
from reranker_core.examples.lines import parse_rows
from reranker_core.examples.texts import describe

_GAP = re.compile(r"[ \t]+")
_RANK = re.compile(r"[0-9]+")
_SCORE = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_Row = TypeVar("_Row")


class QrelsRow(NamedTuple):
    """A grade of a passage for a query, as it stands there."""

    line: int
    query_id: str
    passage_id: str
    raw: str


class RunRow(NamedTuple):
    """A passage that a system found for a query, with the system's name."""

    line: int
    query_id: str
    passage_id: str
    score: float
    tag: str


def recognise_columns(head: Sequence[str]) -> Literal["run", "qrels"] | None:
    """Tell by their first lines what rows of ids are; `None` if they are neither."""
    if not head:
        return None
    if len(head[0].split("\t")) == 3:
        return "qrels"
    return {4: "qrels", 6: "run"}.get(len(_split(head[0])))  # type: ignore[return-value]


def read_qrels_rows(lines: Lines, *, is_beir: bool, name: str, problems: Problems) -> Iterator[QrelsRow]:
    """Read grades. Bad rows are left out and noted.

    Args:
        lines: of the file.
        is_beir: whether rows have BEIR's three columns with tabs between, perhaps after a header, or TREC's four.
        name: as messages name the file.
        problems: takes the bad rows.

    Raises:
        InputError: the file cannot be read.
    """
    expected = ("query-id", "corpus-id", "score") if is_beir else ("query id", "iteration", "passage id", "grade")

    def parse(line: str) -> QrelsRow:
        columns = line.split("\t") if is_beir else _split(line)
        if len(columns) != len(expected):
            raise InputError(
                f"expected {len(expected)} columns ({', '.join(expected)}), got {len(columns)}. Correct the line."
            )
        query_id, passage_id, raw = columns[0], columns[-2], columns[-1]
        _check_ids(query_id, passage_id)
        return QrelsRow(lines.number, query_id, passage_id, raw.strip(" "))

    return _read(lines, parse, is_header=_is_header if is_beir else _is_no_header, name=name, problems=problems)


def read_run_rows(lines: Lines, *, name: str, problems: Problems) -> Iterator[RunRow]:
    """Read the six columns of a run. Bad rows are left out and noted, the second of a pair that comes twice too.

    Raises:
        InputError: the file cannot be read.
    """
    seen: dict[str, set[str]] = {}

    def parse(line: str) -> RunRow:
        columns = _split(line)
        if len(columns) != 6:
            raise InputError(
                f"expected 6 columns (query id, Q0, passage id, rank, score, tag), got {len(columns)}. Correct the line; "
                "ids must have no spaces."
            )
        query_id, _, passage_id, rank, score, tag = columns
        if not _RANK.fullmatch(rank):
            raise InputError(f"the rank must be a whole number, got {describe(rank)}. Correct the line.")
        number = float(score) if _SCORE.fullmatch(score) else math.nan
        if not math.isfinite(number):
            raise InputError(f"the score must be a finite number, got {describe(score)}. Correct the line.")
        _check_ids(query_id, passage_id)
        if passage_id in seen.setdefault(query_id, set()):
            raise InputError(
                f"query {describe(query_id)} has passage {describe(passage_id)} twice. Remove one of the lines."
            )
        seen[query_id].add(passage_id)
        return RunRow(lines.number, query_id, passage_id, number, tag)

    return _read(lines, parse, is_header=_is_no_header, name=name, problems=problems)


def _read(
    lines: Lines, parse: Callable[[str], _Row], *, is_header: Callable[[str], bool], name: str, problems: Problems
) -> Iterator[_Row]:
    for line in parse_rows(lines, str, name=name, problems=problems, is_header=is_header):
        try:
            row = parse(line)
        except InputError as error:
            problems.add(Problem(source=name, line=lines.number, message=str(error)))
        else:
            yield row


def _is_no_header(line: str) -> bool:
    """Take every line for a row."""
    return False


def _is_header(line: str) -> bool:
    """Tell whether a line is BEIR's header, as the reader of BEIR's own files sees it."""
    problems = Problems(limit=0)
    read_beir_qrels([line], problems=problems)
    return not problems.rows


def _check_ids(query_id: str, passage_id: str) -> None:
    for kind, text in (("query id", query_id), ("passage id", passage_id)):
        if not text.strip():
            raise InputError(f"the {kind} is empty. Correct the line.")


def _split(line: str) -> list[str]:
    """Split at spaces and tabs only: white space of other kinds may be part of an id."""
    return _GAP.split(line.strip(" \t"))
