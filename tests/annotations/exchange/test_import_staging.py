"""All or nothing, and nobody waits: cancelled, repeated, killed imports, and labelling beside them."""

import itertools
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from annotations.errors import ConflictError, InputError, StorageError
from annotations.exchange import (
    ImportOptions,
    ImportReport,
    find_unfinished,
    open_source,
    remove_unfinished,
    run_import,
    source_from_text,
)
from annotations.store import Store
from annotations.store.texts import NewPassage, NewQuery
from tests.annotations.desk import Desk, lay_out, raw
from tests.annotations.exchange.imported import labels_of, write_jsonl
from tests.annotations.limits import files_up_to

CHECKING = "checking that the files stayed as they were"  # all is staged then
PASSAGES = ("passage 0", "new passage", "another")


@pytest.fixture
def desk(shared_store: Store) -> Desk:
    """A project of its own in a store that other tests use too."""
    made = lay_out(shared_store, name=f"pandas {uuid4()}")
    made.numbers = itertools.count(1000 * made.project_id)  # no two sends of one page have the same
    return made


def make_text(desk: Desk) -> str:
    """Write graded passages for the desk's query and a new one, some of them new."""
    queries = desk.store.texts.query(desk.query_id).text, "new query"
    rows = (f"{query}\t{passage}\t{grade}\tAda\n" for query in queries for grade, passage in enumerate(PASSAGES))
    return "query\tpassage\tgrade\tannotator\n" + "".join(rows)


def import_it(
    desk: Desk,
    text: str | None = None,
    *,
    at: dict[str, Callable[[], Any]] | None = None,
    again: bool = False,
    **options: Any,
) -> ImportReport:
    """Import pasted text, and do something when a stage begins."""

    def on_progress(stage: str, fraction: float | None) -> None:
        if fraction is None and at and stage in at:
            at[stage]()

    source = source_from_text(make_text(desk) if text is None else text)
    chosen = ImportOptions(**options)
    return run_import(desk.store, desk.project_id, source, options=chosen, again=again, on_progress=on_progress)


def count_rows(path: Path) -> dict[str, int]:
    """Count the rows of all tables but those inside the search index, which keeps traces of what is gone."""
    with raw(path) as connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '%search%'")
        return {name: connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for (name,) in tables.fetchall()}


def aside(act: Callable[[], Any]) -> Any:
    """Do something in another thread, as another person's request is done."""
    done: list[Any] = []
    thread = threading.Thread(target=lambda: done.append(act()))
    thread.start()
    thread.join(30)
    assert done, "it did not end"
    return done[0]


class CancelledError(Exception):
    """What a screen raises when somebody cancels."""


def test_an_import_that_is_cancelled_at_any_stage_leaves_nothing(desk: Desk) -> None:
    desk.judge(0, 1)
    before, labels = count_rows(desk.store.path), labels_of(desk.store, desk.project_id)
    staged: list[int] = []

    def cancel() -> None:
        staged.append(count_rows(desk.store.path)["judgement"] - before["judgement"])
        raise CancelledError

    for stage in ("looking at the grades", "making a backup", "rows", CHECKING, "publishing"):
        with pytest.raises(CancelledError):
            import_it(desk, at={stage: cancel})
        assert count_rows(desk.store.path) == before
        assert labels_of(desk.store, desk.project_id) == labels
    assert staged == [0, 0, 0, 5, 5]  # the sixth is of a pair that Ada had judged
    import_it(desk)
    assert labels_of(desk.store, desk.project_id)["new query", "another"] == {"Ada": 2}


def test_the_same_files_again_change_nothing_and_say_so(desk: Desk) -> None:
    first = import_it(desk)
    assert first.batch is not None
    before = count_rows(desk.store.path)
    second = import_it(desk, max_queries=1)
    assert count_rows(desk.store.path) == before
    assert second.batch is None
    assert second.already_imported is not None
    assert second.already_imported.id == first.batch.id
    assert 'was imported into "pandas ' in second.sentence
    assert '" before, as pasted on 20' in second.sentence
    assert second.sentence.endswith(
        "nothing was changed. It can be imported again all the same, such as with other options."
    )

    third = import_it(desk, again=True)
    assert third.batch is not None
    assert (third.judgements.new, third.judgements.known) == (0, 6)
    assert (third.queries.new, third.passages.new, third.candidates.new) == (0, 0, 0)


def test_labelling_goes_on_while_an_import_is_staged_and_goes_before_it(desk: Desk) -> None:
    seen: list[Any] = []

    def label() -> None:
        seen.append(aside(lambda: desk.judge(0, 3)).status)  # the file has a 0 of the same person
        seen.append(aside(lambda: labels_of(desk.store, desk.project_id)))

    report = import_it(desk, at={CHECKING: label})
    assert seen[0] == "saved"
    assert ("new query", "another") not in seen[1]
    assert desk.grades()[0] == 3
    assert labels_of(desk.store, desk.project_id)["new query", "another"] == {"Ada": 2}
    assert report.judgements.new == 6


def test_one_import_into_a_project_goes_on_at_a_time(desk: Desk) -> None:
    other = lay_out(desk.store, name=f"bears {uuid4()}")
    refused: list[str] = []

    def import_another() -> None:
        try:
            import_it(desk, "q\tp\n")
        except ConflictError as error:
            refused.append(str(error))

    import_it(desk, at={CHECKING: lambda: aside(lambda: [import_another(), import_it(other)])})
    assert len(refused) == 1
    assert refused[0].endswith('" is going on. Wait for it, or cancel it and try again.')
    assert labels_of(other.store, other.project_id)["new query", "another"] == {"Ada": 2}
    assert labels_of(desk.store, desk.project_id)["new query", "another"] == {"Ada": 2}


def test_an_import_whose_project_gets_the_other_scale_meanwhile_leaves_nothing(desk: Desk) -> None:
    text = "query,passage,grade\nq,a,1\n"
    with pytest.raises(ConflictError, match="are binary, those of"):
        import_it(desk, text, at={"publishing": lambda: desk.judge(0, 3, scale="graded")})
    assert ("q", "a") not in labels_of(desk.store, desk.project_id)
    assert desk.store.imports.find_staged(desk.project_id) is None
    assert import_it(desk, text).scale == "graded"


def test_what_an_import_left_that_ended_half_way_is_cleared_away(desk: Desk) -> None:
    left = desk.store.imports.begin(desk.project_id, source_kind="table", source_name="big.csv", sha256="ab" * 32)
    desk.store.texts.add_queries(desk.project_id, [NewQuery(text="left")], batch_id=left.id)
    report = import_it(desk)
    assert report.notes == ("An import of big.csv had ended half way. What was left of it was cleared away first.",)
    assert "left" not in [query.text for query in desk.store.texts.queries(desk.project_id)]
    assert len(desk.store.imports.list(desk.project_id)) == 1


def test_what_is_left_can_be_removed_but_not_while_an_import_goes_on(desk: Desk) -> None:
    found: list[Any] = []

    def remove() -> None:
        found.append(find_unfinished(desk.store, desk.project_id))
        with pytest.raises(ConflictError, match="is going on"):
            remove_unfinished(desk.store, desk.project_id)

    import_it(desk, at={CHECKING: lambda: aside(lambda: [remove()])})
    assert found == [None]
    before = count_rows(desk.store.path)
    left = desk.store.imports.begin(desk.project_id, source_kind="table", source_name="big.csv", sha256="ab" * 32)
    desk.store.texts.add_queries(desk.project_id, [NewQuery(text="left")], batch_id=left.id)
    unfinished = find_unfinished(desk.store, desk.project_id)
    assert unfinished is not None
    assert unfinished.source_name == "big.csv"
    remove_unfinished(desk.store, desk.project_id)
    assert count_rows(desk.store.path) == before
    assert remove_unfinished(desk.store, desk.project_id) is None


def test_an_import_for_which_the_disk_has_no_room_does_not_begin(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    before, usage = count_rows(desk.store.path), shutil.disk_usage(desk.store.path.parent)
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=50_000_000))
    with pytest.raises(StorageError, match=r"pasted needs about \d+ MB .*, and 50 MB are free\. Nothing was imported"):
        import_it(desk)
    assert count_rows(desk.store.path) == before

    def fill() -> None:
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage._replace(free=19_000_000))

    monkeypatch.undo()
    with pytest.raises(StorageError, match="is almost full: 19 MB are free"):
        import_it(desk, at={"rows": fill})
    assert count_rows(desk.store.path) == before


def test_an_import_that_fills_the_disk_says_what_stays_and_how_it_goes(tmp_path: Path) -> None:
    with Store.open(tmp_path / "labels.db") as store:
        desk = lay_out(store)
        before = count_rows(store.path)
        with pytest.raises(StorageError) as refused, ExitStack() as full:
            import_it(desk, at={CHECKING: lambda: full.enter_context(files_up_to(1000))})
        sentence = str(refused.value)
        assert sentence.startswith("What had come of the import of pasted could not be taken away: ")
        assert sentence.count("could not be read or written") == 1
        assert sentence.endswith('python -m annotations import --discard --project "pandas".')
        remove_unfinished(store, desk.project_id)
        assert count_rows(store.path) == before


def test_a_file_without_a_row_that_can_be_used_is_not_imported(desk: Desk) -> None:
    before = count_rows(desk.store.path)
    with pytest.raises(
        InputError, match=r"No row of pasted can be used, .* The first problem: pasted:2: the query is empty"
    ):
        import_it(desk, "query,passage\n ,p\n")
    with pytest.raises(InputError, match="pasted has no rows, at most a header, so nothing"):
        import_it(desk, "query,passage\n\n")
    assert count_rows(desk.store.path) == before


def test_what_was_deleted_stays_deleted_and_is_told(desk: Desk) -> None:
    desk.store.texts.delete_queries([desk.query_id])
    report = import_it(desk)
    assert report.notes == (
        "1 query and 0 passages of the files had been deleted here, and are not brought back. Restore them to see their "
        "labels.",
    )
    assert {query for query, _ in labels_of(desk.store, desk.project_id)} == {"new query"}


def test_rows_and_long_texts_are_staged_in_small_parts(desk: Desk, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    parts: list[list[int]] = []
    add = desk.store.texts.add_passages

    def note(project_id: int, passages: list[NewPassage], *, batch_id: int | None = None) -> Any:
        parts.append([len(passage.text) for passage in passages])
        return add(project_id, passages, batch_id=batch_id)

    monkeypatch.setattr(desk.store.texts, "add_passages", note)
    texts = [*(f"{number} " + "long " * 60_000 for number in range(3)), *(f"short {number}" for number in range(3000))]
    write_jsonl(tmp_path / "a.jsonl", [{"query": "q", "passages": texts}])
    run_import(desk.store, desk.project_id, open_source(tmp_path / "a.jsonl"))
    assert [length for part in parts for length in part] == [len(text) for text in texts]
    assert [len(part) for part in parts[:3]] == [1, 1, 1]
    assert max(map(len, parts)) < 2000


@pytest.mark.slow
def test_an_import_that_is_killed_is_never_seen_and_can_be_done_again(desk: Desk, tmp_path: Path) -> None:
    path = write_jsonl(tmp_path / "a.jsonl", [{"query": f"q{n}", "passage": f"p{n}", "grade": n % 2} for n in range(500)])
    program = f"""
import sys, time
from annotations.exchange import open_source, run_import
from annotations.store import Store
from pathlib import Path
def wait(stage, fraction):
    if stage == {CHECKING!r}:
        print("staged", flush=True)
        time.sleep(60)
store = Store.open(sys.argv[1])
run_import(store, {desk.project_id}, open_source(Path(sys.argv[2])), on_progress=wait)
"""
    arguments = [sys.executable, "-c", program, str(desk.store.path), str(path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        assert running.stdout.readline() == "staged\n"
        with pytest.raises(ConflictError, match="Another import into"):
            run_import(desk.store, desk.project_id, open_source(path))
        running.kill()
    assert len(desk.store.texts.queries(desk.project_id)) == 1
    with Store.open(desk.store.path) as store:
        report = run_import(store, desk.project_id, open_source(path))
    assert report.judgements.new == 500
    assert report.notes == ("An import of a.jsonl had ended half way. What was left of it was cleared away first.",)
