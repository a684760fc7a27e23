"""What the tests of the core share: copies of a checkpoint that a test may change, and the tolerance of the reference."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from tests.core.known_logits import KnownLogits

CopyCheckpoint = Callable[..., Path]
AssertSame = Callable[[Any, Any], None]


@pytest.fixture
def copy_checkpoint(tmp_path: Path, checkpoints: Path) -> CopyCheckpoint:
    """Copy a checkpoint into the test's folder, with some keys of its config.json changed (`None` takes one out)."""

    def copy(folder: str, *, to: str | None = None, **config_changes: Any) -> Path:
        copied = Path(shutil.copytree(checkpoints / folder, tmp_path / (to or Path(folder).name)))
        if config_changes:
            edit_json(copied / "config.json", **config_changes)
        return copied

    return copy


@pytest.fixture(scope="session")
def assert_same() -> AssertSame:
    """Hold numbers to the reference: atol 1e-5 + rtol 1e-5."""

    def compare(actual: Any, expected: Any) -> None:
        np.testing.assert_allclose(np.array(actual), np.array(expected), atol=1e-5, rtol=1e-5, strict=True)

    return compare


@pytest.fixture(scope="session")
def known_logits() -> type[KnownLogits]:
    """Make a reranker of known logits."""
    return KnownLogits


@pytest.fixture(scope="session")
def edit_config() -> Callable[..., None]:
    """Change keys of a JSON file; `None` takes one out."""
    return edit_json


@pytest.fixture(scope="session")
def edit_tensors() -> Callable[..., None]:
    """Change a safetensors file: `change` gets the dict of tensors and changes it in place."""

    def edit(path: Path, change: Callable[[dict[str, Any]], None]) -> None:
        tensors = load_file(path)
        change(tensors)
        save_file(tensors, path, metadata={"format": "pt"})

    return edit


def edit_json(path: Path, **changes: Any) -> None:
    content = json.loads(path.read_text(encoding="utf-8")) | changes
    kept = {key: value for key, value in content.items() if value is not None}
    path.write_text(json.dumps(kept), encoding="utf-8")


@pytest.fixture
def fresh(reranker: Any) -> Any:
    """Another instance of `reranker`, for a test that changes it."""
    from reranker_core import load_reranker

    return load_reranker(reranker.name)
