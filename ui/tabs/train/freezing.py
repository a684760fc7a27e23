"""A project's labels frozen for a training: in a new snapshot, or in the newest one where nothing has changed since."""

from pathlib import Path
from typing import TYPE_CHECKING

from annotations.errors import AnnotationError
from reranker_core.errors import InputError
from reranker_core.examples import read_snapshot
from ui.services import Services
from ui.tabs.train.drafts import Draft
from ui.tabs.train.naming import name_snapshot
from ui.tabs.train.sources import Labels, keep_file

if TYPE_CHECKING:
    from annotations.models import DatasetSnapshot


def freeze(services: Services, labels: Labels, draft: Draft | None) -> tuple[Path, str]:
    """Give the place that the job trains from, and a sentence if a snapshot was made or found for it.

    Labels that are as a snapshot has them are not frozen once more, so that jobs on the same labels share one.

    Args:
        services: the labels and the home.
        labels: what was chosen.
        draft: of a project, made just now.

    Raises:
        AnnotationError: the labels cannot be frozen.
    """
    if labels.project_id is None or labels.place is not None:
        return keep_file(services, labels), ""
    if draft is not None and (known := find_same(services, labels.project_id, draft)) is not None:
        return (
            services.labels.snapshots / known.path,
            f'The labels are as in snapshot "{known.name}", which it learns from.',
        )
    from annotations.snapshots import create_snapshot

    name = name_snapshot(services, labels.project_id).name
    report = create_snapshot(services.labels.store, labels.project_id, services.labels.snapshots, name=name)
    return report.snapshot.folder, f'The labels are frozen as snapshot "{report.registered.name}".'


def find_same(services: Services, project_id: int, draft: Draft) -> "DatasetSnapshot | None":
    """Find the newest snapshot of a project, if each of its files is as in the draft."""
    newest = services.labels.store.snapshots.list(project_id)[:1]
    for snapshot in newest:
        try:
            found = read_snapshot(services.labels.snapshots / snapshot.path)
        except (InputError, AnnotationError):  # its folder is gone, or was changed
            return None
        if found.sha256 == snapshot.sha256 and found.manifest["files"] == draft.written.snapshot.manifest["files"]:
            return snapshot
    return None
