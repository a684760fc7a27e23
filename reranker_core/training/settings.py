"""Every setting of a training run, once: with its help, unit and bounds. Knows no torch.

Names are the model card's. **Defaults** are the card's values; where its two commands leave a setting out, what its
training code did (FlagEmbedding's arguments and transformers' TrainingArguments of that time): AdamW, a linear schedule,
no weight decay, gradients clipped at 1.0, LoRA dropout 0.1, seed 42. So the card's commands mean what they meant. What is
better for some tens to thousands of labels is a preset (`reranker_core.training.presets`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from reranker_core.errors import InputError
from reranker_core.training.options import Option, about, check_value, list_options


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingSettings:
    """How one training run is done. What each field means stands in its metadata: `training_options()` lists it.

    Raises:
        InputError: a value is out of its bounds, or two of them contradict each other.
    """

    model_name_or_path: str = field(
        metadata=about("the model to start from: a catalogue or Hugging Face name, or a folder", section="model")
    )
    train_data: tuple[Path, ...] = field(
        metadata=about("training rows: jsonl files, a folder of them, or a snapshot", section="data")
    )
    output_dir: Path = field(metadata=about("the run's folder: checkpoints, figures and the adapter", section="saving"))
    preset: str | None = field(
        default=None, metadata=about("a named set of values; flags that are given go before it", section="model")
    )

    dev_data: Path | None = field(
        default=None,
        metadata=about("held-out labels to measure on: a jsonl file, a snapshot or a BEIR folder", section="measuring"),
    )
    hold_out: float = field(
        default=0.0,
        metadata=about("share of the training queries to hold out and measure on", section="measuring", low=0, high=0.5),
    )
    corpus: Path | None = field(
        default=None,
        metadata=about("corpus.jsonl that rows without negatives get random ones from; else the rows' own", section="data"),
    )
    train_group_size: int = field(
        default=16, metadata=about("one positive and its negatives", section="data", unit="passages", low=2)
    )
    query_max_len: int = field(
        default=512,
        metadata=about("room for the query; a quarter of passage_max_len is added", section="data", unit="tokens", low=1),
    )
    passage_max_len: int = field(
        default=512,
        metadata=about("room for the passage; half of query_max_len is added", section="data", unit="tokens", low=1),
    )
    query_instruction_for_rerank: str | None = field(
        default=None,
        metadata=about('text before each query; by default the family\'s own ("A: " for LLMs)', section="data"),
    )
    passage_instruction_for_rerank: str | None = field(
        default=None,
        metadata=about('text before each passage; by default the family\'s own ("B: " for LLMs)', section="data"),
    )
    prompt: str | None = field(
        default=None, metadata=about("what follows the passage in rows that have no prompt of their own", section="data")
    )
    knowledge_distillation: bool = field(
        default=False, metadata=about("learn from pos_scores and neg_scores of a teacher too", section="data")
    )

    use_lora: bool = field(
        default=True, metadata=about("train a LoRA adapter; False trains every weight (encoders only)", section="lora")
    )
    lora_rank: int = field(default=32, metadata=about("rank of the LoRA matrices", section="lora", low=1, high=1024))
    lora_alpha: float = field(
        default=64.0, metadata=about("LoRA's scale: what is learnt counts alpha / rank", section="lora", above=0)
    )
    lora_dropout: float = field(default=0.1, metadata=about("dropout before LoRA", section="lora", low=0, high=0.9))
    target_modules: tuple[str, ...] | None = field(
        default=None, metadata=about("layers that get LoRA, by name; by default those of the family", section="lora")
    )
    lora_extra_parameters: tuple[str, ...] | None = field(
        default=None,
        metadata=about(
            "layers that are trained and saved whole; by default the family's score head",
            section="lora",
            aliases=("modules_to_save",),
        ),
    )

    start_layer: int | None = field(
        default=None,
        metadata=about(
            "layerwise: the first layer with a score; by default the model's own, 8 for a raw base",
            section="model",
            unit="layers",
            low=0,
        ),
    )
    head_multi: bool = field(
        default=False, metadata=about("make a layerwise reranker of a raw MiniCPM: a head for each layer", section="model")
    )
    head_type: str = field(default="simple", metadata=about("kind of the layers' heads; only simple", section="model"))
    use_flash_attn: bool = field(
        default=False,
        metadata=about(
            "accepted as the card has it, and changes nothing: on GPUs of compute capability 8.0 and more, half precision "
            "computes with PyTorch's own flash attention in any case",
            section="machine",
        ),
    )

    learning_rate: float = field(
        default=2e-4, metadata=about("AdamW's learning rate at its peak", section="optimisation", above=0, high=1)
    )
    head_learning_rate: float | None = field(
        default=None,
        metadata=about("that of the score head; by default learning_rate", section="optimisation", above=0, high=1),
    )
    num_train_epochs: float = field(
        default=1.0, metadata=about("times that every row is seen", section="optimisation", unit="epochs", above=0)
    )
    max_steps: int | None = field(
        default=None,
        metadata=about("end after so many steps, whatever the epochs", section="optimisation", unit="steps", low=1),
    )
    per_device_train_batch_size: int = field(
        default=1,
        metadata=about(
            "rows (a query with its group) computed at once on a device", section="optimisation", unit="groups", low=1
        ),
    )
    gradient_accumulation_steps: int = field(
        default=16,
        metadata=about("batches that are added up to one step", section="optimisation", unit="batches", low=1),
    )
    dataloader_drop_last: bool = field(
        default=False, metadata=about("leave out an epoch's last batch where it is not full", section="optimisation")
    )
    warmup_ratio: float = field(
        default=0.1,
        metadata=about("share of the steps in which the learning rate rises", section="optimisation", low=0, high=1),
    )
    weight_decay: float = field(default=0.0, metadata=about("AdamW's weight decay", section="optimisation", low=0, high=1))
    lr_scheduler_type: str = field(
        default="linear",
        metadata=about(
            "how the learning rate goes after warming up",
            section="optimisation",
            choices=("linear", "cosine", "constant", "constant_with_warmup"),
        ),
    )
    max_grad_norm: float = field(
        default=1.0, metadata=about("longer gradients are cut to this norm; 0 cuts none", section="optimisation", low=0)
    )
    dropout: float | None = field(
        default=None,
        metadata=about(
            "the model's own dropout in training; by default its config's. LoRA has lora_dropout",
            section="model",
            low=0,
            high=0.9,
        ),
    )
    seed: int = field(
        default=42, metadata=about("of everything that is drawn", section="optimisation", low=0, high=2**32 - 1)
    )

    bf16: bool = field(default=False, metadata=about("bfloat16, for GPUs; the CPU computes in float32", section="machine"))
    fp16: bool = field(
        default=False,
        metadata=about("float16, for GPUs without bfloat16", section="machine", aliases=("use_fp16",)),
    )
    gradient_checkpointing: bool = field(
        default=False, metadata=about("compute layers twice to need less memory", section="machine")
    )
    deepspeed: Path | None = field(
        default=None,
        metadata=about(
            "a DeepSpeed configuration for several GPUs, such as assets/stage1.json (ZeRO-1)", section="machine"
        ),
    )
    ddp_find_unused_parameters: bool = field(
        default=False, metadata=about("look for parameters without a gradient; never needed here", section="machine")
    )
    device: str | None = field(
        default=None, metadata=about("cpu, cuda, cuda:1, …; by default CUDA where there is one", section="machine")
    )

    logging_steps: int = field(
        default=1, metadata=about("figures are written every so many steps", section="saving", unit="steps", low=1)
    )
    save_strategy: str = field(
        default="steps",
        metadata=about(
            "when checkpoints are saved, beside the last one", section="saving", choices=("steps", "epoch", "no")
        ),
    )
    save_steps: int = field(
        default=2000, metadata=about("steps between two checkpoints", section="saving", unit="steps", low=1)
    )
    save_total_limit: int | None = field(
        default=50,
        metadata=about("checkpoints that are kept, beside the best", section="saving", unit="checkpoints", low=1),
    )
    eval_strategy: str = field(
        default="epoch",
        metadata=about(
            "when it is measured, if there is something to measure on",
            section="measuring",
            choices=("epoch", "steps", "no"),
            aliases=("evaluation_strategy",),
        ),
    )
    eval_steps: int | None = field(
        default=None, metadata=about("steps between two measurements", section="measuring", unit="steps", low=1)
    )
    early_stopping_patience: int | None = field(
        default=None,
        metadata=about(
            "end when so many measurements brought nothing better", section="measuring", unit="measurements", low=1
        ),
    )
    report_to: tuple[str, ...] | None = field(
        default=None, metadata=about("trackers that transformers knows, such as tensorboard or wandb", section="saving")
    )
    resume_from_checkpoint: str | None = field(
        default=None, metadata=about('go on from a checkpoint: its folder, or "latest"', section="saving")
    )
    save_merged_lora_model: bool = field(
        default=False, metadata=about("write the whole model with the adapter merged too", section="saving")
    )
    cache_dir: Path | None = field(
        default=None, metadata=about("a model cache other than Hugging Face's own", section="machine")
    )
    offline: bool = field(default=False, metadata=about("never download", section="machine"))

    def __post_init__(self) -> None:
        """Bring values into their types and check them, each alone and then together."""
        for option in training_options():
            object.__setattr__(self, option.name, check_value(option, getattr(self, option.name)))
        _check_together(self)

    def to_dict(self) -> dict[str, Any]:
        """Give plain JSON values, as settings.json holds them; `from_dict` reads them."""
        return {one.name: _to_json(getattr(self, one.name)) for one in fields(self)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "TrainingSettings":
        """Make settings of the values of a settings.json; what is missing takes its default.

        Raises:
            InputError: a name is unknown, a required one is missing, or a value is out of its bounds.
        """
        known = {option.name: option for option in training_options()}
        if unknown := [name for name in values if name not in known]:
            raise InputError(f"{unknown[0]} is no setting of a training run. Take it out, or correct its name.")
        missing = [name for name, option in known.items() if option.is_required and name not in values]
        if missing:
            raise InputError(f"{', '.join(missing)} must be given: {known[missing[0]].help}.")
        return cls(**values)


_OPTIONS: tuple[Option, ...] = list_options(TrainingSettings)


def training_options() -> tuple[Option, ...]:
    """List every option of a training run, in the order of the fields."""
    return _OPTIONS


def _to_json(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_to_json(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def _check_together(settings: TrainingSettings) -> None:
    """Refuse what contradicts itself."""
    has_dev_set = settings.dev_data is not None or settings.hold_out > 0
    if settings.bf16 and settings.fp16:
        raise InputError("bf16 and fp16 are two ways to compute. Choose one: bf16 where the GPU has it.")
    if settings.dev_data is not None and settings.hold_out > 0:
        raise InputError("dev_data and hold_out are two ways to get a dev set. Choose one.")
    if settings.head_type != "simple":
        raise InputError(f'head_type must be "simple", got "{settings.head_type}". The published models have no other.')
    if settings.eval_strategy == "steps" and settings.eval_steps is None and has_dev_set:
        raise InputError("eval_strategy steps needs eval_steps. Give it, or measure every epoch.")
    may_have_dev_part = any(not path.suffix for path in settings.train_data)  # a folder, perhaps a snapshot
    is_measured = (has_dev_set or may_have_dev_part) and settings.eval_strategy != "no"
    if settings.early_stopping_patience is not None and not is_measured:
        raise InputError(
            "early_stopping_patience needs measurements: give dev_data or hold_out, and eval_strategy epoch or steps."
        )
