"""What is left of an import that ended half way, as when its disk was full: told, and removed."""

from annotations.errors import InputError
from ui.label_requests import Answer, Request
from ui.services import Services
from ui.tabs.data.pages import require_project


def find_left(services: Services, wanted: Request) -> Answer:
    """Tell of which import something is left in `project`: `name`, and `at`, when it began; no name if of none."""
    from annotations.exchange import find_unfinished

    if wanted.get("project") is None:
        return {"name": None}
    left = find_unfinished(services.labels.store, require_project(services, wanted["project"]).id)
    return {"name": left.source_name, "at": left.created_at.isoformat()} if left else {"name": None}


def remove_left(services: Services, wanted: Request) -> Answer:
    """Remove it: `said`, a sentence.

    Raises:
        InputError: the visitor may not.
        ConflictError: an import is going on.
        StorageError: it could not be removed.
    """
    from annotations.exchange import remove_unfinished

    if not services.can_change_labels:
        raise InputError("Only whoever runs this app can remove it. The next import does so too.")
    left = remove_unfinished(services.labels.store, require_project(services, wanted.get("project")).id)
    return {"said": f"What was left of {left.source_name} is removed." if left else "Nothing was left any more."}
