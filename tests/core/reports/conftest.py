"""What the tests of reports share: a run that left an adapter, without having trained, and its report."""

import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from reranker_core.loading import load_for_training
from reranker_core.reports import make_report
from reranker_core.reports.report import Report
from reranker_core.training.results import TrainingResult
from reranker_core.training.run_folder import RunFolder
from reranker_core.training.saving import identify_base, save_product
from reranker_core.training.settings import TrainingSettings
from tests.core.training.products import CHECKPOINTS, add_lora, change_trained

Run = tuple[TrainingSettings, TrainingResult]
MakeRun = Callable[..., Run]

_TARGETS = {"encoder": ["query", "dense"], "llm": ["q_proj"], "layerwise": ["q_proj"]}
_HEADS = {"encoder": ["classifier"], "llm": None, "layerwise": ["linear_head"]}
_WORDS = "panda bear china bamboo capital france paris tower river mountain whale ocean".split()


def write_rows(path: Path, *, first: int, count: int) -> Path:
    """Write rows of a positive and three negatives; queries of other numbers are other queries."""
    rows = [
        {
            "query": f"what is {_WORDS[number % 12]} {number}?",
            "pos": [f"{_WORDS[number % 12]} is here, {number}"],
            "neg": [f"{_WORDS[(number + step) % 12]} is not, {number}" for step in (1, 2, 3)],
        }
        for number in range(first, first + count)
    ]
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def make_run(tmp_path_factory: pytest.TempPathFactory) -> MakeRun:
    """Make the folder of a run: its adapter is drawn at random, or is what a base has at step 0."""

    def make(base: str = "encoder", *, has_learnt: bool = True, changes: dict[str, Any] | None = None) -> Run:
        folder = tmp_path_factory.mktemp("run")
        values: dict[str, Any] = {
            "model_name_or_path": str(CHECKPOINTS / base),
            "train_data": (write_rows(folder / "train.jsonl", first=0, count=12),),
            "dev_data": write_rows(folder / "dev.jsonl", first=100, count=9),
            "output_dir": folder,
            "query_max_len": 32,
            "passage_max_len": 32,
            "device": "cpu",
        }
        settings = TrainingSettings(**(values | (changes or {})))
        reranker = load_for_training(settings.model_name_or_path)
        add_lora(reranker.model, _TARGETS[base], _HEADS[base])
        if has_learnt:
            change_trained(reranker.model)
        identity = identify_base(settings.model_name_or_path)
        product = save_product(
            reranker, folder / "adapter", base=identity, settings=settings.to_dict(), data={"train.jsonl": "ab"}, results={}
        )
        result = TrainingResult(
            status="completed",
            output_dir=folder,
            product=product,
            kind="adapter",
            merged_model=None,
            steps=6,
            planned_steps=6,
            kept_step=6 if has_learnt else 0,
            before=None,
            after=None,
            dev=(),
            dev_note="",
            warnings=("A warning of the run.",),
            difference=None,
            seconds=1.0,
            base={"name": identity.name, "fingerprint": identity.fingerprint},
            data={str(folder / "train.jsonl"): hashlib.sha256((folder / "train.jsonl").read_bytes()).hexdigest()},
            versions={"torch": torch.__version__},
        )
        place = RunFolder(folder)
        place.start(settings)
        place.finish(result)
        return settings, result

    return make


@pytest.fixture(scope="session")
def run(make_run: MakeRun) -> Run:
    """An encoder's run with a dev set."""
    return make_run()


@pytest.fixture(scope="session")
def report(run: Run) -> Report:
    """The report of that run, on rows of its own."""
    settings, result = run
    return make_report(settings, result, data=write_rows(settings.output_dir / "test.jsonl", first=200, count=30))


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
