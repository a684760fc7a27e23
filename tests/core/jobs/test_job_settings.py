"""Settings as commands, failures as sentences, and what `start` of the command line takes."""

import errno
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reranker_core.errors import AdapterError, InputError, TrainingError
from reranker_core.jobs import Jobs, command_of, torchrun_command
from reranker_core.jobs.command_line import main
from reranker_core.jobs.failures import explain_failure
from reranker_core.jobs.folder import JobFolder
from reranker_core.jobs.records import find_device, settle
from reranker_core.training import make_settings as settings_of
from reranker_core.training.command_line import read_settings
from reranker_core.training.flags import parse_flags
from reranker_core.training.settings import TrainingSettings

MakeSettings = Callable[..., TrainingSettings]
MakeJob = Callable[..., JobFolder]

PLAIN = {"model_name_or_path": "BAAI/bge-reranker-v2-m3", "train_data": ["a.jsonl", "b c.jsonl"], "output_dir": "run"}


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"preset": "encoder", "hold_out": 0.2, "learning_rate": 3e-05},
        {"preset": "encoder", "head_learning_rate": None, "target_modules": ["query"]},
        {"preset": "decoder", "gradient_checkpointing": False, "prompt": '-x "é" $HOME'},
        {"train_data": ["-odd.jsonl"], "output_dir": "-run", "save_total_limit": None, "use_lora": False, "seed": 0},
    ],
)
def test_a_command_trains_with_the_very_settings_that_it_was_made_of(values: dict[str, object]) -> None:
    settings = settings_of(PLAIN | values)
    command = command_of(settings)
    assert command[:3] == ["python", "-m", "reranker_core.training"]
    again = read_settings(parse_flags(command[3:]))
    wanted = settings.to_dict()
    wanted |= {"train_data": [name.removeprefix("./") for name in wanted["train_data"]]}
    assert again.to_dict() == wanted


def test_a_command_has_only_what_differs_from_the_defaults_and_the_preset() -> None:
    start = ["--model_name_or_path", "BAAI/bge-reranker-v2-m3", "--train_data", "a.jsonl", "b c.jsonl"]
    assert command_of(settings_of(PLAIN))[3:] == [*start, "--output_dir", "run"]
    settings = settings_of(PLAIN | {"preset": "encoder", "device": "cuda:1"})
    flags = command_of(settings)[3:]
    assert sorted(flags) == sorted([*start, "--output_dir", "run", "--preset", "encoder", "--device", "cuda:1"])
    several = torchrun_command(settings, processes=4)
    assert several[:5] == ["torchrun", "--nproc_per_node", "4", "-m", "reranker_core.training"]
    assert "--device" not in several


def test_settings_of_a_job_mean_the_same_from_everywhere(
    make_settings: MakeSettings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "model").mkdir()
    given = make_settings(model_name_or_path="model", train_data=("rows.jsonl",), dev_data="rows.jsonl")
    settled = settle(given, tmp_path / "job")
    assert settled.output_dir == tmp_path / "job"
    assert (settled.model_name_or_path, settled.dev_data) == (str(tmp_path / "model"), tmp_path / "rows.jsonl")
    assert settled.train_data == (tmp_path / "rows.jsonl",)
    assert settle(make_settings(model_name_or_path="BAAI/x"), tmp_path).model_name_or_path == "BAAI/x"
    with pytest.raises(InputError, match="begins at the beginning"):
        settle(make_settings(resume_from_checkpoint="latest"), tmp_path)


def test_one_device_has_one_name(make_settings: MakeSettings) -> None:
    names = {device: find_device(make_settings(device=device)) for device in ("cpu", "cpu:0", "cuda", "cuda:0", "cuda:1")}
    assert names == {"cpu": "cpu", "cpu:0": "cpu", "cuda": "cuda:0", "cuda:0": "cuda:0", "cuda:1": "cuda:1"}


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


class OutOfMemoryError(RuntimeError):
    """Named as torch's."""


@pytest.mark.parametrize(
    ("error", "kind", "part"),
    [
        (
            caused(TrainingError("The GPU's memory (8 GB) does not suffice."), OutOfMemoryError()),
            "memory",
            "The GPU's memory",
        ),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), "memory", "Memory ran out"),
        (MemoryError(), "memory", "Memory ran out"),
        (OSError(errno.ENOSPC, "No space left on device"), "space", "The disk is full"),
        (caused(InputError("x cannot be written."), OSError(errno.EDQUOT, "quota")), "space", "The disk is full. x cannot"),
        (InputError("rows.jsonl:3: bad."), "data", "rows.jsonl:3: bad."),
        (TrainingError("The gradient of step 3 is not finite: try less."), "diverged", "step 3 is not finite"),
        (AdapterError("w holds numbers that are not finite"), "diverged", "not finite"),
        (KeyError("step"), "bug", "(KeyError: 'step'). The log has all of it."),
    ],
)
def test_a_failure_is_read_plainly(error: Exception, kind: str, part: str) -> None:
    failure = explain_failure(error)
    assert failure.kind == kind
    assert part in failure.message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["start", "--output_dir", "x"], "leave --output_dir out"),
        (["start", "--train_data", "x.jsonl"], "model_name_or_path must be given"),
        (["start", "--model_name_or_path", "m", "--train_data", "x.jsonl"], "x.jsonl is not there"),
        (["start", "--model_name_or_path", "m", "--train_data", "x.jsonl", "--lerning_rate", "1"], "--learning_rate meant"),
        (["stop", "../../etc"], 'There is no job "../../etc"'),
        (["follow"], "There is no job in"),
    ],
)
def test_a_command_that_cannot_be_done_says_why(
    arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*arguments, "--home", str(tmp_path)]) == 2
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert message in err
    assert list(tmp_path.glob("jobs/2*")) == []


def test_list_and_follow_show_jobs_that_ended(jobs: Jobs, make_job: MakeJob, capsys: pytest.CaptureFixture[str]) -> None:
    old, new = make_job("20260102-030405-aaaaaa", name="old"), make_job("20260102-030405-bbbbbb", name="new")
    new.state.write_text(json.dumps({"attempt": 1, "status": "stopped", "message": "Stopped and saved.", "step": 3}))
    new.exit.write_text(json.dumps({"attempt": 1, "rc": 0}))
    home = ["--home", str(jobs.folder.parent)]
    assert main(["list", *home]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines] == [["id", "state"], [new.id, "stopped"], [old.id, "lost"]]
    assert main(["list", "--json", *home]) == 0
    assert [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()] == ["new", "old"]
    assert main(["follow", *home]) == 0
    assert "Stopped: Stopped and saved." in capsys.readouterr().err
    assert main(["follow", old.id, *home]) == 2
    assert capsys.readouterr().err.startswith("old is lost: ")
    assert main(["merge", old.id, *home]) == 2
    assert "has no adapter to merge" in capsys.readouterr().err
