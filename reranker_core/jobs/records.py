"""job.json: what a job is to do, written once before it starts."""

import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from reranker_core.errors import InputError
from reranker_core.jobs.commands import command_of
from reranker_core.jobs.data_hashes import hash_data
from reranker_core.jobs.folder import now
from reranker_core.training.settings import TrainingSettings

_LIBRARIES = ("torch", "transformers", "peft", "accelerate", "reranker-workbench")
_LONGEST_NAME = 200  # characters


def make_record(
    settings: TrainingSettings, *, job_id: str, name: str, device: str, report_data: Path | None
) -> dict[str, Any]:
    """Put together job.json.

    Args:
        settings: of the run, in the job's folder; see `settle`.
        job_id: the job's id.
        name: as a person calls it; empty for none.
        device: where it will compute.
        report_data: what the report is made on; `None` leaves that to the report.

    Raises:
        InputError: the data is not there or cannot be read.
    """
    return {
        "id": job_id,
        "name": " ".join(name.split())[:_LONGEST_NAME],
        "settings": settings.to_dict(),
        "report_data": None if report_data is None else str(report_data),
        "device": device,
        "created_at": now(),
        "argv": command_of(settings),
        "versions": _read_versions(),
        "data": hash_data(settings, report_data=report_data),
        "base": settings.model_name_or_path,
    }


def settle(settings: TrainingSettings, folder: Path) -> TrainingSettings:
    """Give settings that mean the same from every working directory, and write into a job's folder.

    Raises:
        InputError: they go on from a checkpoint, which is what resuming is for.
    """
    if settings.resume_from_checkpoint is not None:
        raise InputError(
            "A new job begins at the beginning: leave resume_from_checkpoint out, or resume the job that stopped."
        )
    base = settings.model_name_or_path
    is_folder = bool(base) and Path(base).expanduser().is_dir()
    return replace(
        settings,
        output_dir=folder,
        model_name_or_path=str(Path(base).expanduser().absolute()) if is_folder else base,
        train_data=tuple(place.expanduser().absolute() for place in settings.train_data),
        dev_data=_absolute(settings.dev_data),
        corpus=_absolute(settings.corpus),
        cache_dir=_absolute(settings.cache_dir),
        deepspeed=_absolute(settings.deepspeed),
    )


def read_settings(record: Mapping[str, Any], folder: Path) -> TrainingSettings:
    """Read the settings of a job.json; they write into the folder where it lies now.

    Raises:
        InputError: they are damaged, or of another version.
    """
    values = record.get("settings")
    if not isinstance(values, dict):
        raise InputError(f"{folder / 'job.json'} is missing or damaged, so nobody knows what this job was. Forget it.")
    return TrainingSettings.from_dict(values | {"output_dir": str(folder)})


def find_device(settings: TrainingSettings) -> str:
    """Name the device that a run computes on, with its number, so that one device has one name."""
    device = settings.device
    if device is None:
        # torch takes seconds to import, and without a driver there is no GPU to be asked about.
        has_driver = any(map(os.path.exists, ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")))
        if not has_driver:
            return "cpu"
        from reranker_core.memory import default_device

        device = default_device()
    return "cuda:0" if device == "cuda" else "cpu" if device.startswith("cpu") else device


def _absolute(path: Path | None) -> Path | None:
    return None if path is None else path.expanduser().absolute()


def _read_versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions
