"""A store on a real file, for the tests of the labels."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from annotations.store import Store
from tests.annotations.desk import Desk, lay_out


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the labels lie; nothing is there yet."""
    return tmp_path / "labels.db"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    """An open store, with nothing in it."""
    with Store.open(path) as opened:
        yield opened


@pytest.fixture
def desk(store: Store) -> Desk:
    """A store with one project, one query and five candidates."""
    return lay_out(store)
