"""An adapter beside a base that is in memory already: a second reranker on the first one's weights.

The adapter is computed beside the weights, never folded in: only its own matrices and heads take memory, and the base's
scores stay what they were to the last bit. It costs time with every pass (`benchmarks/base_and_adapters.py`).
"""

import copy
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn.functional import linear

from reranker_core.adapters import HEADS, apply_adapter, check_adapter, read_adapter
from reranker_core.catalogue import find_model
from reranker_core.checkpoints import Checkpoint
from reranker_core.errors import AdapterError, InputError, RerankerError
from reranker_core.families.base import NeuralReranker
from reranker_core.hub import locate
from reranker_core.recognition import check_score_head
from reranker_core.reranker import Reranker


def load_beside(base: Reranker, adapter: str | Path) -> NeuralReranker:
    """Put an adapter beside a reranker that is loaded, and share its weights; the base stays as it is and in use.

    Device, dtype and depth are the base's. In bfloat16 the scores are not bit for bit those of a merged adapter: there the
    sum of both is rounded once, here the weights and the adapter are.

    Args:
        base: as `load_reranker` gives it, without an adapter.
        adapter: a LoRA adapter's folder, or the folder of a job that made one.

    Raises:
        AdapterError: the adapter cannot be read, does not fit, or would change weights of the base.
        InputError: the base is no plain one.

    Example:
        >>> base = load_reranker("BAAI/bge-reranker-v2-m3")  # doctest: +SKIP
        >>> tuned = load_beside(base, "workbench-data/jobs/cranfield")  # doctest: +SKIP
    """
    if not isinstance(base, NeuralReranker) or base.folder is None:
        raise InputError(
            f"{base.name} takes no adapter beside it: it has one already, is in training, or has no weights. Load the base "
            "alone first."
        )
    patch = read_adapter(adapter)
    check_adapter(patch, Checkpoint(base.folder), base_name=base.name)
    if not patch.leaves_weights:
        raise AdapterError(
            f"{patch.folder} changes more of its base than can be kept beside it: plain LoRA and score heads. Load it with "
            "load_reranker(…, adapter=…)."
        )
    model = _make_twin(base.model)
    apply_adapter(model, patch, merge=False)
    _make_lean(model, base.dtype)
    tuned = copy.copy(base)
    tuned.name, tuned.folder, tuned.shares_with = f"{base.name} + {Path(adapter).name}", None, base
    tuned.model = model.eval().requires_grad_(False)
    return tuned


def can_share(name_or_folder: str | Path, *, adapter: str | Path) -> bool:
    """Say whether an adapter can lie beside its base: the base is a reranker without it, and its weights stay as they are.

    It downloads nothing and reads no weights of the base. What cannot be told is `False`: then the load says it best.
    """
    try:
        if not read_adapter(adapter).leaves_weights:
            return False
        if find_model(str(name_or_folder)):
            return True  # what the catalogue names are rerankers
        checkpoint = Checkpoint(locate(name_or_folder, allow_download=False))
        check_score_head(checkpoint.config, checkpoint.tensor_names, folder=checkpoint.folder)
    except RerankerError:
        return False
    return True


def estimate_own_memory(adapter: str | Path, *, dtype: torch.dtype) -> int:
    """Say how many bytes `load_beside` takes, at most: a layer that is not loaded needs none.

    Args:
        adapter: as for `load_beside`.
        dtype: of the base. Heads are float32.

    Raises:
        AdapterError: it cannot be read.
    """
    tensors = read_adapter(adapter).parts.items()
    return sum(tensor.numel() * (torch.float32 if name.startswith(HEADS) else dtype).itemsize for name, tensor in tensors)


def _make_twin(module: nn.Module) -> nn.Module:
    """Copy a module and all in it, with the original's own tensors; what takes the place of a part stays in the copy."""
    twin: nn.Module = object.__new__(type(module))
    twin.__dict__ = module.__dict__ | {kind: dict(module.__dict__[kind]) for kind in ("_parameters", "_buffers")}
    twin.__dict__["_modules"] = {name: None if part is None else _make_twin(part) for name, part in module._modules.items()}
    return twin


class _LinearWithAdapter(nn.Module):
    """A linear layer and its LoRA, in two products: peft's own layer makes three more passes over the output."""

    def __init__(self, layer: Any, dtype: torch.dtype) -> None:
        """Take a layer of peft's apart."""
        super().__init__()
        self.base_layer: nn.Module = layer.base_layer
        down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight * layer.scaling["default"]
        self.down = nn.Parameter(down.to(dtype), requires_grad=False)  # (rank, inputs)
        self.up = nn.Parameter(up.t().to(dtype).contiguous(), requires_grad=False)  # (rank, outputs)

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Compute base_layer(states) + states @ down.T @ up."""
        output: torch.Tensor = self.base_layer(states)
        narrow = linear(states, self.down)
        return output.view(-1, output.shape[-1]).addmm_(narrow.view(-1, narrow.shape[-1]), self.up).view(output.shape)


def _make_lean(model: nn.Module, dtype: torch.dtype) -> None:
    """Put a `_LinearWithAdapter` in the place of each plain LoRA layer of peft's, except in heads."""
    from peft.tuners.lora import Linear

    layers = {path: layer for path, layer in model.named_modules() if isinstance(layer, Linear)}
    for path, layer in layers.items():
        if not path.startswith(HEADS) and not layer.lora_variant and layer.lora_B["default"].bias is None:
            parent, _, name = path.rpartition(".")
            setattr(model.get_submodule(parent), name, _LinearWithAdapter(layer, dtype))
