"""Read training files with FlagEmbedding's own classes, as its training would, and say what came of it.

    <python with FlagEmbedding> benchmarks/flagembedding_reads_export.py labels.jsonl [...] [--group-size 8] [--epochs 2]

Runs with an interpreter that has FlagEmbedding (1.3.5 with transformers 4.48 was used), which is no dependency of this
project. Every row of every file goes through the training dataset and the collator for encoders and through those for
decoders, with the tiny tokenizers of the tests. Whether texts arrive as they stand in the file is compared too.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import torch.distributed
from FlagEmbedding.abc.finetune.reranker import (
    AbsLLMRerankerCollator,
    AbsLLMRerankerTrainDataset,
    AbsRerankerCollator,
    AbsRerankerDataArguments,
    AbsRerankerTrainDataset,
)
from transformers import AutoTokenizer

CHECKPOINTS = Path(__file__).parents[1] / "tests" / "checkpoints"
KINDS = {
    "encoder": (AbsRerankerTrainDataset, AbsRerankerCollator),
    "llm": (AbsLLMRerankerTrainDataset, AbsLLMRerankerCollator),
}


def read(path: Path, kind: str, *, group_size: int, epochs: int, cache: str) -> dict[str, Any]:
    """Read a file as the training of that kind of model would, and count."""
    dataset_class, collator_class = KINDS[kind]
    tokenizer = AutoTokenizer.from_pretrained(CHECKPOINTS / kind)
    arguments = AbsRerankerDataArguments(
        train_data=[str(path)],
        train_group_size=group_size,
        query_max_len=64,
        passage_max_len=192,
        cache_path=cache,
        query_instruction_for_rerank="A: ",
        query_instruction_format="{}{}",
        passage_instruction_for_rerank="B: ",
        passage_instruction_format="{}{}",
    )
    dataset = dataset_class(arguments, tokenizer=tokenizer)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
    read_rows = [dataset.dataset[index] for index in range(len(dataset))]
    collator = collator_class(tokenizer=tokenizer, query_max_len=64, passage_max_len=192, padding=True, return_tensors="pt")
    pairs = tokens = 0
    for _ in range(epochs):
        for index in range(len(dataset)):
            ids = collator([dataset[index]])["pair"]["input_ids"]
            pairs, tokens = pairs + ids.shape[0], tokens + ids.numel()
    return {"rows": len(rows), "same": read_rows == rows, "pairs": pairs, "tokens": tokens}


def main() -> None:
    """Read every file with every kind and print a line for each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--group-size", type=int, default=8)
    parser.add_argument("--epochs", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as cache:
        torch.distributed.init_process_group("gloo", init_method=f"file://{cache}/group", rank=0, world_size=1)
        for path in given.files:
            for kind in KINDS:
                try:
                    found = read(path, kind, group_size=given.group_size, epochs=given.epochs, cache=cache)
                    texts = "texts as in the file" if found["same"] else "TEXTS DIFFER FROM THE FILE"
                    figures = f"{found['rows']} rows, {found['pairs']} pairs, {found['tokens']} tokens"
                    print(f"{path.name:24} {kind:8} {figures}, {texts}")
                except Exception as error:  # whatever stops the reader is the finding
                    print(f"{path.name:24} {kind:8} STOPPED: {type(error).__name__}: {error}")
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
