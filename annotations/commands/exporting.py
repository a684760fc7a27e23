"""`export` and `snapshot`: labels into files, and labels frozen."""

import argparse
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Literal, get_args

from annotations.commands.output import (
    add_json_option,
    answer,
    answer_json,
    lay_out,
    list_left_out,
    note,
    show_stages,
)
from annotations.commands.projects import add_project_option, find_project, open_labels
from annotations.errors import InputError
from annotations.exchange import (
    Account,
    ExportOptions,
    ExportReport,
    export_beir,
    export_csv,
    export_qrels,
    export_training,
)
from annotations.exchange.import_options import Progress
from annotations.gold import GoldRule
from annotations.home import find_home
from annotations.models import DatasetSnapshot, Split
from annotations.plurals import count
from annotations.snapshots import SnapshotReport, check_snapshot, create_snapshot, find_snapshot_folder
from annotations.store import Store


def add_export(command: argparse.ArgumentParser) -> None:
    """Add what `export` takes."""
    command.add_argument("path", type=Path, help="file to write: .jsonl, .qrels, .tsv, .txt or .csv; new folder for beir")
    add_project_option(command)
    command.add_argument(
        "--to",
        required=True,
        choices=["jsonl", "qrels", "beir", "csv"],
        help="jsonl: training rows; qrels: grades; beir: texts, grades and candidates; csv: every judgement of everybody",
    )
    command.add_argument("--form", choices=["trec", "beir"], help="of qrels (default: beir for .tsv, else trec)")
    _add_choice_options(command)
    add_json_option(command)
    command.set_defaults(run=_export)


def add_snapshot(command: argparse.ArgumentParser) -> None:
    """Add what `snapshot` takes."""
    add_project_option(command)
    command.add_argument("--name", help="of the new snapshot; without it the snapshots are listed, and checked")
    command.add_argument(
        "--weights",
        type=int,
        nargs=3,
        default=(60, 15, 25),
        metavar=("TRAIN", "DEV", "TEST"),
        help="how large the parts are, for queries whose part is not stored (default: 60 15 25)",
    )
    _add_choice_options(command)
    add_json_option(command)
    command.set_defaults(run=_snapshot)


def _add_choice_options(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--rule", choices=get_args(GoldRule), default="majority", help="for several annotators' grades (default: majority)"
    )
    command.add_argument("--annotators", nargs="+", metavar="NAME", help="whose judgements count (default: everybody's)")
    command.add_argument("--positive_from", type=int, help="lowest positive grade (default: 1 if binary, 2 if graded)")
    command.add_argument("--negative_to", type=int, help="highest negative grade (default: 0)")
    command.add_argument("--splits", nargs="+", choices=get_args(Split), help="only queries of these parts (default: all)")
    command.add_argument("--negatives", type=int, default=7, help="random ones for a query without any (default: 7)")
    command.add_argument("--seed", type=int, default=0, help="of their choice (default: 0)")
    command.add_argument(
        "--prompt", help="of the training rows (default: the project's, else the model card's; '' for none)"
    )


def _read_choice(options: argparse.Namespace) -> ExportOptions:
    return ExportOptions(
        rule=options.rule,
        annotators=tuple(options.annotators) if options.annotators else None,
        positive_from=options.positive_from,
        negative_to=options.negative_to,
        splits=tuple(options.splits) if options.splits else None,
        negatives=options.negatives,
        seed=options.seed,
        prompt=options.prompt,
    )


def _export(options: argparse.Namespace) -> None:
    if options.form and options.to != "qrels":
        raise InputError(f"--form is for --to qrels, and --to is {options.to}. Leave it out.")
    choice = _read_choice(options)
    with open_labels(find_home(options.home)) as store, show_stages() as on_progress:
        project = find_project(store, options.project)
        report = _write(store, project.id, options, choice, on_progress)
    for warning in report.warnings:
        note(warning)
    if options.json:
        answer_json({"report": report})
        return
    answer(
        [
            *(f"{file.path}: {count(file.rows, 'row')}" for file in report.files),
            *_list_counts(report.counts),
            *_list_accounts(report.accounts),
        ]
    )


def _write(
    store: Store, project_id: int, options: argparse.Namespace, choice: ExportOptions, on_progress: Progress
) -> ExportReport:
    path = options.path
    match options.to:
        case "jsonl":
            return export_training(store, project_id, path, options=choice, on_progress=on_progress)
        case "qrels":
            form: Literal["trec", "beir"] = options.form or ("beir" if path.suffix == ".tsv" else "trec")
            return export_qrels(store, project_id, path, form=form, options=choice, on_progress=on_progress)
        case "beir":
            return export_beir(store, project_id, path, options=choice, on_progress=on_progress)
        case _:
            return export_csv(store, project_id, path, options=choice, on_progress=on_progress)


def _snapshot(options: argparse.Namespace) -> None:
    home = find_home(options.home)
    choice = _read_choice(options)
    with open_labels(home) as store, show_stages() as on_progress:
        project = find_project(store, options.project)
        if options.name is None:
            rows = [_describe(known, home.snapshots) for known in store.snapshots.list(project.id)]
            report = None
        else:
            report = create_snapshot(
                store,
                project.id,
                home.snapshots,
                name=options.name,
                options=choice,
                split_weights=tuple(options.weights),
                on_progress=on_progress,
            )
    if report is None:
        if options.json:
            answer_json({"snapshots": rows})
        else:
            answer(lay_out(rows) if rows else [f'The project "{project.name}" has no snapshot yet. --name makes one.'])
        return
    for warning in report.warnings:
        note(warning)
    if options.json:
        answer_json({"snapshot": _summarise(report)})
    else:
        answer(_describe_report(report))


def _describe(registered: DatasetSnapshot, folder: Path) -> dict[str, object]:
    place = find_snapshot_folder(registered, folder)
    try:
        check_snapshot(place, registered=registered)
        state = "as it was written"
    except InputError as error:
        state = str(error)
    return {
        "snapshot": registered.name,
        "made": f"{registered.created_at:%Y-%m-%d %H:%M}",
        "folder": str(place),
        "state": state,
    }


def _summarise(report: SnapshotReport) -> Mapping[str, object]:
    return {
        "name": report.registered.name,
        "folder": report.snapshot.folder,
        "sha256": report.snapshot.sha256,
        "parts": report.parts,
        "accounts": report.accounts,
        "row_accounts": report.row_accounts,
        "leak": report.leak,
        "warnings": report.warnings,
    }


def _describe_report(report: SnapshotReport) -> Iterator[str]:
    yield f'snapshot "{report.registered.name}": {report.snapshot.folder}'
    for split, counts in report.parts.items():
        yield f"{split}: " + _say(counts)
    yield from _list_accounts(report.accounts)
    if report.leak.share is not None:
        yield (
            f"of {count(report.leak.test_positives, 'positive passage')} in the test part training sees {report.leak.seen} "
            f"({report.leak.share:.0%})"
        )


def _list_counts(counts: Mapping[str, int]) -> Iterator[str]:
    if counts:
        yield _say(counts)


def _say(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name.replace('_', ' ')}: {number}" for name, number in counts.items())


def _list_accounts(accounts: Iterable[Account]) -> Iterator[str]:
    for account in accounts:
        yield f"{account.of}: {account.used} of {account.given}"
        yield from list_left_out(account.left_out)
