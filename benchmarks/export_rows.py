"""Export a project with many judgements in every form, and say how long each takes and how much memory.

    python benchmarks/export_rows.py [--judgements 100000] [--per-query 100] [--characters 700]

As many passages as judgements; half of the queries have no judged negative, so that random ones are drawn for them; each
query has as many candidates again that nobody judged. Each form is written in a process of its own, whose peak of resident
memory is compared with what it held before. Linux only.
"""

import argparse
import multiprocessing
import random
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from annotations.exchange import export_beir, export_csv, export_qrels, export_training
from annotations.snapshots import create_snapshot
from annotations.store import Store
from annotations.store.imports import ImportedJudgement
from annotations.store.text_rows import NewCandidate
from annotations.store.texts import NewPassage, NewQuery

AT_ONCE = 1000
FORMS: dict[str, Callable[[Store, int, Path], Any]] = {
    "training jsonl": lambda store, project, place: export_training(store, project, place / "rows.jsonl"),
    "qrels, TREC": lambda store, project, place: export_qrels(store, project, place / "qrels.txt", form="trec"),
    "csv": lambda store, project, place: export_csv(store, project, place / "labels.csv"),
    "BEIR folder": lambda store, project, place: export_beir(store, project, place / "beir"),
    "snapshot": lambda store, project, place: create_snapshot(store, project, place / "snapshots", name="all"),
}


def fill_store(path: Path, *, judgements: int, per_query: int, characters: int) -> int:
    """Make the project and return the size of all its passages in bytes."""
    chance = random.Random(0)
    words = [f"word{number}" for number in range(5000)]
    with Store.open(path) as store:
        project = store.projects.create("Many labels")
        person = store.annotators.get_or_add("me")
        batch = store.imports.begin(
            project.id, source_kind="made", source_name="export_rows.py", sha256="0" * 64, scale="graded"
        )
        texts = [f"{number} " + " ".join(chance.choices(words, k=characters // 9)) for number in range(judgements)]
        passages: list[int] = []
        for chunk in split_up([NewPassage(text=text, external_id=f"d{n}") for n, text in enumerate(texts)]):
            passages += store.texts.add_passages(project.id, chunk, batch_id=batch.id).ids
        given = [NewQuery(text=f"query number {number}") for number in range(max(1, judgements // per_query))]
        queries = store.texts.add_queries(project.id, given, batch_id=batch.id).ids
        judge(store, batch.id, person.id, queries, passages, per_query=per_query, chance=chance)
        store.imports.publish(batch.id)
    return sum(len(text.encode()) for text in texts)


def judge(
    store: Store,
    batch_id: int,
    person_id: int,
    queries: tuple[int, ...],
    passages: list[int],
    *,
    per_query: int,
    chance: random.Random,
) -> None:
    """Give each query its candidates, and judge half of them; many in one transaction."""
    at_once = max(1, AT_ONCE // per_query)
    for start in range(0, len(queries), at_once):
        wanted = [
            NewCandidate(query_id=query_id, passage_id=key, source="bm25", source_rank=rank)
            for query_id in queries[start : start + at_once]
            for rank, key in enumerate(chance.sample(passages, min(2 * per_query, len(passages))), start=1)
        ]
        ids = store.texts.add_candidates(wanted, batch_id=batch_id).ids
        made = []
        for key, candidate in zip(ids, wanted, strict=True):
            if candidate.source_rank is not None and candidate.source_rank <= per_query:
                grades = (3, 0, 0, 1, 2) if candidate.query_id % 2 else (3, 1, 2)
                grade = grades[(candidate.source_rank - 1) % len(grades)]
                made.append(ImportedJudgement(candidate_id=key, annotator_id=person_id, state="graded", grade=grade))
        store.imports.add_judgements(batch_id, made)


def split_up(items: list[NewPassage]) -> Iterator[list[NewPassage]]:
    """Give passages in lists that are added at once."""
    for start in range(0, len(items), AT_ONCE):
        yield items[start : start + AT_ONCE]


def measure(path: Path, form: str, answer: Any) -> None:
    """Export in one form, and send seconds, bytes written, and the growth of resident memory at its peak."""
    with Store.open(path) as store, tempfile.TemporaryDirectory() as folder:
        project_id = store.projects.list()[0].id
        store.counts.of_project(project_id, 1)  # so that the file is open and everything imported
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        before = read_memory("VmRSS")
        started = time.perf_counter()
        FORMS[form](store, project_id, Path(folder))
        seconds = time.perf_counter() - started
        size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())
        answer.send((seconds, size, read_memory("VmHWM") - before))


def read_memory(name: str) -> int:
    """Read one of this process's figures about memory, in bytes."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return 1024 * int(status.partition(f"{name}:")[2].split()[0])


def main() -> None:
    """Make the project, export it in every form, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judgements", type=int, default=100_000)
    parser.add_argument("--per-query", type=int, default=100)
    parser.add_argument("--characters", type=int, default=700)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "labels.db"
        started = time.perf_counter()
        size = fill_store(path, judgements=given.judgements, per_query=given.per_query, characters=given.characters)
        print(
            f"{given.judgements} judgements, {size / 1e6:.0f} MB of passages, "
            f"database of {path.stat().st_size / 1e6:.0f} MB, made in {time.perf_counter() - started:.0f} s"
        )
        processes = multiprocessing.get_context("spawn")
        for form in FORMS:
            here, there = processes.Pipe()
            process = processes.Process(target=measure, args=(path, form, there))
            process.start()
            seconds, written, memory = here.recv()
            process.join()
            print(f"{form:16} {seconds:5.1f} s   {written / 1e6:6.1f} MB written   {memory / 1e6:6.1f} MB of memory more")


if __name__ == "__main__":
    main()
