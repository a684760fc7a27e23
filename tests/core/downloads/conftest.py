"""A repository on a small local server, a cache of its own, and downloads from the one into the other."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import constants

from reranker_core.downloads import Downloads
from reranker_core.transfer import Patience
from tests.core.downloads.steps import ATTEMPTS, REPO
from tests.local_hub import LocalHub


@pytest.fixture(autouse=True)
def online(monkeypatch: pytest.MonkeyPatch) -> None:
    """Allow requests, which tests/conftest.py forbids; they go to this machine only, as each names its server."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)


@pytest.fixture
def published(checkpoints: Path, tmp_path: Path) -> Path:
    """A repository as people publish them: more in it than a reranker needs."""
    folder = tmp_path / "published"
    shutil.copytree(checkpoints / "encoder", folder)
    for name in ("README.md", "pytorch_model.bin", "onnx/config.json", "onnx/model.onnx", "training_args.bin"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"not needed")
    return folder


@pytest.fixture
def hub(published: Path) -> Iterator[LocalHub]:
    with LocalHub({REPO: published}) as server:
        yield server


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def downloads(cache: Path, hub: LocalHub) -> Downloads:
    return Downloads(cache, hub.url, patience=Patience(timeout=10, attempts=ATTEMPTS, pause=0))
