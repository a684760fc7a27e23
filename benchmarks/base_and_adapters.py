"""What an adapter beside its base costs, against the same adapter merged into a copy of its own: memory and time.

    python benchmarks/base_and_adapters.py [--layers 12] [--rank 16] [--adapters 2] [--threads 1]

The base has the shape of bge-reranker-base and random weights; each adapter is LoRA on all linear layers with a whole head.
Times are of the process's own CPU, the best of some rounds in turn, so that other programs count little.
"""

import argparse
import gc
import json
import tempfile
import time
from pathlib import Path

import psutil
import torch
from random_model import make_checkpoint, make_requests

from reranker_core import Reranker, load_beside, load_reranker
from reranker_core.loading import load_for_training
from reranker_core.training.saving import identify_base, save_product


def main() -> None:
    """Measure, and print a line of JSON for each step."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--adapters", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        base_folder, adapter = Path(folder) / "base", Path(folder) / "adapter"
        make_checkpoint(base_folder, layers=options.layers, seed=0)
        make_adapter(base_folder, adapter, rank=options.rank)
        rerankers: dict[str, Reranker] = {}
        tell("nothing", rerankers)
        base = rerankers["base"] = load_reranker(base_folder, device="cpu")
        tell("base", rerankers)
        for number in range(1, options.adapters + 1):
            rerankers[f"beside {number}"] = load_beside(base, adapter)
            tell(f"base and {number} beside it", rerankers)
        rerankers["merged"] = load_reranker(base_folder, adapter=adapter, device="cpu")
        tell("and one merged", rerankers)
        measure_speed(rerankers, base_folder, rounds=options.rounds)


def make_adapter(base: Path, folder: Path, *, rank: int) -> None:
    """Write an adapter with random weights, as training would."""
    from peft import LoraConfig, PeftModel

    reranker = load_for_training(base, device="cpu")
    settings = LoraConfig(
        r=rank, lora_alpha=2 * rank, target_modules=["query", "key", "value", "dense"], modules_to_save=["classifier"]
    )
    PeftModel(reranker.model, settings)
    torch.manual_seed(1)
    for name, parameter in reranker.model.named_parameters():
        if ".lora_B." in name:
            torch.nn.init.normal_(parameter, std=0.01)
    save_product(reranker, folder, base=identify_base(base), settings={}, data={}, results={})


def tell(what: str, rerankers: dict[str, Reranker]) -> None:
    """Print what the process and the weights take."""
    gc.collect()
    weights = sum(reranker.memory_bytes for reranker in rerankers.values())
    resident = psutil.Process().memory_info().rss
    print(json.dumps({"loaded": what, "rss_mb": round(resident / 1e6), "weights_mb": round(weights / 1e6, 1)}), flush=True)


def measure_speed(rerankers: dict[str, Reranker], base: Path, *, rounds: int) -> None:
    """Score the same pairs by each in turn; print the best time of each and the largest difference to the merged one."""
    requests = make_requests(base, 2, passages=20, seed=1)
    best: dict[str, float] = {}
    values: dict[str, list[float]] = {}
    for _ in range(rounds):
        for name, reranker in rerankers.items():
            started = time.process_time()
            values[name] = [score for pairs in requests for score in reranker.score(pairs).column()]
            best[name] = min(best.get(name, float("inf")), time.process_time() - started)
    for name, seconds in best.items():
        difference = max(abs(one - other) for one, other in zip(values[name], values["merged"], strict=True))
        row = {"reranker": name, "seconds": round(seconds, 3), "of_base": round(seconds / best["base"], 3)}
        print(json.dumps(row | {"from_merged": float(f"{difference:.2g}")}), flush=True)


if __name__ == "__main__":
    main()
