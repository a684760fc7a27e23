"""What training leaves behind: read again here, by peft, and by plain transformers, with the scores that were trained."""

import json
import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from reranker_core import load_reranker
from reranker_core.checkpoints import Checkpoint
from reranker_core.errors import AdapterError, InputError
from reranker_core.loading import estimate_memory, load_for_training
from reranker_core.local_models import LocalModels, describe_local_model
from reranker_core.training.saving import BaseIdentity, collect_trained, identify_base, restore_trained, save_product
from tests.annotations.limits import files_up_to
from tests.core.training.products import CHECKPOINTS, PAIRS, Product, Products, add_lora, change_trained, each_case, score

NOTHING_MORE: dict[str, Any] = {"settings": {}, "data": {}, "results": {}}


@pytest.fixture
def trained() -> Any:
    """A decoder with LoRA that was changed, for a test that changes it further."""
    reranker = load_for_training(CHECKPOINTS / "llm")
    add_lora(reranker.model, ["q_proj"])
    change_trained(reranker.model)
    return reranker


# Adapters that are loaded again


@each_case
@pytest.mark.parametrize("merge", [True, False], ids=["merged", "beside"])
def test_a_saved_adapter_scores_as_what_was_trained(
    case: str, merge: bool, products: Products, assert_same: Callable[..., None]
) -> None:
    product = products.adapter(case)

    loaded = load_reranker(product.base, adapter=product.folder, merge_adapter=merge)

    assert_same(score(loaded), product.scores)
    assert torch.tensor(product.scores).sub(torch.tensor(product.scores_before)).abs().max() > 0.05


@pytest.mark.parametrize("case", [pytest.param("layerwise", marks=pytest.mark.slow), "layerwise from a raw base"])
def test_a_saved_adapter_is_loaded_up_to_a_layer(case: str, products: Products, assert_same: Callable[..., None]) -> None:
    product = products.adapter(case)

    loaded: Any = load_reranker(product.base, adapter=product.folder, max_layer=4)

    assert loaded.cutoff_range == range(2, 5)
    assert_same(score(loaded), [row[:3] for row in product.scores])


@each_case
def test_what_a_model_with_a_saved_adapter_takes_is_known_before(case: str, products: Products) -> None:
    product = products.adapter(case)

    loaded = load_reranker(product.base, adapter=product.folder)

    assert estimate_memory(product.base, adapter=product.folder) == loaded.memory_bytes


@each_case
def test_a_saved_adapter_is_added_to_the_models_of_the_machine(case: str, products: Products, tmp_path: Path) -> None:
    product = products.adapter(case)

    model, note = LocalModels(tmp_path / "models.json").add(str(product.base), adapter=str(product.folder))

    info = describe_local_model(model)
    assert note == ""
    assert (info.family, info.layers) == (case.split()[0], (2, 8) if "layerwise" in case else None)


def test_a_saved_adapter_finds_its_base_by_itself(products: Products, tmp_path: Path) -> None:
    product = products.adapter("decoder")

    model, _ = LocalModels(tmp_path / "models.json").add(str(product.folder))

    assert (model.base, model.adapter) == (str(product.base), str(product.folder))


# Adapters that others read


@pytest.mark.parametrize(
    "case",
    [
        pytest.param("encoder", marks=pytest.mark.slow),
        "encoder from a raw base",
        pytest.param("encoder from a bare base", marks=pytest.mark.slow),
    ],
)
def test_peft_reads_a_saved_adapter_onto_transformers_own_encoder(
    case: str, products: Products, assert_same: Callable[..., None]
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForSequenceClassification

    product = products.adapter(case)
    plain = AutoModelForSequenceClassification.from_pretrained(product.base, num_labels=1)
    model = PeftModel.from_pretrained(plain, product.folder).eval()

    assert_same([[model(input_ids=torch.tensor([ids])).logits.item()] for ids in build_ids(product)], product.scores)


def test_peft_reads_a_saved_adapter_onto_transformers_own_decoder(
    products: Products, assert_same: Callable[..., None]
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    product = products.adapter("decoder")
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(product.base), product.folder).eval()
    answer = product.trained.inputs._tokenizer.first_id("Yes")

    logits = [model(input_ids=torch.tensor([ids])).logits[0, -1, answer].item() for ids in build_ids(product)]
    assert_same([[logit] for logit in logits], product.scores)


def test_a_saved_adapter_is_spelled_as_flagembeddings_own(products: Products) -> None:
    theirs, ours = CHECKPOINTS / "adapters" / "adapter-layerwise-raw", products.adapter("layerwise from a raw base").folder

    shapes = [
        {name: tuple(tensor.shape) for name, tensor in load_file(folder / "adapter_model.safetensors").items()}
        for folder in (theirs, ours)
    ]
    assert shapes[0] == shapes[1]
    configs = [json.loads((folder / "adapter_config.json").read_text(encoding="utf-8")) for folder in (theirs, ours)]
    assert configs[1].keys() <= configs[0].keys()  # older versions of peft refuse a name that they do not know
    for key in ("peft_type", "task_type", "r", "lora_alpha", "modules_to_save", "inference_mode"):
        assert configs[0][key] == configs[1][key], key
    assert sorted(configs[0]["target_modules"]) == configs[1]["target_modules"]


@each_case
def test_a_saved_adapter_consists_of_what_readers_know(case: str, products: Products) -> None:
    product = products.adapter(case)

    assert sorted(file.name for file in product.folder.iterdir()) == [
        "README.md",
        "adapter_config.json",
        "adapter_model.safetensors",
        "base.json",
    ]
    for name, tensor in load_file(product.folder / "adapter_model.safetensors").items():
        assert re.fullmatch(
            r"base_model\.model\..*(lora_[AB]|linear_head|classifier\.(dense|out_proj))\.(weight|bias)", name
        )
        assert tensor.dtype == torch.float32


# Its base


def test_an_adapter_carries_the_fingerprint_of_its_base(products: Products) -> None:
    product = products.adapter("decoder")

    assert json.loads((product.folder / "base.json").read_text(encoding="utf-8")) == {
        "name": str(product.base),
        "revision": None,
        "fingerprint": Checkpoint(product.base).fingerprint(),
    }


def test_a_base_in_the_cache_is_known_by_its_name_and_commit(published_cache: Path) -> None:
    for given in ("bge-reranker-v2-m3", "BAAI/bge-reranker-v2-m3"):
        base = identify_base(given)
        assert (base.name, base.revision) == ("BAAI/bge-reranker-v2-m3", "0123456789abcdef0123456789abcdef01234567")
    assert base.folder.is_relative_to(published_cache)


@pytest.mark.parametrize("case", ["encoder from a raw base", pytest.param("decoder", marks=pytest.mark.slow)])
def test_an_adapter_is_refused_on_other_weights_and_taken_on_its_own_wherever_they_lie(
    case: str, products: Products, copy_checkpoint: Callable[..., Path], edit_tensors: Callable[..., None]
) -> None:
    product = products.adapter(case)
    moved = copy_checkpoint(str(product.base), to="moved")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_reranker(moved, adapter=product.folder)

    edit_tensors(moved / "model.safetensors", lambda tensors: tensors[max(tensors)].mul_(1.5).add_(1))

    with pytest.raises(AdapterError, match="was trained on other weights than"):
        load_reranker(moved, adapter=product.folder)


# Whole models


@pytest.mark.parametrize(
    "base",
    [
        pytest.param("encoder", marks=pytest.mark.slow),
        "raw_encoder",
        pytest.param("bare_encoder", marks=pytest.mark.slow),
    ],
)
def test_a_model_that_was_trained_whole_is_read_here_and_by_transformers(
    base: str, products: Products, assert_same: Callable[..., None]
) -> None:
    from transformers import AutoModelForSequenceClassification

    product = products.full_model(base)

    assert_same(score(load_reranker(product.folder)), product.scores)
    plain, report = AutoModelForSequenceClassification.from_pretrained(product.folder, output_loading_info=True)
    assert not any(report[problem] for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert_same([[plain(input_ids=torch.tensor([ids])).logits.item()] for ids in build_ids(product)], product.scores)
    published = load_file(CHECKPOINTS / "encoder" / "model.safetensors")
    saved = load_file(product.folder / "model.safetensors")
    assert {name: place.shape for name, place in saved.items()} == {name: place.shape for name, place in published.items()}


def test_a_model_that_was_trained_whole_has_the_published_config_and_its_tokenizer(products: Products) -> None:
    product = products.full_model("raw_encoder")

    config, published = (
        json.loads((folder / "config.json").read_text(encoding="utf-8"))
        for folder in (product.folder, CHECKPOINTS / "encoder")
    )
    assert config == published
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        assert (product.folder / name).read_bytes() == (product.base / name).read_bytes()


def test_a_decoder_without_lora_is_not_saved_whole(tmp_path: Path) -> None:
    reranker = load_for_training(CHECKPOINTS / "llm")

    with pytest.raises(InputError, match="A decoder model is trained with LoRA; only encoders"):
        save_product(reranker, tmp_path / "model", base=identify_base(CHECKPOINTS / "llm"), **NOTHING_MORE)
    assert not list(tmp_path.iterdir())


# The model card


@pytest.mark.parametrize("is_adapter", [True, False])
def test_the_model_card_says_what_it_was_made_of(is_adapter: bool, products: Products) -> None:
    product = products.adapter("decoder") if is_adapter else products.full_model("raw_encoder")
    on = product.base.name
    card = (product.folder / "README.md").read_text(encoding="utf-8")

    assert f"library_name: {'peft' if is_adapter else 'transformers'}" in card
    assert (f"A LoRA adapter on {on}" if is_adapter else f"A reranker trained from {on}") in card
    assert f"| rows.jsonl | {'ab' * 32} |" in card
    assert "| before | 0.25 |  |\n| after | 0.5 | 1 |" in card
    assert "- best step: 7" in card
    assert '"learning_rate": 0.0002' in card
    assert "somebody" not in card  # where files lay is left out
    assert str(product.base) not in card


def test_the_model_card_of_a_published_base_links_it(trained: Any, tmp_path: Path) -> None:
    base = BaseIdentity(name="BAAI/bge-reranker-v2-gemma", folder=CHECKPOINTS / "llm", revision="4f2c", fingerprint="00")

    save_product(trained, tmp_path / "adapter", base=base, **NOTHING_MORE)

    assert "base_model: BAAI/bge-reranker-v2-gemma\n" in (tmp_path / "adapter" / "README.md").read_text(encoding="utf-8")
    assert json.loads((tmp_path / "adapter" / "base.json").read_text(encoding="utf-8"))["revision"] == "4f2c"
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text(encoding="utf-8"))
    assert (config["base_model_name_or_path"], config["revision"]) == ("BAAI/bge-reranker-v2-gemma", "4f2c")


# Collecting and restoring


@pytest.mark.parametrize("folder", ["encoder", "llm", pytest.param("layerwise", marks=pytest.mark.slow)])
def test_what_was_collected_is_restored_into_the_same_parameters(folder: str) -> None:
    reranker = load_for_training(CHECKPOINTS / folder)
    if folder == "encoder":
        reranker.model.requires_grad_(True)
    else:
        add_lora(reranker.model, ["q_proj"], ["linear_head"] if folder == "layerwise" else None)
    change_trained(reranker.model)
    kept, scores, parameters = collect_trained(reranker), score(reranker), list(reranker.model.parameters())
    assert len(kept) == sum(place.requires_grad for place in parameters)
    change_trained(reranker.model, seed=8)
    assert score(reranker) != scores

    restore_trained(reranker, kept)

    assert score(reranker) == scores
    assert all(one is other for one, other in zip(reranker.model.parameters(), parameters, strict=True))


def test_what_was_collected_does_not_change_with_the_training(trained: Any) -> None:
    kept = collect_trained(trained)
    before = {name: tensor.clone() for name, tensor in kept.items()}

    change_trained(trained.model, seed=8)

    assert all(torch.equal(tensor, before[name]) for name, tensor in kept.items())


@pytest.mark.parametrize("change", ["a name less", "a name more", "another shape"])
def test_what_another_training_left_is_not_restored_and_changes_nothing(change: str, trained: Any) -> None:
    kept, scores = collect_trained(trained), score(trained)
    other = {name: tensor * 2 for name, tensor in kept.items()}
    if change == "a name less":
        del other[max(other)]
    elif change == "a name more":
        other["base_model.model.x.lora_A.weight"] = torch.ones(1)
    else:
        other[max(other)] = torch.ones(2, 2)

    with pytest.raises(AdapterError, match="of different runs"):
        restore_trained(trained, other)
    assert score(trained) == scores


# Failing


def test_a_new_product_takes_the_place_of_an_earlier_one(trained: Any, tmp_path: Path) -> None:
    base, folder = identify_base(CHECKPOINTS / "llm"), tmp_path / "adapter"
    save_product(trained, folder, base=base, **NOTHING_MORE)
    (folder / "notes.txt").write_text("of the earlier one", encoding="utf-8")
    change_trained(trained.model, seed=8)

    save_product(trained, folder, base=base, **NOTHING_MORE)

    assert not (folder / "notes.txt").exists()
    assert [file.name for file in tmp_path.iterdir()] == ["adapter"]
    saved, now = load_file(folder / "adapter_model.safetensors"), collect_trained(trained)
    assert all(torch.equal(saved[name], now[name]) for name in now)


@pytest.mark.parametrize("size", [100, 1500])
def test_a_full_disk_leaves_the_earlier_product_whole(size: int, trained: Any, tmp_path: Path) -> None:
    base, folder = identify_base(CHECKPOINTS / "llm"), tmp_path / "adapter"
    save_product(trained, folder, base=base, **NOTHING_MORE)
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    change_trained(trained.model, seed=8)

    with files_up_to(size), pytest.raises(InputError, match="cannot be written"):
        save_product(trained, folder, base=base, **NOTHING_MORE)

    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert [file.name for file in tmp_path.iterdir()] == ["adapter"]


def test_a_file_in_the_place_of_the_product_is_left_alone(trained: Any, tmp_path: Path) -> None:
    (tmp_path / "adapter").write_text("mine", encoding="utf-8")

    with pytest.raises(InputError, match="cannot be written"):
        save_product(trained, tmp_path / "adapter", base=identify_base(CHECKPOINTS / "llm"), **NOTHING_MORE)
    assert [(file.name, file.read_text(encoding="utf-8")) for file in tmp_path.iterdir()] == [("adapter", "mine")]


def test_weights_that_are_not_finite_are_not_saved(trained: Any, tmp_path: Path) -> None:
    base, folder = identify_base(CHECKPOINTS / "llm"), tmp_path / "adapter"
    save_product(trained, folder, base=base, **NOTHING_MORE)
    before = (folder / "adapter_model.safetensors").read_bytes()
    next(place for place in trained.model.parameters() if place.requires_grad).data[0, 0] = float("nan")

    with pytest.raises(AdapterError, match=r"layers\.0.*not finite, so nothing was saved.*lower learning rate"):
        save_product(trained, folder, base=base, **NOTHING_MORE)
    assert (folder / "adapter_model.safetensors").read_bytes() == before


def build_ids(product: Product) -> list[list[int]]:
    """Build the ids of `PAIRS` as the pipeline does."""
    inputs = product.trained.inputs
    budget = inputs.scoring_budget(max_length=512, query_max_length=None, prompt=None)
    built = inputs.build(PAIRS, budget=budget, prompt=None, query_instruction=None, passage_instruction=None)
    return [pair.ids for pair in built]
