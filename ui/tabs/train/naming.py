"""Names that nobody has to think of: of a job, and of the snapshot that a project is frozen into."""

import re
from dataclasses import dataclass

from reranker_core.errors import InputError
from ui.services import Services
from ui.tabs.train.sources import Labels

_LONGEST = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotName:
    """The name of a snapshot to be made, and of its folder."""

    name: str
    folder: str


def name_job(services: Services, labels: Labels, *, wanted: object = "") -> str:
    """Give a job its name: the wanted one, else that of the labels with the next number.

    Raises:
        InputError: the wanted name is none that can be shown, or too long.
    """
    if isinstance(wanted, str) and wanted.strip():
        name = wanted.strip()
        if len(name) > _LONGEST or not name.isprintable() or {"/", "\\"} & set(name):
            raise InputError(
                f"A job's name has at most {_LONGEST} characters that can be seen and no slashes, got {name[:40]!r}. "
                "Change it."
            )
        return name
    stem = name_of_labels(services, labels)
    pattern = re.compile(rf"{re.escape(stem)}-(\d{{1,6}})")
    numbers = [int(found[1]) for job in services.jobs.list() if (found := pattern.fullmatch(job.name))]
    return f"{stem}-{max(numbers, default=0) + 1}"


def name_of_labels(services: Services, labels: Labels) -> str:
    """Make a short word of what a training learns from: the project's name, or the file's."""
    title = labels.title
    if labels.project_id is not None:
        title = services.labels.store.projects.get_by_id(labels.project_id).name
    return re.sub(r"[\W_]+", "-", title)[:40].strip("-").lower() or "labels"


def name_rows_file(services: Services, labels: Labels) -> str:
    """Name the file of training rows that is taken away."""
    return f"{name_of_labels(services, labels)}.train.jsonl"


def name_snapshot(services: Services, project_id: int) -> SnapshotName:
    """Name the next snapshot of a project: its name and a number."""
    store = services.labels.store
    title = store.projects.get_by_id(project_id).name[:_LONGEST]
    taken = {snapshot.name for snapshot in store.snapshots.list(project_id)}
    number = len(taken) + 1
    while f"{title} {number}" in taken:
        number += 1
    name = f"{title} {number}"
    return SnapshotName(name=name, folder=re.sub(r"[\W_]+", "-", name)[:_LONGEST].strip("-") or "snapshot")
