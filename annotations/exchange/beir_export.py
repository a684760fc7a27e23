"""A project as a BEIR folder: corpus, queries, qrels of each part, and the candidates as a TREC run."""

from dataclasses import replace
from pathlib import Path

from annotations.exchange.corpus_files import collect_candidates, read_corpus, read_queries
from annotations.exchange.export_ids import ExportIds
from annotations.exchange.export_places import check_place
from annotations.exchange.import_options import Progress
from annotations.exchange.labelled import read_labelled
from annotations.exchange.options import ExportOptions, ExportReport
from annotations.exchange.qrels_export import name_grades
from annotations.exchange.splits import SPLITS
from annotations.exchange.tally import Tally
from annotations.exchange.writing import explaining_writer
from annotations.store import Store
from reranker_core.examples import Qrels, write_run
from reranker_core.examples.beir import write_beir_files
from reranker_core.examples.new_files import new_folder

_USUAL = ExportOptions()
_CANDIDATES = "candidates.run"


def export_beir(
    store: Store,
    project_id: int,
    folder: Path,
    *,
    options: ExportOptions = _USUAL,
    on_progress: Progress | None = None,
) -> ExportReport:
    """Write all passages, the queries, their gold grades by part, and their candidates; the threshold plays no part.

    A query or passage with several external ids is there under each of them, one without any under a made id. A part
    without grades has no file. The run's scores are what `corpus_files.score_candidates` says.

    Args:
        store: where the project is.
        project_id: of the project.
        folder: a new one.
        options: choose annotators, rule and parts.
        on_progress: told how far it is; what it raises cancels.

    Raises:
        InputError: there is no such project or annotator, or the folder is there already or cannot be written, or
            may not (`check_place`).
        StorageError: the labels cannot be read.
    """
    place = Path(folder)
    check_place(store, place)
    tally = Tally()
    with store.labels.read(project_id) as reading, explaining_writer():
        query_ids = ExportIds(reading.query_names(), prefix="q", is_trec=True)
        passage_ids = ExportIds(reading.passage_names(), prefix="p", is_trec=True)
        by_split: dict[str, Qrels] = {split: {} for split in SPLITS}
        queries = []
        for query in read_labelled(reading, options, tally=tally, on_progress=on_progress):
            tally.use("queries")
            queries.append(query.id)
            by_split[query.split] |= name_grades(query, query_ids, passage_ids, tally=tally)
        run = collect_candidates(reading, queries, names=(query_ids, passage_ids), tally=tally)
        accounts = tally.account()
        with new_folder(place) as part:
            files = write_beir_files(
                part,
                corpus=read_corpus(reading, passage_ids, on_progress=on_progress),
                queries=read_queries(reading, queries, query_ids),
                qrels={split: table for split, table in by_split.items() if table},
                run=run,
            )
            if run:
                files[_CANDIDATES] = write_run(part / _CANDIDATES, run)
    return ExportReport(
        files=tuple(replace(file, path=place / name) for name, file in files.items()),
        rows=sum(file.rows for name, file in files.items() if name.startswith("qrels/")),
        accounts=accounts,
        counts=dict(tally.counts),
        warnings=(*query_ids.warnings, *passage_ids.warnings, *describe_empty_parts(by_split, options)),
    )


def describe_empty_parts(by_split: dict[str, Qrels], options: ExportOptions) -> tuple[str, ...]:
    """Say which of the parts that were asked for have no grades."""
    wanted = options.splits or SPLITS
    return tuple(f"The part {split} has no grades." for split in wanted if not by_split[split])
