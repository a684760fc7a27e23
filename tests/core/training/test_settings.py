"""Settings, presets and what a machine makes of them: each value checked once, and everything else built from that."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from reranker_core.errors import InputError
from reranker_core.training.flags import parse_flags
from reranker_core.training.machine import Machine, check_trackers, fit_to_machine
from reranker_core.training.presets import PRESETS, describe_preset, make_settings
from reranker_core.training.settings import TrainingSettings, training_options
from tests.core.training.pasted_commands import read_card_command

CPU = Machine(has_cuda=False)
GPU = Machine(has_cuda=True, has_bf16=True, has_deepspeed=True)


def settings(**values: Any) -> TrainingSettings:
    needed = {"model_name_or_path": "m", "train_data": (Path("t.jsonl"),), "output_dir": Path("out")}
    return TrainingSettings(**(needed | values))


def test_what_the_card_leaves_out_is_as_its_training_code_had_it() -> None:
    plain = settings()
    assert (plain.lora_dropout, plain.weight_decay, plain.max_grad_norm, plain.seed) == (0.1, 0.0, 1.0, 42)
    assert (plain.lr_scheduler_type, plain.head_type, plain.head_multi, plain.use_lora) == ("linear", "simple", False, True)


def test_every_option_is_explained_and_its_default_is_within_its_bounds() -> None:
    made = settings()
    for option in training_options():
        assert option.help
        assert not option.help.endswith("."), option.name
        if not option.is_required:
            assert getattr(made, option.name) == option.default, option.name
    assert len({option.name for option in training_options()}) == len(training_options())


def test_settings_come_back_from_their_json() -> None:
    made = settings(
        train_data=(Path("a.jsonl"), Path("b")),
        target_modules=["query", "value"],
        lora_alpha=16,
        dev_data="dev.jsonl",
        start_layer=0,
        prompt="",
    )
    assert made.target_modules == ("query", "value")
    assert made.dev_data == Path("dev.jsonl")
    assert isinstance(made.lora_alpha, float)
    assert TrainingSettings.from_dict(json.loads(json.dumps(made.to_dict()))) == made


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"train_group_size": 1}, "train_group_size must be at least 2 passages, got 1"),
        ({"learning_rate": 0}, "learning_rate must be above 0, at most 1, got 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number"),
        ({"hold_out": 0.6}, "hold_out must be from 0 to 0.5, got 0.6"),
        ({"lora_rank": True}, "lora_rank must be a whole number, got true"),
        ({"lora_rank": 2.5}, "lora_rank must be a whole number, got 2.5"),
        ({"bf16": "yes"}, 'bf16 must be true or false, got "yes"'),
        ({"lr_scheduler_type": "round"}, 'must be one of linear, cosine, constant, constant_with_warmup, got "round"'),
        ({"train_data": ()}, "train_data must be one or more values"),
        ({"output_dir": ""}, "output_dir must be a path"),
        ({"seed": None}, "seed must be given"),
        ({"prompt": "\ud83d"}, "prompt has half of a surrogate pair"),
        ({"bf16": True, "fp16": True}, "bf16 and fp16 are two ways to compute"),
        ({"dev_data": "d", "hold_out": 0.1}, "dev_data and hold_out are two ways"),
        ({"head_type": "complex"}, 'head_type must be "simple", got "complex"'),
        ({"hold_out": 0.2, "eval_strategy": "steps"}, "eval_strategy steps needs eval_steps"),
        (
            {"early_stopping_patience": 2, "train_data": ("rows.jsonl",)},
            "early_stopping_patience needs measurements",
        ),
        (
            {"early_stopping_patience": 2, "hold_out": 0.2, "eval_strategy": "no"},
            "early_stopping_patience needs measurements",
        ),
    ],
)
def test_a_value_that_cannot_be_is_refused_with_a_sentence(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        settings(**values)


def test_unknown_and_missing_settings_are_named() -> None:
    with pytest.raises(InputError, match="lora_rnk is no setting"):
        TrainingSettings.from_dict(settings().to_dict() | {"lora_rnk": 1})
    with pytest.raises(InputError, match="train_data, output_dir must be given: training rows"):
        TrainingSettings.from_dict({"model_name_or_path": "m"})


def test_a_preset_fills_in_what_was_not_given() -> None:
    given = settings().to_dict()
    needed = {name: given[name] for name in ("model_name_or_path", "train_data", "output_dir")}
    made = make_settings(needed | {"preset": "encoder", "lora_rank": 4})
    assert (made.preset, made.lora_rank, made.lora_alpha, made.learning_rate) == ("encoder", 4, 32.0, 1e-4)
    assert make_settings(needed) == settings()
    with pytest.raises(InputError, match=r'no preset "best". There are: card, card-layerwise, encoder'):
        make_settings(needed | {"preset": "best"})


@pytest.mark.parametrize("name", PRESETS)
def test_every_value_of_a_preset_is_allowed_and_has_its_reason(name: str) -> None:
    made = make_settings(
        settings().to_dict() | {"preset": name} | {key: c.value for key, c in PRESETS[name].choices.items()}
    )
    assert made.preset == name
    for setting, choice in PRESETS[name].choices.items():
        assert getattr(made, setting) == choice.value
        assert choice.reason.endswith(".")
        assert type(getattr(made, setting)) is type(choice.value), setting
    assert len(describe_preset(PRESETS[name])) == len(PRESETS[name].choices)


def test_the_preset_card_says_what_the_card_says() -> None:
    where_and_what = {"model_name_or_path", "train_data", "output_dir", "deepspeed"}
    for command, preset in (("llm", "card"), ("layerwise", "card-layerwise")):
        said = {
            name: value
            for name, value in parse_flags(read_card_command(command, output_dir="out")).values.items()
            if name not in where_and_what
        }
        chosen = {name: choice.value for name, choice in PRESETS[preset].choices.items()}
        assert {name: tuple(value) if isinstance(value, list) else value for name, value in said.items()} == chosen


def test_what_is_for_gpus_is_left_aside_on_a_cpu_and_said_once_each() -> None:
    fitted, notes = fit_to_machine(settings(bf16=True, use_flash_attn=True, deepspeed="stage1.json"), CPU)
    assert (fitted.bf16, fitted.fp16, fitted.use_flash_attn, fitted.deepspeed) == (False, False, False, None)
    assert [note.split()[0] for note in notes] == ["deepspeed", "bf16", "use_flash_attn"]
    assert fit_to_machine(settings(fp16=True), CPU)[1] == [
        "fp16 (--fp16) is for GPUs; on the CPU everything is float32, which is faster there."
    ]
    assert fit_to_machine(fitted, CPU) == (fitted, [])


def test_a_gpu_takes_settings_as_they_are() -> None:
    asked = settings(bf16=True, use_flash_attn=True, deepspeed="stage1.json")
    assert fit_to_machine(asked, GPU) == (asked, [])


def test_what_only_a_preset_brought_is_left_aside_without_a_word() -> None:
    fitted, notes = fit_to_machine(settings(bf16=True, use_flash_attn=True), CPU, asked_for={"use_flash_attn"})
    assert not fitted.bf16
    assert [note.split()[0] for note in notes] == ["use_flash_attn"]


def test_deepspeed_without_the_package_is_refused_where_processes_count_on_it() -> None:
    with pytest.raises(InputError, match="share the work of 2 processes, and the package deepspeed is not installed"):
        fit_to_machine(settings(deepspeed="stage1.json"), Machine(has_cuda=True, processes=2))


def test_a_gpu_without_bfloat16_is_told_to_use_fp16() -> None:
    with pytest.raises(InputError, match=r"Use fp16 \(--fp16\) instead of bf16"):
        fit_to_machine(settings(bf16=True), Machine(has_cuda=True))


@pytest.mark.slow  # imports transformers
def test_a_tracker_that_is_not_installed_is_refused() -> None:
    check_trackers(("none",))
    with pytest.raises(InputError, match="report_to nobody: no tracker of this name is installed"):
        check_trackers(("none", "nobody"))


@pytest.mark.slow  # imports transformers
def test_every_public_name_is_there() -> None:
    import reranker_core.training as training

    for name in training.__all__:
        assert getattr(training, name) is not None
    assert dir(training) == sorted(training.__all__)
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = training.no_such_name


def test_settings_data_plan_and_flags_are_made_without_torch() -> None:
    names = ("settings", "presets", "data", "plan", "flags", "machine", "command_line")
    code = (
        f"import sys\nfor name in {names}: __import__('reranker_core.training.' + name)\nassert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
