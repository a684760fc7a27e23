"""The model card's two commands, pasted; a test changes paths and nothing else."""

import shlex
from pathlib import Path

_FOLDER = Path(__file__).parent / "card_commands"


def read_card_command(name: str, *, model: str | None = None, train_data: str | None = None, output_dir: str) -> list[str]:
    """Give the flags of a command.

    Args:
        name: `"llm"` or `"layerwise"`.
        model: in place of the card's; `None` leaves it.
        train_data: in place of the card's; `None` leaves it.
        output_dir: for the card's blank.
    """
    text = (_FOLDER / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    words = shlex.split(text.replace("{number of gpus}", "1").replace("{path to save model}", "OUTPUT"))
    flags = words[words.index("-m") + 2 :]
    for flag, value in (("--model_name_or_path", model), ("--train_data", train_data), ("--output_dir", output_dir)):
        if value is not None:
            flags[flags.index(flag) + 1] = value
    return flags
