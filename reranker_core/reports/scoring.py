"""Base and tuned model over the same queries, one after the other, so that only one of them is in memory."""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch

from reranker_core.errors import InputError, UnsupportedModelError
from reranker_core.evaluation import RankingTask
from reranker_core.examples import Run
from reranker_core.families.base import NeuralReranker
from reranker_core.loading import load_for_training, load_reranker
from reranker_core.memory import default_device
from reranker_core.reranker import Progress, Reranker
from reranker_core.training.measuring import DevSet
from reranker_core.training.results import TrainingResult
from reranker_core.training.settings import TrainingSettings

Runs = dict[int | None, Run]


class OnProgress(Protocol):
    """Told what is being done; what it raises ends the report."""

    def __call__(self, stage: str, done: int, total: int, /) -> None:
        """Take `stage`, such as "Scoring by the base", and pairs done of all; 0 of 0 where nothing is counted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredTwice:
    """What both models gave.

    Attributes:
        base: for each task a run for each layer, `None` for a model without layers.
        tuned: the same of the tuned model, of the layers that both have.
        has_made_head: the base has no score head of its own; compared is the one that training began with.
        device: where it was computed.
        dtype: in which numbers.
        max_length: tokens of a pair.
    """

    base: list[Runs] = field(repr=False)
    tuned: list[Runs] = field(repr=False)
    has_made_head: bool
    device: str
    dtype: str
    max_length: int

    def find_largest_change(self) -> float:
        """Give the most by which a score changed, at any layer."""
        return max(
            (
                abs(score - self.tuned[place][layer][query_id][passage_id])
                for place, runs in enumerate(self.base)
                for layer, run in runs.items()
                for query_id, scores in run.items()
                for passage_id, score in scores.items()
            ),
            default=0.0,
        )


def score_twice(
    settings: TrainingSettings, result: TrainingResult, tasks: Sequence[RankingTask], *, on_progress: OnProgress
) -> ScoredTwice:
    """Score tasks by the base and by what was trained from it, with the run's lengths, prompts and instructions.

    The tuned model is loaded as anybody loads it, its adapter merged into the weights, in the dtype of the training.

    Args:
        settings: of the run.
        result: of the run.
        tasks: with something to score in each.
        on_progress: told of both models together.

    Raises:
        RerankerError: a model cannot be loaded, or cannot score.
    """
    total = 2 * sum(task.pairs for task in tasks)
    on_progress("Loading the base", 0, 0)
    base, has_made_head = _load_base(settings)
    facts = (str(base.device), str(base.dtype).removeprefix("torch."), _length(base, settings))
    before = _score(base, settings, tasks, lambda done: on_progress("Scoring by the base", done, total))
    del base
    _free_memory()
    on_progress("Loading the tuned model", 0, 0)
    tuned = _check(_load_tuned(settings, result))
    after = _score(tuned, settings, tasks, lambda done: on_progress("Scoring by the tuned model", total // 2 + done, total))
    layers = [
        sorted(one.keys() & other.keys(), key=lambda layer: layer or 0) for one, other in zip(before, after, strict=True)
    ]
    if not all(layers):
        raise InputError(f"{result.product} and its base have no layer in common. Train anew from the same base.")
    pick = [
        [{layer: one[layer] for layer in kept} for one, kept in zip(runs, layers, strict=True)] for runs in (before, after)
    ]
    return ScoredTwice(
        base=pick[0], tuned=pick[1], has_made_head=has_made_head, device=facts[0], dtype=facts[1], max_length=facts[2]
    )


def _score(
    reranker: NeuralReranker, settings: TrainingSettings, tasks: Sequence[RankingTask], tell: Callable[[int], None]
) -> list[Runs]:
    found = []
    before = 0
    for task in tasks:
        found.append(DevSet(task, reranker, settings).score(on_progress=_shift(tell, before)))
        before += task.pairs
    return found


def _shift(tell: Callable[[int], None], before: int) -> Progress:
    return lambda done, _: tell(before + done)


def _load_base(settings: TrainingSettings) -> tuple[NeuralReranker, bool]:
    """Load what the training started from; a head that a raw base lacks is made as the training made it."""
    if not settings.head_multi:
        try:
            return _check(_load(settings, settings.model_name_or_path, adapter=None)), False
        except UnsupportedModelError:  # a raw base, which the training gave a head
            pass
    raw = load_for_training(
        settings.model_name_or_path,
        head_multi=settings.head_multi,
        start_layer=settings.start_layer,
        device=settings.device,
        dtype=_choose_dtype(settings),
        seed=settings.seed,
        allow_download=not settings.offline,
        cache_dir=settings.cache_dir,
    )
    return raw, True


def _load_tuned(settings: TrainingSettings, result: TrainingResult) -> Reranker:
    if result.kind == "adapter":
        return _load(settings, settings.model_name_or_path, adapter=str(result.product))
    return _load(settings, str(result.product), adapter=None)


def _load(settings: TrainingSettings, name: str, *, adapter: str | None) -> Reranker:
    return load_reranker(
        name,
        adapter=adapter,
        device=settings.device,
        dtype=_choose_dtype(settings),
        allow_download=not settings.offline,
        cache_dir=settings.cache_dir,
    )


def _choose_dtype(settings: TrainingSettings) -> torch.dtype:
    """Choose the dtype in which the training measured: its frozen base's, or float32 where every weight is trained."""
    is_cuda = str(settings.device or default_device()).startswith("cuda")
    if not is_cuda or not settings.use_lora:
        return torch.float32
    return torch.bfloat16 if settings.bf16 else torch.float16 if settings.fp16 else torch.float32


def _check(reranker: Reranker) -> NeuralReranker:
    if not isinstance(reranker, NeuralReranker):
        raise InputError(f"{reranker.name} has no weights, so there is nothing to compare. Give a run's own settings.")
    return reranker


def _length(reranker: NeuralReranker, settings: TrainingSettings) -> int:
    return min(reranker.inputs.context, settings.query_max_len + settings.passage_max_len)


def _free_memory() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
