"""The losses of FlagEmbedding, for groups of any size.

Sources: `finetune/reranker/decoder_only/{base,layerwise}` of FlagEmbedding 1.3.5 and its llm_reranker before that; the old
code trains the heads of all layers, the new one by mistake only the last.
"""

from collections.abc import Sequence

import torch
from torch.nn.functional import log_softmax, softmax
from torch.nn.utils.rnn import pad_sequence


def compute_group_losses(
    scores: torch.Tensor, sizes: Sequence[int], *, teacher_scores: torch.Tensor | None = None
) -> torch.Tensor:
    """Compute each group's loss.

    With s the scores of a group's passages at a layer, the positive first, t those of the teacher, and L the last layer:

    - one layer: CE(s) = −log softmax(s)[0], and with a teacher + SCE(s, t) = −Σ softmax(t) · log softmax(s)
    - several layers: Σ CE(s) over all layers + Σ SCE(s, s at L) over the layers below L, s at L without gradient; with a
      teacher instead Σ CE(s) + Σ SCE(s, t), both over all layers

    Plain sums, temperature 1, raw scores of the teacher, as the reference has them.

    Args:
        scores: (sequences, layers), the groups one after another.
        sizes: passages of each group; together all sequences.
        teacher_scores: (sequences,), or `None` without distillation.

    Returns:
        (groups,)
    """
    by_layer = _pad(scores, sizes).permute(2, 0, 1)  # (layers, groups, longest), -inf where a group has ended
    is_there = _presence(sizes, scores.device)
    log_shares = log_softmax(by_layer, dim=-1)
    losses = -log_shares[:, :, 0].sum(0)
    if teacher_scores is not None:
        targets = softmax(_pad(teacher_scores[:, None].float(), sizes)[..., 0], dim=-1)  # (groups, longest)
        students = log_shares
    else:
        targets = log_shares[-1].detach().exp()
        students = log_shares[:-1]
    known = students.masked_fill(~is_there, 0.0)  # a target of 0 times -inf would not be 0
    return losses - (targets * known).sum(dim=(0, 2))


def _pad(scores: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    """Lay groups under one another: (sequences, layers) → (groups, longest, layers)."""
    return pad_sequence(list(torch.split(scores, list(sizes))), batch_first=True, padding_value=float("-inf"))


def _presence(sizes: Sequence[int], device: torch.device) -> torch.Tensor:
    """Say which places of padded groups hold a passage: (groups, longest)."""
    places = torch.arange(max(sizes), device=device)
    return places < torch.tensor(sizes, device=device)[:, None]


def measure_groups(scores: torch.Tensor, sizes: Sequence[int]) -> torch.Tensor:
    """Measure how groups are told apart.

    Args:
        scores: (sequences,), the groups one after another, each of at least two.
        sizes: passages of each group.

    Returns:
        (groups, 2): the positive's score less the mean of the others, and the standard deviation of all.
    """
    rows = [
        torch.stack((group[0] - group[1:].mean(), group.std(correction=0)))
        for group in torch.split(scores.float(), list(sizes))
    ]
    return torch.stack(rows)
