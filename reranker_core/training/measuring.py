"""Measuring while it trains: the dev set, the best step so far, and the alarm for scores that become all the same."""

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch.distributed

from reranker_core.evaluation import MEASURES, RankingTask, measure_run, score_task
from reranker_core.examples import Run
from reranker_core.families.base import NeuralReranker
from reranker_core.reranker import Progress
from reranker_core.training.results import DevFigures
from reranker_core.training.settings import TrainingSettings

BEST_BY = "nDCG@10"

# Of the spread at the start, below which scores tell nothing apart any more.
_COLLAPSED = 0.05

# Batches of training are few queries: their spread is averaged over so many logged steps.
_WINDOW = 5


class DevSet:
    """Measures a reranker as it is; each process scores its share of the queries."""

    def __init__(
        self,
        task: RankingTask,
        reranker: NeuralReranker,
        settings: TrainingSettings,
        *,
        processes: int = 1,
        process: int = 0,
    ) -> None:
        """Take what to rank.

        Args:
            task: the dev set.
            reranker: to measure, whatever its weights are then.
            settings: their lengths, instructions and default prompt.
            processes: how many measure together.
            process: which one this is, from 0.
        """
        default = {} if settings.prompt is None else dict.fromkeys(task.queries, settings.prompt)
        share = dict(list(task.candidates.items())[process::processes])
        self.task = replace(task, prompts=default | task.prompts)
        self._share = replace(self.task, candidates=share)
        self._reranker, self._processes = reranker, processes
        self._instructions = (settings.query_instruction_for_rerank, settings.passage_instruction_for_rerank)
        self._max_length = min(reranker.inputs.context, settings.query_max_len + settings.passage_max_len)

    def measure(self, step: int, *, on_progress: Progress | None = None) -> DevFigures:
        """Measure the reranker; the same figures in every process.

        Args:
            step: that the weights are of.
            on_progress: as for `score_task`.
        """
        layers = None if self._reranker.cutoff_range is None else list(self._reranker.cutoff_range)
        runs: dict[int | None, Run] = {}
        if self._share.candidates:
            runs = score_task(
                self._reranker,
                self._share,
                max_length=self._max_length,
                cutoff_layers=layers,
                query_instruction=self._instructions[0],
                passage_instruction=self._instructions[1],
                on_progress=on_progress,
            )
        if self._processes > 1:
            runs = _join(runs)
        deepest = max(runs, key=lambda layer: layer or 0)
        measured = {
            layer: measure_run(run, self.task.qrels, measures=MEASURES, relevant_from=self.task.relevant_from).means
            for layer, run in runs.items()
        }
        return DevFigures(
            step=step,
            measures=measured[deepest],
            by_layer={layer: means[BEST_BY] for layer, means in measured.items() if layer is not None},
            spread=_measure_spread(runs[deepest]),
        )


def find_best(history: Sequence[DevFigures]) -> DevFigures:
    """Find the best measurement; of equal ones the earliest."""
    return max(history, key=lambda figures: figures.measures[BEST_BY])


def has_lost_patience(history: Sequence[DevFigures], patience: int | None) -> bool:
    """Say whether so many measurements after the best brought nothing better."""
    if patience is None or not history:
        return False
    return len(history) - 1 - history.index(find_best(history)) >= patience


class CollapseAlarm:
    """Watches whether scores become all the same: then the model says nothing any more."""

    def __init__(self) -> None:
        """Start without having seen anything."""
        self._dev: list[float] = []
        self._training: list[float] = []
        self._has_rung = False

    def watch_dev(self, spread: float) -> bool:
        """Take the spread on the dev set; gives `True` at the first sign of a collapse."""
        self._dev.append(spread)
        return self._ring(spread < _COLLAPSED * self._dev[0])

    def watch_training(self, spread: float) -> bool:
        """Take the spread within the groups of some steps; gives `True` at the first sign of a collapse."""
        self._training.append(spread)
        recent = self._training[1:][-_WINDOW:]
        return self._ring(len(recent) == _WINDOW and statistics.fmean(recent) < _COLLAPSED * self._training[0])

    def to_dict(self) -> dict[str, Any]:
        """Give what it has seen, as JSON values."""
        return {
            "dev": self._dev[:1],
            "training": self._training[:1] + self._training[1:][-_WINDOW:],
            "rung": self._has_rung,
        }

    def restore(self, values: Mapping[str, Any]) -> None:
        """Go on from what `to_dict` gave."""
        self._dev, self._training = list(values["dev"]), list(values["training"])
        self._has_rung = values["rung"]

    def _ring(self, has_collapsed: bool) -> bool:
        rings = has_collapsed and not self._has_rung
        self._has_rung = self._has_rung or has_collapsed
        return rings


def _join(runs: dict[int | None, Run]) -> dict[int | None, Run]:
    """Put the shares of all processes together."""
    shares: list[dict[int | None, Run]] = [{}] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(shares, runs)
    joined: dict[int | None, Run] = {}
    for share in shares:
        for layer, run in share.items():
            joined.setdefault(layer, {}).update(run)
    return joined


def _measure_spread(run: Run) -> float:
    spreads = [statistics.pstdev(scores.values()) for scores in run.values() if len(scores) > 1]
    return statistics.fmean(spreads) if spreads else 0.0
