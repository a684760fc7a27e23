"""Token ids built by hand against what the inputs build, and what they refuse."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer

from reranker_core.errors import InputError, UnsupportedModelError
from reranker_core.inputs import DEFAULT_PROMPT, DecoderInputs, EncodedPair, EncoderInputs, TokenBudget
from reranker_core.packing import pack
from reranker_core.tokenizing import TextTokenizer

S, PAD, END = 0, 1, 2  # <s>, <pad>, </s> of the encoder's tokenizer
BOS = 2  # <bos> of the decoders' tokenizer
TEXT = "one two three four five six seven eight nine ten"


@pytest.fixture(scope="module")
def encoder(checkpoints: Path) -> EncoderInputs:
    return EncoderInputs(TextTokenizer(checkpoints / "encoder", model_type="xlm-roberta"), context=512)


@pytest.fixture(scope="module")
def decoder(checkpoints: Path) -> DecoderInputs:
    return DecoderInputs(TextTokenizer(checkpoints / "llm", model_type="gemma"), context=2048, always_bos=False)


@pytest.fixture(scope="module")
def ids_of(checkpoints: Path) -> Callable[..., list[int]]:
    """Tokenize with the tokenizers library alone."""
    tokenizers = {name: Tokenizer.from_file(str(checkpoints / name / "tokenizer.json")) for name in ("encoder", "llm")}

    def encode(text: str, folder: str) -> list[int]:
        return tokenizers[folder].encode(text, add_special_tokens=False).ids

    return encode


def build(
    inputs: EncoderInputs | DecoderInputs,
    query: str,
    passage: str,
    *,
    max_length: int = 512,
    query_max_length: int | None = None,
    prompt: str | None = None,
    **instructions: str | None,
) -> EncodedPair:
    budget = inputs.scoring_budget(max_length=max_length, query_max_length=query_max_length, prompt=prompt)
    texts = {"query_instruction": None, "passage_instruction": None} | instructions
    (pair,) = inputs.build([(query, passage)], budget=budget, prompt=prompt, **texts)
    return pair


def test_an_encoder_reads_query_and_passage_between_its_special_tokens(
    encoder: EncoderInputs, ids_of: Callable[..., list[int]]
) -> None:
    query, passage = ids_of("what is panda?", "encoder"), ids_of("a bear", "encoder")

    assert build(encoder, "what is panda?", "a bear").ids == [S, *query, END, END, *passage, END]


@pytest.mark.parametrize(("query", "passage"), [("", "a bear"), ("a bear", ""), ("", "")])
def test_an_encoder_keeps_all_special_tokens_around_an_empty_text(
    encoder: EncoderInputs, ids_of: Callable[..., list[int]], query: str, passage: str
) -> None:
    expected = [S, *ids_of(query, "encoder"), END, END, *ids_of(passage, "encoder"), END]

    assert build(encoder, query, passage).ids == expected


def test_an_encoder_keeps_three_quarters_of_max_length_of_a_long_query(
    encoder: EncoderInputs, ids_of: Callable[..., list[int]]
) -> None:
    query, passage = ids_of(TEXT * 9, "encoder"), ids_of(TEXT * 9, "encoder")

    assert build(encoder, TEXT * 9, TEXT * 9, max_length=50) == EncodedPair(
        [S, *query[:37], END, END, *passage[: 50 - 37 - 4], END], len(query) - 37, len(passage) - 9
    )


def test_an_encoder_gives_the_passage_what_a_short_query_leaves(
    encoder: EncoderInputs, ids_of: Callable[..., list[int]]
) -> None:
    query, passage = ids_of("hi", "encoder"), ids_of(TEXT * 9, "encoder")
    room = 50 - len(query) - 4

    assert build(encoder, "hi", TEXT * 9, max_length=50) == EncodedPair(
        [S, *query, END, END, *passage[:room], END], 0, len(passage) - room
    )


def test_an_encoder_cuts_a_query_at_query_max_length(encoder: EncoderInputs, ids_of: Callable[..., list[int]]) -> None:
    query, passage = ids_of(TEXT, "encoder"), ids_of("hi", "encoder")

    assert build(encoder, TEXT, "hi", query_max_length=3) == EncodedPair(
        [S, *query[:3], END, END, *passage, END], len(query) - 3, 0
    )


def test_an_encoder_puts_instructions_before_the_texts(encoder: EncoderInputs, ids_of: Callable[..., list[int]]) -> None:
    pair = build(encoder, "panda", "bear", query_instruction="Find: ", passage_instruction="Text: ")

    assert pair.ids == [S, *ids_of("Find: panda", "encoder"), END, END, *ids_of("Text: bear", "encoder"), END]


def test_an_encoder_without_cls_and_sep_uses_bos_and_eos(tmp_path: Path, checkpoints: Path) -> None:
    shutil.copy(checkpoints / "encoder" / "tokenizer.json", tmp_path)
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>"}))

    inputs = EncoderInputs(TextTokenizer(tmp_path, model_type="other"), context=512)

    assert build(inputs, "", "").ids == [S, END, END, END]


def test_an_encoder_whose_tokenizer_names_no_special_tokens_is_refused(tmp_path: Path, checkpoints: Path) -> None:
    shutil.copy(checkpoints / "encoder" / "tokenizer.json", tmp_path)

    with pytest.raises(UnsupportedModelError, match="names no <s> and </s>"):
        EncoderInputs(TextTokenizer(tmp_path, model_type="other"), context=512)


def test_an_encoder_refuses_lengths_that_leave_no_room_for_a_passage(encoder: EncoderInputs) -> None:
    with pytest.raises(InputError, match="max_length 5 leaves no room for query and passage"):
        build(encoder, "hi", "hi", max_length=5)


def test_the_smallest_max_length_of_an_encoder_leaves_one_passage_token(encoder: EncoderInputs) -> None:
    pair = build(encoder, TEXT * 9, TEXT * 9, max_length=17)

    assert len(pair.ids) == 17
    assert pair.ids[-3:-1].count(END) == 1


def test_a_decoder_reads_the_pieces_of_the_model_card(decoder: DecoderInputs, ids_of: Callable[..., list[int]]) -> None:
    pieces = ["A: what is panda?", "\n", "B: a bear", "\n", DEFAULT_PROMPT]

    expected = [BOS, *(token for piece in pieces for token in ids_of(piece, "llm"))]
    assert build(decoder, "what is panda?", "a bear").ids == expected


def test_the_default_prompt_is_the_one_of_the_model_card() -> None:
    assert DEFAULT_PROMPT == (
        "Given a query A and a passage B, determine whether the passage contains an answer to the query by providing a "
        "prediction of either 'Yes' or 'No'."
    )


def test_a_decoder_reads_given_instructions_and_prompt(decoder: DecoderInputs, ids_of: Callable[..., list[int]]) -> None:
    pair = build(decoder, "panda", "bear", query_instruction="Q ", passage_instruction="P ", prompt="Well?")

    pieces = ["Q panda", "\n", "P bear", "\n", "Well?"]
    assert pair.ids == [BOS, *(token for piece in pieces for token in ids_of(piece, "llm"))]


def test_a_decoder_given_empty_instructions_and_prompt_reads_the_texts_alone(
    decoder: DecoderInputs, ids_of: Callable[..., list[int]]
) -> None:
    pair = build(decoder, "panda", "bear", query_instruction="", passage_instruction="", prompt="")

    newline = ids_of("\n", "llm")
    assert pair.ids == [BOS, *ids_of("panda", "llm"), *newline, *ids_of("bear", "llm"), *newline]


@pytest.mark.parametrize(("query", "passage"), [("", "a bear"), ("a bear", ""), ("", "")])
def test_a_decoder_keeps_instructions_and_prompt_around_an_empty_text(
    decoder: DecoderInputs, ids_of: Callable[..., list[int]], query: str, passage: str
) -> None:
    pieces = ["A: " + query, "\n", "B: " + passage, "\n", DEFAULT_PROMPT]

    expected = [BOS, *(token for piece in pieces for token in ids_of(piece, "llm"))]
    assert build(decoder, query, passage).ids == expected


def test_a_decoder_never_cuts_the_prompt(decoder: DecoderInputs, ids_of: Callable[..., list[int]]) -> None:
    end = [*ids_of("\n", "llm"), *ids_of(DEFAULT_PROMPT, "llm")]

    assert build(decoder, TEXT * 99, TEXT * 99, max_length=8).ids[-len(end) :] == end


def test_a_decoder_cuts_at_max_length_and_separator_and_prompt_which_then_come_on_top(
    decoder: DecoderInputs, ids_of: Callable[..., list[int]]
) -> None:
    query, passage = ids_of("A: " + TEXT * 9, "llm"), ids_of("B: " + TEXT * 9, "llm")
    newline, prompt = ids_of("\n", "llm"), ids_of("Yes or No?", "llm")
    kept_query = 60 * 3 // 4
    room = (60 + len(newline) + len(prompt)) - 1 - kept_query - len(newline)

    assert build(decoder, TEXT * 9, TEXT * 9, max_length=60, prompt="Yes or No?") == EncodedPair(
        [BOS, *query[:kept_query], *newline, *passage[:room], *newline, *prompt],
        len(query) - kept_query,
        len(passage) - room,
    )


def test_a_decoder_cuts_a_passage_at_max_length_beside_a_short_query(
    decoder: DecoderInputs, ids_of: Callable[..., list[int]]
) -> None:
    query, passage = ids_of("A: hi", "llm"), ids_of("B: " + TEXT * 9, "llm")
    newline, prompt = ids_of("\n", "llm"), ids_of(DEFAULT_PROMPT, "llm")

    assert build(decoder, "hi", TEXT * 9, max_length=20) == EncodedPair(
        [BOS, *query, *newline, *passage[:20], *newline, *prompt], 0, len(passage) - 20
    )


def test_a_decoder_counts_the_instruction_as_part_of_the_query(
    decoder: DecoderInputs, ids_of: Callable[..., list[int]]
) -> None:
    pair = build(decoder, TEXT, "hi", query_max_length=4, query_instruction="Find what answers this: ")

    whole = ids_of("Find what answers this: " + TEXT, "llm")
    assert (pair.ids[1:5], pair.cut_query_tokens) == (whole[:4], len(whole) - 4)


def test_a_decoder_whose_bos_is_its_padding_starts_without_it(tmp_path: Path, checkpoints: Path) -> None:
    shutil.copy(checkpoints / "llm" / "tokenizer.json", tmp_path)
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"bos_token": "<bos>", "pad_token": "<bos>"}))

    inputs = DecoderInputs(TextTokenizer(tmp_path, model_type="qwen2"), context=2048, always_bos=False)

    assert BOS not in build(inputs, "hi", "hi").ids


def test_a_layerwise_model_starts_with_bos_in_any_case(tmp_path: Path, checkpoints: Path) -> None:
    shutil.copy(checkpoints / "llm" / "tokenizer.json", tmp_path)
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"bos_token": "<bos>", "pad_token": "<bos>"}))

    inputs = DecoderInputs(TextTokenizer(tmp_path, model_type="minicpm"), context=2048, always_bos=True)

    assert build(inputs, "hi", "hi").ids[0] == BOS


def test_a_layerwise_model_without_a_bos_token_is_refused(tmp_path: Path, checkpoints: Path) -> None:
    shutil.copy(checkpoints / "llm" / "tokenizer.json", tmp_path)

    with pytest.raises(UnsupportedModelError, match="names no bos_token"):
        DecoderInputs(TextTokenizer(tmp_path, model_type="other"), context=2048, always_bos=True)


def test_special_tokens_written_as_objects_are_read(tmp_path: Path, checkpoints: Path) -> None:
    shutil.copy(checkpoints / "llm" / "tokenizer.json", tmp_path)
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"bos_token": {"content": "<bos>", "lstrip": False}}))

    assert TextTokenizer(tmp_path, model_type="other").special_id("bos_token") == BOS


@pytest.mark.parametrize("max_length", [0, 513])
def test_an_encoder_reads_from_one_token_to_its_context(encoder: EncoderInputs, max_length: int) -> None:
    with pytest.raises(InputError, match=f"from 1 to 512, the tokens this model can read, got {max_length}"):
        build(encoder, "hi", "hi", max_length=max_length)


def test_a_decoder_reads_up_to_its_context(decoder: DecoderInputs) -> None:
    with pytest.raises(InputError, match="from 1 to 2048, the tokens this model can read, got 2049"):
        build(decoder, "hi", "hi", max_length=2049)


def test_an_encoders_context_is_its_positions_less_the_two_before_the_first(reranker: Any) -> None:
    context = 512 if reranker.family == "encoder" else 2048

    assert reranker.score([("hi", "panda " * 3000)], max_length=context).tokens[0] >= context


def test_query_max_length_above_max_length_is_refused(decoder: DecoderInputs) -> None:
    with pytest.raises(InputError, match=r"query_max_length must be from 1 to max_length \(64\), got 65"):
        build(decoder, "hi", "hi", max_length=64, query_max_length=65)


def test_an_encoder_given_a_prompt_refuses_it(encoder: EncoderInputs) -> None:
    with pytest.raises(InputError, match="An encoder reads no prompt"):
        build(encoder, "hi", "hi", prompt="")


def test_budgets_other_than_for_scoring_cut_each_part_at_its_own(
    encoder: EncoderInputs, ids_of: Callable[..., list[int]]
) -> None:
    budget = TokenBudget(query=5, passage=7, pair=400)
    (pair,) = encoder.build([(TEXT, TEXT)], budget=budget, prompt=None, query_instruction=None, passage_instruction=None)

    text = ids_of(TEXT, "encoder")
    assert pair.ids == [S, *text[:5], END, END, *text[:7], END]


def build_for_training(
    inputs: EncoderInputs | DecoderInputs, query: str, passage: str, *, lengths: tuple[int, int], prompt: str | None = None
) -> EncodedPair:
    budget = inputs.training_budget(query_max_len=lengths[0], passage_max_len=lengths[1], prompt=prompt)
    (pair,) = inputs.build(
        [(query, passage)], budget=budget, prompt=prompt, query_instruction=None, passage_instruction=None
    )
    return pair


def test_in_training_an_encoders_query_borrows_a_quarter_of_the_passages_length(
    encoder: EncoderInputs, ids_of: Callable[..., list[int]]
) -> None:
    text = ids_of(TEXT * 9, "encoder")
    room = 32 + 64 - (32 + 64 // 4) - 4

    assert build_for_training(encoder, TEXT * 9, TEXT * 9, lengths=(32, 64)) == EncodedPair(
        [S, *text[:48], END, END, *text[:room], END], len(text) - 48, len(text) - room
    )


def test_in_training_an_encoders_passage_borrows_half_of_the_querys_length(
    encoder: EncoderInputs, ids_of: Callable[..., list[int]]
) -> None:
    query, passage = ids_of("hi", "encoder"), ids_of(TEXT * 9, "encoder")
    kept = 32 + 64 // 2

    assert build_for_training(encoder, "hi", TEXT * 9, lengths=(64, 32)) == EncodedPair(
        [S, *query, END, END, *passage[:kept], END], 0, len(passage) - kept
    )


@pytest.mark.parametrize("prompt", [None, "Well?"])
def test_in_training_the_prompt_takes_room_from_a_decoders_pair(
    decoder: DecoderInputs, ids_of: Callable[..., list[int]], prompt: str | None
) -> None:
    query, passage = ids_of("A: " + TEXT * 9, "llm"), ids_of("B: " + TEXT * 9, "llm")
    newline = ids_of("\n", "llm")
    end = [*newline, *ids_of(prompt or DEFAULT_PROMPT, "llm")]
    room = 128 + 64 - len(end) - 1 - (128 + 16) - len(newline)
    if room < 1:  # the default prompt leaves the passage a single token, and the query the rest
        room = 1
    kept_query = 128 + 64 - len(end) - 1 - room - len(newline)

    pair = build_for_training(decoder, TEXT * 9, TEXT * 9, lengths=(128, 64), prompt=prompt)

    assert pair.ids == [BOS, *query[:kept_query], *newline, *passage[:room], *end]
    assert len(pair.ids) == 128 + 64


def test_in_training_a_decoders_passage_borrows_half_of_the_querys_length(
    decoder: DecoderInputs, ids_of: Callable[..., list[int]]
) -> None:
    query, passage, newline = ids_of("A: hi", "llm"), ids_of("B: " + TEXT * 9, "llm"), ids_of("\n", "llm")
    end = [*newline, *ids_of("Well?", "llm")]

    pair = build_for_training(decoder, "hi", TEXT * 9, lengths=(100, 50), prompt="Well?")

    assert pair == EncodedPair([BOS, *query, *newline, *passage[: 50 + 50], *end], 0, len(passage) - 100)


def test_in_training_the_models_context_goes_before_the_lengths(encoder: EncoderInputs) -> None:
    pair = build_for_training(encoder, TEXT * 50, TEXT * 50, lengths=(512, 512))

    assert len(pair.ids) == 512
    assert pair.ids.index(END) == 1 + 384, "the query has three quarters of what the model reads, as in scoring"


@pytest.mark.parametrize("lengths", [(1, 5), (5, 1), (3, 3)])
def test_in_training_a_passage_keeps_at_least_one_token(
    encoder: EncoderInputs, ids_of: Callable[..., list[int]], lengths: tuple[int, int]
) -> None:
    ids = build_for_training(encoder, TEXT, TEXT, lengths=lengths).ids

    assert len(ids) == sum(lengths)
    assert ids[-2] in ids_of(TEXT, "encoder")


def test_in_training_lengths_without_room_are_refused(encoder: EncoderInputs, decoder: DecoderInputs) -> None:
    with pytest.raises(InputError, match="leave no room for query and passage beside the 4 tokens"):
        build_for_training(encoder, "hi", "hi", lengths=(2, 3))
    with pytest.raises(InputError, match=r"query_max_len 32 and passage_max_len 16 leave no room .* shorten the prompt"):
        build_for_training(decoder, "hi", "hi", lengths=(32, 16))
    with pytest.raises(InputError, match="passage_max_len must be at least 1, got 0"):
        build_for_training(encoder, "hi", "hi", lengths=(8, 0))
    with pytest.raises(InputError, match="An encoder reads no prompt"):
        build_for_training(encoder, "hi", "hi", lengths=(8, 8), prompt="Well?")


def test_ids_turn_back_into_the_text_that_the_model_reads(encoder: EncoderInputs, decoder: DecoderInputs) -> None:
    assert (encoder.reads_prompt, decoder.reads_prompt) == (False, True)
    assert encoder.decode(build(encoder, "panda", "bear").ids) == "<s> panda</s></s> bear</s>"
    assert decoder.decode(build(decoder, "panda", "bear", prompt="Well?").ids) == "<bos>A: panda\nB: bear\nWell?"


def test_pairs_are_built_in_the_order_given(encoder: EncoderInputs) -> None:
    pairs = [("b", "hi"), ("a", "hi"), ("b", "hi")]
    budget = encoder.scoring_budget(max_length=512, query_max_length=None, prompt=None)
    built = encoder.build(pairs, budget=budget, prompt=None, query_instruction=None, passage_instruction=None)

    assert built == [build(encoder, query, passage) for query, passage in pairs]


def test_special_tokens_written_in_a_text_become_their_ids_as_in_flagembedding(encoder: EncoderInputs) -> None:
    ids = build(encoder, "a <pad> b", "<s>").ids

    assert ids[0] == S
    assert (ids.count(PAD), ids.count(S)) == (1, 2)


@pytest.mark.parametrize(
    "sequences",
    [[[0, 5, 6, 2]], [[0, PAD, 6, 2], [0, 6, PAD, PAD, 2]], [[PAD, 6, 2], [0, 6, PAD]], [[PAD], [0, 2], [PAD, PAD]]],
    ids=str,
)
def test_a_literal_padding_token_gets_the_position_that_transformers_gives_it(
    load: Callable[..., Any], sequences: list[list[int]]
) -> None:
    from transformers.models.xlm_roberta.modeling_xlm_roberta import XLMRobertaEmbeddings

    given: list[int] = []
    reranker = load("encoder")
    embeddings = reranker.model.roberta.embeddings.position_embeddings
    hook = embeddings.register_forward_hook(lambda _module, inputs, _output: given.extend(inputs[0].flatten().tolist()))
    try:
        with torch.inference_mode():
            reranker.score_packed(pack(sequences, is_causal=False, device=torch.device("cpu")), [None])
    finally:
        hook.remove()

    expected = [
        XLMRobertaEmbeddings.create_position_ids_from_input_ids(torch.tensor([sequence]), PAD).flatten().tolist()
        for sequence in sequences
    ]
    assert given == [position for sequence in expected for position in sequence]


@pytest.mark.parametrize("folder", ["llm", "layerwise"])
def test_a_prompt_beyond_the_context_is_refused(load: Any, folder: str) -> None:
    reranker = load(folder)
    assert reranker.score([("q", "p")], max_length=16, prompt="Is it? " * 50).values
    with pytest.raises(InputError, match=r"The prompt has [\d,]+ tokens, which come on top of max_length 512"):
        reranker.score([("q", "p")], prompt="Is it? " * 5000)


@pytest.mark.parametrize("folder", ["llm", "layerwise"])
def test_the_shortest_length_leaves_the_query_one_token(load: Any, folder: str) -> None:
    assert load(folder).score([("a long query", "p")], max_length=1).cut_query_tokens[0] > 0
