"""Named sets of values, each with its reason: the card's, and our own for some tens to thousands of labels.

A preset only fills in what was not given. Ours are judgement, drawn from what others report (research/training.md 1.3 to
1.5 names the sources); nobody has measured them over many data sets, so measure before and after.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from reranker_core.errors import InputError
from reranker_core.training.settings import TrainingSettings, training_options


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A value, and why it is chosen, in a sentence."""

    value: Any
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Preset:
    """Values that go together.

    Attributes:
        name: as `--preset` takes it.
        summary: what it is for, in a sentence.
        choices: by the name of the setting.
    """

    name: str
    summary: str
    choices: dict[str, Choice]


_CARD = Preset(
    name="card",
    summary="Exactly what the model card says, for training an LLM reranker from a raw model on much data.",
    choices={
        "learning_rate": Choice(value=2e-4, reason="A raw model has to learn the task, so the steps are long."),
        "num_train_epochs": Choice(value=1.0, reason="With much data each row is seen once."),
        "per_device_train_batch_size": Choice(value=1, reason="One query with 16 passages fills a GPU."),
        "gradient_accumulation_steps": Choice(value=16, reason="A step learns from 16 queries of each GPU."),
        "dataloader_drop_last": Choice(
            value=True, reason="As the card has it; with a batch of 1 on one GPU it drops nothing."
        ),
        "query_max_len": Choice(value=512, reason="As the card has it."),
        "passage_max_len": Choice(value=512, reason="As the card has it."),
        "train_group_size": Choice(value=16, reason="One positive against 15 negatives: larger groups rank better."),
        "logging_steps": Choice(value=1, reason="Every step is shown."),
        "save_steps": Choice(value=2000, reason="Every 32,000 queries; a small run saves at its end only."),
        "save_total_limit": Choice(value=50, reason="As the card has it."),
        "ddp_find_unused_parameters": Choice(value=False, reason="Every trained weight takes part in every step."),
        "gradient_checkpointing": Choice(value=True, reason="A 2B model with 16 passages needs it on most GPUs."),
        "warmup_ratio": Choice(value=0.1, reason="The first tenth of the steps is gentle."),
        "bf16": Choice(value=True, reason="Half the memory at no loss, where the GPU has it."),
        "use_lora": Choice(value=True, reason="A few million weights are trained instead of billions."),
        "lora_rank": Choice(value=32, reason="As the card has it."),
        "lora_alpha": Choice(value=64.0, reason="Twice the rank, as is usual."),
        "use_flash_attn": Choice(value=True, reason="As the card has it; it changes nothing here."),
        "target_modules": Choice(
            value=("q_proj", "k_proj", "v_proj", "o_proj"), reason="The attention's layers, as the card has it."
        ),
    },
)

_CARD_LAYERWISE = Preset(
    name="card-layerwise",
    summary="Exactly what the card's second command says, for making a layerwise reranker of a raw MiniCPM.",
    choices=_CARD.choices
    | {
        "start_layer": Choice(value=8, reason="Layers below the eighth know too little for a score."),
        "head_multi": Choice(value=True, reason="Each layer gets a head of its own."),
        "head_type": Choice(value="simple", reason="One row of weights; there is no other kind."),
        "lora_extra_parameters": Choice(value=("linear_head",), reason="The heads are trained whole."),
    },
)

# What is the same for every family when there are some tens to thousands of labels.
_FEW_LABELS: dict[str, Choice] = {
    "num_train_epochs": Choice(
        value=3.0, reason="Few labels are seen more than once; the best epoch is kept where one measures."
    ),
    "train_group_size": Choice(value=8, reason="Labelled queries seldom have more than seven good negatives."),
    "per_device_train_batch_size": Choice(value=1, reason="The least memory; batches are added up instead."),
    "gradient_accumulation_steps": Choice(value=8, reason="Eight queries a step make enough steps of few labels."),
    "dataloader_drop_last": Choice(value=False, reason="Of few labels none is to be lost."),
    "query_max_len": Choice(value=256, reason="Queries are short; what they leave the passage may borrow."),
    "passage_max_len": Choice(value=512, reason="A passage of usual length stays whole."),
    "warmup_ratio": Choice(value=0.1, reason="The first steps of Adam are its wildest."),
    "lr_scheduler_type": Choice(value="linear", reason="Falling to nothing calms the last steps."),
    "weight_decay": Choice(value=0.01, reason="A little against learning labels by heart."),
    "max_grad_norm": Choice(value=1.0, reason="One odd row cannot throw the weights far."),
    "bf16": Choice(value=True, reason="Half the memory on a GPU; the CPU computes in float32 in any case."),
    "logging_steps": Choice(value=1, reason="There are few steps, so every one is shown."),
    "save_strategy": Choice(value="epoch", reason="Steps are too few to count by the thousand."),
    "save_total_limit": Choice(value=2, reason="The last and the one before; the best is kept besides."),
    "eval_strategy": Choice(value="epoch", reason="Whether it became better is seen once an epoch."),
}

_FEW_LABELS_LORA: dict[str, Choice] = _FEW_LABELS | {
    "use_lora": Choice(value=True, reason="The base stays as it is, and forgets less."),
    "lora_rank": Choice(value=16, reason="For little data the rank hardly matters; a small one is quick."),
    "lora_alpha": Choice(value=32.0, reason="Twice the rank, as is usual."),
    "lora_dropout": Choice(value=0.05, reason="Little, since there are few steps."),
    "learning_rate": Choice(
        value=1e-4, reason="Half the card's: a released reranker has learnt the task and is to be moved a little."
    ),
}

_LLM_TARGETS = Choice(
    value=("q_proj", "k_proj", "v_proj", "o_proj"), reason="The attention's layers, as the published models were trained."
)

_OURS = (
    Preset(
        name="encoder",
        summary="bge-reranker-base, -large and v2-m3 with LoRA, for some tens to thousands of labelled queries.",
        choices=_FEW_LABELS_LORA
        | {
            "target_modules": Choice(
                value=("query", "key", "value", "dense"), reason="All linear layers: LoRA learns most when it sits on all."
            ),
            "head_learning_rate": Choice(
                value=2e-5, reason="The score head is whole and learnt already; a new one (of a raw base) wants 1e-4."
            ),
        },
    ),
    Preset(
        name="encoder-full",
        summary="The same models with every weight trained, for a thousand labelled queries and more, or a small model.",
        choices=_FEW_LABELS
        | {
            "use_lora": Choice(value=False, reason="Every weight can move, which more labels can bear."),
            "learning_rate": Choice(value=2e-5, reason="About a tenth of LoRA's: every weight moves at once."),
        },
    ),
    Preset(
        name="decoder",
        summary="bge-reranker-v2-gemma and its like with LoRA, for some tens to thousands of labelled queries.",
        choices=_FEW_LABELS_LORA
        | {
            "target_modules": _LLM_TARGETS,
            "gradient_checkpointing": Choice(value=True, reason="A 2B model needs it on most GPUs."),
        },
    ),
    Preset(
        name="layerwise",
        summary="bge-reranker-v2-minicpm-layerwise with LoRA, for some tens to thousands of labelled queries.",
        choices=_FEW_LABELS_LORA
        | {
            "target_modules": _LLM_TARGETS,
            "gradient_checkpointing": Choice(value=True, reason="A 2B model needs it on most GPUs."),
            "head_learning_rate": Choice(value=2e-5, reason="The heads are whole and learnt already, so they move slowly."),
        },
    ),
)

PRESETS: Mapping[str, Preset] = {preset.name: preset for preset in (_CARD, _CARD_LAYERWISE, *_OURS)}


def make_settings(values: Mapping[str, Any]) -> TrainingSettings:
    """Make settings of values, with those of the preset that they name where they say nothing themselves.

    Args:
        values: by the name of the setting; `preset` names one of `PRESETS`.

    Raises:
        InputError: there is no such preset, or `TrainingSettings.from_dict` refuses the values.
    """
    name = values.get("preset")
    if name is None:
        return TrainingSettings.from_dict(values)
    if name not in PRESETS:
        raise InputError(f'There is no preset "{name}". There are: {", ".join(PRESETS)}.')
    filled_in = {setting: choice.value for setting, choice in PRESETS[name].choices.items()}
    return TrainingSettings.from_dict(filled_in | dict(values))


@contextmanager
def name_preset(settings: TrainingSettings) -> Iterator[None]:
    """Name the preset in errors about a value that it brought.

    Raises:
        InputError: in place of one that names such a setting.
    """
    try:
        yield
    except InputError as error:
        preset = PRESETS.get(settings.preset or "")
        if preset is None or not any(
            name in str(error) and choice.value == getattr(settings, name) for name, choice in preset.choices.items()
        ):
            raise
        raise InputError(f"{error} The value is of --preset {preset.name}, which is for: {preset.summary}") from error


def describe_preset(preset: Preset) -> list[str]:
    """Say each value with its reason, in the order of the settings."""
    order = [option.name for option in training_options()]
    names = sorted(preset.choices, key=order.index)
    return [f"{name} {_show(preset.choices[name].value)}: {preset.choices[name].reason}" for name in names]


def _show(value: Any) -> str:
    return " ".join(value) if isinstance(value, tuple) else f"{value:g}" if isinstance(value, float) else str(value)
