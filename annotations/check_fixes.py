"""What the fixes of checks come to, and doing it."""

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from annotations.check_findings import Found, find_moves
from annotations.check_material import Material
from annotations.models import State
from annotations.store import Store
from annotations.store.judgements import JudgementInput
from annotations.store.labels import LabelReading

_OF_NO_GRADE = ("judge_unclear_again", "judge_no_positive_again")  # they open what is skipped or not clear


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What a fix comes to.

    Attributes:
        queries: to be deleted.
        passages: to be deleted.
        moved: queries that go to train.
        candidates: of which judgements are put off.
        states: in which those are.
        only_imported: of the candidates, those that an import graded and no person.
    """

    queries: tuple[int, ...] = ()
    passages: tuple[int, ...] = ()
    moved: tuple[int, ...] = ()
    candidates: tuple[int, ...] = ()
    states: tuple[State, ...] = ()
    only_imported: frozenset[int] = frozenset()


def find_work(reading: LabelReading, material: Material, found: Sequence[Found], *, fix: str) -> Work:
    """Find out what a fix comes to.

    Args:
        reading: the labels.
        material: what was gathered from them; where queries are moved, it says so afterwards.
        found: what the check found in it.
        fix: the name.
    """
    match fix:
        case "move_leaks_to_train":
            return Work(moved=tuple(find_moves(material)))
        case "delete_empty":
            return Work(passages=tuple(key for one in found for key in one.passages))
        case "delete_no_positive":
            return Work(queries=_find_all_graded(reading, material, [key for one in found for key in one.queries]))
    pairs = [pair for query in material.queries for pair in query.pairs.values()]
    return Work(
        candidates=tuple(dict.fromkeys(key for one in found for key in one.candidates)),
        states=("skipped", "cant_tell") if fix in _OF_NO_GRADE else ("graded",),
        only_imported=frozenset(pair.candidate_id for pair in pairs if pair.is_only_imported),
    )


def do_work(store: Store, work: Work, *, annotator_id: int) -> int:
    """Do it, and tell how many judgements or texts were changed.

    Raises:
        ConflictError: a judgement was changed meanwhile; nothing was written.
        StorageError: it could not be written; nothing was.
    """
    if work.moved:
        store.texts.set_split(work.moved, "train")
    if work.queries:
        store.texts.delete_queries(work.queries)
    if work.passages:
        store.texts.delete_passages(work.passages)
    return len(work.moved) + len(work.queries) + len(work.passages) + _put_off(store, work, annotator_id)


def _find_all_graded(reading: LabelReading, material: Material, query_ids: Iterable[int]) -> tuple[int, ...]:
    """Give those queries of which no candidate is left that could still turn out to be positive."""
    graded = {pair.candidate_id for query in material.queries for pair in query.pairs.values() if pair.gold is not None}
    keys = tuple(query_ids)
    candidates = reading.candidates(keys)
    return tuple(key for key in keys if all(row.id in graded or row.is_deleted for row in candidates.get(key, ())))


def _put_off(store: Store, work: Work, annotator_id: int) -> int:
    """Open an annotator's judgements again, and what only an import graded; undo takes it back as one step."""
    client_id = str(uuid.uuid4())
    is_person = annotator_id in [one.id for one in store.annotators.list() if one.kind == "human"]
    versions: dict[int, int] = {}
    for candidate in work.candidates:
        judgement = store.judgements.get(candidate, annotator_id)
        if judgement is None and is_person and candidate in work.only_imported:
            versions[candidate] = 0
        elif judgement is not None and judgement.state in work.states:
            versions[candidate] = judgement.version
    if not versions:
        return 0
    put_off = [
        JudgementInput(
            candidate_id=candidate,
            annotator_id=annotator_id,
            state="later",
            expected_version=version,
            client_id=client_id,
            seq=number,
            order_mode="check",
        )
        for number, (candidate, version) in enumerate(versions.items())
    ]
    return sum(saved.status == "saved" for saved in store.judgements.save_many(put_off))
