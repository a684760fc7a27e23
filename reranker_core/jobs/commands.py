"""Settings as a command line that trains the same: to show, to keep with a job, and to take to another machine."""

from pathlib import Path
from typing import Any

from reranker_core.training.options import Option
from reranker_core.training.presets import PRESETS
from reranker_core.training.settings import TrainingSettings, training_options

_MODULE = "reranker_core.training"


def command_of(settings: TrainingSettings) -> list[str]:
    """Give the command that trains with these settings here and now, with the flags that differ from the defaults.

    Where a preset is named, only what differs from its values is there. `shlex.join` makes one line of it.

    Example:
        >>> command_of(TrainingSettings(model_name_or_path="m", train_data=("t.jsonl",), output_dir="run"))[3:]
        ['--model_name_or_path', 'm', '--train_data', 't.jsonl', '--output_dir', 'run']
    """
    return ["python", "-m", _MODULE, *_flags_of(settings)]


def torchrun_command(settings: TrainingSettings, *, processes: int = 2) -> list[str]:
    """Give the command that trains with these settings on several GPUs.

    Args:
        settings: of the run. A device that they name is left out: each process has its own.
        processes: how many, one for each GPU.
    """
    flags = _flags_of(settings, leave_out=("device",))
    return ["torchrun", "--nproc_per_node", str(processes), "-m", _MODULE, *flags]


def _flags_of(settings: TrainingSettings, *, leave_out: tuple[str, ...] = ()) -> list[str]:
    preset = PRESETS.get(settings.preset or "")
    usual = {option.name: option.default for option in training_options()}
    usual |= {} if preset is None else {name: choice.value for name, choice in preset.choices.items()}
    flags: list[str] = []
    for option in training_options():
        value = getattr(settings, option.name)
        if option.name not in leave_out and (option.is_required or value != usual[option.name]):
            flags += _write_flag(option, value)
    return flags


def _write_flag(option: Option, value: Any) -> list[str]:
    name = f"--{option.name}"
    if value is None:
        return [name, "none"]
    if option.is_list:
        return [name, *(_write_value(one) for one in value)]
    text = _write_value(value)
    return [f"{name}={text}"] if text.startswith("-") else [name, text]


def _write_value(value: Any) -> str:
    if isinstance(value, Path):
        return f"./{value}" if str(value).startswith("-") else str(value)
    return str(value)
