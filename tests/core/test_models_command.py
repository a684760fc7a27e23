"""`python -m reranker_core models`, and what was added by it under `score` and `rank`."""

import json
import re
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reranker_core import MODELS, load_reranker
from tests.shell import Result, Run, assert_refused, make_run

PAIRS = [
    ("what is panda?", "The giant panda is a bear species endemic to China."),
    ("大熊猫是什么?", "大熊猫是中国特有的熊科动物。"),
    ("", "an empty query 🐼"),
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that nobody has made yet."""
    return tmp_path / "workbench-data"


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, home: Path) -> Run:
    """Run the command line in this process, with bytes on its standard input."""
    return make_run(capsys, monkeypatch, home=home)


@pytest.fixture
def pairs_file(tmp_path: Path) -> Path:
    """PAIRS as jsonl."""
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps(pair) + "\n" for pair in PAIRS), encoding="utf-8")
    return path


def test_an_added_folder_is_listed_after_the_catalogue_until_it_is_forgotten(
    run: Run, checkpoints: Path, home: Path
) -> None:
    added = run("models", "--add", checkpoints / "layerwise", "--as", "Mine")
    assert (added.code, added.err) == (0, "")
    (row,) = added.rows
    assert (row["name"], row["family"], row["ready"], row["layers"]) == ("Mine", "layerwise", "ready", "2-8")
    listed = run("models", checkpoints / "encoder").rows
    assert [each["name"] for each in listed] == [*(model.name for model in MODELS), "Mine", str(checkpoints / "encoder")]
    assert listed[-2] == row
    assert [list(each) for each in listed] == [list(row)] * len(listed)
    forgotten = run("models", "--forget", "mine")
    assert forgotten == Result(0, "", f"note: Mine is forgotten; {checkpoints / 'layerwise'} stays as it is\n")
    assert [each["name"] for each in run("models").rows] == [model.name for model in MODELS]
    assert (checkpoints / "layerwise" / "config.json").is_file()
    assert json.loads((home / "models.json").read_text(encoding="utf-8"))["models"] == []


def test_listing_and_scoring_make_no_home(run: Run, home: Path) -> None:
    assert run("models").code == 0
    assert run("score", "--model", "nonsense", stdin=b'["q", "p"]').code == 2
    assert run("models", "--forget", "mine").code == 2
    assert not home.exists()


def test_the_home_is_an_option_of_every_command(run: Run, checkpoints: Path, home: Path, tmp_path: Path) -> None:
    other = ["--home", tmp_path / "other"]
    assert run("models", *other, "--add", checkpoints / "encoder", "--as", "mine").code == 0
    assert (tmp_path / "other" / "models.json").is_file()
    assert not home.exists()
    assert run("models", *other).rows[-1]["name"] == "mine"
    assert run("models").rows[-1]["name"] == MODELS[-1].name
    assert run("score", *other, "--model", "mine", stdin=b'["q", "p"]').code == 0
    assert run("rank", *other, "--model", "mine", "--query", "q", stdin=b"p").code == 0
    assert_refused(run("score", "--model", "mine", stdin=b'["q", "p"]'), "mine")


@pytest.mark.parametrize(
    ("base", "adapter", "options"),
    [
        ("encoder", None, {}),
        ("llm", "adapter-llm", {}),
        ("layerwise", "adapter-layerwise", {"cutoff_layers": [5]}),
        ("raw_minicpm", "adapter-layerwise-raw", {"cutoff_layers": [3]}),
    ],
)
def test_an_added_model_scores_by_its_name_as_its_folders_do_in_the_library(
    base: str, adapter: str | None, options: dict[str, Any], run: Run, pairs_file: Path, checkpoints: Path
) -> None:
    folder = checkpoints / "adapters" / adapter if adapter else None
    with_adapter = ["--adapter", folder] if folder else []
    assert run("models", "--add", checkpoints / base, *with_adapter, "--as", "My model").code == 0
    layers = ["--cutoff_layers", *options["cutoff_layers"]] if options else []
    expected = load_reranker(checkpoints / base, adapter=folder).score(PAIRS, **options).column()
    scored = run("score", "--model", "my MODEL", "--input", pairs_file, *layers)
    assert (scored.code, scored.err) == (0, "")
    assert [row["score"] for row in scored.rows] == pytest.approx(expected, abs=1e-6)
    ranked = run("rank", "--model", "My model", *layers, "--query", "what is panda?", stdin=b"hi\na panda\n")
    in_library = load_reranker(checkpoints / base, adapter=folder)
    scores = in_library.score([("what is panda?", "hi"), ("what is panda?", "a panda")], **options).column()
    assert {row["index"]: row["score"] for row in ranked.rows} == pytest.approx(dict(enumerate(scores)), abs=1e-6)


def test_what_is_worth_knowing_of_an_added_model_is_a_note(run: Run, checkpoints: Path) -> None:
    result = run("models", "--add", "large", "--adapter", checkpoints / "adapters" / "adapter-llm")
    assert [(row["name"], row["ready"], row["base model"]) for row in result.rows] == [
        ("adapter-llm", "not here", "bge-reranker-large")
    ]
    assert re.fullmatch(r"note: bge-reranker-large is not on this machine\. .*\n", result.err)


@pytest.mark.usefixtures("published_cache")
def test_an_adapter_on_a_model_in_the_cache_is_ready_and_scores(run: Run, pairs_file: Path, checkpoints: Path) -> None:
    adapter = checkpoints / "adapters" / "adapter-llm"
    added = run("models", "--add", "v2-gemma", "--adapter", adapter, "--as", "tuned")
    assert [row["ready"] for row in added.rows] == ["ready"]
    assert "note: " in added.err  # the adapter names the folder on which it was trained
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scored = run("score", "--model", "tuned", "--input", pairs_file, "--offline")
        expected = load_reranker(checkpoints / "llm", adapter=adapter).compute_score(PAIRS)
    assert [row["score"] for row in scored.rows] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--add", "absent-folder"], "absent-folder"),
        (["--add", "bge-reranker-base"], "in the catalogue"),
        (["--add", "ADAPTER"], "is an adapter: add it with its base"),
        (["--add", "ENCODER", "--adapter", "ADAPTER"], "does not fit"),
        (["--add", "ENCODER", "--as", "v2-m3"], "a model of the catalogue"),
        (["--add", "ENCODER", "--as", ""], "A name needs a character"),
        (["--add", "ENCODER", "--adapter", ""], "The adapter is an empty text"),
        (["--add", ""], "The model is an empty text"),
        (["--add", "ENCODER", "ENCODER"], "--add"),
        (["--forget", "mine", "ENCODER"], "--forget"),
        (["--forget", "bm25"], 'No model "bm25" was added'),
        (["--forget", ""], 'No model "" was added'),
        (["--adapter", "ADAPTER"], "--add"),
        (["--as", "mine"], "--add"),
        (["absent-folder"], "absent-folder has no config.json"),
    ],
)
def test_what_cannot_be_added_or_forgotten_is_refused_in_one_line(
    arguments: list[str], message: str, run: Run, checkpoints: Path, home: Path
) -> None:
    folders = {"ENCODER": str(checkpoints / "encoder"), "ADAPTER": str(checkpoints / "adapters" / "adapter-llm")}
    assert_refused(run("models", *(folders.get(argument, argument) for argument in arguments)), message)
    assert not home.exists()


def test_adding_and_forgetting_at_once_is_refused(run: Run, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run("models", "--add", "a", "--forget", "b")
    assert "not allowed with" in capsys.readouterr().err


def test_a_model_whose_folder_has_gone_has_a_row_with_the_reason(
    run: Run, copy_checkpoint: Callable[..., Path], checkpoints: Path
) -> None:
    folder = copy_checkpoint("encoder")
    run("models", "--add", folder, "--as", "mine")
    run("models", "--add", checkpoints / "llm")
    shutil.rmtree(folder)
    listed = run("models")
    assert listed.code == 0
    assert [(row["name"], row["ready"]) for row in listed.rows[-2:]] == [("mine", "not usable"), ("llm", "ready")]
    assert f"The folder of mine is gone: {folder}" in listed.rows[-2]["warning"]
    assert list(listed.rows[-2]) == list(listed.rows[-1])
    assert len(run("models", "--output_format", "table").out.splitlines()) == 1 + len(listed.rows)
    assert_refused(run("score", "--model", "mine", stdin=b'["q", "p"]'), f"The folder of mine is gone: {folder}")


def test_a_second_adapter_on_a_model_that_has_one_is_refused(run: Run, checkpoints: Path) -> None:
    adapter = checkpoints / "adapters" / "adapter-llm"
    run("models", "--add", checkpoints / "llm", "--adapter", adapter, "--as", "tuned")
    run("models", "--add", checkpoints / "llm", "--as", "plain")
    two = run("score", "--model", "tuned", "--adapter", adapter, stdin=b'["q", "p"]')
    assert_refused(two, "tuned has an adapter already")
    one = run("score", "--model", "plain", "--adapter", adapter, stdin=b'["q", "p"]')
    assert one.rows == run("score", "--model", "tuned", stdin=b'["q", "p"]').rows
    assert one.rows != run("score", "--model", "plain", stdin=b'["q", "p"]').rows


def test_an_added_name_goes_before_a_folder_of_that_name_and_says_so(
    run: Run, copy_checkpoint: Callable[..., Path], checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_checkpoint("llm", to="mine")
    monkeypatch.chdir(tmp_path)
    as_folder = run("score", "--model", "mine", stdin=b'["q", "p"]')
    assert as_folder.err == ""
    run("models", "--add", checkpoints / "encoder", "--as", "mine")
    by_name = run("score", "--model", "mine", stdin=b'["q", "p"]')
    assert by_name.err == "note: mine is the model that was added under this name; for the folder here write ./mine\n"
    assert by_name.rows != as_folder.rows
    assert run("score", "--model", "./mine", stdin=b'["q", "p"]') == as_folder
    run("models", "--forget", "mine")
    run("models", "--add", "./mine")
    assert run("score", "--model", "mine", stdin=b'["q", "p"]') == as_folder


def test_a_damaged_list_stops_neither_the_catalogue_nor_a_path(
    run: Run, home: Path, checkpoints: Path, published_cache: Path
) -> None:
    assert published_cache.is_dir()
    home.mkdir()
    (home / "models.json").write_text("{", encoding="utf-8")
    for model in ("bm25", "v2-m3", "BAAI/bge-reranker-v2-m3", checkpoints / "encoder"):
        assert run("score", "--model", model, stdin=b'["q", "p"]').code == 0
    for arguments in (["score", "--model", "mine"], ["models"], ["models", "--forget", "mine"]):
        assert_refused(run(*arguments, stdin=b'["q", "p"]'), "models.json is damaged and stays as it is")
    assert (home / "models.json").read_text(encoding="utf-8") == "{"
