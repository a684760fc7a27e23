"""Attention over packed sequences, registered with transformers so that its own model classes run without padding.

Three kernels compute the same thing. On the CPU one call of scaled_dot_product_attention for each sequence; on CUDA in
half precision, on GPUs that it knows, torch's own varlen kernel; anywhere else one padded call. `benchmarks/` says what
each costs.
"""

import inspect
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch.nn.functional import scaled_dot_product_attention
from torch.nn.utils.rnn import pad_sequence

from reranker_core.packing import SequenceLayout

ATTENTION_NAME = "reranker_packed"


def register_packed_attention() -> None:
    """Make `attn_implementation="reranker_packed"` known to transformers; calling it again changes nothing."""
    from transformers import AttentionInterface

    AttentionInterface.register(ATTENTION_NAME, _transformers_attention)


def packed_attention(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    layout: SequenceLayout,
    scale: float | None,
    dropout: float = 0.0,
) -> torch.Tensor:
    """Let the tokens of each sequence attend to their own sequence, with the kernel that suits device and dtype.

    Args:
        query: (heads, queries, head_dim).
        key: (key_heads, keys, head_dim); heads is a multiple of key_heads.
        value: as `key`.
        layout: where the sequences lie.
        scale: factor on the dot products; by default 1 / sqrt(head_dim).
        dropout: of the attention weights, in training; from 0 to 1.

    Returns:
        (queries, heads, head_dim)
    """
    if query.device.type == "cpu":
        return attend_by_sequence(query, key, value, layout, scale, dropout)
    # torch's varlen kernel knows no dropout.
    if not dropout and _has_varlen(query.device, query.dtype):
        return attend_varlen(query, key, value, layout, scale)
    return attend_padded(query, key, value, layout, scale, dropout)


def _has_varlen(device: torch.device, dtype: torch.dtype) -> bool:
    """Say whether torch's varlen kernel runs: half precision, on GPUs from compute capability 8.0 (Ampere) on."""
    if device.type != "cuda" or dtype not in (torch.float16, torch.bfloat16):
        return False
    return torch.cuda.get_device_capability(device) >= (8, 0)


def attend_by_sequence(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: SequenceLayout,
    scale: float | None,
    dropout: float = 0.0,
) -> torch.Tensor:
    """Call scaled_dot_product_attention once for each sequence; shapes as in `packed_attention`."""
    contexts = _attend_each(query, key, value, layout, scale, dropout)
    if torch.is_grad_enabled():
        return torch.cat(list(contexts))  # writing piece by piece would copy the whole gradient for each piece
    output = query.new_empty(query.shape[1], query.shape[0], query.shape[2])
    for (start, end), context in zip(pairwise(layout.query_bounds), contexts, strict=True):
        output[start:end] = context
    return output


def _attend_each(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: SequenceLayout,
    scale: float | None,
    dropout: float,
) -> Iterator[torch.Tensor]:
    """Give the context of each sequence in turn: (queries of the sequence, heads, head_dim)."""
    has_groups = query.shape[0] != key.shape[0]
    # split, whose gradient is one cat; the gradient of a slice is as long as everything together.
    queries = torch.split(query, _lengths(layout.query_bounds), dim=1)
    keys, values = (torch.split(states, _lengths(layout.key_bounds), dim=1) for states in (key, value))
    for one_query, one_key, one_value in zip(queries, keys, values, strict=True):
        # (1, heads, length, head_dim)
        context = scaled_dot_product_attention(
            one_query[None],
            one_key[None],
            one_value[None],
            dropout_p=dropout,
            is_causal=layout.is_causal and one_query.shape[1] > 1,
            scale=scale,
            enable_gqa=has_groups,
        )
        yield context[0].transpose(0, 1)


def attend_varlen(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, layout: SequenceLayout, scale: float | None
) -> torch.Tensor:
    """Call torch's varlen kernel once for all sequences; CUDA and half precision only, shapes as in `packed_attention`.

    Its arguments grew from torch 2.11 to 2.13, so they are looked up.
    """
    from torch.nn.attention.varlen import varlen_attn

    known = inspect.signature(varlen_attn).parameters
    options: dict[str, Any] = {}
    if "num_splits" in known:
        options["num_splits"] = 1  # the same bits for a sequence whatever else is in the chunk
    if "window_size" in known:
        options["window_size"] = (-1, 0) if layout.is_causal else (-1, -1)
    else:
        options["is_causal"] = layout.is_causal
    if scale is not None and "scale" in known:
        options["scale"] = scale
    elif scale is not None:
        query = query * (scale * query.shape[-1] ** 0.5)
    groups = query.shape[0] // key.shape[0]
    if groups > 1 and "enable_gqa" in known:
        options["enable_gqa"] = True
    elif groups > 1:
        key, value = key.repeat_interleave(groups, dim=0), value.repeat_interleave(groups, dim=0)
    output = varlen_attn(
        query.transpose(0, 1).contiguous(),
        key.transpose(0, 1).contiguous(),
        value.transpose(0, 1).contiguous(),
        layout.query_offsets,
        layout.key_offsets,
        max(_lengths(layout.query_bounds)),
        max(_lengths(layout.key_bounds)),
        **options,
    )
    return output  # type: ignore[return-value]  # a pair only where auxiliary output is asked for


def attend_padded(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    layout: SequenceLayout,
    scale: float | None,
    dropout: float = 0.0,
) -> torch.Tensor:
    """Pad queries and keys, attend once under a mask, and take the padding out; shapes as in `packed_attention`."""
    queries = _pad_sequences(query, layout.query_bounds)  # (sequences, heads, longest query, head_dim)
    keys = _pad_sequences(key, layout.key_bounds)
    values = _pad_sequences(value, layout.key_bounds)
    lengths = torch.tensor(_lengths(layout.key_bounds), device=query.device)
    places = torch.arange(keys.shape[2], device=query.device)
    mask = (places < lengths[:, None])[:, None, None]  # (sequences, 1, 1, longest key)
    if layout.is_causal:
        mask = mask & (places <= torch.arange(queries.shape[2], device=query.device)[:, None])
    context = scaled_dot_product_attention(
        queries,
        keys,
        values,
        attn_mask=mask,
        dropout_p=dropout,
        scale=scale,
        enable_gqa=query.shape[0] != key.shape[0],
    )
    lengths_of_queries = _lengths(layout.query_bounds)
    kept = [one[:, :length].transpose(0, 1) for one, length in zip(context.unbind(), lengths_of_queries, strict=True)]
    return torch.cat(kept)


def _transformers_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    *,
    layout: SequenceLayout,
    scaling: float | None = None,
    dropout: float = 0.0,
    **_: Any,  # what transformers passes to every attention: position_ids, use_cache, ...
) -> tuple[torch.Tensor, None]:
    """Adapt `packed_attention` to the call of transformers: (1, heads, tokens, head_dim) → (1, tokens, heads, head_dim)."""
    context = packed_attention(query[0], key[0], value[0], layout=layout, scale=scaling, dropout=dropout)
    return context[None], None


def _pad_sequences(states: torch.Tensor, bounds: tuple[int, ...]) -> torch.Tensor:
    pieces = torch.split(states.transpose(0, 1), _lengths(bounds))  # each (length, heads, head_dim)
    return pad_sequence(list(pieces), batch_first=True).transpose(1, 2)


def _lengths(bounds: tuple[int, ...]) -> list[int]:
    return [end - start for start, end in pairwise(bounds)]
