"""A reranker whose weights can be trained: the same pipeline that scores, with LoRA put into its model or without.

The forward of training is `score_packed` with gradients: step 0 is the base exactly, and no padding is computed.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from reranker_core.cpu_linear import speed_up_training
from reranker_core.errors import InputError
from reranker_core.families.base import NeuralReranker
from reranker_core.loading import load_for_training
from reranker_core.packing import lay_out
from reranker_core.reranker import Progress
from reranker_core.training.settings import TrainingSettings

LORA_TARGETS = {
    "encoder": ("query", "key", "value", "dense"),
    "decoder": ("q_proj", "k_proj", "v_proj", "o_proj"),
    "layerwise": ("q_proj", "k_proj", "v_proj", "o_proj"),
}

# What is trained whole beside LoRA and saved with it. A decoder's head is a row of its vocabulary, which stays.
_HEADS: dict[str, tuple[str, ...]] = {"encoder": ("classifier",), "decoder": (), "layerwise": ("linear_head",)}

_HEAD_PLACES = ("classifier", "lm_head")

# The softmax over a group, or over the keys of a token, is the same whatever is added to all its scores: the gradient of
# these biases is 0 and what floats give instead is rounding, which AdamW would follow in full steps.
_WITHOUT_EFFECT = re.compile(r".*classifier\b.*\.out_proj\.bias|.*\.attention\.self\.key\.bias")


class GroupScorer(nn.Module):
    """What transformers' Trainer and DistributedDataParallel hold: ids in, scores with gradients out."""

    accepts_loss_kwargs = True  # tells the Trainer to count the groups of a whole step before it computes any of them

    def __init__(self, reranker: NeuralReranker, layers: Sequence[int | None]) -> None:
        """Take a reranker whose model can be trained, and the layers that are."""
        super().__init__()
        self.model = reranker.model
        self._reranker, self._layers = reranker, tuple(layers)

    def forward(self, input_ids: torch.Tensor, lengths: Sequence[int]) -> torch.Tensor:
        """Score sequences.

        Args:
            input_ids: (tokens,), whole sequences one after another.
            lengths: tokens of each sequence.

        Returns:
            (sequences, layers) float32
        """
        reranker = self._reranker
        batch = lay_out(input_ids, lengths, is_causal=reranker.is_causal, device=reranker.device)
        return reranker.score_packed(batch, self._layers)


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainable:
    """A reranker in training.

    Attributes:
        reranker: scores as ever, with the weights as they are.
        scorer: the module that is trained; it shares the reranker's model.
        layers: the cutoff layers that are trained, ascending; `(None,)` for a family without layers.
        has_lora: whether LoRA matrices are trained, or every weight.
    """

    reranker: NeuralReranker
    scorer: GroupScorer
    layers: tuple[int | None, ...]
    has_lora: bool

    def trained_parameters(self) -> dict[str, nn.Parameter]:
        """Give what is trained, by name."""
        return {name: place for name, place in self.scorer.named_parameters() if place.requires_grad}

    def parameter_groups(self, settings: TrainingSettings) -> list[dict[str, Any]]:
        """Sort what is trained by learning rate and weight decay, as an optimizer takes it.

        The head may have a learning rate of its own. Biases and norms do not decay.
        """
        head_rate = settings.learning_rate if settings.head_learning_rate is None else settings.head_learning_rate
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        for name, parameter in self.trained_parameters().items():
            rate = head_rate if name.removeprefix("model.").startswith(_HEAD_PLACES) else settings.learning_rate
            decay = settings.weight_decay if parameter.dim() > 1 else 0.0
            groups.setdefault((rate, decay), []).append(parameter)
        return [{"params": parameters, "lr": rate, "weight_decay": decay} for (rate, decay), parameters in groups.items()]


def load_trainable(settings: TrainingSettings, *, device: torch.device, on_progress: Progress | None = None) -> Trainable:
    """Load the base of a run and make it trainable.

    What is trained is float32, whatever the base is: on CUDA a frozen base is bfloat16 with `bf16` and float16 with
    `fp16`; everywhere else, and where every weight is trained, float32.

    Args:
        settings: of the run.
        device: where this process trains.
        on_progress: as for `load_reranker`.

    Raises:
        ModelNotFoundError: there is no such model.
        UnsupportedModelError: the model cannot be trained here.
        InputError: a setting does not fit the model.
    """
    half = torch.bfloat16 if settings.bf16 else torch.float16 if settings.fp16 else torch.float32
    dtype = half if device.type == "cuda" and settings.use_lora else torch.float32
    reranker = load_for_training(
        settings.model_name_or_path,
        head_multi=settings.head_multi,
        start_layer=settings.start_layer,
        device=device,
        dtype=dtype,
        dropout=settings.dropout,
        seed=settings.seed,
        allow_download=not settings.offline,
        cache_dir=settings.cache_dir,
        on_progress=on_progress,
    )
    torch.manual_seed(settings.seed)  # of the LoRA matrices
    if settings.use_lora:
        _add_lora(reranker, settings)
    elif reranker.family != "encoder":
        raise InputError(
            f"{reranker.name} is of the family {reranker.family}, which is trained with LoRA only. Leave out use_lora "
            "False."
        )
    else:
        reranker.model.requires_grad_(True)
    for name, parameter in reranker.model.named_parameters():
        if _WITHOUT_EFFECT.fullmatch(name):
            parameter.requires_grad_(False)
        elif parameter.requires_grad:
            parameter.data = parameter.data.float()
    speed_up_training(reranker.model, device)
    reranker.recomputes_blocks = settings.gradient_checkpointing
    layers: tuple[int | None, ...] = (None,)
    if reranker.cutoff_range is not None:
        layers = tuple(reranker.cutoff_range)
    scorer = GroupScorer(reranker, layers)
    return Trainable(reranker=reranker, scorer=scorer, layers=layers, has_lora=settings.use_lora)


def _add_lora(reranker: NeuralReranker, settings: TrainingSettings) -> None:
    """Put LoRA into the model, in place, and free its head."""
    from peft import LoraConfig, PeftModel

    heads = (*_HEADS[reranker.family], *(settings.lora_extra_parameters or ()))
    targets = settings.target_modules or LORA_TARGETS[reranker.family]
    places = _check_names(reranker, targets, heads)
    alpha = settings.lora_alpha
    config = LoraConfig(
        r=settings.lora_rank,
        lora_alpha=int(alpha) if float(alpha).is_integer() else alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=sorted(places),
        modules_to_save=sorted(set(heads)) or None,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft 0.21 reads a name that transformers 5.23 has renamed
        PeftModel(reranker.model, config)


def _check_names(reranker: NeuralReranker, targets: Sequence[str], heads: Sequence[str]) -> set[str]:
    """Check the names of modules against those that there are; gives the targets, `all-linear` spelled out."""
    linear = {
        name.rpartition(".")[2]
        for name, module in reranker.model.named_modules()
        if isinstance(module, nn.Linear) and not name.startswith(_HEAD_PLACES)
    }
    wanted = {name for target in targets for name in (linear if target == "all-linear" else (target,))}
    if unknown := sorted(wanted - linear):
        raise InputError(
            f"target_modules names {', '.join(unknown)}, which {reranker.name} does not have. It has "
            f"{', '.join(sorted(linear))}; all-linear means all of them."
        )
    if reranker.family == "decoder" and heads:
        raise InputError(
            f"{reranker.name} has no layers to train whole ({', '.join(heads)}): its score is one row of the vocabulary, "
            "which stays as it is. Leave lora_extra_parameters out."
        )
    others = {name for path, _ in reranker.model.named_modules() for name in path.split(".")}
    if unknown := sorted(set(heads) - others):
        raise InputError(
            f"lora_extra_parameters names {', '.join(unknown)}, which {reranker.name} does not have. Its score head "
            f"({', '.join(_HEADS[reranker.family])}) is trained without being named."
        )
    return wanted
