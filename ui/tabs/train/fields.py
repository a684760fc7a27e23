"""The settings as fields of a form: described for the page from their own metadata, and read from what was typed."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reranker_core.errors import InputError
from reranker_core.training.options import Option, check_value
from reranker_core.training.presets import PRESETS
from reranker_core.training.settings import training_options
from ui.services import Services

KNOBS = ("num_train_epochs", "learning_rate", "train_group_size")
"""What matters most, and stands on the form itself."""

SECTIONS = {
    "model": "The model",
    "data": "The data",
    "lora": "LoRA",
    "optimisation": "How it learns",
    "measuring": "Measuring while it learns",
    "saving": "What is written",
    "machine": "The machine",
}

# What the form asks for elsewhere, or a job decides.
_ELSEWHERE = {"model_name_or_path", "train_data", "output_dir", "preset", "resume_from_checkpoint"}
_LONGEST = 2000


def offered_options(services: Services) -> tuple[Option, ...]:
    """List the options of the form. Strangers name no place on this machine, and report to nobody."""
    return tuple(
        option
        for option in training_options()
        if option.name not in _ELSEWHERE
        and (services.allow_folders or (option.kind is not Path and option.name not in ("report_to", "device")))
    )


def describe_options(services: Services) -> list[dict[str, Any]]:
    """Lay the options out for the page."""
    return [
        {
            "name": option.name,
            "help": option.help,
            "section": SECTIONS[option.section],
            "unit": option.unit,
            "bounds": option.bounds,
            "choices": ["yes", "no"] if option.kind is bool else list(option.choices),
            "default": show_value(option.default),
        }
        for option in offered_options(services)
    ]


def read_typed(services: Services, typed: object) -> tuple[dict[str, Any], dict[str, str]]:
    """Read what a person typed into the fields; an empty one was not given.

    Args:
        services: which options there are.
        typed: texts by the name of the option; anybody can send anything.

    Returns:
        Values by name, and for fields that cannot be used a sentence by name.
    """
    values: dict[str, Any] = {}
    problems: dict[str, str] = {}
    if not isinstance(typed, Mapping):
        return values, problems
    options = {option.name: option for option in offered_options(services)}
    for name, given in typed.items():
        if not isinstance(given, str) or not given.strip():
            continue
        if name not in options:
            problems[str(name)[:80]] = f"{str(name)[:80]} is no setting that can be chosen here. Load the page again."
            continue
        try:
            values[name] = read_field(options[name], given[:_LONGEST])
        except InputError as error:
            problems[name] = str(error)
    return values, problems


def read_field(option: Option, given: str) -> Any:
    """Read one field.

    Raises:
        InputError: it is no such value, or out of its bounds.
    """
    word = given.strip()
    if option.is_list:
        return check_value(option, tuple(word.replace(",", " ").split()))
    if option.is_optional and word.casefold() == "none":
        return None
    if option.kind is bool:
        return check_value(option, {"yes": True, "true": True, "no": False, "false": False}.get(word.casefold(), word))
    if option.kind in (int, float):
        return check_value(option, _read_number(option, word))
    return check_value(option, word)


def show_value(value: Any) -> str:
    """Write a value as it is typed into a field; nothing for `None`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, tuple | list):
        return " ".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def describe_presets(family: str) -> list[dict[str, str]]:
    """Lay out the presets that fit a family: `name`, `title` and `summary`."""
    return [
        {"name": name, "title": title, "summary": PRESETS[preset].summary + more}
        for name, title, preset, _, more in _PRESETS_OF.get(family, ())
    ]


def describe_reasons(family: str, name: str) -> dict[str, str]:
    """Give by setting why a preset has the value that it has."""
    for known, _, preset, extra, more in _PRESETS_OF.get(family, ()):
        if known == name:
            reasons = {setting: choice.reason for setting, choice in PRESETS[preset].choices.items()}
            return reasons | dict.fromkeys(extra, more.strip())
    return {}


def preset_values(family: str, name: str) -> dict[str, Any]:
    """Give what a chip stands for, as `make_settings` takes it.

    Raises:
        InputError: the family has no such preset.
    """
    for known, _, preset, extra, _ in _PRESETS_OF.get(family, ()):
        if known == name:
            return {"preset": preset, **extra}
    names = ", ".join(known for known, *_ in _PRESETS_OF.get(family, ()))
    raise InputError(f"A model of the family {family} has the presets {names}, got {name!r:.40}. Choose one of them.")


def choose_preset(family: str, *, rows: int) -> tuple[str, str]:
    """Choose the preset that fits a family and a number of training rows; gives its name and the reason."""
    if family == "encoder" and rows >= MANY_ROWS:
        return "encoder-full", f"{rows:,} training rows are enough to train every weight of an encoder."
    kind = {"encoder": "an encoder", "decoder": "an LLM", "layerwise": "a layerwise model"}.get(family, "this model")
    return family, f"{rows:,} training rows are few, so {kind} gets a small LoRA adapter and keeps what it knows."


MANY_ROWS = 1000

_Chip = tuple[str, str, str, dict[str, Any], str]

_TEN_STEPS = ("smoke", "ten steps", {"max_steps": 10}, " Ends after ten steps: to see that everything works.")


def _with_smoke(family: str, *presets: tuple[str, str]) -> "tuple[_Chip, ...]":
    name, title, extra, more = _TEN_STEPS
    usual: tuple[_Chip, ...] = tuple((preset, shown, preset, {}, "") for preset, shown in presets)
    return (*usual, (name, title, family, dict(extra), more))


# By family: the name of the chip, its title, the preset, values beside it, and what they add to the summary.
_PRESETS_OF: Mapping[str, tuple[_Chip, ...]] = {
    "encoder": _with_smoke("encoder", ("encoder", "few labels"), ("encoder-full", "every weight")),
    "decoder": _with_smoke("decoder", ("decoder", "few labels"), ("card", "card")),
    "layerwise": _with_smoke("layerwise", ("layerwise", "few labels"), ("card-layerwise", "card")),
}


def _read_number(option: Option, word: str) -> int | float | str:
    """Turn a text into a number; one that is none stays a text, and the option says what it expects."""
    try:
        return int(word) if option.kind is int else float(word)
    except ValueError:
        return word
