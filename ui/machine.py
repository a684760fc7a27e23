"""What the machine holds, in words: models that are loaded, the memory they take, the device."""

import sys
from collections.abc import Sequence

from annotations.plurals import count
from reranker_core.pool import ResidentModel
from ui.services import Services


def describe_state(services: Services) -> str:
    """Say in a few words which models are loaded and what memory they take of what they may."""
    resident = services.pool.resident()
    ready = [model for model in resident if model.state != "loading"]
    parts = []
    if ready:
        parts.append(f"{count(len(ready), 'model')} ready")
        parts.append(f"{gigabytes(sum(model.memory_bytes for model in ready))} of {gigabytes(services.pool.memory_budget)}")
        parts += dict.fromkeys(f"{device_name(model.device)} {model.dtype}" for model in ready)
    if loading := [model for model in resident if model.state == "loading"]:
        parts.append(f"loading {len(loading)}")
    if downloading := services.downloads.active():
        parts.append(f"downloading {len(downloading)}")
    parts = [*describe_jobs(services), *parts]
    return " · ".join(parts) or "BM25 ready · no model loaded"


def describe_jobs(services: Services) -> list[str]:
    """Say of each active training what it does: `job cran-3 · step 12 of 36`; of those that wait, how many."""
    active = [job for job in services.jobs.list() if job.is_active]
    waiting = sum(job.state == "queued" for job in active)
    parts = []
    for job in active:
        if job.state == "queued":
            continue
        word = {"starting": "starting", "stopping": "stopping", "evaluating": "measuring what came out"}.get(job.state, "")
        step = f"step {job.step} of {job.total}" if job.total else job.stage or "starting"
        parts.append(f"job {job.name:.40} · {word or step}")
    return parts + ([f"{count(waiting, 'job')} waiting"] if waiting else [])


def describe_machine(services: Services) -> str:
    """Say which device computes, and what memory there is for models."""
    torch = sys.modules.get("torch")  # imported some seconds after the start; nobody is made to wait for it here
    if torch is None or not hasattr(torch, "cuda"):
        return "Looking for the device …"
    if torch.cuda.is_available():
        device = f"{torch.cuda.get_device_name()} · bfloat16"
    else:
        device = f"CPU · {torch.get_num_threads()} threads · float32"
    used = sum(model.memory_bytes for model in services.pool.resident())
    return (
        f"{device} · models take {gigabytes(used)} of the {gigabytes(services.pool.memory_budget)} they may; the one that "
        "was used longest ago makes room for the next."
    )


def gigabytes(count: int) -> str:
    """Write a number of bytes in GB (10^9), finer below 1 GB.

    >>> gigabytes(1_400_000_000), gigabytes(3_200_000)
    ('1.4 GB', '0.003 GB')
    """
    if count < 10_000_000:
        return f"{count / 1e9:.3f} GB"
    return f"{count / 1e9:.2f} GB" if count < 1_000_000_000 else f"{count / 1e9:.1f} GB"


def device_name(device: str) -> str:
    """Write a device of torch as a person does."""
    return "CPU" if device == "cpu" else device.upper() if device == "mps" else device.replace("cuda", "GPU ").strip()


def memory_by_model(resident: Sequence[ResidentModel]) -> dict[tuple[str, str | None], ResidentModel]:
    """Index what is loaded by name and adapter."""
    return {(model.name, model.adapter): model for model in resident}
