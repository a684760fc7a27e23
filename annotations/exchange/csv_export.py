"""Every judgement as a row of a csv file, and every candidate that nobody judged."""

import csv
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from itertools import islice
from pathlib import Path

from annotations.errors import InputError
from annotations.exchange.export_places import check_place
from annotations.exchange.import_options import Progress
from annotations.exchange.labelled import OTHER_ANNOTATOR, OTHER_PART, PASSAGE_DELETED, QUERY_DELETED, find_annotators
from annotations.exchange.options import ExportOptions, ExportReport
from annotations.exchange.splits import place
from annotations.exchange.table_columns import COLUMNS
from annotations.exchange.tally import Tally
from annotations.exchange.writing import describe_left_out, explaining_writer
from annotations.models import Annotator
from annotations.store import Store
from annotations.store.labels import CandidateRow, JudgementRow, LabelReading, QueryRow
from reranker_core.examples.new_files import new_file

_AT_ONCE = 500  # rows whose texts are in memory
_USUAL = ExportOptions()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """A row of the file, without the texts."""

    query: QueryRow
    candidate: CandidateRow
    judgement: JudgementRow | None


def export_csv(
    store: Store,
    project_id: int,
    path: Path,
    *,
    options: ExportOptions = _USUAL,
    on_progress: Progress | None = None,
) -> ExportReport:
    """Write a row for every judgement in any state, and one with an empty state for every candidate without any.

    Rule, threshold and seed play no part: nothing is combined. Times are UTC, with a Z. A text with several external ids
    has the first of them. A part stands there only if it is stored for the query. Between columns stands a comma, in a file
    ending in .tsv a tab.

    Raises:
        InputError: there is no such project or annotator, there is no candidate, or the file cannot be written, or may not
            (`check_place`); what lay there before stays.
        StorageError: the labels cannot be read.
    """
    check_place(store, path, endings=(".csv", ".tsv"), what="A table")
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    tally = Tally()
    with store.labels.read(project_id) as reading, explaining_writer(), new_file(path) as file:
        annotators = reading.annotators()
        file.write_header(_format(COLUMNS, delimiter=delimiter))
        lines = iter(_choose_lines(reading, options, tally=tally, on_progress=on_progress))
        while chunk := [*islice(lines, _AT_ONCE)]:
            for cells in _fill_in(chunk, reading, annotators):
                file.write_row(_format(cells, delimiter=delimiter))
        accounts = tally.account()
        if not file.rows:
            raise InputError(f"There is no candidate to write: {describe_left_out(accounts)}. Add some, or choose others.")
    written = file.describe()
    return ExportReport(files=(written,), rows=written.rows, accounts=accounts, counts=dict(tally.counts))


def _choose_lines(
    reading: LabelReading, options: ExportOptions, *, tally: Tally, on_progress: Progress | None
) -> Iterator[_Line]:
    """Give the rows by query, then candidate, then annotator, and account for everything."""
    chosen = find_annotators(reading.annotators(), options)
    total, done = reading.count_queries(), 0
    for page in reading.pages():
        if on_progress:
            on_progress("Writing judgements", done / total)
        ids = [query.id for query in page]
        judgements, candidates = reading.judgements(ids), reading.candidates(ids)
        for query in page:
            rows, judged = candidates.get(query.id, []), judgements.get(query.id, [])
            tally.give("queries")
            tally.give("candidates", len(rows))
            tally.give("judgements", len(judged))
            for judgement in judged:
                tally.counts[judgement.state] += 1
            why_not = _find_why_not(query, options, seed=reading.project.split_seed)
            if why_not:
                tally.leave_out("queries", why_not)
                tally.leave_out("candidates", why_not, len(rows))
                tally.leave_out("judgements", why_not, len(judged))
            else:
                tally.use("queries")
                yield from _list_lines(query, rows, judged, chosen, tally=tally)
        done += len(page)


def _find_why_not(query: QueryRow, options: ExportOptions, *, seed: int) -> str | None:
    if query.is_deleted:
        return QUERY_DELETED
    split = query.split or place(query.sha256, seed=seed)
    return OTHER_PART if options.splits is not None and split not in options.splits else None


def _list_lines(
    query: QueryRow,
    candidates: Sequence[CandidateRow],
    judged: Sequence[JudgementRow],
    chosen: Iterable[int],
    *,
    tally: Tally,
) -> Iterator[_Line]:
    by_candidate: dict[int, list[JudgementRow]] = {}
    for judgement in judged:
        by_candidate.setdefault(judgement.candidate_id, []).append(judgement)
    for candidate in candidates:
        rows = by_candidate.get(candidate.id, [])
        if candidate.is_deleted:
            tally.leave_out("candidates", PASSAGE_DELETED)
            tally.leave_out("judgements", PASSAGE_DELETED, len(rows))
            continue
        counted = [row for row in rows if row.annotator_id in chosen]
        tally.use("candidates")
        tally.use("judgements", len(counted))
        tally.leave_out("judgements", OTHER_ANNOTATOR, len(rows) - len(counted))
        tally.counts["unjudged"] += not counted
        if not counted:
            yield _Line(query=query, candidate=candidate, judgement=None)
        for judgement in counted:
            yield _Line(query=query, candidate=candidate, judgement=judgement)


def _fill_in(
    lines: Sequence[_Line], reading: LabelReading, annotators: Mapping[int, Annotator]
) -> Iterator[tuple[str, ...]]:
    """Give the cells of rows in the order of `COLUMNS`."""
    query_ids, passage_ids = {line.query.id for line in lines}, {line.candidate.passage_id for line in lines}
    queries, passages = reading.query_texts(query_ids), reading.passage_texts(passage_ids)
    query_names, passage_names = reading.names_of_queries(query_ids), reading.names_of_passages(passage_ids)
    for line in lines:
        name, title = next(iter(passage_names.get(line.candidate.passage_id, {"": ""}).items()))
        yield (
            queries[line.query.id],
            passages[line.candidate.passage_id],
            *_describe(line.judgement, annotators),
            line.candidate.source,
            "" if line.candidate.source_rank is None else str(line.candidate.source_rank),
            line.query.split or "",
            query_names.get(line.query.id, [""])[0],
            name,
            title,
            "" if line.judgement is None else str(int(line.judgement.score_shown)),
        )


def _describe(judgement: JudgementRow | None, annotators: Mapping[int, Annotator]) -> tuple[str, ...]:
    """Give state, grade, annotator and kind, time and seconds, these with the three decimals that milliseconds have."""
    if judgement is None:
        return ("",) * 6
    annotator = annotators[judgement.annotator_id]
    return (
        judgement.state,
        "" if judgement.grade is None else str(judgement.grade),
        annotator.handle,
        annotator.kind,
        judgement.updated_at.isoformat().replace("+00:00", "Z"),
        "" if judgement.duration_ms is None else f"{judgement.duration_ms / 1000:.3f}",
    )


def _format(cells: Sequence[str], *, delimiter: str) -> str:
    text = StringIO()
    # With this end, fields that hold \r or \n are quoted.
    csv.writer(text, delimiter=delimiter, lineterminator="\r\n").writerow(cells)
    return text.getvalue().removesuffix("\r\n")
