"""LLM rerankers such as bge-reranker-v2-gemma: the logit of `Yes` at the last position."""

from collections.abc import Sequence

import torch

from reranker_core.families.base import NeuralReranker
from reranker_core.families.causal import run_blocks
from reranker_core.families.running import run_head
from reranker_core.packing import PackedBatch


class DecoderReranker(NeuralReranker):
    """Scores by one row of the output matrix; its model is a `CausalScorer` whose `lm_head` is that row."""

    family = "decoder"
    is_causal = True

    def score_packed(self, batch: PackedBatch, layers: Sequence[int | None]) -> torch.Tensor:
        """Score one chunk; see `NeuralReranker.score_packed`."""
        depth = len(self.model.model.layers)
        (last,) = run_blocks(self.model.model, batch, [depth], recompute=self.recomputes_blocks)
        return run_head(self.model.lm_head, last)  # (sequences, 1)
