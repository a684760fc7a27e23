"""What a model folder holds, told by its config.json alone. Knows no torch, so that a screen can ask before it is there."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from reranker_core.catalogue import ModelInfo
from reranker_core.errors import UnsupportedModelError
from reranker_core.hub import needed_files, read_json

# Causal language models whose blocks have the layout that families/causal.py runs; a test holds each to transformers.
DECODER_TYPES = ("gemma", "llama", "mistral", "qwen2")

_SUPPORTED = (
    "Supported are XLM-RoBERTa with a classification head, the causal language models "
    f"{', '.join(DECODER_TYPES)}, and layerwise MiniCPM."
)


def detect_family(config: Mapping[str, Any], *, folder: Path, has_heads: bool = False) -> str:
    """Tell a folder's family by its config.json.

    Args:
        config: the content of config.json.
        folder: named in the message.
        has_heads: an adapter brings whole score heads, which makes a layerwise reranker of a raw MiniCPM.

    Returns:
        `"encoder"`, `"decoder"` or `"layerwise"`.

    Raises:
        UnsupportedModelError: it is no reranker of a supported architecture; says why.
    """
    model_type = config.get("model_type") or ""
    architectures = config.get("architectures")
    architecture = str(architectures[0]) if isinstance(architectures, list) and architectures else ""
    if model_type == "minicpm":
        if "start_layer" in config and config.get("head_type", "simple") != "simple":
            raise UnsupportedModelError(
                f"{folder} has score heads of type {config['head_type']!r}; only head_type simple is supported."
            )
        if "start_layer" in config or has_heads:
            _check_sizes(config, folder)
            return "layerwise"
        raise UnsupportedModelError(
            f"{folder} is a plain MiniCPM without score heads at its layers. Load the published layerwise reranker, or "
            "give the adapter that was trained on this base and brings its heads."
        )
    if model_type == "xlm-roberta":
        names = config.get("id2label")
        labels = config.get("num_labels") or (len(names) if isinstance(names, dict) and names else 1)
        if architecture.endswith("ForSequenceClassification") and str(labels) != "1":
            raise UnsupportedModelError(
                f"{folder} is a classifier with {labels} labels; a reranker has one score. Choose a reranker."
            )
        return "encoder"
    if model_type in DECODER_TYPES and architecture.endswith("ForCausalLM"):
        window = config.get("sliding_window")
        if window and config.get("use_sliding_window", model_type == "mistral"):
            raise UnsupportedModelError(f"{folder} attends through a sliding window ({window}), which is not supported.")
        rope = config.get("rope_scaling") or config.get("rope_parameters") or {}
        kind = (rope.get("rope_type") or rope.get("type") or "default") if isinstance(rope, dict) else rope
        if kind not in ("default", "linear", "dynamic", "llama3"):
            raise UnsupportedModelError(f"{folder} scales its positions by {kind!r}, which is not supported.")
        return "decoder"
    raise UnsupportedModelError(
        f"{folder} is no supported reranker: its config.json says model_type {model_type!r}, architecture "
        f"{architecture!r}. {_SUPPORTED}"
    )


def _check_sizes(config: Mapping[str, Any], folder: Path) -> None:
    names = ("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "start_layer")
    for name in names:
        if not isinstance(config.get(name, 0 if name == "start_layer" else None), int):
            raise UnsupportedModelError(
                f"{folder}: config.json must give {name} as a whole number, got {config.get(name)!r}. Copy it again."
            )
    if config.get("start_layer", 0) > config["num_hidden_layers"]:
        raise UnsupportedModelError(
            f"{folder}: config.json says start_layer {config['start_layer']} of {config['num_hidden_layers']} layers, so "
            "that no layer has a score. Copy it again."
        )


def check_score_head(
    config: Mapping[str, Any],
    tensor_names: Collection[str],
    *,
    folder: Path,
    heads: Collection[int] = (),
    has_classifier: bool = False,
) -> None:
    """Check that a folder's weights end in a score head, or that an adapter brings it.

    Args:
        config: the content of config.json.
        tensor_names: the names of the folder's weights.
        folder: named in the message.
        heads: the places in `lm_head` of the score heads that an adapter brings whole.
        has_classifier: whether an adapter brings an encoder's score head whole.

    Raises:
        UnsupportedModelError: it is no reranker; says what it lacks.
    """
    family = detect_family(config, folder=folder, has_heads=bool(heads))
    if family == "encoder" and not has_classifier and not any(name.startswith("classifier.") for name in tensor_names):
        raise UnsupportedModelError(
            f"{folder} has no score head: its weights hold no classifier. It is an embedding or base model, and its scores "
            "would be random. Choose a reranker, or train one from it."
        )
    if family == "decoder" and not {"lm_head.weight", "model.embed_tokens.weight"} & set(tensor_names):
        raise UnsupportedModelError(
            f"{folder} has no score head: its weights lack lm_head.weight. Choose a causal language model saved whole."
        )
    if family != "layerwise":
        return
    layers = _cutoff_range(config, heads=len(heads))
    names = [f"lm_head.{place}.linear_head.weight" for place in range(len(layers)) if place not in heads]
    if missing := [name for name in names if name not in tensor_names]:
        raise UnsupportedModelError(
            f"{folder} lacks {len(missing)} of the {len(layers)} score heads of its layers {layers[0]} to {layers[-1]}, "
            f"such as {missing[0]}. Choose a trained layerwise reranker."
        )


def describe_folder(folder: Path, *, heads: int = 0) -> ModelInfo:
    """Describe a local folder as the catalogue describes a published model.

    Args:
        folder: of the model.
        heads: how many score heads an adapter brings whole; they make a reranker of a raw MiniCPM.

    Raises:
        UnsupportedModelError: the folder holds no supported reranker, or lacks a file; says why.
    """
    config = read_json(folder / "config.json", purpose="a model folder needs it to say what the model is")
    family = detect_family(config, folder=folder, has_heads=heads > 0)
    if missing := [file for file in sorted(needed_files(folder)) if not (folder / file).is_file()]:
        raise UnsupportedModelError(f"{folder} lacks {missing[0]}. Copy or download the folder again.")
    layers = _cutoff_range(config, heads=heads) if family == "layerwise" else None
    positions, padding = config.get("max_position_embeddings"), config.get("pad_token_id", 1)
    context = positions if isinstance(positions, int) else None
    if context and isinstance(padding, int) and family == "encoder":
        context -= padding + 1  # XLM-R counts positions from there
    size = sum((folder / file).stat().st_size for file in needed_files(folder) if file.endswith((".safetensors", ".bin")))
    return ModelInfo(
        name=str(folder),
        repo_id="",
        family=family,
        base_model=str(config.get("_name_or_path") or ""),
        languages="",
        layers=(layers[0], layers[-1]) if layers else None,
        advice="A folder on this machine.",
        parameters=None,
        context=context,
        licence="",
        download_gb=size / 1e9,
    )


def read_cutoff_range(folder: Path) -> range | None:
    """Read at which layers a folder's model gives scores; `None` for one without cutoff layers.

    Raises:
        UnsupportedModelError: the folder holds no supported reranker; says why.
    """
    config = read_json(folder / "config.json", purpose="a model folder needs it to say what the model is")
    if detect_family(config, folder=folder) != "layerwise":
        return None
    return _cutoff_range(config, heads=0)


def _cutoff_range(config: Mapping[str, Any], *, heads: int) -> range:
    """Tell the layers with scores: from the config's first one on, or the last ones, one for each head of an adapter."""
    depth: int = config["num_hidden_layers"]
    return range(config.get("start_layer", depth + 1 - heads), depth + 1)
