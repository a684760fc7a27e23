"""The trainer's flags, made from the settings, and FlagEmbedding's that are not needed here or mean something else."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NoReturn

from reranker_core.errors import InputError
from reranker_core.examples.texts import describe
from reranker_core.training.options import Option
from reranker_core.training.presets import PRESETS
from reranker_core.training.settings import training_options

_TITLES = {
    "model": "the model",
    "data": "the data",
    "lora": "LoRA",
    "optimisation": "how it learns",
    "measuring": "measuring while it learns",
    "saving": "what is written",
    "machine": "the machine",
}

_YES, _NO = {"true", "yes", "1", "on"}, {"false", "no", "0", "off"}

# Flags of FlagEmbedding and transformers that change nothing here, and why.
_NOT_NEEDED = {
    "model_type": "the family is read from the model's config.json",
    "finetune_type": "what the model is, raw or a reranker, is read from its folder",
    "pad_to_multiple_of": "nothing is padded here",
    "max_len": "query_max_len and passage_max_len decide (it has no effect in FlagEmbedding either)",
    "sub_batch_size": "per_device_train_batch_size decides",
    "cache_path": "nothing is cached",
    "use_fast_tokenizer": "there is one tokenizer, the fast one",
    "use_slow_tokenizer": "there is one tokenizer, the fast one",
    "low_cpu_mem_usage": "weights are always read one by one",
    "dataloader_num_workers": "rows are made ready beside the training in any case",
    "local_rank": "torchrun's environment says it",
}

# Flags that would change something: the one value that is as here, and what to do about any other.
_REFUSED = {
    "overwrite_output_dir": (
        "False",
        "Nothing is written over: choose another --output_dir, or go on with --resume_from_checkpoint latest.",
    ),
    "trust_remote_code": ("False", "Code of a model folder is never run; leave it out."),
    "token": ("", "A token among the arguments is seen by everyone on this machine; set HF_TOKEN instead."),
    "query_instruction_format": ("{}{}", "The instruction stands right before the query; write it as it shall stand."),
    "passage_instruction_format": ("{}{}", "The instruction stands right before the passage; write it as it shall stand."),
    "sep_token": ("\\n", "Between query and passage stands a line break, as in the published models."),
    "shuffle_ratio": ("0.0", "Passages are trained as they are; leave it out."),
    "from_peft": ("", "Training goes on from a merged model: python -m reranker_core merge, then give its folder."),
    "raw_peft": ("", "Training goes on from a merged model: python -m reranker_core merge, then give its folder."),
}

_EXAMPLES = """examples:
  python -m reranker_core.training --model_name_or_path BAAI/bge-reranker-v2-m3 --train_data train.jsonl \\
      --output_dir run --preset encoder --hold_out 0.2
  torchrun --nproc_per_node 2 -m reranker_core.training --settings run/settings.json --resume_from_checkpoint latest

every command of the model card works as it is, with `-m reranker_core.training` in place of FlagEmbedding's module.
presets, whose values are used where no flag is given:
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedFlags:
    """What was given.

    Attributes:
        values: by the name of the setting, only those that were given.
        settings_file: whose values come first.
        notes: flags that change nothing here, in sentences.
    """

    values: Mapping[str, Any]
    settings_file: Path | None
    notes: tuple[str, ...]


def parse_flags(arguments: Sequence[str] | None) -> ParsedFlags:
    """Read the flags of a command line; `None` takes those of this process.

    Raises:
        InputError: a flag is unknown, or its value is none that it takes.
    """
    given, rest = _parser().parse_known_args(arguments)
    if rest:
        raise InputError(_say_unknown(rest))
    texts = vars(given)
    settings_file = texts.pop("settings", None)
    notes = [f"--{name} is not needed: {reason}." for name, reason in _NOT_NEEDED.items() if texts.pop(name, None)]
    for name, (allowed, advice) in _REFUSED.items():
        values = texts.pop(name, None)
        if values is not None and " ".join(values) != allowed:
            raise InputError(f"--{name} is not taken. {advice}")
    options = {option.name: option for option in training_options()}
    return ParsedFlags(
        values={name: _read(options[name], value) for name, value in texts.items()},
        settings_file=None if settings_file is None else Path(settings_file),
        notes=tuple(note for note in notes if "--local_rank" not in note),
    )


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Say what is wrong as every other command does, without repeating all flags."""
        raise InputError(f"{message}. --help lists all options.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="python -m reranker_core.training",
        usage="%(prog)s --model_name_or_path TEXT --train_data PATH [PATH ...] --output_dir PATH [options]",
        description="Train a reranker on labelled rows.",
        epilog=_EXAMPLES + "\n".join(f"  {preset.name:15} {preset.summary}" for preset in PRESETS.values()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
        allow_abbrev=False,
    )
    parser.add_argument("--settings", metavar="FILE", help="settings.json of a run; flags that are given go before it")
    groups = {section: parser.add_argument_group(title) for section, title in _TITLES.items()}
    for option in training_options():
        names = [f"--{name}" for name in (option.name, *option.aliases)]
        how: dict[str, Any] = {"nargs": "?", "const": "True"} if option.kind is bool else {}
        how |= {"nargs": "+"} if option.is_list else {}
        groups[option.section].add_argument(
            *names, dest=option.name, metavar=_metavar(option), help=_help(option).replace("%", "%%"), **how
        )
    for name in (*_NOT_NEEDED, *_REFUSED):
        flags = [f"--{name}", "--local-rank"] if name == "local_rank" else [f"--{name}"]
        values: dict[str, Any] = {"nargs": "*"} if name in _REFUSED else {"nargs": "?", "const": "True"}
        parser.add_argument(*flags, dest=name, help=argparse.SUPPRESS, **values)
    return parser


def _metavar(option: Option) -> str:
    if option.choices or option.name == "preset":
        return "|".join(option.choices or PRESETS)
    names: dict[type, str] = {bool: "True|False", int: "N", float: "X", Path: "PATH", str: "TEXT"}
    return names[option.kind]


def _help(option: Option) -> str:
    default = option.default
    shown = f"default: {default:g}" if isinstance(default, float) else f"default: {default}"
    parts = [option.unit, option.bounds, "required" if option.is_required else "" if default is None else shown]
    details = "; ".join(part for part in parts if part)
    return f"{option.help} ({details})" if details else option.help


def _read(option: Option, given: str | list[str]) -> Any:
    """Turn the text of a flag into a value; one that is wrong stays a text, for the settings to say what is expected."""
    if isinstance(given, list):
        return [_read(option, one) for one in given]
    word = given.strip().lower()
    if option.is_optional and word == "none":
        return None
    if option.name == "resume_from_checkpoint" and (word in _YES or word in _NO):
        return "latest" if word in _YES else None  # transformers' way to say it
    if option.name == "max_steps" and word == "-1":
        return None  # transformers' way to say: by the epochs
    if option.kind is bool:
        return True if word in _YES else False if word in _NO else given
    if option.kind in (int, float):
        try:
            return option.kind(word)
        except ValueError:
            return given
    return given


def _say_unknown(rest: Sequence[str]) -> str:
    flag = next((word.partition("=")[0] for word in rest if word.startswith("--")), None)
    if flag is None:
        return f"{describe(rest[0])} belongs to no option. A text with spaces needs quotation marks."
    known = [f"--{name}" for option in training_options() for name in (option.name, *option.aliases)]
    near = get_close_matches(flag, known, n=1)
    return f"{flag} is no option.{f' Is {near[0]} meant?' if near else ''} --help lists all options."
