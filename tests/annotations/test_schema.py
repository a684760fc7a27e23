"""What the database itself holds to, whoever writes to it."""

import re
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import event, text

from annotations.migrations.upgrading import is_described
from annotations.models import Table
from annotations.store import Store
from tests.annotations.desk import Desk, raw


@pytest.mark.parametrize("which", ["read", "write"])
def test_every_connection_is_set_up_for_labels(store: Store, which: str) -> None:
    expected = {
        "foreign_keys": 1,
        "journal_mode": "wal",
        "synchronous": 2,
        "busy_timeout": 10_000,
        "recursive_triggers": 1,
        "query_only": int(which == "read"),
    }
    with getattr(store._database, which)() as session:
        found = {name: session.execute(text(f"PRAGMA {name}")).scalar_one() for name in expected}
    assert found == expected


def test_one_thread_writes_at_a_time(store: Store) -> None:
    entered = threading.Event()

    def write() -> None:
        with store._database.write():
            entered.set()

    other = threading.Thread(target=write)
    with store._database.write():
        other.start()
        assert not entered.wait(0.1)
    assert entered.wait(10)
    other.join()


def test_the_tables_are_those_of_the_models(store: Store) -> None:
    with store._database._writing.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": False, "include_name": is_described})
        assert compare_metadata(context, Table.metadata) == []


def test_every_table_is_strict_and_every_constraint_has_a_name(store: Store) -> None:
    with raw(store.path) as connection:
        tables = dict(
            connection.execute(
                "SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name <> 'alembic_version'"
                " AND name NOT LIKE '%_search%'"
            )
        )
        for name, sql in tables.items():
            assert sql.rstrip().endswith("STRICT"), name
            for kind in ("PRIMARY KEY", "UNIQUE", "CHECK", "FOREIGN KEY"):
                assert len(re.findall(rf"\b{kind} ?\(", sql)) == len(re.findall(rf"CONSTRAINT \w+ {kind} ?\(", sql)), name
            checks = {str(check.name) for check in Table.metadata.tables[name].constraints if "ck_" in str(check.name)}
            assert set(re.findall(r"CONSTRAINT (ck_\w+) CHECK", sql)) == checks
            for row in connection.execute(f'PRAGMA foreign_key_list("{name}")'):
                assert row[6] == "RESTRICT", (name, row)
        assert tables.keys() == Table.metadata.tables.keys()


@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM candidate",
        "DELETE FROM query",
        "DELETE FROM passage",
        "DELETE FROM annotator",
        "DELETE FROM project",
        "DELETE FROM guideline_version",
        "DELETE FROM judgement",
        "INSERT OR REPLACE INTO judgement SELECT * FROM judgement",
        "INSERT OR REPLACE INTO candidate SELECT * FROM candidate",
    ],
)
def test_judgements_are_not_deleted_by_deleting_anything(desk: Desk, statement: str) -> None:
    guideline = desk.store.projects.guideline(desk.project_id)
    desk.judge(0, 3, guideline_version_id=guideline.id)

    with (
        desk.store._database._writing.connect() as connection,
        pytest.raises(Exception, match=r"FOREIGN KEY|never deleted"),
    ):
        connection.exec_driver_sql(statement)
    assert desk.grades()[0] == 3


def test_a_program_that_does_not_look_at_foreign_keys_deletes_no_judgement_either(desk: Desk) -> None:
    desk.judge(0, 3)

    with raw(desk.store.path) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        for statement in ("DELETE FROM judgement", "DELETE FROM judgement_event"):
            with pytest.raises(sqlite3.IntegrityError, match="never deleted"):
                connection.execute(statement)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE judgement_event SET at = 'never'",
        "UPDATE judgement_event SET after = NULL WHERE id = 1",
        "DELETE FROM judgement_event",
        "INSERT OR REPLACE INTO judgement_event SELECT * FROM judgement_event",
    ],
)
def test_events_are_only_ever_added(desk: Desk, statement: str) -> None:
    desk.judge(0, 3)

    with desk.store._database._writing.connect() as connection, pytest.raises(Exception, match="never"):
        connection.exec_driver_sql(statement)
    judgement = desk.judgement(0)
    assert judgement is not None
    assert len(desk.store.history.of(judgement)) == 1


def test_a_published_import_cannot_become_a_staged_one(desk: Desk) -> None:
    batch = desk.store.imports.begin(desk.project_id, source_kind="csv", source_name="a.csv", sha256="")
    desk.store.imports.publish(batch.id)

    with raw(desk.store.path) as connection, pytest.raises(sqlite3.IntegrityError, match="stays published"):
        connection.execute("UPDATE import_batch SET published_at = NULL")


@pytest.mark.parametrize(
    ("change", "rule"),
    [
        ("state = 'graded', grade = NULL", "grade_iff_graded"),
        ("state = 'skipped', grade = 1", "grade_iff_graded"),
        ("grade = 4", "ck_judgement_grade"),
        ("grade = -1", "ck_judgement_grade"),
        ("state = 'liked', grade = NULL", "ck_judgement_state"),
        ("score_shown = 2", "score_shown"),
        ("version = 0", "version"),
        ("grade = 'two'", "INTEGER"),  # STRICT
    ],
)
def test_a_judgement_that_makes_no_sense_cannot_be_stored(desk: Desk, change: str, rule: str) -> None:
    desk.judge(0, 3)

    with raw(desk.store.path) as connection, pytest.raises(sqlite3.IntegrityError, match=rule):
        connection.execute(f"UPDATE judgement SET {change}")


def test_an_annotator_has_one_judgement_of_a_candidate(desk: Desk) -> None:
    desk.judge(0, 3)
    copy = (
        "INSERT INTO judgement (uuid, project_id, candidate_id, annotator_id, state, grade, score_shown, order_mode,"
        " version, created_at, updated_at, deleted_at) SELECT 'other' || ?, project_id, candidate_id, annotator_id, state,"
        " grade, score_shown, order_mode, version, created_at, updated_at, ? FROM judgement WHERE id = 1"
    )
    with raw(desk.store.path) as connection:
        connection.execute(copy, ("1", "2026-01-01T00:00:00Z"))  # one that is undone is none
        with pytest.raises(sqlite3.IntegrityError, match=r"judgement\.candidate_id, judgement\.annotator_id"):
            connection.execute(copy, ("2", None))


def test_a_page_uses_each_of_its_numbers_once(desk: Desk) -> None:
    desk.judge(0, 3)
    copy = (
        "INSERT INTO judgement_event (judgement_id, project_id, actor_id, action, client_id, seq, at)"
        " SELECT judgement_id, project_id, actor_id, action, client_id, seq, at FROM judgement_event"
    )
    with (
        raw(desk.store.path) as connection,
        pytest.raises(sqlite3.IntegrityError, match=r"client_id, judgement_event\.seq"),
    ):
        connection.execute(copy)


def test_times_are_utc_texts(desk: Desk) -> None:
    desk.judge(0, 3)

    with raw(desk.store.path) as connection:
        (at,) = connection.execute("SELECT at FROM judgement_event").fetchone()
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", at)


# What is asked often


@contextmanager
def listening(desk: Desk) -> Iterator[list[tuple[str, Any]]]:
    """Collect what the store asks its database."""
    asked: list[tuple[str, Any]] = []

    def note(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        asked.append((statement, parameters))

    engines = (desk.store._database._reading, desk.store._database._writing)
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    yield asked
    for engine in engines:
        event.remove(engine, "before_cursor_execute", note)


@pytest.mark.parametrize("what", ["save", "undo", "redo", "of_query", "candidates", "counts", "queue"])
def test_what_is_done_with_every_label_reads_no_whole_table_and_sorts_no_events(desk: Desk, what: str) -> None:
    for index in range(4):
        desk.judge(index, 1)
    desk.undo()
    store, project_id, annotator_id = desk.store, desk.project_id, desk.annotator_id
    given = desk.make(0, 3)

    def count() -> None:
        store.counts.of_query(desk.query_id, annotator_id)
        store.counts.of_project(project_id, annotator_id)
        store.counts.today(project_id, annotator_id)
        store.counts.median_seconds(project_id, annotator_id)

    def find_next() -> None:
        store.queue.rows(desk.query_id, annotator_id)
        store.queue.open_queries(project_id, annotator_id)
        store.queue.open_queries(project_id, annotator_id, after_query_id=desk.query_id, depth=3)

    acts = {
        "save": lambda: store.judgements.save(given),
        "undo": lambda: store.history.undo(project_id, annotator_id),
        "redo": lambda: store.history.redo(project_id, annotator_id),
        "of_query": lambda: store.judgements.of_query(desk.query_id, annotator_id=annotator_id),
        "candidates": lambda: store.texts.candidates(desk.query_id),
        "counts": count,
        "queue": find_next,
    }
    with listening(desk) as asked:
        acts[what]()
    plans = []
    with raw(store.path) as connection:
        for statement, parameters in asked:
            if not statement.startswith(("BEGIN", "INSERT")):
                steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)]
                plans.append((statement, steps))
    assert plans
    for statement, steps in plans:
        for step in steps:
            scans = (
                step.startswith("SCAN")
                and "INDEX" not in step
                and not re.match(r"SCAN (CONSTANT|\(|anon|annotator$)", step)
            )
            sorts = "TEMP B-TREE FOR ORDER" in step and "FROM judgement_event" in statement
            assert not scans, (statement, steps)
            assert not sorts, (statement, steps)
