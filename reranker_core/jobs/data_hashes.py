"""What a job learns from and is measured on, by hash: a job that is resumed goes on with the same files or not at all."""

import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from reranker_core.errors import InputError
from reranker_core.jobs.folder import read_object
from reranker_core.training.settings import TrainingSettings

_ENDINGS = (".jsonl", ".json", ".tsv", ".run")  # of training rows, snapshots and BEIR folders


def hash_data(settings: TrainingSettings, *, report_data: Path | None = None) -> dict[str, str]:
    """Give the SHA-256 of every file that a run reads as data, by its path.

    Args:
        settings: of the run; of a folder all files count that could be data.
        report_data: what the report is made on, where that is something else.

    Raises:
        InputError: a place is not there, or a file cannot be read.
    """
    places = [*settings.train_data, settings.dev_data, settings.corpus, report_data]
    files = sorted({file for place in places if place is not None for file in _list_files(place)})
    return {str(file): _hash_file(file) for file in files}


def find_change(before: Mapping[str, str], now: Mapping[str, str]) -> str | None:
    """Say what became of the data since it was hashed; `None` where it is the same."""
    for file, sha256 in before.items():
        if file not in now:
            return f"{file} is gone"
        if now[file] != sha256:
            return f"{file} was changed"
    added = [file for file in now if file not in before]
    return f"{added[0]} is new" if added else None


def name_data(settings: TrainingSettings) -> str:
    """Name what is learnt from, for a person: the snapshot or file, and how many more there are."""
    first, *others = settings.train_data
    manifest = read_object(first / "manifest.json") or {}
    name = manifest.get("name")
    shown = name if isinstance(name, str) and name.strip() else first.name or str(first)
    return f"{shown} and {len(others)} more" if others else shown


def _list_files(place: Path) -> Iterator[Path]:
    if not place.exists():
        raise InputError(f"{place} is not there. Give a jsonl file of training rows, a folder of them, or a snapshot.")
    if not place.is_dir():
        yield place
        return
    for folder in (place, place / "qrels"):
        if folder.is_dir():
            files = (path for path in folder.iterdir() if path.suffix in _ENDINGS and not path.name.startswith("."))
            yield from (path for path in files if path.is_file())


def _hash_file(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}). Check the path.") from error
