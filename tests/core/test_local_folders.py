"""What of a person's folders is taken as a model or an adapter, and what is refused with which reason."""

import dataclasses
import json
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from reranker_core import find_model
from reranker_core.checkpoints import Checkpoint
from reranker_core.errors import AdapterError, InputError, RerankerError, UnsupportedModelError
from reranker_core.local_models import LocalModel, LocalModels, describe_local_model
from reranker_core.recognition import describe_folder

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


# Adding a folder


@pytest.mark.parametrize("folder", ["encoder", "llm", "layerwise"])
def test_an_added_folder_is_described_as_the_catalogue_describes_its_models(
    folder: str, models: LocalModels, checkpoints: Path
) -> None:
    model, note = models.add(str(checkpoints / folder))
    assert (model, note) == (LocalModel(name=folder, base=str(checkpoints / folder), adapter=None), "")
    assert models.list() == [model]
    info = describe_local_model(model)
    assert info == dataclasses.replace(describe_folder(checkpoints / folder), name=folder)
    assert (info.title, info.advice) == (folder, "A folder on this machine.")
    assert info.layers == ((2, 8) if folder == "layerwise" else None)


@pytest.mark.parametrize("written", ['"{}"', "'{}'", "  {} ", ' "{} " ', "{}/", "{}/../encoder", "RELATIVE", "~/encoder"])
def test_a_path_is_taken_as_a_person_pastes_it(
    written: str, models: LocalModels, copy_checkpoint: CopyCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_checkpoint("encoder")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    model, _ = models.add("encoder" if written == "RELATIVE" else written.format(folder))
    assert (model.name, model.base) == ("encoder", str(folder))


@pytest.mark.parametrize(
    "path",
    ["", "  ", '""', "a\0b", "a\nb", "x" * 5000, "x/" * 5000, "\ud800", "~nobody-is-called-so/x", "absent", "some.file"],
)
@pytest.mark.parametrize("place", ["base", "adapter"])
def test_what_is_no_folder_is_refused_in_one_sentence(
    path: str, place: str, models: LocalModels, checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("some.file").touch()
    given = {"base": path} if place == "base" else {"base": str(checkpoints / "llm"), "adapter": path}
    with pytest.raises(RerankerError) as caught:
        models.add(**given)
    message = str(caught.value)
    assert message.endswith(".")
    assert len(message) < 400
    assert message.isprintable()
    assert models.list() == []


def test_a_folder_whose_name_is_no_text_is_refused(models: LocalModels, checkpoints: Path, tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path) + b"/\xff"
    shutil.copytree(os.fsencode(checkpoints / "encoder"), folder)
    with pytest.raises(InputError, match="cannot be a folder here"):
        models.add(os.fsdecode(folder))


def test_a_file_is_answered_with_the_folder_that_is_wanted(models: LocalModels, checkpoints: Path) -> None:
    with pytest.raises(InputError, match=r"model\.safetensors is a file\. Give the folder that holds it"):
        models.add(str(checkpoints / "encoder" / "model.safetensors"))


@pytest.mark.parametrize(
    ("folder", "changes", "reason"),
    [
        ("encoder", {"model_type": "bert"}, "no supported reranker"),
        ("encoder", {"id2label": {"0": "a", "1": "b"}}, "classifier with 2 labels"),
        ("layerwise", {"head_type": "complex"}, "only head_type simple"),
        ("layerwise", {"start_layer": 9}, "no layer has a score"),
        ("layerwise", {"num_hidden_layers": "8"}, "num_hidden_layers as a whole number"),
        ("raw_minicpm", {}, "plain MiniCPM without score heads"),
        ("llm", {"architectures": ["GemmaModel"]}, "no supported reranker"),
        ("llm", {"architectures": 3}, "no supported reranker"),
        ("llm", {"rope_scaling": "yarn"}, "scales its positions by 'yarn'"),
    ],
)
def test_a_folder_that_is_no_reranker_is_refused_with_the_reason(
    folder: str, changes: dict[str, Any], reason: str, models: LocalModels, copy_checkpoint: CopyCheckpoint, file: Path
) -> None:
    with pytest.raises(UnsupportedModelError, match=reason):
        models.add(str(copy_checkpoint(folder, **changes)))
    assert not file.parent.exists()


@pytest.mark.parametrize("lacking", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_folder_that_lacks_a_file_is_refused_by_its_name(
    lacking: str, models: LocalModels, copy_checkpoint: CopyCheckpoint
) -> None:
    folder = copy_checkpoint("encoder")
    (folder / lacking).unlink()
    with pytest.raises(UnsupportedModelError, match=lacking):
        models.add(str(folder))


@pytest.mark.parametrize(
    ("folder", "left_out", "reason"),
    [
        ("encoder", "classifier.", "hold no classifier. It is an embedding or base model"),
        ("llm", "embed_tokens", "weights lack lm_head.weight"),
        ("layerwise", HEAD.format(3), "lacks 1 of the 7 score heads of its layers 2 to 8, such as lm_head.3"),
    ],
)
def test_weights_without_a_score_head_are_refused(
    folder: str,
    left_out: str,
    reason: str,
    models: LocalModels,
    copy_checkpoint: CopyCheckpoint,
    edit_tensors: EditTensors,
) -> None:
    place = copy_checkpoint(folder)
    edit_tensors(place / "model.safetensors", lambda tensors: drop(tensors, left_out))
    with pytest.raises(UnsupportedModelError, match=reason):
        models.add(str(place))


def test_damaged_weights_are_refused(models: LocalModels, copy_checkpoint: CopyCheckpoint) -> None:
    folder = copy_checkpoint("encoder")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(UnsupportedModelError, match=r"model\.safetensors cannot be read as weights"):
        models.add(str(folder))


@pytest.mark.parametrize(
    "changes",
    [{"max_position_embeddings": "514"}, {"pad_token_id": None}, {"pad_token_id": "1"}, {"id2label": 5}, {"id2label": []}],
)
def test_odd_values_in_config_json_do_not_break_the_description(
    changes: dict[str, Any], models: LocalModels, copy_checkpoint: CopyCheckpoint, edit_config: Callable[..., None]
) -> None:
    folder = copy_checkpoint("encoder")
    edit_config(folder / "config.json", **changes)
    model, _ = models.add(str(folder))
    assert describe_local_model(model).family == "encoder"


# Adding an adapter


def test_an_adapter_on_a_folder_is_one_model_with_the_folders_figures(models: LocalModels, checkpoints: Path) -> None:
    model, note = models.add(str(checkpoints / "llm"), adapter=str(ADAPTERS / "adapter-llm"))
    assert model == LocalModel(name="adapter-llm", base=str(checkpoints / "llm"), adapter=str(ADAPTERS / "adapter-llm"))
    assert note == ""
    info, base = describe_local_model(model), describe_folder(checkpoints / "llm")
    assert (info.title, info.family, info.base_model) == ("adapter-llm", "decoder", "llm")
    assert info.advice == "LoRA adapter on llm."
    assert (info.context, info.download_gb) == (base.context, base.download_gb)


@pytest.mark.parametrize("base", ["bge-reranker-large", "BAAI/bge-reranker-large", "Large", ' "large"'])
def test_an_adapter_on_a_model_of_the_catalogue_that_is_not_here_is_checked_later(base: str, models: LocalModels) -> None:
    model, note = models.add(base, adapter=str(ADAPTERS / "adapter-llm"))
    assert model.base == "bge-reranker-large"
    assert note.startswith("bge-reranker-large is not on this machine.")
    assert "checked when it is first loaded" in note
    published, info = find_model("large"), describe_local_model(model)
    assert published
    assert info == dataclasses.replace(
        published,
        name="adapter-llm",
        repo_id="",
        base_model="bge-reranker-large",
        advice="LoRA adapter on bge-reranker-large.",
    )


def test_an_adapter_takes_no_warning_over_that_was_published_of_its_base() -> None:
    base, adapter = "bge-reranker-v2-minicpm-layerwise", str(ADAPTERS / "adapter-layerwise")
    info = describe_local_model(LocalModel(name="bge-reranker-tuned", base=base, adapter=adapter))
    assert (info.layers, info.warning, info.title) == ((8, 40), "", "bge-reranker-tuned")


def test_an_adapter_is_read_even_where_its_base_is_not_here(models: LocalModels, copy_adapter: Callable[..., Path]) -> None:
    folder = copy_adapter("adapter-llm")
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(AdapterError, match="cannot be read as weights"):
        models.add("large", adapter=str(folder))


def test_an_adapter_is_checked_against_a_base_in_the_cache(models: LocalModels, published_cache: Path) -> None:
    assert published_cache.is_dir()
    model, note = models.add("v2-gemma", adapter=str(ADAPTERS / "adapter-llm"))
    assert model.base == "bge-reranker-v2-gemma"
    assert "names reference/llm as its base and is loaded on bge-reranker-v2-gemma" in note
    with pytest.raises(AdapterError, match="does not fit bge-reranker-v2-m3: it changes"):
        models.add("v2-m3", adapter=str(ADAPTERS / "adapter-llm"))
    with pytest.raises(AdapterError, match="does not fit bge-reranker-v2-minicpm-layerwise"):
        models.add("v2-minicpm-layerwise", adapter=str(ADAPTERS / "adapter-layerwise"))
    assert names(models) == ["adapter-llm"]


@pytest.mark.usefixtures("published_cache")
def test_an_adapter_that_names_its_base_in_the_cache_comes_without_a_note(
    models: LocalModels, copy_adapter: Callable[..., Path]
) -> None:
    folder = copy_adapter("adapter-llm", base="BAAI/bge-reranker-v2-gemma")
    assert models.add("v2-gemma", adapter=str(folder))[1] == ""


def test_an_adapter_that_names_another_base_is_taken_with_a_note_and_without_a_warning(
    models: LocalModels, copy_checkpoint: CopyCheckpoint
) -> None:
    base = copy_checkpoint("llm", to="renamed")
    filters = list(warnings.filters)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _, note = models.add(str(base), adapter=str(ADAPTERS / "adapter-llm"))
    assert f"names reference/llm as its base and is loaded on {base}" in note
    assert "cannot be told" in note
    assert warnings.filters == filters


@pytest.mark.parametrize(
    ("base", "adapter", "reason"),
    [
        ("encoder", "adapter-llm", r"adapter-llm does not fit .*encoder: it changes model\.layers\.0"),
        ("layerwise", "adapter-llm", r"adapter-llm does not fit .*layerwise: .* has size"),
        ("llm", "../encoder", "encoder is no adapter: it needs adapter_config.json"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused_with_the_reason(
    base: str, adapter: str, reason: str, models: LocalModels, checkpoints: Path, file: Path
) -> None:
    with pytest.raises(AdapterError, match=reason):
        models.add(str(checkpoints / base), adapter=str(ADAPTERS / adapter))
    assert not file.parent.exists()


def test_an_adapter_of_ours_is_refused_on_other_weights_of_equal_shape(
    models: LocalModels, copy_checkpoint: CopyCheckpoint, copy_adapter: Callable[..., Path], edit_tensors: EditTensors
) -> None:
    base, folder = copy_checkpoint("llm"), copy_adapter("adapter-llm")
    (folder / "base.json").write_text(json.dumps({"fingerprint": Checkpoint(base).fingerprint()}))
    edit_tensors(base / "model.safetensors", lambda tensors: tensors["model.layers.0.mlp.up_proj.weight"].mul_(1.01))
    with pytest.raises(AdapterError, match="was trained on other weights than"):
        models.add(str(base), adapter=str(folder))


@pytest.mark.parametrize("saved_as", ["safetensors", "bin"])
def test_a_raw_minicpm_with_an_adapter_that_brings_its_heads_is_a_layerwise_model(
    saved_as: str, models: LocalModels, checkpoints: Path, copy_adapter: Callable[..., Path]
) -> None:
    folder = copy_adapter("adapter-layerwise-raw")
    if saved_as == "bin":
        weights = folder / "adapter_model.safetensors"
        torch.save(load_file(weights), folder / "adapter_model.bin")
        weights.unlink()
    model, _ = models.add(str(checkpoints / "raw_minicpm"), adapter=str(folder))
    info = describe_local_model(model)
    assert (info.family, info.layers, info.base_model) == ("layerwise", (2, 8), "raw_minicpm")


def test_only_whole_heads_of_an_adapter_are_counted(
    checkpoints: Path, copy_adapter: Callable[..., Path], edit_tensors: EditTensors
) -> None:
    folder = copy_adapter("adapter-layerwise-raw")
    lora = {f"base_model.model.lm_head.0.linear_head.lora_{side}.weight": torch.ones(1, 1) for side in "AB"}
    edit_tensors(folder / "adapter_model.safetensors", lambda tensors: tensors.update(lora))
    model = LocalModel(name="mine", base=str(checkpoints / "raw_minicpm"), adapter=str(folder))
    assert describe_local_model(model).layers == (2, 8)


def test_a_raw_minicpm_with_an_adapter_that_brings_too_few_heads_is_refused(
    models: LocalModels, checkpoints: Path, copy_adapter: Callable[..., Path], edit_tensors: EditTensors
) -> None:
    folder = copy_adapter("adapter-layerwise-raw")
    edit_tensors(folder / "adapter_model.safetensors", lambda tensors: drop(tensors, "lm_head.3."))
    with pytest.raises(UnsupportedModelError, match=r"lacks 1 of the 6 score heads .* lm_head\.3"):
        models.add(str(checkpoints / "raw_minicpm"), adapter=str(folder))
    edit_tensors(folder / "adapter_model.safetensors", lambda tensors: drop(tensors, "lm_head."))
    with pytest.raises(UnsupportedModelError, match="plain MiniCPM without score heads"):
        models.add(str(checkpoints / "raw_minicpm"), adapter=str(folder))


def test_a_jobs_folder_counts_as_the_adapter_in_it(
    models: LocalModels, checkpoints: Path, copy_adapter: Callable[..., Path], tmp_path: Path
) -> None:
    inner = copy_adapter("adapter-llm", to="job-7/adapter")
    model, _ = models.add(str(checkpoints / "llm"), adapter=str(tmp_path / "job-7"))
    assert (model.name, model.adapter) == ("job-7", str(tmp_path / "job-7"))
    assert describe_local_model(model).family == "decoder"
    with pytest.raises(InputError, match="is there already, as job-7"):
        models.add(str(checkpoints / "llm"), adapter=str(inner))
    models.forget("job-7")
    assert models.add(str(checkpoints / "llm"), adapter=str(inner))[0].name == "job-7"


@pytest.mark.parametrize("job", [False, True])
@pytest.mark.parametrize("named", ["reference/llm", None, "somewhere/else", "base", "bm25", ".", str(ADAPTERS)])
def test_an_adapter_alone_is_answered_with_what_is_missing(
    job: bool, named: str | None, models: LocalModels, copy_adapter: Callable[..., Path], tmp_path: Path
) -> None:
    copy_adapter("adapter-llm", to="lone/adapter" if job else "lone", base=named)
    with pytest.raises(InputError, match="lone is an adapter: add it with its base") as caught:
        models.add(str(tmp_path / "lone"))
    assert (repr(named) in str(caught.value)) == (named is not None)


def test_base_and_adapter_the_wrong_way_round_are_told_apart(models: LocalModels, checkpoints: Path) -> None:
    with pytest.raises(InputError, match="adapter-llm is an adapter: add it with its base"):
        models.add(str(ADAPTERS / "adapter-llm"), adapter=str(checkpoints / "llm"))


def test_of_two_adapters_none_is_dropped_in_silence(models: LocalModels, copy_adapter: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match="adapter-of-mine is an adapter: add it with its base"):
        models.add(str(copy_adapter("adapter-llm", base="bge-reranker-v2-gemma")), adapter=str(ADAPTERS / "adapter-llm"))


def test_a_model_that_was_saved_beside_its_adapters_settings_is_a_model(
    models: LocalModels, copy_checkpoint: CopyCheckpoint
) -> None:
    folder = copy_checkpoint("llm")
    shutil.copy(ADAPTERS / "adapter-llm" / "adapter_config.json", folder)
    assert models.add(str(folder))[0] == LocalModel(name="llm", base=str(folder), adapter=None)


def test_an_adapter_alone_is_taken_where_the_base_that_it_names_is_known(
    models: LocalModels, copy_adapter: Callable[..., Path], checkpoints: Path
) -> None:
    published = copy_adapter("adapter-llm", to="first", base="BAAI/bge-reranker-v2-gemma")
    local = copy_adapter("adapter-llm", to="second", base=str(checkpoints / "llm"))
    assert models.add(str(published))[0] == LocalModel(name="first", base="bge-reranker-v2-gemma", adapter=str(published))
    assert models.add(str(local))[0] == LocalModel(name="second", base=str(checkpoints / "llm"), adapter=str(local))


def test_a_base_that_an_adapter_names_is_checked_like_any_other(
    models: LocalModels, copy_adapter: Callable[..., Path], checkpoints: Path
) -> None:
    with pytest.raises(AdapterError, match="does not fit"):
        models.add(str(copy_adapter("adapter-llm", base=str(checkpoints / "encoder"))))


@pytest.mark.parametrize("base", ["bge-reranker-base", "BAAI/bge-reranker-base", "base", "v2-minicpm-layerwise"])
def test_a_model_of_the_catalogue_needs_no_adding(base: str, models: LocalModels) -> None:
    with pytest.raises(InputError, match="is in the catalogue and needs no adding") as caught:
        models.add(base)
    assert "./" not in str(caught.value)


def test_a_folder_called_like_a_model_of_the_catalogue_is_added_by_its_path(
    models: LocalModels, copy_checkpoint: CopyCheckpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy_checkpoint("encoder", to="large")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"For the folder of that name here, write \./large"):
        models.add("large")
    assert models.add("./large")[0] == LocalModel(name="large-2", base=str(tmp_path / "large"), adapter=None)


@pytest.mark.parametrize("adapter", [None, str(ADAPTERS / "adapter-llm")])
def test_bm25_cannot_be_added(adapter: str | None, models: LocalModels) -> None:
    with pytest.raises(InputError, match="BM25 is always there"):
        models.add("BM25", adapter=adapter)


def drop(tensors: dict[str, Any], part: str) -> None:
    for name in [name for name in tensors if part in name]:
        del tensors[name]
