"""What a report judges on: labels that were kept apart, and what there is to say against them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from reranker_core.errors import InputError
from reranker_core.evaluation import RankingTask, read_task
from reranker_core.evaluation.task_files import is_snapshot
from reranker_core.examples import open_beir, read_snapshot
from reranker_core.training.data import fold_query, read_training_data
from reranker_core.training.dev_data import read_run_data, use_own_dev_part
from reranker_core.training.settings import TrainingSettings

FEW_QUERIES = 50
"""Below these only large differences can be shown: where they vary by 0.2, 30 queries show 0.10 and 50 show 0.08."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedOn:
    """What is judged on.

    Attributes:
        task: queries, candidates and grades.
        source: the file or folder that it came from, the first of several.
        chose_step: whether the run kept the step that was best on these very queries.
        notes: what is to be said of it, in sentences.
    """

    task: RankingTask
    source: str
    chose_step: bool
    notes: tuple[str, ...] = ()


def find_judged_on(settings: TrainingSettings, data: Path | None = None) -> JudgedOn | None:
    """Find what a run is judged on.

    Args:
        settings: of the run.
        data: a snapshot (its test part, or dev where test has no grades), a BEIR folder (its test split, or the only one)
            or training rows. By default the test part of the run's own snapshot or dev data, else what the run measured on.

    Returns:
        `None` where nothing was kept apart.

    Raises:
        InputError: `data` cannot be used, or files of the run have changed since.
    """
    settings, _ = use_own_dev_part(settings)
    found = _read_given(settings, data) if data is not None else _find_test_part(settings)
    if found is not None:
        return found
    if settings.dev_data is None and settings.hold_out == 0:
        return None
    _, task = read_run_data(settings)
    if task is None:
        return None
    return JudgedOn(task=task, source=str(settings.dev_data or settings.train_data[0]), chose_step=True)


def warn_of(found: JudgedOn, *, trained: int | None) -> Iterator[str]:
    """Say what speaks against figures on these queries.

    Args:
        found: what is judged on.
        trained: how many of the queries were trained on, as `count_trained` gives it.
    """
    yield from found.notes
    count = len(found.task.qrels)
    if found.chose_step:
        yield (
            "The same queries chose which step was kept, so the tuned model looks better on them than it is. A snapshot "
            "with a test part, or other labels, would tell."
        )
    if count < FEW_QUERIES:
        yield f"{count:,} {'query is' if count == 1 else 'queries are'} few: only large differences can be shown."
    if trained is None:
        yield "The training rows are gone or were changed since, so it was not checked whether queries were trained on."
    elif trained:
        verb = "was" if trained == 1 else "were"
        yield (
            f"{trained:,} of {count:,} queries {verb} trained on too, so the tuned model looks better than it is. Judge on "
            "queries of their own."
        )


def count_trained(
    task: RankingTask, settings: TrainingSettings, *, learnt_from: Mapping[str, str] | None = None
) -> int | None:
    """Count the queries of a task that a run trained on.

    Args:
        task: what is judged on.
        settings: of the run.
        learnt_from: the SHA-256 of each file that was learnt from, as the run's result has it.

    Returns:
        `None` where the rows cannot be read any more, or are others now.
    """
    try:
        settings, _ = use_own_dev_part(settings)
        # A share that was held out was not trained on.
        data = read_run_data(settings)[0] if settings.hold_out > 0 else read_training_data(settings)
    except InputError:
        return None
    if learnt_from is not None and sorted(learnt_from.values()) != sorted(file.sha256 for file in data.files):
        return None
    trained = {fold_query(row.query) for row in data.rows}
    return sum(fold_query(task.queries[query_id]) in trained for query_id in task.qrels)


def _read_given(settings: TrainingSettings, data: Path) -> JudgedOn:
    """Read what was asked for."""
    split = None
    if data.is_dir() and is_snapshot(data):
        split = "test" if read_snapshot(data).read_qrels("test") else "dev"
    task = read_task(data, split=split)
    is_dev = settings.dev_data is not None and _is_same(settings.dev_data, data)
    # A folder has other splits than the one that chose.
    chose = is_dev and (not data.is_dir() or split == "dev" or task.name.endswith("(dev)"))
    notes = (f"The test part of {data.name} has no grades, so its dev part is judged on.",) if split == "dev" else ()
    return JudgedOn(task=task, source=str(data), chose_step=chose, notes=notes)


def _find_test_part(settings: TrainingSettings) -> JudgedOn | None:
    """Find the test part beside what was trained or measured on."""
    places = [settings.dev_data, *settings.train_data]
    for place in dict.fromkeys(filter(None, places)):
        if not place.is_dir():
            continue
        if is_snapshot(place):
            if read_snapshot(place).read_qrels("test"):
                return JudgedOn(task=read_task(place, split="test"), source=str(place), chose_step=False)
        elif place == settings.dev_data and {"dev", "test"} <= set(open_beir(place).splits):
            return JudgedOn(task=read_task(place, split="test"), source=str(place), chose_step=False)
    return None


def _is_same(one: Path, other: Path) -> bool:
    return one.expanduser().resolve() == other.expanduser().resolve()
