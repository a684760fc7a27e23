"""The model card of what was trained: its base, its data, its settings, what was measured, how to use it.

A card is a front matter, a title and sections; `read_sections` takes one apart again, so that a merged model says what its
adapter said.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reranker_core.catalogue import find_model
from reranker_core.examples.new_files import new_file
from reranker_core.training.card_usage import describe_use, is_published

MADE_BY = "Made with Reranker Workbench."
RESULTS, USE, DATA, SETTINGS, LICENCE = "Results", "How to use", "Training data", "Settings", "Licence"
_ORDER = (RESULTS, USE, DATA, SETTINGS, LICENCE)

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
    family: str = "",
) -> None:
    """Write README.md as the Hugging Face Hub reads it.

    Args:
        path: of the file.
        base: the base's Hugging Face name, or its folder.
        is_adapter: whether a LoRA adapter lies beside it, or a whole model.
        settings: how it was trained, as JSON values.
        data: the SHA-256 of each training file, by its name.
        results: numbers by name, or by name and then by measure.
        family: of the model, for how it is used; empty leaves that out.
    """
    sections = {RESULTS: _lay_out(results) if results else [], DATA: _list_data(data), SETTINGS: _list_settings(settings)}
    write_sections(path, base=base, is_adapter=is_adapter, family=family, sections=sections)


def write_sections(path: Path, *, base: str, is_adapter: bool, family: str, sections: Mapping[str, Sequence[str]]) -> None:
    """Write README.md of sections that are laid out already; how to use it and the licence are added.

    Args:
        path: of the file.
        base: as for `write_card`.
        is_adapter: as for `write_card`.
        family: as for `write_card`.
        sections: lines by title; those without lines are left out.
    """
    shown = name_base(base)
    lines = ["---", f"library_name: {'peft' if is_adapter else 'transformers'}", "pipeline_tag: text-ranking"]
    lines += [f"base_model: {base}"] if is_published(base) else []
    lines += ["tags:", "- reranker", *(["- lora"] if is_adapter else []), "---", ""]
    lines += [f"# {'A LoRA adapter on' if is_adapter else 'A reranker trained from'} {shown}", "", MADE_BY, ""]
    told = {**sections, LICENCE: _say_licence(base)}
    if family:
        told[USE] = describe_use(base=base, shown=shown, family=family, is_adapter=is_adapter)
    for title in (*_ORDER, *(name for name in told if name not in _ORDER)):
        if told.get(title):
            lines += [f"## {title}", "", *told[title], ""]
    with new_file(path) as file:
        for line in lines:
            file.write_header(line)


def read_sections(path: Path) -> dict[str, list[str]]:
    """Take the sections of a card of ours: lines by title; nothing of another's, or where there is none."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return {}
    if MADE_BY not in lines:
        return {}
    sections: dict[str, list[str]] = {}
    title, is_code = "", False
    for line in lines:
        is_code ^= line.startswith("```")
        if line.startswith("## ") and not is_code:
            title = line.removeprefix("## ")
            sections[title] = []
        elif title:
            sections[title].append(line)
    return {name: _strip(told) for name, told in sections.items()}


def name_base(base: str) -> str:
    """Name a base as others know it: by its Hugging Face name, or its folder's own name without the place."""
    return base if is_published(base) else Path(base).name


def tell_settings(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Take of a run's settings, as JSON values, what says something about the model: no places, and nothing unset."""
    return {name: value for name, value in settings.items() if name not in _PLACES and value is not None}


def _list_data(data: Mapping[str, str]) -> list[str]:
    if not data:
        return []
    rows = [f"| {_cell(Path(name).name)} | {digest} |" for name, digest in data.items()]
    return ["| file | SHA-256 |", "|---|---|", *rows]


def _list_settings(settings: Mapping[str, Any]) -> list[str]:
    told = tell_settings(settings)
    return ["```json", *json.dumps(told, ensure_ascii=False, indent=2).split("\n"), "```"] if told else []


def _say_licence(base: str) -> list[str]:
    known = find_model(base)
    if known is not None and known.licence:
        which = f"The base is published under {known.licence}, which goes on to hold for what is built on it."
    else:
        which = "The licence of the base goes on to hold for what is built on it: look it up before you pass this on."
    return [f"{which} What may be done with a model of these labels, their owner says."]


def _strip(lines: list[str]) -> list[str]:
    """Take empty lines from both ends."""
    return "\n".join(lines).strip("\n").split("\n") if any(lines) else []


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
