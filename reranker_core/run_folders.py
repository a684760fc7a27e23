"""What lies in the folder of a training run, for a person who gives it where a model or an adapter is expected."""

import re
from pathlib import Path

_ADAPTER, _MODEL = "adapter_config.json", "config.json"


def point_to_model(folder: Path) -> str:
    """Say what to give instead of a run's folder as a model; an empty text if it is none."""
    if not _is_run(folder):
        return ""
    if (folder / "adapter" / _ADAPTER).is_file() or (folder / _ADAPTER).is_file():
        return "It holds an adapter: give its base as the model, and this folder as the adapter."
    return _point_to_whole(folder) or _point_to_checkpoint(folder)


def point_to_adapter(folder: Path) -> str:
    """Say what to give instead of a run's folder, or its `adapter/`, that holds no adapter; an empty text if it is none."""
    folder = folder.parent if folder.name == "adapter" else folder
    return (_point_to_whole(folder) or _point_to_checkpoint(folder)) if _is_run(folder) else ""


def _is_run(folder: Path) -> bool:
    return (folder / "settings.json").is_file() or (folder / "checkpoints").is_dir()


def _point_to_whole(folder: Path) -> str:
    place = next((folder / name for name in ("model", "merged_model") if (folder / name / _MODEL).is_file()), None)
    return f"It holds a whole model: give {place} as the model, without an adapter." if place else ""


def _point_to_checkpoint(folder: Path) -> str:
    """Name the newest checkpoint that is there; it is in the format of what the run would have left."""
    named = [path for path in (folder / "checkpoints").glob("checkpoint-*") if re.fullmatch(r"checkpoint-\d+", path.name)]
    for path in sorted(named, key=lambda path: int(path.name.partition("-")[2]), reverse=True):
        kind = "adapter" if (path / _ADAPTER).is_file() else "model" if (path / _MODEL).is_file() else ""
        if kind and (path / "run.json").is_file():
            return (
                f"It is of a run that has not come to its end: give {path} as the {kind}, as it was at that step, or "
                "resume the run."
            )
    return "It is the folder of a run, and nothing that can be loaded lies in it: resume the run, or train anew."
