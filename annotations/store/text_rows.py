"""How texts and candidates are added: each once, and what an import has staged is taken over by whoever adds it too."""

import hashlib
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import insert, tuple_, update
from sqlalchemy import select as select_columns
from sqlmodel import Session, col

from annotations.errors import InputError
from annotations.models import Candidate, ImportBatch, Passage, PassageExternalId, Project, Query, QueryExternalId
from annotations.store.database import require
from annotations.store.sqlite import find_candidates
from annotations.store.visibility import is_published

Item = TypeVar("Item")

_CHUNK = 500  # values in one IN (...); SQLite's limit is 32,766


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCandidate:
    """A passage to be judged for a query, with where it came from, such as `bm25`, and its rank there, from 1."""

    query_id: int
    passage_id: int
    source: str
    source_rank: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Added:
    """What an addition did.

    Attributes:
        ids: of the rows, in the order of the input; those that were there already included.
        new: how many were not there before.
    """

    ids: tuple[int, ...]
    new: int


def identify(text: str) -> str:
    """Give the identity of a text: the SHA-256 of its NFC form, nothing trimmed, nothing folded.

    Raises:
        InputError: it holds half a character.
    """
    try:
        return hashlib.sha256(unicodedata.normalize("NFC", text).encode("utf-8")).hexdigest()
    except UnicodeEncodeError as error:
        raise InputError(
            f"A text must be valid Unicode, got half a character at {error.start} of {text[:40]!r}. Remove it."
        ) from error


def require_staged(session: Session, batch_id: int) -> ImportBatch:
    """Give an import that is being staged.

    Raises:
        InputError: there is none of that id, or it was published.
    """
    batch = require(session, ImportBatch, batch_id)
    if batch.published_at is not None:
        raise InputError(f"Import {batch_id} was published already, so nothing can be added to it. Begin another one.")
    return batch


def split_up(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Give items in lists short enough for one IN (...)."""
    remaining = iter(items)
    while chunk := list(islice(remaining, _CHUNK)):
        yield chunk


def _check_batch(session: Session, batch_id: int | None, *, project_id: int) -> None:
    if batch_id is not None and require_staged(session, batch_id).project_id != project_id:
        raise InputError(f"Import {batch_id} is not one of project {project_id}. Begin one for that project.")


def add_texts(
    session: Session, table: type[Query] | type[Passage], project_id: int, texts: list[str], context: dict[str, Any]
) -> Added:
    """Add the texts that a project does not have, and give the ids of all.

    Args:
        session: of a write.
        table: which texts.
        project_id: whose.
        texts: may hold the same one several times.
        context: what all new rows have; with a `batch_id` nothing that is there is changed.

    Raises:
        InputError: there is no such project or staged import of it, or a text is no valid Unicode.
    """
    require(session, Project, project_id)
    _check_batch(session, context["batch_id"], project_id=project_id)
    ids: list[int] = []
    new = 0
    for chunk in split_up(texts):
        text_by_sha: dict[str, str] = {}
        shas = [identify(text) for text in chunk]
        for sha, text in zip(shas, chunk, strict=True):
            text_by_sha.setdefault(sha, text)
        lookup = select_columns(col(table.sha256), col(table.id)).where(
            col(table.project_id) == project_id, col(table.sha256).in_(text_by_sha)
        )
        known = {row[0]: row[1] for row in session.execute(lookup)}
        rows = [
            {"project_id": project_id, "text": text, "sha256": sha, **context}
            for sha, text in text_by_sha.items()
            if sha not in known
        ]
        if context["batch_id"] is None and known:
            these = update(table).where(col(table.id).in_(known.values()))
            session.execute(these.where(~is_published(table.batch_id)).values(batch_id=None))
            session.execute(these.where(col(table.deleted_at).is_not(None)).values(deleted_at=None))
        if rows:
            # RETURNING makes it one statement for many rows; with one for each the index for search is written row by row.
            added = session.execute(insert(table).returning(col(table.sha256), col(table.id)), rows)
            known |= {row[0]: row[1] for row in added}
        ids += [known[sha] for sha in shas]
        new += len(rows)
    return Added(ids=tuple(ids), new=new)


def add_names(
    session: Session, table: type[QueryExternalId] | type[PassageExternalId], names: list[dict[str, Any]]
) -> None:
    """Add what texts are called elsewhere; a name that is there stays, and is seen if this one is not staged."""
    text_id = QueryExternalId.query_id if table is QueryExternalId else PassageExternalId.passage_id
    key_name = "query_id" if table is QueryExternalId else "passage_id"
    for chunk in split_up(names):
        by_key: dict[tuple[int, str], dict[str, Any]] = {}
        for name in chunk:
            by_key.setdefault((name[key_name], name["ext_id"]), name)
        is_of_these = tuple_(col(text_id), col(table.ext_id)).in_(list(by_key))
        # More names than are given, but found by the index: for a list of pairs SQLite 3.40 reads the whole table.
        names_there = select_columns(col(text_id), col(table.ext_id)).where(col(text_id).in_({key for key, _ in by_key}))
        known = {(key, ext_id) for key, ext_id in session.execute(names_there)} & by_key.keys()
        if known and chunk[0]["batch_id"] is None:
            session.execute(update(table).where(is_of_these, ~is_published(table.batch_id)).values(batch_id=None))
        rows = [name for key, name in by_key.items() if key not in known]
        if rows:
            session.execute(insert(table), rows)


def add_candidates(session: Session, chunk: list[NewCandidate], context: dict[str, Any], *, found: list[int]) -> int:
    """Add some candidates, put their ids to those that were found, and tell how many were new."""
    is_staging = context["batch_id"] is not None
    project_by_query = _find_projects(session, Query, {candidate.query_id for candidate in chunk}, is_staging)
    project_by_passage = _find_projects(session, Passage, {candidate.passage_id for candidate in chunk}, is_staging)
    for candidate in chunk:
        project_id = project_by_query[candidate.query_id]
        if project_by_passage[candidate.passage_id] != project_id:
            raise InputError(
                f"Query {candidate.query_id} and passage {candidate.passage_id} are of two projects. Add the passage to "
                "the query's project first."
            )
        if not candidate.source:
            raise InputError("A candidate needs a source, such as bm25 or manual.")
    for project_id in set(project_by_query.values()):
        _check_batch(session, context["batch_id"], project_id=project_id)
    by_pair: dict[tuple[int, int], NewCandidate] = {}
    for candidate in chunk:
        by_pair.setdefault((candidate.query_id, candidate.passage_id), candidate)
    known = find_candidates(session.connection(), by_pair)
    if known and not is_staging:
        taken_over = update(Candidate).where(col(Candidate.id).in_(known.values()), ~is_published(Candidate.batch_id))
        session.execute(taken_over.values(batch_id=None))
    rows = [
        {
            "project_id": project_by_query[candidate.query_id],
            "query_id": candidate.query_id,
            "passage_id": candidate.passage_id,
            "source": candidate.source,
            "source_rank": candidate.source_rank,
            **context,
        }
        for pair, candidate in by_pair.items()
        if pair not in known
    ]
    if rows:
        session.execute(insert(Candidate), rows)
        known = find_candidates(session.connection(), by_pair)
    found += [known[candidate.query_id, candidate.passage_id] for candidate in chunk]
    return len(rows)


def _find_projects(session: Session, table: type[Query] | type[Passage], ids: set[int], is_staging: bool) -> dict[int, int]:
    statement = select_columns(col(table.id), col(table.project_id)).where(col(table.id).in_(ids))
    if not is_staging:
        statement = statement.where(is_published(table.batch_id))
    projects = {row[0]: row[1] for row in session.execute(statement)}
    for key in ids - projects.keys():
        raise InputError(f"There is no {table.__tablename__} {key}. Add it first.")
    return projects
