"""Rows → batches of ids, the same in one process or in many.

A batch of all processes together is a run of rows of the epoch's order; each process takes every n-th of it. So two
processes with a batch of b compute what one does with a batch of 2b.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypedDict

import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from reranker_core.inputs import PairInputs
from reranker_core.training.data import TrainingData
from reranker_core.training.encoding import encode_group
from reranker_core.training.settings import TrainingSettings

IGNORED = -100
"""The label of a group that does not count, as transformers has it."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A row's turn in an epoch.

    Attributes:
        row: its place in the data.
        epoch: counted from 0.
        counts: `False` for a row that fills the batch of a process that has nothing left.
    """

    row: int
    epoch: int
    counts: bool = True


@dataclass(frozen=True, slots=True)
class EncodedGroup:
    """A group as ids: one sequence for each passage, the positive first."""

    sequences: tuple[list[int], ...]
    teacher_scores: tuple[float, ...] | None
    counts: bool


class Batch(TypedDict):
    """What the Trainer gets for one process.

    Attributes:
        input_ids: (tokens,), all sequences one after another.
        lengths: tokens of each sequence.
        sizes: sequences of each group.
        labels: (groups,), 0 for the place of the positive, or `IGNORED`.
        teacher_scores: (sequences,), or `None`.
    """

    input_ids: torch.Tensor
    lengths: tuple[int, ...]
    sizes: tuple[int, ...]
    labels: torch.Tensor
    teacher_scores: torch.Tensor | None


class BatchPlan(Sampler[list[Turn]]):
    """Says which rows one process computes together, epoch by epoch."""

    def __init__(
        self,
        order: Callable[[int], Sequence[int]],
        *,
        rows: int,
        batch_size: int,
        drop_last: bool,
        processes: int = 1,
        process: int = 0,
    ) -> None:
        """Plan epochs.

        Args:
            order: gives the order of an epoch.
            rows: how many there are.
            batch_size: groups of a batch in each process.
            drop_last: leave out a last batch of all processes that is not full.
            processes: how many compute together.
            process: which one this is, from 0.
        """
        self._order, self._rows = order, rows
        self._batch_size, self._drop_last = batch_size, drop_last
        self._processes, self._process = processes, process
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch is iterated next; the Trainer calls it."""
        self._epoch = epoch

    def __len__(self) -> int:
        """Count the batches of an epoch, the same for every process."""
        together = self._batch_size * self._processes
        return self._rows // together if self._drop_last else -(-self._rows // together)

    def __iter__(self) -> Iterator[list[Turn]]:
        """Go through the epoch."""
        order, together = self._order(self._epoch), self._batch_size * self._processes
        for number in range(len(self)):
            shared = order[number * together : (number + 1) * together]
            own = [Turn(row, self._epoch) for row in shared[self._process :: self._processes]]
            # A process with nothing left computes what does not count: all of them have to take part in every step.
            yield own or [Turn(shared[0], self._epoch, counts=False)]


class EncodedGroups(Dataset[EncodedGroup]):
    """The groups of the data as ids, built by the same function as for scoring."""

    def __init__(self, data: TrainingData, inputs: PairInputs, settings: TrainingSettings) -> None:
        """Take the data and what turns text into ids."""
        self._data, self._inputs, self._settings = data, inputs, settings

    def __len__(self) -> int:
        """Count the rows."""
        return len(self._data.rows)

    def __getitem__(self, turn: Turn) -> EncodedGroup:
        """Draw and encode the group of a turn."""
        group = self._data.group(turn.row, epoch=turn.epoch)
        encoded = encode_group(group, self._inputs, self._settings)
        return EncodedGroup(tuple(pair.ids for pair in encoded), group.teacher_scores, turn.counts)


class GroupLoader(DataLoader[EncodedGroup]):
    """Loads batches in the order of a plan; the Trainer tells it the epoch."""

    def __init__(self, groups: EncodedGroups, plan: BatchPlan) -> None:
        """Take the groups and the plan of this process."""
        super().__init__(groups, batch_sampler=plan, collate_fn=collate)
        self._plan = plan

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next."""
        self._plan.set_epoch(epoch)


def collate(groups: Sequence[EncodedGroup]) -> Batch:
    """Lay groups one after another, without padding."""
    sequences = [sequence for group in groups for sequence in group.sequences]
    scores = [score for group in groups for score in group.teacher_scores or ()]
    return Batch(
        input_ids=torch.tensor([token for sequence in sequences for token in sequence]),
        lengths=tuple(map(len, sequences)),
        sizes=tuple(len(group.sequences) for group in groups),
        labels=torch.tensor([0 if group.counts else IGNORED for group in groups]),
        teacher_scores=torch.tensor(scores) if scores else None,
    )
