"""`python -m reranker_core.jobs start|list|follow|stop|resume|merge`: trainings that go on without the terminal."""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from reranker_core.command_output import note, run_command, write_rows
from reranker_core.errors import InputError, RerankerError
from reranker_core.home import find_home
from reranker_core.jobs.following import follow
from reranker_core.jobs.status import JobStatus
from reranker_core.jobs.store import Jobs
from reranker_core.models_command import add_home_option, look_up_model
from reranker_core.training.command_line import read_settings
from reranker_core.training.flags import parse_flags
from reranker_core.training.machine import check_trackers
from reranker_core.training.settings import TrainingSettings

JOBS_FOLDER = "jobs"  # of the home

_EXAMPLES = """examples:
  python -m reranker_core.jobs start --model_name_or_path BAAI/bge-reranker-v2-m3 --train_data train.jsonl \\
      --preset encoder --hold_out 0.2 --name "first try"
  python -m reranker_core.jobs list
  python -m reranker_core.jobs follow
  python -m reranker_core.jobs stop 20260102-030405-abcdef
  python -m reranker_core.jobs resume 20260102-030405-abcdef
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return 0, or 2 after a sentence on standard error, or 130 where Ctrl+C ended it."""
    options, flags = _parser().parse_known_args(arguments)
    if flags and options.run is not _start:
        _parser().error(f"unrecognized arguments: {' '.join(flags)}")
    options.flags = flags
    return run_command(lambda: options.run(options), when_stopped=options.when_stopped)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m reranker_core.jobs", epilog=_EXAMPLES, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(when_stopped="Stopped.")
    commands = parser.add_subparsers(required=True, metavar="start|list|follow|stop|resume|merge")
    start = commands.add_parser(
        "start",
        help="train in the background",
        usage="%(prog)s --model_name_or_path TEXT --train_data PATH [PATH ...] [options]",
        epilog="It takes every option of `python -m reranker_core.training --help` but --output_dir: the job has its own.",
        allow_abbrev=False,
    )
    start.add_argument("--name", default="", help="what to call it (default: base and data)")
    start.add_argument(
        "--report_data",
        type=Path,
        metavar="PATH",
        help="held-out labels for the report: a snapshot, a BEIR folder or a jsonl file (default: a snapshot's test part, "
        "else the dev set)",
    )
    listing = commands.add_parser("list", help="list the jobs, the newest first")
    following = commands.add_parser("follow", help="show how a job goes, until it has ended; Ctrl+C ends only the showing")
    stop = commands.add_parser("stop", help="save and end a job, or take it out of the queue")
    resume = commands.add_parser("resume", help="go on with a job that ended early, or make the report that it lacks")
    merge = commands.add_parser("merge", help="write a job's base and adapter as one whole model")
    following.add_argument("job", nargs="?", help="its id (default: the newest)")
    following.set_defaults(when_stopped="The job goes on; follow it again at any time.")
    for command in (stop, resume, merge):
        command.add_argument("job", help="its id, as list shows it")
    stop.add_argument("--at_once", action="store_true", help="do not save; what came after the last checkpoint is lost")
    _add_merge_options(merge)
    for command, run in ((start, _start), (listing, _list), (following, _follow), (stop, _stop), (resume, _resume)):
        command.add_argument("--json", action="store_true", help="answer with a JSON object a job")
        command.set_defaults(run=run)
    merge.set_defaults(run=_merge)
    for command in (start, listing, following, stop, resume, merge):
        add_home_option(command)
    return parser


def _add_merge_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--output", type=Path, help="folder to write; there must be none yet (default: merged_model in the job)"
    )
    command.add_argument("--dtype", help="float32, float16 or bfloat16 (default: as in the base)")
    command.add_argument("--no_check", action="store_true", help="keep it without scoring, which needs the model's memory")
    command.add_argument("--offline", action="store_true", help="never download; say so if the base is not here")


def _start(options: argparse.Namespace) -> None:
    settings = _read_start(options)
    job = _open(options).start(settings, name=options.name, report_data=options.report_data)
    _answer(options, [job])


def _read_start(options: argparse.Namespace) -> TrainingSettings:
    flags = parse_flags(options.flags)
    if "output_dir" in flags.values:
        raise InputError("A job has a folder of its own: leave --output_dir out.")
    for sentence in flags.notes:
        note(sentence)
    settings = read_settings(replace(flags, values=dict(flags.values) | {"output_dir": JOBS_FOLDER}))
    check_trackers(settings.report_to or ())
    base, adapter = look_up_model(settings.model_name_or_path, home=options.home)
    if adapter is not None:
        raise InputError(
            f"{settings.model_name_or_path} has an adapter, and training goes on from a whole model. Merge it first "
            "(python -m reranker_core merge), then give its folder."
        )
    return replace(settings, model_name_or_path=base)


def _list(options: argparse.Namespace) -> None:
    _answer(options, _open(options).list())


def _follow(options: argparse.Namespace) -> None:
    jobs = _open(options)
    newest = options.job or next((job.id for job in jobs.list()), None)
    if newest is None:
        raise InputError(f"There is no job in {jobs.folder}. Start one: python -m reranker_core.jobs start --help.")
    job = follow(jobs, newest)
    if options.json:
        _answer(options, [job])
    if job.state in ("failed", "lost"):
        raise RerankerError(f"{job.name} {'failed' if job.state == 'failed' else 'is lost'}: {job.message}")
    print(_say_end(job), file=sys.stderr)  # noqa: T201 (a command answers on the terminal)


def _say_end(job: JobStatus) -> str:
    lines = [f"{job.state.capitalize()}: {job.message}"]
    if job.has_report:
        from reranker_core.reports import read_report

        lines.append(read_report(job.folder).headline)
    if job.product is not None:
        lines.append(f"The {job.kind} lies in {job.product}.")
    return "\n".join(lines)


def _stop(options: argparse.Namespace) -> None:
    jobs = _open(options)
    if not jobs.read(options.job).is_active:
        note("it had ended already")
    _answer(options, [jobs.stop(options.job, at_once=options.at_once)])


def _resume(options: argparse.Namespace) -> None:
    _answer(options, [_open(options).resume(options.job)])


def _merge(options: argparse.Namespace) -> None:
    from reranker_core.merge_command import merge_and_tell

    job = _open(options).read(options.job)
    if job.is_active:
        raise InputError(f"{job.name} is {job.state}. Wait until it has ended, or stop it.")
    if job.settings is None or job.product is None or job.kind != "adapter":
        raise InputError(f"{job.name} has no adapter to merge: {job.message}")
    merge_and_tell(
        job.settings.model_name_or_path,
        job.product,
        options.output or job.folder / "merged_model",
        dtype=options.dtype,
        check_scores=not options.no_check,
        allow_download=not (options.offline or job.settings.offline),
        cache_dir=job.settings.cache_dir,
    )


def _open(options: argparse.Namespace) -> Jobs:
    return Jobs(find_home(options.home) / JOBS_FOLDER)


def _answer(options: argparse.Namespace, jobs: Sequence[JobStatus]) -> None:
    how = argparse.Namespace(output=None, output_format="jsonl" if options.json else "table")
    with write_rows(how, right_aligned={"step"}) as write:
        for job in jobs:
            steps = f"{job.step} of {job.total}" if job.total else ""
            row = {"id": job.id, "state": job.state, "step": steps, "name": job.name, "message": job.message}
            write(job.to_dict() if options.json else row)
