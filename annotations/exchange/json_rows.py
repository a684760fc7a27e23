"""jsonl of pairs: one pair a line, or one query with a list of passages."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotations.errors import InputError
from annotations.exchange.file_lines import Lines, Tick
from annotations.exchange.file_rows import FilePassage, FileRow, make_row, require_text
from annotations.exchange.file_scores import PLACES, SCORES, read_scores
from annotations.exchange.surveys import Survey
from annotations.exchange.table_columns import COLUMNS, name_column
from reranker_core.examples import Problem, Problems
from reranker_core.examples.lines import list_keys, parse_object, parse_rows
from reranker_core.examples.texts import describe

_OF_ONE = frozenset(COLUMNS) - {"query", "passage", "query_id", "source", "split"}  # columns of one passage


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonFile:
    """jsonl with the keys of our csv's columns, and scores; `passages` may hold a list of texts without labels.

    Attributes:
        path: where it lies.
        name: as messages name it.
    """

    path: Path
    name: str

    def survey(self, tick: Tick) -> Survey:
        """Count the grades, and find the keys that are not read.

        Raises:
            InputError: the file cannot be read.
        """
        raw_grades: Counter[str] = Counter()
        ignored: dict[str, None] = {}
        for row in self.read(Problems(limit=0), tick, ignored=ignored):
            raw_grades.update(one.label.raw for one in row.passages if one.label is not None and one.label.raw)
        notes: tuple[str, ...] = ()
        if ignored:
            notes = (f"These keys are not read: {', '.join(describe(key) for key in list(ignored)[:8])}.",)
        return Survey(raw_grades=raw_grades, notes=notes)

    def read(self, problems: Problems, tick: Tick, *, ignored: dict[str, None] | None = None) -> Iterator[FileRow]:
        """Give the good rows; bad ones are noted.

        Args:
            problems: takes the bad rows.
            tick: told how far it is.
            ignored: takes the keys that are not read.

        Raises:
            InputError: the file cannot be read.
        """
        lines = Lines(self.path, tick=tick)
        ignored = {} if ignored is None else ignored
        for given in parse_rows(lines, parse_object, name=self.name, problems=problems):
            try:
                row = self._make(given, line=lines.number, ignored=ignored)
            except InputError as error:
                problems.add(Problem(source=self.name, line=lines.number, message=str(error)))
            else:
                yield row

    def _make(self, given: Mapping[str, Any], *, line: int, ignored: dict[str, None]) -> FileRow:
        values = dict(given)
        passages = values.pop("passages", None)
        has_scores = {SCORES, PLACES} & values.keys()
        scores = read_scores(values)
        fields: dict[str, str] = {}
        for key, value in values.items():
            name = name_column(key)
            if name is None or (key != name and name in values):  # a key of exactly that name goes before others
                ignored.setdefault(key)
            else:
                if name in fields:
                    raise InputError(f"several keys are taken for the {name}: {list_keys(values)}. Keep one of them.")
                fields[name] = _as_text(value, key=key, must_be_text=name in ("query", "passage"))
        if "query" not in fields or ("passage" in fields) == (passages is not None):
            raise InputError(
                f'expected "query", and "passage" or "passages", got {list_keys(dict(given))}. Correct the line.'
            )
        if passages is None:
            return make_row(fields, file=self.name, line=line, scores=scores)
        if has_scores:
            raise InputError(
                f'"passages" cannot go with "{min(has_scores)}", which is of one passage. Write one pair a line.'
            )
        return _make_list(fields, passages, file=self.name, line=line)


def _make_list(fields: dict[str, str], passages: object, *, file: str, line: int) -> FileRow:
    """Make a row of a query and its passages, ranked as they stand there."""
    if not isinstance(passages, list) or not passages:
        raise InputError(f'"passages" must be a non-empty list of texts, got {describe(passages)}. Correct the line.')
    alone = _OF_ONE & fields.keys()
    if alone:
        raise InputError(f'"passages" cannot go with "{min(alone)}", which is of one passage. Write one pair a line.')
    row = make_row({**fields, "passage": ""}, file=file, line=line)
    texts = [require_text(text, where=f'text {place} of "passages"') for place, text in enumerate(passages, start=1)]
    ranked = tuple(
        FilePassage(text=text, source=row.passages[0].source, rank=rank) for rank, text in enumerate(texts, start=1)
    )
    return FileRow(file=file, line=line, query=row.query, passages=ranked, query_id=row.query_id, split=row.split)


def _as_text(value: object, *, key: str, must_be_text: bool) -> str:
    """Give a value as a table would have it: nothing for null, `true` and `3.0` as JSON writes them."""
    match value:
        case str():
            return require_text(value, where=f'"{key}"')
        case None if not must_be_text:
            return ""
        case bool() | int() | float() if not must_be_text:
            return describe(value)
    raise InputError(f'"{key}" must be a text{"" if must_be_text else " or a number"}, got {describe(value)}. Correct it.')
