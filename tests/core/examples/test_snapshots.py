"""A snapshot is written whole or not at all, never changes unnoticed, and gives back what went in."""

import errno
import hashlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reranker_core.errors import InputError
from reranker_core.examples import (
    CorpusEntry,
    QueryEntry,
    Snapshot,
    TrainingExample,
    read_snapshot,
    write_snapshot,
)
from reranker_core.examples.new_files import new_folder
from tests.core.examples.hostile import filled, folder

SPLITS = ("train", "dev", "test")
FILES = [
    "candidates.run",
    "corpus.jsonl",
    "dev.jsonl",
    "manifest.json",
    "qrels/dev.tsv",
    "qrels/test.tsv",
    "qrels/train.tsv",
]
FILES += ["queries.jsonl", "test.jsonl", "train.jsonl"]


def example(query: str = "first") -> TrainingExample:
    return TrainingExample(query=query, pos=("one",), neg=("two",), prompt="B?")


def content(**other: Any) -> dict[str, Any]:
    """What a small snapshot is made of."""
    return {
        "corpus": [CorpusEntry(id="d1", text="one"), CorpusEntry(id="d2", text="two")],
        "queries": [QueryEntry(id="q1", text="first"), QueryEntry(id="q2", text="second")],
        "qrels": {"train": {"q1": {"d1": 3, "d2": 0}}, "test": {"q2": {"d1": 0, "d2": 2}}},
        "candidates": {"q1": {"d1": 2.5, "d2": 0.5}, "q2": {"d2": 1.0}},
        "examples": {"train": [example()], "test": [example("second"), example("second")]},
        "manifest": {
            "scale": "graded",
            "threshold": 2,
            "split": {"rule": "hash", "seed": 7},
            "time": "2026-11-23T10:00:00Z",
        },
    } | other


def write(place: Path, **other: Any) -> Snapshot:
    return write_snapshot(place, **content(**other))


@pytest.fixture
def snapshot(tmp_path: Path) -> Snapshot:
    """A small snapshot, under folders that were not there."""
    return write(tmp_path / "home" / "snapshots" / "s1")


def test_a_snapshot_has_the_files_of_the_design_and_no_others(snapshot: Snapshot) -> None:
    found = sorted(str(path.relative_to(snapshot.folder)) for path in snapshot.folder.rglob("*") if path.is_file())
    assert found == FILES
    assert [path.name for path in snapshot.folder.parent.iterdir()] == ["s1"]


def test_what_went_in_comes_back(snapshot: Snapshot) -> None:
    back, given_parts = read_snapshot(snapshot.folder), content()
    assert back == snapshot
    assert list(back.read_corpus()) == given_parts["corpus"]
    assert list(back.read_queries()) == given_parts["queries"]
    assert {split: back.read_qrels(split) for split in SPLITS} == {"dev": {}} | given_parts["qrels"]
    assert {split: list(back.read_examples(split)) for split in SPLITS} == {"dev": []} | given_parts["examples"]
    assert back.read_candidates() == given_parts["candidates"]
    assert {key: back.manifest[key] for key in given_parts["manifest"]} == given_parts["manifest"]


def test_the_manifest_has_rows_size_and_hash_of_every_other_file(snapshot: Snapshot) -> None:
    data = (snapshot.folder / "manifest.json").read_bytes()
    manifest = json.loads(data)
    assert sorted([*manifest["files"], "manifest.json"]) == FILES
    for name, facts in manifest["files"].items():
        file = (snapshot.folder / name).read_bytes()
        header = name.endswith(".tsv")
        assert facts == {
            "rows": file.count(b"\n") - header,
            "size": len(file),
            "sha256": hashlib.sha256(file).hexdigest(),
        }
        assert snapshot.count_rows(name) == facts["rows"]
    assert manifest["format"] == 1
    assert snapshot.sha256 == hashlib.sha256(data).hexdigest()
    with pytest.raises(InputError, match='has no file "x"'):
        snapshot.count_rows("x")


def test_the_same_content_makes_the_same_snapshot(snapshot: Snapshot, tmp_path: Path) -> None:
    assert write(tmp_path / "again").sha256 == snapshot.sha256
    other = content()["manifest"] | {"threshold": 3}
    assert write(tmp_path / "other", manifest=other).sha256 != snapshot.sha256


@pytest.mark.parametrize("name", [name for name in FILES if name != "manifest.json"])
def test_a_file_that_was_changed_or_is_gone_is_named_in_a_sentence(name: str, snapshot: Snapshot) -> None:
    path = snapshot.folder / name
    before = path.read_bytes()
    path.write_bytes(before + b" ")
    with pytest.raises(InputError) as caught:
        read_snapshot(snapshot.folder)
    assert str(caught.value).startswith(f"{name} of snapshot {snapshot.folder} was changed: its SHA-256 is ")
    assert str(caught.value).endswith(". Take it from a backup, or make a new snapshot.")
    path.write_bytes(before)
    assert read_snapshot(snapshot.folder) == snapshot
    path.unlink()
    with pytest.raises(InputError) as caught:
        read_snapshot(snapshot.folder)
    assert str(caught.value).startswith(f"{name} of snapshot {snapshot.folder} cannot be read (No such file")


def test_a_change_of_the_same_length_and_time_is_noticed(snapshot: Snapshot) -> None:
    path = snapshot.folder / "qrels" / "test.tsv"
    was = path.stat()
    path.write_bytes(path.read_bytes().replace(b"q2\td2\t2", b"q2\td2\t0"))
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    with pytest.raises(InputError, match=r"qrels/test\.tsv .* was changed"):
        read_snapshot(snapshot.folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda manifest: "{", "is damaged: no valid JSON"),
        (lambda manifest: "[]", 'is damaged: it lacks the number "format"'),
        (lambda manifest: json.dumps(manifest | {"format": "1"}), 'is damaged: it lacks the number "format"'),
        (lambda manifest: json.dumps(manifest | {"format": 0}), 'is damaged: it lacks the number "format"'),
        (
            lambda manifest: json.dumps(manifest | {"format": 2}),
            r"is a snapshot of format 2, this version reads 1\. Update",
        ),
        (
            lambda manifest: json.dumps(manifest | {"files": []}),
            r'is damaged: "files" lacks rows and sha256 of train\.jsonl',
        ),
        (lambda manifest: json.dumps(manifest | {"files": {"train.jsonl": {"rows": 1}}}), "is damaged"),
        (lambda manifest: json.dumps(manifest | {"files": {"train.jsonl": {"sha256": ""}}}), "is damaged"),
        (lambda manifest: "[" * 100_000, "is damaged: no valid JSON"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_a_sentence(change: Any, message: str, snapshot: Snapshot) -> None:
    path = snapshot.folder / "manifest.json"
    path.write_text(change(json.loads(path.read_text())))
    with pytest.raises(InputError, match=message) as caught:
        read_snapshot(snapshot.folder)
    assert str(caught.value).endswith(".")


@given(
    data=st.one_of(
        st.binary(), st.recursive(st.none() | st.integers() | st.text(), st.lists).map(json.dumps).map(str.encode)
    )
)
def test_any_bytes_as_a_manifest_are_a_sentence(data: bytes) -> None:
    with folder() as place:
        (place / "manifest.json").write_bytes(data)
        with pytest.raises(InputError):
            read_snapshot(place)


def test_what_is_no_snapshot_is_a_sentence(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "none", tmp_path / "nul\0", tmp_path / "{braces}"):
        with pytest.raises(InputError, match=r"is no snapshot: manifest\.json cannot be read"):
            read_snapshot(place)
    (tmp_path / "{x}").mkdir()
    (tmp_path / "{x}" / "manifest.json").write_text("{")
    with pytest.raises(InputError, match=r"\{x\}/manifest\.json is damaged"):
        read_snapshot(tmp_path / "{x}")


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_is_there_is_never_written_over(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "s1"
    if kind == "folder":
        place.mkdir()
    elif kind == "file":
        place.write_text("mine")
    else:
        place.symlink_to("nowhere")
    with pytest.raises(InputError, match=r"s1 is there already, and is not written over\. Choose another name\."):
        write(place)
    assert [path.name for path in tmp_path.iterdir()] == ["s1"]


def broken_examples() -> Iterator[TrainingExample]:
    yield example()
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"qrels": {"valid": {}}}, 'a snapshot has the splits train, dev, test, got "valid". Choose one of them.'),
        ({"examples": {"all": []}}, 'a snapshot has the splits train, dev, test, got "all".'),
        ({"manifest": {"files": {}}}, 'the manifest\'s key "files" is filled in by the writer.'),
        ({"manifest": {"format": 1}}, 'the manifest\'s key "format" is filled in by the writer.'),
        ({"manifest": {"at": Path("x")}}, "the manifest must be plain JSON values"),
        ({"manifest": {"at": float("nan")}}, "the manifest must be plain JSON values"),
        ({"manifest": {"at": "\ud83d"}}, "the manifest must be plain JSON values"),
        ({"manifest": {"grades": {3: 2}}}, "the manifest must be plain JSON values: texts as keys"),
        (
            {"qrels": {"train": {"q1": {"d1": 1}}, "dev": {"q1": {"d2": 1}}}},
            'query "q1" is in train and in dev. Put it into one',
        ),
        (
            {"examples": {"train": [example()], "test": [example()]}},
            'query "first" is in train and in test. Put it into one',
        ),
        (
            {"examples": {"dev": [example("caf\u00e9")], "test": [example("cafe\u0301")]}},
            'query "cafe\u0301" is in dev and in test.',
        ),
        (
            {"examples": {"dev": [example(), TrainingExample(query="q", pos=("p",))]}},
            "row 2 of dev.jsonl: it has no negative",
        ),
        ({"qrels": {"test": {"q9": {"d1": 1}}}}, 'qrels/test.tsv names query "q9"'),
        ({"qrels": {"dev": {"q1": {"d9": 1}}}}, 'qrels/dev.tsv names passage "d9"'),
        ({"candidates": {"q9": {"d1": 1.0}}}, 'the run names query "q9"'),
        ({"candidates": {"q1": {"d9": 1.0}}}, 'the run names passage "d9"'),
        ({"candidates": {"q1": {"d1": float("nan")}}}, "a score must be a finite number"),
        ({"corpus": [CorpusEntry(id="d", text="")] * 2}, "row 2 of corpus.jsonl: the _id"),
    ],
)
def test_what_does_not_fit_together_is_refused_and_nothing_is_written(
    other: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        write(tmp_path / "s1", **other)
    assert str(caught.value).startswith(message)
    assert list(tmp_path.iterdir()) == []


def test_writing_that_is_broken_off_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "s1", examples={"test": broken_examples()})
    assert list(tmp_path.iterdir()) == []


def test_nothing_lies_at_the_place_while_it_is_written(tmp_path: Path) -> None:
    seen: list[bool] = []

    def watched() -> Iterator[TrainingExample]:
        seen.append((tmp_path / "s1").exists())
        yield example()

    write(tmp_path / "s1", examples={"test": watched()})
    assert seen == [False]


def test_a_process_that_is_killed_while_writing_leaves_no_snapshot(tmp_path: Path) -> None:
    code = """
import os, signal, sys
from reranker_core.examples import CorpusEntry, write_snapshot
def corpus():
    yield CorpusEntry(id="d", text="t")
    os.kill(os.getpid(), signal.SIGKILL)
write_snapshot(sys.argv[1], corpus=corpus(), queries=[], qrels={}, candidates={}, examples={}, manifest={})
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "s1")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "s1").exists()
    assert write(tmp_path / "s1") == read_snapshot(tmp_path / "s1")


def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    was = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, was[1]))
    try:
        with pytest.raises(
            InputError, match=rf"corpus\.jsonl cannot be written \({os.strerror(errno.EFBIG)}\)\. Check the disk"
        ):
            write(tmp_path / "s1", corpus=[CorpusEntry(id="d1", text="x" * 200_000), CorpusEntry(id="d2", text="")])
        assert list(tmp_path.iterdir()) == []
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, was)
        signal.signal(signal.SIGXFSZ, ignored)


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is brought to the disk and renamed, in that order; the names are those that will stay."""
    seen: list[str] = []
    fsync, rename = os.fsync, Path.rename

    def note_fsync(handle: int) -> None:
        path = str(Path(f"/proc/self/fd/{handle}").readlink()).removeprefix(str(tmp_path))
        seen.append(re.sub(r"\.[0-9a-f]{8}\.part", "", path).replace("/.", "/"))
        fsync(handle)

    def note_rename(path: Path, target: Path) -> Path:
        seen.append("rename")
        return rename(path, target)

    monkeypatch.setattr(os, "fsync", note_fsync)
    monkeypatch.setattr(Path, "rename", note_rename)
    return seen


def test_every_file_is_on_the_disk_before_the_folder_gets_its_name(events: list[str], tmp_path: Path) -> None:
    write(tmp_path / "s1")
    before, after = events[: events.index("rename")], events[events.index("rename") + 1 :]
    assert set(before) == {"/s1", "/s1/qrels", *(f"/s1/{name}" for name in FILES)}
    assert before[-1] == "/s1"
    assert after == [""]


def test_folders_inside_are_on_the_disk_too(events: list[str], tmp_path: Path) -> None:
    with new_folder(tmp_path / "s1") as part:
        (part / "sub").mkdir()
    assert events == ["/s1/sub", "/s1", "rename", ""]


def test_the_manifest_of_a_snapshot_cannot_be_changed_from_outside(tmp_path: Path) -> None:
    rule = {"seed": 7}
    snapshot = write(tmp_path / "s1", manifest={"split": rule})
    rule["seed"] = 8
    assert snapshot.manifest["split"] == {"seed": 7}
    with pytest.raises(TypeError):
        snapshot.manifest["split"] = {}  # type: ignore[index]


def test_an_empty_snapshot_is_one(tmp_path: Path) -> None:
    snapshot = write_snapshot(tmp_path / "s1", corpus=[], queries=[], qrels={}, candidates={}, examples={}, manifest={})
    assert read_snapshot(tmp_path / "s1") == snapshot
    assert snapshot.read_candidates() == {}
    with pytest.raises(InputError, match='splits train, dev, test, got "all"'):
        snapshot.read_examples("all")
    with pytest.raises(InputError, match='splits train, dev, test, got "all"'):
        snapshot.read_qrels("all")


@settings(max_examples=25)
@given(text=filled, passage=filled, value=st.text(), score=st.floats(allow_nan=False, allow_infinity=False))
def test_any_texts_come_back_as_they_were(text: str, passage: str, value: str, score: float) -> None:
    row = TrainingExample(query=text, pos=(passage,), neg=(f"{passage} n",))
    corpus = [CorpusEntry(id="d1", text=passage), CorpusEntry(id="d2", text=f"{passage} n", title=text)]
    with folder() as place:
        write_snapshot(
            place / "s",
            corpus=corpus,
            queries=[QueryEntry(id="q1", text=text)],
            qrels={"test": {"q1": {"d1": 3}}},
            candidates={"q1": {"d1": score}},
            examples={"test": [row]},
            manifest={"guideline": value},
        )
        back = read_snapshot(place / "s")
        assert back.manifest["guideline"] == value
        assert list(back.read_corpus()) == corpus
        assert [entry.text for entry in back.read_queries()] == [text]
        assert list(back.read_examples("test")) == [row]
        assert back.read_candidates() == {"q1": {"d1": score}}


def test_nothing_but_the_standard_library_is_imported() -> None:
    code = (
        "import sys, reranker_core.examples;"
        "names = {name.partition('.')[0] for name in sys.modules if not name.startswith('_')};"
        "foreign = {n for n in names - set(sys.stdlib_module_names) if getattr(sys.modules[n], '__file__', '')};"
        "ours = {n for n in sys.modules if n.startswith('reranker_core.') and not n.startswith('reranker_core.examples')};"
        "print(sorted(ours), 'torch' in foreign, 'numpy' in foreign, 'pandas' in foreign)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "['reranker_core.errors'] False False False", done.stderr
