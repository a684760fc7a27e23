"""Which database this is: ids of one mean something else in another, so what was made for one is never written there."""

import secrets

from annotations.models import AppMeta
from annotations.store.database import Database
from annotations.store.sqlite import IDENTITY


def read_identity(database: Database) -> str:
    """Give the random name of a database, which is made where there is none yet.

    Raises:
        StorageError: it could not be read or written.
    """
    with database.read() as session:
        found = session.get(AppMeta, IDENTITY)
    if found is None:
        with database.write() as session:
            found = session.get(AppMeta, IDENTITY)  # another program may have been faster
            if found is None:
                found = AppMeta(key=IDENTITY, value=secrets.token_hex(16))
                session.add(found)
    return found.value
