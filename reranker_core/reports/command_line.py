"""`python -m reranker_core.reports`: the report of a run's folder, made or made again, on its labels or on others."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reranker_core.command_output import note, run_command


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0, or 2 after a sentence on standard error."""
    parser = argparse.ArgumentParser(
        prog="python -m reranker_core.reports",
        description="Base and tuned model of a run on the same held-out queries: report.json and report.md in its folder.",
    )
    parser.add_argument("run", type=Path, help="the run's folder: output_dir of a training, or a job's folder")
    parser.add_argument(
        "--data", type=Path, help="labels to judge on: a snapshot, a BEIR folder or training rows (default: the run's own)"
    )
    parser.add_argument("--output", type=Path, help="folder to write into (default: the run's)")
    options = parser.parse_args(arguments)
    return run_command(lambda: _make(options), when_stopped="Stopped; no report was written.")


def _make(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from reranker_core.hub import read_json
    from reranker_core.reports.making import make_report
    from reranker_core.reports.report_files import write_report
    from reranker_core.training.results import read_result
    from reranker_core.training.settings import TrainingSettings

    result = read_result(options.run)
    settings = TrainingSettings.from_dict(read_json(options.run / "settings.json", purpose="it says how was trained"))
    with tqdm(unit=" pairs", file=sys.stderr, disable=None) as bar:

        def show(stage: str, done: int, total: int) -> None:
            bar.set_description(stage)
            bar.total = total or bar.total
            bar.update(max(0, done - bar.n))

        report = make_report(settings, result, data=options.data, on_progress=show)
    folder = options.output or options.run
    write_report(report, folder)
    sys.stdout.write(f"{report.headline}\n{report.detail}\n")
    note(f"the whole report lies in {folder / 'report.md'}")
