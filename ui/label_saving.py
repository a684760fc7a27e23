"""What the Annotate page changes: judgements, one by one and together, undo and redo. All is answered after COMMIT."""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from annotations.errors import ConflictError, InputError
from ui.label_requests import (
    Answer,
    Request,
    find_annotator,
    read_choice,
    read_client,
    read_handle,
    read_list,
    read_number,
    read_optional_number,
    read_seen,
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

_KEPT_OUT_OF_SIGHT = "This {} was deleted meanwhile. Your label is kept, and comes back when it is restored under Data."

_STATES = ("graded", "skipped", "cant_tell", "later")
_SCALES = ("binary", "graded")


def save(store: "Store", wanted: Request) -> Answer:
    """Save judgements, each by itself.

    Args:
        store: into which.
        wanted: `client_id`, `annotator`, perhaps `project`, and `items`, each with `seq`, `candidate`, `state`, `grade`,
            `expected_version` and what `JudgementInput` keeps beside them.

    Returns:
        `items`, one for each, in order: `seq`, `status` (`saved`, `repeated`, `late`, `conflict` or `refused`), the
        judgement as it is now (`state`, `grade`, `version`; not of a refused one) and a `message`, empty unless there is
        something to know: of one that was saved, that its query or passage was deleted. If one was not saved,
        also the `scale` of the project, which the page may not know.

    Raises:
        InputError: who judges, or the page, is not named.
        StorageError: the disk failed; what came before is saved, and sending all again saves nothing twice.
    """
    client_id, handle = read_client(wanted), read_handle(wanted)
    items = read_list(wanted, "items", longest=BATCH)
    find_who = _find_when_needed(store, handle)
    answers = [_save_one(store, item, client_id, find_who) for item in items]
    is_all_well = all(answer["status"] in ("saved", "repeated") for answer in answers)
    return {"items": answers} | ({} if is_all_well else _tell_scale(store, wanted))


def save_bulk(store: "Store", wanted: Request) -> Answer:
    """Save many judgements together, all or none; undo takes them back as one step. Arguments and answer as `save`.

    If one of them was changed in another tab, or cannot be saved, none is: the answer is an `error`, the project's `scale`,
    and `conflicts`, the judgements as they are now of all candidates that were changed.

    Raises:
        InputError: one of them cannot be read; none was saved.
        StorageError: the disk failed; none was saved.
    """
    client_id, handle = read_client(wanted), read_handle(wanted)
    items = read_list(wanted, "items", longest=BULK)
    find_who = _find_when_needed(store, handle)
    inputs = [_read_judgement(item, client_id, find_who) for item in items]
    try:
        saved = store.judgements.save_many(inputs) if inputs else []
    except ConflictError as conflict:
        refused = {"error": str(conflict), "again": False, "conflicts": _find_conflicts(store, inputs)}
        return refused | _tell_scale(store, wanted)
    except InputError as refusal:
        return {"error": str(refusal), "again": False} | _tell_scale(store, wanted)
    return {"items": [_describe_saved(one.seq, result) for one, result in zip(inputs, saved, strict=True)]}


def undo_step(store: "Store", wanted: Request) -> Answer:
    """Take back the newest step of `annotator` in `project`: `status`, `changes` and `steps`; see `History.undo`."""
    return _take_step(store, store.history.undo, wanted)


def redo_step(store: "Store", wanted: Request) -> Answer:
    """Do again what `annotator` undid last in `project`: `status`, `changes` and `steps`; see `History.redo`."""
    return _take_step(store, store.history.redo, wanted)


def describe_steps(store: "Store", project_id: int, annotator_id: int) -> Answer:
    """Tell what an annotator has to `undo` and to `redo` in a project: the ids of the newest events, 0 where is nothing."""
    steps = store.history.open_steps(project_id, annotator_id)
    return {"undo": steps.undo_id or 0, "redo": steps.redo_id or 0}


def _take_step(store: "Store", act: "Callable[..., Step]", wanted: Request) -> Answer:
    """Undo or redo, if the newest step is the one that was `seen`; else give `error` and `steps`, and change nothing."""
    line = _read_line(store, wanted)
    try:
        answer = _describe_step(act(*line, **_read_send(wanted), seen=read_seen(wanted)))
    except ConflictError as conflict:
        answer = {"error": str(conflict), "again": False}
    return answer | {"steps": describe_steps(store, *line)}


def _find_when_needed(store: "Store", handle: str) -> Callable[[], int]:
    """Give what finds who judges, and makes a new one only once there is a judgement to save."""
    known = find_annotator(store, handle)
    return cache(lambda: known or require_annotator(store, handle))


def _find_conflicts(store: "Store", inputs: "list[JudgementInput]") -> list[Answer]:
    found = ((one, describe_judgement(store.judgements.get(one.candidate_id, one.annotator_id))) for one in inputs)
    return [{"candidate": one.candidate_id, **now} for one, now in found if now["version"] != one.expected_version]


def _tell_scale(store: "Store", wanted: Request) -> Answer:
    """Give the scale of the project, if it is named and there."""
    project_id = wanted.get("project")
    known = [project.scale for project in store.projects.list(include_archived=True) if project.id == project_id]
    return {"scale": known[0]} if known else {}


def _save_one(store: "Store", item: Any, client_id: str, find_who: Callable[[], int]) -> Answer:
    try:
        judgement = _read_judgement(item, client_id, find_who)
        return _describe_saved(judgement.seq, store.judgements.save(judgement))
    except ConflictError as conflict:
        return {"seq": item["seq"], "status": "conflict", "message": str(conflict), **describe_judgement(conflict.current)}
    except InputError as refusal:
        seq = item.get("seq") if isinstance(item, dict) else None
        return {"seq": seq, "status": "refused", "message": str(refusal)}


def _read_judgement(item: Any, client_id: str, find_who: Callable[[], int]) -> "JudgementInput":
    from annotations.store.judgements import JudgementInput

    if not isinstance(item, dict):
        raise InputError("A judgement must be an object. Load the page again.")
    return JudgementInput(
        candidate_id=read_number(item, "candidate", least=1),
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
        annotator_id=find_who(),  # last: nobody is made for what cannot be read
    )


def _describe_saved(seq: int, saved: "Saved") -> Answer:
    message = _KEPT_OUT_OF_SIGHT.format(saved.deleted) if saved.deleted else ""
    return {"seq": seq, "status": saved.status, "message": message, **describe_judgement(saved.judgement)}


def describe_judgement(judgement: "Judgement | None") -> Answer:
    """Give state, grade and version as a page keeps them; of none `None`, `None` and 0."""
    if judgement is None:
        return {"state": None, "grade": None, "version": 0}
    return {"state": judgement.state, "grade": judgement.grade, "version": judgement.version}


def _read_line(store: "Store", wanted: Request) -> tuple[int, int]:
    return read_number(wanted, "project", least=1), find_annotator(store, read_handle(wanted))


def _read_send(wanted: Request) -> dict[str, Any]:
    return {"client_id": read_client(wanted), "seq": read_number(wanted, "seq")}


def _describe_step(step: "Step") -> Answer:
    return {"status": step.status, "changes": [_describe_change(change) for change in step.changes]}


def _describe_change(change: "Change") -> Answer:
    return {"query": change.query_id, "candidate": change.candidate_id, **describe_judgement(change.judgement)}
