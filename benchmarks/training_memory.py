"""Compare the estimate of a training's memory with what it takes: tiny checkpoints, random models of XLM-R base's shape.

    python benchmarks/training_memory.py [--folder DIR] [--only WORD]

For each case a process of its own loads the model, touches every weight, and then takes two steps of AdamW on groups of
random tokens, with the trainer's own loss. What is reported is how far the resident memory rose above what it was before
the first step, beside what the estimate says of gradients, optimizer and activations. CPU, Linux, one thread.

Measured on 2026-11-23 (AMD EPYC, torch 2.13): the rise was 0.82 to 1.24 times the estimate for XLM-R base's shape, and 0.72
to 1.71 times for the tiny checkpoints. What dominates long sequences on a CPU are the tables of attention weights, which
dropout on them keeps: without dropout 500 tokens took 2.9 GB instead of 4.9.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from measuring import peak_memory, reset_peak_memory
from random_model import make_checkpoint

from reranker_core.training.losses import compute_group_losses
from reranker_core.training.memory_estimate import estimate_memory, read_shape
from reranker_core.training.settings import TrainingSettings
from reranker_core.training.trainable import Trainable, load_trainable

CHECKPOINTS = Path(__file__).parents[1] / "tests" / "checkpoints"
BASE = "base, 12 layers"
HALF = "base, 6 layers"
GROUP = 8
VOCABULARY = 1_000  # random ids are drawn from the first ones


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is trained, and on how much at once.

    Attributes:
        model: a folder under tests/checkpoints, or one of the random ones.
        groups: of `GROUP` passages, in a micro batch.
        length: tokens of each pair.
        lora: whether LoRA is trained, or every weight.
        recomputes: as `gradient_checkpointing`.
        dropout: of the model; by default what its config says.
    """

    model: str
    groups: int
    length: int
    lora: bool = True
    recomputes: bool = False
    dropout: float | None = None

    def __str__(self) -> str:
        """Name the case in a few words."""
        how = "LoRA" if self.lora else "every weight"
        more = ", checkpointing" * self.recomputes + ("" if self.dropout is None else f", dropout {self.dropout}")
        return f"{self.model}, {self.groups} x {GROUP} x {self.length}, {how}{more}"


CASES = [
    *(
        Case(model=model, groups=2, length=500, recomputes=recomputes)
        for model in ("encoder", "llm", "layerwise")
        for recomputes in (False, True)
    ),
    *(
        Case(model=HALF, groups=1, length=length, recomputes=recomputes, dropout=dropout)
        for length in (64, 128, 500)
        for recomputes in (False, True)
        for dropout in (None, 0.0)
    ),
    *(Case(model=BASE, groups=1, length=128, recomputes=recomputes) for recomputes in (False, True)),
    *(Case(model=HALF, groups=1, length=128, lora=False, recomputes=recomputes) for recomputes in (False, True)),
]


def measure(case: Case, folder: Path) -> dict[str, Any]:
    """Train a little, in this process."""
    torch.set_num_threads(1)
    settings = TrainingSettings(
        model_name_or_path=str(folder),
        train_data=(folder / "none.jsonl",),
        output_dir=folder / "none",
        use_lora=case.lora,
        gradient_checkpointing=case.recomputes,
        dropout=case.dropout,
        device="cpu",
    )
    trainable = load_trainable(settings, device=torch.device("cpu"))
    shape = read_shape(trainable.reranker, settings)
    for parameter in trainable.reranker.model.parameters():
        parameter.sum().item()  # files are mapped: their pages come with the first look
    trainable.scorer.train()
    take_steps(trainable, settings, case=Case(model=case.model, groups=1, length=8), steps=1, learns=False)
    reset_peak_memory()
    before = peak_memory()
    take_steps(trainable, settings, case=case, steps=2)
    estimate = estimate_memory(shape, tokens=case.groups * GROUP * case.length, longest=case.length)
    return asdict(estimate) | {"shape": asdict(shape), "rise": peak_memory() - before}


def take_steps(trainable: Trainable, settings: TrainingSettings, *, case: Case, steps: int, learns: bool = True) -> None:
    """Train on random tokens; without learning the libraries only make what they make once."""
    optimizer = torch.optim.AdamW(trainable.parameter_groups(settings), fused=True)  # as transformers chooses it
    draw = torch.Generator().manual_seed(1)
    for _ in range(steps):
        sequences = case.groups * GROUP
        ids = torch.randint(5, VOCABULARY, (sequences * case.length,), generator=draw)
        scores = trainable.scorer(ids, [case.length] * sequences)
        losses = compute_group_losses(scores, [GROUP] * case.groups)
        losses.mean().backward()
        if learns:
            optimizer.step()
        optimizer.zero_grad()


def run(case: Case, folder: Path) -> dict[str, Any]:
    """Measure in a process of its own."""
    command = [sys.executable, __file__, "--measure", json.dumps(asdict(case)), "--folder", str(folder)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def find_folder(model: str, folder: Path) -> Path:
    """Give the model's folder; a random one is made there."""
    if model not in (BASE, HALF):
        return CHECKPOINTS / model
    layers = 12 if model == BASE else 6
    place = folder / f"xlm-r-base-{layers}"
    make_checkpoint(place, layers=layers, seed=1)
    return place


def main() -> None:
    """Measure every case and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, help="where random models are made and stay; by default a temporary one")
    parser.add_argument("--only", default="", help="cases with this in their name")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print(json.dumps(measure(Case(**json.loads(options.measure)), options.folder)))
        return
    print("| case | rise MB | estimate MB | rise / estimate |\n|---|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as temporary:
        for case in CASES:
            if options.only not in str(case):
                continue
            figures = run(case, find_folder(case.model, options.folder or Path(temporary)))
            told = figures["gradients"] + figures["optimizer"] + figures["activations"]
            rise = figures["rise"]
            print(f"| {case} | {rise / 1e6:.0f} | {told / 1e6:.0f} | {rise / told:.2f} |", flush=True)


if __name__ == "__main__":
    main()
