"""All tables. Integer keys inside, UUID texts outside, times as UTC text with Z, every constraint named.

The tables are STRICT: SQLite then holds every column to its type. That admits Text, Integer and REAL only, hence the few
types below. No foreign key cascades: who deletes a query, a passage or an annotator can never delete a judgement with it.
"""

import json
from datetime import UTC, datetime
from typing import Any, ClassVar, Literal

from sqlalchemy import REAL, CheckConstraint, Dialect, Double, Index, Integer, MetaData, Text, UniqueConstraint, text
from sqlalchemy.types import TypeDecorator, TypeEngine
from sqlmodel import Field, SQLModel

LONGEST_NAME = 200  # characters of the name of a project or of who judges
IMPORT_ANNOTATOR = "import"  # whose judgements those of a file are that names nobody; no person can have that name

Scale = Literal["binary", "graded"]
Split = Literal["train", "dev", "test"]
State = Literal["graded", "skipped", "cant_tell", "later"]
AnnotatorKind = Literal["human", "import", "model"]
Action = Literal["save", "undo", "redo", "import"]

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}


class UtcText(TypeDecorator[datetime]):
    """A moment as text such as `2026-11-23T12:03:11.000000Z`, which sorts by time."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        """Write a moment; one without a time zone is refused, since it could be any."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a moment needs a time zone, got {value!r}")
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        """Read a moment, in UTC."""
        return None if value is None else datetime.fromisoformat(value)


class JsonText(TypeDecorator[Any]):
    """A JSON value as text; `None` is NULL."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Write a value compactly, its keys in order."""
        return None if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read a value."""
        return None if value is None else json.loads(value)


class Flag(TypeDecorator[bool]):
    """True or false as 1 or 0."""

    impl = Integer
    cache_ok = True

    def process_bind_param(self, value: bool | None, dialect: Dialect) -> int | None:
        """Write 1 or 0."""
        return None if value is None else int(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> bool | None:
        """Read 1 or 0."""
        return None if value is None else bool(value)


class EightByteFloat(TypeDecorator[float]):
    """A float of eight bytes: REAL in SQLite, where PostgreSQL's REAL has four."""

    impl = REAL
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[float]:
        """Choose the name that the database has for it."""
        return dialect.type_descriptor(Double() if dialect.name == "postgresql" else REAL())


def _one_of(column: str, *values: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(value) for value in values)})", name=column)


def _index_of_batch(table: str) -> Index:
    """Find the rows of one import; almost all rows have none."""
    return Index(f"ix_{table}_batch_id", "batch_id", sqlite_where=text("batch_id IS NOT NULL"))


def _index_of_deleted(table: str) -> Index:
    """Find what was deleted, which is little, instead of looking at everything that was not."""
    return Index(f"ix_{table}_deleted", "project_id", sqlite_where=text("deleted_at IS NOT NULL"))


_STRICT = {"sqlite_strict": True}


def _id() -> Any:
    return Field(default=None, primary_key=True)


def _to(table: str, **options: Any) -> Any:
    """Point to another table's row, which can then not be deleted."""
    return Field(foreign_key=f"{table}.id", ondelete="RESTRICT", **options)


def _batch() -> Any:
    """Name the import that brought a row; as long as that is not published, no reading method gives the row."""
    return _to("import_batch", default=None)


class Table(SQLModel):
    """What all tables share: their own metadata, so that nobody else's tables get into the migrations."""

    metadata: ClassVar[MetaData] = MetaData(naming_convention=NAMING)


class Project(Table, table=True):
    """Labels under one guideline and one scale."""

    __table_args__ = (UniqueConstraint("name"), _one_of("scale", "binary", "graded"), _STRICT)

    id: int = _id()
    name: str = Field(sa_type=Text)
    language: str = Field(default="", sa_type=Text)
    scale: Scale | None = Field(default=None, sa_type=Text)  # of its first label, from then on for good
    default_prompt: str | None = Field(default=None, sa_type=Text)
    split_seed: int
    created_at: datetime = Field(sa_type=UtcText)
    archived_at: datetime | None = Field(default=None, sa_type=UtcText)


class GuidelineVersion(Table, table=True):
    """A project's guideline as it was from one moment on; a judgement says under which it was made."""

    __tablename__ = "guideline_version"
    __table_args__ = (UniqueConstraint("project_id", "n"), _STRICT)

    id: int = _id()
    project_id: int = _to("project")
    n: int  # from 1
    text: str = Field(sa_type=Text)
    created_at: datetime = Field(sa_type=UtcText)


class Annotator(Table, table=True):
    """Who judges. Never deleted; who wants to be forgotten gets another handle."""

    __table_args__ = (UniqueConstraint("handle"), _one_of("kind", "human", "import", "model"), _STRICT)

    id: int = _id()
    handle: str = Field(sa_type=Text)
    kind: AnnotatorKind = Field(default="human", sa_type=Text)
    created_at: datetime = Field(sa_type=UtcText)


class ImportBatch(Table, table=True):
    """One import. While `published_at` is null its rows are staged; a project has at most one such import."""

    __tablename__ = "import_batch"
    __table_args__ = (
        _one_of("scale", "binary", "graded"),
        Index("uq_import_batch_staged", "project_id", unique=True, sqlite_where=text("published_at IS NULL")),
        Index("ix_import_batch_sha256", "project_id", "sha256"),
        _STRICT,
    )

    id: int = _id()
    project_id: int = _to("project")
    source_kind: str = Field(sa_type=Text)
    source_name: str = Field(sa_type=Text)
    sha256: str = Field(sa_type=Text)  # of the file
    scale: Scale | None = Field(default=None, sa_type=Text)  # of the grades that it brings, if it brings any
    counts: Any = Field(default=None, sa_type=JsonText, nullable=True)
    report: Any = Field(default=None, sa_type=JsonText, nullable=True)
    created_at: datetime = Field(sa_type=UtcText)
    published_at: datetime | None = Field(default=None, sa_type=UtcText)


class Query(Table, table=True):
    """A query, once for each project, by the SHA-256 of its NFC form."""

    __table_args__ = (
        UniqueConstraint("project_id", "sha256"),
        _one_of("split", "train", "dev", "test"),
        Index("ix_query_project_id", "project_id"),
        _index_of_deleted("query"),
        _index_of_batch("query"),
        _STRICT,
    )

    id: int = _id()
    project_id: int = _to("project")
    text: str = Field(sa_type=Text)  # as first seen
    sha256: str = Field(sa_type=Text)
    split: Split | None = Field(default=None, sa_type=Text)
    batch_id: int | None = _batch()
    created_at: datetime = Field(sa_type=UtcText)
    deleted_at: datetime | None = Field(default=None, sa_type=UtcText)


class QueryExternalId(Table, table=True):
    """What a query is called in a file; one query may have several."""

    __tablename__ = "query_external_id"
    __table_args__ = (Index("ix_query_external_id_ext_id", "ext_id"), _index_of_batch("query_external_id"), _STRICT)

    query_id: int = _to("query", primary_key=True)
    ext_id: str = Field(sa_type=Text, primary_key=True)
    batch_id: int | None = _batch()


class Passage(Table, table=True):
    """A passage, once for each project, by the SHA-256 of its NFC form, nothing trimmed."""

    __table_args__ = (
        UniqueConstraint("project_id", "sha256"),
        Index("ix_passage_project_id", "project_id"),
        _index_of_deleted("passage"),
        _index_of_batch("passage"),
        _STRICT,
    )

    id: int = _id()
    project_id: int = _to("project")
    text: str = Field(sa_type=Text)  # as first seen
    sha256: str = Field(sa_type=Text)
    batch_id: int | None = _batch()
    created_at: datetime = Field(sa_type=UtcText)
    deleted_at: datetime | None = Field(default=None, sa_type=UtcText)


class PassageExternalId(Table, table=True):
    """What a passage is called in a file, and the title that its text begins with there."""

    __tablename__ = "passage_external_id"
    __table_args__ = (Index("ix_passage_external_id_ext_id", "ext_id"), _index_of_batch("passage_external_id"), _STRICT)

    passage_id: int = _to("passage", primary_key=True)
    ext_id: str = Field(sa_type=Text, primary_key=True)
    title: str | None = Field(default=None, sa_type=Text)
    batch_id: int | None = _batch()


class Candidate(Table, table=True):
    """A passage to be judged for a query, and where it came from."""

    __table_args__ = (
        UniqueConstraint("query_id", "passage_id"),
        Index("ix_candidate_passage_id", "passage_id"),
        Index("ix_candidate_queue", "query_id", "batch_id", "passage_id"),
        Index("ix_candidate_project_id_batch_id", "project_id", "batch_id"),
        _index_of_batch("candidate"),
        _STRICT,
    )

    id: int = _id()
    project_id: int = _to("project")  # the query's, kept here to count without a join
    query_id: int = _to("query")
    passage_id: int = _to("passage")
    source: str = Field(sa_type=Text)
    source_rank: int | None = Field(default=None)
    batch_id: int | None = _batch()
    created_at: datetime = Field(sa_type=UtcText)


class ModelRef(Table, table=True):
    """What made a score: a model at a layer, with all that changes its scores."""

    __tablename__ = "model_ref"
    __table_args__ = (
        UniqueConstraint(
            "name", "revision", "adapter", "layer", "max_length", "normalised", "prompt", name="uq_model_ref_everything"
        ),
        CheckConstraint("normalised IN (0, 1)", name="normalised"),
        _STRICT,
    )

    id: int = _id()
    name: str = Field(sa_type=Text)
    # Empty or 0 where there is none: NULLs would all be different, and the same model would be there many times.
    revision: str = Field(default="", sa_type=Text)
    adapter: str = Field(default="", sa_type=Text)
    layer: int = Field(default=0)
    max_length: int = Field(default=0)
    normalised: bool = Field(default=False, sa_type=Flag)
    prompt: str = Field(default="", sa_type=Text)


class ModelScore(Table, table=True):
    """A model's score of a candidate."""

    __tablename__ = "model_score"
    __table_args__ = (Index("ix_model_score_model_ref_id", "model_ref_id"), _index_of_batch("model_score"), _STRICT)

    candidate_id: int = _to("candidate", primary_key=True)
    model_ref_id: int = _to("model_ref", primary_key=True)
    score: float = Field(sa_type=EightByteFloat)
    rank: int | None = Field(default=None)
    batch_id: int | None = _batch()


class Judgement(Table, table=True):
    """One annotator's judgement of one candidate, as it is now; how it came to be is in its events."""

    __table_args__ = (
        _one_of("state", "graded", "skipped", "cant_tell", "later"),
        CheckConstraint("grade BETWEEN 0 AND 3", name="grade"),
        CheckConstraint("(state = 'graded') = (grade IS NOT NULL)", name="grade_iff_graded"),
        CheckConstraint("score_shown IN (0, 1)", name="score_shown"),
        CheckConstraint("version >= 1", name="version"),
        UniqueConstraint("uuid"),
        Index(
            "uq_judgement_candidate_id_annotator_id",
            "candidate_id",
            "annotator_id",
            unique=True,
            sqlite_where=text("deleted_at IS NULL"),
            postgresql_where=text("deleted_at IS NULL"),
        ),
        # Undone ones too: what looks for a candidate's judgements before it is deleted cannot use a partial index. With all
        # that tells whether somebody judged a candidate.
        Index("ix_judgement_candidate_id", "candidate_id", "annotator_id", "deleted_at", "state", "batch_id"),
        Index(
            "ix_judgement_counts",
            "project_id",
            "annotator_id",
            "state",
            "batch_id",
            "candidate_id",
            "grade",
            sqlite_where=text("deleted_at IS NULL"),
        ),
        Index("ix_judgement_today", "project_id", "annotator_id", "updated_at"),
        _index_of_batch("judgement"),
        _STRICT,
    )

    id: int = _id()
    uuid: str = Field(sa_type=Text)
    project_id: int = _to("project")  # the candidate's, kept here to count without a join
    candidate_id: int = _to("candidate")
    annotator_id: int = _to("annotator")
    state: State = Field(sa_type=Text)
    grade: int | None = Field(default=None)
    score_shown: bool = Field(default=False, sa_type=Flag)
    position_shown: int | None = Field(default=None)
    order_mode: str = Field(default="", sa_type=Text)
    guideline_version_id: int | None = _to("guideline_version", default=None)
    duration_ms: int | None = Field(default=None)
    version: int  # from 1, one more with every change, never again the same
    batch_id: int | None = _batch()
    created_at: datetime = Field(sa_type=UtcText)
    updated_at: datetime = Field(sa_type=UtcText)
    deleted_at: datetime | None = Field(default=None, sa_type=UtcText)  # set where undo took the first judgement back


class JudgementEvent(Table, table=True):
    """One change of one judgement. Nothing here is ever changed or deleted; undoing is a new event."""

    __tablename__ = "judgement_event"
    __table_args__ = (
        UniqueConstraint("client_id", "seq"),
        _one_of("action", "save", "undo", "redo", "import"),
        CheckConstraint("(client_id IS NULL) = (seq IS NULL)", name="client_iff_seq"),
        CheckConstraint("(undoes IS NULL) = (action IN ('save', 'import'))", name="undoes"),
        Index("ix_judgement_event_judgement_id", "judgement_id"),
        Index("ix_judgement_event_undoes", "undoes", sqlite_where=text("undoes IS NOT NULL")),
        Index("ix_judgement_event_group_id", "group_id", sqlite_where=text("group_id IS NOT NULL")),
        Index("ix_judgement_event_steps", "project_id", "actor_id", "action"),
        _STRICT,
    )

    id: int = _id()  # the order of all changes: no clock decides it
    judgement_id: int = _to("judgement")
    project_id: int = _to("project")  # the judgement's, kept here to find the last step without a join
    actor_id: int = _to("annotator")
    action: Action = Field(sa_type=Text)
    before: Any = Field(default=None, sa_type=JsonText, nullable=True)  # null: there was no judgement
    after: Any = Field(default=None, sa_type=JsonText, nullable=True)  # null: there is none any more
    client_id: str | None = Field(default=None, sa_type=Text)
    seq: int | None = Field(default=None)
    undoes: int | None = _to("judgement_event", default=None)  # a redo undoes an undo
    group_id: str | None = Field(default=None, sa_type=Text)
    at: datetime = Field(sa_type=UtcText)


class DatasetSnapshot(Table, table=True):
    """A frozen folder of labels; what is in it never changes."""

    __tablename__ = "dataset_snapshot"
    __table_args__ = (UniqueConstraint("project_id", "name"), _STRICT)

    id: int = _id()
    project_id: int = _to("project")
    name: str = Field(sa_type=Text)
    path: str = Field(sa_type=Text)
    sha256: str = Field(sa_type=Text)
    manifest: Any = Field(default=None, sa_type=JsonText, nullable=True)
    created_at: datetime = Field(sa_type=UtcText)


class AppMeta(Table, table=True):
    """What the app remembers about this database, as key and value."""

    __tablename__ = "app_meta"
    __table_args__ = (_STRICT,)

    key: str = Field(sa_type=Text, primary_key=True)
    value: str = Field(sa_type=Text)
