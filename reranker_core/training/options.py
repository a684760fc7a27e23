"""What an option is: a field of a settings dataclass that carries its own help, unit and bounds.

Command line, forms and checks are all made from these, so that each is written once.
"""

import sys
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from reranker_core.errors import InputError
from reranker_core.examples.texts import check_text, describe

_KEY = "option"


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One option, as its field's annotation, default and metadata say it.

    Attributes:
        name: of the field, and with `--` before it of the flag.
        help: what it does, in words that follow "name: ".
        section: under which it stands in help and forms.
        unit: of a number, such as "tokens"; empty for none.
        low: the smallest value.
        high: the largest value.
        is_low_excluded: the value must be above `low`.
        choices: the values there are, for a text.
        aliases: other names under which the flag is known.
        kind: `bool`, `int`, `float`, `str` or `Path`: of the value, or of each of several.
        is_list: several values, as a tuple.
        is_optional: may be `None`.
        is_required: has no default.
        default: the value where none is given; `None` if it is required.
    """

    name: str
    help: str
    section: str
    unit: str = ""
    low: float | None = None
    high: float | None = None
    is_low_excluded: bool = False
    choices: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    kind: type = str
    is_list: bool = False
    is_optional: bool = False
    is_required: bool = False
    default: Any = None

    @property
    def bounds(self) -> str:
        """The bounds in words, such as "from 1 to 100"; empty where there are none."""
        above = "above" if self.is_low_excluded else "at least"
        match self.low, self.high:
            case None, None:
                return ""
            case low, None:
                return f"{above} {low:g}"
            case None, high:
                return f"at most {high:g}"
            case low, high:
                return f"above {low:g}, at most {high:g}" if self.is_low_excluded else f"from {low:g} to {high:g}"


def about(
    help: str,
    *,
    section: str,
    unit: str = "",
    low: float | None = None,
    above: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    aliases: tuple[str, ...] = (),
) -> Mapping[str, Any]:
    """Make a field's metadata; see `Option`. `above` is a `low` that is itself excluded."""
    return {
        _KEY: {
            "help": help,
            "section": section,
            "unit": unit,
            "low": above if low is None else low,
            "is_low_excluded": above is not None,
            "high": high,
            "choices": choices,
            "aliases": aliases,
        }
    }


def list_options(settings: type) -> tuple[Option, ...]:
    """List the options of a dataclass whose fields were made with `about`, in their order."""
    hints = get_type_hints(settings)
    return tuple(_read_option(field, hints[field.name]) for field in fields(settings))


def check_value(option: Option, value: Any) -> Any:
    """Bring a value into its type and hold it to its bounds.

    Lists become tuples, whole numbers floats where a float is meant, texts paths where a path is meant. JSON values
    (from a settings file) are taken as well as Python's.

    Raises:
        InputError: names the option, what is expected and what came.
    """
    if value is None:
        if option.is_optional:
            return None
        raise InputError(f"{option.name} must be given: {option.help}.")
    if not option.is_list:
        return _check_one(option, value)
    if isinstance(value, str | Path):
        value = (value,)
    if not isinstance(value, list | tuple) or not value:
        raise InputError(f"{option.name} must be one or more values, got {describe(value)}. Give at least one.")
    return tuple(_check_one(option, one) for one in value)


def _check_one(option: Option, value: Any) -> Any:
    if option.kind is bool:
        return _take(option, value, isinstance(value, bool), "true or false")
    if option.kind is int:
        is_whole = isinstance(value, int) and not isinstance(value, bool)
        return _check_bounds(option, _take(option, value, is_whole, "a whole number"))
    if option.kind is float:
        is_number = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max
        return _check_bounds(option, float(_take(option, value, is_number, "a number")))
    if option.kind is Path:
        _take(option, value, isinstance(value, str | Path) and bool(str(value)), "a path")
        return Path(check_text(str(value), where=option.name))
    text = check_text(_take(option, value, isinstance(value, str), "a text"), where=option.name)
    if option.choices and text not in option.choices:
        raise InputError(f"{option.name} must be one of {', '.join(option.choices)}, got {describe(text)}.")
    return text


def _take(option: Option, value: Any, is_right: bool, expected: str) -> Any:
    if not is_right:
        raise InputError(f"{option.name} must be {expected}, got {describe(value)}. It is {option.help}.")
    return value


def _check_bounds(option: Option, value: float) -> float:
    is_low = option.low is not None and (value <= option.low if option.is_low_excluded else value < option.low)
    if is_low or (option.high is not None and value > option.high):
        unit = f" {option.unit}" if option.unit else ""
        raise InputError(f"{option.name} must be {option.bounds}{unit}, got {value:g}. It is {option.help}.")
    return value


def _read_option(field: "Field[Any]", hint: Any) -> Option:
    hint, is_optional = _without_none(hint)
    is_list = get_origin(hint) is tuple
    default = field.default if field.default is not MISSING else None
    return Option(
        name=field.name,
        kind=get_args(hint)[0] if is_list else hint,
        is_list=is_list,
        is_optional=is_optional,
        is_required=field.default is MISSING,
        default=default,
        **field.metadata[_KEY],
    )


def _without_none(hint: Any) -> tuple[Any, bool]:
    """Take `None` out of a union: `int | None` → `int`, and that it was there."""
    if get_origin(hint) not in (types.UnionType, Union):
        return hint, False
    (kept,) = (part for part in get_args(hint) if part is not type(None))
    return kept, True
