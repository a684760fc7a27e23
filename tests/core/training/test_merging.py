"""A base and an adapter as one whole model: the same scores, in the published layout."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from reranker_core import load_reranker
from reranker_core.errors import AdapterError
from reranker_core.local_models import LocalModels, describe_local_model
from reranker_core.training.merging import merge_adapter
from tests.core.training.products import (
    ADAPTERS,
    CHECKPOINTS,
    KNOWN,
    LLM,
    PAIRS,
    Products,
    change_trained,
    each_case,
    score,
)

EditTensors = Callable[[Path, Callable[[dict[str, Any]], object]], None]


@pytest.fixture(scope="module")
def merged(products: Products) -> Callable[[str], Path]:
    """The product of a case, merged into its base; each is made once."""

    def merge(case: str) -> Path:
        product = products.adapter(case)
        folder = product.folder.with_name(f"{product.folder.name}-merged")
        return folder if folder.exists() else merge_adapter(product.base, product.folder, folder).folder

    return merge


def read_config(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))


# The same scores


@each_case
def test_a_merged_model_scores_as_what_was_trained(
    case: str, products: Products, merged: Callable[[str], Path], assert_same: Callable[..., None]
) -> None:
    assert_same(score(load_reranker(merged(case))), products.adapter(case).scores)


@pytest.mark.slow
@pytest.mark.parametrize("name", KNOWN)
def test_a_merged_adapter_of_flagembedding_gives_its_scores(
    name: str, tmp_path: Path, known: dict[str, Any], assert_same: Callable[..., None]
) -> None:
    case = KNOWN[name]

    result = merge_adapter(CHECKPOINTS / case["base"], ADAPTERS / name, tmp_path / "merged")

    assert_same(load_reranker(tmp_path / "merged").compute_score(known["pairs"], **case["arguments"]), case["scores"])
    assert result.difference is not None
    assert result.difference < 1e-5


@pytest.mark.parametrize(
    "case",
    [
        pytest.param("encoder", marks=pytest.mark.slow),
        "encoder from a raw base",
        pytest.param("encoder from a bare base", marks=pytest.mark.slow),
    ],
)
def test_a_merged_encoder_is_read_by_transformers(
    case: str, products: Products, merged: Callable[[str], Path], assert_same: Callable[..., None]
) -> None:
    from transformers import AutoModelForSequenceClassification

    plain, report = AutoModelForSequenceClassification.from_pretrained(merged(case), output_loading_info=True)

    assert not report["missing_keys"]
    assert not report["mismatched_keys"]
    logits = [[plain(input_ids=torch.tensor([ids])).logits.item()] for ids in build_ids(products.adapter(case).trained)]
    assert_same(logits, products.adapter(case).scores)


def test_a_merged_decoder_is_read_by_transformers(
    products: Products, merged: Callable[[str], Path], assert_same: Callable[..., None]
) -> None:
    from transformers import AutoModelForCausalLM

    plain, report = AutoModelForCausalLM.from_pretrained(merged("decoder"), output_loading_info=True)

    assert not any(report[problem] for problem in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    trained = products.adapter("decoder").trained
    answer = trained.inputs._tokenizer.first_id("Yes")
    logits = [[plain(input_ids=torch.tensor([ids])).logits[0, -1, answer].item()] for ids in build_ids(trained)]
    assert_same(logits, products.adapter("decoder").scores)


@pytest.mark.slow
@pytest.mark.parametrize(
    "settings",
    [
        {"use_rslora": True},
        {"rank_pattern": {"layers.1.self_attn.q_proj": 2}, "alpha_pattern": {"q_proj": 3}},
        {"alpha_pattern": {r".*\.1\.self_attn\.v_proj": 32}},
        {"layers_to_transform": [1]},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_scales_are_those_of_peft(settings: dict[str, Any], tmp_path: Path, assert_same: Callable[..., None]) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM

    base = write_llama(tmp_path / "base", tied=True)
    plain = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(base))
    adapter = save_with_peft(plain, base, tmp_path / "adapter", ["q_proj", "v_proj"], **settings)

    merge_adapter(base, adapter, tmp_path / "merged")

    beside = load_reranker(base, adapter=adapter, merge_adapter=False)
    assert_same(score(load_reranker(tmp_path / "merged")), score(beside))
    assert torch.tensor(score(beside)).sub(torch.tensor(score(load_reranker(base)))).abs().max() > 1e-2


@pytest.mark.slow
def test_an_adapter_on_the_output_matrix_of_a_decoder_is_merged_though_it_cannot_be_loaded_beside(
    tmp_path: Path, assert_same: Callable[..., None]
) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    base = write_llama(tmp_path / "base", tied=False)
    adapter = save_with_peft(AutoModelForCausalLM.from_pretrained(base), base, tmp_path / "adapter", ["lm_head", "q_proj"])
    with pytest.raises(AdapterError, match="Merge it first"):
        load_reranker(base, adapter=adapter)

    assert merge_adapter(base, adapter, tmp_path / "merged").difference is None

    reranker: Any = load_reranker(tmp_path / "merged")
    plain = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(base), adapter).merge_and_unload()
    answer = reranker.inputs._tokenizer.first_id("Yes")
    logits = [[plain(input_ids=torch.tensor([ids])).logits[0, -1, answer].item()] for ids in build_ids(reranker)]
    assert_same(score(reranker), logits)


# The published layout


@pytest.mark.parametrize(
    ("case", "published"),
    [pytest.param("encoder", "encoder", marks=pytest.mark.slow), ("layerwise from a raw base", "layerwise")],
)
def test_a_merged_model_has_the_tensors_of_the_published_one(
    case: str, published: str, merged: Callable[[str], Path]
) -> None:
    shapes = [
        {name: (tuple(tensor.shape), tensor.dtype) for name, tensor in load_file(folder / "model.safetensors").items()}
        for folder in (merged(case), CHECKPOINTS / published)
    ]

    assert shapes[0] == shapes[1]


def test_what_the_adapter_does_not_change_is_copied(products: Products, merged: Callable[[str], Path]) -> None:
    base = load_file(products.base("raw_encoder") / "model.safetensors")
    new = load_file(merged("encoder from a raw base") / "model.safetensors")

    changed = {name for name in base if not torch.equal(base[name], new[name])}
    assert changed == {
        f"roberta.encoder.layer.{layer}.attention.self.{place}.weight" for layer in range(3) for place in ("query", "value")
    }
    assert new.keys() - base.keys() == {
        f"classifier.{layer}.{kind}" for layer in ("dense", "out_proj") for kind in ("weight", "bias")
    }
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        copied = merged("encoder from a raw base") / name
        assert copied.read_bytes() == (CHECKPOINTS / "encoder" / name).read_bytes()


@pytest.mark.slow
def test_a_vocabularys_matrix_goes_where_heads_take_its_place(
    products: Products, copy_checkpoint: Callable[..., Path], edit_tensors: EditTensors, tmp_path: Path
) -> None:
    base = copy_checkpoint("raw_minicpm")
    edit_tensors(base / "model.safetensors", lambda tensors: tensors.update({"lm_head.weight": torch.ones(1600, 48)}))
    adapter = Path(shutil.copytree(ADAPTERS / "adapter-layerwise-raw", tmp_path / "adapter"))

    merge_adapter(base, adapter, tmp_path / "merged")

    assert "lm_head.weight" not in load_file(tmp_path / "merged" / "model.safetensors")


@pytest.mark.parametrize(
    "case", ["encoder from a raw base", pytest.param("encoder from a bare base", marks=pytest.mark.slow)]
)
def test_a_raw_encoder_becomes_one_with_the_published_config(case: str, merged: Callable[[str], Path]) -> None:
    assert read_config(merged(case)) == read_config(CHECKPOINTS / "encoder")


@pytest.mark.parametrize("case", [pytest.param("layerwise", marks=pytest.mark.slow), "layerwise from a raw base"])
def test_a_layerwise_model_has_the_published_config_without_code(case: str, merged: Callable[[str], Path]) -> None:
    config, published = read_config(merged(case)), read_config(CHECKPOINTS / "layerwise")

    where = "BAAI/bge-reranker-v2-minicpm-layerwise--"
    assert config.pop("auto_map") == {name: where + place for name, place in published.pop("auto_map").items()}
    assert config.pop("tie_word_embeddings") is False
    assert config == published
    assert not list(merged(case).glob("*.py"))


def test_the_config_of_a_released_reranker_stays_as_it_is(merged: Callable[[str], Path]) -> None:
    assert read_config(merged("decoder")) == read_config(LLM)


def test_a_merged_model_is_a_model_of_the_machine(merged: Callable[[str], Path], tmp_path: Path) -> None:
    model, note = LocalModels(tmp_path / "models.json").add(str(merged("layerwise from a raw base")))

    assert note == ""
    assert describe_local_model(model).layers == (2, 8)


def build_ids(reranker: Any) -> list[list[int]]:
    """Build the ids of `PAIRS` as the pipeline does."""
    budget = reranker.inputs.scoring_budget(max_length=512, query_max_length=None, prompt=None)
    built = reranker.inputs.build(PAIRS, budget=budget, prompt=None, query_instruction=None, passage_instruction=None)
    return [pair.ids for pair in built]


def write_llama(folder: Path, *, tied: bool) -> Path:
    """Write a tiny Llama with the tiny decoder's tokenizer."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(3)
    config = LlamaConfig(
        vocab_size=1600,
        hidden_size=32,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=4,
        max_position_embeddings=1024,
        initializer_range=0.3,
        attention_bias=True,
        tie_word_embeddings=tied,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=1,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(LLM / name, folder)
    return folder


def save_with_peft(plain: Any, base: Path, folder: Path, targets: list[str], **settings: Any) -> Path:
    """Change a model of transformers with LoRA and let peft save the adapter, named after its base."""
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(r=4, lora_alpha=8, target_modules=targets, task_type="CAUSAL_LM", **settings)
    model = get_peft_model(plain, config)
    change_trained(model)
    model.save_pretrained(folder, save_embedding_layers=False)
    content = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    (folder / "adapter_config.json").write_text(
        json.dumps(content | {"base_model_name_or_path": str(base)}), encoding="utf-8"
    )
    return folder
