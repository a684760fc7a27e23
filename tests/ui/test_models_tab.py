"""The handlers of the Models tab, called directly."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from reranker_core.catalogue import MODELS, published_results
from reranker_core.errors import InputError, RerankerError, UnsupportedModelError
from reranker_core.local_models import LocalModels
from ui.machine import describe_machine, describe_state, gigabytes
from ui.services import Services
from ui.tabs.models import add_model, describe_models, describe_published, forget_model, load_model, unload_model


@pytest.fixture
def local() -> Services:
    return Services(allow_folders=True, allow_download=True)


def model(services: Services, name: str) -> dict[str, Any]:
    return next(row for row in describe_models(services)["models"] if row["name"] == name)


def load(services: Services, name: str) -> list[tuple[str, float | None]]:
    seen: list[tuple[str, float | None]] = []
    load_model(services, name, visit="a visit", on_stage=lambda *stage: seen.append(stage))
    return seen


def test_every_model_of_the_catalogue_is_listed_with_what_a_person_chooses_by(local: Services) -> None:
    rows = describe_models(local)["models"]
    assert [row["name"] for row in rows] == [info.name for info in MODELS]
    minicpm = model(local, "bge-reranker-v2-minicpm-layerwise")
    assert minicpm["layers"] == "8–40"
    assert minicpm["licence"] == "Apache-2.0"
    assert minicpm["size"] == 10.9
    assert "Arabic" in minicpm["warning"]
    assert minicpm["state"] == "absent"
    assert minicpm["download"]["status"] == "absent"
    assert model(local, "bm25")["state"] == "always"
    json.dumps(rows)


def test_a_visitor_of_a_hosted_app_is_offered_no_download() -> None:
    hosted = Services()
    assert describe_models(hosted)["can_change"] is False
    assert model(hosted, "bge-reranker-v2-m3")["download"]["status"] == "forbidden"


def test_a_folder_is_added_loaded_unloaded_and_forgotten(local: Services, checkpoints: Path) -> None:
    said = add_model(local, str(checkpoints / "layerwise"), "", "mine")
    assert said.startswith("mine is added")
    assert model(local, "mine")["state"] == "here"
    assert model(local, "mine")["layers"] == "2–8"

    stages = load(local, "mine")
    assert any("loading" in words for words, _ in stages)
    row = model(local, "mine")
    assert row["state"] == "ready"
    (resident,) = local.pool.resident()
    assert gigabytes(resident.memory_bytes) in row["detail"]
    assert describe_state(local).startswith("1 model ready · ")
    assert gigabytes(local.pool.memory_budget) in describe_machine(local)

    assert "unloaded" in unload_model(local, "mine")
    assert local.pool.resident() == []
    assert model(local, "mine")["state"] == "here"
    load(local, "mine")
    forget_model(local, "mine")
    assert local.pool.resident() == []
    assert all(row["name"] != "mine" for row in describe_models(local)["models"])
    assert (checkpoints / "layerwise" / "config.json").is_file()


def test_an_adapter_is_added_on_its_base(local: Services, checkpoints: Path) -> None:
    add_model(local, str(checkpoints / "llm"), str(checkpoints / "adapters" / "adapter-llm"), "tuned")
    load(local, "tuned")
    assert model(local, "tuned")["state"] == "ready"


def test_a_folder_that_is_no_reranker_is_refused_with_the_reason(local: Services, tmp_path: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"has no config\.json"):
        add_model(local, str(tmp_path), "", "")
    (tmp_path / "config.json").write_text('{"model_type": "bert", "architectures": ["BertModel"]}')
    with pytest.raises(UnsupportedModelError, match="no supported reranker"):
        add_model(local, str(tmp_path), "", "")


def test_nothing_given_is_said(local: Services) -> None:
    with pytest.raises(InputError, match="Give the folder"):
        add_model(local, "  ", "", "")


def test_a_hosted_app_adds_and_forgets_nothing(checkpoints: Path) -> None:
    hosted = Services()
    with pytest.raises(InputError, match="own machine"):
        add_model(hosted, str(checkpoints / "encoder"), "", "")
    with pytest.raises(InputError, match="own machine"):
        forget_model(hosted, "bm25")


def test_a_published_model_is_not_forgotten(local: Services) -> None:
    with pytest.raises(RerankerError):
        forget_model(local, "bge-reranker-v2-m3")
    assert model(local, "bge-reranker-v2-m3")


def test_a_model_that_is_not_here_is_not_loaded(local: Services) -> None:
    with pytest.raises(RerankerError, match="not on this machine"):
        load(local, "bge-reranker-v2-m3")


def test_published_results_say_whose_they_are_and_lose_nothing() -> None:
    shown = describe_published()
    assert "not measured here" in shown["source"]
    for table, benchmark in zip(shown["tables"], published_results()["benchmarks"], strict=True):
        assert table["title"].startswith(benchmark["benchmark"])
        assert len(table["rows"]) == len(benchmark["rows"])
        for row, given in zip(table["rows"], benchmark["rows"], strict=True):
            assert row["values"] == list(given["values"].values())
            assert len(row["heads"]) + len(row["values"]) == len(table["heads"])


def test_a_damaged_list_is_said_and_takes_nothing_else_with_it(tmp_path: Path) -> None:
    file = tmp_path / "models.json"
    file.write_text("{not json")
    services = Services(allow_folders=True, local_models=LocalModels(file))
    shown = describe_models(services)
    assert len(shown["models"]) == len(MODELS)
    assert "models.json" in shown["notice"]
    with pytest.raises(RerankerError, match=r"models\.json"):
        add_model(services, str(tmp_path), "", "")
    assert file.read_text() == "{not json"


def test_no_path_of_the_machine_is_shown_to_strangers(checkpoints: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(checkpoints / "encoder", tmp_path / "secret-place")
    models = LocalModels(tmp_path / "models.json")
    models.add(str(copy), name="mine")
    shutil.rmtree(copy)
    for services, is_hidden in (
        (Services(local_models=models), True),
        (Services(local_models=models, allow_folders=True), False),
    ):
        assert ("secret-place" not in json.dumps(describe_models(services))) is is_hidden


def test_an_adapter_says_that_it_lies_on_its_bases_weights_and_is_unloaded_with_it(
    local: Services, checkpoints: Path
) -> None:
    add_model(local, str(checkpoints / "llm"), "", "plain")
    add_model(local, str(checkpoints / "llm"), str(checkpoints / "adapters" / "adapter-llm"), "tuned")
    load(local, "tuned")
    assert model(local, "plain")["detail"] == "loaded · 0.001 GB"
    assert model(local, "tuned")["detail"] == "loaded · 0.000 GB · on the weights of its base"
    assert unload_model(local, "plain") == (
        "plain is unloaded, and with it 1 adapter on its weights. It is loaded again when it is needed."
    )
    assert (model(local, "plain")["state"], model(local, "tuned")["state"]) == ("here", "here")
    assert unload_model(local, "plain") == "plain is unloaded. It is loaded again when it is needed."
