"""Backups: listed, made, put back. What is put back moves the file of now aside; nothing is deleted."""

from typing import TYPE_CHECKING

from annotations.errors import InputError, StorageError
from ui.hosting import say_to_visitor
from ui.label_place import LABELS_FILE
from ui.label_requests import Answer, Request, read_number
from ui.services import Services
from ui.tabs.data.pages import require_own_machine

if TYPE_CHECKING:
    from annotations.backup import Backup

WORD = "restore"  # that is typed to go on

_REASONS = {
    "manual": "made by hand",
    "start": "at the start",
    "labels": "after many judgements",
    "import": "before an import",
    "bulk": "before many changes at once",
    "migration": "before an update",
    "restore": "before a restore",
}
_COUNTED = ("project", "query", "passage", "candidate", "judgement")


def list_copies(services: Services, wanted: Request) -> Answer:
    """List the copies, the newest first: `rows` of `number`, `at`, `reason`, `size`; `problem` of the last automatic one.

    What a copy holds (`counts`) is read when it is asked for by its `number`, together with what is there now. Strangers
    are told of none.
    """
    if not services.allow_folders:
        return {"rows": [], "problem": "", "folder": "", "word": WORD, "can_change": False}
    if wanted.get("number") is not None:
        return _compare(services, _find(services, wanted))
    from annotations.backup import list_backups

    rows = [
        {
            "number": copy.number,
            "at": copy.made_at.isoformat(),
            "reason": _REASONS.get(copy.reason, copy.reason),
            "size": copy.size_bytes,
            "name": copy.path.name,
        }
        for copy in list_backups(services.labels.home / LABELS_FILE)
    ]
    return {
        "rows": rows,
        "problem": _find_problem(services),
        "folder": str(services.labels.home / "backups"),
        "word": WORD,
        "can_change": True,
    }


def make_copy(services: Services, wanted: Request) -> Answer:
    """Make a verified copy now: `said`, a sentence.

    Raises:
        InputError: the screen is served to others.
        StorageError: it could not be made.
    """
    require_own_machine(services, "Backups are made by hand")
    return {"said": f"{services.labels.store.backup().name} is made and verified."}


def restore_copy(services: Services, wanted: Request) -> Answer:
    """Put the copy of that `number` in the place of the labels, once `word` was typed: `said`, a sentence.

    Raises:
        InputError: the word is another one, there is no such copy, or the screen is served to others.
        StorageError: it cannot be put back; everything is as it was.
    """
    from annotations.backup import restore

    require_own_machine(services, "Backups are put back")
    copy = _find(services, wanted)
    typed = wanted.get("word")
    if not isinstance(typed, str) or typed.strip().casefold() != WORD:
        raise InputError(f'Type "{WORD}" to put this copy back. Nothing was changed.')
    services.labels.close()
    aside = restore(services.labels.home / LABELS_FILE, copy.path)
    said = f"The copy of {copy.made_at:%Y-%m-%d %H:%M} UTC is back."
    return {"said": f"{said} What was there before is kept as {aside.name}." if aside else said}


def _find(services: Services, wanted: Request) -> "Backup":
    from annotations.backup import list_backups

    number = read_number(wanted, "number", least=1)
    for copy in list_backups(services.labels.home / LABELS_FILE):
        if copy.number == number:
            return copy
    raise InputError(f"There is no backup {number} any more. Load the list again.")


def _compare(services: Services, copy: "Backup") -> Answer:
    """Count what is in a copy, beside what is there now."""
    from annotations.backup import check_backup

    require_own_machine(services, "Backups are looked into")
    counts = {"then": check_backup(copy.path).counts, "now": _count_now(services)}
    names = {"project": "projects", "query": "queries", "passage": "passages", "candidate": "candidates"}
    return {
        "rows": [
            {"name": names.get(table, "judgements"), **{when: found.get(table) for when, found in counts.items()}}
            for table in _COUNTED
        ]
    }


def _count_now(services: Services) -> dict[str, int]:
    """Count the rows of the file of now; nothing where it cannot be read, which is when a copy is needed."""
    from annotations.backup import count_rows

    try:
        return count_rows(services.labels.home / LABELS_FILE)
    except StorageError:
        return {}


def _find_problem(services: Services) -> str:
    try:
        return services.labels.store.backup_problem
    except StorageError as error:
        return say_to_visitor(services, error)
