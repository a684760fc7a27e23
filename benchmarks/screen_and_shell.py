"""Score a real collection through the screen and through the command line, and say how far the two differ.

    python benchmarks/screen_and_shell.py BEIR_FOLDER [--queries 5] [--passages 50] [--encoder FOLDER] [--layerwise FOLDER]

BEIR_FOLDER holds corpus.jsonl, queries.jsonl and bm25.run (TREC). Each query's best passages go into the app as a person
pastes them, are scored there by BM25, an encoder and a layerwise model at three layers side by side, and by `python -m
reranker_core score` as jsonl. Needs Debian's Chromium and the `test` extra.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from reranker_core.local_models import describe_local_model
from ui.layout import build_app, launch_options
from ui.services import Services


def read_candidates(folder: Path, *, queries: int, passages: int) -> list[tuple[str, list[str]]]:
    """Read each query with the texts of its best passages; empty ones are left out, as the screen does."""
    rows = map(json.loads, (folder / "corpus.jsonl").read_text(encoding="utf-8").splitlines())
    texts = {row["_id"]: f"{row.get('title', '')} {row['text']}".strip() for row in rows}
    rows = map(json.loads, (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines())
    query_texts = {row["_id"]: row["text"] for row in rows}
    ranked: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for line in (folder / "bm25.run").read_text(encoding="utf-8").splitlines():
        query_id, _, passage_id, rank, *_ = line.split()
        ranked[query_id].append((int(rank), passage_id))
    return [
        (query_texts[query_id], [texts[passage_id] for _, passage_id in sorted(places)[:passages] if texts[passage_id]])
        for query_id, places in list(ranked.items())[:queries]
    ]


def score_on_screen(page: Any, columns: int, query: str, passages: list[str]) -> tuple[list[list[float]], float]:
    """Paste, press Ctrl+Enter, read the table; return each column in the order of the passages, and the seconds."""
    page.get_by_label("Query", exact=True).fill(query)
    page.get_by_label("Passages", exact=True).fill("\n".join(passages))
    started = time.perf_counter()
    page.get_by_label("Query", exact=True).press("Control+Enter")
    page.locator(".rw-lead q", has_text=query[:40]).wait_for(timeout=120_000)  # a long query is shortened there
    page.locator(".rw-table thead th").nth(columns).wait_for()
    seconds = time.perf_counter() - started
    script = """rows => rows.map(row => [Number(row.querySelector('.rw-number').textContent),
        [...row.querySelectorAll('td')].map(cell => Number(cell.title))])"""
    shown = dict(page.get_by_role("region", name="Result", exact=True).locator("tbody tr").evaluate_all(script))
    rows = [shown[number] for number in range(1, len(passages) + 1)]
    return [list(column) for column in zip(*rows, strict=True)], seconds


def time_sort(page: Any) -> float:
    """Sort by the first column; return the seconds until the rows stand in their new order, painted."""
    return float(
        page.evaluate(
            """async () => {
                const started = performance.now();
                document.querySelector('.rw-table thead th:nth-child(2) button').click();
                await new Promise(done => requestAnimationFrame(() => setTimeout(done, 0)));
                return (performance.now() - started) / 1000;
            }"""
        )
    )


def score_in_shell(model: str, layers: list[int], work: list[tuple[str, list[str]]]) -> list[list[float]]:
    """Score all pairs by one run of the command line; a column for each layer."""
    rows = "".join(json.dumps({"query": query, "passages": passages}) + "\n" for query, passages in work)
    command = [sys.executable, "-m", "reranker_core", "score", "--model", model, "--offline"]
    command += ["--cutoff_layers", *map(str, layers)] if layers else []
    output = subprocess.run(command, input=rows, capture_output=True, text=True, check=True).stdout
    answers = [json.loads(line) for line in output.splitlines()]
    return [[answer["scores"][str(layer)] for answer in answers] for layer in layers] or [[a["score"] for a in answers]]


def main() -> None:
    """Score everything both ways and print a line for each column, then the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--queries", type=int, default=5)
    parser.add_argument("--passages", type=int, default=50)
    parser.add_argument("--encoder", type=Path, default=Path("tests/checkpoints/encoder"))
    parser.add_argument("--layerwise", type=Path, default=Path("tests/checkpoints/layerwise"))
    options = parser.parse_args()
    work = read_candidates(options.folder, queries=options.queries, passages=options.passages)
    services = Services(allow_folders=True)
    services.local_models.add(str(options.encoder), name="an-encoder")
    layerwise, _ = services.local_models.add(str(options.layerwise), name="a-layerwise")
    first, last = describe_local_model(layerwise).layers or (0, 0)
    layers = [first, (first + last) // 2, last]
    app = build_app(services)
    _, url, _ = app.launch(prevent_thread_lock=True, quiet=True, server_name="127.0.0.1", **launch_options())
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        page = browser.new_page()
        page.goto(url)
        page.get_by_role("checkbox", name="an-encoder", exact=True).check()
        page.get_by_role("checkbox", name="a-layerwise", exact=True).check()
        for layer in layers:
            page.get_by_role("checkbox", name=str(layer), exact=True).check()
        score_on_screen(page, 5, *work[0])  # loads the models
        seen, sorts = [], []
        for query, passages in work[1:] + work[:1]:
            seen.append(score_on_screen(page, 5, query, passages))
            sorts.append(time_sort(page))
        browser.close()
    app.close()
    work = work[1:] + work[:1]
    on_screen = [[score for columns, _ in seen for score in columns[place]] for place in range(5)]
    in_shell = [
        *score_in_shell("bm25", [], work),
        *score_in_shell(str(options.encoder), [], work),
        *score_in_shell(str(options.layerwise), layers, work),
    ]
    names = ["BM25", options.encoder.name, *(f"{options.layerwise.name} {layer}" for layer in layers)]
    for name, ours, theirs in zip(names, on_screen, in_shell, strict=True):
        largest = max(abs(a - b) for a, b in zip(ours, theirs, strict=True))
        print(f"{name:14} {len(theirs)} scores on screen and in the shell, largest difference {largest:.1e}")
    times = [seconds for _, seconds in seen]
    print(f"from Ctrl+Enter to the table: median {statistics.median(times):.2f} s, worst {max(times):.2f} s")
    print(f"to sort: median {statistics.median(sorts) * 1000:.0f} ms, worst {max(sorts) * 1000:.0f} ms")


if __name__ == "__main__":
    main()
