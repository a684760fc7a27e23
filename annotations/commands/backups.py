"""`backup` and `restore`: verified copies of the labels."""

import argparse
from pathlib import Path

from annotations.backup import Backup, backup, list_backups, restore
from annotations.commands.output import add_json_option, answer, answer_json, lay_out
from annotations.errors import InputError
from annotations.home import Home, find_home


def add_backup(command: argparse.ArgumentParser) -> None:
    """Add what `backup` takes."""
    command.add_argument("--to", type=Path, metavar="FOLDER", help="folder for the copy (default: backups/ in the home)")
    add_json_option(command)
    command.set_defaults(run=_backup)


def add_restore(command: argparse.ArgumentParser) -> None:
    """Add what `restore` takes."""
    what = command.add_mutually_exclusive_group(required=True)
    what.add_argument("file", nargs="?", help="the copy: a path, or a name of --list")
    what.add_argument("--list", action="store_true", help="list the copies, the newest first")
    add_json_option(command)
    command.set_defaults(run=_restore)


def _backup(options: argparse.Namespace) -> None:
    home = find_home(options.home)
    if not home.labels.is_file():
        raise InputError(
            f"There are no labels in {home.folder}, so there is nothing to copy. Name another folder with --home."
        )
    if options.to:
        options.to.mkdir(parents=True, exist_ok=True)
    made = backup(home.labels, folder=options.to or home.backups)
    _answer(options, {"backup": made}, f"{made} holds all labels, and was read back.")


def _restore(options: argparse.Namespace) -> None:
    home = find_home(options.home)
    if options.list:
        rows = [_describe(copy) for copy in list_backups(home.labels, folder=home.backups)]
        if options.json:
            answer_json({"backups": rows})
        else:
            answer(lay_out(rows) if rows else [f"There is no backup in {home.backups} yet."])
        return
    copy = _find(home, options.file)
    home.folder.mkdir(parents=True, exist_ok=True)
    aside = restore(home.labels, copy)
    rest = f" Those of before lie in {aside}." if aside else ""
    _answer(options, {"restored": copy, "before": aside}, f"{home.labels} holds the labels of {copy}.{rest}")


def _find(home: Home, file: str) -> Path:
    """Find a copy by its path, or by its name among the backups."""
    place = Path(file)
    return home.backups / file if place.name == file and not place.exists() else place


def _describe(copy: Backup) -> dict[str, object]:
    return {
        "file": copy.path.name,
        "made": f"{copy.made_at:%Y-%m-%d %H:%M:%S}Z",
        "because of": copy.reason,
        "bytes": copy.size_bytes,
    }


def _answer(options: argparse.Namespace, values: dict[str, object], sentence: str) -> None:
    if options.json:
        answer_json(values)
    else:
        answer([sentence])
