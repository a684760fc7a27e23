"""Which steps of the schema there are, and taking a database through them. Forward only."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

_FOLDER = Path(__file__).parent


def list_revisions() -> list[str]:
    """List the revisions from the first to the newest."""
    found = ScriptDirectory.from_config(_configure()).walk_revisions()
    return [script.revision for script in found][::-1]


def upgrade(connection: Connection, *, to: str = "head") -> None:
    """Take a database from wherever it is to a revision, inside the connection's transaction.

    Args:
        connection: in a transaction, with foreign keys off (`store.sqlite.rebuilding`).
        to: the revision, by default the newest.
    """
    config = _configure()
    config.attributes["connection"] = connection
    command.upgrade(config, to)


def is_described(name: str | None, kind: str, parents: object) -> bool:
    """Tell alembic whether the models describe something; they do not describe the tables of the indexes for search."""
    return kind != "table" or name is None or "_search" not in name


def _configure() -> Config:
    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
