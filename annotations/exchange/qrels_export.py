"""Gold grades as qrels: TREC's four columns, or BEIR's three with a header."""

from pathlib import Path
from typing import Literal

from annotations.errors import InputError
from annotations.exchange.export_ids import ExportIds
from annotations.exchange.export_places import check_place
from annotations.exchange.import_options import Progress
from annotations.exchange.labelled import LabelledQuery, read_labelled
from annotations.exchange.options import ExportOptions, ExportReport
from annotations.exchange.row_choice import NOTHING_GRADED
from annotations.exchange.tally import Tally
from annotations.exchange.writing import describe_left_out, explaining_writer
from annotations.store import Store
from reranker_core.examples import Qrels, write_beir_qrels, write_trec_qrels

_USUAL = ExportOptions()


def export_qrels(
    store: Store,
    project_id: int,
    path: Path,
    *,
    form: Literal["trec", "beir"],
    options: ExportOptions = _USUAL,
    on_progress: Progress | None = None,
) -> ExportReport:
    """Write the gold grade of every pair that has one; the threshold plays no part.

    A query or passage with several external ids has a row for each, one without any a made id.

    Raises:
        InputError: there is no such project or annotator, nothing has a grade, or the file cannot be written, or may
            not (`check_place`); what lay there before stays.
        StorageError: the labels cannot be read.
    """
    if form not in ("trec", "beir"):
        raise InputError(f"Qrels are written in the form trec or beir, got {form!r}. Choose one of them.")
    check_place(store, path, endings=(".tsv", ".txt", ".qrels"), what="A file of qrels")
    tally = Tally()
    with store.labels.read(project_id) as reading, explaining_writer():
        query_ids = ExportIds(reading.query_names(), prefix="q", is_trec=form == "trec")
        passage_ids = ExportIds(reading.passage_names(), prefix="p", is_trec=form == "trec")
        labelled = read_labelled(reading, options, tally=tally, on_progress=on_progress)
        qrels: Qrels = {}
        for query in labelled:
            qrels |= name_grades(query, query_ids, passage_ids, tally=tally)
            if query.grades:
                tally.use("queries")
            else:
                tally.leave_out("queries", NOTHING_GRADED)
        accounts = tally.account()
        if not qrels:
            raise InputError(
                f"There is no grade to write: {describe_left_out(accounts)}. Judge some, or choose other options."
            )
        written = (write_trec_qrels if form == "trec" else write_beir_qrels)(path, qrels)
    return ExportReport(
        files=(written,),
        rows=written.rows,
        accounts=accounts,
        counts=dict(tally.counts),
        warnings=query_ids.warnings + passage_ids.warnings,
    )


def name_grades(query: LabelledQuery, query_ids: ExportIds, passage_ids: ExportIds, *, tally: Tally) -> Qrels:
    """Give the gold grades of a query, if it has some, under all its ids and the passages', and account for them."""
    tally.use("pairs", len(query.grades))
    grades = {passage_id: grade for key, grade in query.grades.items() for passage_id in passage_ids.of(key)}
    return dict.fromkeys(query_ids.of(query.id), grades) if grades else {}
