"""Settings made for a GPU, brought to the machine that there is: what cannot be is left out, and said."""

import inspect
import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from importlib.util import find_spec

from reranker_core.errors import InputError
from reranker_core.training.settings import TrainingSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What training can count on.

    Attributes:
        has_cuda: it computes on a GPU.
        has_bf16: that GPU knows bfloat16.
        has_deepspeed: the package is installed.
        processes: how many train together.
    """

    has_cuda: bool
    has_bf16: bool = False
    has_deepspeed: bool = False
    processes: int = 1


def read_machine(device: str | None) -> Machine:
    """Find out what this machine has; torchrun's environment tells of the processes.

    Args:
        device: as torch names it; `None` for CUDA where there is one.
    """
    import torch

    has_cuda = torch.cuda.is_available() and (device is None or device.startswith("cuda"))
    return Machine(
        has_cuda=has_cuda,
        has_bf16=has_cuda and _computes_bf16(),
        has_deepspeed=find_spec("deepspeed") is not None,
        processes=int(os.environ.get("WORLD_SIZE", "1")),
    )


def _computes_bf16() -> bool:
    """Say whether the GPU computes bfloat16 itself; an emulation is slow, and torch's kernels for attention lack it."""
    import torch

    asks = torch.cuda.is_bf16_supported
    knows_emulation = "including_emulation" in inspect.signature(asks).parameters
    return bool(asks(including_emulation=False) if knows_emulation else asks())


def fit_to_machine(
    settings: TrainingSettings, machine: Machine, *, asked_for: Collection[str] | None = None
) -> tuple[TrainingSettings, list[str]]:
    """Take out of settings what the machine cannot do, where the result stays the same.

    Args:
        settings: as they were given.
        machine: what there is.
        asked_for: the settings that a person gave. What only a preset brought is taken out without a word; `None` says
            all.

    Returns:
        The settings to train with, and what was changed, in sentences.

    Raises:
        InputError: DeepSpeed is to share work between processes and is not installed, or the GPU knows no bfloat16.
    """
    notes: dict[str, str] = {}
    if settings.deepspeed is not None and not machine.has_deepspeed:
        if machine.processes > 1:
            raise InputError(
                f"deepspeed is to share the work of {machine.processes} processes, and the package deepspeed is not "
                "installed. Install it, or leave it out (--deepspeed): the processes then share the work by themselves."
            )
        notes["deepspeed"] = (
            "deepspeed (--deepspeed) is left aside: the package is not installed, and one process does not need it."
        )
        settings = replace(settings, deepspeed=None)
    if not machine.has_cuda:
        for name in ("bf16", "fp16"):
            if getattr(settings, name):
                notes[name] = f"{name} (--{name}) is for GPUs; on the CPU everything is float32, which is faster there."
                settings = replace(settings, bf16=False, fp16=False)
    elif settings.bf16 and not machine.has_bf16:
        raise InputError("This GPU knows no bfloat16. Use fp16 (--fp16) instead of bf16.")
    if settings.use_flash_attn and not machine.has_cuda:
        notes["use_flash_attn"] = "use_flash_attn (--use_flash_attn) is for GPUs; the CPU computes the same by sdpa."
        settings = replace(settings, use_flash_attn=False)
    return settings, [note for name, note in notes.items() if asked_for is None or name in asked_for]


def check_trackers(names: Collection[str]) -> None:
    """Check that what a run is to report to is installed.

    Args:
        names: as transformers knows them; `none` and `all` always go.

    Raises:
        InputError: one is unknown or not installed.
    """
    if not names:
        return
    from transformers.integrations.integration_utils import get_available_reporting_integrations

    there_are = get_available_reporting_integrations()
    if missing := [name for name in names if name not in (*there_are, "none", "all")]:
        raise InputError(
            f"report_to {missing[0]}: no tracker of this name is installed; there are: {', '.join(there_are) or 'none'}. "
            "Install it, or leave report_to out: metrics.jsonl holds all figures."
        )
