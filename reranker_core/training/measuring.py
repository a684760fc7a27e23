"""Measuring while it trains: the dev set, and the best step so far."""

import statistics
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace

import torch.distributed

from reranker_core.errors import ScoringError
from reranker_core.evaluation import MEASURES, RankingTask, measure_run, score_task
from reranker_core.examples import Run
from reranker_core.families.base import NeuralReranker
from reranker_core.reranker import Progress
from reranker_core.training.results import DevFigures
from reranker_core.training.settings import TrainingSettings

BEST_BY = "nDCG@10"


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
        runs = self.score(on_progress=on_progress)
        deepest = max(runs, key=lambda layer: layer or 0)
        measured = {
            layer: measure_run(run, self.task.qrels, measures=MEASURES, relevant_from=self.task.relevant_from).means
            for layer, run in runs.items()
        }
        spreads = measure_spreads(runs)
        return DevFigures(
            step=step,
            measures=measured[deepest],
            by_layer={layer: means[BEST_BY] for layer, means in measured.items() if layer is not None},
            spread=spreads[deepest],
            spread_by_layer={layer: spread for layer, spread in spreads.items() if layer is not None},
        )

    def score(self, *, on_progress: Progress | None = None, may_fail: bool = False) -> dict[int | None, Run]:
        """Score all candidates, at every layer; the same runs in every process.

        Args:
            on_progress: as for `score_task`.
            may_fail: leave out a process's share that cannot be scored.

        Raises:
            ScoringError: as `score_task`, unless `may_fail`.
        """
        layers = None if self._reranker.cutoff_range is None else list(self._reranker.cutoff_range)
        runs: dict[int | None, Run] = {}
        if self._share.candidates:
            with suppress(*((ScoringError,) if may_fail else ())):
                runs = score_task(
                    self._reranker,
                    self._share,
                    max_length=self._max_length,
                    cutoff_layers=layers,
                    query_instruction=self._instructions[0],
                    passage_instruction=self._instructions[1],
                    on_progress=on_progress,
                )
        return _join(runs) if self._processes > 1 else runs


def find_best(history: Sequence[DevFigures]) -> DevFigures:
    """Find the best measurement; of equal ones the earliest."""
    return max(history, key=lambda figures: figures.measures[BEST_BY])


def has_lost_patience(history: Sequence[DevFigures], patience: int | None) -> bool:
    """Say whether so many measurements after the best brought nothing better."""
    if patience is None or not history:
        return False
    return len(history) - 1 - history.index(find_best(history)) >= patience


def _join(runs: dict[int | None, Run]) -> dict[int | None, Run]:
    """Put the shares of all processes together."""
    shares: list[dict[int | None, Run]] = [{}] * torch.distributed.get_world_size()
    torch.distributed.all_gather_object(shares, runs)
    joined: dict[int | None, Run] = {}
    for share in shares:
        for layer, run in share.items():
            joined.setdefault(layer, {}).update(run)
    return joined


def measure_spreads(runs: Mapping[int | None, Run]) -> dict[int | None, float]:
    """Measure how far scores lie apart: their standard deviation within a query, averaged over the queries, by layer."""
    spreads = {
        layer: [statistics.pstdev(scores.values()) for scores in run.values() if len(scores) > 1]
        for layer, run in runs.items()
    }
    return {layer: statistics.fmean(values) if values else 0.0 for layer, values in spreads.items()}
