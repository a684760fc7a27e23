"""Every number that starter-encoder was made with."""

from dataclasses import dataclass
from pathlib import Path

from starter_rows import Teaching

from reranker_core.training.settings import TrainingSettings

SEED = 3
QUERIES = 60_000
PIECES = 12_900
"""Rows of the vocabulary beside the four special tokens: in float16 its matrix stays below 10 MB."""
GENERAL_PIECES = 7_000
LAYERS = range(6)
TEACHING = Teaching(bm25_weight=0.5, sharpness=1.5, group_size=8)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusPlan:
    """One corpus, the queries that are asked of it, and how it is trained on.

    Attributes:
        name: `short` or `long`.
        words: of a passage, about.
        seed: of where passages are cut.
        passages: how many.
        most_of_a_package: of them from one package.
        first_query: the place of the first query.
        queries: how many are asked.
        rows: how many of them train.
        dev_rows: how many, the last ones, are held out.
        steps: of training.
        learning_rate: of the body.
        head_learning_rate: of the classifier.
    """

    name: str
    words: int
    seed: int
    passages: int
    most_of_a_package: int
    first_query: int
    queries: int
    rows: int
    dev_rows: int
    steps: int
    learning_rate: float
    head_learning_rate: float


CORPORA = (
    CorpusPlan(
        name="short", words=28, seed=1, passages=40_000, most_of_a_package=1600, first_query=0, queries=20_000,
        rows=12_000, dev_rows=100, steps=1300, learning_rate=2e-4, head_learning_rate=5e-4,
    ),
    CorpusPlan(
        name="long", words=85, seed=0, passages=20_000, most_of_a_package=900, first_query=20_000, queries=14_000,
        rows=6000, dev_rows=60, steps=200, learning_rate=1.5e-4, head_learning_rate=1.5e-4,
    ),
)  # fmt: skip
"""Short passages first: the same time shows the model twice as many. Long ones then teach it the lengths people use."""


def stage_settings(plan: CorpusPlan, *, model: Path, work: Path) -> TrainingSettings:
    """Say how one corpus is trained on."""
    return TrainingSettings(
        model_name_or_path=str(model),
        train_data=(work / f"rows-{plan.name}.jsonl",),
        dev_data=work / f"dev-{plan.name}.jsonl",
        output_dir=work / f"run-{plan.name}",
        use_lora=False,
        knowledge_distillation=True,
        train_group_size=TEACHING.group_size,
        query_max_len=48,
        passage_max_len=208,
        learning_rate=plan.learning_rate,
        head_learning_rate=plan.head_learning_rate,
        max_steps=plan.steps,
        per_device_train_batch_size=4,
        gradient_accumulation_steps=1,
        warmup_ratio=0.06,
        weight_decay=0.01,
        dropout=0.0,
        seed=1,
        logging_steps=10,
        save_steps=plan.steps // 5,
        save_total_limit=2,
        eval_strategy="steps",
        eval_steps=plan.steps // 5,
        device="cpu",
        offline=True,
    )
