"""Rows of queries and passages for the command line: jsonl, tsv, or plain lines under one query."""

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from reranker_core.errors import InputError
from reranker_core.examples.texts import check_text


@dataclass(frozen=True, slots=True)
class Row:
    """One line of input: a query and the passages that stand with it."""

    query: str
    passages: tuple[str, ...]


def read_rows(lines: Iterable[str | bytes], *, source: str, file_format: str, query: str | None = None) -> Iterator[Row]:
    r"""Read rows, skipping empty lines.

    Args:
        lines: the lines, with or without line ends, as text or as UTF-8.
        source: named in messages, such as the file's name.
        file_format: `"jsonl"`, each line `{"query": …, "passage": …}`, `{"query": …, "passages": […]}` or
            `["query", "passage"]`; `"tsv"`, each line query, tab, passage; `"lines"`, each line a passage.
        query: the query of `"lines"`.

    Raises:
        InputError: names source and line of the first bad row.

    Example:
        >>> list(read_rows(["what is panda?\thi"], source="a.tsv", file_format="tsv"))
        [Row(query='what is panda?', passages=('hi',))]
    """
    readers: dict[str, Callable[[str], Row]] = {
        "jsonl": _read_json,
        "tsv": _read_tsv,
        "lines": lambda line: Row(query or "", (line,)),
    }
    if file_format == "lines" and query is None:
        raise InputError("Plain lines are passages and need their query. Give it with --query.")
    read = readers[file_format]
    for number, line in enumerate(lines, start=1):
        try:
            text = _decode(line, is_first=number == 1)
            if text.strip():
                yield _check(read(text))
        except InputError as error:
            raise InputError(f"{source}:{number}: {error}") from error


def _decode(line: str | bytes, *, is_first: bool) -> str:
    if isinstance(line, bytes):
        try:
            line = line.decode()
        except UnicodeDecodeError as error:
            raise InputError(f"no UTF-8 (byte {error.start + 1} of the line). Save the file as UTF-8.") from error
    if is_first:
        line = line.removeprefix("\ufeff")  # the byte order mark that some editors write
    return line.removesuffix("\n").removesuffix("\r")


def _check(row: Row) -> Row:
    check_text(row.query, where="the query")
    for passage in row.passages:
        check_text(passage, where="the passage")
    return row


def _read_tsv(line: str) -> Row:
    columns = line.split("\t")
    if len(columns) != 2:
        raise InputError(f"expected query, tab, passage, got {len(columns)} columns. Correct the line, or use jsonl.")
    return Row(columns[0], (columns[1],))


def _read_json(line: str) -> Row:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"no valid JSON ({error}). Write one JSON object a line.") from error
    if isinstance(value, list) and len(value) == 2:
        value = {"query": value[0], "passage": value[1]}
    if not isinstance(value, dict):
        raise InputError(f'expected {{"query": …, "passage": …}}, got {line[:60]}. Correct the line.')
    if "passages" in value and "passage" in value:
        raise InputError('the row has both "passage" and "passages". Keep one of them.')
    if "passages" in value:
        passages = value["passages"]
        if not isinstance(passages, list):
            raise InputError(f'"passages" must be a list of texts, got {json.dumps(passages)[:60]}. Correct the line.')
    else:
        passages = [_text(value, "passage")]
    for passage in passages:
        if not isinstance(passage, str):
            raise InputError(f'each of "passages" must be a text, got {json.dumps(passage)[:60]}. Correct the line.')
    return Row(_text(value, "query"), tuple(passages))


def _text(value: dict[str, object], key: str) -> str:
    if key not in value:
        raise InputError(f'"{key}" is missing; the row has {", ".join(map(repr, value)) or "no keys"}. Add it.')
    text = value[key]
    if not isinstance(text, str):
        raise InputError(f'"{key}" must be a text, got {json.dumps(text)[:60]}. Correct the line.')
    return text
