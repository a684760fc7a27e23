"""What a visitor can choose: the catalogue and what was added, each with what it lacks."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reranker_core.catalogue import MODELS
from reranker_core.errors import InputError
from reranker_core.local_models import LocalModels
from tests.miniatures import lay_into_cache
from ui.choices import Choice, find_choice, list_choices
from ui.services import Services


@pytest.fixture
def added(tmp_path: Path, checkpoints: Path) -> Services:
    """Services with five models added, as the file that keeps them says."""
    shutil.copytree(checkpoints / "encoder", tmp_path / "soon gone")
    models = {
        "My Encoder": {"base": str(checkpoints / "encoder"), "adapter": None},
        "layers": {"base": str(checkpoints / "layerwise"), "adapter": None},
        "raw+adapter": {
            "base": str(checkpoints / "raw_minicpm"),
            "adapter": str(checkpoints / "adapters" / "adapter-layerwise-raw"),
        },
        "gemma+adapter": {"base": "bge-reranker-v2-gemma", "adapter": str(checkpoints / "adapters" / "adapter-llm")},
        "gone": {"base": str(tmp_path / "soon gone"), "adapter": None},
    }
    file = tmp_path / "models.json"
    file.write_text(json.dumps({"version": 1, "models": [{"name": name} | model for name, model in models.items()]}))
    return Services(allow_folders=True, local_models=LocalModels(file))


@pytest.fixture
def downloaded(checkpoints: Path) -> Iterator[None]:
    """The Hugging Face cache with two published models in miniature."""
    cache = Path(os.environ["HF_HUB_CACHE"])
    lay_into_cache(cache, "BAAI/bge-reranker-v2-m3", checkpoints / "encoder")
    lay_into_cache(cache, "BAAI/bge-reranker-v2-gemma", checkpoints / "llm")
    yield
    shutil.rmtree(cache)


def by_name(services: Services) -> dict[str, Choice]:
    return {choice.name: choice for choice in list_choices(services)}


def test_the_catalogue_comes_first_then_what_was_added(added: Services) -> None:
    names = [choice.name for choice in list_choices(added)]
    assert names == [info.name for info in MODELS] + ["My Encoder", "layers", "raw+adapter", "gemma+adapter", "gone"]


def test_only_what_is_bundled_is_ready_where_nothing_was_downloaded() -> None:
    assert [choice.name for choice in list_choices(Services()) if choice.is_ready] == ["bm25", "starter-encoder"]
    assert all(not choice.problem for choice in list_choices(Services()))


def test_a_published_model_is_ready_once_it_is_in_the_cache(added: Services, downloaded: None) -> None:
    ready = {choice.name for choice in list_choices(added) if choice.is_ready}
    published = {"bge-reranker-v2-m3", "bge-reranker-v2-gemma"}
    bundled = {"bm25", "starter-encoder"}
    assert ready == {*bundled, *published, "My Encoder", "layers", "raw+adapter", "gemma+adapter", "gone"}


def test_a_published_model_is_loaded_by_its_name_and_an_added_one_by_its_folder(added: Services, checkpoints: Path) -> None:
    published, local, adapted = (find_choice(added, name) for name in ("v2-m3", "my encoder", "raw+adapter"))
    assert (published.name, published.base, published.title) == ("bge-reranker-v2-m3", "bge-reranker-v2-m3", "v2-m3")
    assert (local.name, local.base, local.title) == ("My Encoder", str(checkpoints / "encoder"), "My Encoder")
    assert (local.info.family, local.info.context, local.adapter) == ("encoder", 512, None)
    assert adapted.adapter == str(checkpoints / "adapters" / "adapter-layerwise-raw")


@pytest.mark.parametrize("name", ["bge-reranker-v2-m3", "BAAI/bge-reranker-v2-m3", "V2-M3"])
def test_a_published_model_goes_by_each_of_its_names(name: str) -> None:
    assert find_choice(Services(), name).name == "bge-reranker-v2-m3"


def test_layers_are_those_that_have_scores(added: Services) -> None:
    layers = {name: choice.layers for name, choice in by_name(added).items() if choice.layers}
    assert layers == {"bge-reranker-v2-minicpm-layerwise": range(8, 41), "layers": range(2, 9), "raw+adapter": range(2, 9)}


def test_a_model_whose_folder_is_gone_stays_in_the_list_with_its_problem(added: Services, tmp_path: Path) -> None:
    assert by_name(added)["gone"].is_ready
    shutil.rmtree(tmp_path / "soon gone")

    gone = by_name(added)["gone"]
    assert not gone.is_ready
    assert "soon gone" in gone.problem
    assert (gone.title, gone.layers, gone.info.family, gone.info.base_model) == ("gone", None, "", "")
    assert by_name(added)["layers"].is_ready


def test_an_adapter_on_a_published_model_is_not_ready_before_that_is_here(added: Services) -> None:
    choice = find_choice(added, "gemma+adapter")
    assert (choice.is_ready, choice.problem, choice.base, choice.title) == (
        False,
        "",
        "bge-reranker-v2-gemma",
        "gemma+adapter",
    )


@pytest.mark.parametrize(
    "name", ["", "no-such-model", "/etc", "../tests", 5, None, ["bm25"], {"name": "bm25"}, "\x00", "a" * 10_000]
)
def test_what_is_no_name_is_refused_with_the_names_there_are(added: Services, name: Any) -> None:
    with pytest.raises(
        InputError, match=r"^There is no model .*\. Choose one of bm25, .*, My Encoder, layers, .*gone\.$"
    ) as raised:
        find_choice(added, name)
    assert len(str(raised.value)) < 320


def test_a_folder_is_no_name_even_if_it_was_added(added: Services, checkpoints: Path) -> None:
    with pytest.raises(InputError, match="There is no model"):
        find_choice(added, str(checkpoints / "encoder"))
