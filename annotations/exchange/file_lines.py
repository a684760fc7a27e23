"""The lines of a file, with the number of the last one and how far through the file it is."""

import codecs
from collections.abc import Callable, Iterator
from pathlib import Path

from annotations.errors import InputError

Tick = Callable[[float], None]
"""Told how much of something is done, from 0 to 1; what it raises ends the work."""

_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_TOLD_EVERY = 1 << 18  # bytes: some hundred rows


def no_tick(fraction: float) -> None:
    """Tell nobody."""


class Lines:
    """Gives a file line by line, once.

    Attributes:
        number: of the line that was given last, from 1; 0 before the first.
    """

    def __init__(self, path: Path, *, tick: Tick = no_tick) -> None:
        """Open nothing yet."""
        self.number = 0
        self._path = path
        self._tick = tick

    def __iter__(self) -> Iterator[bytes]:
        """Give the lines with their ends; they end at a line feed and nowhere else.

        Raises:
            InputError: the file cannot be read, or is UTF-16.
        """
        try:
            with self._path.open("rb") as file:
                size = max(self._path.stat().st_size, 1)
                done = told = 0
                for line in file:
                    self.number += 1
                    if self.number == 1 and line.startswith(_UTF16):
                        raise InputError(f"{self._path.name} is UTF-16, as some programs save texts. Save it as UTF-8.")
                    yield line
                    done += len(line)
                    if done - told >= _TOLD_EVERY:
                        told = done
                        self._tick(min(done / size, 1.0))
        except OSError as error:
            raise InputError(
                f"{self._path} cannot be read ({error.strerror}). Check the path and who may read it."
            ) from error
