"""Reading all labels of a project for an export: in one transaction, page by page, texts only when asked for."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import ColumnElement, exists, func
from sqlalchemy import select as select_columns
from sqlmodel import Session, col, select

from annotations.models import (
    Annotator,
    Candidate,
    Judgement,
    ModelRef,
    ModelScore,
    Passage,
    PassageExternalId,
    Project,
    Query,
    QueryExternalId,
    Split,
    State,
)
from annotations.store.database import Database, require
from annotations.store.text_rows import split_up
from annotations.store.visibility import is_published

_PAGE = 200  # queries
_STREAMED = {"yield_per": 1000}  # rows that are held at a time
_WHITE_SPACE = "".join(map(chr, (*range(9, 14), *range(28, 33), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)))) + (
    "\u2028\u2029\u202f\u205f\u3000"  # all that str.strip() takes away
)


class QueryRow(NamedTuple):
    """A query without its text; its part only if one is stored."""

    id: int
    sha256: str
    split: Split | None
    is_deleted: bool


class CandidateRow(NamedTuple):
    """A candidate, where it came from, and whether its passage was deleted."""

    query_id: int
    id: int
    passage_id: int
    source: str
    source_rank: int | None
    is_deleted: bool


class JudgementRow(NamedTuple):
    """A judgement as it is now, and whether the passage was deleted."""

    query_id: int
    candidate_id: int
    passage_id: int
    is_deleted: bool
    annotator_id: int
    state: State
    grade: int | None
    updated_at: datetime
    duration_ms: int | None
    score_shown: bool


class PassageRow(NamedTuple):
    """A passage with its text."""

    id: int
    sha256: str
    text: str


class NameRow(NamedTuple):
    """What a text is called elsewhere."""

    text_id: int
    ext_id: str


class Labels:
    """The labels of a store, for reading many of them."""

    def __init__(self, database: Database) -> None:
        """Work on an open database."""
        self._database = database

    @contextmanager
    def read(self, project_id: int) -> "Iterator[LabelReading]":
        """Give a project's labels as they are at one moment; who labels meanwhile is not held up, and not seen.

        Raises:
            InputError: there is no such project.
            StorageError: the file or its disk failed.
        """
        with self._database.read() as session:
            yield LabelReading(session, require(session, Project, project_id), self._database.now())


class LabelReading:
    """What one transaction sees of a project. Nothing of a staged import; what was deleted is marked, or not there.

    Attributes:
        project: whose labels they are.
        at: when the reading began.
    """

    def __init__(self, session: Session, project: Project, at: datetime) -> None:
        """Read in a transaction; `Labels.read` is the way here."""
        self.project = project
        self.at = at
        self._session = session

    def annotators(self) -> dict[int, Annotator]:
        """Give all annotators by id."""
        return {annotator.id: annotator for annotator in self._session.exec(select(Annotator))}

    def count_queries(self) -> int:
        """Count all queries, deleted ones included."""
        return self._count(Query)

    def count_passages(self) -> int:
        """Count all passages, deleted ones included."""
        return self._count(Passage)

    def pages(self) -> Iterator[list[QueryRow]]:
        """Give all queries, deleted ones too, in the order in which they were added; some at a time."""
        columns = (col(Query.id), col(Query.sha256), col(Query.split), col(Query.deleted_at).is_not(None))
        statement = select_columns(*columns).where(*self._mine(Query)).order_by(col(Query.id)).limit(_PAGE)
        after = 0
        while page := [QueryRow._make(row) for row in self._session.execute(statement.where(col(Query.id) > after))]:
            yield page
            after = page[-1].id

    def judgements(self, query_ids: Iterable[int]) -> dict[int, list[JudgementRow]]:
        """Give the judgements of queries, by query; candidates in the order in which they were added, then annotators."""
        columns = (
            *(col(Candidate.query_id), col(Candidate.id), col(Candidate.passage_id), col(Passage.deleted_at).is_not(None)),
            *(col(Judgement.annotator_id), col(Judgement.state), col(Judgement.grade), col(Judgement.updated_at)),
            *(col(Judgement.duration_ms), col(Judgement.score_shown)),
        )
        statement = (
            select_columns(*columns)
            .join(Candidate, col(Candidate.id) == col(Judgement.candidate_id))
            .join(Passage, col(Passage.id) == col(Candidate.passage_id))
            .where(is_published(Candidate.batch_id), is_published(Judgement.batch_id), col(Judgement.deleted_at).is_(None))
        )
        found: dict[int, list[JudgementRow]] = {}
        for chunk in split_up(query_ids):
            for row in self._session.execute(statement.where(col(Candidate.query_id).in_(chunk))):
                found.setdefault(row[0], []).append(JudgementRow._make(row))
        for rows in found.values():
            rows.sort(key=lambda row: (row.candidate_id, row.annotator_id))
        return found

    def has_judgements(self) -> bool:
        """Tell whether anything was judged."""
        judged = select(Judgement).where(
            col(Judgement.project_id) == self.project.id,
            col(Judgement.deleted_at).is_(None),
            is_published(Judgement.batch_id),
        )
        return self._session.exec(judged.limit(1)).first() is not None

    def find_judgements(
        self, query_ids: Iterable[int], passage_ids: Iterable[int]
    ) -> Iterator[tuple[int, int, str, State, int | None]]:
        """Give query, passage, handle, state and grade of all judgements of these passages for these queries."""
        columns = (col(Candidate.query_id), col(Candidate.passage_id), col(Annotator.handle))
        statement = (
            select_columns(*columns, col(Judgement.state), col(Judgement.grade))
            .join(Candidate, col(Candidate.id) == col(Judgement.candidate_id))
            .join(Annotator, col(Annotator.id) == col(Judgement.annotator_id))
            .where(is_published(Candidate.batch_id), is_published(Judgement.batch_id), col(Judgement.deleted_at).is_(None))
        )
        passages = [*passage_ids]
        for queries in split_up(query_ids):
            for chunk in split_up(passages):
                chosen = statement.where(col(Candidate.query_id).in_(queries), col(Candidate.passage_id).in_(chunk))
                for row in self._session.execute(chosen):
                    yield row[0], row[1], row[2], row[3], row[4]

    def find_queries(self, hashes: Iterable[str]) -> dict[str, int]:
        """Give the ids of queries by their SHA-256, deleted ones too."""
        return self._find(Query, hashes)

    def find_passages(self, hashes: Iterable[str]) -> dict[str, int]:
        """Give the ids of passages by their SHA-256, deleted ones too."""
        return self._find(Passage, hashes)

    def candidates(self, query_ids: Iterable[int]) -> dict[int, list[CandidateRow]]:
        """Give the candidates of queries, by query, in the order in which they were added."""
        columns = (
            *(col(Candidate.query_id), col(Candidate.id), col(Candidate.passage_id)),
            *(col(Candidate.source), col(Candidate.source_rank), col(Passage.deleted_at).is_not(None)),
        )
        statement = (
            select_columns(*columns)
            .join(Passage, col(Passage.id) == col(Candidate.passage_id))
            .where(is_published(Candidate.batch_id))
        )
        found: dict[int, list[CandidateRow]] = {}
        for chunk in split_up(query_ids):
            for row in self._session.execute(statement.where(col(Candidate.query_id).in_(chunk))):
                found.setdefault(row[0], []).append(CandidateRow._make(row))
        for rows in found.values():
            rows.sort(key=lambda row: row.id)
        return found

    def models(self) -> list[ModelRef]:
        """Give what scored any candidate of the project, in the order in which it came."""
        scored = (
            exists()
            .where(col(ModelScore.model_ref_id) == col(ModelRef.id), is_published(ModelScore.batch_id))
            .where(col(Candidate.id) == col(ModelScore.candidate_id), col(Candidate.project_id) == self.project.id)
        )
        return [*self._session.exec(select(ModelRef).where(scored).order_by(col(ModelRef.id)))]

    def scores(self, model_ref_id: int, query_ids: Iterable[int]) -> dict[int, float]:
        """Give a model's scores of queries' candidates, by candidate."""
        statement = (
            select_columns(col(ModelScore.candidate_id), col(ModelScore.score))
            .join(Candidate, col(Candidate.id) == col(ModelScore.candidate_id))
            .where(col(ModelScore.model_ref_id) == model_ref_id, is_published(ModelScore.batch_id))
        )
        found: dict[int, float] = {}
        for chunk in split_up(query_ids):
            rows = self._session.execute(statement.where(col(Candidate.query_id).in_(chunk)))
            found.update((candidate_id, score) for candidate_id, score in rows)
        return found

    def query_texts(self, ids: Iterable[int]) -> dict[int, str]:
        """Give the texts of queries, by id."""
        return self._texts(Query, ids)

    def passage_texts(self, ids: Iterable[int]) -> dict[int, str]:
        """Give the texts of passages, by id."""
        return self._texts(Passage, ids)

    def hashes_of_passages(self, ids: Iterable[int]) -> dict[int, str]:
        """Give the SHA-256 of passages, by id."""
        found: dict[int, str] = {}
        for chunk in split_up(ids):
            statement = select_columns(col(Passage.id), col(Passage.sha256)).where(col(Passage.id).in_(chunk))
            found.update((passage_id, sha256) for passage_id, sha256 in self._session.execute(statement))
        return found

    def corpus(self) -> Iterator[PassageRow]:
        """Give all passages that were not deleted, in the order in which they were added."""
        columns = (col(Passage.id), col(Passage.sha256), col(Passage.text))
        statement = select_columns(*columns).where(*self._mine(Passage), col(Passage.deleted_at).is_(None))
        for row in self._session.execute(statement.order_by(col(Passage.id)), execution_options=_STREAMED):
            yield PassageRow._make(row)

    def passage_hashes(self) -> Iterator[tuple[int, str]]:
        """Give id and SHA-256 of all passages that were not deleted and hold more than white space."""
        statement = select_columns(col(Passage.id), col(Passage.sha256)).where(
            *self._mine(Passage), col(Passage.deleted_at).is_(None), ~_is_blank()
        )
        for row in self._session.execute(statement, execution_options=_STREAMED):
            yield row[0], row[1]

    def blank_passages(self) -> set[int]:
        """Give the ids of passages that are empty or hold nothing but white space."""
        return {*self._session.scalars(select_columns(col(Passage.id)).where(*self._mine(Passage), _is_blank()))}

    def query_names(self) -> Iterator[NameRow]:
        """Give what all queries are called elsewhere, by query and name."""
        statement = (
            select_columns(col(QueryExternalId.query_id), col(QueryExternalId.ext_id))
            .join(Query, col(Query.id) == col(QueryExternalId.query_id))
            .where(*self._mine(Query), col(Query.deleted_at).is_(None), is_published(QueryExternalId.batch_id))
            .order_by(col(QueryExternalId.query_id), col(QueryExternalId.ext_id))
        )
        for row in self._session.execute(statement, execution_options=_STREAMED):
            yield NameRow._make(row)

    def passage_names(self) -> Iterator[NameRow]:
        """Give what all passages are called elsewhere, by passage and name."""
        statement = (
            select_columns(col(PassageExternalId.passage_id), col(PassageExternalId.ext_id))
            .join(Passage, col(Passage.id) == col(PassageExternalId.passage_id))
            .where(*self._mine(Passage), col(Passage.deleted_at).is_(None), is_published(PassageExternalId.batch_id))
            .order_by(col(PassageExternalId.passage_id), col(PassageExternalId.ext_id))
        )
        for row in self._session.execute(statement, execution_options=_STREAMED):
            yield NameRow._make(row)

    def names_of_queries(self, ids: Iterable[int]) -> dict[int, list[str]]:
        """Give what queries are called elsewhere, by query; the names in order."""
        statement = select_columns(col(QueryExternalId.query_id), col(QueryExternalId.ext_id)).where(
            is_published(QueryExternalId.batch_id)
        )
        found: dict[int, list[str]] = {}
        for chunk in split_up(ids):
            chosen = statement.where(col(QueryExternalId.query_id).in_(chunk)).order_by(col(QueryExternalId.ext_id))
            for query_id, ext_id in self._session.execute(chosen):
                found.setdefault(query_id, []).append(ext_id)
        return found

    def names_of_passages(self, ids: Iterable[int]) -> dict[int, dict[str, str]]:
        """Give what passages are called elsewhere, by passage: the names in order, each with its title or nothing."""
        columns = (col(PassageExternalId.passage_id), col(PassageExternalId.ext_id), col(PassageExternalId.title))
        statement = select_columns(*columns).where(is_published(PassageExternalId.batch_id))
        found: dict[int, dict[str, str]] = {}
        for chunk in split_up(ids):
            chosen = statement.where(col(PassageExternalId.passage_id).in_(chunk)).order_by(col(PassageExternalId.ext_id))
            for passage_id, ext_id, title in self._session.execute(chosen):
                found.setdefault(passage_id, {})[ext_id] = title or ""
        return found

    def _mine(self, table: type[Query] | type[Passage]) -> tuple[ColumnElement[bool], ...]:
        return col(table.project_id) == self.project.id, is_published(table.batch_id)

    def _find(self, table: type[Query] | type[Passage], hashes: Iterable[str]) -> dict[str, int]:
        statement = select_columns(col(table.sha256), col(table.id)).where(*self._mine(table))
        found: dict[str, int] = {}
        for chunk in split_up(hashes):
            rows = self._session.execute(statement.where(col(table.sha256).in_(chunk)))
            found.update((sha256, text_id) for sha256, text_id in rows)
        return found

    def _count(self, table: type[Query] | type[Passage]) -> int:
        statement = select_columns(func.count()).select_from(table).where(*self._mine(table))
        return int(self._session.execute(statement).scalar_one())

    def _texts(self, table: type[Query] | type[Passage], ids: Iterable[int]) -> dict[int, str]:
        found: dict[int, str] = {}
        for chunk in split_up(ids):
            rows = self._session.execute(select_columns(col(table.id), col(table.text)).where(col(table.id).in_(chunk)))
            found.update((text_id, text) for text_id, text in rows)
        return found


def _is_blank() -> ColumnElement[bool]:
    return func.trim(col(Passage.text), _WHITE_SPACE) == ""
