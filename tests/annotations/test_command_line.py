"""`python -m annotations`: what the library does, from a shell, and one sentence where it cannot."""

import json
import shlex
import shutil
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from annotations.backup import count_rows
from annotations.command_line import main
from annotations.errors import InputError, StorageError
from annotations.exchange import (
    ExportOptions,
    export_csv,
    export_qrels,
    export_training,
    run_import,
    source_from_text,
)
from annotations.exchange.unfinished import alone
from annotations.home import find_home
from annotations.store import Store
from annotations.store.judgements import JudgementInput
from annotations.store.text_rows import NewCandidate
from annotations.store.texts import NewPassage
from reranker_core.examples import read_run
from reranker_core.home import find_home as find_home_of_the_core
from tests.annotations.desk import lay_out
from tests.annotations.limits import files_up_to

PAIRS = """query,passage,grade
what is panda?,a bear,yes
what is panda?,a car,no
what is panda?,a word,maybe
what is panda?
"""


@dataclass(frozen=True)
class Result:
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home, in the environment; commands run beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RERANKER_WORKBENCH_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def run(home: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run one command."""

    def run_main(*arguments: object) -> Result:
        code = main([str(argument) for argument in arguments])
        return Result(code, *capsys.readouterr())

    return run_main


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with a project of five candidates, three graded and one skipped, and one without any negative."""
    path = tmp_path_factory.mktemp("labels") / "labels.db"
    with Store.open(path) as store:
        lay_out(store, name="cats", candidates=40).judge(0, 3, client_id="cats")
        desk = lay_out(store)
        for candidate, grade in enumerate((3, 0, 1, None)):
            desk.judge(candidate, grade)
    return path


@pytest.fixture
def labelled(home: Path, labels: Path) -> Path:
    """A home with a copy of those labels."""
    home.mkdir()
    shutil.copy(labels, home / "labels.db")
    return home


def refused(result: Result, *parts: str) -> bool:
    """Tell whether a command answered nothing but one line that has all parts."""
    return (result.code, result.out, result.err.count("\n")) == (2, "", 1) and all(part in result.err for part in parts)


def test_the_home_is_found_as_the_core_finds_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for given in (None, "", "~/labels", "here"):
        assert find_home(given).folder == find_home_of_the_core(given)
    assert find_home().labels == home / "labels.db"
    monkeypatch.delenv("RERANKER_WORKBENCH_HOME")
    assert find_home().folder == find_home_of_the_core() == Path.cwd() / "workbench-data"


def test_an_import_says_what_would_come_and_only_then_brings_it(run: Run, home: Path) -> None:
    Path("labels.csv").write_text(PAIRS, encoding="utf-8")
    arguments = ("import", "labels.csv", "--project", "pandas", "--create", "--map", "yes=1,no=0", "--map", "maybe=")
    preview = run(*arguments, "--preview")
    assert preview.code == 0
    assert "labels.csv (table): 1 query, 3 passages, 3 candidates, 2 judgements\n" in preview.out
    assert "grades, binary scale: maybe → unjudged (1), no → 0 (1), yes → 1 (1)\n" in preview.out
    assert "1 row with a problem, which is left out:\n  labels.csv:5: " in preview.out
    assert not home.exists(), "a preview writes nothing"

    done = run(*arguments, "--annotator", "Ada")
    assert (done.code, done.err) == (0, 'note: the project "pandas" is new\n')
    assert done.out.startswith(preview.out.partition("judged by")[0])
    [project] = run("projects", "--json").json["projects"]
    assert project == {
        "project": "pandas",
        "scale": "binary",
        "queries": 1,
        "passages": 3,
        "candidates": 3,
        "judged": 2,
        "state": "",
    }

    again = run(*arguments, "--json")
    assert again.json["report"]["already_imported"]["source"] == "labels.csv"
    assert again.json["report"]["batch"] is None
    assert "--again imports it all the same" in again.err
    assert run(*arguments, "--again", "--json").json["report"]["judgements"] == {"new": 2, "known": 0}


def test_an_import_that_is_interrupted_leaves_nothing(run: Run, labelled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("labels.csv").write_text(PAIRS, encoding="utf-8")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("annotations.store.imports.Imports.publish", interrupt)
    stopped = run("import", "labels.csv", "--project", "pandas", "--scale", "graded", "--map", "yes=3,no=0,maybe=1")
    assert (stopped.code, stopped.err) == (130, "Stopped; nothing of it stays.\n")
    with Store.open(labelled / "labels.db") as store:
        project = store.projects.get("pandas")
        assert store.imports.find_staged(project.id) is None
        assert len(store.texts.passages(project.id)) == 5
        batch = store.imports.begin(project.id, source_kind="table", source_name="big.csv", sha256="ab" * 32)
    removed = run("import", "--discard", "--project", "pandas")
    assert (removed.code, removed.out) == (0, "What was left of the import of big.csv is removed.\n")
    again = run("import", "--discard", "--project", "pandas")
    assert (again.code, again.out) == (0, "No import is unfinished.\n")
    assert refused(run("import", "--project", "pandas"), "Give the path of what is imported, or --discard alone")
    with Store.open(labelled / "labels.db") as store, pytest.raises(InputError, match=f"no import_batch {batch.id}"):
        store.imports.discard(batch.id)


@pytest.mark.slow
def test_what_a_full_disk_left_of_an_import_is_removed_by_the_command_that_its_sentence_names(
    run: Run, labelled: Path
) -> None:
    database = labelled / "labels.db"
    before = count_rows(database)
    with Store.open(database) as store, ExitStack() as full:
        project = store.projects.get("pandas")

        def fill(stage: str, fraction: float | None) -> None:
            if stage == "publishing":
                full.enter_context(files_up_to(1000))

        with pytest.raises(StorageError) as stopped:
            run_import(store, project.id, source_from_text("query,passage\nnew,text\n"), on_progress=fill)
        command = str(stopped.value).partition("python -m annotations ")[2].rstrip(".")
    assert count_rows(database)["query"] == before["query"] + 1

    with Store.open(database) as store, alone(store, project.id):
        assert refused(run(*shlex.split(command)), 'Another import into "pandas" is going on. Wait for it')
    removed = run(*shlex.split(command), "--json")
    assert (removed.code, removed.json) == (0, {"removed": "pasted"})
    assert count_rows(database) == before
    assert run(*shlex.split(command), "--json").json == {"removed": None}
    assert refused(run("import", "--discard", "--project", "bears"), 'There is no project "bears"')
    assert refused(run("import", "labels.csv", "--discard", "--project", "pandas"), "or --discard alone to remove")


def test_a_new_project_is_made_only_for_what_can_be_imported(run: Run, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("labels.csv").write_text("query,passage\n ,a\n", encoding="utf-8")
    arguments = ("import", "labels.csv", "--project", "pandas", "--create", "--json")
    assert refused(run(*arguments), "No row of labels.csv can be used, so nothing was imported. The first problem")
    assert not home.exists()
    with monkeypatch.context() as patched:
        Path("labels.csv").write_text("query,passage\nq,a\n", encoding="utf-8")
        patched.setattr("annotations.store.imports.Imports.publish", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(*arguments)
    assert run("projects").out == "There is no project yet.\n"
    assert run(*arguments).code == 0
    assert len(run("projects", "--json").json["projects"]) == 1


@pytest.mark.slow
def test_parts_of_a_file_can_be_left_out(run: Run, home: Path) -> None:
    Path("labels.csv").write_text("query,passage,split\nq,a,test\n", encoding="utf-8")
    arguments = ("import", "labels.csv", "--project", "pandas", "--create")
    shown = run(*arguments, "--preview").out
    assert "parts: test 1\n" in shown
    assert "The file puts 1 query into test and none into train" in shown
    assert shown.endswith("\n--ignore_splits places all queries by their hashes\n")
    assert "The file's parts are left out (test: 1 query)." in run(*arguments, "--ignore_splits").out
    with Store.open(home / "labels.db") as store:
        [query] = store.texts.queries(store.projects.get("pandas").id)
        assert query.split is None


@pytest.mark.parametrize(("to", "project"), [("jsonl", "cats"), ("trec", "pandas"), ("beir", "pandas"), ("csv", "pandas")])
def test_an_export_writes_what_the_library_writes(to: str, project: str, run: Run, labelled: Path) -> None:
    name = {"jsonl": "out.jsonl", "trec": "out.qrels", "beir": "out.tsv", "csv": "out.csv"}[to]
    kind = "qrels" if to in ("trec", "beir") else to
    done = run("export", name, "--to", kind, "--project", project, "--positive_from", 1, "--seed", 3, "--prompt", "P")
    options = ExportOptions(positive_from=1, seed=3, prompt="P")
    expected = Path("library") / name
    expected.parent.mkdir()
    with Store.open(labelled / "labels.db") as store:
        project_id = store.projects.get(project).id
        if to == "jsonl":
            export_training(store, project_id, expected, options=options)
        elif to == "csv":
            export_csv(store, project_id, expected, options=options)
        else:
            export_qrels(store, project_id, expected, form="trec" if to == "trec" else "beir", options=options)
    assert done.code == 0
    assert Path(name).read_bytes() == expected.read_bytes()
    assert done.out.startswith(f"{name}: ")
    assert "judgements: " in done.out


def test_an_export_counts_what_it_left_out_and_why(run: Run, labelled: Path) -> None:
    done = run("export", "out.jsonl", "--to", "jsonl", "--project", "pandas", "--json").json["report"]
    accounts = {account["of"]: account for account in done["accounts"]}
    assert (accounts["judgements"]["given"], accounts["judgements"]["used"]) == (4, 3)
    assert accounts["judgements"]["left_out"] == {"skipped": 1}
    assert run("export", "beir", "--to", "beir", "--project", "pandas").code == 0
    assert sum(map(len, read_run("beir/candidates.run").values())) == 5


def test_a_snapshot_is_made_listed_and_checked(run: Run, labelled: Path) -> None:
    made = run("snapshot", "--project", "pandas", "--name", "first", "--weights", 1, 0, 0, "--json").json["snapshot"]
    assert Path(made["folder"]).parent == labelled / "snapshots"
    assert [made["parts"][split]["queries"] for split in ("train", "dev", "test")] == [1, 0, 0]
    [listed] = run("snapshot", "--project", "pandas", "--json").json["snapshots"]
    assert (listed["snapshot"], listed["folder"], listed["state"]) == ("first", made["folder"], "as it was written")
    corpus = Path(made["folder"]) / "corpus.jsonl"
    corpus.write_text(corpus.read_text(encoding="utf-8").replace("passage", "PASSAGE"), encoding="utf-8")
    assert "corpus.jsonl" in run("snapshot", "--project", "pandas", "--json").json["snapshots"][0]["state"]
    assert refused(run("snapshot", "--project", "pandas", "--name", "first"), 'a snapshot "first" already')


def test_a_backup_comes_back_and_the_labels_of_between_stay_aside(run: Run, labelled: Path) -> None:
    copy = run("backup", "--json").json["backup"]
    with Store.open(labelled / "labels.db") as store:
        store.projects.create("later")
    rows = run("restore", "--list", "--json").json["backups"]
    assert Path(copy).name in [row["file"] for row in rows]
    done = run("restore", Path(copy).name, "--json")
    assert done.code == 0, done.err
    assert [row["project"] for row in run("projects", "--json").json["projects"]] == ["cats", "pandas"]
    assert run("restore", done.json["before"]).code == 0
    assert run("projects").out.splitlines()[2].startswith("later ")


def test_a_backup_goes_where_it_is_asked_to(run: Run, labelled: Path) -> None:
    done = run("backup", "--to", "elsewhere")
    [copy] = Path("elsewhere").glob("*.db")
    assert str(copy) in done.out
    assert refused(run("restore", "nothing.db"), f"There is no backup {labelled / 'backups' / 'nothing.db'}.")


def test_a_check_says_what_it_found_and_a_fix_does_something_about_it(run: Run, labelled: Path) -> None:
    with Store.open(labelled / "labels.db") as store:
        project = store.projects.get("pandas")
        [query] = store.texts.queries(project.id)
        candidate = store.texts.candidates(query.id)[0].candidate.id
        eve = store.annotators.get_or_add("Eve")
        against = {"state": "graded", "grade": 0, "scale": "graded", "expected_version": 0, "client_id": "eve", "seq": 1}
        store.judgements.save(JudgementInput(candidate_id=candidate, annotator_id=eve.id, **against))
    found = run("check", "--project", "pandas")
    assert "contradiction (1): One annotator says positive and another negative" in found.out
    assert 'what is panda, asks pandas?" | "passage 0" | ' in found.out
    assert "  --fix judge_contradictions_again: Puts your own judgements of them off" in found.out
    fixed = run("check", "--project", "pandas", "--fix", "judge_contradictions_again", "--annotator", "Eve", "--json")
    assert (fixed.json["changed"], fixed.err) == (1, "note: judge_contradictions_again changed 1\n")
    assert "contradiction" not in [check["kind"] for check in fixed.json["checks"]]
    assert run("check", "--project", "pandas", "--fix", "delete_empty", "--json").json["changed"] == 0


def test_a_fix_that_deletes_says_what_would_go_and_wants_a_yes(run: Run, labelled: Path) -> None:
    with Store.open(labelled / "labels.db") as store:
        project = store.projects.get("pandas")
        [query] = store.texts.queries(project.id)
        [blank] = store.texts.add_passages(project.id, [NewPassage(text=" ")]).ids
        store.texts.add_candidates([NewCandidate(query_id=query.id, passage_id=blank, source="bm25")])
    asked = run("check", "--project", "pandas", "--fix", "delete_empty")
    assert refused(
        asked, "would delete 0 queries and 1 passage. With them goes out of sight: 1 candidate and 0 judgements."
    )
    assert "add --yes" in asked.err
    done = run("check", "--project", "pandas", "--fix", "delete_empty", "--yes", "--json")
    assert (done.code, done.json["changed"]) == (0, 1)
    assert run("check", "--project", "pandas", "--fix", "delete_empty", "--json").json["changed"] == 0


def test_an_export_replaces_no_labels(run: Run, labelled: Path) -> None:
    for to in ("csv", "qrels", "jsonl", "beir"):
        done = run("export", labelled / "labels.db", "--to", to, "--project", "pandas")
        assert refused(done, "holds the labels themselves")
    assert run("projects").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["projects", "--home", "other"], "There are no labels in"),
        (["backup", "--home", "other"], "There are no labels in"),
        (
            ["export", "o.csv", "--to", "csv", "--project", "bears"],
            'There is no project "bears". There are: "cats", "pandas".\n',
        ),
        (["export", "o.csv", "--to", "csv", "--project", "pandas", "--form", "trec"], "--form is for --to qrels"),
        (["export", "o.jsonl", "--to", "jsonl", "--project", "pandas", "--positive_from", "9"], "positive_from"),
        (["import", "l.csv", "--project", "bears"], 'There are: "cats", "pandas". Add --create to make it.\n'),
        (["import", "l.csv", "--project", "pandas", "--map", "yes"], "--map takes entries such as 4=3, with a grade"),
        (["import", "l.csv", "--project", "pandas", "--map", "yes=9"], 'got "yes=9"'),
        (["import", "none.csv", "--project", "pandas"], "none.csv"),
        (["check", "--project", "pandas", "--fix", "judge_twins_again"], "Give --annotator NAME."),
        (["check", "--project", "pandas", "--fix", "x", "--annotator", "Eve"], 'no annotator "Eve". There are: Ada.'),
        (["check", "--project", "pandas", "--fix", "nothing"], "A fix is one of judge_contradictions_again"),
        (["check", "--project", "pandas", "--annotator", "Ada"], "Give --fix with it."),
        (["snapshot", "--project", "pandas", "--name", "a", "--rule", "highest", "--annotators", "Eve"], "Eve"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(arguments: list[str], message: str, run: Run, labelled: Path) -> None:
    Path("l.csv").write_text(PAIRS, encoding="utf-8")
    assert refused(run(*arguments), message)
    assert not Path("other").exists()


def test_help_shows_how_each_command_is_used(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        run("--help")
    assert done.value.code == 0
    shown = capsys.readouterr().out
    for command in ("projects", "import", "export", "snapshot", "check", "backup", "restore"):
        assert f"python -m annotations {command}" in shown
