"""A checkpoint → the reranker of its family: its configuration in transformers' words, its score head, its inputs."""

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from reranker_core.attention import ATTENTION_NAME, register_packed_attention
from reranker_core.checkpoints import CLASSIFIER_NAMES, Checkpoint
from reranker_core.errors import AdapterError, InputError, UnsupportedModelError
from reranker_core.families.base import NeuralReranker
from reranker_core.families.causal import CausalScorer
from reranker_core.families.decoder import DecoderReranker
from reranker_core.families.encoder import EncoderReranker
from reranker_core.families.layerwise import LayerHead, LayerwiseReranker, granite_settings
from reranker_core.filling import Filling, fill, name_bad_config
from reranker_core.inputs import DecoderInputs, EncoderInputs
from reranker_core.tokenizing import TextTokenizer

# transformers 5.23 fills its namespace on first use and takes its own place in sys.modules at the end of its import: a
# second thread that imports from it meanwhile gets "cannot import name".
IMPORTING = threading.RLock()

# Of the heads that a raw MiniCPM gets, where nobody says it: as on the model card.
_FIRST_HEAD = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOptions:
    """What a reranker is built with, beside its checkpoint.

    Attributes:
        name: what the reranker is called.
        filling: how the weights get into the model.
        max_layer: for a layerwise model, the deepest layer to load; `None` for all.
        start_layer: for training a layerwise model from a raw base, the first layer that gets a head.
        dropout: for training, of every dropout in the model; `None` for what its config says.
        seed: for training an encoder from a raw base, of its new classifier.
    """

    name: str
    filling: Filling
    max_layer: int | None = None
    start_layer: int | None = None
    dropout: float | None = None
    seed: int = 0


def build_reranker(checkpoint: Checkpoint, family: str, options: BuildOptions) -> NeuralReranker:
    """Build a reranker.

    A missing score head is refused for scoring; for training it is made: the encoder's classifier new, layerwise heads as
    copies of the `Yes` row of the output matrix.

    Args:
        checkpoint: where its weights are.
        family: as `detect_family` says.
        options: what with.

    Raises:
        UnsupportedModelError: the folder holds no such reranker.
        AdapterError: the adapter does not fit.
        InputError: a layer is out of range.
    """
    with IMPORTING:
        register_packed_attention()
    builders: dict[str, Callable[[Checkpoint, BuildOptions], NeuralReranker]] = {
        "encoder": _build_encoder,
        "decoder": _build_decoder,
        "layerwise": _build_layerwise,
    }
    return builders[family](checkpoint, options)


def _build_encoder(checkpoint: Checkpoint, options: BuildOptions) -> NeuralReranker:
    with IMPORTING:
        from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification

    settings = _model_settings(checkpoint.config)
    if not any(name.startswith("classifier.") for name in checkpoint.tensor_names):
        settings = {key: value for key, value in settings.items() if key not in ("id2label", "label2id")}
    if options.dropout is not None:
        names = ("hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout")
        settings |= dict.fromkeys(names, options.dropout)
    with name_bad_config(checkpoint.folder):
        config = XLMRobertaConfig(**settings | {"num_labels": 1})
        context = config.max_position_embeddings - config.pad_token_id - 1
        head = _find_classifier(checkpoint, options, width=config.hidden_size, spread=config.initializer_range)
    config._attn_implementation = ATTENTION_NAME
    model = fill(checkpoint, lambda: XLMRobertaForSequenceClassification(config), options.filling, extra=head)
    _own_in_float32(model.classifier)
    inputs = EncoderInputs(TextTokenizer(checkpoint.folder, model_type="xlm-roberta"), context=context)
    return EncoderReranker(model, inputs, **_common(checkpoint, options))


def _build_decoder(checkpoint: Checkpoint, options: BuildOptions) -> NeuralReranker:
    with IMPORTING:
        from transformers import AutoConfig, AutoModel

    adapter = options.filling.adapter
    if adapter and any(".lm_head." in name for name in adapter.tensors):
        raise AdapterError(f"{adapter.folder} changes lm_head, of which a decoder reads one row only. Merge it first.")
    settings = _model_settings(checkpoint.config)
    if checkpoint.model_type == "gemma" and settings.get("hidden_act") == "gelu":
        # The first Gemma configs say gelu and mean its tanh form (transformers PR 29402; 5.23 does the same).
        settings["hidden_act"] = "gelu_pytorch_tanh"
    if options.dropout is not None:
        settings["attention_dropout"] = options.dropout
    with name_bad_config(checkpoint.folder), IMPORTING:
        config = AutoConfig.for_model(checkpoint.model_type, **settings)
        architecture = AutoModel._model_mapping[type(config)]
    config._attn_implementation = ATTENTION_NAME
    tokenizer = TextTokenizer(checkpoint.folder, model_type=checkpoint.model_type)
    answer = _answer_row(checkpoint, tokenizer.first_id("Yes"), is_tied=config.tie_word_embeddings)
    model = fill(
        checkpoint,
        lambda: CausalScorer(architecture(config), nn.Linear(config.hidden_size, 1, bias=False)),
        options.filling,
        extra={"lm_head.weight": answer},
    )
    _own_in_float32(model.lm_head)
    inputs = DecoderInputs(tokenizer, context=config.max_position_embeddings, always_bos=False)
    return DecoderReranker(model, inputs, **_common(checkpoint, options))


def _build_layerwise(checkpoint: Checkpoint, options: BuildOptions) -> NeuralReranker:
    with IMPORTING:
        from transformers import GraniteConfig, GraniteModel

    depth = checkpoint.config["num_hidden_layers"]
    tokenizer = TextTokenizer(checkpoint.folder, model_type="minicpm")
    start_layer, heads = _find_heads(checkpoint, options, tokenizer)
    deepest = depth if options.max_layer is None else options.max_layer
    if not start_layer <= deepest <= depth:
        raise InputError(
            f"Layer {options.max_layer} (max_layer, or the deepest of cutoff_layers) is out of range: there are scores at "
            f"layers {start_layer} to {depth}."
        )
    with name_bad_config(checkpoint.folder):
        settings = granite_settings(checkpoint.config, layers=deepest, folder=checkpoint.folder)
        if options.dropout is not None:
            settings["attention_dropout"] = options.dropout
        config = GraniteConfig(**settings)
    config._attn_implementation = ATTENTION_NAME
    loaded = _head_names(start_layer, deepest)
    model = fill(
        checkpoint,
        lambda: CausalScorer(GraniteModel(config), nn.ModuleList(LayerHead(config.hidden_size) for _ in loaded)),
        options.filling,
        extra={name: heads[name] for name in loaded if checkpoint.shape(name) is None},
    )
    _own_in_float32(model.lm_head)
    inputs = DecoderInputs(tokenizer, context=config.max_position_embeddings, always_bos=True)
    return LayerwiseReranker(model, inputs, start_layer=start_layer, depth=depth, **_common(checkpoint, options))


def _find_classifier(
    checkpoint: Checkpoint, options: BuildOptions, *, width: int, spread: float
) -> dict[str, torch.Tensor]:
    """Find what the checkpoint lacks of an encoder's score head: brought by an adapter, or new for training.

    Args:
        checkpoint: the base.
        options: with the adapter, or the seed.
        width: of the hidden states.
        spread: standard deviation of new weights, as transformers draws them.
    """
    adapter = options.filling.adapter
    if not [name for name in CLASSIFIER_NAMES if checkpoint.shape(name)]:
        if adapter and adapter.classifier:
            return adapter.classifier
        if options.filling.is_trained:
            random = torch.Generator().manual_seed(options.seed)
            return {
                "classifier.dense.weight": torch.randn(width, width, generator=random) * spread,
                "classifier.dense.bias": torch.zeros(width),
                "classifier.out_proj.weight": torch.randn(1, width, generator=random) * spread,
                "classifier.out_proj.bias": torch.zeros(1),
            }
    if not any(name.startswith("classifier.") for name in checkpoint.tensor_names):
        raise UnsupportedModelError(
            f"{checkpoint.folder} has no score head: its weights hold no classifier. It is an embedding or base model, and "
            "its scores would be random. Choose a reranker, or train one from it."
        )
    return {}


def _find_heads(
    checkpoint: Checkpoint, options: BuildOptions, tokenizer: TextTokenizer
) -> tuple[int, dict[str, torch.Tensor]]:
    """Find the first layer with a head, and the heads that are not in the checkpoint, by name."""
    depth = checkpoint.config["num_hidden_layers"]
    adapter, is_raw = options.filling.adapter, "start_layer" not in checkpoint.config
    if is_raw and options.filling.is_trained:
        start_layer = _FIRST_HEAD if options.start_layer is None else options.start_layer
        if not 1 <= start_layer <= depth:
            raise InputError(
                f"start_layer must be from 1 to {depth}, the layers of {checkpoint.folder}, got {start_layer}. Give "
                "another."
            )
        # The last token of the answer, as in FlagEmbedding's training; published tokenizers have one.
        token = tokenizer.encode(["Yes"])[0][-1]
        row = _answer_row(checkpoint, token, is_tied=checkpoint.config.get("tie_word_embeddings", True))
        # A copy for each: heads that share memory would be trained as one.
        return start_layer, {name: row.clone() for name in _head_names(start_layer, depth)}
    heads = {f"lm_head.{place}.linear_head.weight": head for place, head in (adapter.heads if adapter else {}).items()}
    start_layer = checkpoint.config.get("start_layer", depth + 1 - len(heads))
    if start_layer < 1:
        raise UnsupportedModelError(
            f"{checkpoint.folder} has {depth} layers, and there are heads from layer {start_layer} on. Layers with "
            "a score start at 1; choose another model or adapter."
        )
    names = _head_names(start_layer, depth)
    if not all(name in heads or checkpoint.shape(name) for name in names):
        raise UnsupportedModelError(
            f"{checkpoint.folder} lacks score heads: layers {start_layer} to {depth} need {len(names)} weights named "
            "lm_head.N.linear_head.weight. Choose a trained layerwise reranker."
        )
    return start_layer, heads


def _head_names(start_layer: int, deepest: int) -> list[str]:
    return [f"lm_head.{place}.linear_head.weight" for place in range(deepest + 1 - start_layer)]


def _answer_row(checkpoint: Checkpoint, token: int, *, is_tied: bool) -> torch.Tensor:
    """Read the row of the output matrix that belongs to one token; tied models keep it in the embeddings."""
    name = "model.embed_tokens.weight" if is_tied else "lm_head.weight"
    if checkpoint.shape(name) is None:
        raise UnsupportedModelError(
            f"{checkpoint.folder} has no score head: its weights lack {name}. Choose a causal language model saved whole."
        )
    return checkpoint.read_row(name, token)


def _model_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Take what describes the architecture; leave what describes files, code or precision."""
    left = {"architectures", "auto_map", "torch_dtype", "dtype", "model_type", "transformers_version", "_name_or_path"}
    return {key: value for key, value in config.items() if key not in left and not key.startswith("_")}


def _common(checkpoint: Checkpoint, options: BuildOptions) -> dict[str, Any]:
    filling = options.filling
    folder = None if filling.adapter or filling.is_trained else checkpoint.folder
    return {"name": options.name, "device": filling.device, "dtype": filling.dtype, "folder": folder}


def _own_in_float32(head: nn.Module) -> None:
    """Copy a head's weights out of the file's memory, into float32.

    Where in a file they lie decides how MKL adds up, so that a copy of the same weights gave other last digits.
    """
    for parameter in head.parameters():
        parameter.data = parameter.data.to(torch.float32, copy=True)
