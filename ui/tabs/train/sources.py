"""What can be trained, and on what: the bases that are here, and projects, snapshots and files of labels."""

import hashlib
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gradio.utils import get_upload_folder

from reranker_core.errors import InputError
from ui.choices import Choice, find_choice, list_choices
from ui.services import Services

if TYPE_CHECKING:
    from annotations.models import DatasetSnapshot, Project

_ROWS_FOLDER = "training-rows"  # of the app's own folder: uploaded files that were trained on
_LONGEST_PATH = 4096


@dataclass(frozen=True, slots=True, kw_only=True)
class Labels:
    """What is trained on.

    Attributes:
        key: by which the page names it: `project:3`, `snapshot:3/name-of-its-folder`, `file:/path` or `upload:/path`.
        kind: the word before the colon.
        title: as a person calls it.
        place: the snapshot's folder or the file; `None` for a project, which becomes a snapshot at the start.
        project_id: of a project or a snapshot, else `None`.
    """

    key: str
    kind: str
    title: str
    place: Path | None = None
    project_id: int | None = None


def list_bases(services: Services) -> list[dict[str, Any]]:
    """List what can be trained, what is here first: `name`, `title`, `family`, `is_here` and a `note`."""
    bases = [_describe_base(choice) for choice in list_choices(services) if _is_base(choice)]
    return sorted(bases, key=lambda base: not base["is_here"])


def find_base(services: Services, name: object) -> Choice:
    """Give the base of that name.

    Raises:
        InputError: there is none, it is an adapter or BM25, or it is not here.
    """
    choice = find_choice(services, name)
    if not _is_base(choice):
        raise InputError(f"{choice.title} cannot be trained: it is BM25 or has an adapter already. Choose its base.")
    if choice.problem:
        raise InputError(f"{choice.title} cannot be trained: {choice.problem}")
    if not choice.is_ready:
        raise InputError(f"{choice.title} is not on this machine. Download it under Models, or choose another base.")
    return choice


def count_parameters(choice: Choice) -> float | None:
    """Tell how many million parameters a base has, roughly; `None` where nobody knows."""
    if choice.info.parameters is not None:
        return float(choice.info.parameters)
    return None if choice.info.download_gb is None else choice.info.download_gb * 250  # four bytes each


def list_labels(services: Services) -> list[dict[str, Any]]:
    """List what can be trained on: projects, then snapshots, the newest first; each with `key`, `title` and `group`."""
    store = services.labels.store
    projects = sorted(store.projects.list(), key=lambda project: project.id, reverse=True)
    found = [
        {"key": f"project:{project.id}", "title": f"{project.name}, as it is now", "group": "Projects"}
        for project in projects
    ]
    snapshots = sorted(
        ((project, snapshot) for project in projects for snapshot in store.snapshots.list(project.id)),
        key=lambda pair: pair[1].id,
        reverse=True,
    )
    for project, snapshot in snapshots:
        found.append(
            {
                "key": f"snapshot:{project.id}/{snapshot.path}",
                "title": f"{_name_snapshot(project, snapshot)} · {describe_parts(read_parts(snapshot))}",
                "group": "Snapshots",
            }
        )
    return found


def find_labels(services: Services, key: object) -> Labels:
    """Give what a page named.

    Raises:
        InputError: nothing was named, it is not there, or it may not be read here.
    """
    kind, _, rest = key.partition(":") if isinstance(key, str) and len(key) <= _LONGEST_PATH else ("", "", "")
    match kind:
        case "project":
            project = _find_project(services, rest)
            return Labels(key=f"project:{project.id}", kind=kind, title=project.name, project_id=project.id)
        case "snapshot":
            return _find_snapshot(services, rest)
        case "file":
            return _find_file(services, rest)
        case "upload":
            return _find_upload(rest)
    raise InputError("No labels are chosen. Choose a project, a snapshot or a file of training rows.")


def find_by_name(services: Services, name: str) -> Labels:
    """Give a project by its id or name, or a snapshot by its name or folder; for programs.

    Raises:
        InputError: there is none; lists those there are.
    """
    known = list_labels(services)
    for entry in known:
        labels = find_labels(services, entry["key"])
        names = {labels.title, entry["key"]} | ({labels.place.name} if labels.place else {str(labels.project_id)})
        if name in names:
            return labels
    there = ", ".join(f'"{find_labels(services, entry["key"]).title:.60}"' for entry in known[:20]) or "none yet"
    raise InputError(f'There is no project and no snapshot "{name:.80}". There are: {there}.')


def keep_file(services: Services, labels: Labels) -> Path:
    """Give the place that a job trains from: what was uploaded is copied under the home, for gradio clears its folder."""
    if labels.place is None:
        raise InputError("A project is trained from its snapshot. Make one first.")
    if labels.kind != "upload":
        return labels.place
    digest = hashlib.sha256(labels.place.read_bytes()).hexdigest()
    stem = re.sub(r"[\W_]+", "-", labels.place.stem)[:60].strip("-") or "rows"
    folder = services.labels.home / _ROWS_FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{stem}-{digest[:12]}.jsonl"
    if not kept.exists():
        part = kept.with_suffix(".part")
        shutil.copyfile(labels.place, part)
        part.replace(kept)
    return kept


def read_parts(snapshot: "DatasetSnapshot") -> dict[str, int]:
    """Give how many queries each part of a snapshot has."""
    parts = (snapshot.manifest or {}).get("parts") or {}
    return {name: int(parts[name].get("queries", 0)) for name in ("train", "dev", "test") if name in parts}


def describe_parts(parts: dict[str, int]) -> str:
    """Say how many queries each part has, such as `96 train / 24 dev / 40 test`."""
    return " / ".join(f"{number:,} {name}" for name, number in parts.items())


def _name_snapshot(project: "Project", snapshot: "DatasetSnapshot") -> str:
    """Name a snapshot and its project, whose name need not be said twice."""
    return snapshot.name if snapshot.name.startswith(project.name) else f"{project.name}, {snapshot.name}"


def _is_base(choice: Choice) -> bool:
    return choice.adapter is None and choice.info.family != "bm25"


def _describe_base(choice: Choice) -> dict[str, Any]:
    info = choice.info
    if choice.problem:
        note = "cannot be read: see Models"
    elif not choice.is_ready:
        note = "not here: download it under Models"
    else:
        note = ""
    is_here = choice.is_ready and not choice.problem
    return {"name": choice.name, "title": info.name, "family": info.family, "is_here": is_here, "note": note}


def _find_project(services: Services, text: str) -> "Project":
    if not text.isdigit() or len(text) > 15:
        raise InputError("The page must name a project by its id. Load it again.")
    project = services.labels.store.projects.get_by_id(int(text))
    if project.archived_at is not None:
        raise InputError(f'The project "{project.name}" is archived. Put it back on the list under Data.')
    return project


def _find_snapshot(services: Services, text: str) -> Labels:
    project_id, _, path = text.partition("/")
    project = _find_project(services, project_id)
    for snapshot in services.labels.store.snapshots.list(project.id):
        if snapshot.path == path:
            place = services.labels.snapshots / snapshot.path
            if not place.is_dir():
                raise InputError(f'The folder of snapshot "{snapshot.name}" is gone. Choose another, or make a new one.')
            return Labels(key=f"snapshot:{text}", kind="snapshot", title=snapshot.name, place=place, project_id=project.id)
    raise InputError("This snapshot is not there any more. Choose another.")


def _find_file(services: Services, text: str) -> Labels:
    if not services.allow_folders:
        raise InputError("Files of this server are trained on only where the app runs on your own machine. Upload a file.")
    if not text.strip():
        raise InputError("Give the path of a jsonl file of training rows, or upload one.")
    place = Path(text.strip()).expanduser()
    if not place.exists():
        raise InputError(f"{place} is not there. Give the path of a jsonl file of training rows.")
    if not place.is_file() and not place.is_dir():  # a device has no end, a pipe none until somebody writes
        raise InputError(f"{place} is neither a file nor a folder. Give the path of a jsonl file of training rows.")
    return Labels(key=f"file:{text.strip()}", kind="file", title=place.stem, place=place.absolute())


def _find_upload(text: str) -> Labels:
    place, folder = Path(text).resolve(), Path(get_upload_folder()).resolve()
    if not place.is_relative_to(folder) or not place.is_file():
        raise InputError("The uploaded file is gone. Upload it again.")
    return Labels(key=f"upload:{text}", kind="upload", title=place.stem, place=place)
