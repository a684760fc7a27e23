"""What a file is: by its name, and where that does not say it, by its first lines."""

from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from annotations.errors import InputError
from annotations.exchange.file_lines import Lines
from annotations.exchange.table_columns import find_columns
from annotations.exchange.trec_files import recognise_columns
from reranker_core.examples.lines import parse_object
from reranker_core.examples.texts import describe

_LOOKED_AT = 20  # lines that are not blank
_KNOWN = (
    "csv or tsv with the columns query and passage, lines of query, tab, passage, jsonl, training jsonl, a TREC run or "
    "qrels, or a BEIR folder"
)


def recognise_file(path: Path, *, kind: str | None = None, is_with_others: bool = False) -> str:
    """Tell what a file is.

    Args:
        path: where it lies.
        kind: what the user says that it is.
        is_with_others: whether a run, qrels or texts were given beside it, which only TREC files can have.

    Returns:
        What it is called in `ImportSource.paths`: table, jsonl, training, run or qrels.

    Raises:
        InputError: it cannot be read, or is nothing that can be imported.
    """
    if kind == "beir":
        raise InputError(f"{path} is a file, but BEIR's layout is a folder. Choose the folder that has corpus.jsonl.")
    if kind in ("jsonl", "training"):
        return kind
    ending = path.suffix.lower()
    head = list(_read_head(path))
    if kind == "table":
        return "pairs" if _are_pairs(head) else "table"
    columns = recognise_columns(head)
    if kind == "trec" or is_with_others or ending in (".run", ".trec", ".qrels"):
        if columns is None:
            raise InputError(
                f"{path} has neither the 6 columns of a TREC run nor the 4 (or BEIR's 3) of qrels: its first line is "
                f"{describe(head[0] if head else '')}. Choose another file, or say of which kind it is."
            )
        return columns
    if ending in (".csv", ".tsv"):
        if _are_pairs(head):
            return "pairs"
        if columns != "qrels" or find_columns(head[0]) is not None:
            return "table"
    if ending in (".jsonl", ".ndjson") or (head and head[0].lstrip().startswith("{")):
        return _recognise_json(head)
    if ending == ".zip":
        raise InputError(f"{path} is packed. Unpack it, and choose the folder.")
    if head and find_columns(head[0]) is not None:
        return "table"
    if _are_pairs(head):
        return "pairs"
    if columns is not None:
        return columns
    raise InputError(f"{path} is nothing that can be imported: expected {_KNOWN}. Choose another file, or give its kind.")


def recognise_text(text: str) -> str:
    """Tell what was pasted: table, jsonl, training, or pairs, which is a query, a tab and a passage on each line.

    Raises:
        InputError: it is nothing of these.
    """
    head = list(islice(_clean(text.split("\n")), _LOOKED_AT))
    if head and head[0].lstrip().startswith("{"):
        return _recognise_json(head)
    if head and find_columns(head[0]) is not None:
        return "table"
    if _are_pairs(head):
        return "pairs"
    raise InputError(
        "The text is nothing that can be imported: expected csv or tsv with the columns query and passage, jsonl, or lines "
        f"of query, tab, passage; the first line is {describe(head[0] if head else '')}. Paste it with its header."
    )


def _are_pairs(head: list[str]) -> bool:
    """Tell lines of query, tab, passage by the first one: it names no columns, and is no JSON and no row of ids."""
    if not head or head[0].count("\t") != 1 or head[0].lstrip().startswith("{") or find_columns(head[0]) is not None:
        return False
    words = head[0].split()
    is_run, is_qrels = len(words) == 6 and _is_number(words[3]), len(words) == 4 and _is_number(words[1])
    return not ((is_run or is_qrels) and _is_number(words[4 if is_run else 3]))


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return True


def _recognise_json(head: list[str]) -> str:
    """Tell training rows from pairs, by the first line that is an object."""
    for line in head:
        try:
            row = parse_object(line)
        except ValueError:
            continue
        return "training" if row.keys() & {"pos", "neg"} else "jsonl"
    return "jsonl"


def _read_head(path: Path) -> Iterator[str]:
    lines = (line.decode(errors="replace") for line in Lines(path))
    return islice(_clean(lines), _LOOKED_AT)


def _clean(lines: Iterator[str] | list[str]) -> Iterator[str]:
    """Give lines that are not blank, without their ends."""
    for line in lines:
        line = line.removeprefix("\ufeff").removesuffix("\n").removesuffix("\r")
        if line.strip(" \t\r"):
            yield line
