"""The app as README starts it, in a process of its own, and Debian's Chromium before it."""

import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from ask_one_score import wait_until_served

from reranker_core.home import MODELS_FILE
from reranker_core.local_models import LocalModels
from tests.local_hub import LocalHub

CHROMIUM = shutil.which("chromium")
ROOT = Path(__file__).parents[2]
CHECKPOINTS = ROOT / "tests" / "checkpoints"


@dataclass
class RunningApp:
    """A served app, and what tried to leave the machine: addresses from the page, connections from the process.

    `hub` stands for the Hugging Face Hub: it has bge-reranker-large, in miniature.
    """

    url: str
    hub: LocalHub
    outgoing: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    """Start `python app.py`, which begins with BM25 alone: no test waits for a model that it does not need."""
    with run_app(tmp_path_factory.mktemp("home"), "--first_models", "bm25") as running:
        yield running


@contextmanager
def run_app(home: Path, *options: str) -> Iterator[RunningApp]:
    """Start `python app.py` behind a proxy that only notes who comes."""
    models = LocalModels(home / MODELS_FILE)
    for folder in ("encoder", "layerwise", "llm"):
        models.add(str(CHECKPOINTS / folder), name=f"tiny-{folder}")
    with (
        socket.socket() as proxy,
        LocalHub({"BAAI/bge-reranker-large": CHECKPOINTS / "encoder"}) as hub,
        (home / "app.log").open("w+") as log,
    ):
        proxy.bind(("127.0.0.1", 0))
        proxy.listen()
        port = _free_port()
        running = RunningApp(f"http://127.0.0.1:{port}/", hub)
        threading.Thread(target=_note_connections, args=(proxy, running.outgoing), daemon=True).start()
        address = f"http://127.0.0.1:{proxy.getsockname()[1]}"
        proxies = dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"), address)
        environment = os.environ | proxies | {"NO_PROXY": "127.0.0.1,localhost", "no_proxy": "127.0.0.1,localhost"}
        environment |= {"HF_ENDPOINT": hub.url, "HF_HOME": str(home / "hf"), "HF_HUB_CACHE": str(home / "hf" / "hub")}
        environment.pop("HF_HUB_OFFLINE")  # as a person starts it
        command = [sys.executable, "app.py", "--port", str(port), "--home", str(home), *options]
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=log, stderr=log)
        try:
            wait_until_served(running.url, 60)
            yield running
        finally:
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Debian's Chromium."""
    if CHROMIUM is None:
        pytest.skip("no chromium on the PATH: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"]
    flags.append("--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def window(app: RunningApp, chromium: Any) -> Iterator[Any]:
    """One window for all tests, so that the page's files are fetched and compiled once."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, locale="en-US")

    def note(request: Any) -> None:
        if not request.url.startswith((app.url, "data:", "blob:")):
            app.outgoing.append(request.url)

    context.on("request", note)  # looking on only: a context with routes has no cache
    yield context
    context.close()


@pytest.fixture
def page(app: RunningApp, window: Any) -> Iterator[Any]:
    """A fresh visit, of which the browser keeps nothing; an error in the page's scripts fails the test."""
    errors: list[str] = []
    page = window.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(app.url)
    page.get_by_label("Query", exact=True).wait_for()
    yield page
    page.evaluate("localStorage.clear()")
    page.close()
    assert errors == []


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _note_connections(listener: socket.socket, seen: list[str]) -> None:
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection:
            connection.settimeout(2)
            try:
                seen.append(connection.recv(200).decode(errors="replace"))
            except OSError:
                seen.append("a connection without a request")
