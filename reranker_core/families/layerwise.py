"""Layerwise LLM rerankers such as bge-reranker-v2-minicpm-layerwise: a score head after every block from a start layer on.

MiniCPM's blocks are computed with transformers' Granite classes, which are the same mathematics when
`embedding_multiplier`, `residual_multiplier` and `attention_multiplier` are taken from the checkpoint's own config.
"""

import math
from collections.abc import Iterable, Sequence
from numbers import Integral
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reranker_core.errors import InputError, UnsupportedModelError
from reranker_core.families.base import NeuralReranker
from reranker_core.families.causal import CausalScorer, run_blocks
from reranker_core.families.running import run_head
from reranker_core.packing import PackedBatch


class LayerHead(nn.Module):
    """The head of one layer, under the published name `linear_head`."""

    def __init__(self, hidden_size: int) -> None:
        super().__init__()
        self.linear_head = nn.Linear(hidden_size, 1, bias=False)


class LayerwiseReranker(NeuralReranker):
    """Scores at any cutoff layer from `start_layer` to the deepest layer that was loaded; several in one pass."""

    family = "layerwise"
    is_causal = True

    def __init__(self, model: CausalScorer, inputs: Any, *, start_layer: int, depth: int, **common: Any) -> None:
        """Take a model with one head for each loaded layer from `start_layer` on.

        Args:
            model: its `lm_head` holds the heads in the order of the layers.
            inputs: builds the ids.
            start_layer: the first layer with a head.
            depth: how many layers the whole checkpoint has, loaded or not.
            common: as for `NeuralReranker`.
        """
        super().__init__(model, inputs, **common)
        self.start_layer, self.depth = start_layer, depth
        self.cutoff_range = range(start_layer, len(model.model.layers) + 1)

    def check_layers(self, cutoff_layers: Sequence[int] | int | None) -> tuple[int | None, ...]:
        """Turn the argument into the columns of the result; by default the deepest loaded layer.

        Raises:
            InputError: a layer is outside the valid range or deeper than what was loaded.
        """
        deepest = len(self.model.model.layers)
        if cutoff_layers is None:
            return (deepest,)
        layers = tuple(cutoff_layers) if isinstance(cutoff_layers, Iterable) else (cutoff_layers,)
        if not layers:
            raise InputError(f"cutoff_layers is empty. Name layers from {self.start_layer} to {deepest}, or leave it out.")
        for layer in layers:
            if not isinstance(layer, Integral) or isinstance(layer, bool) or not self.start_layer <= layer <= self.depth:
                raise InputError(
                    f"Cutoff layer {layer!r} is out of range. {self.name} has scores at layers {self.start_layer} to "
                    f"{self.depth}."
                )
            if layer > deepest:
                raise InputError(
                    f"Cutoff layer {layer} is deeper than what was loaded: {self.name} was loaded with "
                    f"max_layer={deepest}. Load it again with max_layer={layer}."
                )
        return tuple(int(layer) for layer in layers)  # numpy integers too

    def score_packed(self, batch: PackedBatch, layers: Sequence[int | None]) -> torch.Tensor:
        """Score one chunk; see `NeuralReranker.score_packed`."""
        depths = [layer for layer in layers if layer is not None]
        states = run_blocks(self.model.model, batch, depths, recompute=self.recomputes_blocks)
        columns = [
            run_head(self.model.lm_head[depth - self.start_layer].linear_head, state)
            for depth, state in zip(depths, states, strict=True)
        ]
        return torch.cat(columns, dim=1)  # (sequences, layers)


def granite_settings(config: dict[str, Any], *, layers: int, folder: Path) -> dict[str, Any]:
    """Say a MiniCPM config in Granite's words.

    Args:
        config: the checkpoint's config.json.
        layers: how many blocks to make. The residual scale keeps the whole depth, whatever is made.
        folder: named in the message.

    Raises:
        UnsupportedModelError: the config asks for something that the published model does not have.
    """
    if config.get("rope_scaling"):
        raise UnsupportedModelError(
            f"{folder}: rope_scaling {config['rope_scaling']} of MiniCPM is not supported; only null is."
        )
    head_dim = config["hidden_size"] // config["num_attention_heads"]
    return {
        "vocab_size": config["vocab_size"],
        "hidden_size": config["hidden_size"],
        "intermediate_size": config["intermediate_size"],
        "num_hidden_layers": layers,
        "num_attention_heads": config["num_attention_heads"],
        "num_key_value_heads": config.get("num_key_value_heads") or config["num_attention_heads"],
        "hidden_act": config.get("hidden_act", "silu"),
        "max_position_embeddings": config.get("max_position_embeddings", 2048),
        "rms_norm_eps": config.get("rms_norm_eps", 1e-6),
        "attention_bias": config.get("attention_bias", False),
        "rope_parameters": {"rope_type": "default", "rope_theta": config.get("rope_theta", 10000.0)},
        "embedding_multiplier": config.get("scale_emb", 1),
        "residual_multiplier": config.get("scale_depth", 1) / math.sqrt(config["num_hidden_layers"]),
        "attention_multiplier": 1 / math.sqrt(head_dim),
        "logits_scaling": 1.0,
        "pad_token_id": None,
        "tie_word_embeddings": False,
    }
