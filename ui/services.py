"""What the screens are given by the composition root."""

import secrets
import tempfile
import threading
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

from reranker_core.downloads import Downloads
from reranker_core.jobs import Jobs
from reranker_core.local_models import LocalModels
from reranker_core.pool import ModelPool
from ui.hand_over import HandOver
from ui.label_place import Labels
from ui.runs import Runs

JOBS_FOLDER = "jobs"  # of the app's own folder


def _jobs_of_nobody() -> Jobs:
    """Give jobs in a folder that nobody has and that is not made before one is started."""
    return Jobs(Path(tempfile.gettempdir()) / f"jobs-{secrets.token_hex(8)}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that outlives one visit.

    Attributes:
        pool: the models that are ready.
        downloads: what is being fetched from the Hub.
        local_models: folders and adapters of this machine that were added.
        labels: the labelled data.
        jobs: the trainings, which go on without this program.
        hand_over: the memory of scoring models, lent to a training and given back.
        runs: the scorings under way, so that each visitor can stop his own.
        first_models: what Compare has chosen and scores with on a first visit, by name.
        allow_folders: whether a visitor may name folders of this machine: on a local screen only.
        allow_download: whether a visitor may start a download.
        allow_label_changes: whether a visitor of a hosted screen may change the labels as a whole: delete, archive, rename,
            apply fixes, write the guideline. Everybody may judge.
        allow_training: whether a visitor of a hosted screen may start, stop and forget trainings.
    """

    pool: ModelPool = field(default_factory=ModelPool)
    downloads: Downloads = field(default_factory=Downloads)
    local_models: LocalModels = field(default_factory=LocalModels)
    labels: Labels = field(default_factory=Labels)
    jobs: Jobs = field(default_factory=_jobs_of_nobody)
    hand_over: HandOver = field(default_factory=HandOver)
    runs: Runs = field(default_factory=Runs)
    first_models: tuple[str, ...] = ("bm25",)
    allow_folders: bool = False
    allow_download: bool = False
    allow_label_changes: bool = False
    allow_training: bool = False

    @property
    def can_change_labels(self) -> bool:
        """Whether a visitor may change the labels as a whole: always on a person's own machine."""
        return self.allow_folders or self.allow_label_changes

    @property
    def can_train(self) -> bool:
        """Whether a visitor may train: always on a person's own machine."""
        return self.allow_folders or self.allow_training


def import_torch_later(seconds: float) -> threading.Timer:
    """Import what models need in the background, once the page is served and the first BM25 score is out.

    Args:
        seconds: how long to wait; the import takes a few seconds and slows down whatever runs beside it.
    """
    timer = threading.Timer(seconds, import_module, ["reranker_core.loading"])
    timer.daemon = True
    timer.start()
    return timer
