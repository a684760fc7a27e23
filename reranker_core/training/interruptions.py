"""What breaks into a run from outside: the system asks it to end, or the GPU's memory runs out."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from reranker_core.errors import TrainingError


@contextmanager
def listen_for_sigterm() -> Iterator[Callable[[], bool]]:
    """Give whether SIGTERM came; the run then ends after its step. Only the main thread can listen."""
    came = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield came.is_set
        return
    before = signal.signal(signal.SIGTERM, lambda *_: came.set())
    try:
        yield came.is_set
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def explain_shortage(device: torch.device) -> Iterator[None]:
    """Turn a lack of GPU memory into a sentence with what to lower.

    Raises:
        TrainingError: in its place.
    """
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        total = torch.cuda.get_device_properties(device).total_memory / 1e9
        raise TrainingError(
            f"The GPU's memory ({total:.0f} GB) does not suffice. Lower per_device_train_batch_size (and raise "
            "gradient_accumulation_steps as much), train_group_size or passage_max_len, or add gradient_checkpointing and "
            "bf16. Checkpoints that were saved are whole."
        ) from error
