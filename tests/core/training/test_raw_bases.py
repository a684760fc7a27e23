"""What a training starts from: a released reranker as it scores, or a raw base with the score head that it lacks."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from reranker_core.errors import InputError, UnsupportedModelError
from reranker_core.loading import load_for_training
from reranker_core.packing import pack
from tests.core.training.products import CHECKPOINTS, Products, score

RELEASED = ["encoder", "llm", "layerwise"]
RAW = {"raw_encoder": {}, "bare_encoder": {}, "raw_minicpm": {"head_multi": True, "start_layer": 3}}

CopyCheckpoint = Callable[..., Path]
EditTensors = Callable[[Path, Callable[[dict[str, Any]], object]], None]


# Released rerankers


@pytest.mark.parametrize("folder", RELEASED)
def test_a_released_reranker_scores_in_training_as_it_scores_ever(
    folder: str, load: Callable[..., Any], assert_same: Callable[..., None]
) -> None:
    assert_same(score(load_for_training(CHECKPOINTS / folder)), score(load(folder)))


@pytest.mark.parametrize("folder", [*RELEASED, *RAW])
def test_every_weight_of_the_deepest_run_can_get_a_gradient(folder: str, products: Products) -> None:
    reranker = load_for_training(products.base(folder), **RAW.get(folder, {}))
    assert not any(place.requires_grad for place in reranker.model.parameters())
    assert not any(module.training for module in reranker.model.modules())
    reranker.model.requires_grad_(True)
    batch = pack([[0, 5, 6, 2, 2, 7, 2], [0, 8, 2]], is_causal=reranker.is_causal, device=torch.device("cpu"))

    reranker.score_packed(batch, tuple(reranker.cutoff_range or (None,))).sum().backward()

    linear = [module for module in reranker.model.modules() if isinstance(module, nn.Linear)]
    assert len(linear) > 18
    assert all(module.weight.grad is not None and module.weight.grad.abs().sum() > 0 for module in linear)


def test_training_in_place_leaves_the_files_of_the_base_as_they_are(copy_checkpoint: CopyCheckpoint) -> None:
    base = copy_checkpoint("encoder")
    before = (base / "model.safetensors").read_bytes()

    reranker = load_for_training(base)
    for parameter in reranker.model.parameters():
        parameter.zero_()

    assert (base / "model.safetensors").read_bytes() == before


@pytest.mark.parametrize(
    ("dropout", "expected"), [(None, {0.1}), (0.0, {0.0}), (0.3, {0.3})], ids=["its own", "none", "another"]
)
def test_dropout_is_the_models_own_unless_it_is_given(dropout: float | None, expected: set[float]) -> None:
    reranker = load_for_training(CHECKPOINTS / "encoder", dropout=dropout)

    assert {module.p for module in reranker.model.modules() if isinstance(module, nn.Dropout)} == expected


@pytest.mark.parametrize("folder", ["llm", "layerwise"])
def test_dropout_of_a_causal_model_is_that_of_its_attention(folder: str) -> None:
    assert load_for_training(CHECKPOINTS / folder, dropout=0.2).model.model.layers[0].self_attn.attention_dropout == 0.2
    assert load_for_training(CHECKPOINTS / folder).model.model.layers[0].self_attn.attention_dropout == 0.0


# Raw encoders


@pytest.mark.parametrize("folder", ["raw_encoder", "bare_encoder"])
def test_a_raw_encoder_gets_a_new_classifier_and_keeps_its_body(folder: str, products: Products) -> None:
    reranker = load_for_training(products.base(folder))

    assert (reranker.family, reranker.inputs.context) == ("encoder", 512)
    head = {name: place for name, place in reranker.model.named_parameters() if name.startswith("classifier.")}
    assert {name: tuple(place.shape) for name, place in head.items()} == {
        "classifier.dense.weight": (48, 48),
        "classifier.dense.bias": (48,),
        "classifier.out_proj.weight": (1, 48),
        "classifier.out_proj.bias": (1,),
    }
    for layer in ("dense", "out_proj"):
        # 0.02 is the initializer_range of its config
        assert head[f"classifier.{layer}.weight"].std().item() == pytest.approx(0.02, rel=0.3)
        assert not head[f"classifier.{layer}.bias"].any()
    body = load_file(CHECKPOINTS / "encoder" / "model.safetensors")
    for name, place in reranker.model.roberta.named_parameters(prefix="roberta"):
        assert torch.equal(place, body[name]), name


def test_a_new_classifier_is_drawn_by_the_seed(products: Products) -> None:
    first, again, other = (
        load_for_training(products.base("raw_encoder"), seed=seed).model.classifier.dense.weight for seed in (1, 1, 2)
    )

    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_two_spellings_of_one_raw_encoder_are_one_model(products: Products) -> None:
    assert score(load_for_training(products.base("raw_encoder"))) == score(load_for_training(products.base("bare_encoder")))


def test_two_labels_in_the_config_of_a_raw_encoder_are_passed_over_in_silence(
    products: Products, copy_checkpoint: CopyCheckpoint, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    base = copy_checkpoint(str(products.base("raw_encoder")), to="labelled", id2label={"0": "A", "1": "B"})
    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)  # else caplog sees nothing of it

    assert load_for_training(base).model.classifier.out_proj.out_features == 1
    assert not caplog.messages


def test_a_head_for_another_task_is_no_score_head(
    products: Products, copy_checkpoint: CopyCheckpoint, edit_tensors: EditTensors
) -> None:
    base = copy_checkpoint(str(products.base("raw_encoder")), to="tagger")
    edit_tensors(base / "model.safetensors", lambda tensors: tensors.update({"classifier.weight": torch.ones(9, 48)}))

    assert load_for_training(base).model.classifier.out_proj.out_features == 1


def test_half_a_classifier_is_refused(copy_checkpoint: CopyCheckpoint, edit_tensors: EditTensors) -> None:
    base = copy_checkpoint("encoder")
    edit_tensors(base / "model.safetensors", lambda tensors: tensors.pop("classifier.out_proj.weight"))

    with pytest.raises(UnsupportedModelError, match=r"lacks 1 of the weights.*classifier\.out_proj\.weight"):
        load_for_training(base)


# Raw MiniCPM


def test_a_raw_minicpm_gets_heads_that_are_copies_of_the_yes_row() -> None:
    reranker: Any = load_for_training(CHECKPOINTS / "raw_minicpm", head_multi=True, start_layer=3)

    assert (reranker.family, reranker.cutoff_range, len(reranker.model.lm_head)) == ("layerwise", range(3, 9), 6)
    token = reranker.inputs._tokenizer.encode(["Yes"])[0][-1]
    row = load_file(CHECKPOINTS / "raw_minicpm" / "model.safetensors")["model.embed_tokens.weight"][token]
    for head in reranker.model.lm_head:
        assert torch.equal(head.linear_head.weight, row[None])
        head.linear_head.weight.zero_()  # each has its own memory, else the next would be zeros too


def test_an_untied_raw_minicpm_has_its_yes_row_in_the_output_matrix(
    copy_checkpoint: CopyCheckpoint, edit_tensors: EditTensors
) -> None:
    base = copy_checkpoint("raw_minicpm", tie_word_embeddings=False)
    edit_tensors(base / "model.safetensors", lambda tensors: tensors.update({"lm_head.weight": torch.ones(1600, 48)}))

    reranker: Any = load_for_training(base, head_multi=True, start_layer=8)

    assert torch.equal(reranker.model.lm_head[0].linear_head.weight, torch.ones(1, 48))


def test_heads_of_a_raw_minicpm_start_at_layer_8_unless_told_otherwise() -> None:
    assert load_for_training(CHECKPOINTS / "raw_minicpm", head_multi=True).cutoff_range == range(8, 9)


@pytest.mark.parametrize("start_layer", [0, 9])
def test_a_first_head_outside_the_layers_is_refused(start_layer: int) -> None:
    with pytest.raises(InputError, match=f"start_layer must be from 1 to 8.* got {start_layer}"):
        load_for_training(CHECKPOINTS / "raw_minicpm", head_multi=True, start_layer=start_layer)


# What does not go together


@pytest.mark.parametrize(
    ("folder", "how", "reason"),
    [
        ("raw_minicpm", {}, r"plain MiniCPM.*Add head_multi \(--head_multi True\)"),
        ("llm", {"head_multi": True}, r"head_multi is for layerwise.*family decoder \(gemma\)\. Leave head_multi out"),
        ("encoder", {"head_multi": True}, "head_multi is for layerwise.*family encoder"),
        ("encoder", {"start_layer": 8}, "start_layer is for layerwise.*Leave start_layer out"),
        ("layerwise", {"start_layer": 3}, "has heads from layer 2 on, got start_layer 3"),
        ("encoder", {"family": "decoder"}, "is of the family encoder, not decoder"),
    ],
)
def test_what_does_not_apply_to_a_base_is_refused_with_what_does(folder: str, how: dict[str, Any], reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        load_for_training(CHECKPOINTS / folder, **how)


def test_bm25_cannot_be_trained() -> None:
    with pytest.raises(InputError, match="BM25 has no weights"):
        load_for_training("bm25")


@pytest.mark.parametrize("how", [{}, {"head_multi": True}, {"head_multi": True, "start_layer": 2}, {"family": "layerwise"}])
def test_a_released_layerwise_reranker_keeps_its_heads_whatever_is_said_twice(how: dict[str, Any]) -> None:
    assert load_for_training(CHECKPOINTS / "layerwise", **how).cutoff_range == range(2, 9)


def test_an_architecture_that_is_not_supported_cannot_be_trained(copy_checkpoint: CopyCheckpoint) -> None:
    with pytest.raises(UnsupportedModelError, match="no supported reranker"):
        load_for_training(copy_checkpoint("encoder", model_type="bert"))


def test_a_raw_base_of_any_causal_language_model_is_a_decoder(copy_checkpoint: CopyCheckpoint, tmp_path: Path) -> None:
    base = copy_checkpoint("llm", tie_word_embeddings=False)
    tensors = load_file(base / "model.safetensors")
    tensors["lm_head.weight"] = torch.arange(1600.0)[:, None].expand(1600, 48).contiguous()
    save_file(tensors, base / "model.safetensors", metadata={"format": "pt"})

    reranker: Any = load_for_training(base)

    assert reranker.family == "decoder"
    assert reranker.model.lm_head.weight[0, 0] == reranker.inputs._tokenizer.first_id("Yes")
