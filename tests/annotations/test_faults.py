"""Programs that are killed, disks that are full, others on the same file: what was acknowledged is there."""

import subprocess
import sys
import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from annotations.backup import check_backup
from annotations.errors import StorageError
from annotations.store import Store
from annotations.store.sqlite import copy_file
from tests.annotations.desk import Desk, lay_out
from tests.annotations.limits import files_up_to

REPOSITORY = Path(__file__).parents[2]


def start_writing(path: Path, *, threads: int, first: int, count: int) -> subprocess.Popen[str]:
    """Start a program that labels."""
    command = [sys.executable, "-m", "tests.annotations.writing", path, threads, first, count]
    return subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY)


def assert_all_there(path: Path, acknowledged: list[int]) -> None:
    """Hold a database to: whole, and every acknowledged label in it with its grade and its event, once."""
    assert check_backup_of(path)["judgement"] >= len(acknowledged) > 0
    with Store.open(path) as store:
        project = store.projects.list()[0]
        judgements = store.judgements.of_query(store.texts.queries(project.id)[0].id)
        grade_by_candidate = {judgement.candidate_id: judgement.grade for judgement in judgements}
        assert len(grade_by_candidate) == len(judgements)
        assert {candidate: grade_by_candidate.get(candidate) for candidate in acknowledged} == {
            candidate: candidate % 4 for candidate in acknowledged
        }
        assert all(len(store.history.of(judgement)) == 1 for judgement in judgements[:50])


def check_backup_of(path: Path) -> dict[str, int]:
    """Check every page of a database that may have a log, and count its rows."""
    copy = path.with_name("checked.db")
    copy_file(path, copy)
    return check_backup(copy).counts


def kill_in_the_middle(path: Path, *, after: int, candidates: int) -> list[int]:
    """Kill a program that labels with 8 threads after some labels, and give all that it had acknowledged."""
    with Store.open(path) as store:
        lay_out(store, candidates=candidates)
    writing = start_writing(path, threads=8, first=0, count=candidates)
    assert writing.stdout is not None
    acknowledged = [int(writing.stdout.readline()) for _ in range(after)]
    writing.kill()
    rest, _ = writing.communicate()
    acknowledged += [int(line) for line in rest.splitlines()]
    assert writing.returncode != 0
    assert len(acknowledged) < candidates
    return acknowledged


def test_a_killed_program_loses_no_acknowledged_label(path: Path) -> None:
    assert_all_there(path, kill_in_the_middle(path, after=40, candidates=4000))


@pytest.mark.slow
@pytest.mark.parametrize("after", [1, 300, 1500])
def test_a_program_killed_in_the_middle_of_8_writers_loses_no_acknowledged_label(path: Path, after: int) -> None:
    assert_all_there(path, kill_in_the_middle(path, after=after, candidates=20_000))


@pytest.mark.slow
def test_two_programs_on_one_file_lose_nothing(path: Path) -> None:
    with Store.open(path) as store:
        lay_out(store, candidates=600)
    programs = [start_writing(path, threads=4, first=first, count=300) for first in (0, 300)]
    printed = [program.communicate()[0] for program in programs]

    acknowledged = [int(line) for lines in printed for line in lines.splitlines()]
    assert [program.returncode for program in programs] == [0, 0]
    assert len(set(acknowledged)) == 600
    assert_all_there(path, acknowledged)


def test_two_stores_with_4_threads_each_lose_nothing(path: Path) -> None:
    with Store.open(path) as one, Store.open(path) as other:
        desk = lay_out(one, candidates=120)
        failed: list[BaseException] = []

        def label(store: Store, share: int) -> None:
            mine = Desk(store, desk.project_id, desk.annotator_id, desk.query_id, desk.candidates)
            try:
                for index in range(share, 120, 8):
                    mine.judge(index, index % 4, client_id=f"page {share}")
            except BaseException as error:
                failed.append(error)

        threads = [threading.Thread(target=label, args=((one, other)[share % 2], share)) for share in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        assert desk.grades() == [index % 4 for index in range(120)]


def test_a_save_on_a_full_disk_says_so_and_what_was_saved_stays(desk: Desk) -> None:
    desk.judge(0, 3)
    with desk.store._database.write() as session:
        pages = session.execute(text("PRAGMA page_count")).scalar_one()
        session.execute(text(f"PRAGMA max_page_count = {pages}"))
    waiting = [desk.make(1, index % 4, seq=1000 + index, order_mode="x" * 5000) for index in range(2)]

    with pytest.raises(StorageError, match=r"The disk of .*labels\.db is full\. Nothing was changed"):
        desk.store.judgements.save(waiting[0])
    assert desk.grades()[:2] == [3, None]
    with desk.store._database.write() as session:
        session.execute(text("PRAGMA max_page_count = 1000000"))
    assert desk.store.judgements.save(waiting[0]).status == "saved"
    assert desk.store.judgements.save(waiting[0]).status == "repeated"
    assert desk.grades()[:2] == [3, 0]


def test_a_commit_that_the_disk_refuses_says_so_and_what_was_saved_stays(desk: Desk) -> None:
    desk.judge(0, 3)
    waiting = desk.make(1, 2)
    log = desk.store.path.with_name(f"{desk.store.path.name}-wal")

    with files_up_to(log.stat().st_size + 100), pytest.raises(StorageError, match="Nothing was changed"):
        desk.store.judgements.save(waiting)
    assert desk.grades()[:2] == [3, None]
    assert desk.store.judgements.save(waiting).status == "saved"
    assert check_backup_of(desk.store.path)["judgement"] == 2


def test_a_file_that_another_program_holds_says_so_and_the_label_can_be_sent_again(desk: Desk) -> None:
    waiting = desk.make(0, 2)
    with Store.open(desk.store.path) as other:
        with desk.store._database.write() as session:
            session.execute(text("PRAGMA busy_timeout = 50"))
        with other._database.write() as holding:
            holding.execute(text("SELECT 1"))
            with pytest.raises(StorageError, match="held by another program"):
                desk.store.judgements.save(waiting)
        assert desk.store.judgements.save(waiting).status == "saved"
