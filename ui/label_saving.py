"""What the Annotate page changes: judgements, one by one and together, undo and redo. All is answered after COMMIT."""

from typing import TYPE_CHECKING, Any, cast

from annotations.errors import ConflictError, InputError
from ui.label_requests import (
    Answer,
    Request,
    read_choice,
    read_client,
    read_handle,
    read_list,
    read_number,
    read_optional_number,
    read_text,
    require_annotator,
)

if TYPE_CHECKING:
    from annotations.models import Judgement, State
    from annotations.store import Store
    from annotations.store.history import Change, Step
    from annotations.store.judgements import JudgementInput, Saved

BATCH = 20  # judgements in one call
BULK = 10_000  # judgements of one bulk change

_STATES = ("graded", "skipped", "cant_tell", "later")
_SCALES = ("binary", "graded")


def save(store: "Store", wanted: Request) -> Answer:
    """Save judgements, each by itself.

    Args:
        store: into which.
        wanted: `client_id`, `annotator` and `items`, each with `seq`, `candidate`, `state`, `grade`, `expected_version` and
            what `JudgementInput` keeps beside them.

    Returns:
        `items`, one for each, in order: `seq`, `status` (`saved`, `repeated`, `late`, `conflict` or `refused`), the
        judgement as it is now (`state`, `grade`, `version`; not of a refused one) and a `message`.

    Raises:
        InputError: who judges, or the page, is not named.
        StorageError: the disk failed; what came before is saved, and sending all again saves nothing twice.
    """
    client_id, handle = read_client(wanted), read_handle(wanted)
    items = read_list(wanted, "items", longest=BATCH)
    annotator_id = require_annotator(store, handle)
    return {"items": [_save_one(store, item, client_id, annotator_id) for item in items]}


def save_bulk(store: "Store", wanted: Request) -> Answer:
    """Save many judgements together, all or none; undo takes them back as one step. Arguments and answer as `save`.

    Raises:
        InputError: one of them cannot be saved; none was.
        ConflictError: one of them was changed in another tab; none was saved.
        StorageError: the disk failed; none was saved.
    """
    client_id, handle = read_client(wanted), read_handle(wanted)
    items = read_list(wanted, "items", longest=BULK)
    annotator_id = require_annotator(store, handle)
    inputs = [_read_judgement(item, client_id, annotator_id) for item in items]
    saved = store.judgements.save_many(inputs) if inputs else []
    return {"items": [_describe_saved(one.seq, result) for one, result in zip(inputs, saved, strict=True)]}


def undo_step(store: "Store", wanted: Request) -> Answer:
    """Take back the newest step of `annotator` in `project`: `status` and `changes`; see `History.undo`."""
    return _describe_step(store.history.undo(*_read_line(store, wanted), **_read_send(wanted)))


def redo_step(store: "Store", wanted: Request) -> Answer:
    """Do again what `annotator` undid last in `project`: `status` and `changes`; see `History.redo`."""
    return _describe_step(store.history.redo(*_read_line(store, wanted), **_read_send(wanted)))


def _save_one(store: "Store", item: Any, client_id: str, annotator_id: int) -> Answer:
    try:
        judgement = _read_judgement(item, client_id, annotator_id)
        return _describe_saved(judgement.seq, store.judgements.save(judgement))
    except ConflictError as conflict:
        return {"seq": item["seq"], "status": "conflict", "message": str(conflict), **describe_judgement(conflict.current)}
    except InputError as refusal:
        seq = item.get("seq") if isinstance(item, dict) else None
        return {"seq": seq, "status": "refused", "message": str(refusal)}


def _read_judgement(item: Any, client_id: str, annotator_id: int) -> "JudgementInput":
    from annotations.store.judgements import JudgementInput

    if not isinstance(item, dict):
        raise InputError("A judgement must be an object. Load the page again.")
    return JudgementInput(
        candidate_id=read_number(item, "candidate", least=1),
        annotator_id=annotator_id,
        state=cast("State", read_choice(item, "state", _STATES)),
        grade=read_optional_number(item, "grade"),
        scale=None if item.get("scale") is None else cast(Any, read_choice(item, "scale", _SCALES)),
        expected_version=read_number(item, "expected_version"),
        client_id=client_id,
        seq=read_number(item, "seq"),
        score_shown=item.get("score_shown") is True,
        position_shown=read_optional_number(item, "position_shown", least=1),
        order_mode=read_text(item, "order_mode", longest=40) if "order_mode" in item else "",
        guideline_version_id=read_optional_number(item, "guideline", least=1),
        duration_ms=read_optional_number(item, "duration_ms"),
    )


def _describe_saved(seq: int, saved: "Saved") -> Answer:
    return {"seq": seq, "status": saved.status, "message": "", **describe_judgement(saved.judgement)}


def describe_judgement(judgement: "Judgement | None") -> Answer:
    """Give state, grade and version as a page keeps them; of none `None`, `None` and 0."""
    if judgement is None:
        return {"state": None, "grade": None, "version": 0}
    return {"state": judgement.state, "grade": judgement.grade, "version": judgement.version}


def _read_line(store: "Store", wanted: Request) -> tuple[int, int]:
    return read_number(wanted, "project", least=1), require_annotator(store, read_handle(wanted))


def _read_send(wanted: Request) -> dict[str, Any]:
    return {"client_id": read_client(wanted), "seq": read_number(wanted, "seq")}


def _describe_step(step: "Step") -> Answer:
    return {"status": step.status, "changes": [_describe_change(change) for change in step.changes]}


def _describe_change(change: "Change") -> Answer:
    return {"query": change.query_id, "candidate": change.candidate_id, **describe_judgement(change.judgement)}
