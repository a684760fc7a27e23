"""`python -m reranker_core.training`: the card's commands as pasted, other people's flags, and what the person sees."""

import json
import os
import platform
import re
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from reranker_core.errors import InputError
from reranker_core.training.arguments import make_arguments
from reranker_core.training.command_line import main, read_settings
from reranker_core.training.flags import parse_flags
from reranker_core.training.options import Option
from reranker_core.training.presets import name_preset
from reranker_core.training.progress import TrainingProgress
from reranker_core.training.results import read_result
from reranker_core.training.settings import TrainingSettings, training_options
from reranker_core.training.terminal import ProgressView, StopRequest
from tests.core.training.pasted_commands import read_card_command

ROOT = Path(__file__).parents[3]
TOY = ROOT / "assets" / "toy_finetune_data.jsonl"
NEEDED = ["--model_name_or_path", "m", "--train_data", "t.jsonl", "--output_dir", "out"]


def settings_of(*flags: str) -> TrainingSettings:
    return read_settings(parse_flags([*NEEDED, *flags]))


# Flags


def test_the_cards_command_for_llm_rerankers_means_what_it_says() -> None:
    made = read_settings(parse_flags(read_card_command("llm", output_dir="out")))
    assert made == TrainingSettings(
        model_name_or_path="google/gemma-2b",
        train_data=(Path("toy_finetune_data.jsonl"),),
        output_dir=Path("out"),
        learning_rate=2e-4,
        num_train_epochs=1,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=16,
        dataloader_drop_last=True,
        query_max_len=512,
        passage_max_len=512,
        train_group_size=16,
        logging_steps=1,
        save_steps=2000,
        save_total_limit=50,
        ddp_find_unused_parameters=False,
        gradient_checkpointing=True,
        deepspeed=Path("stage1.json"),
        warmup_ratio=0.1,
        bf16=True,
        use_lora=True,
        lora_rank=32,
        lora_alpha=64,
        use_flash_attn=True,
        target_modules=("q_proj", "k_proj", "v_proj", "o_proj"),
    )


def test_the_cards_command_for_layerwise_rerankers_adds_its_heads() -> None:
    made = read_settings(parse_flags(read_card_command("layerwise", output_dir="out")))
    assert (made.start_layer, made.head_multi, made.head_type) == (8, True, "simple")
    assert made.lora_extra_parameters == ("linear_head",)
    assert made.model_name_or_path == "openbmb/MiniCPM-2B-dpo-bf16"


@pytest.mark.parametrize("option", training_options(), ids=lambda option: option.name)
def test_every_setting_has_its_flag(option: Option) -> None:
    text: str = {"preset": "encoder", "head_type": "simple"}.get(option.name) or (option.choices or ("a b",))[-1]
    values: dict[type, Any] = {bool: False, int: 3, float: 0.25, Path: Path("a b"), str: text}
    value = values[option.kind]
    needs = {"early_stopping_patience": ["--hold_out", "0.1"]}.get(option.name, [])
    made = settings_of(*needs, f"--{option.name}", str(value))
    assert getattr(made, option.name) == ((value,) if option.is_list else value)
    assert type(getattr(made, option.name)) is (tuple if option.is_list else type(value))


@pytest.mark.parametrize(
    ("flags", "name", "value"),
    [
        (["--bf16"], "bf16", True),
        (["--bf16", "--lora_rank", "4"], "bf16", True),
        (["--use_lora", "false"], "use_lora", False),
        (["--use_lora", "0"], "use_lora", False),
        (["--use_lora=True"], "use_lora", True),
        (["--use_fp16", "True"], "fp16", True),
        (["--modules_to_save", "classifier", "pooler"], "lora_extra_parameters", ("classifier", "pooler")),
        (["--evaluation_strategy", "no"], "eval_strategy", "no"),
        (["--max_steps", "-1"], "max_steps", None),
        (["--dropout", "none"], "dropout", None),
        (["--learning_rate", "6E-5"], "learning_rate", 6e-5),
        (["--prompt", "Is it -- so?"], "prompt", "Is it -- so?"),
        (["--query_instruction_for_rerank", "A: "], "query_instruction_for_rerank", "A: "),
        (["--train_data", "a.jsonl", "b"], "train_data", (Path("a.jsonl"), Path("b"))),
    ],
)
def test_flags_are_written_as_people_write_them(flags: list[str], name: str, value: Any) -> None:
    assert getattr(settings_of(*flags), name) == value


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--lora_rnk", "4"], "--lora_rnk is no option. Is --lora_rank meant?"),
        (["--train-group-size=4"], "--train-group-size is no option. Is --train_group_size meant?"),
        (["--lora"], r"--lora is no option\."),
        (["--lora_rank", "four"], 'lora_rank must be a whole number, got "four"'),
        (["--bf16", "perhaps"], 'bf16 must be true or false, got "perhaps"'),
        (["--lora_rank"], "argument --lora_rank: expected one argument. --help lists all"),
        (["--lora_rank", "4", "stray"], '"stray" belongs to no option'),
        (["--overwrite_output_dir"], "--overwrite_output_dir is not taken. Nothing is written over"),
        (["--trust_remote_code", "True"], "--trust_remote_code is not taken. Code of a model folder is never run"),
        (["--token", "secret"], "--token is not taken. A token among the arguments is seen by everyone"),
        (["--shuffle_ratio", "0.5"], "--shuffle_ratio is not taken"),
        (["--head_type", "complex"], 'head_type must be "simple"'),
        (["--preset", "best"], 'There is no preset "best"'),
    ],
)
def test_a_flag_that_cannot_be_is_refused_with_what_to_do(flags: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        settings_of(*flags)


def test_flags_of_flagembedding_that_change_nothing_are_taken_and_said() -> None:
    parsed = parse_flags(
        [
            *NEEDED,
            "--model_type",
            "decoder",
            "--finetune_type",
            "from_raw_model",
            "--pad_to_multiple_of",
            "8",
            "--local_rank=0",
        ]
    )
    assert [note.split(" ")[0] for note in parsed.notes] == ["--model_type", "--finetune_type", "--pad_to_multiple_of"]
    harmless = ["--overwrite_output_dir", "False", "--shuffle_ratio", "0.0", "--query_instruction_format", "{}{}"]
    assert parse_flags([*NEEDED, *harmless, "--sep_token", r"\n"]).notes == ()


def test_a_run_that_was_moved_goes_on_where_its_settings_lie(tmp_path: Path) -> None:
    stored = settings_of().to_dict()
    (tmp_path / "settings.json").write_text(json.dumps(stored), encoding="utf-8")
    flags = ["--settings", str(tmp_path / "settings.json")]
    assert read_settings(parse_flags(flags)).output_dir == Path("out")  # settings alone are no run
    (tmp_path / "metrics.jsonl").touch()
    assert read_settings(parse_flags(flags)).output_dir == tmp_path
    assert read_settings(parse_flags([*flags, "--output_dir", "new"])).output_dir == Path("new")


@pytest.mark.parametrize(("given", "meant"), [("True", "latest"), ("False", None), ("latest", "latest"), ("a/b", "a/b")])
def test_resuming_is_written_as_in_transformers_too(given: str, meant: str | None) -> None:
    assert settings_of("--resume_from_checkpoint", given).resume_from_checkpoint == meant


def test_a_gpu_that_is_not_there_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"torch sees 0 GPUs\. Choose cpu"):
        make_arguments(settings_of("--device", "cuda"), tmp_path, rows=3, has_dev_set=False)


def test_a_value_of_a_preset_that_does_not_fit_names_the_preset() -> None:
    with (
        pytest.raises(InputError, match=r"^target_modules names q_proj. The value is of --preset card, which is for: "),
        name_preset(settings_of("--preset", "card")),
    ):
        raise InputError("target_modules names q_proj.")
    for given in (["--preset", "card", "--target_modules", "o_proj"], []):
        with pytest.raises(InputError, match=r"^target_modules names o_proj.$"), name_preset(settings_of(*given)):
            raise InputError("target_modules names o_proj.")


def test_the_deepspeed_configuration_that_is_shipped_leaves_everything_to_the_flags() -> None:
    shipped = json.loads((ROOT / "assets" / "stage1.json").read_text(encoding="utf-8"))
    assert shipped.pop("zero_optimization") == {"stage": 1}
    assert shipped.pop("bf16") == shipped.pop("fp16") == {"enabled": "auto"}
    assert set(shipped.values()) == {"auto"}
    assert not {"optimizer", "scheduler"} & shipped.keys()


def test_a_deepspeed_configuration_that_is_no_file_is_refused_with_the_shipped_ones_name(tmp_path: Path) -> None:
    settings = settings_of("--device", "cpu", "--deepspeed", str(tmp_path / "stage1.json"))
    with pytest.raises(InputError, match=r"stage1.json is no file here. assets/stage1.json of this project is one"):
        make_arguments(settings, tmp_path, rows=3, has_dev_set=False)


def test_flags_go_before_a_settings_file_and_that_before_the_defaults(tmp_path: Path) -> None:
    path = tmp_path / "settings.json"
    path.write_text(
        json.dumps(settings_of("--lora_rank", "4", "--seed", "7", "--preset", "card").to_dict()), encoding="utf-8"
    )
    made = read_settings(parse_flags(["--settings", str(path), "--seed", "8", "--resume_from_checkpoint", "latest"]))
    assert (made.lora_rank, made.seed, made.resume_from_checkpoint, made.bf16) == (4, 8, "latest", True)
    assert made.model_name_or_path == "m"
    with pytest.raises(InputError, match="--preset and --settings both bring a whole set"):
        read_settings(parse_flags(["--settings", str(path), "--preset", "card"]))


def test_help_lists_every_option_with_its_bounds(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--help"])
    assert ended.value.code == 0
    shown = " ".join(capsys.readouterr().out.split())
    assert all(f"--{option.name}" in shown for option in training_options())
    assert "one positive and its negatives (passages; at least 2; default: 16)" in shown
    assert "--preset card|card-layerwise|encoder|encoder-full|decoder|layerwise" in shown


# What the person sees


def test_bad_input_ends_with_2_and_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--train_data", "t.jsonl"]) == 2
    assert capsys.readouterr().err == (
        "model_name_or_path, output_dir must be given: the model to start from: a catalogue or Hugging Face name, or a "
        "folder.\n"
    )


def test_of_several_processes_only_the_first_speaks(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RANK", "1")
    assert main(["--train_data", "t.jsonl"]) == 2
    assert capsys.readouterr().err == ""


def test_where_nobody_watches_progress_is_lines_and_few(capsys: pytest.CaptureFixture[str]) -> None:
    view = ProgressView(is_terminal=False)
    view.show(TrainingProgress(stage="loading", done=5, total=10, notes=("3 rows.", "3 steps.")))
    for step in range(1, 51):
        figures = {"loss": 1 / step, "gap": None, "tokens_per_second": 1234.5}
        view.show(TrainingProgress(stage="training", done=step, total=50, figures=figures))
    view.close()
    assert capsys.readouterr().err.splitlines() == [
        "3 rows.",
        "3 steps.",
        "step 1 of 50: loss 1.0000, tokens/s 1,234",
        "step 50 of 50: loss 0.0200, tokens/s 1,234",
    ]


def test_on_a_terminal_a_bar_moves_below_the_sentences(capsys: pytest.CaptureFixture[str]) -> None:
    view = ProgressView(is_terminal=True)
    view.show(TrainingProgress(stage="training", done=1, total=4, figures={"loss": 0.5}))
    view.show(TrainingProgress(stage="training", done=4, total=4, notes=("Better.",), figures={"loss": 0.25}))
    view.show(TrainingProgress(stage="measuring", done=3, total=9))
    view.close()
    shown = capsys.readouterr().err
    assert re.search(r"training +25%", shown)
    assert "Better.\n" in shown
    assert "measuring" in shown


def test_ctrl_c_asks_a_training_run_to_stop_and_the_second_ends_it(capsys: pytest.CaptureFixture[str]) -> None:
    stop = StopRequest()
    before = signal.getsignal(signal.SIGINT)
    with stop.listen():
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        assert not stop.is_asked()
        stop.watch(TrainingProgress(stage="training"))
        signal.raise_signal(signal.SIGINT)
        assert stop.is_asked()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    assert "Saving after this step" in capsys.readouterr().err


def test_ctrl_c_under_torchrun_never_breaks_off_a_process_that_only_follows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    stop = StopRequest()
    with stop.listen():
        for _ in range(2):  # no progress is told to it, and torchrun may hand the same signal on
            signal.raise_signal(signal.SIGINT)
            assert stop.is_asked()


# Whole runs


def run(arguments: list[str], *, module: tuple[str, ...] = ("reranker_core.training",)) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", *module, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=environment,
        timeout=300,
    )


@pytest.mark.slow
@pytest.mark.parametrize(("command", "folder"), [("llm", "llm"), ("layerwise", "raw_minicpm")])
def test_the_cards_commands_train_as_pasted_on_one_process(
    command: str, folder: str, tmp_path: Path, checkpoints: Path
) -> None:
    from reranker_core import load_reranker

    base, output = checkpoints / folder, tmp_path / "out"
    flags = read_card_command(command, model=str(base), train_data=str(TOY), output_dir=str(output))
    done = run(flags)
    assert done.returncode == 0, done.stderr
    lines = done.stderr.splitlines()
    assert [line for line in lines if line.startswith("note: ")] == [
        "note: deepspeed (--deepspeed) is left aside: the package is not installed, and one process does not need it.",
        "note: bf16 (--bf16) is for GPUs; on the CPU everything is float32, which is faster there.",
        "note: use_flash_attn (--use_flash_attn) is for GPUs; the CPU computes the same by sdpa.",
    ]
    assert "40 rows, each a positive with 6 negatives on average." in lines
    assert "16 rows a step: 3 steps an epoch, 3 in all, of which 1 to warm up." in lines
    assert any(line.startswith("Only 3 steps:") for line in lines)
    assert lines[-1] == (
        f"The adapter lies in {output}/adapter. Use it: python -m reranker_core score --model {base} "
        f"--adapter {output}/adapter"
    )
    assert done.stdout == ""
    trained = load_reranker(base, adapter=output / "adapter")
    assert trained.compute_score(["what is panda?", "a bear"]) is not None
    result = read_result(str(output))
    assert result.command == shlex.join(["python", "-m", "reranker_core.training", *flags])
    assert (result.dev_set, result.processes, result.device) == (None, 1, "cpu")
    assert result.started_at.endswith("+00:00")
    assert result.versions["python"] == platform.python_version()
    assert sum(line.startswith("The model reads (") for line in lines) == 3


@pytest.mark.slow
def test_the_cards_command_trains_as_pasted_under_torchrun_without_deepspeed(tmp_path: Path, checkpoints: Path) -> None:
    flags = read_card_command("llm", model=str(checkpoints / "llm"), train_data=str(TOY), output_dir=str(tmp_path / "out"))
    torchrun = ("torch.distributed.run", "--standalone", "--nproc_per_node", "2", "-m", "reranker_core.training")
    refused = run(flags, module=torchrun)
    assert refused.returncode == 1
    assert refused.stderr.count("share the work of 2 processes, and the package deepspeed is not installed") == 1

    at = flags.index("--deepspeed")
    done = run(flags[:at] + flags[at + 2 :], module=torchrun)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("40 rows, each a positive") == 1
    assert "32 rows a step on 2 devices: 2 steps an epoch, 2 in all, of which 1 to warm up." in done.stderr
    assert done.stderr.count("The adapter lies in") == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("flags", "sentence"),
    [
        ([], "is not there. Give a jsonl file of training rows"),
        (["--model_name_or_path", "nobody"], '"nobody" is no folder here'),
    ],
)
def test_data_and_models_that_are_not_there_end_with_2_and_a_sentence(
    flags: list[str], sentence: str, tmp_path: Path, checkpoints: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = TOY if flags else tmp_path / "nowhere.jsonl"
    model = flags or ["--model_name_or_path", str(checkpoints / "encoder")]
    assert main([*model, "--train_data", str(data), "--output_dir", str(tmp_path / "out"), "--offline"]) == 2
    assert sentence in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_ctrl_c_saves_ends_with_130_and_the_run_goes_on_as_it_says(tmp_path: Path, checkpoints: Path) -> None:
    output = tmp_path / "out put"
    flags = ["--model_name_or_path", str(checkpoints / "encoder"), "--train_data", str(TOY), "--output_dir", str(output)]
    flags += ["--num_train_epochs", "8", "--train_group_size", "4", "--device", "cpu"]
    child = subprocess.Popen(
        [sys.executable, "-m", "reranker_core.training", *flags], stderr=subprocess.PIPE, text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )  # fmt: skip
    try:
        metrics = output / "metrics.jsonl"
        deadline = time.monotonic() + 120
        while not metrics.exists() and time.monotonic() < deadline and child.poll() is None:
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=120)
    finally:
        child.kill()
    assert child.returncode == 130, said
    (command,) = re.findall(r"Go on: python -m reranker_core.training (.*)", said)
    assert re.search(r"Stopped and saved after [1-9][\d,]* of 24 steps", said)
    resumed = run(shlex.split(command))
    assert resumed.returncode == 0, resumed.stderr
    assert (output / "adapter" / "adapter_model.safetensors").is_file()
