"""The model card of what was trained: its base, its data, its settings, what was measured."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reranker_core.examples.new_files import new_file

# Where files lay on the machine that trained says nothing about the model, and is nobody else's business.
_PLACES = {
    "model_name_or_path",
    "train_data",
    "dev_data",
    "corpus",
    "output_dir",
    "cache_dir",
    "deepspeed",
    "resume_from_checkpoint",
}


def write_card(
    path: Path,
    *,
    base: str,
    is_adapter: bool,
    settings: Mapping[str, Any],
    data: Mapping[str, str],
    results: Mapping[str, Any],
) -> None:
    """Write README.md as the Hugging Face Hub reads it.

    Args:
        path: of the file.
        base: the base's Hugging Face name, or its folder.
        is_adapter: whether a LoRA adapter lies beside it, or a whole model.
        settings: how it was trained, as JSON values.
        data: the SHA-256 of each training file, by its name.
        results: numbers by name, or by name and then by measure.
    """
    is_published = base.count("/") == 1 and not Path(base).is_absolute()
    shown = base if is_published else Path(base).name
    lines = ["---", f"library_name: {'peft' if is_adapter else 'transformers'}", "pipeline_tag: text-ranking"]
    lines += [f"base_model: {base}"] if is_published else []
    lines += ["tags:", "- reranker", *(["- lora"] if is_adapter else []), "---", ""]
    lines += [f"# {'A LoRA adapter on' if is_adapter else 'A reranker trained from'} {shown}", ""]
    lines += ["Made with Reranker Workbench.", ""]
    if results:
        lines += ["## Results", "", *_lay_out(results), ""]
    if data:
        lines += ["## Training data", "", "| file | SHA-256 |", "|---|---|"]
        lines += [f"| {_cell(Path(name).name)} | {digest} |" for name, digest in data.items()]
        lines += [""]
    told = {name: value for name, value in settings.items() if name not in _PLACES and value is not None}
    if told:
        lines += ["## Settings", "", "```json", json.dumps(told, ensure_ascii=False, indent=2), "```", ""]
    with new_file(path) as file:
        for line in lines:
            file.write_header(line)


def _lay_out(results: Mapping[str, Any]) -> list[str]:
    """Put numbers by name and measure into a table, single ones into a list."""
    tables = {name: value for name, value in results.items() if isinstance(value, Mapping)}
    lines = [f"- {_cell(name)}: {_number(value)}" for name, value in results.items() if name not in tables]
    if tables:
        measures = list(dict.fromkeys(measure for values in tables.values() for measure in values))
        lines += ["", *(["| | " + " | ".join(map(_cell, measures)) + " |", "|---|" + "---|" * len(measures)])]
        lines += [
            f"| {_cell(name)} | " + " | ".join(_number(values.get(measure)) for measure in measures) + " |"
            for name, values in tables.items()
        ]
    return lines


def _number(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else _cell(str(value))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
