"""What may be wrong with the labels, and what can be done about it."""

from typing import TYPE_CHECKING

from ui.label_requests import Answer, Request, read_handle, read_text, require_annotator
from ui.services import Services
from ui.tabs.data.pages import require_project

if TYPE_CHECKING:
    from annotations.checks import Check, CheckedText

SHOWN = 20  # examples of a check
SHOWN_CHARACTERS = 160  # of a text


def check_labels(services: Services, wanted: Request) -> Answer:
    """Run all checks of a project: `checks`, each with `kind`, `sentence`, `count`, `rows` (the first) and `fixes`."""
    from annotations.checks import run_checks

    project = require_project(services, wanted.get("project"))
    return {"checks": [describe_check(check) for check in run_checks(services.labels.store, project.id)]}


def fix_check(services: Services, wanted: Request) -> Answer:
    """Do what the fix `name` says, as `annotator`: `changed`, how many judgements or texts were.

    Raises:
        InputError: there is no such fix.
    """
    from annotations.checks import apply_fix

    store = services.labels.store
    project = require_project(services, wanted.get("project"))
    annotator_id = require_annotator(store, read_handle(wanted))
    name = read_text(wanted, "name", longest=100)
    return {"changed": apply_fix(store, project.id, name, annotator_id=annotator_id)}


def describe_check(check: "Check") -> Answer:
    """Lay a check out for the page, with its first examples."""
    return {
        "kind": check.kind,
        "sentence": check.sentence,
        "count": check.count,
        "rows": [
            {
                "queries": [_shorten(text) for text in row.queries],
                "passages": [_shorten(text) for text in row.passages],
                "note": row.note,
            }
            for row in check.rows[:SHOWN]
        ],
        "fixes": [{"name": fix.name, "sentence": fix.sentence, "can_apply": fix.can_apply} for fix in check.fixes],
    }


def _shorten(found: "CheckedText") -> str:
    text = found.text
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]} …"
