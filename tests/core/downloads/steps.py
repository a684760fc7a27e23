"""What the tests of downloads do again and again."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from reranker_core.downloads import Downloads, DownloadState
from tests.local_hub import LocalHub

REPO, OTHER_REPO = "someone/model", "someone/other"
WEIGHTS = "model.safetensors"
ATTEMPTS = 3  # on a line where nothing comes
ROOT = Path(__file__).parents[3]


class EnoughError(Exception):
    """What a test's report raises to end a download."""


def needed_bytes(folder: Path) -> int:
    """Add up what has to be fetched of a repository."""
    return sum(path.stat().st_size for path in folder.glob("*") if path.suffix in (".json", ".safetensors"))


def run(downloads: Downloads, repo_id: str = REPO) -> DownloadState:
    """Download to the end, whichever it is."""
    downloads.start(repo_id)
    return downloads.wait(repo_id, 60)


def wait_for_bytes(downloads: Downloads, done: int) -> DownloadState:
    """Wait until so many bytes are here."""
    for _ in range(2000):
        state = downloads.wait(REPO, 0.02)
        if state.done_bytes >= done:
            return state
        assert state.status in ("starting", "running"), state
    raise AssertionError(state)


def report_until(done: int) -> Callable[[int, int | None], None]:
    """Make a report that ends the download as soon as so many bytes are here."""

    def report(here: int, total: int | None) -> None:
        if here >= done:
            raise EnoughError

    return report


def part_of(cache: Path, file: Path) -> Path:
    """Find what came of one file, by its beginning."""
    (part,) = [
        part
        for part in cache.glob("*/blobs/*.incomplete")
        if file.read_bytes().startswith(part.read_bytes()) and size_of(part)
    ]
    return part


def size_of(path: Path) -> int:
    """Count the bytes of a file."""
    return path.stat().st_size


def start_child(code: str, hub: LocalHub, cache: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a process that finds the server by HF_ENDPOINT, as a person's mirror is found."""
    environment = {name: value for name, value in os.environ.items() if name != "HF_HUB_OFFLINE"}
    environment |= {"HF_ENDPOINT": hub.url, "HF_HUB_CACHE": str(cache)}
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    )
