"""Many id lists → packed chunks: whole sequences one after another, without padding, under a token budget."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch


def plan_chunks(lengths: Sequence[int], token_budget: int) -> list[list[int]]:
    """Divide sequences into chunks of about equal size, none above the budget unless it is a single sequence.

    Args:
        lengths: tokens of each sequence.
        token_budget: the most tokens of one chunk.

    Returns:
        The indices of each chunk's sequences; each index occurs once. Longest sequences come first, so that a shortage
        of memory shows at once.
    """
    order = sorted(range(len(lengths)), key=lambda index: -lengths[index])
    # Chunks of equal size: a small rest would run at a fraction of the speed. What a chunk leaves goes to those after it.
    waiting = sum(lengths)
    target = 0.0
    chunks: list[list[int]] = []
    size = 0
    for index in order:
        fits = chunks and size + lengths[index] <= token_budget
        if fits and size + lengths[index] / 2 <= target:
            chunks[-1].append(index)
            size += lengths[index]
        else:
            target = waiting / -(-waiting // token_budget)
            chunks.append([index])
            size = lengths[index]
        waiting -= lengths[index]
    return chunks


@dataclass(frozen=True, slots=True, eq=False)
class SequenceLayout:
    """Where each packed sequence's queries and keys lie, as attention needs it.

    Attributes:
        query_bounds: n + 1 offsets of the sequences among the queries.
        key_bounds: n + 1 offsets of the sequences among the keys and values.
        query_offsets: `query_bounds` as (n + 1,) int32 on the model's device.
        key_offsets: `key_bounds` likewise.
        is_causal: whether a token sees only those before it.
    """

    query_bounds: tuple[int, ...]
    key_bounds: tuple[int, ...]
    query_offsets: torch.Tensor
    key_offsets: torch.Tensor
    is_causal: bool

    @classmethod
    def of_lengths(cls, lengths: Sequence[int], *, is_causal: bool, device: torch.device) -> "SequenceLayout":
        """Describe sequences whose tokens are both queries and keys."""
        bounds = tuple(accumulate(lengths, initial=0))
        offsets = torch.tensor(bounds, dtype=torch.int32).to(device)
        return cls(bounds, bounds, offsets, offsets, is_causal)

    def of_one_query_each(self) -> "SequenceLayout":
        """Describe the same keys asked by a single query for each sequence, which may see all of them.

        That is the first token of a bidirectional sequence, or the last of a causal one.
        """
        count = len(self.key_bounds)
        ones = torch.arange(count, dtype=torch.int32, device=self.key_offsets.device)
        return SequenceLayout(tuple(range(count)), self.key_bounds, ones, self.key_offsets, is_causal=False)


@dataclass(frozen=True, slots=True)
class PackedBatch:
    """One chunk, ready for a model.

    Attributes:
        input_ids: (1, tokens).
        position_ids: (1, tokens), counted from 0 within each sequence.
        layout: where the sequences lie.
        first: (sequences,), the place of each first token.
        last: (sequences,), the place of each last token.
    """

    input_ids: torch.Tensor
    position_ids: torch.Tensor
    layout: SequenceLayout
    first: torch.Tensor
    last: torch.Tensor


def pack(sequences: Sequence[Sequence[int]], *, is_causal: bool, device: torch.device) -> PackedBatch:
    """Lay sequences of ids one after another.

    Args:
        sequences: ids, at least one in each.
        is_causal: as in `SequenceLayout`.
        device: where the tensors go.
    """
    ids = torch.tensor([token for sequence in sequences for token in sequence])  # (tokens,)
    return lay_out(ids, [len(sequence) for sequence in sequences], is_causal=is_causal, device=device)


def lay_out(ids: torch.Tensor, lengths: Sequence[int], *, is_causal: bool, device: torch.device) -> PackedBatch:
    """Say where each sequence lies in ids that are already one after another.

    Args:
        ids: (tokens,), on any device.
        lengths: tokens of each sequence; together all of `ids`.
        is_causal: as in `SequenceLayout`.
        device: where the tensors go.
    """
    layout = SequenceLayout.of_lengths(lengths, is_causal=is_causal, device=device)
    positions = torch.cat([torch.arange(length) for length in lengths])  # (tokens,)
    return PackedBatch(
        input_ids=ids[None].to(device),
        position_ids=positions[None].to(device),
        layout=layout,
        first=layout.key_offsets[:-1].long(),
        last=layout.key_offsets[1:].long() - 1,
    )
