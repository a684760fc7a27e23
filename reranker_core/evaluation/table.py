"""Systems side by side: what they measure, the difference to one of them, and what they cost."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from reranker_core.errors import InputError
from reranker_core.evaluation.comparison import Comparison, adjust, compare_runs
from reranker_core.evaluation.measures import MEASURES
from reranker_core.evaluation.systems import EvaluatedSystem, evaluate_systems
from reranker_core.evaluation.tasks import RankingTask
from reranker_core.mining.corpus_index import OnProgress
from reranker_core.reranker import Reranker

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Systems over one task, compared with one of them.

    Attributes:
        task: what was ranked.
        systems: in the order in which they were evaluated.
        baseline: the title of the system that the others are compared with; `None` where there is only one.
        comparisons: by title, of all but the baseline, in the first measure; their p adjusted by Holm over all of them.
    """

    task: RankingTask
    systems: tuple[EvaluatedSystem, ...]
    baseline: str | None
    comparisons: dict[str, Comparison]

    def list_rows(self) -> Iterator[dict[str, Any]]:
        """Give a row for each system, of plain values: what `to_frame` and jsonl hold.

        Keys: `task`, `system`, `model`, `layer`, `queries`, one for each measure (the mean), `judged_only` (a dict of the
        same without ungraded passages), `judged_share`, `relevant_from`, then of the comparison `baseline`, `difference`,
        `low`, `high`, `p`, `wins`, `ties`, `losses`, `detectable`, `verdict` (all `None` for the baseline), and `pairs`,
        `seconds`, `pairs_per_second`, `layers_share`.
        """
        for one in self.systems:
            comparison = self.comparisons.get(one.system.title)
            yield {
                "task": self.task.name,
                "system": one.system.title,
                "model": one.system.name,
                "layer": one.system.layer,
                "queries": one.measured.queries,
                **one.measured.means,
                "judged_only": dict(one.judged_only.means),
                "judged_share": one.measured.judged_share,
                "relevant_from": one.measured.relevant_from,
                "baseline": self.baseline if comparison else None,
                **{name: getattr(comparison, name, None) for name in _COMPARED},
                "pairs": one.pairs,
                "seconds": one.seconds,
                "pairs_per_second": one.pairs_per_second,
                "layers_share": one.layers_share,
            }

    def list_queries(self) -> Iterator[dict[str, Any]]:
        """Give a row for each query and system: `query_id`, `query`, `system`, and one key for each measure."""
        for query_id, query in self.task.queries.items():
            for one in self.systems:
                if query_id in one.measured.by_query:
                    yield {
                        "query_id": query_id,
                        "query": query,
                        "system": one.system.title,
                        **one.measured.by_query[query_id],
                    }

    def to_frame(self) -> "pd.DataFrame":
        """Lay the rows out as a table; the values of `judged_only` become columns such as `nDCG@10 judged only`."""
        import pandas as pd

        rows = []
        for row in self.list_rows():
            judged_only = row.pop("judged_only")
            rows.append(row | {f"{name} judged only": value for name, value in judged_only.items()})
        return pd.DataFrame(rows).astype({"layer": "Int64"})


_COMPARED = ("difference", "low", "high", "p", "wins", "ties", "losses", "detectable", "verdict")


def compare_systems(task: RankingTask, systems: Sequence[EvaluatedSystem], *, baseline: str | None = None) -> Evaluation:
    """Put systems side by side.

    Args:
        task: what they ranked.
        systems: at least one.
        baseline: the title of the one that the others are compared with; by default the first with a model, else the
            first.

    Raises:
        InputError: there is no system of that title.
    """
    titles = [one.system.title for one in systems]
    if baseline is not None and baseline not in titles:
        raise InputError(f'There is no system "{baseline}" to compare with. There are: {", ".join(titles) or "none"}.')
    if len(systems) < 2:
        return Evaluation(task=task, systems=tuple(systems), baseline=None, comparisons={})
    chosen = systems[titles.index(baseline)] if baseline else _choose_baseline(systems)
    others = [one for one in systems if one is not chosen]
    measure = next(iter(chosen.measured.means))
    compared = adjust([compare_runs(chosen.measured, one.measured, measure=measure) for one in others])
    return Evaluation(
        task=task,
        systems=tuple(systems),
        baseline=chosen.system.title,
        comparisons={one.system.title: comparison for one, comparison in zip(others, compared, strict=True)},
    )


def evaluate(
    task: RankingTask,
    rerankers: Sequence[tuple[str, Reranker]] = (),
    *,
    measures: Sequence[str] = MEASURES,
    cutoff_layers: Sequence[int] | int | None = None,
    max_length: int | None = None,
    fuse: bool = False,
    baseline: str | None = None,
    on_progress: OnProgress | None = None,
) -> Evaluation:
    """Evaluate BM25 and rerankers over a task, and compare them; see `evaluate_systems` and `compare_systems`.

    Args:
        task: what is ranked, as `read_task` gives it.
        rerankers: with the names that tell them apart.
        measures: as ir-measures writes them; the first is compared.
        cutoff_layers: for layerwise models, each a system of its own; others are scored by their whole depth.
        max_length: tokens of a pair; by default the model's own.
        fuse: after each model, also its reciprocal rank fusion with BM25.
        baseline: the title of the system that the others are compared with; by default the first model, or BM25.
        on_progress: see `OnProgress`.

    Raises:
        InputError: as those two.
        ScoringError: as `Reranker.score`.

    Example:
        >>> from reranker_core.examples import TrainingExample
        >>> from reranker_core.evaluation import make_rows_task
        >>> row = TrainingExample(query="what do pandas eat?", pos=("Pandas eat bamboo.",), neg=("Paris is a city.",))
        >>> evaluation = evaluate(make_rows_task([row], name="toy"))
        >>> evaluation.systems[0].system.title, evaluation.systems[0].measured.means
        ('bm25', {'nDCG@10': 1.0, 'RR@10': 1.0})
    """
    systems = evaluate_systems(
        task,
        rerankers,
        measures=measures,
        cutoff_layers=cutoff_layers,
        max_length=max_length,
        fuse=fuse,
        on_progress=on_progress,
    )
    return compare_systems(task, list(systems), baseline=baseline)


def _choose_baseline(systems: Sequence[EvaluatedSystem]) -> EvaluatedSystem:
    return next((one for one in systems if one.is_model), systems[0])
