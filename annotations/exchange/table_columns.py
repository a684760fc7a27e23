"""The columns of a table: how they are called, and which sign stands between them."""

import csv
from dataclasses import dataclass

from annotations.errors import InputError
from reranker_core.examples.texts import describe

COLUMNS = (
    "query",
    "passage",
    "state",
    "grade",
    "annotator",
    "annotator_kind",
    "judged_at",
    "seconds",
    "source",
    "source_rank",
    "split",
    "query_id",
    "passage_id",
    "title",
    "score_shown",
)
"""Of our own csv, in its order."""

_OTHER_NAMES = {
    "text": "passage",
    "document": "passage",
    "doc": "passage",
    "label": "grade",
    "relevance": "grade",
    "rel": "grade",
    "rank": "source_rank",
    "qid": "query_id",
    "pid": "passage_id",
    "docid": "passage_id",
    "doc_id": "passage_id",
    "corpus_id": "passage_id",
}
_DELIMITERS = "\t,;"


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """What stands in which column.

    Attributes:
        delimiter: the sign between columns.
        names: for each column its name among `COLUMNS`; `None` for one that is not read.
        ignored: what the columns that are not read are called.
    """

    delimiter: str
    names: tuple[str | None, ...]
    ignored: tuple[str, ...]


def find_columns(header: str) -> Columns | None:
    """Read a header, with tabs, commas or semicolons between; `None` if it has no query or no passage.

    Raises:
        InputError: two columns are the same.
    """
    for delimiter in _DELIMITERS:
        fields = _split(header, delimiter)
        plain = [_plain(field) for field in fields]
        named = [name_column(field) for field in fields]
        # A column of exactly that name goes before others that would be taken for it.
        names = [name if name == own or name not in plain else None for name, own in zip(named, plain, strict=True)]
        if "query" not in names or "passage" not in names:
            continue
        for name in names:
            if name is not None and names.count(name) > 1:
                same = ", ".join(describe(field) for field, own in zip(fields, names, strict=True) if own == name)
                raise InputError(f"Several columns are taken for the {name}: {same}. Rename or remove all but one of them.")
        ignored = tuple(field.strip() for field, name in zip(fields, names, strict=True) if name is None)
        return Columns(delimiter=delimiter, names=tuple(names), ignored=ignored)
    return None


def require_columns(header: str, *, file: str) -> Columns:
    """Read a header.

    Raises:
        InputError: it has no query or no passage; says what it has.
    """
    columns = find_columns(header)
    if columns is None:
        fields = max((_split(header, delimiter) for delimiter in _DELIMITERS), key=len)
        found = ", ".join(describe(field.strip()) for field in fields[:8]) or "nothing"
        raise InputError(
            f"The first line of {file} must name the columns, with at least query and passage, but it has {found}. Add "
            "such a line, or rename the columns."
        )
    return columns


def name_column(name: str) -> str | None:
    """Give our name of a column that somebody called otherwise; `None` if it is none that is read."""
    plain = _plain(name)
    return plain if plain in COLUMNS else _OTHER_NAMES.get(plain)


def _plain(name: str) -> str:
    return name.strip().casefold().replace("-", "_").replace(" ", "_")


def _split(header: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([header], delimiter=delimiter, strict=True), [])
    except csv.Error:
        return header.split(delimiter)
