"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make all tables, those first that others point to."""
    _create_annotator()
    _create_app_meta()
    _create_model_ref()
    _create_project()
    _create_dataset_snapshot()
    _create_guideline_version()
    _create_import_batch()
    _create_passage()
    _create_query()
    _create_candidate()
    _create_passage_external_id()
    _create_query_external_id()
    _create_judgement()
    _create_model_score()
    _create_judgement_event()


def _create_annotator() -> None:
    op.create_table(
        "annotator",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("handle", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.CheckConstraint("kind IN ('human', 'import', 'model')", name=op.f("ck_annotator_kind")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_annotator")),
        sa.UniqueConstraint("handle", name=op.f("uq_annotator_handle")),
        sqlite_strict=True,
    )


def _create_app_meta() -> None:
    op.create_table(
        "app_meta",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_app_meta")),
        sqlite_strict=True,
    )


def _create_model_ref() -> None:
    op.create_table(
        "model_ref",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("revision", sa.Text(), nullable=False),
        sa.Column("adapter", sa.Text(), nullable=False),
        sa.Column("layer", sa.Integer(), nullable=False),
        sa.Column("max_length", sa.Integer(), nullable=False),
        sa.Column("normalised", sa.Integer(), nullable=False),
        sa.Column("prompt", sa.Text(), nullable=False),
        sa.CheckConstraint("normalised IN (0, 1)", name=op.f("ck_model_ref_normalised")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_ref")),
        sa.UniqueConstraint(
            "name", "revision", "adapter", "layer", "max_length", "normalised", "prompt", name="uq_model_ref_everything"
        ),
        sqlite_strict=True,
    )


def _create_project() -> None:
    op.create_table(
        "project",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("scale", sa.Text(), nullable=True),
        sa.Column("default_prompt", sa.Text(), nullable=True),
        sa.Column("split_seed", sa.Integer(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("archived_at", sa.Text(), nullable=True),
        sa.CheckConstraint("scale IN ('binary', 'graded')", name=op.f("ck_project_scale")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_project")),
        sa.UniqueConstraint("name", name=op.f("uq_project_name")),
        sqlite_strict=True,
    )


def _create_dataset_snapshot() -> None:
    op.create_table(
        "dataset_snapshot",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("manifest", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_dataset_snapshot_project_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dataset_snapshot")),
        sa.UniqueConstraint("project_id", "name", name=op.f("uq_dataset_snapshot_project_id_name")),
        sqlite_strict=True,
    )


def _create_guideline_version() -> None:
    op.create_table(
        "guideline_version",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_guideline_version_project_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_guideline_version")),
        sa.UniqueConstraint("project_id", "n", name=op.f("uq_guideline_version_project_id_n")),
        sqlite_strict=True,
    )


def _create_import_batch() -> None:
    op.create_table(
        "import_batch",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("source_kind", sa.Text(), nullable=False),
        sa.Column("source_name", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("scale", sa.Text(), nullable=True),
        sa.Column("counts", sa.Text(), nullable=True),
        sa.Column("report", sa.Text(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("published_at", sa.Text(), nullable=True),
        sa.CheckConstraint("scale IN ('binary', 'graded')", name=op.f("ck_import_batch_scale")),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_import_batch_project_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_batch")),
        sqlite_strict=True,
    )
    op.create_index("ix_import_batch_sha256", "import_batch", ["project_id", "sha256"], unique=False)
    op.create_index(
        "uq_import_batch_staged", "import_batch", ["project_id"], unique=True, sqlite_where=sa.text("published_at IS NULL")
    )


def _create_passage() -> None:
    op.create_table(
        "passage",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("deleted_at", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["batch_id"], ["import_batch.id"], name=op.f("fk_passage_batch_id"), ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_passage_project_id"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_passage")),
        sa.UniqueConstraint("project_id", "sha256", name=op.f("uq_passage_project_id_sha256")),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_passage_batch_id", "passage", ["batch_id"], unique=False, sqlite_where=sa.text("batch_id IS NOT NULL")
    )
    op.create_index(
        "ix_passage_deleted", "passage", ["project_id"], unique=False, sqlite_where=sa.text("deleted_at IS NOT NULL")
    )
    op.create_index("ix_passage_project_id", "passage", ["project_id"], unique=False)


def _create_query() -> None:
    op.create_table(
        "query",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("split", sa.Text(), nullable=True),
        sa.Column("batch_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("deleted_at", sa.Text(), nullable=True),
        sa.CheckConstraint("split IN ('train', 'dev', 'test')", name=op.f("ck_query_split")),
        sa.ForeignKeyConstraint(["batch_id"], ["import_batch.id"], name=op.f("fk_query_batch_id"), ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_query_project_id"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_query")),
        sa.UniqueConstraint("project_id", "sha256", name=op.f("uq_query_project_id_sha256")),
        sqlite_strict=True,
    )
    op.create_index("ix_query_batch_id", "query", ["batch_id"], unique=False, sqlite_where=sa.text("batch_id IS NOT NULL"))
    op.create_index(
        "ix_query_deleted", "query", ["project_id"], unique=False, sqlite_where=sa.text("deleted_at IS NOT NULL")
    )
    op.create_index("ix_query_project_id", "query", ["project_id"], unique=False)


def _create_candidate() -> None:
    op.create_table(
        "candidate",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("query_id", sa.Integer(), nullable=False),
        sa.Column("passage_id", sa.Integer(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("source_rank", sa.Integer(), nullable=True),
        sa.Column("batch_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["batch_id"], ["import_batch.id"], name=op.f("fk_candidate_batch_id"), ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["passage_id"], ["passage.id"], name=op.f("fk_candidate_passage_id"), ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_candidate_project_id"), ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(["query_id"], ["query.id"], name=op.f("fk_candidate_query_id"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_candidate")),
        sa.UniqueConstraint("query_id", "passage_id", name=op.f("uq_candidate_query_id_passage_id")),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_candidate_batch_id", "candidate", ["batch_id"], unique=False, sqlite_where=sa.text("batch_id IS NOT NULL")
    )
    op.create_index("ix_candidate_passage_id", "candidate", ["passage_id"], unique=False)
    op.create_index("ix_candidate_project_id_batch_id", "candidate", ["project_id", "batch_id"], unique=False)


def _create_passage_external_id() -> None:
    op.create_table(
        "passage_external_id",
        sa.Column("passage_id", sa.Integer(), nullable=False),
        sa.Column("ext_id", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=True),
        sa.Column("batch_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["import_batch.id"], name=op.f("fk_passage_external_id_batch_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["passage_id"], ["passage.id"], name=op.f("fk_passage_external_id_passage_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("passage_id", "ext_id", name=op.f("pk_passage_external_id")),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_passage_external_id_batch_id",
        "passage_external_id",
        ["batch_id"],
        unique=False,
        sqlite_where=sa.text("batch_id IS NOT NULL"),
    )
    op.create_index("ix_passage_external_id_ext_id", "passage_external_id", ["ext_id"], unique=False)


def _create_query_external_id() -> None:
    op.create_table(
        "query_external_id",
        sa.Column("query_id", sa.Integer(), nullable=False),
        sa.Column("ext_id", sa.Text(), nullable=False),
        sa.Column("batch_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["import_batch.id"], name=op.f("fk_query_external_id_batch_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["query_id"], ["query.id"], name=op.f("fk_query_external_id_query_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("query_id", "ext_id", name=op.f("pk_query_external_id")),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_query_external_id_batch_id",
        "query_external_id",
        ["batch_id"],
        unique=False,
        sqlite_where=sa.text("batch_id IS NOT NULL"),
    )
    op.create_index("ix_query_external_id_ext_id", "query_external_id", ["ext_id"], unique=False)


def _create_judgement() -> None:
    op.create_table(
        "judgement",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("uuid", sa.Text(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("candidate_id", sa.Integer(), nullable=False),
        sa.Column("annotator_id", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("grade", sa.Integer(), nullable=True),
        sa.Column("score_shown", sa.Integer(), nullable=False),
        sa.Column("position_shown", sa.Integer(), nullable=True),
        sa.Column("order_mode", sa.Text(), nullable=False),
        sa.Column("guideline_version_id", sa.Integer(), nullable=True),
        sa.Column("duration_ms", sa.Integer(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("batch_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.Text(), nullable=False),
        sa.Column("updated_at", sa.Text(), nullable=False),
        sa.Column("deleted_at", sa.Text(), nullable=True),
        sa.CheckConstraint("(state = 'graded') = (grade IS NOT NULL)", name=op.f("ck_judgement_grade_iff_graded")),
        sa.CheckConstraint("state IN ('graded', 'skipped', 'cant_tell', 'later')", name=op.f("ck_judgement_state")),
        sa.CheckConstraint("grade BETWEEN 0 AND 3", name=op.f("ck_judgement_grade")),
        sa.CheckConstraint("score_shown IN (0, 1)", name=op.f("ck_judgement_score_shown")),
        sa.CheckConstraint("version >= 1", name=op.f("ck_judgement_version")),
        sa.ForeignKeyConstraint(
            ["annotator_id"], ["annotator.id"], name=op.f("fk_judgement_annotator_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(["batch_id"], ["import_batch.id"], name=op.f("fk_judgement_batch_id"), ondelete="RESTRICT"),
        sa.ForeignKeyConstraint(
            ["candidate_id"], ["candidate.id"], name=op.f("fk_judgement_candidate_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["guideline_version_id"],
            ["guideline_version.id"],
            name=op.f("fk_judgement_guideline_version_id"),
            ondelete="RESTRICT",
        ),
        sa.ForeignKeyConstraint(["project_id"], ["project.id"], name=op.f("fk_judgement_project_id"), ondelete="RESTRICT"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_judgement")),
        sa.UniqueConstraint("uuid", name=op.f("uq_judgement_uuid")),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_judgement_batch_id", "judgement", ["batch_id"], unique=False, sqlite_where=sa.text("batch_id IS NOT NULL")
    )
    op.create_index("ix_judgement_candidate_id", "judgement", ["candidate_id", "annotator_id"], unique=False)
    op.create_index(
        "ix_judgement_counts",
        "judgement",
        ["project_id", "annotator_id", "state", "batch_id", "candidate_id"],
        unique=False,
        sqlite_where=sa.text("deleted_at IS NULL"),
    )
    op.create_index("ix_judgement_today", "judgement", ["project_id", "annotator_id", "updated_at"], unique=False)
    op.create_index(
        "uq_judgement_candidate_id_annotator_id",
        "judgement",
        ["candidate_id", "annotator_id"],
        unique=True,
        sqlite_where=sa.text("deleted_at IS NULL"),
        postgresql_where=sa.text("deleted_at IS NULL"),
    )


def _create_model_score() -> None:
    op.create_table(
        "model_score",
        sa.Column("candidate_id", sa.Integer(), nullable=False),
        sa.Column("model_ref_id", sa.Integer(), nullable=False),
        sa.Column("score", sa.REAL(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=True),
        sa.Column("batch_id", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(
            ["batch_id"], ["import_batch.id"], name=op.f("fk_model_score_batch_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["candidate_id"], ["candidate.id"], name=op.f("fk_model_score_candidate_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["model_ref_id"], ["model_ref.id"], name=op.f("fk_model_score_model_ref_id"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("candidate_id", "model_ref_id", name=op.f("pk_model_score")),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_model_score_batch_id", "model_score", ["batch_id"], unique=False, sqlite_where=sa.text("batch_id IS NOT NULL")
    )
    op.create_index("ix_model_score_model_ref_id", "model_score", ["model_ref_id"], unique=False)


def _create_judgement_event() -> None:
    op.create_table(
        "judgement_event",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("judgement_id", sa.Integer(), nullable=False),
        sa.Column("project_id", sa.Integer(), nullable=False),
        sa.Column("actor_id", sa.Integer(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("client_id", sa.Text(), nullable=True),
        sa.Column("seq", sa.Integer(), nullable=True),
        sa.Column("undoes", sa.Integer(), nullable=True),
        sa.Column("group_id", sa.Text(), nullable=True),
        sa.Column("at", sa.Text(), nullable=False),
        sa.CheckConstraint("(undoes IS NULL) = (action IN ('save', 'import'))", name=op.f("ck_judgement_event_undoes")),
        sa.CheckConstraint("action IN ('save', 'undo', 'redo', 'import')", name=op.f("ck_judgement_event_action")),
        sa.CheckConstraint("(client_id IS NULL) = (seq IS NULL)", name=op.f("ck_judgement_event_client_iff_seq")),
        sa.ForeignKeyConstraint(
            ["actor_id"], ["annotator.id"], name=op.f("fk_judgement_event_actor_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["judgement_id"], ["judgement.id"], name=op.f("fk_judgement_event_judgement_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["project_id"], ["project.id"], name=op.f("fk_judgement_event_project_id"), ondelete="RESTRICT"
        ),
        sa.ForeignKeyConstraint(
            ["undoes"], ["judgement_event.id"], name=op.f("fk_judgement_event_undoes"), ondelete="RESTRICT"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_judgement_event")),
        sa.UniqueConstraint("client_id", "seq", name=op.f("uq_judgement_event_client_id_seq")),
        sqlite_strict=True,
    )
    op.create_index(
        "ix_judgement_event_group_id",
        "judgement_event",
        ["group_id"],
        unique=False,
        sqlite_where=sa.text("group_id IS NOT NULL"),
    )
    op.create_index("ix_judgement_event_judgement_id", "judgement_event", ["judgement_id"], unique=False)
    op.create_index("ix_judgement_event_steps", "judgement_event", ["project_id", "actor_id", "action"], unique=False)
    op.create_index(
        "ix_judgement_event_undoes", "judgement_event", ["undoes"], unique=False, sqlite_where=sa.text("undoes IS NOT NULL")
    )
