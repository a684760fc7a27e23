"""Which rows are computed together, in one process or in several, and as which ids."""

from collections.abc import Callable
from itertools import chain

import pytest

from reranker_core.training.batches import IGNORED, BatchPlan, EncodedGroups, GroupLoader, Turn, collate
from reranker_core.training.data import TrainingData, read_training_data
from reranker_core.training.settings import TrainingSettings


def order(epoch: int) -> list[int]:
    return [(row + epoch) % 11 for row in range(11)]


def plan(*, batch_size: int, drop_last: bool = False, processes: int = 1, process: int = 0) -> BatchPlan:
    return BatchPlan(order, rows=11, batch_size=batch_size, drop_last=drop_last, processes=processes, process=process)


def rows(batches: BatchPlan) -> list[list[int]]:
    return [[turn.row for turn in batch if turn.counts] for batch in batches]


@pytest.mark.parametrize("processes", [2, 3, 5])
@pytest.mark.parametrize("drop_last", [False, True])
def test_several_processes_compute_the_batches_of_one(processes: int, drop_last: bool) -> None:
    together = plan(batch_size=2 * processes, drop_last=drop_last)
    shares = [plan(batch_size=2, drop_last=drop_last, processes=processes, process=process) for process in range(processes)]
    for epoch in range(2):
        for one in (together, *shares):
            one.set_epoch(epoch)
        assert len({len(list(share)) for share in shares}) == 1
        joined = [sorted(chain.from_iterable(parts)) for parts in zip(*map(rows, shares), strict=True)]
        assert joined == [sorted(batch) for batch in rows(together)]


def test_an_epoch_sees_every_row_once_and_the_next_one_in_another_order() -> None:
    batches = plan(batch_size=4)
    first = rows(batches)
    batches.set_epoch(1)
    assert [len(batch) for batch in first] == [4, 4, 3]
    assert sorted(chain(*first)) == sorted(chain(*rows(batches))) == list(range(11))
    assert rows(batches) != first


def test_dropping_the_last_batch_drops_only_one_that_is_not_full() -> None:
    assert [len(batch) for batch in plan(batch_size=4, drop_last=True)] == [4, 4]
    assert len(plan(batch_size=4, drop_last=True)) == 2
    assert [len(batch) for batch in plan(batch_size=11, drop_last=True)] == [11]


def test_a_process_with_nothing_left_computes_what_does_not_count() -> None:
    last = list(plan(batch_size=4, processes=5, process=4))[-1]
    assert len(last) == 2  # rows 4 and 9 of 11
    last = list(plan(batch_size=1, processes=3, process=2))[-1]
    assert last == [Turn(9, 0, counts=False)]


@pytest.fixture(params=["encoder", "decoder", "layerwise"])
def encoded(
    request: pytest.FixtureRequest, make_settings: Callable[..., TrainingSettings], load: Callable[..., object]
) -> tuple[object, TrainingSettings, TrainingData, EncodedGroups]:
    settings = make_settings(request.param)
    reranker = load({"encoder": "encoder", "decoder": "llm"}.get(request.param, request.param))
    data = read_training_data(settings)
    return reranker, settings, data, EncodedGroups(data, reranker.inputs, settings)  # type: ignore[attr-defined]


def test_groups_are_read_as_scoring_reads_them(encoded: tuple) -> None:
    reranker, _, data, groups = encoded
    group = data.group(3, epoch=1)
    budget = reranker.inputs.scoring_budget(max_length=96, query_max_length=None, prompt=None)
    pairs = [(group.query, passage) for passage in group.passages]
    scored = reranker.inputs.build(pairs, budget=budget, prompt=None, query_instruction=None, passage_instruction=None)
    assert groups[Turn(3, 1)].sequences == tuple(pair.ids for pair in scored)


def test_batches_hold_whole_groups_one_after_another(encoded: tuple) -> None:
    _, _, data, groups = encoded
    loader = GroupLoader(groups, BatchPlan(data.order, rows=12, batch_size=5, drop_last=False))
    sizes = []
    for batch in loader:
        assert len(batch["input_ids"]) == sum(batch["lengths"])
        assert len(batch["lengths"]) == sum(batch["sizes"])
        assert batch["labels"].tolist() == [0] * len(batch["sizes"])
        sizes += batch["sizes"]
    assert sizes == [len(data.group(row, epoch=0).passages) for row in data.order(0)]
    assert set(sizes) == {3, 4}  # a row with fewer negatives has a smaller group


def test_a_row_that_does_not_count_is_marked(encoded: tuple) -> None:
    _, _, _, groups = encoded
    assert collate([groups[Turn(0, 0)], groups[Turn(1, 0, counts=False)]])["labels"].tolist() == [0, IGNORED]
