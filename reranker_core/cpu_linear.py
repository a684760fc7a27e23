"""Linear layers by oneDNN for float32 on x86 CPUs, where torch itself calls MKL: to score, and with gradients to train.

oneDNN uses the vector instructions that the processor has; MKL leaves AVX-512 unused on AMD. `benchmarks/` says what it
brings. torch's compiler emits the same two operators; they have no public name (torch 2.11 to 2.13), so they are tried
first, and where they fail the layers stay as they are. The public way, `to_mkldnn()` on weights and input, orders the
weights anew in every call and took 10 to 50 % longer.
"""

import logging
import platform
import re
from typing import Any

import torch
from torch import nn
from torch.nn.functional import linear

logger = logging.getLogger(__name__)


class PackedLinear(nn.Linear):
    """An `nn.Linear` that only computes: its weight lies in oneDNN's order, is no parameter and has no gradient."""

    def __init__(self, source: nn.Linear) -> None:
        """Take the weight over in oneDNN's order."""
        nn.Module.__init__(self)  # that of nn.Linear would make a weight
        self.in_features, self.out_features = source.in_features, source.out_features
        self.weight = torch.ops.mkldnn._reorder_linear_weight(source.weight.detach())
        self.bias = source.bias

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Compute states @ weight.T + bias."""
        return torch.ops.mkldnn._linear_pointwise(states, self.weight, self.bias, "none", [], "")  # type: ignore[no-any-return]

    def __getstate__(self) -> dict[str, Any]:
        """Hand the weight over in torch's own order, so that a reranker can be copied and pickled."""
        return self.__dict__ | {"weight": self.weight.to_dense()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # type: ignore[no-untyped-call]
        self.weight = torch.ops.mkldnn._reorder_linear_weight(state["weight"])


class TrainedLinear(nn.Linear):
    """An `nn.Linear` whose output and gradients oneDNN computes; its parameters are those of the layer it replaces."""

    def __init__(self, source: nn.Linear) -> None:
        """Share the parameters of a layer."""
        super().__init__(source.in_features, source.out_features, bias=source.bias is not None, device="meta")
        self.weight, self.bias = source.weight, source.bias

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        """Compute states @ weight.T + bias; without gradients by the very steps of `PackedLinear`, to the last bit."""
        if not torch.is_grad_enabled():
            return _multiply(states, torch.ops.mkldnn._reorder_linear_weight(self.weight.detach()), self.bias)
        return _Linear.apply(states, self.weight, self.bias)  # type: ignore[no-any-return,no-untyped-call]


class _Linear(torch.autograd.Function):
    """A linear layer with its gradients, each of the three products by oneDNN."""

    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
        ctx.save_for_backward(states if ctx.needs_input_grad[1] else None, weight)
        return _multiply(states, weight, bias)

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        states, weight = ctx.saved_tensors
        of_states, of_weight, of_bias = ctx.needs_input_grad
        flat = gradient.flatten(0, -2)  # (tokens, outputs)
        return (
            _multiply(gradient, weight.t(), None) if of_states else None,
            _multiply(flat.t(), states.flatten(0, -2).t(), None) if of_weight else None,
            flat.sum(0) if of_bias else None,
        )


def _multiply(states: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    return torch.ops.mkldnn._linear_pointwise(states, weight, bias, "none", [], "")  # type: ignore[no-any-return]


def speed_up_training(model: nn.Module, device: torch.device) -> None:
    """Put a `TrainedLinear` in the place of each plain linear layer of a model's blocks, where oneDNN can be used.

    Args:
        model: in float32. Its heads stay as they are, as they do for scoring.
        device: where it is.
    """
    if not can_pack(device) or not _can_train():
        return
    layers = {path: layer for path, layer in model.named_modules() if type(layer) is nn.Linear}
    for path, layer in layers.items():
        if re.search(r"\.layers?\.\d+\.", path):
            parent, _, name = path.rpartition(".")
            setattr(model.get_submodule(parent), name, TrainedLinear(layer))


def _can_train() -> bool:
    """Try whether oneDNN's gradients are torch's own."""
    plain = _make_probe()
    layer, states = TrainedLinear(plain), torch.linspace(-1, 1, 96).view(1, 3, 32).requires_grad_()
    inputs = (states, plain.weight, plain.bias)
    try:
        ours = torch.autograd.grad(layer(states).square().sum(), inputs)
    except (AttributeError, RuntimeError, NotImplementedError) as error:
        logger.info("linear layers train as they are: %s", error)
        return False
    theirs = torch.autograd.grad(plain(states).square().sum(), inputs)
    return all(torch.allclose(one, other, atol=1e-4) for one, other in zip(ours, theirs, strict=True))


def pack_linear_layer(model: nn.Module, path: str) -> None:
    """Put a `PackedLinear` in the place of one layer, if it is a plain linear layer."""
    parent, _, name = path.rpartition(".")
    layer = model.get_submodule(path)
    if type(layer) is nn.Linear:
        setattr(model.get_submodule(parent), name, PackedLinear(layer))


def can_pack(device: torch.device) -> bool:
    """Try whether oneDNN can be used for linear layers on this device."""
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    if device.type != "cpu" or not is_x86 or not torch.backends.mkldnn.is_available():  # type: ignore[no-untyped-call]
        return False
    probe, states = _make_probe(), torch.linspace(-1, 1, 96).view(1, 3, 32)
    try:
        with torch.no_grad():
            return torch.allclose(PackedLinear(probe)(states), linear(states, probe.weight, probe.bias), atol=1e-5)
    except (AttributeError, RuntimeError, NotImplementedError) as error:
        logger.info("linear layers stay as they are: %s", error)
        return False


def _make_probe() -> nn.Linear:
    with torch.random.fork_rng(devices=[]):  # looking must not change what is drawn next
        return nn.Linear(32, 16)
