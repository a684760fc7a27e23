"""What alembic runs: on the connection that `upgrading` hands over, else on the database of alembic.ini."""

from alembic import context
from sqlalchemy import Connection, create_engine

from annotations.migrations.upgrading import is_described
from annotations.models import Table


def _run(connection: Connection) -> None:
    context.configure(
        connection=connection, target_metadata=Table.metadata, render_as_batch=True, include_name=is_described
    )
    with context.begin_transaction():
        context.run_migrations()


if "connection" in context.config.attributes:
    _run(context.config.attributes["connection"])
else:
    with create_engine(context.config.get_main_option("sqlalchemy.url", "")).connect() as drafted:
        _run(drafted)
