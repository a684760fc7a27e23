"""Deleting queries and passages: first what goes with them, then a typed word, and back again for as long as one likes."""

from typing import TYPE_CHECKING

from annotations.errors import InputError
from ui.hosting import refuse_strangers
from ui.label_requests import Answer, Request, read_choice, read_number
from ui.services import Services
from ui.tabs.data.pages import require_project

if TYPE_CHECKING:
    from annotations.models import Passage, Query

WORD = "delete"  # that is typed to go on
PAGE = 50  # deleted texts
SHOWN = 300  # characters of each


def count_deletion(services: Services, wanted: Request) -> Answer:
    """Count what deleting a text (`kind`, query or passage, and `id`) takes out of sight: `candidates` and `judgements`.

    Raises:
        InputError: it is not in the project.
    """
    found = _find(services, wanted)
    browse = services.labels.store.browse
    if wanted["kind"] == "query":
        counted = browse.count_of_deletion(query_ids=[found.id])
    else:
        counted = browse.count_of_deletion(passage_ids=[found.id])
    return {"candidates": counted.candidates, "judgements": counted.judgements, "word": WORD}


def delete_text(services: Services, wanted: Request) -> Answer:
    """Delete a text (`kind` and `id`) once `word` was typed; it can be restored.

    Raises:
        InputError: the word is another one, the text is not in the project, or visitors may not change the labels.
    """
    refuse_strangers(services, "Texts are deleted")
    found = _find(services, wanted)
    typed = wanted.get("word")
    if not isinstance(typed, str) or typed.strip().casefold() != WORD:
        raise InputError(f'Type "{WORD}" to delete this {wanted["kind"]}. Nothing was deleted.')
    texts = services.labels.store.texts
    (texts.delete_queries if wanted["kind"] == "query" else texts.delete_passages)([found.id])
    return {}


def restore_text(services: Services, wanted: Request) -> Answer:
    """Bring a deleted text (`kind` and `id`) back, with all judgements.

    Raises:
        InputError: it is not in the project, or visitors may not change the labels.
    """
    refuse_strangers(services, "Texts are brought back")
    found = _find(services, wanted)
    texts = services.labels.store.texts
    (texts.restore_queries if wanted["kind"] == "query" else texts.restore_passages)([found.id])
    return {}


def list_deleted(services: Services, wanted: Request) -> Answer:
    """List what was deleted in a project, the newest first: `rows` of `kind`, `id`, `text` and `at`; `total`, `offset`."""
    project = require_project(services, wanted.get("project"))
    offset = read_number(wanted, "offset") if "offset" in wanted else 0
    page = services.labels.store.browse.deleted(project.id, offset=offset, limit=PAGE)
    rows = [
        {
            "kind": row.kind,
            "id": row.id,
            "text": row.text[:SHOWN] + ("…" if len(row.text) > SHOWN else ""),
            "at": row.deleted_at.isoformat(),
        }
        for row in page.rows
    ]
    return {"rows": rows, "total": page.total, "offset": offset, "size": PAGE}


def _find(services: Services, wanted: Request) -> "Query | Passage":
    project = require_project(services, wanted.get("project"))
    kind, key = read_choice(wanted, "kind", ("query", "passage")), read_number(wanted, "id", least=1)
    texts = services.labels.store.texts
    found: Query | Passage = texts.query(key) if kind == "query" else texts.passage(key)
    if found.project_id != project.id:
        raise InputError(f"There is no {kind} {key} in this project. Load the page again.")
    return found
