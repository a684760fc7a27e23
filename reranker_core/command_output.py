"""What a command shows: rows as jsonl or as a table, notes, a progress bar, and what failed."""

import argparse
import json
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from reranker_core.errors import InputError, RerankerError


def add_output_options(command: argparse.ArgumentParser) -> None:
    """Add the options that say where rows go and how."""
    command.add_argument("--output", type=Path, help="file to write (default: standard output)")
    command.add_argument("--output_format", choices=["jsonl", "table"], help="default: a table on a terminal, else jsonl")


def note(message: Warning | str, *_: Any, **__: Any) -> None:
    """Say something on standard error that is no row; `warnings.showwarning` can be replaced by it."""
    print(f"note: {message}", file=sys.stderr)  # noqa: T201 (a command answers on the terminal)


def run_command(run: Callable[[], object], *, when_stopped: str = "Stopped.") -> int:
    """Run a command; warnings become notes, and what fails a sentence on standard error.

    Args:
        run: the command.
        when_stopped: said where somebody stops it by Ctrl+C.

    Returns:
        The exit status: 0, 2 if it failed, 130 if it was stopped.
    """
    try:
        with warnings.catch_warnings():
            warnings.showwarning = note
            run()
    except RerankerError as error:
        print(error, file=sys.stderr)  # noqa: T201 (a command answers on the terminal)
        return 2
    except OSError as error:
        if isinstance(error, BrokenPipeError):
            return 0  # the reader, such as head, has seen enough
        print(f"{error.filename or 'The file'}: {error.strerror}. Check the path.", file=sys.stderr)  # noqa: T201
        return 2
    except KeyboardInterrupt:
        print(when_stopped, file=sys.stderr)  # noqa: T201
        return 130
    return 0


@contextmanager
def write_rows(options: argparse.Namespace, *, right_aligned: set[str]) -> Iterator[Any]:
    """Give a function that writes one row; a file appears only when all rows are in it.

    Args:
        options: with `output` and `output_format`, of `add_output_options`.
        right_aligned: the columns of a table that hold numbers.
    """
    if options.output is None:
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
        as_table = options.output_format == "table" or (options.output_format is None and sys.stdout.isatty())
        yield from _rows_to(sys.stdout, as_table=as_table, right_aligned=right_aligned)
        return
    if options.output.is_dir():
        raise InputError(f"--output {options.output} is a folder. Name a file in it.")
    unfinished = options.output.with_name(options.output.name + ".part")
    try:
        with unfinished.open("w", encoding="utf-8", newline="\n") as file:
            yield from _rows_to(file, as_table=options.output_format == "table", right_aligned=right_aligned)
    except BaseException:
        if unfinished.is_file() and unfinished.stat().st_size:
            note(f"the rows that were done are in {unfinished}")
        else:
            unfinished.unlink(missing_ok=True)
        raise
    unfinished.replace(options.output)


def _rows_to(file: IO[str], *, as_table: bool, right_aligned: set[str]) -> Iterator[Any]:
    if not as_table:
        yield lambda row: file.write(json.dumps(row, ensure_ascii=False) + "\n")
        file.flush()
        return
    rows: list[dict[str, Any]] = []
    yield rows.append
    for line in _lay_out(rows, right_aligned):
        file.write(line + "\n")
    file.flush()


def _lay_out(rows: list[dict[str, Any]], right_aligned: set[str]) -> Iterator[str]:
    if not rows:
        return
    cells = [list(rows[0])] + [[_cell(*item) for item in row.items()] for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    for row in cells:
        padded = (
            cell.rjust(width) if name in right_aligned else cell.ljust(width)
            for cell, width, name in zip(row, widths, cells[0], strict=True)
        )
        yield "  ".join(padded).rstrip()


def _cell(name: str, value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4f}" if name == "score" else f"{value:g}"
    if isinstance(value, dict):
        return "  ".join(f"{layer}: {score:.4f}" for layer, score in value.items())
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else text[:59] + "…"


@contextmanager
def show_progress(total: int) -> Iterator[Any]:
    """Show a bar on standard error where that is a terminal; give what takes (pairs before, pairs done, total)."""
    from tqdm import tqdm

    with tqdm(total=total, unit=" pairs", file=sys.stderr, disable=None, delay=1) as bar:
        yield lambda before, done, _: bar.update(before + done - bar.n)


@contextmanager
def show_stages() -> Iterator[Callable[[str, float | None], None]]:
    """Show a bar for each stage on standard error where that is a terminal; give what takes the stage and its share."""
    from tqdm import tqdm

    layout = "{desc} {percentage:3.0f}%|{bar}| {elapsed}"
    with tqdm(total=1.0, file=sys.stderr, disable=None, delay=1, bar_format=layout) as bar:

        def tell(stage: str, fraction: float | None) -> None:
            bar.set_description_str(stage, refresh=False)
            bar.update((fraction or 0.0) - bar.n)

        yield tell
