"""What training adds to the scoring pipeline: gradients of the attention kernels and of the fast linear layers."""

from itertools import pairwise

import pytest
import torch
from torch import nn

from reranker_core.attention import attend_by_sequence, attend_padded
from reranker_core.cpu_linear import PackedLinear, TrainedLinear, can_pack, speed_up_training
from reranker_core.packing import SequenceLayout

CPU = torch.device("cpu")
LENGTHS = (5, 1, 9)


def layout(kind: str) -> SequenceLayout:
    whole = SequenceLayout.of_lengths(LENGTHS, is_causal=kind == "causal", device=CPU)
    return whole.of_one_query_each() if kind == "one query each" else whole


def draw(kind: str, key_heads: int) -> list[torch.Tensor]:
    random = torch.Generator().manual_seed(5)
    queries = len(LENGTHS) if kind == "one query each" else sum(LENGTHS)
    shapes = [(4, queries, 8), (key_heads, sum(LENGTHS), 8), (key_heads, sum(LENGTHS), 8)]
    return [torch.randn(shape, generator=random).requires_grad_() for shape in shapes]


def attend_written_out(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, where: SequenceLayout) -> torch.Tensor:
    key, value = (states.repeat_interleave(query.shape[0] // states.shape[0], dim=0) for states in (key, value))
    pieces = []
    for (q0, q1), (k0, k1) in zip(pairwise(where.query_bounds), pairwise(where.key_bounds), strict=True):
        weights = query[:, q0:q1] @ key[:, k0:k1].transpose(1, 2) * 0.3
        if where.is_causal:
            weights = weights.masked_fill(torch.ones_like(weights).triu(1).bool(), -torch.inf)
        pieces.append((weights.softmax(-1) @ value[:, k0:k1]).transpose(0, 1))
    return torch.cat(pieces)


@pytest.mark.parametrize("kernel", [attend_by_sequence, attend_padded])
@pytest.mark.parametrize("kind", ["causal", "bidirectional", "one query each"])
@pytest.mark.parametrize("key_heads", [4, 1])
def test_attention_has_the_gradients_of_its_formula(kernel: object, kind: str, key_heads: int) -> None:
    states = draw(kind, key_heads)
    where = layout(kind)
    expected = attend_written_out(*states, where)
    weights = torch.linspace(-1, 1, expected.numel()).view_as(expected)
    wanted = torch.autograd.grad((expected * weights).sum(), states)
    found = kernel(*states, where, 0.3)  # type: ignore[operator]
    torch.testing.assert_close(found, expected)
    gradients = torch.autograd.grad((found * weights).sum(), states)
    torch.testing.assert_close(gradients, wanted, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kernel", [attend_by_sequence, attend_padded])
def test_dropout_leaves_out_attention_weights_and_keeps_the_mean(kernel: object) -> None:
    query, key, _ = draw("bidirectional", 4)
    ones = torch.ones_like(key)
    torch.manual_seed(0)
    contexts = torch.stack([kernel(query, key, ones, layout("bidirectional"), None, 0.5) for _ in range(300)])  # type: ignore[operator]
    assert contexts.std(0).min() > 0.1
    torch.testing.assert_close(contexts.mean(0), torch.ones_like(contexts[0]), atol=0.35, rtol=0)


@pytest.mark.skipif(not can_pack(CPU), reason="oneDNN's linear layers are not there")
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("shape", [(1, 7, 32), (7, 32), (1, 1, 32)])
def test_fast_linear_layers_have_the_gradients_of_plain_ones(has_bias: bool, shape: tuple[int, ...]) -> None:
    plain = nn.Linear(32, 16, bias=has_bias)
    fast = TrainedLinear(plain)
    states = torch.linspace(-1, 1, 7 * 32).view(7, 32)[: shape[-2]].view(shape).requires_grad_()
    inputs = [states, *plain.parameters()]
    torch.testing.assert_close(fast(states), plain(states))
    for reduce in (torch.sum, lambda output: output.square().mean()):
        wanted = torch.autograd.grad(reduce(plain(states)), inputs)
        torch.testing.assert_close(torch.autograd.grad(reduce(fast(states)), inputs), wanted, atol=1e-5, rtol=1e-4)
    with torch.no_grad():
        assert torch.equal(fast(states), PackedLinear(plain)(states))


@pytest.mark.skipif(not can_pack(CPU), reason="oneDNN's linear layers are not there")
def test_only_the_blocks_get_fast_linear_layers_and_nothing_is_drawn_for_it() -> None:
    model = nn.ModuleDict(
        {"body": nn.ModuleDict({"layers": nn.ModuleList([nn.Sequential(nn.Linear(4, 4))])}), "classifier": nn.Linear(4, 1)}
    )
    names = [name for name, _ in model.named_parameters()]
    state = torch.random.get_rng_state()
    speed_up_training(model, CPU)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert isinstance(model.get_submodule("body.layers.0.0"), TrainedLinear)
    assert type(model["classifier"]) is nn.Linear
    assert [name for name, _ in model.named_parameters()] == names
