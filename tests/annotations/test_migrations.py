"""Opening a database of an earlier or a later version, and of no version at all."""

import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from annotations.backup import list_backups
from annotations.errors import NewerDatabaseError, StorageError
from annotations.migrations import upgrading
from annotations.migrations.upgrading import list_revisions, upgrade
from annotations.store import Store, opening
from annotations.store.sqlite import make_engine, rebuilding
from annotations.store.texts import NewPassage
from tests.annotations.desk import lay_out, raw

DATA = Path(__file__).parent / "data"
LATER = """
import sqlalchemy as sa
from alembic import op

revision = "9999"
down_revision = {before!r}


def upgrade() -> None:
    with op.batch_alter_table("judgement") as table:
        table.add_column(sa.Column("note", sa.Text()))
    with op.batch_alter_table("candidate") as table:
        table.add_column(sa.Column("note", sa.Text()))
    with op.batch_alter_table("passage", recreate="always") as table:
        table.add_column(sa.Column("note", sa.Text()))
    {also}
"""


def make_at(path: Path, revision: str) -> None:
    """Make a database as the version of that revision left it, with what the first version had stored in it."""
    engine = make_engine(path, can_write=True)
    with rebuilding(engine) as connection:
        upgrade(connection, to=list_revisions()[0])
        for statement in (DATA / "labels_0001.sql").read_text(encoding="utf-8").split(";\n"):
            connection.exec_driver_sql(statement)
    with rebuilding(engine) as connection:
        upgrade(connection, to=revision)
    engine.dispose()


@pytest.fixture
def later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the migrations with one more step, which rebuilds the table that judgements point to, and theirs."""
    folder = tmp_path / "migrations"
    shutil.copytree(upgrading._FOLDER, folder)
    step = folder / "versions" / "later.py"
    step.write_text(LATER.format(before=list_revisions()[-1], also="pass"), encoding="utf-8")
    monkeypatch.setattr(upgrading, "_FOLDER", folder)
    return step


@pytest.mark.parametrize("revision", list_revisions())
def test_labels_of_every_earlier_version_are_all_there_after_opening(path: Path, revision: str) -> None:
    make_at(path, revision)

    with Store.open(path) as store:
        project = store.projects.get("pandas")
        (query,) = store.texts.queries(project.id)
        ada, grace = store.annotators.list()
        candidates = store.texts.candidates(query.id)
        assert [row.passage.text for row in candidates] == ["A panda is a bear.", "大熊猫是熊科动物。", " hi"]
        found = [(row.candidate_id, row.annotator_id, row.state, row.grade) for row in store.judgements.of_query(query.id)]
        assert found == [(1, ada.id, "graded", 3), (1, grace.id, "skipped", None), (2, ada.id, "graded", 0)]
        assert [(row.score, row.rank) for row in store.scores.of_query(query.id)] == [(1.25, 1), (-0.5, 2)]
        assert [event.action for event in store.history.of(1)] == ["save", "save"]
        assert (project.scale, store.projects.guideline(project.id).text) == ("graded", "3 is an answer.")
        assert store.history.undo(project.id, ada.id).status == "done"
        assert [row.grade for row in store.judgements.of_query(query.id, annotator_id=ada.id)] == [3]


@pytest.mark.parametrize("revision", list_revisions())
def test_texts_of_every_earlier_version_are_found_after_opening_and_so_are_new_ones(path: Path, revision: str) -> None:
    make_at(path, revision)

    with Store.open(path) as store:
        project = store.projects.get("pandas")
        store.texts.add_passages(project.id, [NewPassage(text="The red panda is none.")])
        assert [one.text for one in store.search.passages(project.id, "熊科动物")] == ["大熊猫是熊科动物。"]
        found = [one.text for one in store.search.passages(project.id, "Panda")]
        assert found == ["A panda is a bear.", "The red panda is none."]
        assert [one.text for one in store.search.queries(project.id, "what is")] == ["what is panda?"]
    with raw(path) as connection:
        for table in ("passage", "query"):
            connection.execute(f"INSERT INTO {table}_search ({table}_search, rank) VALUES ('integrity-check', 1)")


def test_an_earlier_database_is_copied_then_upgraded_without_losing_children_or_rules(path: Path, later: Path) -> None:
    later.rename(later.with_suffix(".off"))
    make_at(path, list_revisions()[-1])
    later.with_suffix(".off").rename(later)

    Store.open(path).close()
    with raw(path) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)
        assert connection.execute("SELECT count(*), count(note) FROM judgement").fetchone() == (3, 0)
        assert connection.execute("SELECT count(*) FROM judgement_event").fetchone() == (4,)
        with pytest.raises(sqlite3.IntegrityError, match="never deleted"):
            connection.execute("DELETE FROM judgement")
        with pytest.raises(sqlite3.IntegrityError, match="never changed"):
            connection.execute("UPDATE judgement_event SET seq = 1")
        connection.execute("UPDATE passage SET text = 'A rebuilt table is searched.' WHERE id = 3")
        found = "SELECT rowid FROM passage_search WHERE passage_search MATCH '\"ebu\"'"
        assert connection.execute(found).fetchall() == [(3,)]
    (copy,) = [backup for backup in list_backups(path) if backup.reason == "migration"]
    with closing(sqlite3.connect(f"{copy.path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        assert connection.execute("SELECT count(*) FROM judgement").fetchone() == (3,)
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() != ("9999",)


@pytest.mark.parametrize(
    ("also", "reason"),
    [
        ('op.execute("DELETE FROM judgement_event WHERE id = 4")', "would be lost"),
        ('op.execute("DELETE FROM passage WHERE id = 1")', "would point nowhere"),
        ('raise RuntimeError("a bug")', "a bug"),
    ],
)
def test_an_upgrade_that_fails_or_loses_something_changes_nothing(path: Path, later: Path, also: str, reason: str) -> None:
    content = later.read_text(encoding="utf-8")
    later.unlink()
    make_at(path, list_revisions()[-1])
    later.write_text(content.replace("    pass\n", f"    {also}\n"), encoding="utf-8")
    with raw(path) as connection:
        before = list(connection.iterdump())

    with pytest.raises((StorageError, RuntimeError), match=reason):
        Store.open(path)
    with raw(path) as connection:
        assert list(connection.iterdump()) == before


def test_no_upgrade_is_made_where_no_copy_can_be(path: Path, later: Path) -> None:
    content = later.read_text(encoding="utf-8")
    later.unlink()
    make_at(path, list_revisions()[-1])
    later.write_text(content, encoding="utf-8")
    (path.parent / "backups").write_text("in the way", encoding="utf-8")

    with pytest.raises(StorageError, match="backups"):
        Store.open(path)
    with raw(path) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() != ("9999",)


def test_a_database_in_use_is_not_upgraded_under_the_other_program(path: Path, later: Path) -> None:
    content = later.read_text(encoding="utf-8")
    later.unlink()
    with Store.open(path):
        later.write_text(content, encoding="utf-8")
        with pytest.raises(StorageError, match="open in another program"):
            Store.open(path)
    Store.open(path).close()


def test_a_newer_database_is_refused_and_stays_as_it_is(path: Path) -> None:
    with Store.open(path) as store:
        lay_out(store)
    with raw(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '2099'")
        connection.commit()
    before = path.read_bytes()

    with pytest.raises(
        NewerDatabaseError, match=r"newer version of this program: it has format 2099, the newest known here is 0"
    ):
        Store.open(path)
    assert path.read_bytes() == before


def test_what_is_no_database_of_labels_is_refused_and_stays_as_it_is(path: Path) -> None:
    path.write_bytes(b"not a database at all, but long enough to be looked at" * 100)
    with pytest.raises(StorageError, match="damaged or no database"):
        Store.open(path)
    assert path.read_bytes().startswith(b"not a database")

    path.unlink()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE recipes (name)")
    with pytest.raises(StorageError, match="another program"):
        Store.open(path)


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")

    with pytest.raises(StorageError, match="cannot be written"):
        Store.open(tmp_path / "file" / "labels.db")


def test_several_that_open_a_new_database_at_once_make_it_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrades: list[str] = []

    def count(connection: object) -> None:
        upgrades.append("upgraded")
        upgrade(connection)  # type: ignore[arg-type]

    monkeypatch.setattr(opening, "upgrade", count)
    stores: list[Store] = []
    threads = [threading.Thread(target=lambda: stores.append(Store.open(path))) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (len(stores), upgrades) == (6, ["upgraded"])
    stores[0].projects.create("p")
    assert [[project.name for project in store.projects.list()] for store in stores] == [["p"]] * 6
    for store in stores:
        store.close()


def test_a_program_that_ended_while_it_made_the_file_leaves_one_that_opens(path: Path) -> None:
    path.touch()
    with Store.open(path) as store:
        assert store.projects.list() == []
