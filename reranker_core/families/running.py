"""How parts of a model are run: blocks perhaps twice, to need less memory in training, and heads always in float32."""

from collections.abc import Callable
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint


def run_part(part: Callable[..., torch.Tensor], states: torch.Tensor, *, recompute: bool, **options: Any) -> torch.Tensor:
    """Run a part of a model.

    Args:
        part: called as `part(states, **options)`.
        states: what it works on.
        recompute: in training, keep `states` alone and run the part a second time when its gradients are asked for: less
            memory for more time. Dropout draws the same numbers both times.
        options: the part's other arguments.
    """
    if recompute and torch.is_grad_enabled():
        return checkpoint(part, states, use_reentrant=False, **options)  # type: ignore[no-any-return]
    return part(states, **options)


def run_head(head: Callable[[torch.Tensor], torch.Tensor], states: torch.Tensor) -> torch.Tensor:
    """Run a score head in float32, whatever precision computes the rest: bfloat16 has three digits.

    Args:
        head: whose weights are float32.
        states: (sequences, …), in any precision.
    """
    with torch.autocast(states.device.type, enabled=False):
        return head(states.float())
