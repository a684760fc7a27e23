"""What memory there is for models, on the CPU and on a GPU. Importing this brings no torch in."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import psutil

# Of the memory in all, how much models may take. The rest is for the system, the texts, and what a pass computes.
_SHARE_OF_RAM = 0.6
_SHARE_OF_GPU = 0.8

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceMemory:
    """The memory of one device, in bytes.

    Attributes:
        total_bytes: what this process may use at most, whoever uses it now.
        free_bytes: what could be taken just now.
    """

    total_bytes: int
    free_bytes: int


def default_device() -> str:
    """Name the device that models go to unless told otherwise: `"cuda"` where torch sees a GPU, else `"cpu"`."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def read_memory(device: str) -> DeviceMemory:
    """Read the memory of a device.

    Args:
        device: as torch names it. `cpu` brings no torch in; `mps` shares the memory of the CPU.
    """
    if device.startswith("cuda"):
        import torch

        free, total = torch.cuda.mem_get_info(torch.device(device))
        return DeviceMemory(total_bytes=total, free_bytes=free)
    ram = psutil.virtual_memory()
    return limit_by_cgroups(DeviceMemory(total_bytes=int(ram.total), free_bytes=int(ram.available)))


def default_budget(device: str | None = None) -> int:
    """Work out how many bytes models may take: 60 % of the RAM, or 80 % of a GPU's memory.

    Args:
        device: as torch names it; by default the one that models go to.
    """
    device = default_device() if device is None else device
    share = _SHARE_OF_GPU if device.startswith("cuda") else _SHARE_OF_RAM
    return int(share * read_memory(device).total_bytes)


def limit_by_cgroups(ram: DeviceMemory, *, root: Path = _CGROUPS, own: Path = _OWN_CGROUPS) -> DeviceMemory:
    """Lower the machine's memory to what the control groups of this process allow.

    In a container, and so on a Space, the system reports the memory of the whole host.

    Args:
        ram: of the machine.
        root: where the control groups are mounted, version 1 or 2.
        own: the file that names the groups of this process.
    """
    total, free = ram.total_bytes, ram.free_bytes
    for group in _find_groups(root, own):
        for limit_file, usage_file, reclaimable in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit = _read_number(group / limit_file)
            if limit is not None:
                # Files that were read count as used until somebody needs the memory.
                used = (_read_number(group / usage_file) or 0) - _read_statistic(group / "memory.stat", reclaimable)
                total, free = min(total, limit), min(free, limit - used)
    return DeviceMemory(total_bytes=total, free_bytes=max(0, free))


def _find_groups(root: Path, own: Path) -> Iterator[Path]:
    """Name the folders of the groups that this process is in, those above included: each of them may set a limit."""
    for line in _read_text(own).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers in ("", "memory"):
            inner = PurePosixPath(path).relative_to("/")
            for group in (inner, *inner.parents):
                yield root / controllers / group


def _read_number(file: Path) -> int | None:
    text = _read_text(file).strip()
    return int(text) if text.isdigit() else None  # "max" says that there is no limit


def _read_statistic(file: Path, name: str) -> int:
    for line in _read_text(file).splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def _read_text(file: Path) -> str:
    """Read a file of the system; an empty text where there is none, or none that may be read."""
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""
