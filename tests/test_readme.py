"""README is run: its Python blocks print what they say, its commands work, its tree and pictures exist."""

import contextlib
import io
import json
import re
import shlex
from pathlib import Path

import pytest

from annotations.command_line import main as run_labels
from reranker_core.command_line import main
from reranker_core.jobs.command_line import main as run_jobs
from reranker_core.training.command_line import main as train

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    """Take the fenced blocks of one language out of README."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.DOTALL | re.MULTILINE)


def number(word: str) -> float:
    """Read a number out of a printed word such as `[[0.25,`."""
    return float(word.strip("[](),"))


API = next(block for block in blocks("python") if "from reranker_core import load_reranker" in block)


def test_the_python_example_prints_what_readme_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(API, "README.md", "exec"), {})
    expected, came = blocks("text")[0].split(), printed.getvalue().split()
    assert len(came) == len(expected)
    for theirs, ours in zip(expected, came, strict=True):
        # Another processor rounds the last digits in another way.
        assert theirs == ours or number(theirs) == pytest.approx(number(ours), abs=1e-5)
    assert len(API.strip().splitlines()) <= 20


TRAINING = next(block for block in blocks("bash") if "python -m reranker_core.training" in block).strip().splitlines()


@pytest.mark.parametrize(
    "command",
    [
        command
        for command in re.findall(r"^python -m reranker_core (.*)$", README, flags=re.MULTILINE)
        if f"python -m reranker_core {command}" not in TRAINING
    ],
)
def test_each_command_of_readme_runs(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert main(shlex.split(command, comments=True)) == 0
    assert capsys.readouterr().out


def test_the_commands_for_labels_of_readme_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RERANKER_WORKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    commands = re.findall(r"^python -m annotations (.*)$", README, flags=re.MULTILINE)
    for command in commands:
        assert run_labels(shlex.split(command)) == 0, capsys.readouterr().err
    assert len(commands) == 6
    rows = [json.loads(line) for line in (tmp_path / "train.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [(row["query"], len(row["pos"]), len(row["neg"])) for row in rows] == [
        ("what is panda?", 1, 2),
        ("熊猫吃什么？", 1, 1),
        ("what do bees eat?", 1, 1),
    ]


@pytest.mark.slow
def test_the_commands_for_training_of_readme_run_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("tests", "assets"):
        (tmp_path / folder).symlink_to(ROOT / folder)
    printed = []
    for _, _, module, *arguments in map(shlex.split, TRAINING):
        assert (train if module.endswith("training") else main)(arguments) == 0, capsys.readouterr().err
        printed.append(capsys.readouterr().out)
    assert (tmp_path / "first-run" / "adapter" / "adapter_model.safetensors").is_file()
    assert "first-run" in printed[1]
    assert [json.loads(line)["passage"] for line in printed[2].splitlines()] == ["hi", "大熊猫是中国特有的熊科动物。", "hi"]
    assert (tmp_path / "first-model" / "config.json").is_file()


@pytest.mark.slow
def test_the_commands_for_jobs_of_readme_do_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("RERANKER_WORKBENCH_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(ROOT)
    commands = re.findall(r"^python -m reranker_core\.jobs (\w+)(.*)$", README, flags=re.MULTILINE)
    assert [name for name, _ in commands] == ["start", "list", "follow", "stop", "resume", "merge"]
    made = ""
    for name, flags in commands:
        given = [made if re.fullmatch(r"\d{8}-\d{6}-\w+", flag) else flag for flag in shlex.split(flags)]
        code = run_jobs([name, *given])
        printed = capsys.readouterr()
        # There is nothing left to go on with when a job was followed to its end: the command says so.
        assert code == (2 if name == "resume" else 0), printed.err
        made = made or next(iter((tmp_path / "home" / "jobs").glob("*-*-*"))).name
    folder = tmp_path / "home" / "jobs" / made
    assert (folder / "report.md").read_text(encoding="utf-8").startswith("#")
    assert (folder / "merged_model" / "config.json").is_file()


@pytest.mark.parametrize(
    "snippet", sorted((ROOT / "tests/core/transformers_snippets").glob("*.py")), ids=lambda path: path.stem
)
def test_the_transformers_code_is_the_code_that_is_held_to_our_scores(snippet: Path) -> None:
    _, code = snippet.read_text(encoding="utf-8").split("\n", 1)  # without the line for the linter
    assert code in blocks("python")


def test_every_part_of_the_tree_exists() -> None:
    tree = next(block for block in blocks("text") if "reranker_core/" in block)
    folder = ""
    for line in tree.splitlines():
        name = line.split()[0] if line.strip() else ""
        if not name:
            continue
        if not line.startswith(" "):
            folder = name if name.endswith("/") else ""
            assert (ROOT / name).exists(), line
        else:
            assert (ROOT / folder / name).exists(), line


def test_every_module_of_the_core_is_in_the_tree() -> None:
    tree = next(block for block in blocks("text") if "reranker_core/" in block)
    for module in (ROOT / "reranker_core").glob("*.py"):
        assert module.name.startswith("__") or f" {module.name} " in tree, module.name


def test_every_picture_exists() -> None:
    for picture in re.findall(r"!\[.*?\]\((.*?)\)", README):
        assert (ROOT / picture).is_file()


def test_public_names_are_named() -> None:
    import reranker_core

    for name in reranker_core.__all__:
        assert name in README, name
