"""The checkpoints of a run: folders that are there whole or not at all.

`checkpoint-N` holds what was trained in the format of the product (so it can be loaded as one), the optimizer's and the
schedule's state, the states of the random numbers, and `run.json` with the run's identity, what it has seen so far, and
the size and the SHA-256 of every other file: what is missing or cut off later is found without reading it, and what is
spoilt before a run goes on from it.
"""

import hashlib
import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reranker_core.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCheckpoint:
    """Where a run goes on.

    Attributes:
        path: the checkpoint's folder; `None` where there is none.
        left_out: newer ones that are not whole, each in a sentence.
    """

    path: Path | None
    left_out: tuple[str, ...] = ()


def measure_files(folder: Path) -> dict[str, int]:
    """Give the size of each file of a checkpoint in bytes, as run.json records it; texts for people do not count."""
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".md" and path.name != "run.json"
    }


def hash_files(folder: Path) -> dict[str, str]:
    """Give the SHA-256 of each file that `measure_files` counts."""
    hashes = {}
    for name in measure_files(folder):
        with (folder / name).open("rb") as file:
            hashes[name] = hashlib.file_digest(file, "sha256").hexdigest()
    return hashes


def list_checkpoints(folder: Path, *, reads_files: bool = False) -> list[Path]:
    """List the checkpoints that are whole, by step.

    Args:
        folder: of the run's checkpoints.
        reads_files: read every file to the end, beside looking at its size.
    """
    return [path for path in _list_all(folder) if _find_damage(path, reads_files=reads_files) is None]


def step_of(checkpoint: Path) -> int:
    """Give the step that a checkpoint is of, by its name."""
    return int(checkpoint.name.rpartition("-")[2])


def find_checkpoint(wanted: str, folder: Path) -> FoundCheckpoint:
    """Find the checkpoint to go on from.

    Args:
        wanted: `"latest"`, or a checkpoint's folder.
        folder: of the run's checkpoints.

    Raises:
        InputError: the folder is no whole checkpoint, or one of another run.
    """
    if wanted == "latest":
        left_out: list[str] = []
        for path in reversed(_list_all(folder)):
            damage = _find_damage(path, reads_files=True)
            if damage is None:
                return FoundCheckpoint(path=path, left_out=tuple(left_out))
            left_out.append(f"{path.name} was left out: it is no whole checkpoint, {damage}.")
        return FoundCheckpoint(path=None, left_out=tuple(left_out))
    path = Path(wanted)
    if (damage := _find_damage(path, reads_files=True)) is not None:
        others = [other.name for other in list_checkpoints(folder, reads_files=True)]
        remedy = f'Give {others[-1]}, which is, or "latest".' if others else "None of this run is: train anew."
        raise InputError(f"{path} is no whole checkpoint: {damage}. {remedy}")
    if path.resolve().parent != folder.resolve():
        raise InputError(
            f"{path} is a checkpoint of another run than that in {folder.parent}. Give that run's own folder as output_dir."
        )
    return FoundCheckpoint(path=path)


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


def _list_all(folder: Path) -> list[Path]:
    """List whatever is named as a checkpoint, by step."""
    found = [path for path in folder.glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    return sorted(found, key=step_of)


def _find_damage(checkpoint: Path, *, reads_files: bool = False) -> str | None:
    """Say what is missing, cut off or spoilt in a checkpoint; `None` if it is whole."""
    if not (checkpoint / "run.json").is_file():
        return "it lacks run.json"
    try:
        content = read_run_file(checkpoint)
        files: dict[str, int] = content["files"]
        hashes: dict[str, str] = content.get("sha256", {})  # runs of earlier versions wrote none
        now = measure_files(checkpoint)
    except (InputError, KeyError, TypeError, OSError):
        return "its run.json cannot be read"
    for name, size in files.items():
        if name not in now:
            return f"it lacks {name}"
        if now[name] != size:
            return f"{name} has {now[name]:,} bytes instead of {size:,}"
    try:
        found = hash_files(checkpoint) if reads_files and hashes else {}
    except OSError as error:
        return f"{error.filename} cannot be read ({error.strerror})"
    spoilt = next((name for name in found if found[name] != hashes.get(name, found[name])), None)
    return f"{spoilt} is not what was written" if spoilt else None
