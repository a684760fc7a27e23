"""Which pairs the Data screen shows: a filter as a value, and as conditions on candidates."""

from dataclasses import dataclass
from typing import Literal, get_args

from sqlalchemy import ColumnElement, Select, exists
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from annotations.errors import InputError
from annotations.models import Annotator, Candidate, Judgement, Passage, Query, Split, State
from annotations.store.search import holds_words
from annotations.store.visibility import is_published, select_hidden_candidates


@dataclass(frozen=True, slots=True, kw_only=True)
class PairFilter:
    """Which pairs are wanted: those that hold to every field that is set.

    Attributes:
        text: words, all in the query or all in the passage; upper and lower case are the same.
        query_id: of this query.
        annotator: the handle of the one whose judgements the next three are about; `None` for anybody's.
        states: judged as one of these.
        grades: with one of these grades.
        is_judged: judged, or not; `later` is not judged.
        split: queries stored in this part, or in `none`.
        source: where the candidate came from.
    """

    text: str = ""
    query_id: int | None = None
    annotator: str | None = None
    states: tuple[State, ...] = ()
    grades: tuple[int, ...] = ()
    is_judged: bool | None = None
    split: Split | Literal["none"] | None = None
    source: str | None = None

    def __post_init__(self) -> None:
        """Check what can be checked without the database.

        Raises:
            InputError: a state, a grade or a part is none.
        """
        for name, given, known in (
            ("state", self.states, get_args(State)),
            ("grade", self.grades, (0, 1, 2, 3)),
            ("part", (self.split,) if self.split else (), (*get_args(Split), "none")),
        ):
            for value in given:
                if value not in known:
                    raise InputError(f"A {name} is one of {', '.join(map(str, known))}, got {value!r}. Choose among them.")


def select_pairs(session: Session, project_id: int, wanted: PairFilter) -> Select[int]:
    """Give the ids of the candidates that a filter lets through; none that was deleted or is only staged.

    Raises:
        InputError: there is no such annotator, or the text is too long.
    """
    conditions = [is_published(Candidate.batch_id), col(Candidate.id).not_in(select_hidden_candidates(project_id))]
    if wanted.query_id is None:
        conditions.append(col(Candidate.project_id) == project_id)
    else:
        mine = select_columns(col(Query.id)).where(col(Query.id) == wanted.query_id, col(Query.project_id) == project_id)
        conditions.append(col(Candidate.query_id) == mine.scalar_subquery())
    if wanted.source is not None:
        conditions.append(col(Candidate.source) == wanted.source)
    if wanted.split is not None:
        split = None if wanted.split == "none" else wanted.split
        queries = select_columns(col(Query.id)).where(col(Query.project_id) == project_id, col(Query.split).is_(split))
        conditions.append(col(Candidate.query_id).in_(queries))
    if wanted.text.strip():
        conditions.append(_holds_words(project_id, wanted.text))
    conditions += _select_judged(project_id, _find_annotator(session, wanted.annotator), wanted)
    return select_columns(col(Candidate.id)).where(*conditions)


def _holds_words(project_id: int, text: str) -> ColumnElement[bool]:
    """Hold where the words are in the query or in the passage, found from the texts: they are fewer than the pairs."""
    queries = select_columns(col(Query.id)).where(col(Query.project_id) == project_id, holds_words(Query, text))
    passages = select_columns(col(Passage.id)).where(col(Passage.project_id) == project_id, holds_words(Passage, text))
    of_queries = select_columns(col(Candidate.id)).where(col(Candidate.query_id).in_(queries))
    of_passages = select_columns(col(Candidate.id)).where(col(Candidate.passage_id).in_(passages))
    return col(Candidate.id).in_(of_queries.union(of_passages))


def _find_annotator(session: Session, handle: str | None) -> int | None:
    if handle is None:
        return None
    annotator = session.exec(select(Annotator).where(col(Annotator.handle) == handle)).first()
    if annotator is None:
        raise InputError(f'There is no annotator "{handle}". Choose one that is there, or everybody.')
    return annotator.id


def _select_judged(project_id: int, annotator_id: int | None, wanted: PairFilter) -> list[ColumnElement[bool]]:
    """Give the conditions on judgements: one judgement has both the state and the grade."""
    shown = [col(Judgement.deleted_at).is_(None), is_published(Judgement.batch_id)]
    if annotator_id is not None:
        shown.append(col(Judgement.annotator_id) == annotator_id)
    conditions: list[ColumnElement[bool]] = []
    if wanted.states or wanted.grades:  # few, so they are looked up once; those judged at all are many
        fitting = select_columns(col(Judgement.candidate_id)).where(col(Judgement.project_id) == project_id, *shown)
        if wanted.states:
            fitting = fitting.where(col(Judgement.state).in_(wanted.states))
        if wanted.grades:
            fitting = fitting.where(col(Judgement.grade).in_(wanted.grades))
        conditions.append(col(Candidate.id).in_(fitting))
    if wanted.is_judged is not None:
        is_judged = exists().where(
            col(Judgement.candidate_id) == col(Candidate.id), col(Judgement.state) != "later", *shown
        )
        conditions.append(is_judged if wanted.is_judged else ~is_judged)
    return conditions
