"""Imports, exports, snapshots, pools, checks and backups of the Data screen: functions called directly."""

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from annotations.errors import AnnotationError, InputError
from reranker_core.errors import RerankerError
from ui.label_place import Labels
from ui.page_views import bind
from ui.runs import StoppedError
from ui.services import Services
from ui.tabs.data.agreement import agreement_of
from ui.tabs.data.backups import list_copies, make_copy, restore_copy
from ui.tabs.data.checks import check_labels, fix_check
from ui.tabs.data.exporting import export_project, read_options
from ui.tabs.data.import_files import Given, open_files
from ui.tabs.data.importing import Looked, preview, run
from ui.tabs.data.left_over import find_left, remove_left
from ui.tabs.data.pages import working
from ui.tabs.data.pooling import PoolSettings, pool_project, read_settings
from ui.tabs.data.projects import count_project
from ui.tabs.data.snapshot_form import list_snapshots, make_snapshot, verify_snapshot

CSV = """query,passage,grade,annotator
red panda,a raccoon-like animal,1,Ada
red panda,a Python library,0,Ada
bee,six weeks,yes,Bob
"""
CORPUS = [{"_id": f"d{n}", "title": "", "text": f"the panda number {n} eats bamboo"} for n in range(30)]
QUERIES = [{"_id": "q1", "text": "what does a panda eat?"}, {"_id": "q2", "text": "zebra"}]


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Services over a store in a folder of its own."""
    services = Services(labels=Labels(tmp_path_factory.mktemp("home")), allow_folders=True)
    yield services
    services.labels.close()


@pytest.fixture
def project(services: Services, request: pytest.FixtureRequest) -> int:
    """An empty project of the test's own."""
    return services.labels.store.projects.create(request.node.name).id


@pytest.fixture
def strangers(services: Services) -> Services:
    """The same labels on a screen that is served to others."""
    return Services(labels=services.labels)


def tell(words: str, fraction: float | None) -> None:
    """Progress that nobody looks at."""


def bring(services: Services, project: int, text: str, **options: Any) -> dict[str, Any]:
    """Preview and import a text."""
    given = Given(text=text)
    _, looked = preview(services, project, given, options=options, looked=Looked(), changes=options.get("changes"))
    return run(services, project, given, options=options, looked=looked, on_progress=tell)


def write_beir(folder: Path) -> list[Path]:
    """Write a BEIR folder's files side by side, as they are dropped."""
    rows = {
        "corpus.jsonl": "\n".join(map(json.dumps, CORPUS)),
        "queries.jsonl": "\n".join(map(json.dumps, QUERIES)),
        "test.tsv": "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t0\n",
        "bm25.run": "q1 Q0 d3 1 9.5 bm25\nq2 Q0 d4 1 1.5 bm25\n",
    }
    folder.mkdir()
    for name, text in rows.items():
        (folder / name).write_text(text, encoding="utf-8")
    return [folder / name for name in rows]


def test_a_map_is_corrected_in_the_preview_and_then_imported(services: Services, project: int) -> None:
    given = Given(text=CSV)
    shown, looked = preview(services, project, given, options={}, looked=Looked())
    assert (shown["rows"], shown["used"], shown["problem_count"]) == (3, 2, 1)
    assert [(one["raw"], one["is_mapped"]) for one in shown["grades"]] == [("1", True), ("0", True), ("yes", False)]
    assert "line 4" in shown["problems"][0]
    json.dumps(shown)

    shown, looked = preview(services, project, given, options={}, looked=looked, changes={"yes": 1, "1": 0, "0": 0})
    assert (shown["used"], shown["problem_count"]) == (3, 0)
    with pytest.raises(InputError, match="Press Preview first"):
        run(services, project, given, options={}, looked=Looked())
    with pytest.raises(InputError, match="This is not what the preview shows"):
        run(services, project, Given(text=CSV + "more,of it,1,Ada\n"), options={}, looked=looked)
    report = run(services, project, given, options={}, looked=looked, on_progress=tell)
    assert report["is_done"]
    assert report["arrived"]["judgements"] == {"new": 3, "known": 0}
    counts = count_project(services, {"project": project})
    assert (counts["positive"], counts["negative"]) == (1, 2)

    assert preview(services, project, given, options={}, looked=looked)[0]["already"]["name"] == "pasted"
    assert not run(services, project, given, options={}, looked=looked)["is_done"]


def test_files_that_were_dropped_together_find_their_places_by_their_names(
    services: Services, project: int, tmp_path: Path
) -> None:
    files = write_beir(tmp_path / "dropped")
    shown, looked = preview(services, project, Given(files=tuple(map(str, files))), options={}, looked=Looked())
    assert (shown["kind"], shown["queries"], shown["passages"], shown["splits"]) == ("beir", 2, 30, {"test": 1})
    assert (shown["candidates"], shown["judgements"]) == (4, 2)

    given = Given(files=tuple(map(str, files)))
    shown, looked = preview(services, project, given, options={}, looked=looked, ignore_splits=True)
    assert (shown["splits"], shown["ignore_splits"]) == ({"test": 1}, True)
    again, looked = preview(services, project, given, options={}, looked=looked)  # the choice goes on, as the map does
    assert again["ignore_splits"] is True
    run(services, project, given, options={}, looked=looked)
    assert {query.split for query in services.labels.store.texts.queries(project)} == {None}

    one_file_of_qrels = (tmp_path / "dropped" / "test.tsv").rename(tmp_path / "dropped" / "judged.tsv")
    for given, kind in (([*files[:2], one_file_of_qrels], "beir"), ([files[3], files[0], files[1]], "trec")):
        shown, _ = preview(services, project, Given(files=tuple(map(str, given))), options={}, looked=looked)
        assert (shown["kind"], shown["splits"]) == (kind, {})

    table = tmp_path / "pairs.csv"
    table.write_text(CSV)
    folder = tmp_path / "laid out"
    folder.mkdir()
    with pytest.raises(InputError, match="does not belong"):
        open_files([table, files[3]], folder)


def test_what_is_given_is_one_thing_and_paths_are_for_the_own_machine(
    services: Services, strangers: Services, project: int, tmp_path: Path
) -> None:
    write_beir(tmp_path / "beir")
    (tmp_path / "beir" / "qrels").mkdir()
    (tmp_path / "beir" / "test.tsv").rename(tmp_path / "beir" / "qrels" / "test.tsv")
    folder = Given(folder=f" {tmp_path / 'beir'} ")
    assert preview(services, project, folder, options={"max_queries": "1"}, looked=Looked())[0]["queries"] == 1
    for who, given, said in (
        (strangers, folder, "own machine"),
        (services, Given(), "nothing to import"),
        (services, Given(text="x", folder="y"), "together"),
        (strangers, Given(text="x" * 2_000_001), "in parts"),
    ):
        with pytest.raises(InputError, match=said):
            preview(who, project, given, options={}, looked=Looked())
    with pytest.raises(InputError, match="Only the first queries"):
        preview(services, project, folder, options={"max_queries": "-1"}, looked=Looked())


def test_a_stopped_import_leaves_nothing(services: Services, project: int) -> None:
    given = Given(text=CSV)
    _, looked = preview(services, project, given, options={}, looked=Looked())

    def stop_at_once(*what: Any, **words: Any) -> None:
        services.runs.stop("visit")

    with pytest.raises(StoppedError), working(services, "visit", stop_at_once) as going_on:
        run(services, project, given, options={}, looked=looked, on_progress=going_on)
    counts = count_project(services, {"project": project})
    assert (counts["queries"], counts["candidates"]) == (0, 0)
    assert services.labels.store.imports.find_staged(project) is None


def test_what_an_import_left_half_way_is_told_and_removed(services: Services, strangers: Services, project: int) -> None:
    asked = {"project": project}
    assert find_left(services, asked) == {"name": None}
    services.labels.store.imports.begin(project, source_kind="table", source_name="big.csv", sha256="ab" * 32)
    assert find_left(services, asked)["name"] == "big.csv"
    with pytest.raises(InputError, match="Only whoever runs this app can remove it"):
        remove_left(strangers, asked)
    assert remove_left(services, asked) == {"said": "What was left of big.csv is removed."}
    assert find_left(services, asked) == {"name": None}


def test_an_export_lies_under_the_home_and_is_handed_out(services: Services, strangers: Services, project: int) -> None:
    bring(services, project, CSV, changes={"yes": 1})
    done = export_project(services, project, "training", options=read_options({"negatives": "2", "rule": "highest"}))
    rows = [json.loads(line) for line in done.download.read_text(encoding="utf-8").splitlines()]
    assert [(row["query"], row["pos"], len(row["neg"])) for row in rows] == [
        ("red panda", ["a raccoon-like animal"], 1),
        ("bee", ["six weeks"], 2),
    ]
    assert done.manifest is not None
    assert json.loads(done.manifest.read_text())["random_negatives"]
    place = Path(done.report["folder"])
    assert place.parent == services.labels.exports
    assert (place / done.download.name).read_bytes() == done.download.read_bytes()
    for account in done.report["accounts"]:
        assert account["given"] == account["used"] + sum(account["left_out"].values())

    there = set(services.labels.exports.iterdir())
    packed = export_project(strangers, project, "beir", options=read_options({}))
    with zipfile.ZipFile(packed.download) as archive:
        assert {Path(name).name for name in archive.namelist()} >= {"corpus.jsonl", "queries.jsonl", "candidates.run"}
    assert packed.report["folder"] == ""
    with pytest.raises(InputError, match="whole number"):
        read_options({"positive_from": "two"})
    with pytest.raises(InputError):
        export_project(services, project, "training", options=read_options({"splits": []} | {"rule": "no rule"}))
    empty = services.labels.store.projects.create("nothing to export").id
    with pytest.raises(InputError, match="no row to write"):
        export_project(services, empty, "training", options=read_options({}))
    with pytest.raises(InputError, match="go out as"):
        export_project(services, project, "../up", options=read_options({}))
    assert set(services.labels.exports.iterdir()) == there


def test_a_snapshot_is_made_listed_verified_and_never_by_strangers(
    services: Services, strangers: Services, project: int
) -> None:
    bring(services, project, CSV, changes={"yes": 1})
    said = make_snapshot(services, project, "first", options=read_options({}), on_progress=tell)
    assert said.startswith("“first” is made")
    (row,) = list_snapshots(services, {"project": project})["rows"]
    assert sum(row["parts"].values()) == 2
    assert row["is_there"]
    assert "every file has its hash" in verify_snapshot(services, {"project": project, "name": "first"})["said"]
    (Path(row["folder"]) / "queries.jsonl").write_text("")
    with pytest.raises(InputError):
        verify_snapshot(services, {"project": project, "name": "first"})
    with pytest.raises(InputError, match="own machine"):
        make_snapshot(strangers, project, "second", options=read_options({}))
    assert list_snapshots(strangers, {"project": project})["rows"][0]["folder"] == ""


def test_candidates_are_found_with_rank_source_and_scores_and_all_or_none_are_kept(
    services: Services, project: int, tmp_path: Path, checkpoints: Path
) -> None:
    files = write_beir(tmp_path / "dropped")[:2]
    given = Given(files=tuple(map(str, files)))
    with pytest.raises(InputError, match="has no queries"):
        pool_project(services, project, PoolSettings(), on_progress=tell)
    _, looked = preview(services, project, given, options={}, looked=Looked())
    run(services, project, given, options={}, looked=looked)

    def stop(words: str, fraction: float | None) -> None:
        if words.startswith("Keeping") and fraction == 1.0:
            raise StoppedError("Stopped.")

    with pytest.raises(StoppedError):
        pool_project(services, project, PoolSettings(depth=3), on_progress=stop)
    assert count_project(services, {"project": project})["candidates"] == 0

    services.local_models.add(str(checkpoints / "encoder"), name="tiny")
    settings = read_settings({"models": ["tiny"], "depth": "3", "first_stage": "5", "random_share": 0.25, "seed": "7"})
    found = pool_project(services, project, settings, on_progress=tell)
    store = services.labels.store
    kept = [one for query in store.texts.queries(project) for one in store.texts.candidates(query.id)]
    assert (found["candidates"], found["new"]) == (len(kept), len(kept))
    assert found["unmatched"] == ["zebra"]
    assert {one.candidate.source for one in kept} == {"bm25", "tiny", "random"}
    first = store.texts.queries(project)[0].id
    names = {model.id: model.name for model in store.scores.models()}
    ranked = {(names[score.model_ref_id], score.rank) for score in store.scores.of_query(first)}
    assert {("bm25", 1), ("tiny", 1)} <= ranked
    again = pool_project(services, project, settings, on_progress=tell)
    assert (again["candidates"], again["new"]) == (len(kept), 0)


def test_models_that_are_not_here_and_too_much_for_strangers_are_refused(
    services: Services, strangers: Services, project: int, checkpoints: Path
) -> None:
    bring(services, project, CSV, changes={"yes": 1})
    with pytest.raises(RerankerError, match="v2-m3 is not"):
        pool_project(services, project, PoolSettings(models=("bge-reranker-v2-m3",)), on_progress=tell)
    strangers.local_models.add(str(checkpoints / "encoder"), name="small")
    with pytest.raises(InputError, match="at once"):
        pool_project(strangers, project, PoolSettings(models=("small",), first_stage=2000), on_progress=tell)
    with pytest.raises(InputError, match="Up to"):
        read_settings({"models": ["a", "b", "c", "d", "e"]})
    for values in ({"seed": "x"}, {"depth": "0"}):
        with pytest.raises(InputError):
            read_settings(values)


def test_checks_name_what_is_wrong_and_a_fix_opens_my_judgements_again(services: Services, project: int) -> None:
    people = "query,passage,grade,annotator\nred panda,a bear,1,Zoe\nred panda,a bear,0,Max\nbee,six weeks,1,Zoe\n"
    for handle in ("Zoe", "Max"):
        services.labels.store.annotators.get_or_add(handle)
    bring(services, project, people)
    checks = {check["kind"]: check for check in check_labels(services, {"project": project})["checks"]}
    assert checks["contradiction"]["count"] == 1
    assert checks["contradiction"]["rows"][0]["passages"] == ["a bear"]
    assert "no_negative" in checks
    name = next(fix["name"] for fix in checks["contradiction"]["fixes"] if fix["can_apply"])
    agreement = agreement_of(services, {"project": project})
    assert (agreement["pairs"], agreement["raw"]) == (1, 0.0)
    json.dumps([agreement, list(checks.values())])

    assert fix_check(services, {"project": project, "name": name, "annotator": "Max"}) == {"changed": 1}
    assert "contradiction" not in [check["kind"] for check in check_labels(services, {"project": project})["checks"]]
    assert "A fix is one of" in bind(services, fix_check)({"project": project, "name": "x", "annotator": "Max"})["error"]


def test_a_backup_is_made_looked_into_and_put_back_after_the_word(tmp_path: Path) -> None:
    services = Services(labels=Labels(tmp_path), allow_folders=True)
    strangers = Services(labels=services.labels)
    first = services.labels.store.projects.create("first")
    assert "verified" in make_copy(services, {})["said"]
    services.labels.store.projects.create("second")
    (copy,) = list_copies(services, {})["rows"]
    assert copy["reason"] == "made by hand"
    counts = {row["name"]: (row["then"], row["now"]) for row in list_copies(services, {"number": copy["number"]})["rows"]}
    assert counts["projects"] == (1, 2)
    ask: Callable[..., Any] = bind(services, restore_copy)
    assert "Nothing was changed" in ask({"number": copy["number"], "word": "yes"})["error"]
    assert "no backup 99" in ask({"number": 99, "word": "restore"})["error"]
    for function in (make_copy, restore_copy):
        said = bind(strangers, function)({"number": copy["number"], "word": "restore"})["error"]
        assert "own machine" in said
    said = restore_copy(services, {"number": copy["number"], "word": "restore"})["said"]
    assert "before-restore" in said
    assert [project.id for project in services.labels.store.projects.list()] == [first.id]
    assert list(tmp_path.glob("labels-before-restore-*.db"))
    services.labels.close()


def test_a_copy_can_be_put_back_where_the_file_of_now_is_damaged(tmp_path: Path) -> None:
    services = Services(labels=Labels(tmp_path), allow_folders=True)
    services.labels.store.projects.create("kept")
    copy = Path(shutil.copy(services.labels.store.backup(), tmp_path / "elsewhere.db"))
    services.labels.close()
    (tmp_path / "labels.db").write_bytes(copy.read_bytes()[:3000] + b"x" * 2000)
    with pytest.raises(AnnotationError):
        services.labels.store.projects.list()
    listed = list_copies(services, {})
    assert listed["problem"]
    number = listed["rows"][0]["number"]
    assert list_copies(services, {"number": number})["rows"][0]["now"] is None
    restore_copy(services, {"number": number, "word": "restore"})
    assert [project.name for project in services.labels.store.projects.list()] == ["kept"]
    services.labels.close()
