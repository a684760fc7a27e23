"""What may be wrong with the labels, and what can be done about it."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from ui.hosting import refuse_strangers
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

    A fix that deletes answers with `goes` instead, the counts of what would go out of sight, until `is_sure` comes with it.

    Raises:
        InputError: there is no such fix, or visitors may not change the labels.
    """
    from annotations.checks import apply_fix, count_deletion

    refuse_strangers(services, "Fixes are applied")
    store = services.labels.store
    project = require_project(services, wanted.get("project"))
    name = read_text(wanted, "name", longest=100)
    if wanted.get("is_sure") is not True:
        goes = asdict(count_deletion(store, project.id, name))
        if any(goes.values()):
            return {"goes": goes}
    annotator_id = require_annotator(store, read_handle(wanted))
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
        "fixes": [asdict(fix) for fix in check.fixes],
    }


def _shorten(found: "CheckedText") -> str:
    text = found.text
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]} …"
