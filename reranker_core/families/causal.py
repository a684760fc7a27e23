"""What decoder and layerwise rerankers share: blocks of a causal language model over a packed chunk.

The blocks are transformers' own (`LlamaDecoderLayer` and its kin), called one by one so that the run ends at the deepest
layer that is read, and so that the deepest block computes queries, output and MLP for the last tokens only.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from torch import nn

from reranker_core.attention import packed_attention
from reranker_core.families.running import run_part
from reranker_core.packing import PackedBatch


class CausalScorer(nn.Module):
    """A causal language model's blocks with score heads in place of the vocabulary head.

    Parameters carry the published names: `model.…` for the body, `lm_head.…` for the heads.
    """

    model: Any  # transformers types its modules loosely
    lm_head: Any

    def __init__(self, body: nn.Module, lm_head: nn.Module) -> None:
        super().__init__()
        self.model = body
        self.lm_head = lm_head


def run_blocks(body: Any, batch: PackedBatch, depths: Sequence[int], *, recompute: bool = False) -> list[torch.Tensor]:
    """Run a chunk through the blocks and keep the last tokens at some depths, under the final norm.

    Args:
        body: a transformers model with `embed_tokens`, `rotary_emb`, `layers` and `norm`.
        batch: the chunk.
        depths: after how many blocks to look, distinct and ascending; the blocks above the last are not run.
        recompute: in training, as for `run_part`.

    Returns:
        For each depth (sequences, hidden).
    """
    # Granite multiplies the embeddings here; Gemma does it inside its embedding.
    hidden = body.embed_tokens(batch.input_ids) * getattr(body, "embedding_multiplier", 1.0)  # (1, tokens, hidden)
    rope = body.rotary_emb(hidden, batch.position_ids)  # two of (1, tokens, head_dim)
    kept = []
    for depth, block in enumerate(body.layers[: depths[-1] - 1], start=1):
        hidden = run_part(
            block,
            hidden,
            recompute=recompute,
            position_ids=batch.position_ids,
            position_embeddings=rope,
            use_cache=False,
            layout=batch.layout,
        )
        if depth in depths:
            kept.append(hidden[0, batch.last])
    deepest = partial(_run_block_for_last, body.layers[depths[-1] - 1])
    kept.append(run_part(deepest, hidden[0], recompute=recompute, rope=rope, batch=batch))
    return [body.norm(states) for states in kept]


def _run_block_for_last(
    block: Any, hidden: torch.Tensor, rope: tuple[torch.Tensor, torch.Tensor], batch: PackedBatch
) -> torch.Tensor:
    """Run one block with keys and values of all tokens, everything else of the last tokens: → (sequences, hidden)."""
    attention = block.self_attn
    normed = block.input_layernorm(hidden)  # (tokens, hidden)
    cos, sin = rope[0][0], rope[1][0]  # (tokens, head_dim)

    def heads(states: torch.Tensor) -> torch.Tensor:
        return states.view(states.shape[0], -1, attention.head_dim).transpose(0, 1)  # (heads, tokens, head_dim)

    query = _rotate(heads(attention.q_proj(normed[batch.last])), cos[batch.last], sin[batch.last])
    key = _rotate(heads(attention.k_proj(normed)), cos, sin)
    value = heads(attention.v_proj(normed))
    layout = batch.layout.of_one_query_each()
    dropout = attention.attention_dropout if attention.training else 0.0
    # (sequences, heads, head_dim)
    context = packed_attention(query, key, value, layout=layout, scale=attention.scaling, dropout=dropout)
    residual_multiplier = getattr(block, "residual_multiplier", 1.0)  # Granite's
    states = hidden[batch.last] + attention.o_proj(context.flatten(1)) * residual_multiplier
    return states + block.mlp(block.post_attention_layernorm(states)) * residual_multiplier  # type: ignore[no-any-return]


def _rotate(states: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """Apply rotary position embeddings (RoFormer, in the half-split form of Llama) to (heads, tokens, head_dim)."""
    first, second = states.chunk(2, dim=-1)
    return states * cos + torch.cat((-second, first), dim=-1) * sin
