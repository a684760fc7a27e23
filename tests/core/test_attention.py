"""The three attention kernels against softmax attention written out, sequence by sequence."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch._subclasses import FakeTensorMode

from reranker_core.attention import attend_by_sequence, attend_padded, attend_varlen, packed_attention
from reranker_core.packing import SequenceLayout

CPU = torch.device("cpu")
HEAD_DIM = 8
LENGTHS = [5, 1, 17, 2, 9]
ATTENTION_SHAPES = pytest.mark.parametrize("key_heads", [4, 2, 1], ids=lambda heads: f"{heads}-key-heads")
SCALES = pytest.mark.parametrize("scale", [None, 0.3], ids=["default-scale", "custom-scale"])
LAYOUTS = pytest.mark.parametrize("kind", ["causal", "bidirectional", "one-query-each"])


def attend_written_out(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    *,
    query_bounds: list[int],
    key_bounds: list[int],
    is_causal: bool,
    scale: float | None,
) -> torch.Tensor:
    """Attention as a formula over (tokens, heads, head_dim), one sequence and one head at a time."""
    output = torch.empty_like(query)
    factor = query.shape[2] ** -0.5 if scale is None else scale
    group = query.shape[1] // key.shape[1]
    for place in range(len(query_bounds) - 1):
        queries = slice(query_bounds[place], query_bounds[place + 1])
        keys = slice(key_bounds[place], key_bounds[place + 1])
        for head in range(query.shape[1]):
            weights = query[queries, head] @ key[keys, head // group].T * factor  # (queries, keys)
            if is_causal:
                hidden = torch.ones_like(weights).triu(1 + weights.shape[1] - weights.shape[0]).bool()
                weights = weights.masked_fill(hidden, -torch.inf)
            output[queries, head] = weights.softmax(-1) @ value[keys, head // group]
    return output


def new_varlen_attn(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seq_q: torch.Tensor,
    cu_seq_k: torch.Tensor | None,
    max_q: int,
    max_k: int,
    *,
    return_aux: Any = None,
    scale: float | None = None,
    window_size: tuple[int, int] = (-1, -1),
    enable_gqa: bool = False,
    seqused_k: torch.Tensor | None = None,
    block_table: torch.Tensor | None = None,
    num_splits: int | None = None,
) -> torch.Tensor:
    """Stand in for torch 2.13's kernel: its signature and documented behaviour, on the CPU."""
    if window_size not in ((-1, -1), (-1, 0)):
        raise ValueError(f"window_size {window_size} is neither full nor causal")
    if not enable_gqa and query.shape[1] != key.shape[1]:
        raise ValueError("Expect query and key/value to have the same number of heads")
    if num_splits != 1:
        raise ValueError("a sequence's bits would depend on the batch")
    check_offsets(query, key, cu_seq_q, cu_seq_k, max_q, max_k)
    return attend_written_out(
        query,
        key,
        value,
        query_bounds=cu_seq_q.tolist(),
        key_bounds=cu_seq_k.tolist(),
        is_causal=window_size == (-1, 0),
        scale=scale,
    )


def old_varlen_attn(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    cu_seq_q: torch.Tensor,
    cu_seq_k: torch.Tensor,
    max_q: int,
    max_k: int,
    is_causal: bool = False,
    return_aux: Any = None,
) -> torch.Tensor:
    """Stand in for torch 2.11's kernel, which knows neither scale nor grouped heads."""
    if query.shape[1] != key.shape[1]:
        raise ValueError("Expect query and key/value to have the same number of heads")
    check_offsets(query, key, cu_seq_q, cu_seq_k, max_q, max_k)
    bounds = {"query_bounds": cu_seq_q.tolist(), "key_bounds": cu_seq_k.tolist()}
    return attend_written_out(query, key, value, **bounds, is_causal=is_causal, scale=None)


def check_offsets(
    query: torch.Tensor, key: torch.Tensor, cu_seq_q: torch.Tensor, cu_seq_k: torch.Tensor, max_q: int, max_k: int
) -> None:
    """Refuse what the CUDA kernel would read wrongly."""
    if cu_seq_q.dtype != torch.int32 or cu_seq_k.dtype != torch.int32:
        raise ValueError("offsets must be int32")
    if (cu_seq_q[-1], cu_seq_k[-1]) != (query.shape[0], key.shape[0]):
        raise ValueError("offsets must end at the number of tokens")
    if (max_q, max_k) != (cu_seq_q.diff().max(), cu_seq_k.diff().max()):
        raise ValueError("the longest lengths are wrong")
    if not (query.is_contiguous() and key.is_contiguous()):
        raise ValueError("tensors must be contiguous")


@pytest.fixture(params=["by_sequence", "padded", "varlen-2.13", "varlen-2.11"])
def kernel(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Callable[..., torch.Tensor]:
    """Each kernel in turn; torch's CUDA function is stood in for, as there is no GPU here."""
    if request.param.startswith("varlen"):
        stand_in = new_varlen_attn if request.param == "varlen-2.13" else old_varlen_attn
        monkeypatch.setattr("torch.nn.attention.varlen.varlen_attn", stand_in)
        return attend_varlen
    return {"by_sequence": attend_by_sequence, "padded": attend_padded}[request.param]


def layout_of(kind: str, lengths: list[int]) -> SequenceLayout:
    layout = SequenceLayout.of_lengths(lengths, is_causal=kind != "bidirectional", device=CPU)
    return layout.of_one_query_each() if kind == "one-query-each" else layout


def random_states(layout: SequenceLayout, *, key_heads: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Draw queries (4, queries, head_dim), keys and values (key_heads, keys, head_dim)."""
    generator = torch.Generator().manual_seed(seed)
    keys = (key_heads, layout.key_bounds[-1], HEAD_DIM)
    shapes = [(4, layout.query_bounds[-1], HEAD_DIM), keys, keys]
    return tuple(torch.randn(shape, generator=generator) for shape in shapes)


def expected_of(states: tuple[torch.Tensor, ...], layout: SequenceLayout, scale: float | None) -> torch.Tensor:
    query, key, value = (tensor.transpose(0, 1) for tensor in states)
    bounds = {"query_bounds": list(layout.query_bounds), "key_bounds": list(layout.key_bounds)}
    return attend_written_out(query, key, value, **bounds, is_causal=layout.is_causal, scale=scale)


@LAYOUTS
@ATTENTION_SHAPES
@SCALES
def test_a_kernel_computes_softmax_attention_within_each_sequence(
    kernel: Callable[..., torch.Tensor], kind: str, key_heads: int, scale: float | None
) -> None:
    layout = layout_of(kind, LENGTHS)
    states = random_states(layout, key_heads=key_heads)

    torch.testing.assert_close(kernel(*states, layout, scale), expected_of(states, layout, scale), atol=1e-5, rtol=1e-5)


@LAYOUTS
def test_a_kernel_reads_a_single_sequence(kernel: Callable[..., torch.Tensor], kind: str) -> None:
    layout = layout_of(kind, [6])
    states = random_states(layout, key_heads=2)

    torch.testing.assert_close(kernel(*states, layout, None), expected_of(states, layout, None), atol=1e-5, rtol=1e-5)


def test_a_kernel_reads_sequences_of_one_token(kernel: Callable[..., torch.Tensor]) -> None:
    layout = layout_of("causal", [1, 1, 1])
    states = random_states(layout, key_heads=4)

    torch.testing.assert_close(kernel(*states, layout, None), states[2].transpose(0, 1))


def test_a_kernel_keeps_a_sequence_apart_from_its_neighbours(kernel: Callable[..., torch.Tensor]) -> None:
    layout = layout_of("bidirectional", LENGTHS)
    query, key, value = random_states(layout, key_heads=4)
    before = kernel(query, key, value, layout, None)
    key[:, 6:23], value[:, 6:23] = 50.0, 50.0  # the third sequence

    after = kernel(query, key, value, layout, None)

    torch.testing.assert_close(after[:6], before[:6])
    torch.testing.assert_close(after[23:], before[23:])


def test_on_the_cpu_attention_runs_sequence_by_sequence() -> None:
    layout = layout_of("causal", LENGTHS)
    states = random_states(layout, key_heads=2)

    attended = packed_attention(*states, layout=layout, scale=None)

    assert torch.equal(attended, attend_by_sequence(*states, layout, None))


def test_registering_twice_changes_nothing() -> None:
    from transformers import AttentionInterface

    from reranker_core.attention import ATTENTION_NAME, register_packed_attention

    register_packed_attention()
    first = AttentionInterface()[ATTENTION_NAME]
    register_packed_attention()

    assert AttentionInterface()[ATTENTION_NAME] is first


@pytest.mark.parametrize(
    ("capability", "dtype", "dropout", "kernel_name"),
    [
        ((8, 0), torch.bfloat16, 0.0, "attend_varlen"),
        ((9, 0), torch.float16, 0.0, "attend_varlen"),
        ((7, 5), torch.float16, 0.0, "attend_padded"),
        ((8, 0), torch.float32, 0.0, "attend_padded"),
        ((8, 0), torch.bfloat16, 0.1, "attend_padded"),
    ],
)
def test_the_varlen_kernel_is_called_only_on_gpus_that_have_it(
    capability: tuple[int, int], dtype: torch.dtype, dropout: float, kernel_name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On tensors that only say they are on a GPU, as there is none here."""
    monkeypatch.setattr("torch.cuda.get_device_capability", lambda _: capability)
    for name in ("attend_varlen", "attend_padded"):
        monkeypatch.setattr(f"reranker_core.attention.{name}", lambda *_, name=name: name)
    with FakeTensorMode():
        states = torch.empty(2, 5, 8, device="cuda", dtype=dtype)
    layout = SequenceLayout.of_lengths([5], is_causal=False, device=CPU)
    assert packed_attention(states, states, states, layout=layout, scale=None, dropout=dropout) == kernel_name


@pytest.mark.skipif(
    not torch.cuda.is_available() or torch.cuda.get_device_capability() < (8, 0),
    reason="torch's varlen kernel runs on CUDA only, from compute capability 8.0 on",
)
@LAYOUTS
@ATTENTION_SHAPES
@SCALES
def test_torchs_own_varlen_kernel_agrees_within_half_precision(kind: str, key_heads: int, scale: float | None) -> None:
    layout = layout_of(kind, LENGTHS)
    states = random_states(layout, key_heads=key_heads)
    offsets = (layout.query_offsets.cuda(), layout.key_offsets.cuda())
    on_device = SequenceLayout(layout.query_bounds, layout.key_bounds, *offsets, layout.is_causal)

    attended = attend_varlen(*(tensor.cuda().bfloat16() for tensor in states), on_device, scale)

    torch.testing.assert_close(attended.float().cpu(), expected_of(states, layout, scale), atol=5e-2, rtol=5e-2)
