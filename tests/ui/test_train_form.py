"""The form of the Train screen: what it offers, what it reads, and what it says before a start."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reranker_core.errors import InputError
from reranker_core.training.settings import training_options
from tests.train_bench import label, make_services, write_rows
from ui.services import Services
from ui.tabs.train.drafts import Drafts
from ui.tabs.train.fields import choose_preset, read_typed
from ui.tabs.train.form import training_choices
from ui.tabs.train.planning import plan_run, say_minutes
from ui.tabs.train.sources import find_labels
from ui.tabs.train.starting import take_rows


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Services]:
    """A person's own machine, with a project of 60 queries and one without labels."""
    services = make_services(tmp_path_factory.mktemp("home"), allow_folders=True)
    label(services, "Pandas & co", 60)
    services.labels.store.projects.create("Empty")
    yield services
    services.labels.close()


@pytest.fixture(scope="module")
def hosted(local: Services) -> Services:
    return Services(labels=local.labels, local_models=local.local_models, jobs=local.jobs)


@pytest.fixture(scope="module")
def drafts() -> Drafts:
    return Drafts()


def plan(services: Services, drafts: Drafts, **wanted: Any) -> dict[str, Any]:
    """Plan with the first project and the tiny encoder, unless told otherwise."""
    usual = {"base": "tiny-encoder", "labels": "project:1"}
    return plan_run(services, usual | wanted, drafts=drafts)


def test_bases_that_are_here_come_first_and_others_say_where_to_get_them(local: Services) -> None:
    bases = training_choices(local, {})["bases"]
    here = [base["name"] for base in bases if base["is_here"]]
    assert here == ["starter-encoder", "tiny-encoder", "tiny-llm", "tiny-layerwise"]
    assert [base["is_here"] for base in bases] == sorted((base["is_here"] for base in bases), reverse=True)
    assert "bm25" not in [base["name"] for base in bases]
    assert next(base for base in bases if base["name"] == "bge-reranker-v2-m3")["note"].endswith("download it under Models")


def test_every_setting_is_offered_with_what_it_changes_but_those_that_a_job_decides(local: Services) -> None:
    options = {option["name"]: option for option in training_choices(local, {})["options"]}
    assert {option.name for option in training_options()} - options.keys() == {
        "model_name_or_path",
        "train_data",
        "output_dir",
        "preset",
        "resume_from_checkpoint",
    }
    assert all(option["help"] for option in options.values())
    assert options["lora_rank"]["bounds"] == "from 1 to 1024"
    assert options["bf16"]["choices"] == ["yes", "no"]


def test_strangers_name_no_place_and_report_to_nobody(hosted: Services) -> None:
    choices = training_choices(hosted, {})
    names = {option["name"] for option in choices["options"]}
    assert not names & {"dev_data", "corpus", "deepspeed", "cache_dir", "report_to", "device"}
    assert "--allow_training" in choices["why_not"]
    assert read_typed(hosted, {"corpus": "/etc/passwd"})[0] == {}
    with pytest.raises(InputError, match="own machine"):
        find_labels(hosted, "file:/etc/passwd")
    with pytest.raises(InputError, match="Upload it again"):
        find_labels(hosted, "upload:/etc/passwd")


def test_a_plan_says_what_a_start_would_do(local: Services, drafts: Drafts) -> None:
    planned = plan(local, drafts)
    assert planned["blocked"] == ""
    assert planned["problems"] == {}
    assert planned["labels"] == "36 train / 9 dev / 15 test queries"
    assert planned["preset"]["name"] == "encoder"
    assert planned["preset"]["reason"].startswith("36 training rows are few")
    groups, steps, epochs, memory, minutes = planned["line"].split(" · ")
    assert (groups, steps, epochs) == ("36 groups", "15 steps", "3 epochs")
    assert memory.endswith("GB")
    assert minutes.startswith("about ")
    assert [example["is_positive"] for example in planned["examples"]] == [True, False, True]
    assert planned["examples"][0]["text"].startswith("<s> what is")
    assert any("Measured on 9 queries" in fact for fact in planned["facts"])
    assert planned["name"] == "pandas-co-1"
    assert "--output_dir runs/pandas-co-1" in planned["command"]
    assert str(local.labels.snapshots / "Pandas-co-1") in planned["command"]
    assert planned["torchrun"].startswith("torchrun --nproc_per_node 2 -m reranker_core.training")
    json.dumps(planned)


def test_looking_makes_no_snapshot(local: Services, drafts: Drafts) -> None:
    plan(local, drafts, is_fresh=True)
    assert local.labels.store.snapshots.list(1) == []
    assert not local.labels.snapshots.exists()


def test_what_is_typed_goes_before_the_preset_and_the_command_tells(local: Services, drafts: Drafts) -> None:
    planned = plan(local, drafts, typed={"num_train_epochs": "2", "lora_rank": " 8 ", "prompt": ""})
    assert planned["filled_in"]["num_train_epochs"] == "3"
    assert "--num_train_epochs 2.0" in planned["command"]
    assert "--lora_rank 8" in planned["command"]
    assert "--prompt" not in planned["command"]


@pytest.mark.parametrize(
    ("typed", "field", "sentence"),
    [
        ({"learning_rate": "fast"}, "learning_rate", 'learning_rate must be a number, got "fast"'),
        ({"lora_rank": "9999"}, "lora_rank", "lora_rank must be from 1 to 1024"),
        ({"use_lora": "perhaps"}, "use_lora", "use_lora must be true or false"),
        ({"bf16": "yes", "fp16": "yes"}, "bf16", "bf16 and fp16 are two ways to compute"),
        ({"wrong": "1"}, "wrong", "wrong is no setting"),
    ],
)
def test_a_wrong_value_is_one_sentence_at_its_field(
    local: Services, drafts: Drafts, typed: dict[str, str], field: str, sentence: str
) -> None:
    planned = plan(local, drafts, typed=typed)
    assert list(planned["problems"]) == [field]
    assert planned["problems"][field].startswith(sentence)
    assert planned["blocked"]
    assert planned["presets"]


def test_a_project_without_grades_says_so_and_the_form_stays(local: Services, drafts: Drafts) -> None:
    planned = plan(local, drafts, labels="project:2")
    assert planned["blocked"].startswith("There is no grade to freeze")
    assert planned["filled_in"]["train_group_size"] == "8"


def test_few_steps_are_mended_with_one_click(local: Services, drafts: Drafts) -> None:
    warning = next(one for one in plan(local, drafts)["warnings"] if "15 steps" in one["sentence"])
    assert warning["words"] == "Train 6 epochs"
    planned = plan(local, drafts, typed=warning["typed"])
    assert "30 steps" in planned["line"]
    assert not any("steps" in one["sentence"] for one in planned["warnings"])


def test_a_plain_file_gets_a_share_held_out_unless_there_is_too_little(
    local: Services, drafts: Drafts, tmp_path: Path
) -> None:
    planned = plan(local, drafts, labels=f"file:{write_rows(tmp_path / 'rows.jsonl', 40)}")
    assert planned["filled_in"]["hold_out"] == "0.2"
    assert "--hold_out 0.2" in planned["command"]
    planned = plan(local, drafts, labels=f"file:{write_rows(tmp_path / 'one.jsonl', 1)}")
    assert planned["blocked"] == ""
    assert planned["filled_in"]["hold_out"] == "0"
    assert any("nothing to measure on" in one["sentence"] for one in planned["warnings"])
    planned = plan(local, drafts, labels=f"file:{tmp_path / 'gone.jsonl'}")
    assert "is not there" in planned["blocked"]


def test_a_place_without_an_end_is_refused_and_never_read(local: Services, drafts: Drafts, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jsonl")
    for place in (tmp_path / "pipe.jsonl", Path(os.devnull)):
        assert "neither a file nor a folder" in plan(local, drafts, labels=f"file:{place}")["blocked"]


@pytest.mark.parametrize(("base", "preset"), [("tiny-llm", "decoder"), ("tiny-layerwise", "layerwise")])
def test_each_family_has_its_presets(local: Services, drafts: Drafts, base: str, preset: str) -> None:
    planned = plan(local, drafts, base=base)
    assert planned["preset"]["name"] == preset
    assert planned["blocked"] == ""
    assert [one["name"] for one in planned["presets"]][-1] == "smoke"
    assert "10 steps" in plan(local, drafts, base=base, preset="smoke")["line"]
    assert "has the presets" in plan(local, drafts, base=base, preset="encoder")["blocked"]


def test_a_thousand_rows_are_enough_for_every_weight_of_an_encoder_only() -> None:
    assert choose_preset("encoder", rows=999)[0] == "encoder"
    assert choose_preset("encoder", rows=1000)[0] == "encoder-full"
    assert choose_preset("decoder", rows=100_000)[0] == "decoder"


def test_what_cannot_fit_is_refused_with_what_to_do(local: Services, drafts: Drafts) -> None:
    assert plan(local, drafts, typed={"per_device_train_batch_size": "32"})["blocked"] == ""


def test_strangers_take_labels_and_command_away(hosted: Services, drafts: Drafts) -> None:
    planned = plan(hosted, drafts)
    assert "--train_data pandas-co.train.jsonl" in planned["command"]
    assert "--hold_out 0.2" in planned["command"]
    assert str(hosted.labels.home) not in json.dumps(planned)
    taken = take_rows(hosted, {"labels": "project:1"})
    rows = [json.loads(line) for line in taken["text"].splitlines()]
    assert len(rows) == 36
    assert taken["file"] == "pandas-co.train.jsonl"
    assert all(row["pos"] and row["neg"] for row in rows)


@pytest.mark.parametrize(
    ("seconds", "words"), [(4, "about 10 s"), (43, "about 40 s"), (240, "about 4 min"), (9000, "about 2.5 h")]
)
def test_times_are_said_roughly(seconds: float, words: str) -> None:
    assert say_minutes(seconds) == words
