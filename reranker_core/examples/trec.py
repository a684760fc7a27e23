"""TREC files: qrels of four columns and runs of six, with spaces or tabs between."""

import os
import re
from collections.abc import Mapping
from pathlib import Path

from reranker_core.errors import InputError
from reranker_core.examples.lines import Problems, Source, parse_rows
from reranker_core.examples.new_files import WrittenFile, new_file
from reranker_core.examples.relevance import (
    Qrels,
    Run,
    check_grade,
    check_id,
    check_score,
    check_table,
    insert,
    parse_grade,
    parse_score,
)
from reranker_core.examples.texts import describe

_GAP = re.compile(r"[ \t]+")
_RANK = re.compile(r"[0-9]+")


def read_trec_qrels(source: Source, *, name: str | None = None, problems: Problems | None = None) -> Qrels:
    """Read four columns with tabs or spaces between: query id, iteration (passed over), passage id, grade.

    Grades may be written `3.0`; -1 stays -1.

    Args:
        source: a path, or lines.
        name: what messages call the source; by default the path.
        problems: collects the bad rows, and reading goes on; `None` raises at the first.

    Raises:
        InputError: the file cannot be read, or, without `problems`, a row is bad; a pair that comes twice is.

    Example:
        >>> read_trec_qrels(["q1 0 d7 3", "q1 0 d9 -1"])
        {'q1': {'d7': 3, 'd9': -1}}
    """
    qrels: Qrels = {}

    def parse(line: str) -> None:
        query_id, _, passage_id, grade = _split(line, "query id, iteration, passage id, grade")
        insert(qrels, query_id, passage_id, parse_grade(grade))

    for _ in parse_rows(source, parse, name=name, problems=problems):
        pass
    return qrels


def read_run(source: Source, *, name: str | None = None, problems: Problems | None = None) -> Run:
    """Read six columns with tabs or spaces between: query id, Q0, passage id, rank, score, tag.

    The score alone decides the order, as in trec_eval: the rank must be a whole number and is otherwise passed over, like
    Q0 and tag. Each query's passages come out by descending score, equal scores in the order of the file.

    Args:
        source: a path, or lines.
        name: what messages call the source; by default the path.
        problems: collects the bad rows, and reading goes on; `None` raises at the first.

    Raises:
        InputError: the file cannot be read, or, without `problems`, a row is bad; a pair that comes twice is.

    Example:
        >>> read_run(["q1 Q0 d7 1 0.5 bm25", "q1 Q0 d9 2 2.5 bm25"])
        {'q1': {'d9': 2.5, 'd7': 0.5}}
    """
    run: Run = {}

    def parse(line: str) -> None:
        query_id, _, passage_id, rank, score, _ = _split(line, "query id, Q0, passage id, rank, score, tag")
        if not _RANK.fullmatch(rank):
            raise InputError(f"the rank must be a whole number, got {describe(rank)}. Correct the line.")
        insert(run, query_id, passage_id, parse_score(score))

    for _ in parse_rows(source, parse, name=name, problems=problems):
        pass
    return {query_id: _sort(scores) for query_id, scores in run.items()}


def write_trec_qrels(path: str | os.PathLike[str], qrels: Mapping[str, Mapping[str, int]]) -> WrittenFile:
    """Write four columns, in the order of the dictionaries.

    Raises:
        InputError: it cannot be written, an id has a space, a grade is no whole number, or a query has no passages.
    """
    check_table(qrels, is_trec=True)
    with new_file(Path(path)) as file:
        for query_id, grades in qrels.items():
            for passage_id, grade in grades.items():
                file.write_row(f"{query_id} 0 {passage_id} {check_grade(grade)}")
    return file.describe()


def write_run(
    path: str | os.PathLike[str], run: Mapping[str, Mapping[str, float]], *, tag: str = "reranker-workbench"
) -> WrittenFile:
    """Write six columns: by descending score, ranks from 1, equal scores in the order of the dictionary.

    Scores are written so that they come back exactly.

    Raises:
        InputError: it cannot be written, an id or the tag has a space, a score is not finite, or a query has no passages.
    """
    check_table(run, is_trec=True)
    check_id(tag, kind="tag", is_trec=True)
    with new_file(Path(path)) as file:
        for query_id, given in run.items():
            scores = _sort({passage_id: check_score(score) for passage_id, score in given.items()})
            for rank, (passage_id, score) in enumerate(scores.items(), start=1):
                file.write_row(f"{query_id} Q0 {passage_id} {rank} {score!r} {tag}")
    return file.describe()


def _sort(scores: Mapping[str, float]) -> dict[str, float]:
    return dict(sorted(scores.items(), key=lambda item: -item[1]))


def _split(line: str, expected: str) -> list[str]:
    """Split at spaces and tabs only: white space of other kinds may be part of an id."""
    columns = _GAP.split(line.strip(" \t"))
    count = expected.count(",") + 1
    if len(columns) != count:
        raise InputError(
            f"expected {count} columns ({expected}), got {len(columns)}. Correct the line; ids must have no spaces."
        )
    return columns
