"""Rows as the readers of all formats give them, before anything is looked up."""

import math
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import get_args

from annotations.errors import InputError
from annotations.exchange.file_scores import FileScore
from annotations.models import IMPORT_ANNOTATOR, LONGEST_NAME, AnnotatorKind, Split, State
from reranker_core.examples.texts import check_text, describe

_RANK = re.compile(r"[0-9]{1,9}")
_LONGEST = 10**9  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Label:
    """What a file says of a pair.

    Attributes:
        raw: the grade as it stands there; empty for none.
        state: of the judgement; `None` where the grade decides: graded, or unjudged if it is mapped to that.
        annotator: who judged; empty where the file does not say it.
        annotator_kind: what that is, a person, an import or a model; `None` where the file does not say it.
        judged_at: when.
        duration_ms: how long it took.
        score_shown: whether scores could be seen.
    """

    raw: str = ""
    state: State | None = None
    annotator: str = ""
    annotator_kind: AnnotatorKind | None = None
    judged_at: datetime | None = None
    duration_ms: int | None = None
    score_shown: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePassage:
    """A passage of a row: its text with the title in it, where it comes from, and what file and models say of it."""

    text: str
    external_id: str | None = None
    title: str | None = None
    source: str = "import"
    rank: int | None = None
    label: Label | None = None
    scores: tuple[FileScore, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRow:
    """One row with its texts.

    Attributes:
        file: as messages name it.
        line: where the row begins, from 1.
        query: its text.
        passages: one or more.
        query_id: what the query is called in the file.
        split: which part the query is in.
        problem: what is wrong with a part of the row, while the rest is as given here; empty if nothing is.
    """

    file: str
    line: int
    query: str
    passages: tuple[FilePassage, ...]
    query_id: str | None = None
    split: Split | None = None
    problem: str = ""


def make_row(fields: Mapping[str, str], *, file: str, line: int, scores: tuple[FileScore, ...] = ()) -> FileRow:
    """Make a row of one pair out of texts by the names of columns, and scores.

    Raises:
        InputError: a value cannot be used.
    """
    query = require_query(fields["query"])
    passage = FilePassage(
        text=fields["passage"],
        external_id=fields.get("passage_id", "").strip() or None,
        title=fields.get("title") or None,
        source=fields.get("source", "").strip() or "import",
        rank=_read_rank(fields.get("source_rank", "")),
        label=_read_label(fields),
        scores=scores,
    )
    return FileRow(
        file=file,
        line=line,
        query=query,
        passages=(passage,),
        query_id=fields.get("query_id", "").strip() or None,
        split=_read_split(fields.get("split", "")),
    )


def require_query(text: str) -> str:
    """Give a query's text.

    Raises:
        InputError: there is nothing in it.
    """
    if not text.strip():
        raise InputError("the query is empty. Give it a text, or remove the row.")
    return text


def require_text(value: object, *, where: str) -> str:
    """Give a text.

    Raises:
        InputError: it is none, or holds half a character; starts with `where`.
    """
    try:
        return check_text(value, where=where)
    except ValueError as error:
        raise InputError(str(error)) from error


def _read_label(fields: Mapping[str, str]) -> Label | None:
    raw = fields.get("grade", "").strip()
    given = fields.get("state", "").strip()
    if not raw and not given:
        return None
    state = next((one for one in get_args(State) if one == given), None)
    if given and state is None:
        raise InputError(
            f"the state must be one of {', '.join(get_args(State))} or empty, got {describe(given)}. Correct it."
        )
    if state == "graded" and not raw:
        raise InputError("the state is graded, but there is no grade. Add one, or empty the state.")
    if state not in ("graded", None) and raw:
        raise InputError(f"the state is {state}, so there can be no grade, got {describe(raw)}. Keep one of the two.")
    annotator = unicodedata.normalize("NFC", fields.get("annotator", "").strip())
    if annotator and not annotator.isprintable():
        raise InputError(f"the annotator must be a name that can be seen, got {describe(annotator)}. Correct it.")
    if len(annotator) > LONGEST_NAME:
        raise InputError(f"the annotator's name has {LONGEST_NAME} characters at most, got {len(annotator):,}. Shorten it.")
    return Label(
        raw=raw,
        state=state,
        annotator=annotator,
        annotator_kind=_read_kind(fields.get("annotator_kind", "").strip(), annotator),
        judged_at=_read_time(fields.get("judged_at", "").strip()),
        duration_ms=_read_seconds(fields.get("seconds", "").strip()),
        score_shown=_read_flag(fields.get("score_shown", "").strip(), name="score_shown"),
    )


def _read_kind(text: str, annotator: str) -> AnnotatorKind | None:
    kind = next((one for one in get_args(AnnotatorKind) if one == text), None)
    if text and kind is None:
        raise InputError(
            f"the annotator_kind must be one of {', '.join(get_args(AnnotatorKind))} or empty, got {describe(text)}. "
            "Correct it."
        )
    if annotator == IMPORT_ANNOTATOR and kind not in ("import", None):
        raise InputError(
            f'"{IMPORT_ANNOTATOR}" is nobody\'s name, but that of imports, so it cannot be {kind}. Give another.'
        )
    return kind


def _read_split(text: str) -> Split | None:
    text = text.strip()
    split = next((one for one in get_args(Split) if one == text), None)
    if text and split is None:
        raise InputError(
            f"the split must be one of {', '.join(get_args(Split))} or empty, got {describe(text)}. Correct it."
        )
    return split


def _read_rank(text: str) -> int | None:
    text = text.strip()
    if not text:
        return None
    if not _RANK.fullmatch(text) or not int(text):
        raise InputError(f"the rank must be a whole number from 1, got {describe(text)}. Correct it, or leave it empty.")
    return int(text)


def _read_time(text: str) -> datetime | None:
    """Read a moment; one without a zone is in UTC, as our own files have it."""
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text)
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"judged_at must be a time such as 2026-11-23T12:03:11Z, got {describe(text)}. Correct it, or leave it empty."
        ) from error


def _read_seconds(text: str) -> int | None:
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= _LONGEST:
        raise InputError(f"seconds must be a number from 0, got {describe(text)}. Correct it, or leave it empty.")
    return round(seconds * 1000)


def _read_flag(text: str, *, name: str) -> bool:
    if text.casefold() in ("1", "true"):
        return True
    if text.casefold() in ("", "0", "false"):
        return False
    raise InputError(f"{name} must be 1 or 0, got {describe(text)}. Correct it, or leave it empty.")
