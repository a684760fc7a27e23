"""A checkpoint's weights into a model: made without memory, then read one by one into place, device and dtype."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from torch.overrides import TorchFunctionMode

from reranker_core.adapters import Adapter, apply_adapter
from reranker_core.checkpoints import Checkpoint
from reranker_core.cpu_linear import can_pack, pack_linear_layer
from reranker_core.errors import RerankerError, UnsupportedModelError
from reranker_core.reranker import Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Filling:
    """How weights get into a model.

    Attributes:
        device: where to.
        dtype: of what is computed; heads are float32 whatever it is.
        adapter: put on when the weights are there.
        merge: fold the adapter in.
        is_trained: keep linear layers as torch has them, with which gradients can be computed.
        on_progress: told the bytes that were read.
    """

    device: torch.device
    dtype: torch.dtype
    adapter: Adapter | None = None
    merge: bool = True
    is_trained: bool = False
    on_progress: Progress | None = None


def fill(
    checkpoint: Checkpoint,
    build: Callable[[], Any],
    how: Filling,
    *,
    extra: Mapping[str, torch.Tensor] | None = None,
) -> Any:
    """Make a model and read its weights; it needs no gradient then and is in eval mode.

    Args:
        checkpoint: where the weights are.
        build: makes the model. Its parameters carry the published names.
        how: where to and in which form.
        extra: weights that come from elsewhere, by name.

    Raises:
        UnsupportedModelError: the checkpoint lacks a weight, or has one of another shape.
        AdapterError: the adapter does not fit the model.
    """
    from accelerate.utils import set_module_tensor_to_device

    extra = extra or {}
    with name_bad_config(checkpoint.folder), _MatricesWithoutMemory():
        model = build()
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    is_packed = not how.is_trained and can_pack(how.device)
    from_file = _read_with_progress(checkpoint, [name for name in shapes if name not in extra], how.on_progress)
    for name, tensor in chain(extra.items(), from_file):
        if tuple(tensor.shape) != shapes[name]:
            raise UnsupportedModelError(
                f"{checkpoint.folder}: {name} has shape {list(tensor.shape)}, config.json promises {list(shapes[name])}. "
                "The two do not belong together; copy or download the folder again."
            )
        set_module_tensor_to_device(model, name, how.device, value=tensor, dtype=how.dtype)
        if is_packed and how.adapter is None:  # layer by layer, so that no second copy of the weights builds up
            _pack_block_layer(model, name)
    model.to(how.device)  # the buffers: rotary frequencies, position ids
    if how.adapter is not None:
        apply_adapter(model, how.adapter, merge=how.merge)
        if is_packed and how.merge:
            for name in [name for name, _ in model.named_parameters()]:
                _pack_block_layer(model, name)
    return model.eval().requires_grad_(False)


@contextmanager
def name_bad_config(folder: Path) -> Iterator[None]:
    """Turn what a config.json with wrong values provokes somewhere inside transformers into one sentence."""
    try:
        yield
    except RerankerError:
        raise
    except (
        StrictDataclassError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        IndexError,
        ZeroDivisionError,
    ) as error:
        reason = " ".join(str(error).split())
        raise UnsupportedModelError(
            f"{folder}: no model can be built from its config.json ({type(error).__name__}: {reason}). Copy or download "
            "the folder again."
        ) from error


def _read_with_progress(
    checkpoint: Checkpoint, names: Sequence[str], on_progress: Progress | None
) -> Iterator[tuple[str, torch.Tensor]]:
    """Read tensors one by one; each counts as read when its reader asks for the next, for until then it is only mapped."""
    if on_progress is None:
        yield from checkpoint.read(names)
        return
    done, total = 0, sum(tensor.nbytes for _, tensor in checkpoint.read(names))
    for name, tensor in checkpoint.read(names):
        on_progress(done, total)
        yield name, tensor
        done += tensor.nbytes
    on_progress(done, total)


def _pack_block_layer(model: nn.Module, name: str) -> None:
    """Pack the layer that a weight belongs to, if it is one of a block: heads and embeddings stay as they are."""
    path, _, kind = name.rpartition(".")
    if kind == "weight" and re.search(r"\.layers?\.\d+\.", name):
        pack_linear_layer(model, path)


class _MatricesWithoutMemory(TorchFunctionMode):
    """Makes `torch.empty`, of which the big weights are made, take no memory; buffers are computed as ever.

    It holds for this thread only. accelerate's `init_empty_weights` would do the same, but it patches `nn.Module` for the
    whole process, and two models that load at once leave it patched.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.empty:
            kwargs = kwargs | {"device": "meta"}
        return func(*args, **kwargs)
