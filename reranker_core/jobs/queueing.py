"""Whose turn it is on a device: one job at a time, those that wait in the order in which they came."""

from reranker_core.jobs.folder import JobFolder, list_folders, read_object, read_objects
from reranker_core.jobs.locks import device_lock, take_lock
from reranker_core.jobs.processes import ProcessMark, is_alive


def try_to_take_device(folder: JobFolder, *, device: str, since: str) -> int | None:
    """Take the lock of a device, where nobody who came earlier waits for it.

    Args:
        folder: of the job.
        device: as job.json names it.
        since: when this job came.

    Returns:
        The descriptor of the lock; `None` where it is not this job's turn.
    """
    jobs = folder.path.parent
    if any(_came_before(other, device=device, turn=(since, folder.id)) for other in list_folders(jobs)):
        return None
    return take_lock(device_lock(jobs, device))


def _came_before(other: JobFolder, *, device: str, turn: tuple[str, str]) -> bool:
    note = read_object(other.supervisor) or {}
    asked = (read_objects(other.attempts) or [{}])[-1]
    if asked.get("supervisor") and asked["supervisor"] != note.get("process"):  # it was started, and has said nothing yet
        record = read_object(other.record) or {}
        note = {"phase": "queued", "device": record.get("device"), "since": asked.get("at"), "process": asked["supervisor"]}
    if note.get("phase") != "queued" or note.get("device") != device or (str(note.get("since")), other.id) >= turn:
        return False
    if other.stop.exists():
        return False
    process = ProcessMark.from_dict(note.get("process") or {})
    return process is not None and is_alive(process)
