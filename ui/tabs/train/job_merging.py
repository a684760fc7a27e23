"""Merging what a job trained into its base: a process of its own, which the page follows by the file that it writes."""

import os
import subprocess
import sys
import threading
from pathlib import Path

from reranker_core.errors import InputError
from reranker_core.jobs import JobStatus
from reranker_core.jobs.folder import read_object, write_object
from reranker_core.jobs.locks import changing_jobs
from reranker_core.jobs.processes import ProcessMark, is_alive, mark_process
from ui.hosting import hide_places
from ui.label_requests import Answer, Request
from ui.merge_process import MERGE_LOG, MERGE_STATE, MERGED
from ui.services import Services
from ui.tabs.train.job_models import refuse_without_training, require_job

_ROOT = Path(__file__).parents[3]


def merge_job(services: Services, wanted: Request) -> Answer:
    """Begin to write the whole model that the base and the adapter of the job `id` are together.

    Raises:
        InputError: there is nothing to merge, it is merged already, or being merged; or visitors may not.
    """
    refuse_without_training(services, "Models are merged")
    job = require_job(services, wanted)
    title = job.name
    if job.is_active or job.kind != "adapter" or job.settings is None:
        raise InputError(f"{title} has no adapter that could be merged. Wait until the job has ended with one.")
    with changing_jobs(services.jobs.folder):
        state = describe_merge(services, job)["state"]
        if state in ("running", "done"):
            raise InputError(f"{title} is merged already." if state == "done" else f"{title} is being merged.")
        try:
            _start_process(job.folder)
        except OSError as error:
            raise InputError(f"The merge cannot be started ({error.strerror}). Check the disk and the memory.") from error
    return {"said": f"{title} is being merged; that takes a while and goes on without this page."}


def describe_merge(services: Services, job: JobStatus) -> Answer:
    """Tell how the merge of a job stands: `state` ("", "running", "done", "failed"), `share` from 0 to 1, `message`."""
    if (job.folder / MERGED / "config.json").is_file():
        place = f" It lies in {job.folder / MERGED}." if services.allow_folders else ""
        return {"state": "done", "share": 1.0, "message": f"The merged model is whole and checked.{place}"}
    note = read_object(job.folder / MERGE_STATE)
    if note is None:
        return {"state": "", "share": 0.0, "message": ""}
    process = note.get("process")
    mark = ProcessMark.from_dict(process) if isinstance(process, dict) else None
    if mark is not None and is_alive(mark):
        share = note.get("share")
        return {"state": "running", "share": share if isinstance(share, float) else 0.0, "message": "Merging."}
    said = str(note.get("error") or "The merge ended without a word, most likely for want of memory. Try it again.")
    return {"state": "failed", "share": 0.0, "message": hide_places(services, said)}


def _start_process(folder: Path) -> None:
    """Start the merge, detached."""
    # So that it is found from whatever working directory, in a checkout that is not installed too.
    places = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    with (folder / MERGE_LOG).open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "ui.merge_process", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            env=os.environ | {"PYTHONPATH": os.pathsep.join(places)},
        )
    # A child that nobody waits for stays a zombie as long as this program lives.
    threading.Thread(target=process.wait, name=f"merge {folder.name}", daemon=True).start()
    # It needs seconds before it can speak for itself, and nobody should start another one meanwhile.
    write_object(folder / MERGE_STATE, {"process": mark_process(process.pid).to_dict(), "share": 0.0})
