"""Where an export may be written: not where it would replace the labels, a copy of them, or part of a snapshot."""

from pathlib import Path
from typing import Protocol

from annotations.errors import InputError
from annotations.store.sqlite import is_database, name_logs

_MANIFEST = "manifest.json"
_NAMED = b'"candidates.run"'  # by a snapshot's manifest, and by no other


class HasLabels(Protocol):
    """A store, as far as it is to be kept from being written over."""

    @property
    def path(self) -> Path: ...

    @property
    def backups_folder(self) -> Path: ...


def check_place(store: HasLabels, place: Path, *, endings: tuple[str, ...] = (), what: str = "An export") -> None:
    """Refuse a place whose content matters more than an export.

    Args:
        store: whose database and copies are to stay.
        place: a file or folder that is to be written.
        endings: that the name may have, in lower case; none stands for any.
        what: is written, to begin a sentence with.

    Raises:
        InputError: it is the database or lies among its copies, another database, or within a snapshot; or the name ends in
            something else.
    """
    target, named = _resolve(place), _resolve(place.parent) / place.name  # they differ where the name is a link
    database = _resolve(store.path)
    if {target, named} & {database, *name_logs(database)} or _is_same(target, database):
        raise InputError(f"{place} holds the labels themselves, and an export would replace them. Choose another name.")
    folders = (*target.parents, *named.parents)
    if _resolve(store.backups_folder) in (target, *folders):
        raise InputError(f"{place} lies among the backups of the labels, which no export may touch. Choose another folder.")
    if is_database(target):
        raise InputError(f"{place} is a database, and an export would replace it. Choose another name.")
    snapshot = next((folder for folder in folders if _holds_snapshot(folder)), None)
    if snapshot is not None:
        raise InputError(f"{snapshot} is a snapshot, and snapshots never change. Choose another folder.")
    if endings and place.suffix.lower() not in endings:
        raise InputError(f"{what} ends in {' or '.join(endings)}, got {place.name}. Choose another name.")


def _resolve(place: Path) -> Path:
    try:
        return place.resolve()
    except (OSError, ValueError, RuntimeError) as error:  # a NUL, or links in a circle
        raise InputError(f"{place!s} cannot be written ({error}). Choose another name.") from error


def _is_same(one: Path, other: Path) -> bool:
    """Tell whether two names are of one file, as by a hard link or where case does not matter."""
    try:
        return one.samefile(other)
    except OSError:
        return False


def _holds_snapshot(folder: Path) -> bool:
    try:
        return _NAMED in (folder / _MANIFEST).read_bytes()
    except OSError:
        return False
