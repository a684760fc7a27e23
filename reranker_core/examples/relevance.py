"""Qrels and runs as plain dictionaries, and what an id, a grade and a score may be in their files."""

import math
import re
from collections.abc import Container, Mapping
from typing import TypeAlias, TypeVar

from reranker_core.errors import InputError
from reranker_core.examples.texts import check_text, describe

Qrels: TypeAlias = dict[str, dict[str, int]]
"""Grades by query id and passage id. -1 is no 0 but a state of its own; a pair that is not there is unjudged."""

Run: TypeAlias = dict[str, dict[str, float]]
"""Scores by query id and passage id; a higher one comes first."""

_GRADE = re.compile(r"[+-]?[0-9]{1,9}(\.0*)?")  # also 3.0, which some tools write
_SCORE = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_Value = TypeVar("_Value", int, float)


def parse_grade(text: str) -> int:
    """Read a grade, also one written as `3.0`.

    Raises:
        InputError: it is no whole number.
    """
    if not _GRADE.fullmatch(text):
        raise InputError(f"the grade must be a whole number, got {describe(text)}. Correct the line.")
    return int(text.partition(".")[0])


def parse_score(text: str) -> float:
    """Read a finite score.

    Raises:
        InputError: it is no number, or an infinite one.
    """
    score = float(text) if _SCORE.fullmatch(text) else math.nan
    if not math.isfinite(score):
        raise InputError(f"the score must be a finite number, got {describe(text)}. Correct the line.")
    return score


def insert(table: dict[str, dict[str, _Value]], query_id: str, passage_id: str, value: _Value) -> None:
    """Put a value into qrels or a run.

    Raises:
        InputError: an id is empty or no valid text, or the pair has a value already.
    """
    for kind, text in (("query id", query_id), ("passage id", passage_id)):
        if not check_text(text, where=f"the {kind}").strip():
            raise InputError(f"the {kind} is empty. Correct the line.")
    by_passage = table.setdefault(query_id, {})
    if passage_id in by_passage:
        raise InputError(
            f"query {describe(query_id)} has passage {describe(passage_id)} twice, the first time with "
            f"{by_passage[passage_id]}. Remove one of the lines."
        )
    by_passage[passage_id] = value


def check_id(text: object, *, kind: str, is_trec: bool = False) -> str:
    """Check an id before it is written, so that every reader gets it back.

    Args:
        text: the id.
        kind: how a message calls it, such as "query id".
        is_trec: columns are told apart by any white space, so the id must have none.

    Raises:
        InputError: no reader would get it back.
    """
    text = check_text(text, where=f"the {kind}")
    if not text.strip() or text.startswith("\ufeff"):
        raise InputError(
            f"the {kind} must not be empty or begin with a byte order mark, got {describe(text)}. Choose another."
        )
    if "\t" in text or text.splitlines() != [text]:
        raise InputError(f"the {kind} must have no tabs and no line breaks, got {describe(text)}. Choose another.")
    if is_trec and text.split() != [text]:
        raise InputError(f"the {kind} of a TREC file must have no spaces, got {describe(text)}. Choose another.")
    return text


def check_table(table: Mapping[str, Mapping[str, object]], *, is_trec: bool) -> None:
    """Check the ids of qrels or of a run before writing, and that no query would be lost.

    Raises:
        InputError: names the first that cannot be written.
    """
    for query_id, by_passage in table.items():
        check_id(query_id, kind="query id", is_trec=is_trec)
        if not by_passage:
            raise InputError(f"query {describe(query_id)} has no passages, so no line would tell of it. Leave it out.")
        for passage_id in by_passage:
            check_id(passage_id, kind="passage id", is_trec=is_trec)


def check_known(
    table: Mapping[str, Mapping[str, object]], *, query_ids: Container[str], passage_ids: Container[str], where: str
) -> None:
    """Check that qrels or a run name only queries and passages that are there.

    Raises:
        InputError: starts with `where` and names the first that is not there.
    """
    for query_id, by_passage in table.items():
        if query_id not in query_ids:
            raise InputError(
                f"{where} names query {describe(query_id)}, which is not among the queries. Add it or leave it out."
            )
        for passage_id in by_passage:
            if passage_id not in passage_ids:
                raise InputError(
                    f"{where} names passage {describe(passage_id)} for query {describe(query_id)}, which is not in the "
                    "corpus. Add it or leave it out."
                )


def check_grade(grade: object) -> int:
    """Check a grade before it is written.

    Raises:
        InputError: it is no whole number of up to nine digits.
    """
    if not isinstance(grade, int) or isinstance(grade, bool) or abs(grade) >= 10**9:
        raise InputError(f"a grade must be a whole number of up to nine digits, got {describe(grade)}. Correct it.")
    return grade


def check_score(score: object) -> float:
    """Check a score before it is written.

    Raises:
        InputError: it is no finite number.
    """
    number = as_finite(score)
    if number is None:
        raise InputError(f"a score must be a finite number, got {describe(score)}. Correct it.")
    return number


def as_finite(value: object) -> float | None:
    """Give a number as a float; `None` if it is no number, or none that a float can hold."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
