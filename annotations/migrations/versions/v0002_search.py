"""An index of texts for search, and indexes from which the queue and the pages of the Data screen are read."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the indexes from what is there. The triggers that keep those of texts in step are `store.sqlite`'s."""
    for table in ("passage", "query"):
        # Trigrams find any three characters, so Chinese too. Without places (detail) the index is a fifth of its size, and
        # what it finds is compared with the text; that stays where it is (content).
        op.execute(
            f"CREATE VIRTUAL TABLE {table}_search USING fts5("
            f"text, content='{table}', content_rowid='id', tokenize='trigram', detail='none', columnsize=0)"
        )
        op.execute(f"INSERT INTO {table}_search ({table}_search) VALUES ('rebuild')")
    op.create_index("ix_candidate_queue", "candidate", ["query_id", "batch_id", "passage_id"])
    # As before, but with all that is asked of them, so that no row need be read.
    op.drop_index("ix_judgement_candidate_id", table_name="judgement")
    op.create_index(
        "ix_judgement_candidate_id", "judgement", ["candidate_id", "annotator_id", "deleted_at", "state", "batch_id"]
    )
    op.drop_index("ix_judgement_counts", table_name="judgement")
    op.create_index(
        "ix_judgement_counts",
        "judgement",
        ["project_id", "annotator_id", "state", "batch_id", "candidate_id", "grade"],
        sqlite_where=sa.text("deleted_at IS NULL"),
    )
