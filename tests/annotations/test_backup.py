"""Copies: whole, verified, a few of each reason, and back again."""

import itertools
import shutil
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest

from annotations.backup import AutomaticBackups, backup, check_backup, count_rows, list_backups, restore
from annotations.errors import NewerDatabaseError, StorageError
from annotations.store import Store, opening
from annotations.store.text_rows import identify
from annotations.store.texts import NewPassage
from tests.annotations.desk import Desk, lay_out, raw
from tests.annotations.limits import files_up_to


def read_grades(path: Path) -> list[int]:
    """Open a database and give the grades in it."""
    with Store.open(path) as store:
        project = store.projects.list()[0]
        queries = store.texts.queries(project.id)
        return [row.grade or 0 for query in queries for row in store.judgements.of_query(query.id)]


def list_files(folder: Path) -> dict[str, bytes]:
    """Give all files under a folder, with what is in them; not what SQLite and we only use to lock."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and file.suffix not in (".lock", ".db-shm")
    }


def test_a_copy_of_a_store_in_use_is_a_whole_database_with_all_that_was_saved(desk: Desk) -> None:
    desk.judge(0, 3)
    copy = desk.store.backup()

    assert copy.parent == desk.store.path.parent / "backups"
    assert count_rows(desk.store) == check_backup(copy).counts
    assert count_rows(copy)["judgement"] == 1
    assert read_grades(shutil.copy(copy, copy.parent.parent / "copied.db")) == [3]
    assert backup(str(desk.store.path)) == backup(desk.store) == copy  # nothing changed since


def test_copies_made_while_others_write_are_whole_and_hold_what_was_acknowledged_before(path: Path) -> None:
    with Store.open(path) as store:
        desk = lay_out(store, candidates=60)
        saved: list[int] = []

        def label() -> None:
            for index in range(60):
                desk.judge(index, 1)
                saved.append(index)

        writer = threading.Thread(target=label)
        writer.start()
        seen = []
        while writer.is_alive():
            acknowledged = len(saved)
            seen.append((acknowledged, check_backup(backup(store)).counts["judgement"]))
        writer.join()
        assert len(seen) > 1
        assert all(before <= held <= 60 for before, held in seen)
        assert check_backup(backup(store)).counts["judgement"] == 60


def test_the_newest_few_of_each_reason_stay_and_the_list_is_by_number_not_by_clock(desk: Desk) -> None:
    made = []
    for index in range(4):
        desk.judge(index, 1)
        made.append(backup(desk.store, reason="bulk" if index == 0 else "manual", kept=2))
    folder = made[0].parent
    made[3].rename(folder / "labels-000004-20010101T000000Z-manual.db")  # the clock went back
    desk.judge(4, 1)
    newest = backup(desk.store, kept=2)

    found = list_backups(desk.store)
    assert [(copy.number, copy.reason) for copy in found] == [(5, "manual"), (4, "manual"), (1, "bulk")]
    assert found[0].path == newest
    assert found[0].size_bytes == newest.stat().st_size
    assert found[1].made_at.year == 2001
    assert list_backups(folder / "no.db") == []


def test_a_copy_that_did_not_come_out_as_it_should_is_not_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.judge(0, 1)
    copied = opening.AutomaticBackups.make.__globals__["copy_file"]

    def damage(source: Path, target: Path) -> object:
        contents = copied(source, target)
        with target.open("r+b") as file:
            file.seek(8192)
            file.write(b"\xff" * 12288)
        return contents

    monkeypatch.setattr("annotations.backup.copy_file", damage)
    before = list_files(desk.store.path.parent)
    with pytest.raises(StorageError, match="damaged"):
        desk.store.backup()
    assert list_files(desk.store.path.parent) == before


@pytest.mark.parametrize("spoil", ["an index", "a table", "the header"])
def test_a_damaged_database_is_named_when_it_cannot_be_copied_and_so_is_what_to_do(
    desk: Desk, path: Path, spoil: str
) -> None:
    desk.judge(0, 1)
    kept = desk.store.backup()
    desk.store.close()
    {"an index": break_an_index, "a table": break_in_the_middle, "the header": break_the_header}[spoil](path)

    with pytest.raises(StorageError) as refused:
        backup(path)
    assert str(refused.value).startswith(f"{path} is damaged")
    assert ".part" not in str(refused.value)
    assert "restore one of them" in str(refused.value) or "Restore a backup" in str(refused.value)
    assert [copy.path for copy in list_backups(path)] == [kept]


def test_a_copy_that_lacks_rows_is_not_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    early = desk.store.backup()
    copied = opening.AutomaticBackups.make.__globals__["copy_file"]

    def lose(source: Path, target: Path) -> object:
        contents = copied(source, target)
        shutil.copy(early, target)
        return contents

    desk.judge(0, 1)
    monkeypatch.setattr("annotations.backup.copy_file", lose)
    with pytest.raises(StorageError, match="does not hold what it should"):
        desk.store.backup()
    assert [copy.path for copy in list_backups(desk.store)] == [early]


def test_a_full_disk_makes_no_copy_and_lets_none_go(desk: Desk) -> None:
    kept = desk.store.backup()
    desk.judge(0, 1)
    before = list_files(desk.store.path.parent)

    with files_up_to(20_000), pytest.raises(StorageError, match=r"is full|could not be"):
        desk.store.backup()
    assert list_files(desk.store.path.parent) == before
    assert [copy.path for copy in list_backups(desk.store)] == [kept]
    assert desk.judge(1, 1).status == "saved"


def test_what_a_killed_program_left_half_done_is_cleared_away(desk: Desk) -> None:
    left = desk.store.backup().with_suffix(".part")
    left.write_bytes(b"half")
    desk.judge(0, 1)
    desk.store.backup()

    assert not left.exists()


# When copies are made


def test_copies_are_made_at_the_start_before_bulk_and_import_and_every_few_judgements(path: Path) -> None:
    with Store.open(path) as store:
        assert list_backups(path) == []
        desk = lay_out(store)
        store.judgements.save_many([desk.make(0, 1, expected_version=number) for number in range(19)])
        assert list_backups(path) == []  # so few are not worth the second that a copy takes
        desk.undo()
        changes = [desk.make(0, 2, expected_version=38 + number if number else 0) for number in range(19)]
        store.judgements.save_many([*changes, desk.make(1, 2)])
        (bulk,) = list_backups(path)
        assert (bulk.reason, check_backup(bulk.path).counts["judgement"]) == ("bulk", 1)
        batch = store.imports.begin(desk.project_id, source_kind="csv", source_name="a", sha256="")
        store.imports.publish(batch.id)
        assert list_backups(path)[0].reason == "import"
    with Store.open(path, backup_every=3) as desk.store:
        pass
    assert [copy.reason for copy in list_backups(path)] == ["start", "import", "bulk"]
    with Store.open(path, backup_every=3) as desk.store:
        desk.store._backups.close()  # the copy at the start, which is the same as the last
        for index in (2, 3):
            desk.judge(index, 1)
        assert len(list_backups(path)) == 3
        desk.judge(4, 1)
        desk.store._backups.close()
        newest = list_backups(path)[0]
        assert (newest.reason, check_backup(newest.path).counts["judgement"]) == ("labels", 5)
        desk.judge(4, 2)
        desk.judge(4, 3)
    assert len(list_backups(path)) == 4


def test_copies_of_labels_that_come_fast_leave_the_disk_a_rest(desk: Desk) -> None:
    seconds = itertools.count()  # one passes with every look at the clock
    copies = AutomaticBackups(desk.store.path, folder=None, every=1, clock=lambda: float(next(seconds)))
    made = []
    for number in range(50):
        desk.judge(number % 5, number % 2)
        copies.count(1)
        copies.close()
        made.append(len(list_backups(desk.store.path)))
    assert (made[0], made[19], made[20], made[-1]) == (1, 1, 2, 3)


def test_a_copy_in_the_background_that_fails_is_said_and_loses_no_label(path: Path) -> None:
    with Store.open(path, backup_every=1) as store:
        desk = lay_out(store)
        (path.parent / "backups").write_text("in the way", encoding="utf-8")
        assert desk.judge(0, 1).status == "saved"
        store._backups.close()
        assert "backups" in store.backup_problem
        (path.parent / "backups").unlink()
        assert desk.judge(1, 1).status == "saved"
        store._backups.close()
        assert store.backup_problem == ""
        assert desk.grades()[:2] == [1, 1]


def test_a_copy_in_the_background_that_ends_as_nobody_foresaw_is_said_too(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(source: Path, target: Path) -> None:
        raise sqlite3.OperationalError("no such thing")

    monkeypatch.setattr("annotations.backup.copy_file", fail)
    copies = AutomaticBackups(desk.store.path, folder=None, every=1)
    copies.count(1)
    copies.close()
    assert "labels.db could not be read or copied (no such thing)" in copies.problem


def test_nothing_much_is_changed_where_no_copy_can_be_made(desk: Desk) -> None:
    (desk.store.path.parent / "backups").write_text("in the way", encoding="utf-8")

    with pytest.raises(StorageError, match="backups"):
        desk.store.judgements.save_many([desk.make(0, 1, expected_version=number) for number in range(20)])
    with pytest.raises(StorageError, match="backups"):
        desk.store.imports.begin(desk.project_id, source_kind="csv", source_name="a", sha256="")
    assert desk.grades()[0] is None
    assert desk.store.imports.find_staged(desk.project_id) is None


# Back again


def test_a_restored_copy_takes_the_place_of_the_database_which_stays_beside_it(desk: Desk, path: Path) -> None:
    desk.judge(0, 3)
    copy = desk.store.backup()
    desk.judge(1, 1)
    desk.store.close()

    aside = restore(path, copy)
    assert aside is not None
    assert read_grades(path) == [3]
    assert read_grades(aside) == [3, 1]
    assert copy.exists()
    again = restore(path, copy)
    assert again not in (None, aside)


def test_a_restored_copy_is_another_database_and_an_opened_one_stays_itself(desk: Desk, path: Path) -> None:
    before = desk.store.identity
    copy = desk.store.backup()
    desk.store.close()
    with Store.open(path) as again:
        assert again.identity == before
    restore(path, copy)
    with Store.open(path) as restored:
        assert len(restored.identity) == 32
        assert restored.identity != before
    assert sorted(file.name for file in path.parent.glob("*restoring*")) == []


def test_a_copy_comes_back_where_the_database_is_gone(desk: Desk, path: Path) -> None:
    desk.judge(0, 3)
    copy = desk.store.backup()
    desk.store.close()
    path.unlink()

    assert restore(path, copy) is None
    assert read_grades(path) == [3]


@pytest.fixture
def killed(desk: Desk, path: Path) -> tuple[Path, Path]:
    """A database as a killed program leaves it, its last label in the log only, and a copy from before that label."""
    desk.judge(0, 3)
    copy = desk.store.backup()
    desk.judge(1, 2)
    place = path.parent / "killed" / path.name
    place.parent.mkdir()
    for name in (path.name, f"{path.name}-wal"):
        shutil.copy(path.with_name(name), place.with_name(name))
    with closing(sqlite3.connect(f"{place.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        assert connection.execute("SELECT count(*) FROM judgement").fetchone() != (2,)
    return place, copy


def test_labels_that_a_killed_program_left_in_the_log_are_in_what_is_moved_aside(killed: tuple[Path, Path]) -> None:
    path, copy = killed

    aside = restore(path, copy)
    assert aside is not None
    assert read_grades(path) == [3]
    assert read_grades(aside) == [3, 2]


def test_a_log_that_could_not_be_folded_in_is_not_taken_for_the_new_ones(
    killed: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, copy = killed

    monkeypatch.setattr("annotations.backup.fold_log", lambda path: None)
    aside = restore(path, copy)
    assert aside is not None
    assert read_grades(path) == [3]
    assert read_grades(aside) == [3, 2]


def test_a_restore_that_ends_in_the_middle_leaves_the_database_of_before(
    killed: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, copy = killed

    def fail(self: Path, target: Path) -> None:
        raise OSError(5, "the power went")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", fail)
        with pytest.raises(StorageError, match="the power went"):
            restore(path, copy)
    assert read_grades(path) == [3, 2]


def test_a_damaged_database_is_replaced_and_kept_as_it_is(desk: Desk, path: Path) -> None:
    desk.judge(0, 3)
    copy = desk.store.backup()
    desk.store.close()
    path.write_bytes(b"damaged" * 1000)
    log = path.with_name(f"{path.name}-wal")
    log.write_bytes(b"a log of what is damaged" * 1000)

    aside = restore(path, copy)
    assert aside is not None
    assert aside.read_bytes() == b"damaged" * 1000
    assert aside.with_name(f"{aside.name}-wal").read_bytes().startswith(b"a log")
    assert read_grades(path) == [3]


def break_in_the_middle(copy: Path) -> None:
    """Damage a copy where only reading all of it shows that."""
    content = bytearray(copy.read_bytes())
    content[8192:20480] = b"\xff" * 12288
    copy.write_bytes(content)


def break_an_index(copy: Path) -> None:
    """Damage a copy so that all can still be read, but a row is not where its index says."""
    content = copy.read_bytes()
    sha = identify("passage 0").encode()
    assert content.count(sha) == 2  # in the table, and in the index
    copy.write_bytes(content.replace(sha, b"0" + sha[1:], 1))


def break_the_header(copy: Path) -> None:
    """Damage a copy so that it is no database any more."""
    copy.write_bytes(b"\xff" * 100 + copy.read_bytes()[100:])


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (break_an_index, "is damaged: .*index"),
        (break_in_the_middle, "damaged"),
        (lambda copy: copy.write_bytes(copy.read_bytes()[:9000]), "damaged"),
        (lambda copy: copy.write_bytes(b"no database" * 999), "damaged or no database"),
        (lambda copy: copy.unlink(), "There is no backup"),
        (lambda copy: copy.write_bytes(b""), "holds no labels"),
    ],
)
def test_a_copy_that_is_not_sound_replaces_nothing(desk: Desk, path: Path, spoil: object, reason: str) -> None:
    desk.judge(0, 3)
    copy = desk.store.backup()
    desk.store.close()
    spoil(copy)  # type: ignore[operator]
    before = list_files(path.parent)

    with pytest.raises(StorageError, match=reason):
        restore(path, copy)
    assert list_files(path.parent) == before


def test_a_disk_that_writes_something_else_replaces_nothing(
    desk: Desk, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    empty = desk.store.backup()
    desk.judge(0, 3)
    copy = desk.store.backup()
    desk.store.close()
    before = list_files(path.parent)

    monkeypatch.setattr("annotations.backup._copy", lambda source, target: shutil.copy(empty, target))
    with pytest.raises(StorageError, match="does not hold what it should"):
        restore(path, copy)
    assert list_files(path.parent) == before


def test_a_copy_of_a_newer_version_replaces_nothing(desk: Desk, path: Path) -> None:
    copy = desk.store.backup()
    desk.store.close()
    with raw(copy) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
        connection.execute("UPDATE alembic_version SET version_num = '2099'")
        connection.commit()

    with pytest.raises(NewerDatabaseError, match="2099"):
        restore(path, copy)
    assert read_grades(path) == []


def test_a_full_disk_restores_nothing(desk: Desk, path: Path) -> None:
    desk.judge(0, 3)
    copy = desk.store.backup()
    desk.store.texts.add_passages(desk.project_id, [NewPassage(text=f"{n} " * 1000) for n in range(50)])
    desk.store.close()
    before = list_files(path.parent)
    size = copy.stat().st_size

    for limit in (20_000, size - 1, size + 4096):  # the last is enough for the copy, but not to keep what is there
        with files_up_to(limit), pytest.raises(StorageError, match="is full"):
            restore(path, copy)
        assert list_files(path.parent) == before


def test_nothing_is_restored_under_a_store_that_is_open(desk: Desk, path: Path) -> None:
    copy = desk.store.backup()
    desk.judge(0, 3)

    with Store.open(path) as other:
        with pytest.raises(StorageError, match="is open in another program"):
            restore(path, copy)
        desk.store.close()  # the one that made the file
        with pytest.raises(StorageError, match="is open in another program"):
            restore(path, copy)
        assert other.judgements.get(desk.candidates[0], desk.annotator_id)
    assert restore(path, copy)
