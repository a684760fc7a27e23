"""What is said before a run starts: steps as transformers counts them, cut tokens, and what bodes ill."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from reranker_core.errors import InputError
from reranker_core.inputs import DecoderInputs, EncoderInputs, PairInputs
from reranker_core.tokenizing import TextTokenizer
from reranker_core.training.data import read_training_data
from reranker_core.training.memory_estimate import TrainedShape, count_kept_heads, estimate_memory, read_shape
from reranker_core.training.plan import TrainingPlan, count_steps, plan_training, render_examples
from reranker_core.training.settings import TrainingSettings
from reranker_core.training.trainable import load_trainable


@pytest.fixture(scope="module")
def encoder(checkpoints: Path) -> EncoderInputs:
    return EncoderInputs(TextTokenizer(checkpoints / "encoder", model_type="xlm-roberta"), context=512)


@pytest.fixture(scope="module")
def decoder(checkpoints: Path) -> DecoderInputs:
    return DecoderInputs(TextTokenizer(checkpoints / "llm", model_type="gemma"), context=2048, always_bos=False)


def settings(**values: Any) -> TrainingSettings:
    needed = {"model_name_or_path": "m", "train_data": (Path("t.jsonl"),), "output_dir": Path("out")}
    return TrainingSettings(**(needed | values))


def write_rows(folder: Path, rows: list[dict[str, Any]]) -> Path:
    path = folder / "train.jsonl"
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def plan(folder: Path, rows: list[dict[str, Any]], inputs: PairInputs, **values: Any) -> TrainingPlan:
    chosen = settings(train_data=(write_rows(folder, rows),), **values)
    return plan_training(chosen, read_training_data(chosen), inputs)


def rows_of(number: int, *, negatives: int = 2) -> list[dict[str, Any]]:
    return [
        {"query": f"q{row}", "pos": [f"p{row}"], "neg": [f"n{row} {place}" for place in range(negatives)]}
        for row in range(number)
    ]


@pytest.mark.parametrize(
    ("rows", "values", "processes", "expected"),
    [
        # what transformers 5.23 did with the card's batch of 1, 16 of them added up (research/training.md 0)
        (5, {}, 1, (5, 1, 1)),
        (16, {}, 1, (16, 1, 1)),
        (17, {}, 1, (17, 2, 2)),
        (17, {"dataloader_drop_last": True}, 1, (17, 2, 2)),
        (17, {"num_train_epochs": 3}, 1, (17, 2, 6)),
        (17, {"num_train_epochs": 1.25}, 1, (17, 2, 3)),
        (17, {"max_steps": 7}, 1, (17, 2, 7)),
        (10, {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 1}, 1, (3, 3, 3)),
        (
            10,
            {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 1, "dataloader_drop_last": True},
            1,
            (2, 2, 2),
        ),
        (10, {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2}, 2, (3, 2, 2)),
        (
            10,
            {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2, "dataloader_drop_last": True},
            2,
            (2, 1, 1),
        ),
    ],
)
def test_steps_are_counted_as_transformers_counts_them(
    rows: int, values: dict[str, Any], processes: int, expected: tuple[int, int, int]
) -> None:
    count = count_steps(settings(**values), rows, processes=processes)
    assert (count.batches_per_epoch, count.steps_per_epoch, count.steps) == expected


def test_at_least_one_step_warms_up_unless_none_is_to() -> None:
    assert count_steps(settings(), 48).warmup_steps == 1
    assert count_steps(settings(gradient_accumulation_steps=1), 48).warmup_steps == 5
    assert count_steps(settings(warmup_ratio=0), 48).warmup_steps == 0
    assert count_steps(settings(lr_scheduler_type="constant"), 48).warmup_steps == 0


def test_a_step_learns_from_all_devices_and_no_more_rows_than_there_are() -> None:
    assert count_steps(settings(per_device_train_batch_size=2), 100, processes=2).groups_per_step == 64
    assert count_steps(settings(per_device_train_batch_size=2), 50, processes=2).groups_per_step == 50


def test_a_run_without_a_step_is_refused_with_what_to_change() -> None:
    few = settings(per_device_train_batch_size=4, dataloader_drop_last=True)
    with pytest.raises(InputError, match=r"3 rows cannot fill one batch of 4. Lower per_device_train_batch_size, or set"):
        count_steps(few, 3)
    with pytest.raises(InputError, match="7 rows cannot fill one batch of 4 on each of 2 devices"):
        count_steps(few, 7, processes=2)
    assert count_steps(few, 4).steps == 1


def test_a_run_that_bodes_well_is_said_in_three_sentences(tmp_path: Path, encoder: EncoderInputs) -> None:
    made = plan(
        tmp_path, rows_of(240), encoder, train_group_size=3, gradient_accumulation_steps=8, hold_out=0.2, num_train_epochs=2
    )
    assert made.warnings == ()
    assert made.lines()[:2] == [
        "240 rows, each a positive with 2 negatives on average.",
        "8 rows a step: 30 steps an epoch, 60 in all, of which 6 to warm up.",
    ]
    assert made.lines()[2].endswith("nothing is cut.")
    assert len(made.lines()) == 3


def test_what_bodes_ill_is_said(tmp_path: Path, encoder: EncoderInputs) -> None:
    rows = [*rows_of(20), {"query": "q0", "pos": ["more"], "prompt": "Well?"}]
    made = plan(tmp_path, rows, encoder, train_group_size=4)
    assert (made.rows, made.queries, made.small_groups, made.rows_without_negatives) == (21, 20, 20, 1)
    assert made.negatives == 20 * 2 + 3
    assert made.lines()[0] == "21 rows of 20 queries, each a positive with 2 negatives on average."
    assert made.notes == (
        "1 row without negatives: in each epoch random ones are drawn from 61 passages.",
        "Prompts are left aside: an encoder reads none.",
    )
    assert [warning[:30] for warning in made.warnings] == [
        "20 groups of 21 are smaller th",
        "Only 20 queries: fewer than 50",
        "Only 2 steps: with fewer than ",
        "There is nothing to measure on",
    ]


def test_what_was_done_to_the_data_is_said_too(tmp_path: Path, encoder: EncoderInputs) -> None:
    made = plan(tmp_path, [*rows_of(3), {"query": " ", "pos": ["p"], "neg": ["n"]}], encoder)
    assert made.lines()[3].startswith("1 row was left out, because the query is empty: ")


def test_cut_tokens_are_counted_over_the_groups_of_the_first_epoch(
    tmp_path: Path, checkpoints: Path, decoder: DecoderInputs
) -> None:
    long = "word " * 200
    rows = [{"query": "hi", "pos": [long], "neg": ["n"]}, {"query": long, "pos": ["p"], "neg": ["n", "m"]}]
    made = plan(tmp_path, rows, decoder, query_max_len=64, passage_max_len=128, prompt="Well?")
    tokens = len(TextTokenizer(checkpoints / "llm", model_type="gemma").encode([f"B: {long}"])[0])
    count = made.tokens
    assert (count.pairs, count.of_pairs) == (5, 5)
    assert (count.cut_passages, count.cut_passage_tokens) == (1, tokens - 128 - 64 // 2)
    assert (count.cut_queries, count.cut_query_tokens) == (3, 3 * (tokens - 64 - 128 // 4))
    assert f"cut are the query 60 % of the time, {tokens - 96} tokens each and the passage 20 %" in made.lines()[2]
    assert count.longest <= 64 + 128


def test_of_much_data_only_a_sample_is_tokenized_and_that_is_said(tmp_path: Path, encoder: EncoderInputs) -> None:
    made = plan(tmp_path, rows_of(1100), encoder)
    assert (made.tokens.pairs, made.tokens.of_pairs) == (2048, 3300)
    assert "(2,048 of 3,300 pairs were looked at)" in made.lines()[2]


def test_lengths_without_room_are_refused_before_the_start(tmp_path: Path, decoder: DecoderInputs) -> None:
    with pytest.raises(InputError, match="leave no room for query and passage"):
        plan(tmp_path, rows_of(2), decoder, query_max_len=8, passage_max_len=8)


def test_examples_show_exactly_what_the_model_reads(tmp_path: Path, decoder: DecoderInputs) -> None:
    chosen = settings(train_data=(write_rows(tmp_path, rows_of(4)),), prompt="Well?")
    data = read_training_data(chosen)
    examples = render_examples(chosen, data, decoder)
    first, second = (data.group(row, epoch=0) for row in data.order(0)[:2])
    assert [example.text for example in examples] == [
        f"<bos>A: {first.query}\nB: {first.passages[0]}\nWell?",
        f"<bos>A: {first.query}\nB: {first.passages[1]}\nWell?",
        f"<bos>A: {second.query}\nB: {second.passages[0]}\nWell?",
    ]
    assert [example.is_positive for example in examples] == [True, False, True]
    assert [example.is_positive for example in render_examples(chosen, data, decoder, count=9)] == [
        True,
        False,
        *[True] * 3,
    ]
    assert all(example.tokens > 5 and example.cut_tokens == 0 for example in examples)


SHAPE = TrainedShape(
    base_bytes=10**9,
    trained_bytes=4 * 10**6,
    trained=10**6,
    blocks=10,
    block_numbers=5000,
    width=500,
    number_bytes=2,
    recomputes=False,
)


def test_memory_is_estimated_for_a_micro_batch_of_the_longest_groups_and_said(
    tmp_path: Path, encoder: EncoderInputs
) -> None:
    rows = [*rows_of(3), {"query": "long", "pos": ["word " * 50], "neg": ["n", "m"]}]
    chosen = settings(train_data=(write_rows(tmp_path, rows),), per_device_train_batch_size=2)
    data = read_training_data(chosen)
    shape = replace(SHAPE, kept_heads=4)
    made = plan_training(chosen, data, encoder, shape=shape)
    longest = [pair.tokens for pair in render_examples(chosen, data, encoder, count=99)]
    assert made.tokens.longest_group > max(longest)
    assert made.memory == estimate_memory(shape, tokens=2 * made.tokens.longest_group, longest=max(longest))
    assert made.lines()[3].startswith(
        "About 1.0 GB of memory on a device, roughly: 1.0 GB base, 4 MB gradients, 8 MB optimizer"
    )


def test_memory_grows_with_tokens_and_shrinks_where_blocks_are_computed_twice() -> None:
    made = estimate_memory(SHAPE, tokens=1000, longest=100)
    assert (made.base, made.gradients, made.optimizer) == (10**9, 4 * 10**6, 8 * 10**6)
    assert made.activations == 121 * 10**6
    assert made.total == 10**9 + 133 * 10**6
    assert estimate_memory(replace(SHAPE, recomputes=True), tokens=1000, longest=100).activations == 32 * 10**6


def test_kept_attention_weights_grow_with_the_square_of_the_length() -> None:
    shape = replace(SHAPE, kept_heads=4)
    without, short, long = (
        estimate_memory(one, tokens=1000, longest=longest).activations
        for one, longest in ((SHAPE, 100), (shape, 100), (shape, 200))
    )
    assert 2 * (short - without) == long - without > 0
    assert estimate_memory(SHAPE, tokens=1000, longest=200).activations == without


@pytest.mark.parametrize(
    ("folder", "dropout", "on_cpu", "heads"),
    [
        ("encoder", None, True, 4),
        ("encoder", 0.0, True, 0),
        ("encoder", None, False, 0),
        ("llm", None, True, 0),
        ("llm", 0.1, True, 4),
    ],
)
def test_attention_weights_are_kept_where_dropout_falls_on_them_on_a_cpu(
    folder: str, dropout: float | None, on_cpu: bool, heads: int, checkpoints: Path
) -> None:
    config = json.loads((checkpoints / folder / "config.json").read_text(encoding="utf-8"))
    assert count_kept_heads(config, settings(dropout=dropout), on_cpu=on_cpu) == heads


def test_the_shape_is_read_off_the_model_that_trains(checkpoints: Path) -> None:
    def read(**values: Any) -> TrainedShape:
        chosen = settings(model_name_or_path=str(checkpoints / "encoder"), **values)
        return read_shape(load_trainable(chosen, device=torch.device("cpu")).reranker, chosen)

    whole, lora = read(use_lora=False), read(lora_rank=4)
    config = json.loads((checkpoints / "encoder" / "config.json").read_text(encoding="utf-8"))
    width, inner = config["hidden_size"], config["intermediate_size"]
    assert whole.kept_heads == config["num_attention_heads"]
    assert (whole.blocks, whole.width) == (config["num_hidden_layers"], width)
    assert whole.block_numbers == 4 * 2 * width + 2 * (width + inner)
    assert lora.block_numbers == 2 * whole.block_numbers + 6 * 2 * 4
    assert lora.trained < whole.trained / 2
    assert lora.base_bytes > whole.base_bytes >= whole.trained_bytes == 4 * whole.trained


@pytest.mark.parametrize("folder", ["llm", "layerwise"])
def test_the_shape_of_a_decoder_is_that_of_its_config(folder: str, checkpoints: Path) -> None:
    chosen = settings(model_name_or_path=str(checkpoints / folder), lora_rank=4)
    shape = read_shape(load_trainable(chosen, device=torch.device("cpu")).reranker, chosen)
    config = json.loads((checkpoints / folder / "config.json").read_text(encoding="utf-8"))
    assert (shape.blocks, shape.width) == (config["num_hidden_layers"], config["hidden_size"])
    assert shape.block_numbers > 3 * (config["hidden_size"] + config["intermediate_size"])
