"""What a run says before its first step beside the plan: what is trained, the dev set, rows as the model reads them."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from reranker_core.evaluation import RankingTask
from reranker_core.training.data import TrainingData, fold_query
from reranker_core.training.plan import RenderedExample
from reranker_core.training.settings import TrainingSettings

if TYPE_CHECKING:
    from reranker_core.families.base import NeuralReranker

FEW_DEV_QUERIES = 20
"""Below these a difference on the dev set is mostly luck (judged, not measured)."""

_SHOWN = 400  # characters of an example


def say_trained(reranker: "NeuralReranker", settings: TrainingSettings) -> str:
    """Say which weights of a model in training are trained, and how many."""
    parameters = list(reranker.model.parameters())
    everything = sum(one.numel() for one in parameters)
    trained = sum(one.numel() for one in parameters if one.requires_grad)
    share = f"{_round(trained)} of {_round(everything)} weights"
    if not settings.use_lora:
        return f"Trained is the whole model: {share}."
    config = reranker.model.peft_config["default"]
    whole = f", and {', '.join(sorted(config.modules_to_save))} whole" if config.modules_to_save else ""
    return f"Trained is LoRA of rank {config.r} on {', '.join(sorted(config.target_modules))}{whole}: {share}."


def say_dev_set(task: RankingTask, data: TrainingData) -> Iterator[str]:
    """Say what is measured on, and what bodes ill about it."""
    queries = len(task.qrels)
    passages = len(set().union(*task.candidates.values()))
    yield f"Dev set: {_count(queries, 'query', 'queries')}, {_count(passages, 'passage', 'passages')}, from {task.name}."
    if queries < FEW_DEV_QUERIES:
        yield (
            f"A dev set of fewer than {FEW_DEV_QUERIES} queries tells little: a difference of one query is mostly luck. "
            "Label more."
        )
    trained = {fold_query(row.query) for row in data.rows}
    if shared := sum(fold_query(task.queries[query]) in trained for query in task.qrels):
        yield (
            f"{_count(shared, 'query', 'queries')} of the dev set {'is' if shared == 1 else 'are'} trained on too, so "
            "it will look better than it is. Take out of the training rows what is measured on."
        )


def say_examples(examples: list[RenderedExample]) -> Iterator[str]:
    """Show rows as the model reads them, long ones with their middle left out."""
    for example in examples:
        cut = f", {example.cut_tokens:,} cut" if example.cut_tokens else ""
        kind = "positive" if example.is_positive else "negative"
        yield f"The model reads ({kind}, {example.tokens:,} tokens{cut}):\n{_shorten(example.text)}"


def _shorten(text: str) -> str:
    half = _SHOWN // 2
    return text if len(text) <= _SHOWN else f"{text[:half]} … {text[-half:]}"


def _round(number: int) -> str:
    return f"{number / 1e6:,.1f} million" if number >= 1e5 else f"{number:,}"


def _count(number: int, noun: str, plural: str) -> str:
    return f"{number:,} {noun if number == 1 else plural}"
