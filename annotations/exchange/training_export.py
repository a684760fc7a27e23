"""Training jsonl out of labels: complete rows, and beside them a manifest that says how they came about."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from annotations.errors import InputError
from annotations.exchange.export_places import check_place
from annotations.exchange.import_options import Progress
from annotations.exchange.labelled import read_labelled
from annotations.exchange.options import ExportOptions, ExportReport, find_prompt, find_threshold
from annotations.exchange.row_choice import Row, RowChoice, write_out
from annotations.exchange.tally import Tally
from annotations.exchange.training_files import name_manifest
from annotations.exchange.writing import describe_export, describe_left_out, explaining_writer
from annotations.store import Store
from annotations.store.labels import LabelReading
from reranker_core.examples import TrainingExample
from reranker_core.examples.new_files import new_file
from reranker_core.examples.training_rows import write_examples

MANIFEST_FORMAT = 1
_USUAL = ExportOptions()


def export_training(
    store: Store,
    project_id: int,
    path: Path,
    *,
    options: ExportOptions = _USUAL,
    on_progress: Progress | None = None,
) -> ExportReport:
    """Write training rows, `{"query", "pos", "neg", "prompt"}` each, and a manifest beside them.

    Every row has a positive and a negative: a query without a negative gets random passages of the project, which the
    manifest lists as `random_negatives`, {SHA-256 of the query: [SHA-256 of the passage]}. Queries without a positive are
    left out. All of it comes from one moment; the same labels and options give the same bytes.

    Raises:
        InputError: there is no such project or annotator, no row could be made, or a file cannot be written, or
            may not (`check_place`); what lay there before stays.
        StorageError: the labels cannot be read.
    """
    for place in (path, name_manifest(path)):
        check_place(store, place)
    if path.suffix not in (".jsonl", ".json"):
        raise InputError(f"A training file ends in .jsonl, or FlagEmbedding passes over it; got {path.name}. Rename it.")
    tally = Tally()
    drawn: dict[str, tuple[int, ...]] = {}
    with store.labels.read(project_id) as reading, explaining_writer():
        threshold = find_threshold(options, reading.project.scale)
        prompt = find_prompt(options, reading.project.default_prompt)
        labelled = read_labelled(reading, options, tally=tally, on_progress=on_progress)
        rows = _note_drawn(RowChoice(reading, options, threshold, tally=tally).choose(labelled), drawn)
        watch = _DateWatch()
        examples = _check_all(watch.look_at(write_out(rows, reading, prompt=prompt)), tally)
        # The manifest takes its place first: who finds it beside a file that it is not about can tell by the hash.
        with new_file(path) as file, new_file(name_manifest(path)) as manifest:
            written = write_examples(file, examples)
            file.sync()
            content = {
                "format": MANIFEST_FORMAT,
                "file": {"name": path.name, "rows": written.rows, "size": written.size, "sha256": written.sha256},
                **describe_export(reading, options, threshold, tally),
                "prompt": prompt,
                "random_negatives": _hash_drawn(drawn, reading),
            }
            manifest.write_row(json.dumps(content, ensure_ascii=False, indent=2))
    return ExportReport(
        files=(written, manifest.describe()),
        rows=written.rows,
        accounts=tally.account(),
        counts=dict(tally.counts),
        warnings=watch.warnings,
    )


class _DateWatch:
    """Finds columns in which every text looks like a date, since FlagEmbedding reads those as times.

    Its JSON reader (pyarrow, seen with FlagEmbedding 1.3.5 and datasets) guesses the type of each column. One text that is
    no date makes all of a column texts.
    """

    _DATE = re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d(:?\d\d(:?\d\d)?)?(Z|[+-]\d\d(:?\d\d)?)?)?")

    def __init__(self) -> None:
        self._suspects = {"query", "pos", "neg"}

    def look_at(self, examples: Iterable[TrainingExample]) -> Iterator[TrainingExample]:
        """Pass rows on."""
        for example in examples:
            for column in tuple(self._suspects):
                texts = (example.query,) if column == "query" else getattr(example, column)
                if not all(map(self._DATE.fullmatch, texts)):
                    self._suspects.discard(column)
            yield example

    @property
    def warnings(self) -> tuple[str, ...]:
        """Name such columns, after all rows went by."""
        return tuple(
            f'Every text under "{column}" looks like a date, so FlagEmbedding 1.3.5 would read times instead of texts. Add '
            "a row with another text."
            for column in sorted(self._suspects)
        )


def _check_all(examples: Iterable[TrainingExample], tally: Tally) -> Iterator[TrainingExample]:
    """Pass rows on; after the last one, but before the file takes its place, check that all is accounted for."""
    count = 0
    for example in examples:
        count += 1
        yield example
    accounts = tally.account()
    if not count:
        raise InputError(f"There is no row to write: {describe_left_out(accounts)}. Judge more, or choose other options.")


def _note_drawn(rows: Iterable[Row], drawn: dict[str, tuple[int, ...]]) -> Iterator[Row]:
    for row in rows:
        if row.drawn:
            drawn[row.query.sha256] = row.drawn
        yield row


def _hash_drawn(drawn: Mapping[str, tuple[int, ...]], reading: LabelReading) -> dict[str, list[str]]:
    hashes = reading.hashes_of_passages({passage_id for passage_ids in drawn.values() for passage_id in passage_ids})
    return {query: [hashes[passage_id] for passage_id in passage_ids] for query, passage_ids in drawn.items()}
