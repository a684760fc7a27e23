"""Queries, passages, what they are called elsewhere, and which passages are to be judged for which query."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import select as select_columns
from sqlalchemy import update
from sqlmodel import Session, col, select

from annotations.errors import InputError
from annotations.models import Candidate, Judgement, Passage, PassageExternalId, Query, QueryExternalId, Split
from annotations.store.database import BULK, Database
from annotations.store.text_rows import Added, NewCandidate, add_candidates, add_names, add_texts, split_up
from annotations.store.visibility import is_published

Text = TypeVar("Text", Query, Passage)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewQuery:
    """A query to be added."""

    text: str
    external_id: str | None = None
    split: Split | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPassage:
    """A passage to be added; its text includes the title, which is kept beside the external id."""

    text: str
    external_id: str | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateText:
    """A candidate with the text to be judged."""

    candidate: Candidate
    passage: Passage


class Texts:
    """The texts of a store's projects.

    What is added with a `batch_id` is staged: nobody sees it until that import is published. What is staged and then added
    by somebody else too is there at once, and stays if the import is cancelled. A text that was deleted and is added again
    is there again, except by an import, which leaves it deleted.
    """

    def __init__(self, database: Database, *, before_bulk: Callable[[], object]) -> None:
        """Work on an open database.

        Args:
            database: an open one.
            before_bulk: called before several texts are changed at once, or one is deleted with which 20 or more candidates
                or judgements go out of sight; what it raises prevents that.
        """
        self._database = database
        self._before_bulk = before_bulk

    def add_query(self, project_id: int, text: str, *, external_id: str | None = None, split: Split | None = None) -> Query:
        """Add a query, or give the one with that text.

        Raises:
            InputError: there is no such project, or the text cannot be used.
        """
        added = self.add_queries(project_id, [NewQuery(text=text, external_id=external_id, split=split)])
        return self.query(added.ids[0])

    def add_queries(self, project_id: int, queries: Sequence[NewQuery], *, batch_id: int | None = None) -> Added:
        """Add queries that are not there yet.

        A split is taken for a query that has none, but not by an import from one that was there before it.

        Raises:
            InputError: there is no such project or staged import, or a text cannot be used.
        """
        for query in queries:
            if not query.text.strip():
                raise InputError(f"A query needs a text, got {query.text!r}. Remove it, or give it one.")
        with self._database.write() as session:
            added = add_texts(session, Query, project_id, [query.text for query in queries], self._context(batch_id))
            names = [
                {"query_id": key, "ext_id": query.external_id, "batch_id": batch_id}
                for key, query in zip(added.ids, queries, strict=True)
                if query.external_id is not None
            ]
            add_names(session, QueryExternalId, names)
            for part in ("train", "dev", "test"):
                keys = [key for key, query in zip(added.ids, queries, strict=True) if query.split == part]
                for chunk in split_up(keys):
                    takes = update(Query).where(col(Query.id).in_(chunk), col(Query.split).is_(None))
                    if batch_id is not None:
                        takes = takes.where(col(Query.batch_id) == batch_id)
                    session.execute(takes.values(split=part))
            return added

    def add_passages(self, project_id: int, passages: Sequence[NewPassage], *, batch_id: int | None = None) -> Added:
        """Add passages that are not there yet; one may be empty.

        Raises:
            InputError: there is no such project or staged import, or a text cannot be used.
        """
        with self._database.write() as session:
            texts = [passage.text for passage in passages]
            added = add_texts(session, Passage, project_id, texts, self._context(batch_id))
            names = [
                {"passage_id": key, "ext_id": passage.external_id, "title": passage.title, "batch_id": batch_id}
                for key, passage in zip(added.ids, passages, strict=True)
                if passage.external_id is not None
            ]
            add_names(session, PassageExternalId, names)
            return added

    def add_candidates(self, candidates: Sequence[NewCandidate], *, batch_id: int | None = None) -> Added:
        """Add candidates that are not there yet; one that is keeps its first source.

        Raises:
            InputError: a query or a passage is not there, they are of two projects, or there is no such staged import.
        """
        with self._database.write() as session:
            ids: list[int] = []
            new = 0
            for chunk in split_up(candidates):
                new += add_candidates(session, chunk, self._context(batch_id), found=ids)
            return Added(ids=tuple(ids), new=new)

    def query(self, query_id: int) -> Query:
        """Give a query, deleted or not.

        Raises:
            InputError: there is none.
        """
        with self._database.read() as session:
            return _require_published(session, Query, query_id)

    def passage(self, passage_id: int) -> Passage:
        """Give a passage, deleted or not.

        Raises:
            InputError: there is none.
        """
        with self._database.read() as session:
            return _require_published(session, Passage, passage_id)

    def queries(
        self, project_id: int, *, after_id: int = 0, limit: int | None = None, is_deleted: bool = False
    ) -> list[Query]:
        """List a project's queries in the order in which they were added, a page at a time."""
        return self._page(Query, project_id, after_id, limit, is_deleted)

    def passages(
        self, project_id: int, *, after_id: int = 0, limit: int | None = None, is_deleted: bool = False
    ) -> list[Passage]:
        """List a project's passages in the order in which they were added, a page at a time."""
        return self._page(Passage, project_id, after_id, limit, is_deleted)

    def candidates(self, query_id: int) -> list[CandidateText]:
        """List a query's candidates with their texts, in the order in which they were added; none of a deleted query."""
        statement = (
            select_columns(Candidate, Passage)
            .join(Passage, col(Passage.id) == col(Candidate.passage_id))
            .join(Query, col(Query.id) == col(Candidate.query_id))
            .where(col(Candidate.query_id) == query_id, is_published(Candidate.batch_id))
            .where(col(Passage.deleted_at).is_(None), col(Query.deleted_at).is_(None))
            .order_by(col(Candidate.id))
        )
        with self._database.read() as session:
            rows = session.execute(statement)
            return [CandidateText(candidate=candidate, passage=passage) for candidate, passage in rows]

    def external_ids_of_queries(self, query_ids: Iterable[int]) -> dict[int, list[str]]:
        """Give what queries are called elsewhere, by query."""
        found: dict[int, list[str]] = {}
        with self._database.read() as session:
            for chunk in split_up(query_ids):
                names = select(QueryExternalId).where(
                    col(QueryExternalId.query_id).in_(chunk), is_published(QueryExternalId.batch_id)
                )
                for name in session.exec(names.order_by(col(QueryExternalId.ext_id))):
                    found.setdefault(name.query_id, []).append(name.ext_id)
        return found

    def external_ids_of_passages(self, passage_ids: Iterable[int]) -> dict[int, list[PassageExternalId]]:
        """Give what passages are called elsewhere, with their titles, by passage."""
        found: dict[int, list[PassageExternalId]] = {}
        with self._database.read() as session:
            for chunk in split_up(passage_ids):
                names = select(PassageExternalId).where(
                    col(PassageExternalId.passage_id).in_(chunk), is_published(PassageExternalId.batch_id)
                )
                for name in session.exec(names.order_by(col(PassageExternalId.ext_id))):
                    found.setdefault(name.passage_id, []).append(name)
        return found

    def set_split(self, query_ids: Iterable[int], split: Split | None) -> None:
        """Put queries into a part, or into none; several only after a verified copy was made."""
        self._update(Query, query_ids, split=split)

    def delete_queries(self, query_ids: Iterable[int]) -> None:
        """Hide queries; their candidates and judgements stay, and come back with them.

        Before that a verified copy is made, if they are several or 20 or more candidates or judgements go with one.
        """
        self._update(Query, query_ids, deleted_at=self._database.now())

    def restore_queries(self, query_ids: Iterable[int]) -> None:
        """Bring deleted queries back, with all judgements; several only after a verified copy was made."""
        self._update(Query, query_ids, deleted_at=None)

    def delete_passages(self, passage_ids: Iterable[int]) -> None:
        """Hide passages; their candidates and judgements stay, and come back with them.

        Before that a verified copy is made, if they are several or 20 or more candidates or judgements go with one.
        """
        self._update(Passage, passage_ids, deleted_at=self._database.now())

    def restore_passages(self, passage_ids: Iterable[int]) -> None:
        """Bring deleted passages back, with all judgements; several only after a verified copy was made."""
        self._update(Passage, passage_ids, deleted_at=None)

    def _context(self, batch_id: int | None) -> dict[str, Any]:
        """Give what all rows of one addition have."""
        return {"batch_id": batch_id, "created_at": self._database.now()}

    def _page(self, table: type[Text], project_id: int, after_id: int, limit: int | None, is_deleted: bool) -> list[Text]:
        deleted = col(table.deleted_at).is_not(None) if is_deleted else col(table.deleted_at).is_(None)
        statement = (
            select(table)
            .where(col(table.project_id) == project_id, col(table.id) > after_id)
            .where(deleted, is_published(table.batch_id))
            .order_by(col(table.id))
            .limit(limit)
        )
        with self._database.read() as session:
            return list(session.scalars(statement))

    def _update(self, table: type[Query] | type[Passage], ids: Iterable[int], **values: Any) -> None:
        keys = list(dict.fromkeys(ids))
        if len(keys) > 1 or (values.get("deleted_at") and self._has_many_labels(table, keys)):
            self._before_bulk()
        with self._database.write() as session:
            for chunk in split_up(keys):
                session.execute(update(table).where(col(table.id).in_(chunk), is_published(table.batch_id)).values(values))

    def _has_many_labels(self, table: type[Query] | type[Passage], ids: list[int]) -> bool:
        """Tell whether texts have so many candidates or judgements that a copy is made before they go."""
        column = Candidate.query_id if table is Query else Candidate.passage_id
        candidates = select_columns(col(Candidate.id)).where(col(column).in_(ids), is_published(Candidate.batch_id))
        judgements = select_columns(col(Judgement.id)).where(
            col(Judgement.candidate_id).in_(candidates),
            col(Judgement.deleted_at).is_(None),
            is_published(Judgement.batch_id),
        )
        with self._database.read() as session:
            return any(len(session.execute(found.limit(BULK)).all()) == BULK for found in (candidates, judgements))


def _require_published(session: Session, table: type[Text], key: int) -> Text:
    statement = select(table).where(col(table.id) == key, is_published(table.batch_id))
    row = session.exec(statement).first()
    if row is None:
        raise InputError(f"There is no {table.__tablename__} {key}. Load the page again, and choose one that is there.")
    return row
