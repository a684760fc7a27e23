"""`[torchrun …] -m reranker_core.training`: trains here and now; `--output_dir` becomes the run's folder."""

import io
import shlex
import sys
import warnings
from collections.abc import Sequence
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING

from reranker_core.command_output import note, run_command
from reranker_core.errors import InputError
from reranker_core.hub import read_json
from reranker_core.training.flags import ParsedFlags, parse_flags
from reranker_core.training.machine import check_trackers, fit_to_machine, read_machine
from reranker_core.training.presets import make_settings
from reranker_core.training.progress import TrainingProgress
from reranker_core.training.run_folder import RunFolder
from reranker_core.training.settings import TrainingSettings
from reranker_core.training.terminal import ProgressView, StopRequest, is_first_process

if TYPE_CHECKING:
    from reranker_core.training.results import TrainingResult

_STOPPED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Train; return 0, or 2 after a sentence on standard error, or 130 where Ctrl+C ended it.

    Of several processes that torchrun started, only the first says anything.
    """
    codes: list[int] = []

    def run() -> None:
        given = sys.argv[1:] if arguments is None else arguments
        codes.append(_train(parse_flags(arguments), command=shlex.join(["python", "-m", "reranker_core.training", *given])))

    def run_all() -> int:
        return run_command(run, when_stopped="Stopped; what was not saved is lost.") or sum(codes)

    if is_first_process():
        return run_all()
    with redirect_stderr(io.StringIO()):
        return run_all()


def read_settings(flags: ParsedFlags) -> TrainingSettings:
    """Put together what flags, a settings file and a preset say, in this order of weight.

    Raises:
        InputError: something is missing, unknown or contradicts itself.
    """
    if flags.settings_file is None:
        return make_settings(flags.values)
    if "preset" in flags.values:
        raise InputError("--preset and --settings both bring a whole set of values. Choose one.")
    stored = read_json(flags.settings_file, purpose="it is to hold the settings of a run")
    folder = flags.settings_file.parent
    if RunFolder(folder).holds_run():
        stored["output_dir"] = str(folder)  # a run that was moved goes on where it lies
    return make_settings(stored | dict(flags.values))


def _train(flags: ParsedFlags, *, command: str) -> int:
    # transformers and peft tell their developers what will be removed one day; nobody can act on it here.
    warnings.simplefilter("ignore", FutureWarning)
    settings = read_settings(flags)
    view, stop = ProgressView(), StopRequest()
    for sentence in flags.notes:
        note(sentence)
    settings, changes = fit_to_machine(settings, read_machine(settings.device), asked_for=flags.values)
    for sentence in changes:
        note(sentence)
    check_trackers(settings.report_to or ())

    def show(progress: TrainingProgress) -> None:
        stop.watch(progress)
        view.show(progress)

    from reranker_core.training.run import train

    with stop.listen():
        try:
            result = train(settings, on_progress=show, should_stop=stop.is_asked, command=command)
        finally:
            view.close()
    for sentence in _say_end(settings, result):
        print(sentence, file=sys.stderr)  # noqa: T201 (a command answers on the terminal)
    return _STOPPED if stop.is_asked() else 0


def _say_end(settings: TrainingSettings, result: "TrainingResult") -> list[str]:
    """Say what came of it, where it lies and how to use it."""
    if result.status == "stopped":
        again = f"--settings {_quote(result.output_dir / 'settings.json')} --resume_from_checkpoint latest"
        # A run goes on with as many processes as it began with.
        start = f"torchrun --nproc_per_node {result.processes}" if result.processes > 1 else "python"
        return [
            f"Stopped and saved after {result.steps:,} of {result.planned_steps:,} steps. Go on: {start} -m "
            f"reranker_core.training {again}"
        ]
    base = shlex.quote(settings.model_name_or_path)
    how = f"--model {base} --adapter {_quote(result.product)}"
    if result.kind == "model":
        how = f"--model {_quote(result.product)}"
    what = "adapter" if result.kind == "adapter" else "model"
    lines = [f"The {what} lies in {result.product}. Use it: python -m reranker_core score {how}"]
    if result.merged_model is not None:
        lines.append(f"The whole model, merged, lies in {result.merged_model}.")
    return lines


def _quote(path: Path) -> str:
    return shlex.quote(str(path))
