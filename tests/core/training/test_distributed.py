"""Two processes on the CPU give what one gives at the same global batch; only the first writes."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from reranker_core import load_reranker
from reranker_core.training.data import read_training_data
from reranker_core.training.results import read_result
from reranker_core.training.settings import TrainingSettings

pytestmark = pytest.mark.slow

MakeSettings = Callable[..., TrainingSettings]
RunIt = Callable[..., subprocess.CompletedProcess[str]]

TORCHRUN = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node")


@pytest.fixture
def run_it() -> RunIt:
    """Train by the command line, in one process or by torchrun in several."""

    def run(settings: TrainingSettings, *, processes: int) -> subprocess.CompletedProcess[str]:
        flags: list[str] = []
        for name, value in settings.to_dict().items():
            if value is not None:
                flags += [f"--{name}", *(map(str, value) if isinstance(value, list) else [str(value)])]
        start = [*TORCHRUN, str(processes)] if processes > 1 else []
        return subprocess.run(
            [sys.executable, *start, "-m", "reranker_core.training", *flags],
            env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "MKL_NUM_THREADS": "1"},
            cwd=Path(__file__).parents[3],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    return run


@pytest.mark.parametrize(
    ("family", "rows", "changes"),
    [
        # 11 rows by twos leave one row to the first process and nothing to the second.
        ("encoder", 11, {"gradient_accumulation_steps": 2, "hold_out": 0.3}),
        ("layerwise", 9, {"gradient_checkpointing": True}),
    ],
    ids=["encoder", "layerwise"],
)
def test_two_processes_learn_what_one_learns(
    family: str, rows: int, changes: dict[str, Any], make_settings: MakeSettings, run_it: RunIt, tmp_path: Path
) -> None:
    plan = {"rows": rows, "dropout": 0.0, "lora_dropout": 0.0, "num_train_epochs": 2, **changes}
    together = make_settings(family, per_device_train_batch_size=1, output_dir=tmp_path / "two", **plan)
    alone = make_settings(family, per_device_train_batch_size=2, output_dir=tmp_path / "one", **plan)
    for settings, processes in ((together, 2), (alone, 1)):
        done = run_it(settings, processes=processes)
        assert done.returncode == 0, done.stderr
    results = [read_result(settings.output_dir) for settings in (together, alone)]
    assert results[0].steps == results[1].steps
    assert results[0].kept_step == results[1].kept_step
    lines = [
        [json.loads(line) for line in (settings.output_dir / "metrics.jsonl").read_text().splitlines()]
        for settings in (together, alone)
    ]
    assert [line["kind"] for line in lines[0]] == [line["kind"] for line in lines[1]]
    for one, other in zip(*lines, strict=True):
        for name in {"loss", "gap", "spread", "nDCG@10", "RR@10"} & one.keys():
            assert one[name] == pytest.approx(other[name], rel=1e-5, abs=1e-6), name
    data = read_training_data(alone)
    pairs = [(row.query, passage) for row in data.rows for passage in (*row.pos, *row.neg)]
    scores = [
        torch.tensor(load_reranker(result.base["name"], adapter=result.product).score(pairs).values) for result in results
    ]
    torch.testing.assert_close(scores[0], scores[1], atol=2e-6, rtol=1e-6)


def test_a_process_that_cannot_start_ends_all_with_one_sentence(make_settings: MakeSettings, run_it: RunIt) -> None:
    settings = make_settings("decoder", use_lora=False)
    done = run_it(settings, processes=2)
    assert done.returncode != 0
    assert "trained with LoRA only" in done.stderr


_NOTE_SEEDS = """
import json, os, sys
from pathlib import Path
import torch
from reranker_core.training.run import train
from reranker_core.training.settings import TrainingSettings

def note():
    Path(sys.argv[2], os.environ["RANK"]).write_text(str(torch.initial_seed()))
    return False

if __name__ == "__main__":
    train(TrainingSettings.from_dict(json.loads(Path(sys.argv[1]).read_text())), should_stop=note)
"""


def test_every_process_draws_its_own_dropout(make_settings: MakeSettings, tmp_path: Path) -> None:
    script, values, seeds = tmp_path / "note_seeds.py", tmp_path / "values.json", tmp_path / "seeds"
    script.write_text(_NOTE_SEEDS, encoding="utf-8")
    values.write_text(json.dumps(make_settings(rows=4, per_device_train_batch_size=1).to_dict()), encoding="utf-8")
    seeds.mkdir()
    done = subprocess.run(
        [sys.executable, *TORCHRUN, "2", str(script), str(values), str(seeds)],
        env=os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [(seeds / rank).read_text() for rank in ("0", "1")] == ["42", "43"]
