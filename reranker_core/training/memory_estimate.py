"""How much memory a training will take, roughly, before it starts. Knows no torch."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reranker_core.training.settings import TrainingSettings

if TYPE_CHECKING:
    from reranker_core.families.base import NeuralReranker

_BLOCK = re.compile(r"\.layers?\.(\d+)\.")

# AdamW keeps two float32 numbers for each trained one.
_OPTIMIZER_BYTES = 8

# What a block keeps for its gradients, as a multiple of what goes into its linear layers and comes out of them: norms and
# dropouts are in it. Gradients on their way take about a block more. benchmarks/training_memory.py says how near it comes.
_KEPT = 1.1

# How many tables of attention weights, tokens x tokens for each head, a block keeps on a CPU with dropout on them: torch's
# kernel that keeps none knows no dropout there.
_WEIGHT_TABLES = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainedShape:
    """What a model in training needs memory for.

    Attributes:
        base_bytes: of all parameters as they lie in memory.
        trained_bytes: of those that are trained.
        trained: how many those are.
        blocks: how deep it is.
        block_numbers: that go into the linear layers of a block and come out of them, for one token; LoRA's are among them.
        width: numbers of a hidden state.
        number_bytes: of a number that is kept for the gradients: 2 in half precision, else 4.
        recomputes: whether only the input of each block is kept (`gradient_checkpointing`).
        kept_heads: heads of a block whose attention weights are kept, a number for each two tokens of a sequence; 0 where
            the kernel keeps none.
    """

    base_bytes: int
    trained_bytes: int
    trained: int
    blocks: int
    block_numbers: int
    width: int
    number_bytes: int
    recomputes: bool
    kept_heads: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryEstimate:
    """Bytes on each device, roughly.

    Attributes:
        base: the weights.
        gradients: of what is trained.
        optimizer: AdamW's moments of what is trained.
        activations: what one micro batch of the longest groups keeps for its gradients.
    """

    base: int
    gradients: int
    optimizer: int
    activations: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.base + self.gradients + self.optimizer + self.activations

    def line(self) -> str:
        """Say it in a sentence."""
        return (
            f"About {_size(self.total)} of memory on a device, roughly: {_size(self.base)} base, {_size(self.gradients)} "
            f"gradients, {_size(self.optimizer)} optimizer, {_size(self.activations)} activations of one micro batch; "
            "Python and its libraries come on top."
        )


def read_shape(reranker: "NeuralReranker", settings: TrainingSettings) -> TrainedShape:
    """Read off a model that can be trained what it needs memory for.

    Args:
        reranker: with LoRA in its model or without, on its device.
        settings: as the machine can do them.
    """
    parameters = list(reranker.model.parameters())
    trained = [one for one in parameters if one.requires_grad]
    numbers: Counter[str] = Counter()
    for name, module in reranker.model.named_modules():
        place = _BLOCK.search(f".{name}.")
        if place is not None and "weight" in module._parameters and hasattr(module, "in_features"):
            numbers[place[1]] += module.in_features + module.out_features
    config = next(one.config for one in reranker.model.modules() if hasattr(one, "config"))
    is_half = reranker.device.type == "cuda" and (settings.bf16 or settings.fp16)
    return TrainedShape(
        base_bytes=sum(one.nbytes for one in parameters),
        trained_bytes=sum(one.nbytes for one in trained),
        trained=sum(one.numel() for one in trained),
        blocks=len(numbers),
        block_numbers=max(numbers.values(), default=0),
        width=next(one.embedding_dim for one in reranker.model.modules() if hasattr(one, "embedding_dim")),
        number_bytes=2 if is_half else 4,
        recomputes=settings.gradient_checkpointing,
        kept_heads=count_kept_heads(config.to_dict(), settings, on_cpu=reranker.device.type == "cpu"),
    )


def count_kept_heads(config: Mapping[str, Any], settings: TrainingSettings, *, on_cpu: bool) -> int:
    """Count the heads of a block whose attention weights are kept for the gradients: all, or none.

    Args:
        config: of the model, as in config.json.
        settings: whose dropout goes before the config's.
        on_cpu: whether it trains on a CPU.
    """
    dropout = settings.dropout
    if dropout is None:
        dropout = config.get("attention_probs_dropout_prob", config.get("attention_dropout", 0.0))
    return int(config.get("num_attention_heads") or 0) if on_cpu and dropout else 0


def estimate_memory(shape: TrainedShape, *, tokens: int, longest: int) -> MemoryEstimate:
    """Estimate the memory of a training on one device.

    Weights as they lie there; gradients and two AdamW moments of what is trained; and for each token of the micro batch
    what the blocks keep: what goes into their linear layers and comes out of them, or with checkpointing the input of
    each block and all of one block, and a block more for gradients on their way. A rough estimate: kernels, allocators and
    copies of weights in half precision differ.

    Args:
        shape: of the model.
        tokens: of the longest micro batch.
        longest: tokens of its longest sequence; the others are taken to be as long, as far as attention goes.
    """
    blocks = 1 + (1 if shape.recomputes else shape.blocks)
    inputs = shape.blocks * shape.width if shape.recomputes else 0
    weights = _WEIGHT_TABLES * shape.kept_heads * longest
    numbers = blocks * (_KEPT * shape.block_numbers + weights) + inputs
    return MemoryEstimate(
        base=shape.base_bytes,
        gradients=shape.trained_bytes,
        optimizer=shape.trained * _OPTIMIZER_BYTES,
        activations=int(tokens * numbers * shape.number_bytes),
    )


def _size(count: int) -> str:
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{max(1, round(count / 1e6)):,} MB"
