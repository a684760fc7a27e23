"""Imports that did not come to their end: one at a time, room for it before, and what is left of one taken away."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from annotations.errors import AnnotationError, ConflictError, StorageError
from annotations.exchange.sources import ImportSource
from annotations.models import ImportBatch
from annotations.store.locks import InUse

if TYPE_CHECKING:
    from annotations.store import Store

_ROOM = 4  # times the files: texts, the index for search, and the log of what is not in the database yet
_SPARE = 50_000_000  # bytes beside that, so that who labels meanwhile has some too
_LEAST = 20_000_000  # bytes at which an import ends: to take it back needs some, and SQLite cannot on a disk that is full


@contextmanager
def alone(store: "Store", project_id: int) -> Iterator[None]:
    """Let one import into a project go on at a time; the lock goes with the program that holds it.

    Raises:
        ConflictError: there is one.
        InputError: there is no such project.
    """
    project = store.projects.get_by_id(project_id)
    lock = InUse(store.path.with_name(f"{store.path.name}.import-{project_id}"))
    try:
        try:
            lock.claim("imported into")
        except StorageError as error:
            raise ConflictError(
                f'Another import into "{project.name}" is going on. Wait for it, or cancel it and try again.'
            ) from error
        yield
    finally:
        lock.close()


def find_unfinished(store: "Store", project_id: int) -> ImportBatch | None:
    """Give the import into a project that ended half way; `None` if there is none, or if it is still going on."""
    left = store.imports.find_staged(project_id)
    if left is None:
        return None
    try:
        with alone(store, project_id):
            return store.imports.find_staged(project_id)
    except ConflictError:
        return None


def remove_unfinished(store: "Store", project_id: int) -> ImportBatch | None:
    """Take away what is left of an import that ended half way, and tell of which; `None` if there is none.

    Raises:
        ConflictError: an import is going on.
        StorageError: it could not be taken away, such as on a disk that is full; then a part of it is still there.
    """
    with alone(store, project_id):
        return clear_away(store, project_id)


def clear_away(store: "Store", project_id: int) -> ImportBatch | None:
    """Do what `remove_unfinished` does, within `alone`."""
    left = store.imports.find_staged(project_id)
    if left is not None:
        store.imports.discard(left.id)
    return left


@contextmanager
def discarding(store: "Store", batch: ImportBatch) -> Iterator[None]:
    """Take away what was staged if the block does not come to its end.

    Raises:
        StorageError: it could not be taken away; says what stays, and how it goes. What the block raised is its cause.
    """
    try:
        yield
    except BaseException as error:
        try:
            store.imports.discard(batch.id)
        except AnnotationError as second:
            name = store.projects.get_by_id(batch.project_id).name
            first = f"{error} " if isinstance(error, AnnotationError) and str(error) != str(second) else ""
            raise StorageError(
                f"{first}What had come of the import of {batch.source_name} could not be taken away: {second} Nobody sees "
                "it, but it takes room. The next import removes it, or you do, under Data, Import, or by python -m "
                f'annotations import --discard --project "{name}".'
            ) from error
        raise


def check_spare(store: "Store") -> None:
    """Check while an import goes on that the disk has room for those who label, and for taking the import back.

    Raises:
        StorageError: it has not.
    """
    try:
        free = shutil.disk_usage(store.path.parent).free
    except OSError:
        return
    if free < _LEAST:
        raise StorageError(
            f"The disk of {store.path.parent} is almost full: {free / 1e6:,.0f} MB are free. Nothing was imported; free "
            "some space, and import it again."
        )


def check_room(store: "Store", source: ImportSource) -> None:
    """Check that the disk has room for an import, and for the copy that is made before it.

    Raises:
        StorageError: it has not.
    """
    try:
        free = shutil.disk_usage(store.path.parent).free
        needed = _ROOM * source.size + _SPARE + store.path.stat().st_size
    except OSError:
        return  # who cannot tell refuses nothing
    if free < needed:
        raise StorageError(
            f"The import of {source.name} needs about {needed / 1e6:,.0f} MB on the disk of {store.path.parent}, and "
            f"{free / 1e6:,.0f} MB are free. Nothing was imported; free some space, and import it again."
        )
