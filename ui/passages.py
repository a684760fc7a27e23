"""Passages from the box on the screen or from a file, and back into the box without a change to any text."""

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from annotations.plurals import count
from reranker_core.errors import InputError
from reranker_core.examples.texts import check_text

ONE_PER_LINE = "one per line"
BY_BLANK_LINES = "blank lines"
JSON_STRINGS = "JSON strings"
SEPARATIONS = (ONE_PER_LINE, BY_BLANK_LINES, JSON_STRINGS)

FILE_TYPES = (".txt", ".jsonl", ".csv", ".tsv", ".json")

_Row = tuple[str, Any]  # the place, for messages, and what stands there

_PASSAGE_COLUMNS = ("passage", "passages", "text", "document", "content", "pos")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadFile:
    """What a file held.

    Attributes:
        query: the query that stands in it, or `None`.
        passages: its passages, in order.
        note: what a person should know, such as that there were more queries; else empty.
    """

    query: str | None
    passages: list[str]
    note: str = ""


def split_passages(text: str, separated: str = ONE_PER_LINE) -> list[str]:
    r"""Split what was pasted into passages. Empty lines are skipped, nothing else is trimmed.

    Args:
        text: the content of the passages box.
        separated: one of `SEPARATIONS`. Under `JSON_STRINGS` an empty text can be written as `""`, and is kept.

    Raises:
        InputError: a line is no JSON string though the passages are to be such; names it. Or `separated` is unknown.

    >>> split_passages("one\n\n two ")
    ['one', ' two ']
    """
    lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if separated == JSON_STRINGS:
        return [_read_json_string(line, number) for number, line in enumerate(lines, start=1) if line.strip()]
    if separated == ONE_PER_LINE:
        return [line for line in lines if line.strip()]
    if separated != BY_BLANK_LINES:
        raise InputError(f"Passages are separated as {', '.join(SEPARATIONS)}, got {separated!r:.60}. Choose one.")
    passages: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            passages[-1].append(line)
        elif passages[-1]:
            passages.append([])
    return ["\n".join(passage) for passage in passages if passage]


def join_passages(passages: Sequence[str]) -> tuple[str, str]:
    r"""Write passages into the box: the simplest separation from which the very same texts come back.

    Returns:
        The text of the box, and the separation under which it is to be read.

    >>> join_passages(["one", "two"])
    ('one\ntwo', 'one per line')
    """
    kept = list(passages)
    for separator, separated in (("\n", ONE_PER_LINE), ("\n\n", BY_BLANK_LINES)):
        text = separator.join(kept)
        if split_passages(text, separated) == kept:
            return text, separated
    return "\n".join(json.dumps(passage, ensure_ascii=False) for passage in kept), JSON_STRINGS


def read_passages_file(path: str | Path, name: str | None = None) -> ReadFile:
    """Read passages from a .txt (one per line), .jsonl, .csv, .tsv or .json file (one that was copied here as JSON).

    A jsonl row is a text, or an object with `passage`, `text` (and `title`), `passages`, or `pos` and `neg`; a `query` in
    it fills the query. A csv has such column names in its first line, or a single column. Empty passages are left out,
    but not of a .json file, which gives back exactly what was copied.

    Args:
        path: the file.
        name: its name for messages; by default that of the path.

    Raises:
        InputError: the file cannot be read, or not as what its ending says; names the line.
    """
    path = Path(path)
    name = name or path.name
    ending = Path(name).suffix.casefold()
    if ending not in FILE_TYPES:
        raise InputError(
            f"{name}: passages come from {', '.join(FILE_TYPES)}, got {ending or 'no ending'}. Rename or convert it."
        )
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{name} cannot be read ({error.strerror}). Choose another file.") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"{name}:{line}: this is no UTF-8 text. Save the file as UTF-8.") from error
    if ending == ".txt":
        rows: list[_Row] = [(name, line) for line in split_passages(text)]
    elif ending == ".json":
        content = _read_json(text, name)
        rows = [(name, row) for row in content] if isinstance(content, list) else [(name, content)]
    elif ending == ".jsonl":
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        places = [(f"{name}:{number}", line) for number, line in enumerate(lines, start=1) if line.strip()]
        rows = [(where, _read_json(line, where)) for where, line in places]
    else:
        rows = _read_table(text, name, delimiter="\t" if ending == ".tsv" else ",")
    return _collect(rows, name, keeps_empty=ending == ".json")


def _collect(rows: list[_Row], name: str, *, keeps_empty: bool) -> ReadFile:
    """Take the passages of the first query, and those without one."""
    query: str | None = None
    passages: list[str] = []
    other_queries: set[str] = set()
    for where, row in rows:
        row_query, texts = _read_row(row, where)
        if row_query is not None and query is None:
            query = row_query
        if row_query is not None and row_query != query:
            other_queries.add(row_query)
        else:
            passages += [text for text in texts if keeps_empty or text.strip()]
    if not passages:
        raise InputError(f"{name} holds no passage. Choose a file with one passage a line, or with passages in it.")
    more = ""
    if other_queries:
        more = f" It holds {count(len(other_queries), 'more query', 'more queries')}, left out with what belongs to it."
    return ReadFile(query=query, passages=passages, note=f"{count(len(passages), 'passage')} from {name}.{more}")


def _read_row(row: Any, where: str) -> tuple[str | None, list[str]]:
    if isinstance(row, str):
        row = {"passage": row}
    if not isinstance(row, dict):
        raise InputError(f"{where} must be a text or an object with a passage, got {row!r:.60}. Mend or remove it.")
    query = row.get("query")
    if query is not None and not isinstance(query, str):
        raise InputError(f'{where}: "query" must be a text, got {query!r:.60}. Mend or remove it.')
    if query is not None:
        check_text(query, where=f"{where}: the query")
        query = query if query.strip() else None
    for key in ("passages", "passage", "text", "document", "content"):
        if key in row:
            texts = row[key] if isinstance(row[key], list) else [row[key]]
            break
    else:
        if "pos" not in row and "neg" not in row:
            raise InputError(f'{where} has none of "passage", "passages", "text", "pos", "neg". Name the passage so.')
        texts = [text for key in ("pos", "neg") for text in _as_list(row.get(key))]
    if bad := [text for text in texts if not isinstance(text, str)]:
        raise InputError(f"{where}: a passage must be a text, got {bad[0]!r:.60}. Mend or remove it.")
    if key == "text" and isinstance(row.get("title"), str):
        texts = [f"{row['title']} {text}".strip() for text in texts]
    for text in texts:
        check_text(text, where=f"{where}: the passage")
    return query, texts


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _read_table(text: str, name: str, *, delimiter: str) -> list[_Row]:
    # For the whole process, and there is no other way. It only ever lifts the guard against a quote that is never closed,
    # and files of this size are harmless.
    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    lines: list[tuple[str, list[str]]] = []
    before = 0
    try:
        for cells in reader:
            if cells:
                lines.append((f"{name}:{before + 1}", cells))
            before = reader.line_num
    except csv.Error as error:
        raise InputError(f"{name}:{reader.line_num}: {error}. Quote fields that hold quotes or line breaks.") from error
    if not lines:
        return []
    where, first = lines[0]
    heads = [cell.strip().casefold() for cell in first]
    column = next((heads.index(head) for head in _PASSAGE_COLUMNS if head in heads), None)
    if column is None and any(len(cells) > 1 for _, cells in lines):
        raise InputError(
            f"{where}: no column is called passage or text, got {', '.join(heads)}. Name that of the passages so."
        )
    if column is None:
        return [(where, cells[0]) for where, cells in lines]
    names = {column: "text" if heads[column] == "text" else "passage"}
    names |= {heads.index(head): head for head in ("query", "title") if head in heads}
    return [
        (where, {names[place]: cell for place, cell in enumerate(cells) if place in names}) for where, cells in lines[1:]
    ]


def _read_json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: this is no valid JSON ({error}). Mend the line, or choose another file.") from error


def _read_json_string(line: str, number: int) -> str:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, str):
        raise InputError(
            f'Line {number} of the passages is no JSON string like "text". Mend it, or choose another separation.'
        )
    return value
