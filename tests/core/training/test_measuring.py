"""The dev set's figures, the best step, patience, and the alarm for scores that become all the same."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import pytest

from reranker_core.evaluation import RankingTask
from reranker_core.jobs.metrics import read_metrics
from reranker_core.training.collapse import Collapse, CollapseAlarm, is_due
from reranker_core.training.measuring import DevSet, find_best, has_lost_patience
from reranker_core.training.metrics_file import MetricsFile
from reranker_core.training.results import DevFigures
from reranker_core.training.settings import TrainingSettings

MakeSettings = Callable[..., TrainingSettings]


def figures(step: int, value: float) -> DevFigures:
    return DevFigures(step=step, measures={"nDCG@10": value, "RR@10": 1 - value}, by_layer={}, spread=1.0)


def test_the_best_is_that_of_the_highest_ndcg_and_of_equal_ones_the_earliest() -> None:
    history = [figures(0, 0.4), figures(10, 0.6), figures(20, 0.5), figures(30, 0.6)]
    assert find_best(history).step == 10


def test_patience_counts_the_measurements_since_the_best() -> None:
    history = [figures(0, 0.5), figures(10, 0.6), figures(20, 0.6), figures(30, 0.1)]
    assert [has_lost_patience(history[:count], 2) for count in range(5)] == [False, False, False, False, True]
    assert not has_lost_patience(history, None)


def ring(alarm: CollapseAlarm, spreads: Sequence[float]) -> list[str]:
    """Give what the alarm says of each: "" or the kind of collapse."""
    told = []
    for spread in spreads:
        collapse = alarm.watch({None: spread})
        told.append("" if collapse is None else "fallen" if collapse.fallen else "flat")
    return told


@pytest.mark.parametrize(
    ("spreads", "place", "kind"),
    [
        ([2.0, 1.5, 0.05, 0.03, 0.0], 3, "fallen"),
        ([0.05, 3.0, 4.0, 0.06, 0.05, 0.01], 3, "fallen"),
        ([1.0, 0.0], 1, "fallen"),
        ([0.05, 3.0, 3.0, 0.05, 0.05], 3, "fallen"),
        ([0.001, 2.0, 2.0, 0.001], 3, "fallen"),
        ([2e-5, 1.5e-5, 5e-6], 2, "fallen"),
        ([0.0, 0.0, 0.0], 1, "flat"),
        ([1e-7, 3e-7], 1, "flat"),
    ],
)
def test_the_alarm_rings_once_when_passages_are_told_apart_no_more(spreads: list[float], place: int, kind: str) -> None:
    expected = [""] * len(spreads)
    expected[place] = kind
    assert ring(CollapseAlarm(), spreads) == expected


@pytest.mark.parametrize(
    "spreads", [[10.0, *[0.45] * 6], [0.0, 0.1, 2.0], [1e-4, 2e-5, 3.0], [0.001, 2.0, 0.05], [0.0], []]
)
def test_the_alarm_is_silent_where_passages_are_told_apart(spreads: list[float]) -> None:
    assert set(ring(CollapseAlarm(), spreads)) <= {""}


def test_the_alarm_names_the_layers_that_collapsed_each_once() -> None:
    alarm = CollapseAlarm()
    assert alarm.watch({2: 1.0, 3: 1.0, 4: 0.0, 5: 1.0}) is None
    first = alarm.watch({2: 0.001, 3: 0.001, 4: 0.0, 5: 1.0})
    assert first == Collapse(fallen=(2, 3), flat=(4,))
    assert alarm.watch({2: 0.001, 3: 0.5, 4: 0.0, 5: 0.9}) is None
    fallen, flat = first.sentences(7)
    assert "At step 7 the scores of different passages have become nearly the same at layers 2, 3: the model" in fallen
    assert "all passages score the same, as they did from the start at layer 4: nothing" in flat


@pytest.mark.parametrize("seen", range(1, 6))
@pytest.mark.parametrize("spreads", [[1.0, 0.9, 0.001, 0.001, 0.001, 0.001], [0.0, 0.0, 0.0, 1.0, 0.0, 0.0]])
def test_the_alarm_goes_on_where_it_was(spreads: list[float], seen: int) -> None:
    first, second = CollapseAlarm(), CollapseAlarm()
    rung = ring(first, spreads[:seen])
    second.restore(json.loads(json.dumps(first.to_dict())))
    assert rung + ring(second, spreads[seen:]) == ring(CollapseAlarm(), spreads)


def test_probes_are_scored_at_the_start_and_the_end_and_twenty_times_at_most_between() -> None:
    def looks(steps: int, every: int) -> list[int]:
        last, found = None, []
        for step in (0, *range(every, steps + 1, every)):
            if is_due(step, last=last, steps=steps):
                found.append(last := step)
        return found

    assert looks(5, 1) == [0, 1, 2, 3, 4, 5]
    assert looks(1000, 1) == list(range(0, 1001, 50))
    assert looks(1000, 300) == [0, 300, 600, 900]
    assert looks(1001, 1)[-1] == 1001


@pytest.fixture
def task() -> RankingTask:
    passages = {
        f"p{number}": text for number, text in enumerate(["a bear", "tea", "a tower in paris", "bamboo leaf " * 80])
    }
    return RankingTask(
        name="small",
        queries={"q1": "what is panda?", "q2": "where is paris?", "q3": "what is tea?"},
        passages=passages,
        candidates={query: tuple(passages) for query in ("q1", "q2", "q3")},
        qrels={"q1": {"p0": 1}, "q2": {"p2": 1}, "q3": {"p1": 1}},
        prompts={"q1": "Does B answer A?"},
    )


@pytest.mark.parametrize("family", ["encoder", "decoder", "layerwise"])
def test_a_dev_set_is_measured_at_every_layer_with_the_prompts_of_its_rows(
    family: str, task: RankingTask, make_settings: MakeSettings, load: Callable[..., Any]
) -> None:
    reranker = load({"encoder": "encoder", "decoder": "llm"}.get(family, family))
    measured = DevSet(task, reranker, make_settings(family, prompt="Is B about A?")).measure(7)
    assert measured.step == 7
    assert set(measured.measures) == {"nDCG@10", "RR@10"}
    assert list(measured.by_layer) == (list(range(2, 9)) if family == "layerwise" else [])
    if family == "layerwise":
        assert measured.by_layer[8] == measured.measures["nDCG@10"]
        assert list(measured.spreads) == list(range(2, 9))
        assert measured.spreads[8] == measured.spread
    else:
        assert measured.spreads == {None: measured.spread}

    # By hand: each query's candidates in the order of the scores, under its own prompt.
    gains, spreads = [], []
    for query, relevant in (("q1", "p0"), ("q2", "p2"), ("q3", "p1")):
        prompt = {"q1": "Does B answer A?"}.get(query, "Is B about A?")
        pairs = [(task.queries[query], text) for text in task.passages.values()]
        scores = reranker.score(pairs, max_length=96, prompt=None if family == "encoder" else prompt).column()
        place = sorted(scores, reverse=True).index(dict(zip(task.passages, scores, strict=True))[relevant])
        gains.append(1 / (place + 1))
        spreads.append(pstdev(scores))
    assert measured.measures["RR@10"] == pytest.approx(fmean(gains))
    assert measured.spread == pytest.approx(fmean(spreads), rel=1e-5)


def test_a_dev_set_is_measured_with_the_instructions_of_training(
    task: RankingTask, make_settings: MakeSettings, load: Callable[..., Any]
) -> None:
    instructions = {"query_instruction": "Question: ", "passage_instruction": "Answer: "}
    settings = make_settings("decoder", **{f"{name}_for_rerank": text for name, text in instructions.items()})
    measured = DevSet(task, load("llm"), settings).measure(0)
    spreads = []
    for query in task.queries:
        pairs = [(task.queries[query], text) for text in task.passages.values()]
        prompt = task.prompts.get(query)
        spreads.append(pstdev(load("llm").score(pairs, max_length=96, prompt=prompt, **instructions).column()))
    assert measured.spread == pytest.approx(fmean(spreads), rel=1e-5)
    assert measured.spread != pytest.approx(DevSet(task, load("llm"), make_settings("decoder")).measure(0).spread, rel=1e-3)


def test_figures_come_back_from_json() -> None:
    layers = {8: 0.5, 9: 0.25}
    one = DevFigures(step=3, measures={"nDCG@10": 0.25}, by_layer=layers, spread=0.1, spread_by_layer={8: 0.2, 9: 0.1})
    assert DevFigures.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_numbers_that_are_not_finite_are_null_in_the_metrics(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    MetricsFile(path, writes=True).add("train", step=1, loss=float("nan"), by_layer={2: float("inf"), 3: 0.5})
    MetricsFile(path, writes=False).add("train", step=2, loss=1.0)
    (line,) = path.read_text(encoding="utf-8").splitlines()
    values = json.loads(line)
    assert (values["loss"], values["by_layer"]) == (None, {"2": None, "3": 0.5})


def test_what_follows_a_line_that_broke_off_is_read(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    metrics = MetricsFile(path, writes=True)
    for step in (1, 2, 3):
        metrics.add("train", step=step, loss=1.0 / step)
    path.write_bytes(path.read_bytes()[:-20])  # the disk was full
    metrics.add("event", step=1, event="resumed", message="Went on from checkpoint-1.")
    metrics.add("train", step=2, loss=0.25)
    seen = read_metrics(path)
    assert [event["event"] for event in seen.events] == ["resumed"]
    assert [(point["step"], point["loss"]) for point in seen.train] == [(1, 1.0), (2, 0.25)]
