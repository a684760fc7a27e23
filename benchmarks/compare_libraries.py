"""Compare this library with three others, side by side in one run: speed, memory and exactness of an encoder reranker.

All engines score the same fresh strings in turn (A B C, A B C, …), 20 passages a call, float32 on the CPU, from one
checkpoint: XLM-RoBERTa base's true shape with random weights from a seed and a Unigram tokenizer trained here, so that
nothing is downloaded. Random weights are fair for speed and exactness; they say nothing about quality.

The other libraries live in an environment of their own:

    python -m venv peers
    peers/bin/pip install torch==2.13.0
    peers/bin/pip install "transformers>=5.17,<6" FlagEmbedding==1.4.2 sentence-transformers==6.2.0 \
        accelerate peft bm25s pandas
    peers/bin/pip install --no-deps --editable .

Then one command, about 10 minutes on two cores (`--layers 4 --rounds 3` for a glance):

    peers/bin/python benchmarks/compare_libraries.py --json result.json

How the figures are made: latency is wall time from strings to floats. "GEMM" is useful FLOPs / wall / the best of 25
torch.matmul of the same round, float32 (2048 × 768) @ (768 × 3072), as the median of the rounds; useful FLOPs are those
of every real token through every layer, so padding lowers the figure and skipped work raises it. The same product through
oneDNN, which torch.matmul does not use in float32, stands beside it. Ratios are taken round by round. Peak memory is that
of a child process with one engine (VmHWM, so Linux only): once for importing and loading, once for scoring; pages of the
weights file count once they are touched. The reference is plain transformers in float32, one pair at a time.
"""

import argparse
import hashlib
import json
import math
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from itertools import chain
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from measuring import describe_machine, measure_gemm, peak_memory, reset_peak_memory, time_call, useful_flops
from random_model import MAX_LENGTH, Pairs, make_checkpoint, make_requests
from tokenizers import Tokenizer
from transformers.utils.logging import disable_progress_bar

Engine = Callable[[Pairs, int | None], list[float]]  # pairs, batch size or None for the library's default → logits

PASSAGES = 20
BATCH_SIZES = (1, 2, 4, 8, 16, 32)
DEFAULT_BATCH = {"FlagEmbedding": 128, "sentence-transformers": 32}
PACKAGES = ("reranker-workbench", "torch", "transformers", "tokenizers", "FlagEmbedding", "sentence-transformers")
OURS = "reranker_core"
PLAIN_LINEARS = "BENCHMARK_PLAIN_LINEARS"  # in the environment, so that child processes have it too


def load_ours(folder: Path) -> Engine:
    """Load this library."""
    from reranker_core import filling, load_reranker

    if PLAIN_LINEARS in os.environ:
        filling.can_pack = lambda _: False  # as on a processor where oneDNN's operator is not to be had
    reranker = load_reranker(folder, device="cpu")
    return lambda pairs, _: [row[0] for row in reranker.score(pairs, max_length=MAX_LENGTH).values]


def load_transformers(folder: Path) -> Engine:
    """Load plain transformers as on the model card: one padded batch in input order, unless a size is given."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()

    @torch.no_grad()
    def score(pairs: Pairs, batch_size: int | None) -> list[float]:
        size = batch_size or len(pairs)
        logits: list[float] = []
        for start in range(0, len(pairs), size):
            batch = [list(pair) for pair in pairs[start : start + size]]
            inputs = tokenizer(batch, padding=True, truncation=True, return_tensors="pt", max_length=MAX_LENGTH)
            logits += model(**inputs, return_dict=True).logits.view(-1).float().tolist()
        return logits

    return score


def load_flagembedding(folder: Path) -> Engine:
    """Load FlagEmbedding; its progress bars, which no argument turns off, are replaced by plain loops."""
    from FlagEmbedding import FlagReranker
    from FlagEmbedding.inference.reranker.encoder_only import base

    base.tqdm, base.trange = lambda steps, **_: steps, lambda *bounds, **_: range(*bounds)
    reranker = FlagReranker(str(folder), devices="cpu", max_length=MAX_LENGTH)
    return lambda pairs, size: list(reranker.compute_score(pairs, batch_size=size))


def load_sentence_transformers(folder: Path) -> Engine:
    """Load sentence-transformers' CrossEncoder, with raw logits as its output."""
    from sentence_transformers import CrossEncoder

    model = CrossEncoder(str(folder), device="cpu", max_length=MAX_LENGTH, activation_fn=torch.nn.Identity())

    def score(pairs: Pairs, batch_size: int | None) -> list[float]:
        size: dict[str, Any] = {} if batch_size is None else {"batch_size": batch_size}
        return list(map(float, model.predict(pairs, show_progress_bar=False, **size)))

    return score


LOADERS: dict[str, Callable[[Path], Engine]] = {
    OURS: load_ours,
    "transformers": load_transformers,
    "FlagEmbedding": load_flagembedding,
    "sentence-transformers": load_sentence_transformers,
}


def prepare_process(threads: int) -> None:
    """Give torch and the tokenizers the same number of threads; no network, no bars while weights load."""
    os.environ["RAYON_NUM_THREADS"] = str(threads)
    torch.set_num_threads(threads)
    os.environ["HF_HUB_OFFLINE"] = "1"
    disable_progress_bar()


def measure_memory(
    library: str, folder: Path, batch_size: int | None, requests: list[Pairs], threads: int
) -> dict[str, float]:
    """Load one engine and score, in a process of its own: peaks of resident memory in bytes."""
    prepare_process(threads)
    engine = LOADERS[library](folder)
    loading = peak_memory()
    reset_peak_memory()
    for pairs in requests:
        engine(pairs, batch_size)
    return {"peak_loading": loading, "peak_scoring": peak_memory()}


def choose_batch_size(engine: Engine, requests: list[Pairs]) -> int:
    """Find the fastest batch size, all sizes on the same requests in turn."""
    seconds = dict.fromkeys(BATCH_SIZES, 0.0)
    for pairs in requests:
        for size in BATCH_SIZES:
            seconds[size] += time_call(partial(engine, pairs, size))[0]
    return min(seconds, key=seconds.__getitem__)


def run_rounds(
    rows: dict[str, tuple[Engine, int | None]], requests: list[Pairs]
) -> tuple[dict[str, list[float]], dict[str, list[list[float]]], list[tuple[float, float]]]:
    """Let every engine score every request, taking turns at who goes first.

    Returns:
        Seconds by engine and round, logits by engine and round, the two GEMM rates of each round.
    """
    names = list(rows)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    logits: dict[str, list[list[float]]] = {name: [] for name in names}
    rates: list[tuple[float, float]] = []
    for number, pairs in enumerate(requests):
        rates.append(measure_gemm())
        start = number % len(names)
        for name in names[start:] + names[:start]:
            engine, size = rows[name]
            wall, values = time_call(partial(engine, pairs, size))
            seconds[name].append(wall)
            logits[name].append(values)
        turn = "; ".join(f"{name} {seconds[name][-1]:.2f} s" for name in names)
        print(f"round {number + 1}/{len(requests)}: GEMM {rates[-1][0] / 1e9:.0f} GFLOP/s; {turn}", file=sys.stderr)
    return seconds, logits, rates


def summarize(
    seconds: dict[str, list[float]],
    logits: dict[str, list[list[float]]],
    reference: list[list[float]],
    limits: list[float],
) -> dict[str, dict[str, float]]:
    """Turn the rounds into figures for each engine; `limits` are the seconds of each round's useful FLOPs at GEMM rate."""
    figures: dict[str, dict[str, float]] = {}
    for name, walls in seconds.items():
        ratios = [wall / ours for wall, ours in zip(walls, seconds[OURS], strict=True)]
        figures[name] = {
            "pairs_per_second": PASSAGES * len(walls) / sum(walls),
            "p50_seconds": statistics.median(walls),
            "p95_seconds": sorted(walls)[math.ceil(0.95 * len(walls)) - 1],
            "ratio_median": statistics.median(ratios),
            "ratio_min": min(ratios),
            "ratio_max": max(ratios),
            "gemm_fraction": statistics.median(limit / wall for limit, wall in zip(limits, walls, strict=True)),
            "largest_difference": max(
                abs(value - expected) for value, expected in zip(chain(*logits[name]), chain(*reference), strict=True)
            ),
        }
    return figures


def to_markdown(figures: dict[str, dict[str, float]]) -> str:
    """Lay the figures out as a table."""
    columns = "engine|pairs/s|p50 ms|p95 ms|times as long as ours (min to max)|of GEMM|peak MB loading, scoring|difference"
    lines = ["| " + " | ".join(columns.split("|")) + " |", "|---" + "|---:" * 7 + "|"]
    for name, row in figures.items():
        ratio = f"{row['ratio_median']:.2f} ({row['ratio_min']:.2f} to {row['ratio_max']:.2f})"
        lines.append(
            f"| {name} | {row['pairs_per_second']:.1f} | {1e3 * row['p50_seconds']:.0f} | {1e3 * row['p95_seconds']:.0f} "
            f"| {ratio} | {row['gemm_fraction']:.0%} | {row['peak_loading'] / 1e6:.0f}, {row['peak_scoring'] / 1e6:.0f} "
            f"| {row['largest_difference']:.1e} |"
        )
    return "\n".join(lines)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Compare this library with three others.")
    parser.add_argument("--layers", type=int, default=12, help="layers of the checkpoint; XLM-R base has 12")
    parser.add_argument("--rounds", type=int, default=10, help="requests that every engine scores")
    parser.add_argument("--warm-ups", type=int, default=2, help="requests before the first round")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    cache = Path(tempfile.gettempdir(), "reranker-benchmark")
    parser.add_argument("--folder", type=Path, default=cache, help="where the checkpoint is kept")
    parser.add_argument("--plain-linears", action="store_true", help="ours without oneDNN, through MKL as the others")
    parser.add_argument("--json", type=Path, help="file for all figures, settings and versions")
    return parser.parse_args()


def main() -> None:
    """Run it all and print the table."""
    options = parse_arguments()
    prepare_process(options.threads)
    if options.plain_linears:
        os.environ[PLAIN_LINEARS] = "1"
    folder = options.folder / f"xlm-r-base-{options.layers}-layers-seed-{options.seed}"
    make_checkpoint(folder, layers=options.layers, seed=options.seed)
    drawn = make_requests(folder, options.rounds + options.warm_ups + 2, passages=PASSAGES, seed=options.seed)
    requests, warm_ups, trials = drawn[: options.rounds], drawn[options.rounds : -2], drawn[-2:]

    engines = {library: load(folder) for library, load in LOADERS.items()}
    rows: dict[str, tuple[Engine, int | None]] = {}
    for library, engine in engines.items():
        for pairs in warm_ups:
            engine(pairs, None)
        rows[library] = engine, None
        if library in DEFAULT_BATCH:
            size = choose_batch_size(engine, trials)
            rows[f"{library}, batch {size}"] = engine, size
    seconds, logits, rates = run_rounds(rows, requests)
    reference = [engines["transformers"](pairs, 1) for pairs in requests]

    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    lengths = [[len(encoding.ids) for encoding in tokenizer.encode_batch(pairs)] for pairs in requests]
    limits = [useful_flops(row, layers=options.layers) / rate for row, (rate, _) in zip(lengths, rates, strict=True)]
    figures = summarize(seconds, logits, reference, limits)
    for name, (_, batch_size) in rows.items():
        library = name.partition(",")[0]
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:  # spawned: nothing of this process is in it
            memory = pool.submit(measure_memory, library, folder, batch_size, trials, options.threads)
            figures[name] |= memory.result()

    padded = sum(PASSAGES * max(row) for row in lengths)
    result = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "versions": {name: version(name) for name in PACKAGES},
        "settings": {key: value for key, value in vars(options).items() if key not in ("json", "folder")},
        "default_batch_sizes": DEFAULT_BATCH,
        "checkpoint_sha256": hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest(),
        "tokens_per_pair": statistics.mean(chain(*lengths)),
        "padding_factor_of_one_batch": padded / sum(chain(*lengths)),
        "logit_deviation": statistics.stdev(chain(*reference)),
        "matmul_gflops": [round(rate / 1e9) for rate, _ in rates],
        "onednn_gflops": [round(rate / 1e9) for _, rate in rates],
        "engines": figures,
        "seconds": seconds,
    }
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(to_markdown(figures), "\n")
    for name in [name for name in result if name not in ("engines", "seconds")]:
        print(f"{name}: {result[name]}")


if __name__ == "__main__":
    main()
