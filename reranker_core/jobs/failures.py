"""What ended a training, read plainly: the kind of failure, and a sentence with what to do."""

import errno
from collections.abc import Iterator
from dataclasses import dataclass

from reranker_core.errors import AdapterError, InputError, ModelNotFoundError, RerankerError, UnsupportedModelError

_FULL = (errno.ENOSPC, errno.EDQUOT)
_FULL_WORDS = ("no space left on device", "os error 28", "disk quota exceeded", "disk is full")
_MEMORY_WORDS = ("out of memory", "can't allocate memory", "cannot allocate memory")


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Why a job failed.

    Attributes:
        kind: "memory", "space", "data", "diverged", "model" or "bug".
        message: what happened and what to do.
    """

    kind: str
    message: str


def explain_failure(error: BaseException) -> Failure:
    """Say what an exception of a run means, by it and by what it came from."""
    chain = list(_list_causes(error))
    words = " ".join(f"{one}" for one in chain).lower()
    is_full = any(isinstance(one, OSError) and one.errno in _FULL for one in chain)
    if is_full or any(part in words for part in _FULL_WORDS):
        return Failure(kind="space", message=_say_space(error))
    if any(_is_about_memory(one) for one in chain):
        return Failure(kind="memory", message=_say_memory(error))
    if isinstance(error, InputError):
        return Failure(kind="data", message=str(error))
    if isinstance(error, ModelNotFoundError | UnsupportedModelError | AdapterError):
        is_diverged = "not finite" in words
        return Failure(kind="diverged" if is_diverged else "model", message=str(error))
    if isinstance(error, RerankerError):
        return Failure(kind="diverged" if "not finite" in words else "bug", message=str(error))
    first = str(error).partition("\n")[0].strip()
    said = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return Failure(kind="bug", message=f"It ended with an error that was not foreseen ({said}). The log has all of it.")


def _list_causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _is_about_memory(error: BaseException) -> bool:
    # torch is not imported for it: an error of torch's is there only where torch is.
    if isinstance(error, MemoryError) or type(error).__name__ in ("OutOfMemoryError",):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error).lower() for words in _MEMORY_WORDS)


def _say_space(error: BaseException) -> str:
    if isinstance(error, RerankerError):
        return f"The disk is full. {error}"
    return "The disk is full. Earlier checkpoints are whole: make room on the disk and resume."


def _say_memory(error: BaseException) -> str:
    if isinstance(error, RerankerError):
        return str(error)
    return (
        "Memory ran out. Close other programs or free models and resume; or start a new job with a lower "
        "per_device_train_batch_size (and gradient_accumulation_steps raised as much), train_group_size or passage_max_len."
    )
