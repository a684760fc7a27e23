"""Folders and adapters that a person added: what is taken, what is refused, and that the list is never lost."""

import errno
import fcntl
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reranker_core import MODELS
from reranker_core.errors import InputError, ModelNotFoundError, RerankerError, UnsupportedModelError
from reranker_core.home import find_home
from reranker_core.local_models import LocalModel, LocalModels, describe_local_model

ADAPTERS = Path(__file__).parents[1] / "checkpoints" / "adapters"
HEAD = "lm_head.{}.linear_head.weight"

CopyCheckpoint = Callable[..., Path]
EditTensors = Callable[[Path, Callable[[dict[str, Any]], object]], None]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the list of a test lies, in a home that nobody has made yet."""
    return tmp_path / "home" / "models.json"


@pytest.fixture
def models(file: Path) -> LocalModels:
    """An empty list."""
    return LocalModels(file)


@pytest.fixture
def copy_adapter(tmp_path: Path, edit_config: Callable[..., None]) -> Callable[..., Path]:
    """Copy an adapter into the test's folder, and let it name another base."""

    def copy(name: str, *, to: str = "adapter-of-mine", base: str | None = "") -> Path:
        folder = Path(shutil.copytree(ADAPTERS / name, tmp_path / to))
        if base != "":
            edit_config(folder / "adapter_config.json", base_model_name_or_path=base)
        return folder

    return copy


def names(models: LocalModels) -> list[str]:
    return [model.name for model in models.list()]


# The home


def test_the_home_is_the_argument_then_the_variable_then_a_folder_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "me"))
    monkeypatch.setenv("RERANKER_WORKBENCH_HOME", "variable")
    assert find_home("given") == tmp_path / "given"
    assert find_home(Path("given")) == tmp_path / "given"
    assert find_home("~/given") == tmp_path / "me" / "given"
    assert find_home() == find_home("") == tmp_path / "variable"
    monkeypatch.setenv("RERANKER_WORKBENCH_HOME", "")
    assert find_home() == tmp_path / "workbench-data"
    monkeypatch.delenv("RERANKER_WORKBENCH_HOME")
    assert find_home() == tmp_path / "workbench-data"
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_created_until_something_is_added(models: LocalModels, tmp_path: Path) -> None:
    assert models.list() == []
    assert models.find("mine") is None
    with pytest.raises(RerankerError):
        models.add(str(tmp_path / "absent"))
    with pytest.raises(InputError):
        models.forget("mine")
    assert list(tmp_path.iterdir()) == []


# Names


def test_a_name_is_made_of_the_folders_and_made_unique(
    models: LocalModels, copy_checkpoint: CopyCheckpoint, tmp_path: Path
) -> None:
    for place in ("a", "b", "c"):
        models.add(str(copy_checkpoint("encoder", to=f"{place}/Mine")))
    models.add(str(copy_checkpoint("encoder", to="bge-reranker-v2-m3")))
    models.add(str(copy_checkpoint("encoder", to="bm25")))
    assert names(models) == ["Mine", "Mine-2", "Mine-3", "bge-reranker-v2-m3-2", "bm25-2"]
    assert models.add(str(copy_checkpoint("encoder", to="d/mine-2")))[0].name == "mine-2-2"


@pytest.mark.parametrize(
    ("folder", "name"),
    [
        ("  a \t b\n", "a b"),
        ("re\u202everse\u200b", "re verse"),
        ("back\\slash", "back slash"),
        ("\u200b", "model"),
        (" \u2028 ", "model"),
        ("熊猫 🐼", "熊猫 🐼"),
        ("cafe\u0301", "caf\u00e9"),
        ("<img onerror=x>", "<img onerror=x>"),
        ("m" * 100, "m" * 80),
    ],
)
def test_a_folders_name_that_is_no_name_is_made_one(
    folder: str, name: str, models: LocalModels, copy_checkpoint: CopyCheckpoint
) -> None:
    model, _ = models.add(str(copy_checkpoint("encoder", to=f"x/{folder}")))
    assert model.name == name
    assert LocalModels(models._file).list() == [model]


def test_a_long_name_that_is_made_unique_is_not_too_long(models: LocalModels, copy_checkpoint: CopyCheckpoint) -> None:
    for place in ("a", "b"):
        models.add(str(copy_checkpoint("encoder", to=f"{place}/{'m' * 100}")))
    assert names(models) == ["m" * 80, f"{'m' * 78}-2"]


@pytest.mark.parametrize(
    "name",
    [
        *("", "  ", ".", "..", "a/b", "/", "a\\b", "a\nb", "a\tb", "a\0b", "a\u200bb", "a\u202eb", "a\u2028b", "\ud800"),
        *("m" * 81, "BAAI/bge-reranker-v2-m3"),
    ],
)
def test_what_cannot_be_a_name_is_refused_in_one_sentence(
    name: str, models: LocalModels, checkpoints: Path, file: Path
) -> None:
    with pytest.raises(InputError, match="A name") as caught:
        models.add(str(checkpoints / "encoder"), name=name)
    assert str(caught.value).isprintable()
    assert not file.parent.exists()


@pytest.mark.parametrize("info", MODELS, ids=lambda info: info.name)
def test_a_name_that_hides_a_model_of_the_catalogue_is_refused(info: Any, models: LocalModels, checkpoints: Path) -> None:
    fullwidth = "".join(chr(ord(letter) + 0xFEE0) for letter in info.name)
    for name in (info.name, info.title, info.name.upper(), f" {info.title.casefold()} ", fullwidth):
        with pytest.raises(InputError, match="is a model of the catalogue, which it would hide"):
            models.add(str(checkpoints / "encoder"), name=name)


def test_a_name_that_is_taken_is_refused_in_any_case(models: LocalModels, checkpoints: Path) -> None:
    models.add(str(checkpoints / "encoder"), name="Café")
    for name in ("Café", "CAFÉ", " cafe\u0301 "):
        with pytest.raises(InputError, match="is the name of another model that was added"):
            models.add(str(checkpoints / "llm"), name=name)
    assert names(models) == ["Café"]


def test_a_given_name_is_kept_in_one_unicode_form_without_the_spaces_around_it(
    models: LocalModels, checkpoints: Path
) -> None:
    model, _ = models.add(str(checkpoints / "encoder"), name=" My cafe\u0301 ")
    assert model.name == "My caf\u00e9"


def test_the_same_again_is_refused_and_says_under_which_name_it_is_there(models: LocalModels, checkpoints: Path) -> None:
    models.add(str(checkpoints / "llm"), name="plain")
    models.add(str(checkpoints / "llm"), adapter=str(ADAPTERS / "adapter-llm"), name="tuned")
    with pytest.raises(InputError, match="is there already, as plain"):
        models.add(str(checkpoints / "llm"), name="other")
    with pytest.raises(InputError, match="is there already, as tuned"):
        models.add(str(checkpoints / "llm"), adapter=str(ADAPTERS / "adapter-llm"), name="other")
    assert names(models) == ["plain", "tuned"]


def test_a_model_is_found_by_its_name_in_any_case(models: LocalModels, checkpoints: Path) -> None:
    model, _ = models.add(str(checkpoints / "llm"), name="Mine")
    assert models.find("mine") == models.find("MINE") == models.find(" Mine ") == model
    assert models.find("min") is models.find("") is models.find(str(checkpoints / "llm")) is None


# Forgetting, and what has gone


def test_forgetting_leaves_the_folders_files(
    models: LocalModels, copy_checkpoint: CopyCheckpoint, copy_adapter: Callable[..., Path], file: Path
) -> None:
    base, adapter = copy_checkpoint("llm"), copy_adapter("adapter-llm")
    before = {path: path.read_bytes() for folder in (base, adapter) for path in folder.iterdir()}
    models.add(str(base), name="plain")
    models.add(str(base), adapter=str(adapter), name="Tuned")
    models.forget("tuned")
    assert names(models) == names(LocalModels(file)) == ["plain"]
    models.forget("plain")
    assert models.list() == []
    assert {path: path.read_bytes() for folder in (base, adapter) for path in folder.iterdir()} == before


def test_forgetting_what_was_never_added_lists_what_was(models: LocalModels, checkpoints: Path) -> None:
    with pytest.raises(InputError, match=r'No model "mine" was added.* There is none'):
        models.forget("mine")
    models.add(str(checkpoints / "llm"))
    with pytest.raises(InputError, match=r'No model "bm25" was added.* There are llm'):
        models.forget("bm25")
    assert names(models) == ["llm"]


@pytest.mark.parametrize("gone", ["base", "adapter"])
def test_a_model_whose_folder_has_gone_is_listed_and_says_so(
    gone: str, models: LocalModels, copy_checkpoint: CopyCheckpoint, copy_adapter: Callable[..., Path]
) -> None:
    folders = {"base": copy_checkpoint("llm"), "adapter": copy_adapter("adapter-llm")}
    model, _ = models.add(str(folders["base"]), adapter=str(folders["adapter"]), name="mine")
    shutil.rmtree(folders[gone])
    assert models.list() == [model]
    with pytest.raises(ModelNotFoundError, match=rf"The folder of mine is gone: {folders[gone]}\."):
        describe_local_model(model)
    models.forget("mine")
    assert models.list() == []


def test_a_folder_that_is_no_reranker_any_more_says_so(models: LocalModels, copy_checkpoint: CopyCheckpoint) -> None:
    folder = copy_checkpoint("encoder")
    model, _ = models.add(str(folder))
    (folder / "config.json").write_text("{}")
    with pytest.raises(UnsupportedModelError, match="no supported reranker"):
        describe_local_model(model)


@pytest.mark.parametrize("file", ["adapter_model.safetensors", "adapter_model.bin"])
@pytest.mark.parametrize("content", [b"", b"\xff" * 100, None])
def test_an_adapter_that_cannot_be_read_any_more_says_so(
    file: str, content: bytes | None, checkpoints: Path, copy_adapter: Callable[..., Path]
) -> None:
    folder = copy_adapter("adapter-layerwise-raw")
    model = LocalModel(name="mine", base=str(checkpoints / "raw_minicpm"), adapter=str(folder))
    (folder / "adapter_model.safetensors").unlink()
    if content is not None:
        (folder / file).write_bytes(content)
    with pytest.raises(RerankerError, match=r"no adapter|cannot be read|without score heads"):
        describe_local_model(model)


# The file


def test_the_list_is_a_file_that_a_person_can_read(
    models: LocalModels, file: Path, checkpoints: Path, copy_checkpoint: CopyCheckpoint
) -> None:
    folder = copy_checkpoint("encoder", to="熊猫")
    models.add(str(folder))
    models.add(str(checkpoints / "llm"), adapter=str(ADAPTERS / "adapter-llm"), name="tuned")
    text = file.read_text(encoding="utf-8")
    assert json.loads(text) == {
        "version": 1,
        "models": [
            {"name": "熊猫", "base": str(folder), "adapter": None},
            {"name": "tuned", "base": str(checkpoints / "llm"), "adapter": str(ADAPTERS / "adapter-llm")},
        ],
    }
    assert "熊猫" in text
    assert sorted(path.name for path in file.parent.iterdir()) == ["models.json", "models.json.lock"]


def test_a_file_saved_by_an_editor_with_a_byte_order_mark_is_read(
    models: LocalModels, file: Path, checkpoints: Path
) -> None:
    models.add(str(checkpoints / "llm"))
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes())
    assert names(models) == ["llm"]


def test_what_another_program_changed_is_seen_and_kept(file: Path, checkpoints: Path) -> None:
    mine, theirs = LocalModels(file), LocalModels(file)
    mine.add(str(checkpoints / "llm"))
    theirs.add(str(checkpoints / "encoder"))
    assert names(mine) == names(theirs) == ["llm", "encoder"]
    theirs.forget("llm")
    mine.add(str(checkpoints / "layerwise"))
    assert names(mine) == names(theirs) == ["encoder", "layerwise"]


ENTRY = {"name": "mine", "base": "/models/mine", "adapter": None}


def listed(*entries: object) -> str:
    return json.dumps({"version": 1, "models": entries})


DAMAGED = {
    "empty": "",
    "half": listed(ENTRY)[:-5],
    "deep": "[" * 100_000,
    "no utf-8": "\udcff",
    "a list": json.dumps([ENTRY]),
    "no version": json.dumps({"models": [ENTRY]}),
    "version 0": json.dumps({"version": 0, "models": [ENTRY]}),
    "version as text": json.dumps({"version": "2", "models": [ENTRY]}),
    "models an object": json.dumps({"version": 1, "models": {}}),
    "more beside": json.dumps({"version": 1, "models": [], "mine": 1}),
    "a text as entry": listed("mine"),
    "no base": listed({"name": "mine", "adapter": None}),
    "more in an entry": listed(ENTRY | {"mine": 1}),
    "a number as base": listed(ENTRY | {"base": 3}),
    "a number as adapter": listed(ENTRY | {"adapter": 3}),
    "null as name": listed(ENTRY | {"name": None}),
    "a path as name": listed(ENTRY | {"name": "a/b"}),
    "a surrogate as name": listed(ENTRY | {"name": "\ud800"}),
    "one name twice": listed(ENTRY, ENTRY | {"name": "MINE", "base": "/models/other"}),
}


@pytest.mark.parametrize("content", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_file_is_said_and_never_written_over(
    content: str, models: LocalModels, file: Path, checkpoints: Path
) -> None:
    assert_kept(models, file, content, checkpoints, match="is damaged and stays as it is")


@pytest.mark.parametrize("models_in_it", [[ENTRY], {"mine": "in a form of the future"}])
def test_a_file_of_a_newer_version_is_said_and_never_written_over(
    models_in_it: object, models: LocalModels, file: Path, checkpoints: Path
) -> None:
    content = json.dumps({"version": 2, "models": models_in_it, "more": True})
    assert_kept(models, file, content, checkpoints, match="newer version of this program: it has format 2, known here is 1")


def assert_kept(models: LocalModels, file: Path, content: str, checkpoints: Path, *, match: str) -> None:
    """Hold every method to one sentence that names the file, and the file to what it was."""
    file.parent.mkdir()
    file.write_bytes(content.encode(errors="surrogateescape"))
    before = file.read_bytes()
    calls: list[Callable[[], object]] = [
        models.list,
        lambda: models.find("mine"),
        lambda: models.add(str(checkpoints / "llm")),
        lambda: models.forget("mine"),
    ]
    for call in calls:
        with pytest.raises(InputError, match=match) as caught:
            call()
        message = str(caught.value)
        assert message.startswith(f"{file} ")
        assert message.endswith(".")
        assert len(message) < 500
    assert file.read_bytes() == before
    assert [path.name for path in file.parent.iterdir()] == ["models.json"]


def test_a_name_that_the_catalogue_came_to_have_later_leaves_the_list_readable(models: LocalModels, file: Path) -> None:
    file.parent.mkdir()
    file.write_text(listed(ENTRY | {"name": "v2-m3"}, ENTRY), encoding="utf-8")
    assert names(models) == ["v2-m3", "mine"]
    models.forget("v2-m3")
    assert names(models) == ["mine"]


def test_a_list_that_cannot_be_read_or_written_is_said(tmp_path: Path, checkpoints: Path) -> None:
    (tmp_path / "models.json").mkdir()
    with pytest.raises(InputError, match=r"models\.json cannot be read \(Is a directory\)"):
        LocalModels(tmp_path / "models.json").list()
    (tmp_path / "taken").touch()
    with pytest.raises(InputError, match=r"models\.json cannot be (read|written) \(Not a directory\)"):
        LocalModels(tmp_path / "taken" / "models.json").add(str(checkpoints / "llm"))


def test_a_full_disk_leaves_the_list_as_it_was(models: LocalModels, file: Path, checkpoints: Path) -> None:
    models.add(str(checkpoints / "llm"))
    before = file.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))  # bytes: less than two models take
    try:
        with pytest.raises(InputError, match=r"models\.json cannot be written"):
            models.add(str(checkpoints / "encoder"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file.read_bytes() == before
    assert sorted(path.name for path in file.parent.iterdir()) == ["models.json", "models.json.lock"]
    assert models.add(str(checkpoints / "encoder"))[0].name == "encoder"


@pytest.mark.parametrize(
    "kept", ["in one list", "in one list on a disk without locks", "in a list each, as other programs have", "in memory"]
)
def test_eight_threads_that_add_at_once_lose_nothing(
    kept: str, file: Path, copy_checkpoint: CopyCheckpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def have_no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    if "without locks" in kept:
        monkeypatch.setattr(fcntl, "flock", have_no_locks)
    models = LocalModels(None if kept == "in memory" else file)
    folders = [[str(copy_checkpoint("llm", to=f"{thread}/{turn}/mine")) for turn in range(3)] for thread in range(8)]
    barrier = threading.Barrier(8)
    errors: list[BaseException] = []

    def add(thread: int) -> None:
        mine = LocalModels(file) if "each" in kept else models
        try:
            for folder in folders[thread]:
                barrier.wait(60)
                mine.add(folder)
                assert folder in [model.base for model in mine.list()]
        except BaseException as error:
            errors.append(error)
            barrier.abort()

    threads = [threading.Thread(target=add, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert sorted(model.base for model in models.list()) == sorted(folder for mine in folders for folder in mine)
    assert sorted(names(models)) == sorted(["mine", *(f"mine-{number}" for number in range(2, 25))])


def test_a_list_without_a_file_lives_in_memory(checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    models = LocalModels()
    model, _ = models.add(str(checkpoints / "llm"))
    models.add(str(checkpoints / "encoder"))
    models.list().clear()
    assert names(models) == ["llm", "encoder"]
    models.forget("encoder")
    assert models.list() == [model]
    assert LocalModels().list() == []
    assert list(tmp_path.iterdir()) == []


def test_listing_and_describing_need_no_torch(models: LocalModels, file: Path, checkpoints: Path) -> None:
    models.add(str(checkpoints / "raw_minicpm"), adapter=str(ADAPTERS / "adapter-layerwise-raw"))
    models.add("v2-gemma", adapter=str(ADAPTERS / "adapter-llm"))
    models.add(str(checkpoints / "encoder"))
    code = (
        "import sys; from pathlib import Path;"
        "from reranker_core.local_models import LocalModels, describe_local_model;"
        "print([describe_local_model(m).family for m in LocalModels(Path(sys.argv[1])).list()]);"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "['layerwise', 'decoder', 'encoder']\n"
