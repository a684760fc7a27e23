"""Fine-tune a reranker on some Cranfield queries, and say on the other ones whether it became better.

    python benchmarks/train_cranfield.py ../shared/data/cranfield [--base starter-encoder] [--preset encoder]
        [--train_queries 60] [--runs 1] [--output_dir DIR] [-- further flags of reranker_core.training]

The queries are placed by a hash of their id: some to train on, all others held out. Positives are the judged documents
from grade 2 on. Cranfield has no judged negatives: they are taken from the unjudged ones among BM25's best 50, and the
paper that a question was asked from (source-documents.tsv) is never among them. Training is the command line in a process
of its own; before and after are measured on the candidates of bm25.run, here, with the same lengths.
"""

import argparse
import csv
import hashlib
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from reranker_core import load_reranker
from reranker_core.evaluation import RankingTask, compare_runs, fuse_runs, measure_run, rank_by_bm25, read_task, score_task
from reranker_core.examples import TrainingExample, write_training_jsonl

POSITIVE_FROM = 2  # of Cranfield's grades 1 to 4
NEGATIVES_DEPTH = 50  # of BM25's best
MAX_LENGTH = 512


def split_queries(task: RankingTask, count: int) -> tuple[list[str], list[str]]:
    """Choose the queries to train on by a hash of their id; the rest is held out."""
    order = sorted(task.qrels, key=lambda key: hashlib.sha256(key.encode()).hexdigest())
    return order[:count], order[count:]


def make_rows(task: RankingTask, sources: dict[str, str], query_ids: list[str]) -> Iterator[TrainingExample]:
    """Make a training row of each query that has a positive."""
    for query_id in query_ids:
        grades = task.qrels[query_id]
        positives = [key for key, grade in grades.items() if grade >= POSITIVE_FROM and task.passages[key].strip()]
        negatives = [
            key
            for key in task.candidates[query_id][:NEGATIVES_DEPTH]
            if key not in grades and key != sources.get(query_id) and task.passages[key].strip()
        ]
        if positives and negatives:
            yield TrainingExample(
                query=task.queries[query_id],
                pos=tuple(dict.fromkeys(task.passages[key] for key in positives)),
                neg=tuple(dict.fromkeys(task.passages[key] for key in negatives)),
            )


def hold(task: RankingTask, query_ids: list[str]) -> RankingTask:
    """Keep some queries of a task."""
    return RankingTask(
        name="held-out queries",
        queries=task.queries,
        passages=task.passages,
        candidates={key: task.candidates[key] for key in query_ids},
        qrels={key: task.qrels[key] for key in query_ids},
        first_stage=task.first_stage,
    )


def main() -> None:
    """Train once or several times with other seeds, and print what came of it."""
    arguments = sys.argv[1:]
    further = arguments[arguments.index("--") + 1 :] if "--" in arguments else []
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--base", default="starter-encoder")
    parser.add_argument("--preset", default="encoder")
    parser.add_argument("--train_queries", type=int, default=60)
    parser.add_argument("--runs", type=int, default=1, help="with the seeds 1, 2, …")
    parser.add_argument("--output_dir", type=Path)
    options = parser.parse_args(arguments[: len(arguments) - len(further) - ("--" in arguments)])
    with tempfile.TemporaryDirectory() as temporary:
        compare(options, options.output_dir or Path(temporary), further)


def compare(options: argparse.Namespace, place: Path, further: list[str]) -> None:
    """Measure, train, and measure again."""
    place.mkdir(parents=True, exist_ok=True)
    task = read_task(options.folder, run=options.folder / "bm25.run")
    with (options.folder / "source-documents.tsv").open(encoding="utf-8") as file:
        sources = {row["query-id"]: row["corpus-id"] for row in csv.DictReader(file, delimiter="\t")}
    trained_on, held_out = split_queries(task, options.train_queries)
    rows = write_training_jsonl(place / "train.jsonl", make_rows(task, sources, trained_on))
    print(f"{rows.rows} rows of {len(trained_on)} queries: {rows.positives} positives, {rows.negatives} unjudged negatives")
    rest = hold(task, held_out)
    bm25 = rank_by_bm25(rest)
    before = score_task(load_reranker(options.base), rest, max_length=MAX_LENGTH)[None]
    print(f"held out: {len(held_out)} queries, {rest.pairs:,} pairs; nDCG@10, RR@10")
    show("BM25", measure_run(bm25, rest.qrels).means)
    show(options.base, measure_run(before, rest.qrels).means)
    show(f"{options.base} fused with BM25", measure_run(fuse_runs([before, bm25]), rest.qrels).means)
    for seed in range(1, options.runs + 1):
        run = place / f"run-{seed}"
        started = time.perf_counter()
        command = [sys.executable, "-m", "reranker_core.training", "--model_name_or_path", options.base]
        command += ["--preset", options.preset, "--train_data", str(place / "train.jsonl"), "--output_dir", str(run)]
        subprocess.run([*command, "--seed", str(seed), *further], check=True)
        seconds = time.perf_counter() - started
        memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        whole = (run / "model").is_dir()
        tuned = load_reranker(run / "model") if whole else load_reranker(options.base, adapter=run)
        after = score_task(tuned, rest, max_length=MAX_LENGTH)[None]
        print(f"seed {seed}: {seconds:.0f} s with loading and saving, at most {memory:,.0f} MiB")
        show("tuned", measure_run(after, rest.qrels).means)
        show("tuned, fused with BM25", measure_run(fuse_runs([after, bm25]), rest.qrels).means)
        for name, one, other in (
            ("tuned against base", before, after),
            ("fused: tuned against base", fuse_runs([before, bm25]), fuse_runs([after, bm25])),
            ("tuned and fused against BM25", bm25, fuse_runs([after, bm25])),
        ):
            found = compare_runs(measure_run(one, rest.qrels), measure_run(other, rest.qrels))
            print(f"  {name}: {found.describe()}", flush=True)
    print(json.dumps({"flags": further, "preset": options.preset}))


def show(name: str, means: dict[str, float]) -> None:
    """Print a line of measures."""
    print(f"  {name:40}" + "".join(f"{value:8.3f}" for value in means.values()), flush=True)


if __name__ == "__main__":
    main()
