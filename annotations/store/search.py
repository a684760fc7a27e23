"""Finding texts by what is in them, in any script."""

import unicodedata
from typing import TypeVar

from sqlalchemy import ColumnElement, and_, or_, true
from sqlmodel import col, select

from annotations.errors import InputError
from annotations.models import Passage, Query
from annotations.store.database import Database
from annotations.store.sqlite import TRIGRAM, find_by_trigrams
from annotations.store.visibility import is_published

Text = TypeVar("Text", Query, Passage)

LONGEST = 1000  # characters of what is searched for; SQLite's limits of depth and pattern lie above
_INDEXED = 8  # words that are looked up in the index; the others are only compared


class Search:
    """The search of a store."""

    def __init__(self, database: Database) -> None:
        """Work on an open database."""
        self._database = database

    def queries(self, project_id: int, text: str, *, limit: int = 50, after_id: int = 0) -> list[Query]:
        """List a project's queries that hold all words of a text, in the order in which they were added.

        Raises:
            InputError: the text is longer than 1,000 characters.
        """
        return self._find(Query, project_id, text, limit, after_id)

    def passages(self, project_id: int, text: str, *, limit: int = 50, after_id: int = 0) -> list[Passage]:
        """List a project's passages that hold all words of a text, in the order in which they were added.

        Raises:
            InputError: the text is longer than 1,000 characters.
        """
        return self._find(Passage, project_id, text, limit, after_id)

    def _find(self, table: type[Text], project_id: int, text: str, limit: int, after_id: int) -> list[Text]:
        statement = (
            select(table)
            .where(col(table.project_id) == project_id, col(table.id) > after_id, holds_words(table, text))
            .where(col(table.deleted_at).is_(None), is_published(table.batch_id))
            .order_by(col(table.id))
            .limit(limit)
        )
        with self._database.read() as session:
            return list(session.scalars(statement))


def holds_words(table: type[Query] | type[Passage], text: str) -> ColumnElement[bool]:
    """Hold for texts that have all words of `text` in them, anywhere and also as a part of a longer word.

    What stands between two white spaces is a word: a run of Chinese is one. Upper and lower case are the same, and so are
    composed and decomposed letters (é). No character of it has another meaning. An empty text is in all.

    Words of fewer than three characters are not in the index: they are compared with every text.

    Raises:
        InputError: the text is longer than 1,000 characters.
    """
    if len(text) > LONGEST:
        raise InputError(f"A text to search for has at most {LONGEST:,} characters, got {len(text):,}. Search for a part.")
    readable = text.replace("\0", " ").encode("utf-8", "ignore").decode("utf-8")  # NUL would end it, half characters fail
    words = list(dict.fromkeys(readable.split()))
    if not words:
        return true()
    spelt = [_spell(word) for word in words]
    compared = and_(*(or_(*(_holds(table, spelling) for spelling in spellings)) for spellings in spelt))
    indexed = [spellings for spellings in spelt if min(map(len, spellings)) >= TRIGRAM]
    if not indexed:
        return compared
    rarest = sorted(indexed, key=lambda spellings: -len(spellings[0]))[:_INDEXED]
    return and_(col(table.id).in_(find_by_trigrams(str(table.__tablename__), rarest)), compared)


def _holds(table: type[Query] | type[Passage], word: str) -> ColumnElement[bool]:
    escaped = word.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return col(table.text).like(f"%{escaped}%", escape="\\")


def _spell(word: str) -> list[str]:
    """Give the spellings of a word that LIKE holds for different: it folds the case of A to Z only."""
    found: dict[str, str] = {}
    for form in (word, unicodedata.normalize("NFC", word), unicodedata.normalize("NFD", word)):
        for spelling in (form, form.lower(), form.upper(), form.title()):
            found.setdefault("".join(one.lower() if one.isascii() else one for one in spelling), spelling)
    return list(found.values())
