"""What may be wrong with a project's labels, and what can be done about it.

Prompts on some rows only, which spoil a training file, cannot occur here: the store keeps one prompt for a project and none
for a row, and an export writes it on all rows or on none.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal, get_args

from annotations.check_findings import (
    Found,
    find_contradicting_twins,
    find_contradictions,
    find_empty,
    find_leaks,
    find_near_duplicates,
    find_no_negative,
    find_no_positive,
    find_unclear,
)
from annotations.check_fixes import Work, do_work, find_work
from annotations.check_material import Material, gather
from annotations.errors import InputError
from annotations.gold import GoldRule
from annotations.store import Store
from annotations.store.browsing import DeletionCount
from annotations.store.labels import LabelReading

Kind = Literal[
    "contradiction", "contradicting_twins", "leak", "no_positive", "no_negative", "unclear", "empty", "near_duplicates"
]

SHOWN = 200  # rows of a check


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """What can be done about a check.

    Attributes:
        name: by which `apply_fix` is told.
        sentence: what it does.
        can_apply: whether there is something to do now; else it says what happens by itself.
        deletes: whether it deletes texts, which can be restored; `count_deletion` tells how many.
    """

    name: str
    sentence: str
    can_apply: bool = True
    deletes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedText:
    """A query or a passage with its text."""

    id: int
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRow:
    """One thing that a check found.

    Attributes:
        queries: concerned; two where one passage joins them.
        passages: concerned; none where it is about the query.
        candidate_ids: the pairs to look at.
        note: who says what, or what is the same.
    """

    queries: tuple[CheckedText, ...]
    passages: tuple[CheckedText, ...]
    candidate_ids: tuple[int, ...]
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What one check found.

    Attributes:
        kind: which check.
        sentence: what is wrong, and what it does to training.
        count: how many such things there are.
        rows: the first 200 of them.
        fixes: what can be done; empty where only a person can.
    """

    kind: Kind
    sentence: str
    count: int
    rows: tuple[CheckRow, ...]
    fixes: tuple[Fix, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checker:
    kind: Kind
    find: Callable[[Material], Iterator[Found]]
    sentence: str
    fixes: tuple[Fix, ...] = ()


def run_checks(store: Store, project_id: int, *, rule: GoldRule = "majority") -> list[Check]:
    """Look for what may be wrong with a project's labels; give only checks that found something, the gravest first.

    Args:
        store: an open store.
        project_id: whose labels.
        rule: combines the grades of several annotators.

    Raises:
        InputError: there is no such project or rule.
        StorageError: the file or its disk failed.
    """
    if rule not in get_args(GoldRule):
        raise InputError(f"A rule is one of {', '.join(get_args(GoldRule))}, got {rule!r}. Choose one of them.")
    checks = []
    with store.labels.read(project_id) as reading:
        material = gather(reading, rule=rule)
        for checker in _CHECKERS:
            found = checker.find(material)
            shown = list(islice(found, SHOWN))
            if shown:
                checks.append(
                    Check(
                        kind=checker.kind,
                        sentence=checker.sentence,
                        count=len(shown) + sum(1 for _ in found),
                        rows=_describe(reading, shown),
                        fixes=checker.fixes,
                    )
                )
    return checks


def apply_fix(store: Store, project_id: int, name: str, *, annotator_id: int, rule: GoldRule = "majority") -> int:
    """Do what a fix says, for all that its check finds now, and tell how many judgements or texts were changed.

    Before much is changed a verified copy of the database is made.

    Args:
        store: an open store.
        project_id: where.
        name: of a `Fix`.
        annotator_id: who does it; nobody else's judgements are changed. Undo takes them back as one step, but neither
            deletions, which can be restored, nor moves.
        rule: as for `run_checks`.

    Raises:
        InputError: there is no such fix, or nothing can be done by it.
        ConflictError: a judgement was changed meanwhile; nothing was written.
        StorageError: it could not be written; nothing was.
    """
    return do_work(store, _find_work(store, project_id, name, rule=rule), annotator_id=annotator_id)


def count_deletion(store: Store, project_id: int, name: str, *, rule: GoldRule = "majority") -> DeletionCount:
    """Count what a fix would take out of sight now; nothing, unless it deletes.

    Raises:
        InputError: there is no such fix, or nothing can be done by it.
        StorageError: the file or its disk failed.
    """
    work = _find_work(store, project_id, name, rule=rule)
    return store.browse.count_of_deletion(query_ids=work.queries, passage_ids=work.passages)


def _find_work(store: Store, project_id: int, name: str, *, rule: GoldRule) -> Work:
    names = [fix.name for checker in _CHECKERS for fix in checker.fixes if fix.can_apply]
    if name not in names:
        raise InputError(f"A fix is one of {', '.join(names)}, got {name!r}. Choose one of them.")
    (checker,) = (one for one in _CHECKERS if name in [fix.name for fix in one.fixes])
    with store.labels.read(project_id) as reading:
        material = gather(reading, rule=rule)
        return find_work(reading, material, list(checker.find(material)), fix=name)


def _describe(reading: LabelReading, found: list[Found]) -> tuple[CheckRow, ...]:
    queries = reading.query_texts({key for one in found for key in one.queries})
    passages = reading.passage_texts({key for one in found for key in one.passages})
    return tuple(
        CheckRow(
            queries=tuple(CheckedText(id=key, text=queries[key]) for key in one.queries),
            passages=tuple(CheckedText(id=key, text=passages[key]) for key in one.passages),
            candidate_ids=one.candidates,
            note=one.note,
        )
        for one in found
    )


_AGAIN = (
    "Puts your own judgements of them off until later, so that they are open again; likewise what an import graded and no "
    "person."
)

_CHECKERS = (
    _Checker(
        kind="contradiction",
        find=find_contradictions,
        sentence="One annotator says positive and another negative of the same passage. The rule decides what is exported.",
        fixes=(
            Fix(name="judge_contradictions_again", sentence=_AGAIN),
            Fix(name="keep_rule", sentence="Leave them: the rule takes the grade that is shown.", can_apply=False),
        ),
    ),
    _Checker(
        kind="contradicting_twins",
        find=find_contradicting_twins,
        sentence="Passages of one query that are the same but for case and white space are positive and negative.",
        fixes=(Fix(name="judge_twins_again", sentence=_AGAIN),),
    ),
    _Checker(
        kind="leak",
        find=find_leaks,
        sentence="A passage is positive for a query in test and for one in train, so that training sees it. Put both "
        "queries into one part, or read the figures with that in mind.",
        fixes=(
            Fix(
                name="move_leaks_to_train",
                sentence="Puts those queries of test into train, and what leaks then, so test gets smaller.",
            ),
        ),
    ),
    _Checker(
        kind="no_positive",
        find=find_no_positive,
        sentence="Queries with labels, but none that is positive: an export leaves them out. Find a passage that answers, "
        "or add candidates.",
        fixes=(
            Fix(
                name="judge_no_positive_again",
                sentence="Puts your own skipped and unclear judgements of these queries off until later, so that they are "
                "open again.",
            ),
            Fix(
                name="delete_no_positive",
                sentence="Deletes those queries of which every candidate is graded, so that no export has them; they can "
                "be restored, with their judgements.",
                deletes=True,
            ),
        ),
    ),
    _Checker(
        kind="no_negative",
        find=find_no_negative,
        sentence="Queries with a positive, but no negative passage.",
        fixes=(
            Fix(
                name="fill_at_export",
                sentence="Nothing to do: an export fills them with random passages, which are listed beside the file.",
                can_apply=False,
            ),
        ),
    ),
    _Checker(
        kind="unclear",
        find=find_unclear,
        sentence="Queries of which nothing is graded, only skipped or not clear.",
        fixes=(Fix(name="judge_unclear_again", sentence=_AGAIN),),
    ),
    _Checker(
        kind="empty",
        find=find_empty,
        sentence="Passages without any text: an export leaves them out.",
        fixes=(
            Fix(name="delete_empty", sentence="Deletes them; they can be restored, with their judgements.", deletes=True),
        ),
    ),
    _Checker(
        kind="near_duplicates",
        find=find_near_duplicates,
        sentence="Texts that are the same but for case, white space and compatibility forms. They stay as they are; labels "
        "of one do not count for the other.",
        fixes=(
            Fix(
                name="judge_duplicates_again",
                sentence="Where such texts have different grades: puts your own judgements of them off until later, so "
                "that they are open again; likewise what an import graded and no person. What nobody judged is open.",
            ),
        ),
    ),
)
