"""csv and tsv with a header, and lines of query, tab, passage without one."""

import csv
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from annotations.errors import InputError
from annotations.exchange.file_lines import Lines, Tick
from annotations.exchange.file_rows import FileRow, make_row
from annotations.exchange.surveys import Survey
from annotations.exchange.table_columns import Columns, require_columns
from annotations.plurals import count
from reranker_core.examples import Problem, Problems
from reranker_core.examples.lines import parse_rows

_NO_HEADER = "There is no header, so every line, the first one too, is taken for a query, a tab and a passage."
_LONGEST_FIELD = 2**31 - 1  # characters; the csv module's 131,072 are fewer than some passages have


@dataclass(frozen=True, slots=True, kw_only=True)
class _RawRow:
    """A row of fields, or what is wrong with it."""

    line: int
    fields: list[str]
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFile:
    """A table of pairs.

    Attributes:
        path: where it lies.
        name: as messages name it.
    """

    path: Path
    name: str

    def survey(self, tick: Tick) -> Survey:
        """Read the columns, and count the grades.

        Raises:
            InputError: the file cannot be read, its lines end as on old Macs, or its header names no query or no passage.
        """
        lines = Lines(self.path, tick=tick)
        columns, rows = _open(lines, name=self.name)
        raw_grades: Counter[str] = Counter()
        if "grade" in columns.names:
            place = columns.names.index("grade")
            raw_grades.update(row.fields[place].strip() for row in rows if len(row.fields) > place)
            del raw_grades[""]
        notes = []
        if columns.ignored:
            named = ", ".join(f'"{name}"' for name in columns.ignored[:8])
            notes.append(f"These columns are not read: {named}. Those that are: {', '.join(filter(None, columns.names))}.")
        return Survey(raw_grades=raw_grades, notes=tuple(notes))

    def read(self, problems: Problems, tick: Tick) -> Iterator[FileRow]:
        """Give the good rows, one pair each; bad ones are noted.

        Raises:
            InputError: as for `survey`.
        """
        columns, rows = _open(Lines(self.path, tick=tick), name=self.name)
        for row in rows:
            problems.add_row()
            try:
                made = _make(row, columns, file=self.name)
            except InputError as error:
                problems.add(Problem(source=self.name, line=row.line, message=str(error)))
            else:
                yield made


@dataclass(frozen=True, slots=True, kw_only=True)
class PairsFile:
    """Lines of query, tab, passage; without a header, and without quotes.

    Attributes:
        path: where it lies.
        name: as messages name it.
    """

    path: Path
    name: str

    def survey(self, tick: Tick) -> Survey:
        """Tell that there are no grades, and no header."""
        return Survey(raw_grades=Counter(), notes=(_NO_HEADER,))

    def read(self, problems: Problems, tick: Tick) -> Iterator[FileRow]:
        """Give the good rows, one pair each; bad ones are noted.

        Raises:
            InputError: the file cannot be read.
        """
        lines = Lines(self.path, tick=tick)
        for line in parse_rows(lines, str, name=self.name, problems=problems):
            try:
                fields = line.split("\t")
                if len(fields) != 2:
                    raise InputError(
                        f"expected a query, a tab and a passage, got {count(len(fields), 'column')}. Correct the line."
                    )
                row = make_row({"query": fields[0], "passage": fields[1]}, file=self.name, line=lines.number)
            except InputError as error:
                problems.add(Problem(source=self.name, line=lines.number, message=str(error)))
            else:
                yield row


def _make(row: _RawRow, columns: Columns, *, file: str) -> FileRow:
    if row.problem:
        raise InputError(row.problem)
    if len(row.fields) != len(columns.names):
        raise InputError(
            f"expected {len(columns.names)} columns as in the header, got {len(row.fields)}. Put quotes around a text that "
            "holds the sign between columns, or correct the row."
        )
    fields = {name: field for name, field in zip(columns.names, row.fields, strict=True) if name is not None}
    return make_row(fields, file=file, line=row.line)


def _open(lines: Lines, *, name: str) -> tuple[Columns, Iterator[_RawRow]]:
    """Read the header, and give it with the rows below."""
    stream = iter(lines)
    for line in stream:
        header, _ = _decode(line)
        header = header.removeprefix("\ufeff") if lines.number == 1 else header
        if "\r" in header.rstrip("\r\n"):
            raise InputError(
                f"The lines of {name} end in a carriage return alone, as on old Macs, so that all of it looks like one "
                "line. Save it with the line ends of today, such as by “CSV UTF-8”."
            )
        if header.strip(" \t\r\n"):
            columns = require_columns(header.rstrip("\r\n"), file=name)
            return columns, _split_rows(stream, delimiter=columns.delimiter, line=lines.number + 1)
    raise InputError(f"{name} is empty. Choose another file.")


def _split_rows(stream: Iterator[bytes], *, delimiter: str, line: int) -> Iterator[_RawRow]:
    """Split lines into rows; a row that is no csv costs only its first line.

    A quote that is never closed would take all lines up to the next one with it. So reading goes on in the line after the
    one where the row began.

    Args:
        stream: the lines below the header.
        delimiter: the sign between columns.
        line: the number of the first of them.
    """
    csv.field_size_limit(_LONGEST_FIELD)  # is one for the whole program; there is no other way to read a long passage
    waiting: deque[bytes] = deque()
    while True:
        used: list[bytes] = []
        broken: list[int] = []
        problem = ""
        try:
            fields = next(csv.reader(_feed(stream, waiting, used, broken), delimiter=delimiter, strict=True), None)
        except csv.Error as error:
            fields = []
            problem = f"no valid csv ({error}). Close every quote, and double the quotes inside quotes, or correct the row."
            waiting.extendleft(reversed(used[1:]))
            del used[1:]
        if fields is None:
            return
        if broken and (broken[0] == 0 or not problem):
            problem = f"no UTF-8 (line {line + broken[0]}). Save the file as UTF-8."
        if len(used) > 1 or used[0].strip(b" \t\r\n"):
            yield _RawRow(line=line, fields=fields, problem=problem)
        line += len(used)


def _feed(stream: Iterator[bytes], waiting: deque[bytes], used: list[bytes], broken: list[int]) -> Iterator[str]:
    """Give lines to the csv reader, and keep which were used and which of them are no UTF-8."""
    while True:
        line = waiting.popleft() if waiting else next(stream, None)
        if line is None:
            return
        text, is_broken = _decode(line)
        if is_broken:
            broken.append(len(used))
        used.append(line)
        yield text


def _decode(line: bytes) -> tuple[str, bool]:
    """Decode a line, and tell whether it was no UTF-8; then what is wrong in it stands there as half characters."""
    try:
        return line.decode(), False
    except UnicodeDecodeError:
        return line.decode(errors="surrogateescape"), True
