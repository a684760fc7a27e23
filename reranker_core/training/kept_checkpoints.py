"""The checkpoints of a run: folders that are there whole or not at all.

`checkpoint-N` holds what was trained in the format of the product (so it can be loaded as one), the optimizer's and the
schedule's state, the states of the random numbers, and `run.json` with the run's identity and what it has seen so far.
"""

import json
import re
import shutil
from pathlib import Path
from typing import Any

from reranker_core.errors import InputError

_COMPLETE = ("trainer_state.json", "run.json")


def list_checkpoints(folder: Path) -> list[Path]:
    """List the checkpoints that are whole, by step."""
    found = {}
    for path in folder.glob("checkpoint-*"):
        match = re.fullmatch(r"checkpoint-(\d+)", path.name)
        if match and all((path / name).is_file() for name in _COMPLETE):
            found[int(match[1])] = path
    return [found[step] for step in sorted(found)]


def find_checkpoint(wanted: str, folder: Path) -> Path | None:
    """Find the checkpoint to go on from.

    Args:
        wanted: `"latest"`, or a checkpoint's folder.
        folder: of the run's checkpoints.

    Returns:
        Its folder; `None` for the latest of none.

    Raises:
        InputError: the folder is no whole checkpoint, or one of another run.
    """
    if wanted == "latest":
        return next(iter(reversed(list_checkpoints(folder))), None)
    path = Path(wanted)
    if missing := [name for name in _COMPLETE if not (path / name).is_file()]:
        raise InputError(
            f'{path} is no whole checkpoint: it lacks {missing[0]}. Give a folder checkpoint-N of this run, or "latest".'
        )
    if path.resolve().parent != folder.resolve():
        raise InputError(
            f"{path} is a checkpoint of another run than that in {folder.parent}. Give that run's own folder as output_dir."
        )
    return path


def read_run_file(checkpoint: Path) -> dict[str, Any]:
    """Read what a checkpoint says of its run.

    Raises:
        InputError: it is damaged.
    """
    path = checkpoint / "run.json"
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}). Resume from another checkpoint.") from error
    return content


def remove_old_checkpoints(folder: Path, *, limit: int | None, best_step: int | None) -> None:
    """Remove all but the newest checkpoints and the best one.

    Args:
        folder: of the run's checkpoints.
        limit: how many to keep beside the best; `None` for all.
        best_step: of the best one, if there is one.
    """
    for part in folder.glob(".checkpoint-*"):  # of a save that failed
        shutil.rmtree(part, ignore_errors=True)
    if limit is None:
        return
    others = [path for path in list_checkpoints(folder) if path.name != f"checkpoint-{best_step}"]
    for path in others[: max(0, len(others) - limit)]:
        shutil.rmtree(path, ignore_errors=True)
