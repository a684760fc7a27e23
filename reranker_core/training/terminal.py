"""A training run on a terminal: sentences and a bar on standard error, or plain lines where nobody watches."""

import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from reranker_core.training.progress import TrainingProgress

_SILENCE = 30.0  # seconds after which a file gets a line, in which a bar would have moved


def is_first_process() -> bool:
    """Say whether this is the process that speaks: the first of torchrun's, or the only one."""
    return os.environ.get("RANK", "0") == "0"


class ProgressView:
    """Shows what a run tells. On a terminal the bar stays below the sentences; elsewhere there are only lines."""

    def __init__(self, *, is_terminal: bool | None = None) -> None:
        """Start without a bar.

        Args:
            is_terminal: whether somebody watches; by default what standard error is.
        """
        self._is_terminal = sys.stderr.isatty() if is_terminal is None else is_terminal
        self._bar: Any = None
        self._stage = ""
        self._said = 0.0

    def show(self, progress: TrainingProgress) -> None:
        """Show one message."""
        for note in progress.notes:
            self._write(note)
        if self._is_terminal:
            self._move_bar(progress)
        elif progress.figures and (time.monotonic() - self._said >= _SILENCE or progress.done in (1, progress.total)):
            self._said = time.monotonic()
            self._write(f"step {progress.done:,} of {progress.total:,}: {_say_figures(progress)}")

    def close(self) -> None:
        """Take the bar away, with what it showed last staying."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _write(self, line: str) -> None:
        if self._bar is not None:
            self._bar.write(line, file=sys.stderr)
        else:
            print(line, file=sys.stderr, flush=True)  # noqa: T201 (a command answers on the terminal)

    def _move_bar(self, progress: TrainingProgress) -> None:
        from tqdm import tqdm

        if progress.stage != self._stage or self._bar is None:
            self.close()
            self._stage = progress.stage
            layout = "{desc} {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}]{postfix}"
            self._bar = tqdm(
                desc=progress.stage, total=progress.total or None, file=sys.stderr, bar_format=layout, leave=False
            )
        if progress.figures:
            self._bar.set_postfix_str(_say_figures(progress), refresh=False)
        self._bar.total = progress.total or None
        self._bar.update(progress.done - self._bar.n)


class StopRequest:
    """Ctrl+C while a run trains: the first asks it to save and end, the second ends it at once."""

    def __init__(self) -> None:
        """Start without a request."""
        self._is_asked = self._is_training = False

    def is_asked(self) -> bool:
        """Say whether the run is to end."""
        return self._is_asked

    def watch(self, progress: TrainingProgress) -> None:
        """Take note that there is something to save."""
        self._is_training = self._is_training or progress.stage == "training"

    @contextmanager
    def listen(self) -> Iterator[None]:
        """Listen to Ctrl+C while the block runs."""
        before = signal.signal(signal.SIGINT, self._hear)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)

    def _hear(self, _signal: int, _frame: FrameType | None) -> None:
        # Only the first process is told how far the run is; the others follow it, and torchrun ends them if they hang.
        if is_first_process() and (self._is_asked or not self._is_training):
            raise KeyboardInterrupt
        self._is_asked = True
        if is_first_process():
            print(  # noqa: T201
                "\nSaving after this step, then stopping. Ctrl+C once more stops at once.", file=sys.stderr, flush=True
            )


def _say_figures(progress: TrainingProgress) -> str:
    figures = progress.figures or {}
    shown = (("loss", "loss", ".4f"), ("gap", "gap", ".2f"), ("tokens_per_second", "tokens/s", ",.0f"))
    return ", ".join(
        f"{title} {value:{layout}}" for name, title, layout in shown if (value := figures.get(name)) is not None
    )
