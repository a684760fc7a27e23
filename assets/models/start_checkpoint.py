"""A BERT sentence encoder → the same network in XLM-R's architecture and file format, with a vocabulary of choice.

What differs: XLM-R counts positions from padding_idx + 1, has one token type, and reads the score from `<s>`.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors

SPECIAL_TOKENS = ("<s>", "<pad>", "</s>", "<unk>")
"""In XLM-R's order, so that `<pad>` is 1."""

_BERT_NAMES = {"<s>": "[CLS]", "<pad>": "[PAD]", "</s>": "[SEP]", "<unk>": "[UNK]"}

Tensors = dict[str, torch.Tensor]


def read_vocabulary(encoder: Path) -> list[str]:
    """Read the word pieces of a BERT folder in the order of their ids, special and unused ones left out."""
    pieces = json.loads((encoder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    return [
        piece
        for piece in sorted(pieces, key=pieces.__getitem__)
        if not (piece.startswith("[") and piece[-1] == "]" and len(piece) > 2)
    ]


def choose_pieces(encoder: Path, texts: Iterable[str], *, count: int, general: int) -> list[str]:
    """Choose the word pieces that stay: letters, the most frequent words of English, and those that the texts need most.

    Args:
        encoder: folder of a BERT model; its vocabulary lists words by how frequent they are.
        texts: counted, each piece once a text.
        count: how many stay.
        general: how many whole words stay for their place in the vocabulary alone.
    """
    pieces = read_vocabulary(encoder)
    tokenizer = Tokenizer.from_file(str(encoder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    encodings = tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)
    numbers = Counter(number for encoding in encodings for number in set(encoding.ids))
    found = {tokenizer.id_to_token(number): count for number, count in numbers.items()}
    single = [piece for piece in pieces if len(piece.removeprefix("##")) == 1 and piece.isascii()]
    words = [piece for piece in pieces if piece.isascii() and piece.isalpha() and len(piece) > 1]
    places = {piece: place for place, piece in enumerate(pieces)}
    others = sorted((piece for piece in pieces if piece in found), key=lambda piece: (-found[piece], places[piece]))
    kept = list(dict.fromkeys([*single, *words[:general], *others, *words]))[:count]
    return sorted(kept, key=places.__getitem__)


def convert_body(encoder: Path, pieces: Sequence[str], *, layers: Sequence[int]) -> Tensors:
    """Make the tensors of XLM-R's body out of BERT's; the scores of the two networks' tokens are equal.

    Args:
        encoder: folder of a BERT model.
        pieces: the word pieces to keep, without special tokens.
        layers: which of its layers to keep, in this order.
    """
    weights = load_file(encoder / "model.safetensors")
    ids = json.loads((encoder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
    rows = [ids[_BERT_NAMES[token]] for token in SPECIAL_TOKENS] + [ids[piece] for piece in pieces]
    words = weights["embeddings.word_embeddings.weight"][rows]
    positions = weights["embeddings.position_embeddings.weight"]
    types = weights["embeddings.token_type_embeddings.weight"]
    unused = torch.zeros(2, positions.shape[1])  # padding_idx + 1 rows that no text uses
    body = {
        "roberta.embeddings.word_embeddings.weight": words,
        "roberta.embeddings.position_embeddings.weight": torch.cat([unused, positions]),
        "roberta.embeddings.token_type_embeddings.weight": types[:1].clone(),
    }
    for part in ("weight", "bias"):
        body[f"roberta.embeddings.LayerNorm.{part}"] = weights[f"embeddings.LayerNorm.{part}"]
    for place, layer in enumerate(layers):
        before = f"encoder.layer.{layer}."
        for name, tensor in weights.items():
            if name.startswith(before):
                body[f"roberta.encoder.layer.{place}.{name.removeprefix(before)}"] = tensor
    return body


def plain_head(hidden: int, *, seed: int) -> Tensors:
    """Make a classifier as transformers starts one: normal with deviation 0.02, no bias."""
    generator = torch.Generator().manual_seed(seed)
    return {
        "classifier.dense.weight": torch.randn(hidden, hidden, generator=generator) * 0.02,
        "classifier.dense.bias": torch.zeros(hidden),
        "classifier.out_proj.weight": torch.randn(1, hidden, generator=generator) * 0.02,
        "classifier.out_proj.bias": torch.zeros(1),
    }


def write_checkpoint(
    folder: Path,
    tensors: Tensors,
    pieces: Sequence[str],
    *,
    encoder: Path,
    shards: Sequence[Sequence[str]] | None = None,
    dtype: torch.dtype = torch.float32,
) -> None:
    """Write config, tokenizer and weights as a published reranker has them.

    Args:
        folder: made if it is not there.
        tensors: body and classifier.
        pieces: the word pieces in the order of the embedding's rows, without special tokens.
        encoder: the BERT folder, whose config says the rest.
        shards: beginnings of tensor names, one list a file; `None` for one file.
        dtype: of the file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    depth = 1 + max(int(name.split(".")[3]) for name in tensors if name.startswith("roberta.encoder.layer."))
    config = _make_config(encoder, depth=depth, vocabulary=len(SPECIAL_TOKENS) + len(pieces), dtype=dtype)
    _write_json(folder / "config.json", config)
    _write_tokenizer(folder, pieces)
    stored = {name: tensor.to(dtype).contiguous() for name, tensor in tensors.items()}
    if shards is None:
        _write_tensors(folder / "model.safetensors", stored)
    else:
        _write_shards(folder, stored, shards)


def _make_config(encoder: Path, *, depth: int, vocabulary: int, dtype: torch.dtype) -> dict[str, Any]:
    """Give the config of an XLM-R classifier in the shape of the BERT."""
    bert = json.loads((encoder / "config.json").read_text(encoding="utf-8"))
    return {
        "architectures": ["XLMRobertaForSequenceClassification"],
        "model_type": "xlm-roberta",
        "attention_probs_dropout_prob": bert["attention_probs_dropout_prob"],
        "bos_token_id": 0,
        "classifier_dropout": None,
        "eos_token_id": 2,
        "hidden_act": bert["hidden_act"],
        "hidden_dropout_prob": bert["hidden_dropout_prob"],
        "hidden_size": bert["hidden_size"],
        "id2label": {"0": "LABEL_0"},
        "initializer_range": bert["initializer_range"],
        "intermediate_size": bert["intermediate_size"],
        "label2id": {"LABEL_0": 0},
        "layer_norm_eps": bert["layer_norm_eps"],
        "max_position_embeddings": bert["max_position_embeddings"] + 2,
        "num_attention_heads": bert["num_attention_heads"],
        "num_hidden_layers": depth,
        "pad_token_id": 1,
        "position_embedding_type": "absolute",
        "tie_word_embeddings": False,
        "torch_dtype": str(dtype).removeprefix("torch."),
        "type_vocab_size": 1,
        "use_cache": False,
        "vocab_size": vocabulary,
    }


def _write_shards(folder: Path, stored: Tensors, shards: Sequence[Sequence[str]]) -> None:
    weight_map: dict[str, str] = {}
    for number, beginnings in enumerate(shards, 1):
        name = f"model-{number:05}-of-{len(shards):05}.safetensors"
        part = {key: tensor for key, tensor in stored.items() if key.startswith(tuple(beginnings))}
        _write_tensors(folder / name, part)
        weight_map.update(dict.fromkeys(part, name))
    total = sum(tensor.nbytes for tensor in stored.values())
    _write_json(
        folder / "model.safetensors.index.json",
        {"metadata": {"total_size": total}, "weight_map": dict(sorted(weight_map.items()))},
    )


def _write_tokenizer(folder: Path, pieces: Sequence[str]) -> None:
    vocabulary = {piece: number for number, piece in enumerate([*SPECIAL_TOKENS, *pieces])}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="<unk>", max_input_chars_per_word=100))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.decoder = decoders.WordPiece()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    tokenizer.save(str(folder / "tokenizer.json"))
    names = {
        "bos_token": "<s>",
        "cls_token": "<s>",
        "eos_token": "</s>",
        "sep_token": "</s>",
        "pad_token": "<pad>",
        "unk_token": "<unk>",
    }
    _write_json(folder / "special_tokens_map.json", names)
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "model_max_length": 512,
        "clean_up_tokenization_spaces": False,
    }
    _write_json(folder / "tokenizer_config.json", settings | names)


def _write_tensors(path: Path, tensors: Tensors) -> None:
    save_file(tensors, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors makes files that only their owner reads


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
