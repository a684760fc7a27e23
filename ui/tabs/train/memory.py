"""Whether a training fits into the memory that there is, and what has to go for it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from reranker_core.memory import read_memory
from ui.machine import device_name, gigabytes
from ui.services import Services

if TYPE_CHECKING:
    from reranker_core.training import TrainingPlan

# Beside the model: Python, torch and the libraries; on a GPU what CUDA takes for itself.
_PROCESS_BYTES = 600_000_000

# The estimate is rough (training may take 0.6 to 1.8 times what it says), so that only twice too much is certain failure.
_CERTAIN = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryVerdict:
    """What a training needs, against what there is.

    Attributes:
        needed: bytes, roughly, all processes and libraries in it.
        warning: a sentence where it is tight, or models have to go; else empty.
        blocked: a sentence where it cannot work; else empty.
    """

    needed: int
    warning: str = ""
    blocked: str = ""


def judge_memory(services: Services, plan: "TrainingPlan", *, device: str) -> MemoryVerdict:
    """Judge whether a training fits.

    Args:
        services: the models that are in memory, some of which can go.
        plan: with its estimate of memory.
        device: where it trains.
    """
    estimate = plan.memory.total if plan.memory else 0
    needed = estimate + _PROCESS_BYTES
    memory = read_memory(device)
    kind = device.split(":")[0]
    idle = [one for one in services.pool.resident() if one.device.split(":")[0] == kind and one.state == "ready"]
    place = "the GPU" if kind == "cuda" else device_name(device)
    if needed * _CERTAIN > memory.total_bytes:
        return MemoryVerdict(
            needed=needed,
            blocked=(
                f"This takes about {gigabytes(needed)} of memory, and {place} has {gigabytes(memory.total_bytes)}. Choose "
                "a smaller base, or lower passage_max_len, train_group_size or per_device_train_batch_size; or take labels "
                "and command to a larger machine."
            ),
        )
    could_be_free = memory.free_bytes + sum(one.memory_bytes for one in idle)
    if needed > could_be_free:
        return MemoryVerdict(
            needed=needed,
            warning=(
                f"This takes about {gigabytes(needed)} of memory, and {gigabytes(could_be_free)} can be free: it may fail. "
                "Close other programs, or choose a smaller base or shorter passages."
            ),
        )
    if idle and (kind == "cuda" or needed > memory.free_bytes):
        return MemoryVerdict(
            needed=needed, warning="Scoring models that lie idle are unloaded for it, and come back when it is over."
        )
    return MemoryVerdict(needed=needed)
