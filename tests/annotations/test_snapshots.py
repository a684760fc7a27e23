"""Snapshots: frozen, hashed, in three parts, with what training sees of the test part."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from annotations.errors import InputError
from annotations.exchange import ExportOptions
from annotations.exchange.splits import place
from annotations.snapshots import check_snapshot, create_snapshot, find_snapshot_folder
from annotations.store import Store
from annotations.store.texts import NewPassage, NewQuery
from reranker_core.examples import read_snapshot, text_hash
from tests.annotations.exchange.messy_project import PASSAGES, Bench, make_a_mess, set_up
from tests.annotations.limits import files_up_to


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for all of these, each with a project of its own: to make a store takes longer than to use it."""
    with Store.open(tmp_path_factory.mktemp("snapshots") / "labels.db") as opened:
        yield opened


@pytest.fixture(scope="module")
def mess(store: Store) -> Bench:
    """A messy project with a query in each part, of which nothing but snapshots is made."""
    bench = make_a_mess(store)
    store.texts.set_split([bench.queries["what is a panda?"]], "test")
    store.texts.set_split([bench.queries["only positive"], bench.queries["never graded"]], "train")
    store.texts.set_split([bench.queries["only negative"]], "dev")
    names = [NewPassage(text=PASSAGES["bear"], external_id=name) for name in ("d2", "d1")]
    store.texts.add_passages(bench.project_id, names)
    return bench


def test_a_snapshot_holds_what_the_database_holds(mess: Bench, tmp_path: Path) -> None:
    store, bench = mess.store, mess
    report = create_snapshot(store, bench.project_id, tmp_path / "snapshots", name="First try: 熊猫/1")
    snapshot = read_snapshot(tmp_path / "snapshots" / "First-try-熊猫-1")
    passage = {short: f"p{key}" for short, key in bench.passages.items()} | {"bear": "d1"}
    query = {text: f"q{key}" for text, key in bench.queries.items()}

    assert snapshot.read_qrels("test") == {
        query["what is a panda?"]: {
            passage[short]: grade for short, grade in (("bear", 3), ("food", 2), ("car", 0), ("blank", 0), ("half", 1))
        }
    }
    assert snapshot.read_qrels("dev") == {query["only negative"]: {passage["car"]: 0}}
    assert snapshot.read_qrels("train") == {query["only positive"]: {"d1": 3}}
    assert [entry.text for entry in snapshot.read_queries()] == ["what is a panda?", "only positive", "only negative"]
    assert {entry.passage for entry in snapshot.read_corpus()} == {*PASSAGES.values()} - {PASSAGES["gone"]}
    assert {key: len(found) for key, found in snapshot.read_candidates().items()} == {
        query["what is a panda?"]: 8,
        query["only positive"]: 3,
        query["only negative"]: 1,
    }
    [row] = snapshot.read_examples("test")
    assert (row.pos, row.neg) == ((PASSAGES["bear"], PASSAGES["food"]), (PASSAGES["car"],))
    assert [len(example.neg) for example in snapshot.read_examples("train")] == [7]
    assert [*snapshot.read_examples("dev")] == []

    assert {split: (part["queries"], part["pairs"], part["rows"]) for split, part in report.parts.items()} == {
        **{"train": (1, 1, 1), "dev": (1, 1, 0), "test": (1, 5, 1)}
    }
    assert report.accounts[[account.of for account in report.accounts].index("pairs")].given == 7
    assert "The part dev has grades, but no query with a positive and a negative" in report.warnings[-2]
    assert store.snapshots.get(bench.project_id, "First try: 熊猫/1").sha256 == snapshot.sha256
    assert find_snapshot_folder(report.registered, tmp_path / "snapshots") == snapshot.folder


def test_the_manifest_says_how_it_came_about(mess: Bench, tmp_path: Path) -> None:
    store, bench = mess.store, mess
    options = ExportOptions(rule="highest", seed=3, positive_from=3, negative_to=1)
    report = create_snapshot(store, bench.project_id, tmp_path, name="one", options=options, split_weights=(1, 1, 1))
    manifest = dict(report.snapshot.manifest)

    assert (manifest["scale"], manifest["threshold"]) == ("graded", {"positive_from": 3, "negative_to": 1})
    assert (manifest["options"]["rule"], manifest["options"]["seed"], manifest["name"]) == ("highest", 3, "one")
    assert (manifest["split"]["weights"], manifest["time"][-1]) == ([1, 1, 1], "Z")
    assert manifest["parts"]["test"]["queries_with_stored_part"] == 1
    assert manifest["accounts"]["queries"] == {
        "given": 6,
        "used": 3,
        "left_out": {"no passage has a grade": 2, "the query was deleted": 1},
    }
    assert manifest["row_accounts"]["pairs"] == {
        "given": 7,
        "used": 4,
        "left_out": {
            "the grade is neither positive nor negative": 1,
            "the passage is empty or only white space": 1,
            "the query has no positive passage": 1,
        },
    }
    assert manifest["leak"] == {"test_positives": 1, "seen": 1, "share": 1.0}
    assert store.snapshots.get(bench.project_id, "one").manifest["leak"]["seen"] == 1
    assert report.warnings[-1] == "Of 1 positive passage in the test part training sees 1."


def test_training_sees_a_test_positive_whether_it_is_positive_negative_or_random_there(
    store: Store, tmp_path: Path
) -> None:
    bench = set_up(store)
    for query, split in (("asked", "test"), ("taught", "train"), ("filled", "train"), ("tried", "dev")):
        bench.add_query(query, "bear", "food", "car", "half")
        store.texts.set_split([bench.queries[query]], split)
    for n, short in enumerate(PASSAGES):
        if short != "blank":
            bench.judge("asked", short, 3 if n % 2 == 0 else 0)
    bench.judge("taught", "bear", 3)  # a test positive
    bench.judge("taught", "car", 0)  # another
    bench.judge("tried", "gone", 3)  # but not in train
    bench.judge("tried", "car", 0)
    positives = {key for n, (short, key) in enumerate(bench.passages.items()) if n % 2 == 0}

    without = create_snapshot(store, bench.project_id, tmp_path, name="without").leak
    assert (without.test_positives, without.seen) == (len(positives), 2)
    bench.judge("filled", "food", 3)  # no test positive, but seven random passages
    filled = create_snapshot(store, bench.project_id, tmp_path, name="filled")
    [_, row] = filled.snapshot.read_examples("train")
    by_text = {PASSAGES[short]: key for short, key in bench.passages.items()}
    drawn = {by_text[text] for text in row.neg}
    assert filled.leak.seen == len(positives & (drawn | {bench.passages["bear"], bench.passages["car"]})) > 2


def test_a_query_keeps_its_part_whatever_is_added(store: Store, tmp_path: Path) -> None:
    bench = set_up(store)
    texts = [f"query {n}" for n in range(30)]
    added = store.texts.add_queries(bench.project_id, [NewQuery(text=text) for text in texts])
    bench.queries = dict(zip(texts, added.ids, strict=True))
    for text in texts[:15]:
        bench.judge(text, "bear", 3)
    first = create_snapshot(store, bench.project_id, tmp_path, name="first")
    for text in texts[15:]:
        bench.judge(text, "bear", 3)
    second = create_snapshot(store, bench.project_id, tmp_path, name="second")

    sizes = [part["queries"] for part in second.parts.values()]
    assert sum(sizes) == 30
    assert sizes[0] > sizes[2] > sizes[1] > 0
    for split in ("train", "dev", "test"):
        assert first.snapshot.read_qrels(split).items() <= second.snapshot.read_qrels(split).items()


def test_parts_are_as_large_as_their_weights() -> None:
    parts = [place(text_hash(str(n)), seed=1) for n in range(2000)]
    assert [round(parts.count(split) / 2000, 1) for split in ("train", "dev", "test")] == [0.6, 0.1, 0.2]  # 0.15, 0.25
    assert {place(text_hash(str(n)), seed=1, weights=(1, 0, 0)) for n in range(50)} == {"train"}
    assert parts != [place(text_hash(str(n)), seed=2) for n in range(2000)]


def test_a_snapshot_never_changes_and_a_change_is_found(store: Store, tmp_path: Path) -> None:
    bench = make_a_mess(store)
    first = create_snapshot(store, bench.project_id, tmp_path, name="one")
    bench.judge("never judged", "bear", 3)
    with pytest.raises(InputError, match='a snapshot "one" already'):
        create_snapshot(store, bench.project_id, tmp_path, name=" one ")
    other = create_snapshot(store, bench.project_id, tmp_path, name="one!")  # the folder's name is taken, this is not

    assert (first.snapshot.folder.name, other.snapshot.folder.name) == ("one", "one-2")
    assert check_snapshot(first.snapshot.folder, registered=first.registered).sha256 == first.registered.sha256
    with pytest.raises(InputError, match='not the snapshot that was registered as "one"'):
        check_snapshot(other.snapshot.folder, registered=first.registered)
    with (first.snapshot.folder / "train.jsonl").open("a") as file:
        file.write("\n")
    with pytest.raises(InputError, match=r"train\.jsonl .* was changed"):
        check_snapshot(first.snapshot.folder)


def test_a_snapshot_that_cannot_be_made_leaves_nothing(mess: Bench, tmp_path: Path) -> None:
    store, bench = mess.store, mess

    def take_the_name(stage: str, fraction: float | None) -> None:
        if stage == "Writing passages":
            store.snapshots.add(bench.project_id, "taken", path="elsewhere", sha256="ab", manifest={})

    def give_up(stage: str, fraction: float | None) -> None:
        if stage.startswith("Writing training rows"):
            raise KeyboardInterrupt

    with files_up_to(100), pytest.raises(InputError, match="cannot be written"):
        create_snapshot(store, bench.project_id, tmp_path / "snapshots", name="none")
    with pytest.raises(KeyboardInterrupt):
        create_snapshot(store, bench.project_id, tmp_path / "snapshots", name="none", on_progress=give_up)
    with pytest.raises(InputError, match="already"):
        create_snapshot(store, bench.project_id, tmp_path / "snapshots", name="taken", on_progress=take_the_name)
    with pytest.raises(InputError, match="no grade to freeze"):
        create_snapshot(
            store, bench.project_id, tmp_path / "snapshots", name="two", options=ExportOptions(annotators=("Cleo",))
        )
    with pytest.raises(InputError, match="first for train and not 0"):
        create_snapshot(store, bench.project_id, tmp_path / "snapshots", name="two", split_weights=(0, 1, 1))
    with pytest.raises(InputError, match="needs a character"):
        create_snapshot(store, bench.project_id, tmp_path / "snapshots", name=" \n")
    assert [*(tmp_path / "snapshots").iterdir()] == []
