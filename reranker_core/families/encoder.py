"""Encoder rerankers (XLM-RoBERTa), such as bge-reranker-base, -large and -v2-m3: the classification logit."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch

from reranker_core.attention import packed_attention
from reranker_core.families.base import NeuralReranker
from reranker_core.families.running import run_head, run_part
from reranker_core.packing import PackedBatch


class EncoderReranker(NeuralReranker):
    """Scores by the classifier over the first token; its model is an `XLMRobertaForSequenceClassification`."""

    family = "encoder"
    is_causal = False

    def score_packed(self, batch: PackedBatch, layers: Sequence[int | None]) -> torch.Tensor:
        """Score one chunk; see `NeuralReranker.score_packed`."""
        roberta = self.model.roberta
        padding = roberta.embeddings.padding_idx
        hidden = roberta.embeddings(batch.input_ids, position_ids=_positions(batch, padding))  # (1, tokens, hidden)
        for block in roberta.encoder.layer[:-1]:
            hidden = run_part(block, hidden, recompute=self.recomputes_blocks, layout=batch.layout)
        deepest = partial(_run_layer_for_first, roberta.encoder.layer[-1])
        first = run_part(deepest, hidden[0], recompute=self.recomputes_blocks, batch=batch)
        return run_head(self.model.classifier, first[:, None])  # (sequences, 1)


def _positions(batch: PackedBatch, padding: int) -> torch.Tensor:
    """Count positions as XLM-R does: from padding_idx + 1, and a literal `<pad>` in a text does not count."""
    is_padding = batch.input_ids[0] == padding
    positions = batch.position_ids[0] + padding + 1
    if is_padding.any():
        before = is_padding.long().cumsum(0)
        starts = batch.first.repeat_interleave(torch.diff(batch.layout.key_offsets).long())
        positions = positions - (before - before[starts] + is_padding[starts].long())
        positions[is_padding] = padding
    return positions[None]


def _run_layer_for_first(layer: Any, hidden: torch.Tensor, batch: PackedBatch) -> torch.Tensor:
    """Run one layer with keys and values of all tokens, everything else of the first tokens: → (sequences, hidden)."""
    attention = layer.attention.self
    first = hidden[batch.first]

    def heads(states: torch.Tensor) -> torch.Tensor:
        return states.view(states.shape[0], -1, attention.attention_head_size).transpose(0, 1)  # (heads, tokens, head_dim)

    context = packed_attention(
        heads(attention.query(first)),
        heads(attention.key(hidden)),
        heads(attention.value(hidden)),
        layout=batch.layout.of_one_query_each(),
        scale=attention.scaling,
        dropout=attention.dropout.p if attention.training else 0.0,
    )  # (sequences, heads, head_dim)
    attended = layer.attention.output(context.flatten(1), first)
    return layer.feed_forward_chunk(attended)  # type: ignore[no-any-return]
