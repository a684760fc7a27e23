"""One store for many small imports, each into a project of its own: to make a store takes longer than to import."""

from collections.abc import Iterator

import pytest

from annotations.store import Store
from tests.annotations.exchange.messy_project import Bench, make_a_mess


@pytest.fixture(scope="session")
def shared_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """An open store that other tests use too, in other projects."""
    with Store.open(tmp_path_factory.mktemp("shared") / "labels.db") as opened:
        yield opened


@pytest.fixture(scope="session")
def export_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Another one for exports, whose annotators no import has made."""
    with Store.open(tmp_path_factory.mktemp("exports") / "labels.db") as opened:
        yield opened


@pytest.fixture(scope="session")
def mess(export_store: Store) -> Bench:
    """A messy project whose labels and texts no test changes."""
    return make_a_mess(export_store)
