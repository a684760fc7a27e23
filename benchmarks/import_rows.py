"""How long an import takes, how much memory it needs, and how long labelling waits beside it.

    python benchmarks/import_rows.py [--rows 100000] [--formats csv jsonl training beir trec] [--folder FOLDER]

Each format brings so many passages with a judgement each, under 1,000 queries, into a new project of a new database, while
one person labels in another project of it. Every import runs in a process of its own, once to its end and once cancelled
when all is staged. Target of the project: 100,000 rows in under a minute on two cores, and a label in under 50 ms at the
95th percentile.
"""

import argparse
import csv
import itertools
import json
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from annotations.exchange import ImportSource, open_source, preview_import, run_import
from annotations.store import Store
from annotations.store.judgements import JudgementInput
from annotations.store.text_rows import NewCandidate
from annotations.store.texts import NewPassage

FORMATS = ("csv", "jsonl", "training", "beir", "trec")
QUERIES = 1000
COLUMNS = {
    "file": "file MB",
    "preview": "preview s",
    "import": "import s",
    "cpu": "its CPU s",
    "cancel": "cancel s",
    "preview_mb": "preview +MB",
    "import_mb": "import +MB",
    "labels": "labels",
    "median": "median ms",
    "p95": "p95 ms",
    "worst": "worst ms",
}
WORDS = [f"word{number}" for number in range(5000)]


class CancelledError(Exception):
    """What somebody who cancels raises."""


def make_texts(rows: int) -> Iterator[tuple[int, str, str, int]]:
    """Give the number of a row, its query, its passage of about 500 characters, and its grade."""
    dice = random.Random(1)
    for number in range(rows):
        passage = f"passage {number} " + " ".join(dice.choices(WORDS, k=60))
        yield number, f"what is said about number {number % QUERIES}?", passage, number % 2


def write(form: str, folder: Path, rows: int) -> ImportSource:
    """Write the files of a format."""
    match form:
        case "csv":
            with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(("query", "passage", "grade", "annotator", "judged_at"))
                for _, query, passage, grade in make_texts(rows):
                    writer.writerow((query, passage, grade, "Ada", "2026-11-23T12:00:00Z"))
            return open_source(folder / "labels.csv")
        case "jsonl":
            lines = ({"query": query, "passage": text, "grade": grade} for _, query, text, grade in make_texts(rows))
            return open_source(write_jsonl(folder / "labels.jsonl", lines))
        case "training":
            return open_source(write_jsonl(folder / "train.jsonl", make_training(rows)))
    queries = write_jsonl(
        folder / "queries.jsonl",
        ({"_id": f"q{number}", "text": f"what is said about number {number}?"} for number in range(QUERIES)),
    )
    entries = ({"_id": f"d{number}", "title": "A title", "text": text} for number, _, text, _ in make_texts(rows))
    corpus = write_jsonl(folder / "corpus.jsonl", entries)
    (folder / "qrels").mkdir()
    qrels, run = folder / "qrels" / "test.tsv", folder / "candidates.run"
    with qrels.open("w") as grades, run.open("w") as ranks:
        grades.write("query-id\tcorpus-id\tscore\n")
        for number in range(rows):
            grades.write(f"q{number % QUERIES}\td{number}\t{number % 2}\n")
            ranks.write(f"q{number % QUERIES} Q0 d{number} 1 {-number} bm25\n")
    if form == "beir":
        return open_source(folder)
    return open_source(run, qrels=qrels, corpus=corpus, queries=queries)


def make_training(rows: int) -> Iterator[dict[str, Any]]:
    """Give training rows of one positive and seven negatives."""
    texts = make_texts(rows)
    while eight := list(itertools.islice(texts, 8)):
        passages = [passage for _, _, passage, _ in eight]
        yield {"query": eight[0][1], "pos": passages[:1], "neg": passages[1:], "prompt": "Is it said?"}


def write_jsonl(path: Path, rows: Iterator[dict[str, Any]]) -> Path:
    """Write rows as jsonl."""
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
    return path


class Labeller:
    """Labels in a project of its own, twenty times a second, and takes the time of every save."""

    def __init__(self, store: Store) -> None:
        """Make the project."""
        self.waits: list[float] = []
        self._store = store
        project = store.projects.create("labelling")
        query = store.texts.add_query(project.id, "what is panda?")
        passages = store.texts.add_passages(project.id, [NewPassage(text=f"passage {n}") for n in range(5000)])
        wanted = [NewCandidate(query_id=query.id, passage_id=key, source="bm25") for key in passages.ids]
        self._candidates = iter(store.texts.add_candidates(wanted).ids)
        self._annotator = store.annotators.get_or_add("Grace").id
        self._is_done = threading.Event()
        self._thread = threading.Thread(target=self._label)

    def __enter__(self) -> "Labeller":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._is_done.set()
        self._thread.join()

    def _label(self) -> None:
        for seq, candidate_id in enumerate(self._candidates):
            given = JudgementInput(
                candidate_id=candidate_id,
                annotator_id=self._annotator,
                state="graded",
                grade=seq % 2,
                scale="binary",
                client_id="page",
                seq=seq,
            )
            started = time.perf_counter()
            self._store.judgements.save(given)
            self.waits.append(1000 * (time.perf_counter() - started))
            if self._is_done.wait(0.05):
                return


def measure(form: str, folder: Path, rows: int) -> dict[str, Any]:
    """Import one format, beside labelling; then again into another project, cancelled at the end."""
    source = write(form, folder, rows)
    store = Store.open(folder / "labels.db")
    project_id = store.projects.create("imported").id
    held = peak_memory()
    started = time.perf_counter()
    preview = preview_import(store, project_id, source)
    seconds = {"preview": time.perf_counter() - started}
    for_preview = peak_memory()
    labeller = Labeller(store)
    with labeller:
        started, worked = time.perf_counter(), time.process_time()
        report = run_import(store, project_id, source, on_progress=lambda stage, fraction: None)
        seconds["import"] = time.perf_counter() - started
        seconds["cpu"] = time.process_time() - worked  # tells more where others use the machine too
    for_import = peak_memory()
    assert report.judgements.new == preview.judgements == rows, report.sentence
    begun = 0.0

    def cancel(stage: str, fraction: float | None) -> None:
        nonlocal begun
        if stage.startswith("checking"):
            begun = time.perf_counter()
            raise CancelledError

    other = store.projects.create("cancelled").id
    try:
        run_import(store, other, source, on_progress=cancel)
    except CancelledError:
        seconds["cancel"] = time.perf_counter() - begun
    waits = sorted(labeller.waits)
    store.close()
    return {
        **seconds,
        "file": source.size / 1e6,
        "preview_mb": for_preview - held,
        "import_mb": for_import - held,
        "labels": len(waits),
        "median": statistics.median(waits),
        "p95": waits[int(0.95 * len(waits))],
        "worst": waits[-1],
        "sentence": report.sentence,
    }


def peak_memory() -> float:
    """Give the most memory that this process ever held, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Run the formats, each in a process of its own, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument("--folder", type=Path, help="for the files; by default a temporary one")
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.here:
        print(json.dumps(measure(chosen.formats[0], chosen.folder, chosen.rows)))
        return
    print(f"{chosen.rows:,} passages with a judgement each; seconds, MB, and ms of a label saved beside the import")
    print(f"{'':9}" + "".join(f"{title:>12}" for title in COLUMNS.values()))
    for form in chosen.formats:
        with tempfile.TemporaryDirectory(dir=chosen.folder) as folder:
            arguments = ["--here", "--formats", form, "--rows", str(chosen.rows), "--folder", folder]
            command = [sys.executable, __file__, *arguments]
            found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
        print(f"{form:9}" + "".join(f"{found[name]:12.1f}" for name in COLUMNS), flush=True)
        print(f"{'':9}   {found['sentence']}")


if __name__ == "__main__":
    main()
