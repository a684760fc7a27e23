"""What is said before the first step: what is trained, what is measured on, and rows as the model reads them."""

from pathlib import Path
from typing import Any

import pytest
import torch

from reranker_core.evaluation import RankingTask
from reranker_core.examples import TrainingExample
from reranker_core.training.announcement import say_dev_set, say_examples, say_trained
from reranker_core.training.data import TrainingData
from reranker_core.training.plan import RenderedExample
from reranker_core.training.settings import TrainingSettings
from reranker_core.training.trainable import load_trainable


def say(folder: Path, **values: Any) -> str:
    settings = TrainingSettings(
        model_name_or_path=str(folder), train_data=(Path("t.jsonl"),), output_dir=Path("out"), lora_rank=4, **values
    )
    return say_trained(load_trainable(settings, device=torch.device("cpu")).reranker, settings)


def test_what_is_trained_is_said_with_its_share(checkpoints: Path) -> None:
    lora, whole = say(checkpoints / "encoder"), say(checkpoints / "encoder", use_lora=False)
    assert lora.startswith("Trained is LoRA of rank 4 on dense, key, query, value, and classifier whole: ")
    assert lora.endswith(" weights.")
    assert whole.startswith("Trained is the whole model: ")
    llm = say(checkpoints / "llm", target_modules=("q_proj",))
    assert llm.startswith("Trained is LoRA of rank 4 on q_proj: ")


def make_task(queries: int) -> RankingTask:
    ids = [str(number) for number in range(queries)]
    return RankingTask(
        name="dev",
        queries={one: f"Query {one}" for one in ids},
        passages={"a": "A", "b": "B"},
        candidates=dict.fromkeys(ids, ("a", "b")),
        qrels={one: {"a": 1} for one in ids},
    )


def test_the_size_of_the_dev_set_is_said_and_what_bodes_ill_about_it() -> None:
    rows = (
        TrainingExample(query=" query  0", pos=("A",), neg=("B",)),
        TrainingExample(query="other", pos=("A",), neg=("B",)),
    )
    data = TrainingData(rows=rows, seed=1, group_size=2, has_teacher=False)
    size, few, shared = say_dev_set(make_task(7), data)
    assert size == "Dev set: 7 queries, 2 passages, from dev."
    assert few.startswith("A dev set of fewer than 20 queries tells little")
    assert shared.startswith("1 query of the dev set is trained on too")
    assert list(say_dev_set(make_task(20), data.with_rows(rows[1:]))) == ["Dev set: 20 queries, 2 passages, from dev."]


def test_examples_are_shown_with_the_middle_of_long_ones_left_out() -> None:
    text = "a" * 300 + "b" * 300
    short = RenderedExample(is_positive=True, text="<s> q </s>", tokens=3, cut_tokens=0)
    long = RenderedExample(is_positive=False, text=text, tokens=1600, cut_tokens=2)
    assert list(say_examples([short, long])) == [
        "The model reads (positive, 3 tokens):\n<s> q </s>",
        f"The model reads (negative, 1,600 tokens, 2 cut):\n{'a' * 200} … {'b' * 200}",
    ]


@pytest.mark.parametrize("number", [400, 401])
def test_a_text_is_shortened_only_where_it_is_too_long(number: int) -> None:
    (shown,) = say_examples([RenderedExample(is_positive=True, text="x" * number, tokens=1, cut_tokens=0)])
    assert ("…" in shown) is (number > 400)
