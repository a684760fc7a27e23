"""The shape of a model in training, read off the names and shapes of its weights before any of them is read."""

import re
from dataclasses import dataclass
from pathlib import Path

from reranker_core.checkpoints import Checkpoint
from reranker_core.training.memory_estimate import TrainedShape, count_kept_heads
from reranker_core.training.settings import TrainingSettings
from reranker_core.training.trainable import LORA_TARGETS

_BLOCK = re.compile(r"\.layers?\.(\d+)\.")
_LEFT_OUT = re.compile(r".*(position_ids|inv_freq|pooler\.).*|lm_head\..*|classifier\..*")
_FIRST_HEAD = 8  # of a raw MiniCPM, where nobody says it


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedShape:
    """What a training computes with.

    Attributes:
        trained: what it needs memory for.
        multiplied: weights that each token is multiplied with: of the blocks' linear layers.
        has_lora: whether only LoRA and the head are trained.
    """

    trained: TrainedShape
    multiplied: int
    has_lora: bool


def read_planned_shape(folder: Path, family: str, settings: TrainingSettings, *, on_cuda: bool) -> PlannedShape:
    """Read what a training of a model would need memory and time for; of the weights only names and shapes are read.

    Args:
        folder: of the model.
        family: `"encoder"`, `"decoder"` or `"layerwise"`.
        settings: of the training.
        on_cuda: whether it computes on a GPU.

    Raises:
        UnsupportedModelError: the weights are missing or damaged.
    """
    checkpoint = Checkpoint(folder)
    names = [name for name in checkpoint.tensor_names if not _LEFT_OUT.fullmatch(name)]
    block = [name for name in names if (found := _BLOCK.search(name)) and found[1] == "0"]
    shapes = {name: checkpoint.shape(name) or () for name in block}
    linear = {name.split(".")[-2]: [] for name in block}  # type: dict[str, list[tuple[int, ...]]]
    for name, shape in shapes.items():
        if len(shape) == 2:
            linear[name.split(".")[-2]].append(shape)
    width = int(checkpoint.config.get("hidden_size") or 1)
    blocks = min(checkpoint.depth, int(checkpoint.config.get("num_hidden_layers") or checkpoint.depth))
    around = sum(_size(checkpoint.shape(name) or ()) for name in names if not _BLOCK.search(name))
    body = around + blocks * sum(map(_size, shapes.values()))
    head = _count_head(family, settings, checkpoint, width=width, blocks=blocks)
    numbers = sum(sum(shape) for places in linear.values() for shape in places)
    trained = body + head
    if settings.use_lora:
        targets = settings.target_modules or LORA_TARGETS[family]
        wanted = [
            shape for name, places in linear.items() if name in targets or "all-linear" in targets for shape in places
        ]
        numbers += sum(sum(shape) + 2 * settings.lora_rank for shape in wanted)
        lora = blocks * settings.lora_rank * sum(map(sum, wanted))
        trained = lora + (0 if family == "decoder" else head)
    is_half = on_cuda and (settings.bf16 or settings.fp16)
    frozen_bytes = (body + head) * (2 if is_half else 4) if settings.use_lora else 0
    return PlannedShape(
        trained=TrainedShape(
            base_bytes=frozen_bytes + trained * 4,
            trained_bytes=trained * 4,
            trained=trained,
            blocks=blocks,
            block_numbers=numbers,
            width=width,
            number_bytes=2 if is_half else 4,
            recomputes=settings.gradient_checkpointing,
            kept_heads=count_kept_heads(checkpoint.config, settings, on_cpu=not on_cuda),
        ),
        multiplied=blocks * sum(_size(shape) for places in linear.values() for shape in places),
        has_lora=settings.use_lora,
    )


def _count_head(family: str, settings: TrainingSettings, checkpoint: Checkpoint, *, width: int, blocks: int) -> int:
    if family == "encoder":
        return (width + 2) * width + 1
    if family == "decoder":
        return width
    first = checkpoint.config.get("start_layer") or settings.start_layer or _FIRST_HEAD
    return max(1, blocks + 1 - int(first)) * width


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size
