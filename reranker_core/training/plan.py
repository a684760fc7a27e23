"""What a run will do, worked out and said before it starts: steps, cut tokens, and what bodes ill. Knows no torch."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

from reranker_core.errors import InputError
from reranker_core.inputs import EncodedPair, PairInputs
from reranker_core.training.data import TrainingData, TrainingGroup, fold_query
from reranker_core.training.encoding import encode_group
from reranker_core.training.memory_estimate import MemoryEstimate, TrainedShape, estimate_memory
from reranker_core.training.settings import TrainingSettings

FEW_STEPS = 30
FEW_QUERIES = 50
"""Below these a run rarely makes a model better (judged by what others report; nobody measured it)."""

_PAIRS_LOOKED_AT = 2048  # a second or two of tokenizing


@dataclass(frozen=True, slots=True, kw_only=True)
class StepCount:
    """How a run is divided.

    Attributes:
        groups_per_step: rows that one step learns from, on all devices together; the last of an epoch may have fewer.
        batches_per_epoch: batches that each device computes in an epoch.
        steps_per_epoch: steps of the optimizer in an epoch; what is left over at its end is a step too.
        steps: in all.
        warmup_steps: in which the learning rate rises.
    """

    groups_per_step: int
    batches_per_epoch: int
    steps_per_epoch: int
    steps: int
    warmup_steps: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCount:
    """What the model reads of the groups of the first epoch.

    Attributes:
        pairs: that were looked at.
        of_pairs: that there are.
        tokens: of all pairs that were looked at.
        longest: tokens of the longest pair.
        longest_group: tokens of the longest group.
        cut_queries: pairs whose query lost tokens.
        cut_query_tokens: how many they lost.
        cut_passages: pairs whose passage lost tokens.
        cut_passage_tokens: how many they lost.
    """

    pairs: int
    of_pairs: int
    tokens: int
    longest: int
    longest_group: int
    cut_queries: int
    cut_query_tokens: int
    cut_passages: int
    cut_passage_tokens: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingPlan:
    """What a run will do.

    Attributes:
        rows: that are trained on.
        queries: different ones among them.
        processes: devices that share the work.
        negatives: in all groups of an epoch together.
        rows_without_negatives: that get random ones.
        small_groups: that have fewer negatives than asked for.
        steps: how the run is divided.
        tokens: what the model reads.
        notes: what was done to the data, in sentences.
        warnings: what bodes ill, in sentences.
        memory: what it takes on a device; `None` where the model's shape was not given.
    """

    rows: int
    queries: int
    processes: int
    negatives: int
    rows_without_negatives: int
    small_groups: int
    steps: StepCount
    tokens: TokenCount
    notes: tuple[str, ...]
    warnings: tuple[str, ...]
    memory: MemoryEstimate | None = None

    def lines(self) -> list[str]:
        """Say the plan in sentences: facts first, warnings last."""
        memory = [] if self.memory is None else [self.memory.line()]
        return [self._say_rows(), self._say_steps(), _say_tokens(self.tokens), *memory, *self.notes, *self.warnings]

    def _say_rows(self) -> str:
        mean = f"{self.negatives / self.rows:.1f}".removesuffix(".0")
        queries = "" if self.queries == self.rows else f" of {_count(self.queries, 'query', 'queries')}"
        return f"{_count(self.rows, 'row')}{queries}, each a positive with {mean} negatives on average."

    def _say_steps(self) -> str:
        steps = self.steps
        devices = f" on {self.processes} devices" if self.processes > 1 else ""
        warm = f", of which {steps.warmup_steps:,} to warm up" if steps.warmup_steps else ""
        return (
            f"{_count(steps.groups_per_step, 'row')} a step{devices}: {_count(steps.steps_per_epoch, 'step')} an epoch, "
            f"{steps.steps:,} in all{warm}."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedExample:
    """One pair exactly as the model reads it.

    Attributes:
        is_positive: whether the passage is the group's positive.
        text: its ids turned back into text, special tokens included.
        tokens: how many ids there are.
        cut_tokens: how many query and passage lost.
    """

    is_positive: bool
    text: str
    tokens: int
    cut_tokens: int


def plan_training(
    settings: TrainingSettings,
    data: TrainingData,
    inputs: PairInputs,
    *,
    processes: int = 1,
    shape: TrainedShape | None = None,
) -> TrainingPlan:
    """Work out what a run will do.

    Args:
        settings: of the run.
        data: what it trains on, without what is held out.
        inputs: of the model's family, which count tokens.
        processes: devices that share the work.
        shape: of the model, by which its memory is estimated.

    Raises:
        InputError: it would do no step, or the lengths leave no room for a passage.
    """
    steps = count_steps(settings, len(data.rows), processes=processes)
    negatives = [data.count_negatives(row) for row in range(len(data.rows))]
    asked = data.group_size - 1
    small = sum(count < asked for count in negatives)
    queries = len({fold_query(row.query) for row in data.rows})
    without = sum(not row.neg for row in data.rows)
    tokens = _count_tokens(settings, data, inputs, pairs=sum(negatives) + len(data.rows))
    at_once = min(settings.per_device_train_batch_size, len(data.rows)) * tokens.longest_group
    return TrainingPlan(
        rows=len(data.rows),
        queries=queries,
        processes=processes,
        negatives=sum(negatives),
        rows_without_negatives=without,
        small_groups=small,
        steps=steps,
        tokens=tokens,
        notes=(*data.notes, *_note(data, inputs, without=without)),
        warnings=tuple(_warn(settings, rows=len(data.rows), queries=queries, small=small, steps=steps.steps)),
        memory=None if shape is None else estimate_memory(shape, tokens=at_once, longest=tokens.longest),
    )


def count_steps(settings: TrainingSettings, rows: int, *, processes: int = 1) -> StepCount:
    """Count the steps as transformers' Trainer does.

    `dataloader_drop_last` leaves out an epoch's last batch where it is not full on all devices; a last step that adds up
    fewer batches than asked for is done all the same.

    Raises:
        InputError: there would be none.
    """
    at_once = settings.per_device_train_batch_size * processes
    batches = rows // at_once if settings.dataloader_drop_last else math.ceil(rows / at_once)
    if not batches:
        devices = f" on each of {processes} devices" if processes > 1 else ""
        raise InputError(
            f"dataloader_drop_last leaves nothing to train on: {_count(rows, 'row')} cannot fill one batch of "
            f"{settings.per_device_train_batch_size}{devices}. Lower per_device_train_batch_size, or set "
            "dataloader_drop_last to False."
        )
    per_epoch = math.ceil(batches / settings.gradient_accumulation_steps)
    steps = settings.max_steps or math.ceil(per_epoch * settings.num_train_epochs)
    warms_up = settings.lr_scheduler_type != "constant"
    return StepCount(
        groups_per_step=min(rows, at_once * settings.gradient_accumulation_steps),
        batches_per_epoch=batches,
        steps_per_epoch=per_epoch,
        steps=steps,
        warmup_steps=math.ceil(steps * settings.warmup_ratio) if warms_up else 0,
    )


def render_examples(
    settings: TrainingSettings, data: TrainingData, inputs: PairInputs, *, count: int = 3
) -> list[RenderedExample]:
    """Show what the model reads first: a positive, a negative of it, then positives of the next rows."""
    rendered: list[RenderedExample] = []
    for place, group in enumerate(_first_groups(data)):
        for index, pair in enumerate(encode_group(group, inputs, settings)[: 1 if place else 2]):
            rendered.append(_render(pair, inputs, is_positive=index == 0))
        if len(rendered) >= count:
            break
    return rendered[:count]


def _render(pair: EncodedPair, inputs: PairInputs, *, is_positive: bool) -> RenderedExample:
    return RenderedExample(
        is_positive=is_positive,
        text=inputs.decode(pair.ids),
        tokens=len(pair.ids),
        cut_tokens=pair.cut_query_tokens + pair.cut_passage_tokens,
    )


def _first_groups(data: TrainingData) -> Iterator[TrainingGroup]:
    return (data.group(row, epoch=0) for row in data.order(0))


def _count_tokens(settings: TrainingSettings, data: TrainingData, inputs: PairInputs, *, pairs: int) -> TokenCount:
    """Tokenize the first groups of the first epoch, as many as are quickly done."""
    looked_at: list[EncodedPair] = []
    longest_group = 0
    for group in _first_groups(data):
        built = encode_group(group, inputs, settings)
        longest_group = max(longest_group, sum(len(pair.ids) for pair in built))
        looked_at += built[: _PAIRS_LOOKED_AT - len(looked_at)]
        if len(looked_at) >= _PAIRS_LOOKED_AT:
            break
    return TokenCount(
        pairs=len(looked_at),
        of_pairs=pairs,
        tokens=sum(len(pair.ids) for pair in looked_at),
        longest=max(len(pair.ids) for pair in looked_at),
        longest_group=longest_group,
        cut_queries=sum(pair.cut_query_tokens > 0 for pair in looked_at),
        cut_query_tokens=sum(pair.cut_query_tokens for pair in looked_at),
        cut_passages=sum(pair.cut_passage_tokens > 0 for pair in looked_at),
        cut_passage_tokens=sum(pair.cut_passage_tokens for pair in looked_at),
    )


def _say_tokens(count: TokenCount) -> str:
    cut = [
        f"{part} {_percent(number / count.pairs)} of the time, {lost / number:.0f} tokens each"
        for part, number, lost in (
            ("the query", count.cut_queries, count.cut_query_tokens),
            ("the passage", count.cut_passages, count.cut_passage_tokens),
        )
        if number
    ]
    sample = "" if count.pairs == count.of_pairs else f" ({count.pairs:,} of {count.of_pairs:,} pairs were looked at)"
    return (
        f"A pair has {count.tokens / count.pairs:.0f} tokens on average, the longest {count.longest:,}; "
        f"{'cut are ' + ' and '.join(cut) if cut else 'nothing is cut'}{sample}."
    )


def _note(data: TrainingData, inputs: PairInputs, *, without: int) -> Iterator[str]:
    if without and data.corpus is not None:
        yield (
            f"{_count(without, 'row')} without negatives: in each epoch random ones are drawn from "
            f"{_count(len(data.corpus.ids), 'passage')}."
        )
    if not inputs.reads_prompt and any(row.prompt is not None for row in data.rows):
        yield "Prompts are left aside: an encoder reads none."


def _warn(settings: TrainingSettings, *, rows: int, queries: int, small: int, steps: int) -> Iterator[str]:
    if small:
        yield (
            f"{_count(small, 'group')} of {rows:,} {'is' if small == 1 else 'are'} smaller than train_group_size "
            f"{settings.train_group_size}, for want of negatives; none is used twice. `python -m reranker_core.mining "
            "negatives` finds more."
        )
    if queries < FEW_QUERIES:
        yield (
            f"Only {_count(queries, 'query', 'queries')}: fewer than {FEW_QUERIES} rarely make a model better and may make "
            "it worse. Label more, or measure well before you use the result."
        )
    if steps < FEW_STEPS:
        yield (
            f"Only {_count(steps, 'step')}: with fewer than {FEW_STEPS} little is learnt. Train more epochs, or lower "
            "gradient_accumulation_steps; the presets of the families suit few labels."
        )
    if settings.dev_data is None and not settings.hold_out:
        yield (
            "There is nothing to measure on: the last checkpoint is kept, and nobody will know whether it is better. "
            "Give dev_data, or hold_out 0.2."
        )


def _count(number: int, noun: str, plural: str | None = None) -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _percent(share: float) -> str:
    return "less than 1 %" if share < 0.01 else f"{share:.0%}".replace("%", " %")
