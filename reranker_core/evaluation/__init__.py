"""Rerankers measured: what is ranked, what a run is worth, and whether one is better than another.

- `read_task`, `make_rows_task`: a `RankingTask` out of a BEIR folder, a snapshot or training rows
- `score_task`: the runs of a reranker over it, one for each layer; `fuse_runs`: several runs into one
- `measure_run`: a run and qrels → measures by ir-measures, each query's too
- `compare_runs`: two measured runs → the difference, its interval, a test, and what could have been seen
- `evaluate`: all of it, side by side; `python -m reranker_core evaluate` is the same as a command

Nothing here needs torch; a neural reranker that is given does.
"""

from reranker_core.evaluation.comparison import Comparison, adjust, compare_measures, compare_runs
from reranker_core.evaluation.measures import MEASURES, MeasuredRun, measure_run
from reranker_core.evaluation.systems import EvaluatedSystem, evaluate_systems, fuse_runs, rank_by_bm25
from reranker_core.evaluation.table import Evaluation, compare_systems, evaluate
from reranker_core.evaluation.task_files import make_rows_task, read_task
from reranker_core.evaluation.tasks import RankingTask, score_task

__all__ = [
    "MEASURES",
    "Comparison",
    "EvaluatedSystem",
    "Evaluation",
    "MeasuredRun",
    "RankingTask",
    "adjust",
    "compare_measures",
    "compare_runs",
    "compare_systems",
    "evaluate",
    "evaluate_systems",
    "fuse_runs",
    "make_rows_task",
    "measure_run",
    "rank_by_bm25",
    "read_task",
    "score_task",
]
