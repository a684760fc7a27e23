"""Label in the running app, with many judgements there and a model scoring beside, and say how long each label takes.

    python benchmarks/label_latency.py [--judgements 100000] [--keys 200] [--annotators 8] [--seconds 60]

First one person labels by keyboard in Chromium, five keys a second: from the key to the answer that the label is
committed. Then several annotators label at once through the same endpoint, two labels a second each; afterwards every
acknowledged label must be in the file. Beside both, a model of bge-reranker-base's shape with random weights scores without
a pause. Needs Debian's Chromium, Linux, and the `test` extra.
"""

import argparse
import json
import random
import re
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from gradio_client import Client
from playwright.sync_api import sync_playwright
from random_model import make_checkpoint

from annotations.store import Store
from annotations.store.imports import ImportedJudgement
from annotations.store.text_rows import NewCandidate
from annotations.store.texts import NewPassage, NewQuery
from reranker_core.home import MODELS_FILE
from reranker_core.local_models import LocalModels

ROOT = Path(__file__).parents[1]
PER_QUERY = 100  # candidates
OPEN_QUERIES = 40  # that nobody has judged yet
KEYS_A_SECOND = 5
LABELS_A_SECOND = 2  # of each annotator


def fill_store(home: Path, judgements: int) -> int:
    """Make a project with that many judgements of "me", and queries that are open; return its id."""
    chance = random.Random(0)
    words = [f"word{number}" for number in range(5000)]
    count = judgements // PER_QUERY + OPEN_QUERIES
    with Store.open(home / "labels.db") as store:
        project = store.projects.create("Many labels")
        person = store.annotators.get_or_add("me")
        batch = store.imports.begin(
            project.id, source_kind="made", source_name="label_latency.py", sha256="0" * 64, scale="binary"
        )
        queries = store.texts.add_queries(
            project.id, [NewQuery(text=f"query {number}") for number in range(count)], batch_id=batch.id
        ).ids
        for place, query_id in enumerate(queries):
            texts = [NewPassage(text=f"{query_id} {n} " + " ".join(chance.choices(words, k=80))) for n in range(PER_QUERY)]
            passages = store.texts.add_passages(project.id, texts, batch_id=batch.id).ids
            candidates = store.texts.add_candidates(
                [
                    NewCandidate(query_id=query_id, passage_id=passage_id, source="bm25", source_rank=rank)
                    for rank, passage_id in enumerate(passages, start=1)
                ],
                batch_id=batch.id,
            ).ids
            if place < judgements // PER_QUERY:
                judged = [
                    ImportedJudgement(candidate_id=key, annotator_id=person.id, state="graded", grade=key % 2)
                    for key in candidates
                ]
                store.imports.add_judgements(batch.id, judged)
        store.imports.publish(batch.id)
        return project.id


@contextmanager
def running_app(home: Path) -> Iterator[tuple[str, int]]:
    """Start the app; give its address and process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "app.py", "--port", str(port), "--home", str(home)]
    with (home / "app.log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log)
        url = f"http://127.0.0.1:{port}"
        try:
            while process.poll() is None:
                try:
                    httpx.get(f"{url}/config", timeout=5)
                    break
                except httpx.HTTPError:
                    time.sleep(0.2)
            yield url, process.pid
        finally:
            process.terminate()
            process.wait(30)


@contextmanager
def scoring_beside(url: str) -> Iterator[list[int]]:
    """Score without a pause until the block ends; the list counts the calls that were finished."""
    calls: list[int] = []
    ended = threading.Event()
    passages = [f"passage {number} " + "of some words " * 20 for number in range(50)]

    def work() -> None:
        client = Client(url, verbose=False, download_files=False, analytics_enabled=False)
        while not ended.is_set():
            client.predict("what is panda?", passages, "base-shaped", api_name="/score")
            calls.append(len(passages))

    thread = threading.Thread(target=work)
    thread.start()
    while not calls and thread.is_alive():  # loaded, and warm
        time.sleep(0.1)
    calls.clear()
    try:
        yield calls
    finally:
        ended.set()
        thread.join()


# Notes when a grading key is pressed and when the answer to its label comes: labels are sent in the order of the keys.
WATCH = """
window.pressed = []; window.answered = [];
document.addEventListener('keydown', (event) => {
    if (event.key === 'a' || event.key === 'x') window.pressed.push(performance.now());
}, true);
const fetchAsEver = window.fetch;
window.fetch = async (...given) => {
    const response = await fetchAsEver(...given);
    const body = given[1]?.body;
    if (typeof body === 'string' && body.includes('"fn_name":"save"')) {
        const answer = await response.clone().json();
        for (const item of answer.items) if (item.status === 'saved') window.answered.push(performance.now());
    }
    return response;
};
"""


def label_by_keyboard(url: str, keys: int) -> list[float]:
    """Press keys in Chromium; return the milliseconds from each key to its committed label."""
    flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=flags)
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        page.add_init_script(WATCH)
        page.goto(f"{url}/?tab=annotate")
        page.get_by_text(re.compile(rf"passage \d+ of {PER_QUERY}")).first.wait_for(timeout=60_000)
        started = time.perf_counter()
        for number in range(keys):
            page.keyboard.press("ax"[number % 2])
            time.sleep(max(0.0, started + (number + 1) / KEYS_A_SECOND - time.perf_counter()))
        page.wait_for_function(f"window.answered.length >= {keys}", timeout=30_000)
        pressed, answered = page.evaluate("[window.pressed, window.answered]")
        browser.close()
    return [end - start for start, end in zip(pressed, answered, strict=True)]


class LabelClient:
    """Asks the app what the Annotate page asks."""

    def __init__(self, url: str, *, project: int, annotator: str) -> None:
        """Find the view among the app's components."""
        self._http = httpx.Client(base_url=url, timeout=60)
        config = self._http.get("/config").json()
        (self._view,) = (
            part["id"] for part in config["components"] if "open_page" in json.dumps(part["props"].get("server_fns") or [])
        )
        self._prefix = config.get("api_prefix", "")
        self._common = {"project": project, "annotator": annotator, "order": "shuffled"}
        self._annotator = annotator

    def ask(self, function: str, **wanted: Any) -> Any:
        """Call one of the page's functions."""
        body = {"session_hash": self._annotator, "component_id": self._view, "fn_name": function}
        answer = self._http.post(f"{self._prefix}/component_server", json=body | {"data": self._common | wanted})
        answer.raise_for_status()
        return answer.json()


def label_for(client: LabelClient, seconds: float, took: list[float], saved: list[int]) -> None:
    """Label at a steady pace; note the milliseconds of each save and the candidates that were acknowledged."""
    client_id, seq = uuid.uuid4().hex, 0
    ends = time.perf_counter() + seconds
    page = client.ask("open_page", midnight=0)
    query = page["query"]
    while time.perf_counter() < ends:
        for candidate in query["candidates"]:
            started = time.perf_counter()
            if started > ends:
                return
            item = {"seq": seq, "candidate": candidate["id"], "state": "graded", "grade": seq % 2, "expected_version": 0}
            answer = client.ask("save", store=page["store"], client_id=client_id, items=[item | {"scale": "binary"}])
            took.append((time.perf_counter() - started) * 1000)
            if answer["items"][0]["status"] == "saved":
                saved.append(candidate["id"])
            seq += 1
            time.sleep(max(0.0, started + 1 / LABELS_A_SECOND - time.perf_counter()))
        query = client.ask("next_query", after_query=query["id"])["query"]


def label_together(url: str, project: int, *, annotators: int, seconds: float) -> tuple[list[float], dict[str, list[int]]]:
    """Let several label at once; return all milliseconds, and what of each was acknowledged."""
    took: list[list[float]] = [[] for _ in range(annotators)]
    saved: dict[str, list[int]] = {f"annotator {number}": [] for number in range(annotators)}
    clients = [LabelClient(url, project=project, annotator=name) for name in saved]
    threads = [
        threading.Thread(target=label_for, args=(client, seconds, times, kept))
        for client, times, kept in zip(clients, took, saved.values(), strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [value for times in took for value in times], saved


def count_lost(home: Path, saved: dict[str, list[int]]) -> int:
    """Count acknowledged labels that the file does not hold."""
    rows = sqlite3.connect(home / "labels.db").execute(
        "SELECT handle, candidate_id FROM judgement JOIN annotator ON annotator.id = annotator_id WHERE deleted_at IS NULL"
    )
    there = set(rows)
    return sum((name, key) not in there for name, keys in saved.items() for key in keys)


def resident_mib(pid: int) -> float:
    """Read a process's resident memory."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def describe(name: str, times: list[float]) -> None:
    """Print a line of percentiles."""
    parts = statistics.quantiles(times, n=100)
    print(
        f"{name}: {len(times)} labels, median {parts[49]:.0f} ms, 95 % {parts[94]:.0f} ms, 99 % {parts[98]:.0f} ms, "
        f"worst {max(times):.0f} ms",
        flush=True,
    )


def main() -> None:
    """Run all and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judgements", type=int, default=100_000)
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--annotators", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        started = time.perf_counter()
        project = fill_store(home, options.judgements)
        size = (home / "labels.db").stat().st_size / 1e6
        print(f"{options.judgements:,} judgements laid in: {time.perf_counter() - started:.0f} s, {size:.0f} MB")
        make_checkpoint(home / "model", layers=12, seed=0)
        LocalModels(home / MODELS_FILE).add(str(home / "model"), name="base-shaped")
        with running_app(home) as (url, pid):
            describe("keyboard, nothing beside", label_by_keyboard(url, options.keys))
            with scoring_beside(url) as calls:
                started = time.perf_counter()
                describe("keyboard, a model scoring", label_by_keyboard(url, options.keys))
                print(f"  the model scored {sum(calls) / (time.perf_counter() - started):.0f} pairs/s beside it")
                before = resident_mib(pid)
                took, saved = label_together(url, project, annotators=options.annotators, seconds=options.seconds)
                describe(f"{options.annotators} annotators, a model scoring", took)
                print(f"  memory of the app: {before:.0f} MiB before, {resident_mib(pid):.0f} MiB after")
            took, more = label_together(url, project, annotators=options.annotators, seconds=options.seconds)
            describe(f"{options.annotators} annotators, nothing beside", took)
            for name, keys in more.items():
                saved[name] += keys
        print(f"  acknowledged {sum(map(len, saved.values()))}, lost {count_lost(home, saved)}")


if __name__ == "__main__":
    main()
