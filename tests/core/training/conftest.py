"""What the tests of the trainer share: a few rows of text, and the settings of a small run on a tiny checkpoint."""

import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reranker_core.training.settings import TrainingSettings
from tests.conftest import CHECKPOINTS, FOLDER_BY_FAMILY
from tests.core.training.products import Products

MakeSettings = Callable[..., TrainingSettings]

_WORDS = "panda bear china bamboo capital france paris tower river mountain whale ocean piano music tea leaf moon".split()


@pytest.fixture(scope="session")
def training_rows() -> list[dict[str, Any]]:
    """Rows with one positive that shares its words with the query, and some negatives that share none."""
    draw = random.Random(7)
    rows = []
    for _ in range(12):
        words = draw.sample(_WORDS, 3)
        others = [word for word in _WORDS if word not in words]
        rows.append(
            {
                "query": f"what is {' '.join(words)}?",
                "pos": [f"{' '.join(words)} is here"],
                "neg": [" ".join(draw.sample(others, draw.randint(2, 7))) for _ in range(draw.randint(2, 5))],
            }
        )
    return rows


@pytest.fixture
def make_settings(tmp_path: Path, training_rows: list[dict[str, Any]]) -> MakeSettings:
    """Make the settings of a small run: `family` names the checkpoint, `rows` how many rows, the rest is a setting."""

    def make(family: str = "encoder", *, rows: int = 12, **changes: Any) -> TrainingSettings:
        path = tmp_path / f"rows-{rows}.jsonl"
        path.write_text("\n".join(map(json.dumps, training_rows[:rows])), encoding="utf-8")
        values = {
            "model_name_or_path": str(CHECKPOINTS / FOLDER_BY_FAMILY.get(family, family)),
            "train_data": (path,),
            "output_dir": tmp_path / "run",
            "train_group_size": 4,
            "query_max_len": 48,
            "passage_max_len": 48,
            "lora_rank": 4,
            "lora_alpha": 8,
            "learning_rate": 1e-3,
            "warmup_ratio": 0.0,
            "gradient_accumulation_steps": 1,
            "per_device_train_batch_size": 4,
            "device": "cpu",
        }
        return TrainingSettings(**(values | changes))

    return make


@pytest.fixture
def read_metrics() -> Callable[[Path], list[dict[str, Any]]]:
    """Read the lines of a run's metrics.jsonl."""

    def read(folder: Path) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]

    return read


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> Products:
    """Make raw bases and products of training, each once for a file."""
    return Products(tmp_path_factory.mktemp("products"))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Compute with one thread: sums in a fixed order, and tiny models are fastest so."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
