"""What a model is measured on while it trains: a dev set of its own, or a share of the training rows held out."""

import hashlib
import os
from dataclasses import replace
from pathlib import Path

from reranker_core.errors import InputError
from reranker_core.evaluation.task_files import is_snapshot, make_rows_task, read_task
from reranker_core.evaluation.tasks import RankingTask
from reranker_core.examples import TrainingExample, open_beir, read_snapshot
from reranker_core.training.data import TrainingData, fold_query, read_training_data
from reranker_core.training.settings import TrainingSettings


def read_dev_data(place: str | os.PathLike[str]) -> RankingTask:
    """Read a dev set.

    - jsonl: each query ranks the positives and negatives of its rows.
    - snapshot: the part `dev`, with its candidates.
    - BEIR folder: `qrels/dev.tsv`, or the only split, with BM25's best 100 of the corpus as candidates.

    Args:
        place: the file or folder.

    Raises:
        InputError: it is none of these, a file of it is bad, it has no dev part, or that part has no grades.
    """
    path = Path(place)
    if not path.is_dir():
        return read_task(path)
    if is_snapshot(path):
        return read_task(path, split="dev")
    splits = open_beir(path).splits
    if "dev" not in splits and len(splits) != 1:
        raise InputError(
            f"{path} has no qrels/dev.tsv, and {len(splits)} other splits ({', '.join(splits) or 'none'}). Add "
            "qrels/dev.tsv with the queries to measure on."
        )
    return read_task(path, split="dev" if "dev" in splits else splits[0])


def use_own_dev_part(settings: TrainingSettings) -> tuple[TrainingSettings, list[str]]:
    """Take the dev part of the snapshot that is trained on as the dev set, unless another or a share was asked for.

    Returns:
        The settings, and what there is to say about it.

    Raises:
        InputError: the snapshot was changed, eval_strategy steps lacks eval_steps, or there is nothing to measure on and
            early stopping needs it.
    """
    chosen, notes = _choose_dev_part(settings)
    if chosen.early_stopping_patience is not None and chosen.dev_data is None and not chosen.hold_out:
        needed = ["early_stopping_patience needs measurements.", *notes, "Give dev_data or hold_out, or leave it out."]
        raise InputError(" ".join(needed))
    return chosen, notes


def _choose_dev_part(settings: TrainingSettings) -> tuple[TrainingSettings, list[str]]:
    snapshots = [path for path in settings.train_data if path.is_dir() and is_snapshot(path)]
    if settings.dev_data is not None or settings.hold_out > 0 or not snapshots:
        return settings, []
    if len(snapshots) > 1:
        return settings, ["Several snapshots are trained on, so none of their dev parts is measured on. Give dev_data."]
    (snapshot,) = snapshots
    if not read_snapshot(snapshot).read_qrels("dev"):
        return settings, [f"The dev part of {snapshot} is empty, so it is not measured on."]
    return replace(settings, dev_data=snapshot), [f"Measured on is the dev part of {snapshot}."]


def read_run_data(settings: TrainingSettings) -> tuple[TrainingData, RankingTask | None]:
    """Read what a run trains on and what it measures on, `None` where there is no dev set.

    Raises:
        InputError: a file cannot be used, or nothing would be left to train or to measure on.
    """
    data = read_training_data(settings)
    if settings.dev_data is not None:
        return data, read_dev_data(settings.dev_data)
    if settings.hold_out > 0:
        rows, task = hold_out(data, settings.hold_out)
        return data.with_rows(rows), task
    return data, None


def hold_out(data: TrainingData, share: float) -> tuple[tuple[TrainingExample, ...], RankingTask]:
    """Part training rows into those that train and a dev set.

    A hash of the query decides, without regard to case, spaces and compatibility forms: rows of one query stay together,
    near copies of a query too, and rows that come later move nothing.

    Args:
        data: the rows; random passages for rows without negatives come from its corpus.
        share: of the queries to hold out, 0 to 1, both excluded. Of few queries the share is kept only roughly.

    Returns:
        The rows that train, in their order, and the dev set.

    Raises:
        InputError: the share is out of range, or nothing would be held out, or nothing would be left to train on.
    """
    if not 0 < share < 1:
        raise InputError(f"The share to hold out must lie between 0 and 1, got {share}. 0.2 is usual.")
    is_held_out = [_place(example.query) < share for example in data.rows]
    held_out = [example for example, is_held in zip(data.rows, is_held_out, strict=True) if is_held]
    rows = tuple(example for example, is_held in zip(data.rows, is_held_out, strict=True) if not is_held)
    if not held_out or not rows:
        raise InputError(
            f"Holding out {share:.0%} of {len(data.rows)} rows leaves {len(rows)} to train on and {len(held_out)} to "
            "measure on. Add rows, hold out another share, or give dev_data."
        )
    return rows, make_rows_task(held_out, name=f"{share:.0%} of the training queries, held out", corpus=data.corpus)


def _place(query: str) -> float:
    """Give a query its place from 0 to below 1, by a hash as snapshots place queries (annotations.exchange.splits)."""
    digest = hashlib.sha256(f"hold out {fold_query(query)}".encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64
