"""Systems over one task, one after the other: BM25, any rerankers, their layers, and each of them fused with BM25."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from reranker_core.evaluation.measures import MEASURES, MeasuredRun, measure_run
from reranker_core.evaluation.tasks import RankingTask, as_run, score_task
from reranker_core.examples import Run
from reranker_core.mining.corpus_index import CorpusIndex, OnProgress
from reranker_core.mining.ranking import BM25, System, check_name, order_scores
from reranker_core.reranker import Progress, Reranker

FUSION = 60
"""The constant of reciprocal rank fusion (Cormack, Clarke and Büttcher 2009, SIGIR)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluatedSystem:
    """What ranked a task, how well, and at what cost.

    Attributes:
        system: by its title; `name` is the model's, `layer` its cutoff layer.
        run: the ranking, best first.
        measured: over all candidates.
        judged_only: the same with passages without a grade taken out.
        pairs: how many were scored.
        seconds: wall-clock time of scoring; all layers of a model in one pass, so the deepest sets it. `None` where
            nothing was scored here.
        depth: how many layers the model has, where it gives scores at several.
        is_model: whether a reranker ranked it alone: neither BM25 nor a fusion.
    """

    system: System
    run: Run = field(repr=False)
    measured: MeasuredRun = field(repr=False)
    judged_only: MeasuredRun = field(repr=False)
    pairs: int
    seconds: float | None = None
    depth: int | None = None
    is_model: bool = False

    @property
    def pairs_per_second(self) -> float | None:
        """The speed of the pass that scored it."""
        return self.pairs / self.seconds if self.seconds else None

    @property
    def layers_share(self) -> float | None:
        """The share of the model's layers that this one needs, 0 to 1: about its cost when it is asked for alone."""
        layer = self.system.layer
        return layer / self.depth if self.depth and layer is not None else None


def evaluate_systems(
    task: RankingTask,
    rerankers: Iterable[tuple[str, Reranker]] = (),
    *,
    measures: Sequence[str] = MEASURES,
    cutoff_layers: Sequence[int] | int | None = None,
    max_length: int | None = None,
    fuse: bool = False,
    on_progress: OnProgress | None = None,
) -> Iterator[EvaluatedSystem]:
    """Evaluate systems and give each as soon as it is done: those of `evaluate_first`, then each reranker.

    Args:
        task: what is ranked.
        rerankers: with the names that tell them apart. Gone through once and none is held on to, so that a generator may
            load one after the other.
        measures: as for `measure_run`.
        cutoff_layers: for layerwise models; others are not asked for layers.
        max_length: tokens of a pair.
        fuse: after each model, also give its reciprocal rank fusion with BM25.
        on_progress: see `OnProgress`.

    Raises:
        InputError: a measure is unknown, or two systems have one name.
        ScoringError: as `Reranker.score`. What was given before is done.
    """
    first = evaluate_first(task, measures=measures, on_progress=on_progress)
    yield from first
    taken = [one.system.title for one in first]
    for name, reranker in rerankers:
        check_name(name, reranker, taken=taken)
        taken.append(name)
        yield from evaluate_reranker(
            task,
            reranker,
            name=name,
            measures=measures,
            cutoff_layers=cutoff_layers,
            max_length=max_length,
            fuse_with=first[-1].run if fuse else None,
            on_progress=on_progress,
        )
        del reranker  # or it stays in memory while the next one is loaded


def evaluate_first(
    task: RankingTask, *, measures: Sequence[str] = MEASURES, on_progress: OnProgress | None = None
) -> list[EvaluatedSystem]:
    """Evaluate what needs no model: the order in which the candidates came, if it means something, and BM25.

    BM25 is the last one. Where it found the candidates, their order is BM25's, and the only one.

    Raises:
        InputError: a measure is unknown.
    """
    found = []
    if task.first_stage:
        system = System(title=task.first_stage, name=task.first_stage)
        found.append(_measure(task, system, as_run(task.candidates), measures=measures))
    if task.first_stage != BM25:
        started = time.perf_counter()
        run = rank_by_bm25(task, on_progress=on_progress)
        seconds = time.perf_counter() - started
        found.append(_measure(task, System(title=BM25, name=BM25), run, measures=measures, seconds=seconds))
    return found


def evaluate_reranker(
    task: RankingTask,
    reranker: Reranker,
    *,
    name: str,
    measures: Sequence[str] = MEASURES,
    cutoff_layers: Sequence[int] | int | None = None,
    max_length: int | None = None,
    fuse_with: Run | None = None,
    on_progress: OnProgress | None = None,
) -> list[EvaluatedSystem]:
    """Evaluate one reranker, each of its layers a system, and with `fuse_with` also each one's fusion with that run.

    Raises:
        InputError: as `Reranker.score`, or a measure is unknown.
        ScoringError: as `Reranker.score`.
    """
    started = time.perf_counter()
    runs = score_task(
        reranker, task, max_length=max_length, cutoff_layers=cutoff_layers, on_progress=_name(on_progress, name)
    )
    seconds = time.perf_counter() - started
    found = []
    for layer, run in runs.items():
        title = name if len(runs) == 1 else f"{name}@{layer}"
        system = System(title=title, name=name, layer=layer)
        found.append(_measure(task, system, run, measures=measures, seconds=seconds, depth=reranker.depth, is_model=True))
        if fuse_with is not None:
            fused = System(title=f"{title} + {BM25}", name=name, layer=layer)
            found.append(_measure(task, fused, fuse_runs([fuse_with, run]), measures=measures, depth=reranker.depth))
    return found


def rank_by_bm25(task: RankingTask, *, on_progress: OnProgress | None = None) -> Run:
    """Rank the candidates of a task by BM25, with words counted over all passages of the task.

    Returns:
        Scores by query and passage id, best first; 0 for a passage without a word of the query.
    """
    index = CorpusIndex(task.passages, on_progress=on_progress)
    run: Run = {}
    for query_id, passage_ids in task.candidates.items():
        found = index.search(task.queries[query_id], depth=len(index.ids)) if passage_ids else {}
        run[query_id] = order_scores(
            {passage_id: found.get(index.find_id(passage_id) or "", 0.0) for passage_id in passage_ids}
        )
    return run


def fuse_runs(runs: Sequence[Mapping[str, Mapping[str, float]]], *, constant: int = FUSION) -> Run:
    """Fuse runs by reciprocal rank: each passage gets the sum of 1 / (constant + rank) over the runs that have it.

    Ranks count from 1, equal scores in the order of a hash of the passage id. A run that lacks a passage adds nothing.

    Example:
        >>> fuse_runs([{"q": {"a": 9.0, "b": 2.0}}, {"q": {"b": 0.5}}], constant=1)
        {'q': {'b': 0.8333333333333333, 'a': 0.5}}
    """
    fused: Run = {}
    for run in runs:
        for query_id, scores in run.items():
            row = fused.setdefault(query_id, {})
            for rank, passage_id in enumerate(order_scores(scores), start=1):
                row[passage_id] = row.get(passage_id, 0.0) + 1 / (constant + rank)
    return {query_id: order_scores(row) for query_id, row in fused.items()}


def _measure(
    task: RankingTask,
    system: System,
    run: Run,
    *,
    measures: Sequence[str],
    seconds: float | None = None,
    depth: int | None = None,
    is_model: bool = False,
) -> EvaluatedSystem:
    def measure(*, judged_only: bool) -> MeasuredRun:
        return measure_run(run, task.qrels, measures=measures, relevant_from=task.relevant_from, judged_only=judged_only)

    return EvaluatedSystem(
        system=system,
        run=run,
        measured=measure(judged_only=False),
        judged_only=measure(judged_only=True),
        pairs=task.pairs,
        seconds=seconds,
        depth=depth,
        is_model=is_model,
    )


def _name(on_progress: OnProgress | None, name: str) -> Progress | None:
    return None if on_progress is None else lambda done, total: on_progress(f"scoring by {name}", done / total)
