"""Files and folders that appear whole or not at all, with their hashes."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from uuid import uuid4

from reranker_core.errors import InputError


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenFile:
    """What was written.

    Attributes:
        path: where it lies.
        rows: how many, without a header.
        size: in bytes.
        sha256: of the bytes, in hexadecimal.
    """

    path: Path
    rows: int
    size: int
    sha256: str


class NewFile:
    """A file on its way: takes lines, counts and hashes them."""

    def __init__(self, path: Path, stream: IO[bytes]) -> None:
        """Write into `stream` what will lie at `path`."""
        self.path = path
        self._stream = stream
        self._hash = hashlib.sha256()
        self._rows = 0
        self._size = 0

    def write_header(self, line: str) -> None:
        """Write a line that is no row."""
        data = f"{line}\n".encode()
        with _explain(self.path):
            self._stream.write(data)
        self._hash.update(data)
        self._size += len(data)

    def write_row(self, line: str) -> None:
        """Write a row; the line end is added."""
        self.write_header(line)
        self._rows += 1

    def sync(self) -> None:
        """Have on the disk what was written by now, so that nothing but a name is missing."""
        with _explain(self.path):
            self._stream.flush()
            os.fsync(self._stream.fileno())

    @property
    def rows(self) -> int:
        """How many rows there are by now."""
        return self._rows

    def describe(self) -> WrittenFile:
        """Sum up what was written by now."""
        return WrittenFile(path=self.path, rows=self._rows, size=self._size, sha256=self._hash.hexdigest())


@contextmanager
def new_file(path: Path) -> Iterator[NewFile]:
    """Write a file beside its place, and put it there when the block ends well; else nothing of it stays.

    Raises:
        InputError: it cannot be written. What the block raises comes out as it is.
    """
    with _explain(path):
        part = path.with_name(f".{path.name[:60]}.{uuid4().hex[:8]}.part")
        stream = part.open("xb")
    try:
        made = NewFile(path, stream)
        yield made
        made.sync()
        with _explain(path):
            stream.close()
            part.replace(path)
            _sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            stream.close()
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to write into, and put it in its place when the block ends well; else nothing of it stays.

    Raises:
        InputError: something of that name is there already, or it cannot be written.
    """
    if os.path.lexists(folder):
        raise InputError(f"{folder} is there already, and is not written over. Choose another name.")
    with _explain(folder):
        part = folder.with_name(f".{folder.name[:60]}.{uuid4().hex[:8]}.part")
        folder.parent.mkdir(parents=True, exist_ok=True)
        part.mkdir()
    try:
        yield part
        with _explain(folder):
            for inside in (*filter(Path.is_dir, part.rglob("*")), part):
                _sync_folder(inside)
            part.rename(folder)
            _sync_folder(folder.parent)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def dump_json(value: Any) -> str:
    """Write JSON in one line, whichever way the reader finds the line ends.

    Letters stay as they are. U+0085, U+2028 and U+2029 are escaped: JSON allows them raw, but `str.splitlines` and others
    would end the line there.

    Example:
        >>> print(dump_json({"query": "熊猫\u2028"}))
        {"query": "熊猫\\u2028"}
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    return text.replace("\x85", "\\u0085").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


@contextmanager
def _explain(path: Path) -> Iterator[None]:
    """Say in a sentence why the system refused."""
    try:
        yield
    except (OSError, ValueError) as error:  # ValueError: a path with NUL
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{path} cannot be written ({reason}). Check the disk and who may write there.") from error


def _sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where the system can do that (Windows cannot open a folder)."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
