"""The losses against their formulas, computed group by group in plain floats."""

import math
from collections.abc import Sequence

import pytest
import torch

from reranker_core.training.losses import compute_group_losses, measure_groups

SIZES = (4, 2, 3)


def log_softmax(scores: Sequence[float]) -> list[float]:
    total = math.log(sum(math.exp(score) for score in scores))
    return [score - total for score in scores]


def cross_entropy(scores: Sequence[float]) -> float:
    return -log_softmax(scores)[0]


def soft_cross_entropy(scores: Sequence[float], target: Sequence[float]) -> float:
    shares = [math.exp(value) for value in log_softmax(target)]
    return -sum(share * value for share, value in zip(shares, log_softmax(scores), strict=True))


def split(values: Sequence[float]) -> list[list[float]]:
    rest = iter(values)
    return [[next(rest) for _ in range(size)] for size in SIZES]


@pytest.fixture
def scores() -> torch.Tensor:
    return torch.randn(sum(SIZES), 3, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


@pytest.fixture
def teacher() -> torch.Tensor:
    return torch.tensor([3.0, -1.0, 0.5, 2.0, 96.7, 40.0, 0.0, 0.0, -7.5])


def test_one_layer_is_the_cross_entropy_of_the_positive_in_its_own_group(scores: torch.Tensor) -> None:
    losses = compute_group_losses(scores[:, :1], SIZES)
    assert losses.tolist() == pytest.approx([cross_entropy(group) for group in split(scores[:, 0].tolist())], abs=1e-12)


def test_a_teacher_adds_the_soft_cross_entropy_to_its_raw_scores(scores: torch.Tensor, teacher: torch.Tensor) -> None:
    losses = compute_group_losses(scores[:, :1], SIZES, teacher_scores=teacher)
    groups = zip(split(scores[:, 0].tolist()), split(teacher.tolist()), strict=True)
    expected = [cross_entropy(own) + soft_cross_entropy(own, target) for own, target in groups]
    assert losses.tolist() == pytest.approx(expected, abs=1e-6)


def test_layers_add_up_and_all_below_the_last_learn_from_it(scores: torch.Tensor) -> None:
    losses = compute_group_losses(scores, SIZES)
    layers = [split(scores[:, layer].tolist()) for layer in range(3)]
    expected = [
        sum(cross_entropy(layer[place]) for layer in layers)
        + sum(soft_cross_entropy(layer[place], layers[-1][place]) for layer in layers[:-1])
        for place in range(len(SIZES))
    ]
    assert losses.tolist() == pytest.approx(expected, abs=1e-12)


def test_with_a_teacher_every_layer_learns_from_it_and_none_from_the_last(
    scores: torch.Tensor, teacher: torch.Tensor
) -> None:
    losses = compute_group_losses(scores, SIZES, teacher_scores=teacher)
    targets = split(teacher.tolist())
    layers = [split(scores[:, layer].tolist()) for layer in range(3)]
    expected = [
        sum(cross_entropy(layer[place]) + soft_cross_entropy(layer[place], targets[place]) for layer in layers)
        for place in range(len(SIZES))
    ]
    assert losses.tolist() == pytest.approx(expected, abs=1e-6)


def test_the_last_layer_learns_nothing_from_those_that_learn_from_it(scores: torch.Tensor) -> None:
    scores.requires_grad_()
    compute_group_losses(scores, SIZES).sum().backward()
    alone = scores.detach()[:, -1:].requires_grad_()
    compute_group_losses(alone, SIZES).sum().backward()
    assert torch.allclose(scores.grad[:, -1:], alone.grad, atol=1e-12)


@pytest.mark.parametrize("has_teacher", [False, True])
def test_a_group_learns_the_same_alone_as_beside_larger_ones(
    scores: torch.Tensor, teacher: torch.Tensor, has_teacher: bool
) -> None:
    scores.requires_grad_()
    compute_group_losses(scores, SIZES, teacher_scores=teacher if has_teacher else None).sum().backward()
    alone = scores.detach()[4:6].requires_grad_()
    compute_group_losses(alone, (2,), teacher_scores=teacher[4:6] if has_teacher else None).sum().backward()
    assert torch.isfinite(scores.grad).all()
    assert torch.allclose(scores.grad[4:6], alone.grad, atol=1e-12)


def test_groups_are_measured_by_the_gap_to_the_positive_and_the_spread_of_all() -> None:
    measured = measure_groups(torch.tensor([3.0, 1.0, 2.0, -1.0, 1.0]), (3, 2))
    assert measured.tolist() == [pytest.approx([1.5, math.sqrt(2 / 3)]), pytest.approx([-2.0, 1.0])]
