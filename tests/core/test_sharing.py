"""An adapter beside a base that is in memory: the scores of one loaded by itself, on the very weights of the base."""

import copy
import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from reranker_core import BM25Reranker, load_beside, load_reranker
from reranker_core.errors import AdapterError, InputError
from reranker_core.loading import estimate_memory, load_for_training
from reranker_core.sharing import can_share
from tests.core.training.products import ADAPTERS, CHECKPOINTS, KNOWN, PAIRS, Products, score

LLM_LORA = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"
each_family = pytest.mark.parametrize("case", ["encoder", "decoder", "layerwise"])


@pytest.fixture(scope="module")
def products(tmp_path_factory: pytest.TempPathFactory) -> Products:
    return Products(tmp_path_factory.mktemp("products"))


@pytest.fixture
def copy_adapter(tmp_path: Path) -> Callable[[str], Path]:
    """Copy an adapter of tests/checkpoints into the test's folder."""
    return lambda name: Path(shutil.copytree(ADAPTERS / name, tmp_path / "adapter"))


def places(reranker: Any) -> set[int]:
    """Give where in memory its weights lie; a packed one has no address, so it counts as the object that it is."""
    return {tensor.data_ptr() if tensor.layout == torch.strided else id(tensor) for tensor in reranker.weights()}


@each_family
def test_an_adapter_beside_its_base_gives_the_scores_of_one_loaded_by_itself(
    case: str, products: Products, assert_same: Callable[..., None]
) -> None:
    product = products.adapter(case)
    base = load_reranker(product.base)
    before = score(base)

    tuned = load_beside(base, product.folder)

    assert_same(score(tuned), score(load_reranker(product.base, adapter=product.folder)))
    assert_same(score(tuned), product.scores)
    assert score(base) == before  # to the last bit, beside an adapter that was used
    del tuned
    assert score(base) == before


@pytest.mark.parametrize("name", [name for name in KNOWN if KNOWN[name]["base"] != "raw_minicpm"])
def test_an_adapter_of_flagembedding_beside_its_base_gives_its_scores(
    name: str, load: Callable[..., Any], known: dict[str, Any], assert_same: Callable[..., None]
) -> None:
    case = KNOWN[name]

    tuned = load_beside(load(case["base"]), ADAPTERS / name)

    assert_same(tuned.compute_score(known["pairs"], **case["arguments"]), case["scores"])


@each_family
def test_only_the_adapters_own_weights_are_new_and_they_alone_are_counted(case: str, products: Products) -> None:
    product = products.adapter(case)
    base = load_reranker(product.base)

    one, two = load_beside(base, product.folder), load_beside(base, product.folder)

    assert places(base) <= places(one) & places(two)
    assert places(one) & places(two) == places(base)
    assert 0 < one.memory_bytes < base.memory_bytes / 4
    assert one.memory_bytes == estimate_memory(product.base, adapter=product.folder, is_beside=True)
    assert base.memory_bytes == estimate_memory(product.base)


def test_an_adapter_is_as_deep_as_the_base_that_is_loaded(assert_same: Callable[..., None], known: dict[str, Any]) -> None:
    case = KNOWN["adapter-layerwise-heads-all"]
    base: Any = load_reranker(CHECKPOINTS / "layerwise", max_layer=5)

    tuned: Any = load_beside(base, ADAPTERS / "adapter-layerwise-heads-all")

    assert tuned.cutoff_range == base.cutoff_range == range(2, 6)
    assert_same(tuned.compute_score(known["pairs"], cutoff_layers=[2, 5]), case["scores"][:2])
    with pytest.raises(InputError, match="deeper than what was loaded"):
        tuned.compute_score(PAIRS, cutoff_layers=8)


def test_a_reranker_with_an_adapter_beside_it_says_both_names_and_needs_no_gradient(load: Callable[..., Any]) -> None:
    base = load("llm")

    tuned: Any = load_beside(base, ADAPTERS / "adapter-llm")

    assert tuned.name == f"{base.name} + adapter-llm"
    assert base.name == str(CHECKPOINTS / "llm")
    assert not any(parameter.requires_grad for parameter in tuned.model.parameters())
    assert not any(module.training for module in tuned.model.modules())
    assert not any("lora" in name for name, _ in base.model.named_parameters())


@pytest.mark.parametrize("copy_of", [copy.deepcopy, lambda reranker: pickle.loads(pickle.dumps(reranker))])
def test_a_reranker_with_an_adapter_beside_it_can_be_copied_and_pickled(
    copy_of: Callable[[Any], Any], products: Products, assert_same: Callable[..., None]
) -> None:
    product = products.adapter("encoder")
    assert_same(score(copy_of(load_beside(load_reranker(product.base), product.folder))), product.scores)


def test_layers_that_are_not_packed_are_shared_too(
    monkeypatch: pytest.MonkeyPatch, products: Products, assert_same: Callable[..., None]
) -> None:
    monkeypatch.setattr("reranker_core.filling.can_pack", lambda _: False)
    product = products.adapter("decoder")
    base: Any = load_reranker(product.base)
    assert type(base.model.model.layers[0].self_attn.q_proj) is torch.nn.Linear
    before = score(base)

    tuned = load_beside(base, product.folder)

    assert_same(score(tuned), product.scores)
    assert score(base) == before
    assert places(base) < places(tuned)


def test_an_adapter_of_a_base_with_other_weights_is_refused(
    copy_checkpoint: Callable[..., Path], edit_tensors: Callable[..., None], products: Products
) -> None:
    other = copy_checkpoint("llm")
    edit_tensors(other / "model.safetensors", lambda tensors: tensors["model.layers.2.mlp.up_proj.weight"].mul_(1.01))

    with pytest.raises(AdapterError, match="trained on other weights than"):
        load_beside(load_reranker(other), products.adapter("decoder").folder)


def test_an_adapter_of_another_shape_is_refused(load: Callable[..., Any]) -> None:
    with pytest.raises(AdapterError, match=r"adapter-llm does not fit .*layerwise"):
        load_beside(load("layerwise"), ADAPTERS / "adapter-llm")


def test_only_a_plain_base_takes_an_adapter_beside_it(load: Callable[..., Any]) -> None:
    tuned = load("llm", adapter=ADAPTERS / "adapter-llm")
    for base in (
        tuned,
        load_beside(load("llm"), ADAPTERS / "adapter-llm"),
        BM25Reranker(),
        load_for_training(CHECKPOINTS / "llm"),
    ):
        with pytest.raises(InputError, match=r"takes no adapter beside it.*Load the base alone first"):
            load_beside(base, ADAPTERS / "adapter-llm")


def with_bias(folder: Path) -> None:
    file = folder / "adapter_model.safetensors"
    name = "base_model.model.roberta.encoder.layer.0.attention.self.query.bias"
    save_file(load_file(file) | {name: torch.ones(48)}, file)
    edit(folder, bias="lora_only")


def with_pissa(folder: Path) -> None:
    edit(folder, init_lora_weights="pissa")  # peft takes the adapter's part off the weights when it puts such a one on


def with_trained_block(folder: Path) -> None:
    file = folder / "adapter_model.safetensors"
    name = "base_model.model.roberta.embeddings.LayerNorm.weight"
    save_file(load_file(file) | {name: torch.ones(48)}, file)
    edit(folder, modules_to_save=["classifier", "roberta.embeddings.LayerNorm"])


def edit(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    (folder / "adapter_config.json").write_text(json.dumps(config | changes), encoding="utf-8")


@pytest.mark.parametrize("change", [with_bias, with_pissa, with_trained_block])
def test_an_adapter_that_would_change_its_base_is_refused_and_the_base_stays_as_it_is(
    change: Callable[[Path], None], products: Products, tmp_path: Path
) -> None:
    product = products.adapter("encoder")
    folder = Path(shutil.copytree(product.folder, tmp_path / "adapter"))
    change(folder)
    base = load_reranker(product.base)
    before = score(base)

    with pytest.raises(AdapterError, match=r"changes more of its base than can be kept beside it.*load_reranker"):
        load_beside(base, folder)

    assert score(base) == before
    assert not can_share(product.base, adapter=folder)


def test_what_can_share_is_told_without_loading(copy_adapter: Callable[[str], Path], tmp_path: Path) -> None:
    adapter = copy_adapter("adapter-llm")
    assert can_share(CHECKPOINTS / "llm", adapter=adapter)
    assert can_share("bge-reranker-v2-gemma", adapter=adapter)  # of the catalogue, and not on this machine
    assert not can_share(CHECKPOINTS / "raw_minicpm", adapter=ADAPTERS / "adapter-layerwise-raw")  # no reranker alone
    assert not can_share(tmp_path / "nowhere", adapter=adapter)
    (adapter / "adapter_model.safetensors").unlink()
    assert not can_share(CHECKPOINTS / "llm", adapter=adapter)
