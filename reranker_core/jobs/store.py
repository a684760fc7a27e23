"""The jobs of a home: start, look at, stop, resume and forget them. All that there is to know is in their folders."""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from reranker_core.errors import InputError
from reranker_core.examples.new_files import dump_json, new_file, new_folder
from reranker_core.jobs.data_hashes import find_change, hash_data
from reranker_core.jobs.facts import Facts, read_facts
from reranker_core.jobs.folder import JOB_ID, JobFolder, list_folders, new_id, read_end, read_object, write_object
from reranker_core.jobs.folder import now as time_now
from reranker_core.jobs.launching import GRACE, launch
from reranker_core.jobs.locks import changing_jobs, take_lock
from reranker_core.jobs.metrics import JobMetrics, read_metrics
from reranker_core.jobs.processes import ProcessMark, end_tree
from reranker_core.jobs.records import find_device, make_record, read_settings, settle
from reranker_core.jobs.status import JobStatus
from reranker_core.jobs.views import describe_job, order_queue
from reranker_core.training.settings import TrainingSettings

_LEAVING = 10.0  # seconds that the supervisor of a job that ended has to be gone


class Jobs:
    """The jobs in a folder. Several programs may have one each on the same folder, and threads share one.

    Reading never fails at what is damaged or half written, and waits for nothing. Starting and resuming hash the data.

    Attributes:
        folder: where they lie; made when the first is started.
    """

    def __init__(self, folder: Path, *, grace: float = GRACE) -> None:
        """Name the folder; nothing is read or written.

        Args:
            folder: such as `<home>/jobs`.
            grace: seconds that a job which is asked to stop has to save and end, before it is ended.
        """
        self.folder = folder.expanduser().absolute()
        self._grace = grace

    def start(self, settings: TrainingSettings, *, name: str = "", report_data: Path | None = None) -> JobStatus:
        """Start a job; it waits where another has its device.

        Args:
            settings: of the run. `output_dir` counts for nothing: the job's folder takes its place.
            name: as a person calls it; by default it is called by its base and data.
            report_data: what the report is made on; by default what `reranker_core.reports` finds.

        Raises:
            InputError: data is missing, or the home cannot be written.
        """
        device = find_device(settings)
        report_data = None if report_data is None else report_data.expanduser().absolute()
        folder = JobFolder(self.folder / new_id())
        settled = settle(settings, folder.path)
        record = make_record(settled, job_id=folder.id, name=name, device=device, report_data=report_data)
        with changing_jobs(self.folder):
            with new_folder(folder.path) as part, new_file(part / "job.json") as file:
                file.write_header(dump_json(record))
            launch(folder, attempt=1, grace=self._grace)
        return self.read(folder.id)

    def list(self) -> list[JobStatus]:
        """List all jobs, the newest first. A damaged folder is a job that says so."""
        facts = {folder.id: read_facts(folder) for folder in list_folders(self.folder)}
        jobs = [describe_job(JobFolder(self.folder / job_id), read) for job_id, read in facts.items()]
        return order_queue(jobs, since={job_id: read.attempted_at for job_id, read in facts.items()})

    def read(self, job_id: str) -> JobStatus:
        """Tell how a job stands.

        Raises:
            InputError: there is no such job.
        """
        folder = self._find(job_id)
        job = describe_job(folder, read_facts(folder))
        if job.state != "queued":
            return job
        return next((one for one in self.list() if one.id == job_id), job)

    def stop(self, job_id: str, *, at_once: bool = False) -> JobStatus:
        """Ask a job to end; one that has ended stays as it is.

        One that trains saves a checkpoint, one that waits leaves the queue, one at its report ends without it.

        Args:
            job_id: of the job.
            at_once: end its processes now; what was not saved is lost.

        Raises:
            InputError: there is no such job, or its folder cannot be written.
        """
        with changing_jobs(self.folder):
            folder = self._find(job_id)
            if not describe_job(folder, read_facts(folder)).is_active:
                return self.read(job_id)
            _make_folder(folder.stop.parent)
            write_object(folder.stop, {"at": time_now(), "at_once": at_once})
        if at_once:
            # The supervisor does it too, where it still lives; it must not be needed.
            for mark in _find_workers(folder):
                end_tree(mark)
        return self.read(job_id)

    def resume(self, job_id: str) -> JobStatus:
        """Go on with a job that ended early: from its last whole checkpoint, or from the beginning where there is none.

        One that is trained and has no report gets its report, and nothing else.

        Raises:
            InputError: there is no such job, it runs or is complete, its data has changed, or it is damaged.
        """
        folder = self._find(job_id)
        facts = _check_resumable(folder)
        _check_data(describe_job(folder, facts), read_settings(facts.record, folder.path), facts.record)
        with changing_jobs(self.folder):
            facts = _check_resumable(self._find(job_id))  # another may have been faster
            try:
                folder.stop.unlink(missing_ok=True)
            except OSError as error:
                raise InputError(
                    f"{folder.stop} cannot be removed ({error.strerror}). Check who may write there."
                ) from error
            launch(folder, attempt=facts.attempt + 1, grace=self._grace)
        return self.read(job_id)

    def forget(self, job_id: str) -> None:
        """Remove a job with everything in its folder, its adapter too.

        Raises:
            InputError: there is no such job, it is active, or its folder cannot be removed.
        """
        with changing_jobs(self.folder):
            job = self.read(job_id)
            if job.is_active:
                raise InputError(f"{job.name} is {job.state}. Stop it first; then it can be forgotten.")
            if not job.folder.is_symlink():  # nothing is written where a link leads
                _check_nobody_has(job)
            # It is gone at once and whole, also where removing its files takes long or fails half way.
            leaving = self.folder / f".forgotten-{job_id}"
            try:
                if job.folder.is_symlink():
                    job.folder.unlink()
                    return
                job.folder.rename(leaving)
            except OSError as error:
                raise InputError(
                    f"{job.folder} cannot be removed ({error.strerror}). Check who may write there."
                ) from error
        shutil.rmtree(leaving, ignore_errors=True)

    def read_log(self, job_id: str, *, last: int = 200) -> str:
        """Read the last lines of what a job's worker said; of lines written over, as progress bars are, their last state.

        Raises:
            InputError: there is no such job.
        """
        folder = self._find(job_id)
        return read_end(folder.log, lines=last) or read_end(folder.supervisor_log, lines=last)

    def read_metrics(self, job_id: str) -> JobMetrics:
        """Read the figures that a job has logged; those that a resume went back behind are left out.

        Raises:
            InputError: there is no such job.
        """
        return read_metrics(self._find(job_id).metrics)

    def _find(self, job_id: str) -> JobFolder:
        if not JOB_ID.fullmatch(job_id) or not (self.folder / job_id).is_dir():
            shown = job_id if JOB_ID.fullmatch(job_id) else job_id[:40]
            raise InputError(f'There is no job "{shown}". List them, and give the id of one.')
        return JobFolder(self.folder / job_id)


def _check_resumable(folder: JobFolder) -> Facts:
    facts = read_facts(folder)
    job = describe_job(folder, facts)
    if job.is_active:
        raise InputError(f"{job.name} is not at its end: it is {job.state}. Stop it first, or wait for it.")
    if job.settings is None:
        raise InputError(job.message)
    if not job.can_resume:
        raise InputError(f"{job.name} is complete, and has its report. Start another job to train anew.")
    return facts


def _check_nobody_has(job: JobStatus) -> None:
    """Check that no process has the job, of another container or machine neither, whose processes cannot be seen here."""
    try:
        lock = take_lock(JobFolder(job.folder).lock, patience=_LEAVING)
    except OSError:
        return  # a folder that cannot be written; that it is not removable either is said better there
    if lock is None:
        raise InputError(f"A process has {job.name} still, here or on another machine. Wait until it has ended.")
    os.close(lock)


def _check_data(job: JobStatus, settings: TrainingSettings, record: Mapping[str, Any]) -> None:
    report_data = record.get("report_data")
    before = record.get("data")
    try:
        now = hash_data(settings, report_data=Path(str(report_data)) if report_data else None)
    except InputError as error:
        raise InputError(f"{job.name} cannot go on: {error} Bring the data back as it was, or start a new job.") from error
    change = find_change(before if isinstance(before, dict) else {}, now)
    if change is not None:
        raise InputError(
            f"{job.name} cannot go on: {change} since it was started. Bring the data back as it was, or start a new job."
        )


def _find_workers(folder: JobFolder) -> list[ProcessMark]:
    notes = [(read_object(folder.supervisor) or {}).get("worker"), (read_object(folder.state) or {}).get("process")]
    marks = [ProcessMark.from_dict(note) for note in notes if isinstance(note, dict)]
    return [mark for mark in marks if mark is not None]


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(exist_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror}). Check the disk and who may write there.") from error
