"""What the tests of the Train screen share: a home with labels, tiny bases, and jobs that are noted and never trained."""

import json
import random
from pathlib import Path
from typing import Any

from annotations.exchange import ImportOptions, run_import
from reranker_core.jobs import Jobs, JobStatus
from reranker_core.local_models import LocalModels
from reranker_core.training.settings import TrainingSettings
from tests.conftest import CHECKPOINTS
from ui.label_place import Labels
from ui.services import Services
from ui.tabs.data.import_files import read_pasted

_WORDS = "panda bear china bamboo capital france paris tower river mountain whale ocean piano music tea leaf moon".split()


class NotedJobs(Jobs):
    """Jobs of which none is ever trained: what was to be started is kept, and waits for ever."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.started: list[TrainingSettings] = []
        self.known: list[JobStatus] = []

    def start(self, settings: TrainingSettings, *, name: str = "", report_data: Path | None = None) -> JobStatus:
        self.started.append(settings)
        number = len(self.started)
        job_id = f"20261123-1200{number:02d}-{number:06x}"
        job = JobStatus(id=job_id, name=name, folder=self.folder / job_id, state="queued", settings=settings)
        self.known.insert(0, job)
        return job

    def list(self) -> list[JobStatus]:
        return list(self.known)


def make_rows(count: int, *, seed: int = 7) -> list[dict[str, Any]]:
    """Make training rows: the positive shares its words with the query, two to five negatives share none."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        words = draw.sample(_WORDS, 3)
        others = [word for word in _WORDS if word not in words]
        negatives = [f"{' '.join(draw.sample(others, 4))} {place}" for place in range(draw.randint(2, 5))]
        text = " ".join(words)
        rows.append({"query": f"what is {text} {number}?", "pos": [f"{text} is here"], "neg": negatives})
    return rows


def write_rows(path: Path, count: int) -> Path:
    """Write training rows into a file."""
    path.write_text("\n".join(map(json.dumps, make_rows(count))), encoding="utf-8")
    return path


def make_services(home: Path, *, jobs: Jobs | None = None, **how: Any) -> Services:
    """Make services over a home, with the tiny checkpoints as models that were added."""
    models = LocalModels(home / "models.json")
    for folder in ("encoder", "llm", "layerwise"):
        models.add(str(CHECKPOINTS / folder), name=f"tiny-{folder}")
    noted = NotedJobs(home / "jobs") if jobs is None else jobs
    return Services(labels=Labels(home), local_models=models, jobs=noted, **how)


def label(services: Services, name: str, count: int, *, seed: int = 7) -> int:
    """Make a project of judged rows; gives its id. Of its queries 60 % stand in train, 15 % in dev, the rest in test."""
    store = services.labels.store
    project = store.projects.create(name)
    text = "\n".join(map(json.dumps, make_rows(count, seed=seed)))
    run_import(store, project.id, read_pasted(services, text, name=name), options=ImportOptions(annotator="import"))
    queries = sorted(row.query_id for row in store.browse.queries(project.id, limit=count).rows)
    train, dev = count * 60 // 100, count * 75 // 100
    for split, part in (("train", queries[:train]), ("dev", queries[train:dev]), ("test", queries[dev:])):
        store.texts.set_split(part, split)
    return int(project.id)
