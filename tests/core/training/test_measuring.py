"""The dev set's figures, the best step, patience, and the alarm for scores that become all the same."""

import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, pstdev
from typing import Any

import pytest

from reranker_core.evaluation import RankingTask
from reranker_core.training.measuring import CollapseAlarm, DevSet, find_best, has_lost_patience
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


def test_the_alarm_rings_once_when_the_dev_set_is_told_apart_no_more() -> None:
    alarm = CollapseAlarm()
    assert [alarm.watch_dev(spread) for spread in (2.0, 1.5, 0.11, 0.09, 0.0)] == [False, False, False, True, False]


def test_the_alarm_rings_in_training_only_when_several_batches_agree() -> None:
    alarm = CollapseAlarm()
    spreads = [1.0, 0.8, 0.0, 1.0, 0.04, 0.04, 0.04, 0.04, 0.04, 0.0]
    assert [alarm.watch_training(spread) for spread in spreads].index(True) == 8


@pytest.mark.parametrize("seen", range(1, 9))
def test_the_alarm_goes_on_where_it_was(seen: int) -> None:
    spreads = [1.0, 0.9, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03, 0.03]
    whole = CollapseAlarm()
    expected = [whole.watch_training(spread) for spread in spreads]
    first, second = CollapseAlarm(), CollapseAlarm()
    rung = [first.watch_training(spread) for spread in spreads[:seen]]
    second.restore(json.loads(json.dumps(first.to_dict())))
    assert rung + [second.watch_training(spread) for spread in spreads[seen:]] == expected


@pytest.fixture
def task() -> RankingTask:
    passages = {f"p{number}": text for number, text in enumerate(["a bear", "tea", "a tower in paris", "bamboo"])}
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
    one = DevFigures(step=3, measures={"nDCG@10": 0.25}, by_layer={8: 0.5, 9: 0.25}, spread=0.1)
    assert DevFigures.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_numbers_that_are_not_finite_are_null_in_the_metrics(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    MetricsFile(path, writes=True).add("train", step=1, loss=float("nan"), by_layer={2: float("inf"), 3: 0.5})
    MetricsFile(path, writes=False).add("train", step=2, loss=1.0)
    (line,) = path.read_text(encoding="utf-8").splitlines()
    values = json.loads(line)
    assert (values["loss"], values["by_layer"]) == (None, {"2": None, "3": 0.5})
