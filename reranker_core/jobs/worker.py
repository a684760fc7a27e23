"""`python -m reranker_core.jobs.worker FOLDER ATTEMPT`: trains, judges what came out, and says how it ended.

The supervisor starts it. Its standard output and error are the job's log.
"""

import sys
import traceback
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reranker_core.errors import InputError, RerankerError
from reranker_core.jobs.data_hashes import find_change, hash_data
from reranker_core.jobs.failures import explain_failure
from reranker_core.jobs.folder import JobFolder, read_object
from reranker_core.jobs.records import read_settings
from reranker_core.jobs.state_file import StateFile
from reranker_core.jobs.telling import Telling

if TYPE_CHECKING:
    from reranker_core.training.progress import TrainingProgress
    from reranker_core.training.results import TrainingResult
    from reranker_core.training.settings import TrainingSettings

_FAILED = 1


class _StopRequest(Exception):
    """Somebody asked to stop where nothing is to be saved."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Work on a job; return 0, or 1 where it failed."""
    given = sys.argv[1:] if arguments is None else arguments
    folder, attempt = JobFolder(Path(given[0])), int(given[1])
    with StateFile(folder, attempt=attempt) as state:
        try:
            _work(folder, state, attempt=attempt)
        except _StopRequest:
            message = "Stopped before it had trained a step, so nothing new was to be saved. Resume takes it up again."
            state.finish("stopped", message=message, seconds_left=None)
        except Exception as error:  # the edge: whatever it was, the job says so
            _log_error()
            failure = explain_failure(error)
            wrong = {"kind": failure.kind, "message": failure.message}
            state.finish("failed", message=failure.message, error=wrong, seconds_left=None)
            return _FAILED
    return 0


def _work(folder: JobFolder, state: StateFile, *, attempt: int) -> None:
    record = read_object(folder.record) or {}
    settings = read_settings(record, folder.path)
    result = _find_result(folder)
    if result is None:
        _check_data(settings, record)
        result = _train(folder, state, settings, attempt=attempt, command=list(record.get("argv") or []))
    state.tell(step=result.steps, total=result.planned_steps, seconds_left=None)
    if result.status == "stopped":
        message = f"Stopped and saved after {result.steps:,} of {result.planned_steps:,} steps. Resume goes on from there."
        state.finish("stopped", message=message)
        return
    report_data = record.get("report_data")
    error = _report(folder, state, settings, result, data=Path(report_data) if report_data else None)
    message = "Trained, and judged in the report." if error is None else f"Trained; what was trained is saved. {error}"
    state.finish("completed", message=message, report_error=error)


def _find_result(folder: JobFolder) -> "TrainingResult | None":
    """Read the result of an earlier attempt that trained to the end; its places are where the job lies now."""
    if (read_object(folder.result) or {}).get("status") != "completed":
        return None
    from reranker_core.training.results import read_result

    result = read_result(folder.path)
    product, _ = folder.find_product()
    if product is None:
        raise RerankerError(
            f"What was trained is gone from {folder.path}, so no report can be made. Start a new job to train it again."
        )
    return replace(result, output_dir=folder.path, product=product)


def _check_data(settings: "TrainingSettings", record: Mapping[str, Any]) -> None:
    """Check that the data is what job.json says: a job may have waited for hours since it was read.

    Raises:
        InputError: it was changed, or cannot be read.
    """
    before, report_data = record.get("data"), record.get("report_data")
    if not isinstance(before, dict):
        return
    change = find_change(before, hash_data(settings, report_data=Path(report_data) if report_data else None))
    if change is not None:
        raise InputError(
            f"{change} since the job was started. Bring the data back as it was and resume, or start a new job."
        )


def _train(
    folder: JobFolder, state: StateFile, settings: "TrainingSettings", *, attempt: int, command: list[str]
) -> "TrainingResult":
    import shlex
    import warnings

    from reranker_core.training.run import train

    # transformers and peft tell their developers what will be removed one day; nobody can act on it here.
    warnings.simplefilter("ignore", FutureWarning)
    if attempt > 1:
        settings = replace(settings, resume_from_checkpoint="latest")
    telling = Telling(state)

    def tell(progress: "TrainingProgress") -> None:
        telling.tell(progress)
        if folder.stop.exists() and not telling.has_begun:
            raise _StopRequest

    def should_stop() -> bool:
        telling.has_begun = True  # this is asked after a step, also where no figures are told of it
        return folder.stop.exists()

    return train(settings, on_progress=tell, should_stop=should_stop, command=shlex.join(command))


def _report(
    folder: JobFolder, state: StateFile, settings: "TrainingSettings", result: "TrainingResult", *, data: Path | None
) -> str | None:
    """Make the report; give a sentence where that came to nothing, which takes nothing from what was trained."""
    state.tell(stage="evaluating", step=result.steps, total=result.planned_steps, message="Judging base and tuned model.")
    try:
        _leave_if_asked(folder)
        _free_memory()
        from reranker_core.reports import make_report, write_report

        def tell(stage: str, done: int, total: int) -> None:
            state.tell(message=f"{stage}: {done:,} of {total:,} pairs." if total else f"{stage}.")
            _leave_if_asked(folder)

        write_report(make_report(settings, result, data=data, on_progress=tell), folder.path)
    except _StopRequest:
        return "It was stopped before the report was made."
    except Exception as error:  # the edge: whatever it was, the training is done
        _log_error()
        return f"The report failed: {explain_failure(error).message}"
    return None


def _log_error() -> None:
    with suppress(OSError):  # a log that has no room on the disk
        traceback.print_exc()


def _leave_if_asked(folder: JobFolder) -> None:
    if folder.stop.exists():
        raise _StopRequest


def _free_memory() -> None:
    """Let go of the training's model before two others are loaded: its parts refer to each other."""
    import gc

    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


if __name__ == "__main__":
    sys.exit(main())
