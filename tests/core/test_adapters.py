"""LoRA adapters that FlagEmbedding 1.3.5 trained, on their bases, with the scores that FlagEmbedding gave."""

import json
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from reranker_core import load_reranker
from reranker_core.checkpoints import Checkpoint, read_tensor_file
from reranker_core.errors import AdapterError, RerankerError

ADAPTERS = Path(__file__).parents[1] / "checkpoints" / "adapters"
KNOWN = json.loads((ADAPTERS / "scores.json").read_text(encoding="utf-8"))

each_adapter = pytest.mark.parametrize("name", KNOWN)
merged_or_not = pytest.mark.parametrize("merge", [True, False], ids=["merged", "beside"])
LLM_LORA = "base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight"


@pytest.fixture
def copy_adapter(tmp_path: Path) -> Callable[..., Path]:
    """Copy an adapter into the test's folder."""
    return lambda name, to="adapter": Path(shutil.copytree(ADAPTERS / name, tmp_path / to))


@each_adapter
@merged_or_not
def test_an_adapter_of_flagembedding_gives_its_scores(
    name: str, merge: bool, checkpoints: Path, known: dict[str, Any], assert_same: Callable[..., None]
) -> None:
    case = KNOWN[name]
    reranker = load_reranker(checkpoints / case["base"], adapter=ADAPTERS / name, merge_adapter=merge)

    assert_same(reranker.compute_score(known["pairs"], **case["arguments"]), case["scores"])


@pytest.mark.parametrize("name", [name for name in KNOWN if KNOWN[name]["base"] != "raw_minicpm"])
def test_an_adapter_changes_the_scores(name: str, load: Callable[..., Any], known: dict[str, Any]) -> None:
    case = KNOWN[name]
    plain = load(case["base"]).compute_score(known["pairs"], **case["arguments"])

    difference = torch.tensor(plain) - torch.tensor(case["scores"])
    assert difference.abs().max() > 1e-2


@pytest.mark.parametrize("name", [name for name in KNOWN if "layerwise" in name])
@merged_or_not
def test_an_adapter_loads_up_to_the_deepest_layer_asked_for(
    name: str, merge: bool, checkpoints: Path, known: dict[str, Any], assert_same: Callable[..., None]
) -> None:
    case = KNOWN[name]
    assert case["arguments"]["cutoff_layers"] == [2, 5, 8]

    reranker: Any = load_reranker(checkpoints / case["base"], adapter=ADAPTERS / name, max_layer=5, merge_adapter=merge)

    assert_same(reranker.compute_score(known["pairs"], cutoff_layers=[2, 5]), case["scores"][:2])
    assert len(reranker.model.model.layers) == 5


@each_adapter
def test_a_merged_adapter_leaves_the_modules_of_its_base(name: str, checkpoints: Path, load: Callable[..., Any]) -> None:
    merged: Any = load_reranker(checkpoints / KNOWN[name]["base"], adapter=ADAPTERS / name)

    assert not [module for module, _ in merged.model.named_modules() if "lora" in module]


@each_adapter
@merged_or_not
def test_a_model_with_an_adapter_needs_no_gradient_and_is_in_eval_mode(name: str, merge: bool, checkpoints: Path) -> None:
    reranker: Any = load_reranker(checkpoints / KNOWN[name]["base"], adapter=ADAPTERS / name, merge_adapter=merge)

    assert not any(parameter.requires_grad for parameter in reranker.model.parameters())
    assert not any(module.training for module in reranker.model.modules())


def test_a_model_with_an_adapter_says_both_names(checkpoints: Path) -> None:
    reranker = load_reranker(checkpoints / "llm", adapter=ADAPTERS / "adapter-llm")

    assert reranker.name == f"{checkpoints / 'llm'} + adapter-llm"


def test_a_raw_base_with_the_heads_of_its_adapter_has_cutoff_layers(checkpoints: Path) -> None:
    reranker = load_reranker(checkpoints / "raw_minicpm", adapter=ADAPTERS / "adapter-layerwise-raw")

    assert (reranker.family, reranker.cutoff_range) == ("layerwise", range(2, 9))


def test_an_adapter_folder_is_found_inside_a_jobs_folder(
    copy_adapter: Callable[..., Path],
    checkpoints: Path,
    tmp_path: Path,
    known: dict[str, Any],
    assert_same: Callable[..., None],
) -> None:
    copy_adapter("adapter-llm", to="job/adapter")
    (tmp_path / "job" / "state.json").write_text("{}")

    reranker = load_reranker(checkpoints / "llm", adapter=tmp_path / "job")

    assert_same(reranker.compute_score(known["pairs"]), KNOWN["adapter-llm"]["scores"])


def test_weights_saved_as_bin_give_the_same_scores(
    copy_adapter: Callable[..., Path], checkpoints: Path, known: dict[str, Any], assert_same: Callable[..., None]
) -> None:
    from safetensors.torch import load_file

    folder = copy_adapter("adapter-llm")
    weights = folder / "adapter_model.safetensors"
    torch.save(load_file(weights), folder / "adapter_model.bin")
    weights.unlink()

    assert_same(
        load_reranker(checkpoints / "llm", adapter=folder).compute_score(known["pairs"]), KNOWN["adapter-llm"]["scores"]
    )


def test_an_adapter_of_other_shapes_is_refused(checkpoints: Path) -> None:
    with pytest.raises(AdapterError, match=r"adapter-llm does not fit .*layerwise: .*_proj has size .*made for"):
        load_reranker(checkpoints / "layerwise", adapter=ADAPTERS / "adapter-llm")


def test_an_adapter_of_another_family_is_refused(checkpoints: Path) -> None:
    with pytest.raises(AdapterError, match=r"does not fit .*encoder: it changes model\.layers\.0\.self_attn"):
        load_reranker(checkpoints / "encoder", adapter=ADAPTERS / "adapter-llm")


def test_an_adapter_of_a_deeper_base_is_refused(
    copy_checkpoint: Callable[..., Path], edit_tensors: Callable[..., None]
) -> None:
    base = copy_checkpoint("llm", num_hidden_layers=2)
    edit_tensors(base / "model.safetensors", lambda tensors: drop(tensors, ".layers.2."))

    with pytest.raises(AdapterError, match="does not fit"):
        load_reranker(base, adapter=ADAPTERS / "adapter-llm")


def test_an_adapter_of_a_shallower_base_is_refused(
    copy_adapter: Callable[..., Path], checkpoints: Path, edit_tensors: Callable[..., None]
) -> None:
    folder = copy_adapter("adapter-llm")
    edit_tensors(folder / "adapter_model.safetensors", lambda tensors: drop(tensors, ".layers.2."))

    with pytest.raises(AdapterError, match=r"made for 2 layers, the model has 3.*reference/llm"):
        load_reranker(checkpoints / "llm", adapter=folder)


def test_another_base_name_is_one_warning(
    copy_checkpoint: Callable[..., Path], known: dict[str, Any], assert_same: Callable[..., None]
) -> None:
    base = copy_checkpoint("llm", to="renamed")

    with pytest.warns(UserWarning, match=r"names reference/llm as its base and is loaded on .*renamed") as seen:
        reranker = load_reranker(base, adapter=ADAPTERS / "adapter-llm")

    assert len(seen) == 1
    assert_same(reranker.compute_score(known["pairs"]), KNOWN["adapter-llm"]["scores"])


def test_an_adapter_that_names_no_base_is_one_warning(
    copy_adapter: Callable[..., Path], checkpoints: Path, edit_config: Callable[..., None]
) -> None:
    folder = copy_adapter("adapter-llm")
    edit_config(folder / "adapter_config.json", base_model_name_or_path=None)

    with pytest.warns(UserWarning, match="names no model as its base") as seen:
        load_reranker(checkpoints / "llm", adapter=folder)

    assert len(seen) == 1


def test_the_same_base_under_its_hugging_face_name_is_no_warning(
    copy_adapter: Callable[..., Path], copy_checkpoint: Callable[..., Path], edit_config: Callable[..., None]
) -> None:
    folder = copy_adapter("adapter-llm")
    edit_config(folder / "adapter_config.json", base_model_name_or_path="BAAI/bge-reranker-v2-gemma")
    base = copy_checkpoint("llm", to="hub/models--BAAI--bge-reranker-v2-gemma/snapshots/4f2c")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load_reranker(base, adapter=folder)


def test_an_adapter_of_ours_loads_on_its_base_whatever_that_is_called(
    copy_adapter: Callable[..., Path],
    copy_checkpoint: Callable[..., Path],
    known: dict[str, Any],
    assert_same: Callable[..., None],
) -> None:
    base, folder = copy_checkpoint("llm", to="moved"), copy_adapter("adapter-llm")
    (folder / "base.json").write_text(json.dumps({"fingerprint": Checkpoint(base).fingerprint()}))

    reranker = load_reranker(base, adapter=folder)

    assert_same(reranker.compute_score(known["pairs"]), KNOWN["adapter-llm"]["scores"])


@pytest.mark.parametrize("changed", ["model.layers.0.mlp.up_proj.weight", "model.layers.2.mlp.up_proj.weight"])
def test_an_adapter_of_ours_is_refused_on_other_weights_of_equal_shape_and_name(
    copy_adapter: Callable[..., Path],
    copy_checkpoint: Callable[..., Path],
    edit_tensors: Callable[..., None],
    changed: str,
) -> None:
    base, folder = copy_checkpoint("llm"), copy_adapter("adapter-llm")
    (folder / "base.json").write_text(json.dumps({"fingerprint": Checkpoint(base).fingerprint()}))
    edit_tensors(base / "model.safetensors", lambda tensors: tensors[changed].mul_(1.01))

    with pytest.raises(AdapterError, match=r"trained on other weights than .*its base was reference/llm, fingerprint"):
        load_reranker(base, adapter=folder)


EMBEDDINGS = "model.embed_tokens.weight"


def shift_last_rows(tensors: dict[str, Any]) -> None:
    tensors["model.layers.2.mlp.down_proj.weight"][-10:] += 5


def reverse_later_rows(tensors: dict[str, Any]) -> None:
    tensors[EMBEDDINGS][50:] = tensors[EMBEDDINGS][50:].flip(0)


@pytest.mark.parametrize("change", [shift_last_rows, reverse_later_rows])
def test_an_adapter_of_ours_is_refused_where_only_later_rows_differ(
    copy_adapter: Callable[..., Path],
    copy_checkpoint: Callable[..., Path],
    edit_tensors: Callable[..., None],
    change: Callable[[dict[str, Any]], None],
) -> None:
    base, folder = copy_checkpoint("llm"), copy_adapter("adapter-llm")
    (folder / "base.json").write_text(json.dumps({"fingerprint": Checkpoint(base).fingerprint()}))
    edit_tensors(base / "model.safetensors", change)

    with pytest.raises(AdapterError, match="trained on other weights than"):
        load_reranker(base, adapter=folder)


@pytest.mark.parametrize(
    ("field", "value", "is_other"),
    [
        ("rms_norm_eps", 1e-3, True),
        ("hidden_act", "relu", True),
        ("rope_parameters", {"rope_type": "default", "rope_theta": 5.0}, True),
        ("torch_dtype", "bfloat16", False),
        ("transformers_version", "9.9", False),
        ("_name_or_path", "elsewhere", False),
        ("attention_dropout", 0.5, False),
        ("use_cache", False, False),
    ],
)
def test_a_fingerprint_holds_what_a_config_says_of_the_computation(
    copy_checkpoint: Callable[..., Path], field: str, value: Any, is_other: bool
) -> None:
    base = copy_checkpoint("llm")
    before = Checkpoint(base).fingerprint()
    config = json.loads((base / "config.json").read_text(encoding="utf-8"))
    (base / "config.json").write_text(json.dumps(config | {field: value}), encoding="utf-8")

    assert (Checkpoint(base).fingerprint() != before) is is_other


def test_a_fingerprint_is_the_same_of_weights_saved_as_bin(copy_checkpoint: Callable[..., Path]) -> None:
    base = copy_checkpoint("llm")
    before = Checkpoint(base).fingerprint()
    torch.save(read_tensor_file(base / "model.safetensors"), base / "pytorch_model.bin")
    (base / "model.safetensors").unlink()

    assert Checkpoint(base).fingerprint() == before


def test_an_adapter_of_ours_is_held_to_the_shapes_of_its_base_too(
    copy_adapter: Callable[..., Path], checkpoints: Path, edit_tensors: Callable[..., None]
) -> None:
    folder = copy_adapter("adapter-llm")
    (folder / "base.json").write_text(json.dumps({"fingerprint": Checkpoint(checkpoints / "llm").fingerprint()}))
    edit_tensors(folder / "adapter_model.safetensors", lambda tensors: tensors.update({LLM_LORA: torch.ones(4, 47)}))

    with pytest.raises(AdapterError, match=r"does not fit .*q_proj has size \[64, 48\] there.*made for \[47\]"):
        load_reranker(checkpoints / "llm", adapter=folder)


@pytest.mark.parametrize("file", ["adapter_config.json", "adapter_model.safetensors"])
def test_a_folder_that_lacks_a_file_of_an_adapter_is_refused(
    copy_adapter: Callable[..., Path], checkpoints: Path, file: str
) -> None:
    folder = copy_adapter("adapter-llm")
    (folder / file).unlink()

    with pytest.raises(AdapterError, match=r"is no adapter: it needs adapter_config\.json and adapter_model\.safetensors"):
        load_reranker(checkpoints / "llm", adapter=folder)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path, checkpoints: Path) -> None:
    with pytest.raises(AdapterError, match="nowhere is no adapter"):
        load_reranker(checkpoints / "llm", adapter=tmp_path / "nowhere")


def test_an_adapter_that_is_no_lora_is_refused(
    copy_adapter: Callable[..., Path], checkpoints: Path, edit_config: Callable[..., None]
) -> None:
    folder = copy_adapter("adapter-llm")
    edit_config(folder / "adapter_config.json", peft_type="IA3")

    with pytest.raises(AdapterError, match="type 'IA3'; only LORA"):
        load_reranker(checkpoints / "llm", adapter=folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_an_adapter_with_a_number_that_is_not_finite_is_refused_by_the_tensors_name(
    copy_adapter: Callable[..., Path], checkpoints: Path, edit_tensors: Callable[..., None], value: float
) -> None:
    folder = copy_adapter("adapter-llm")
    edit_tensors(folder / "adapter_model.safetensors", lambda tensors: tensors[LLM_LORA][0, :1].fill_(value))

    with pytest.raises(AdapterError, match=r"not finite in base_model.*layers\.0\.self_attn\.q_proj\.lora_A"):
        load_reranker(checkpoints / "llm", adapter=folder)


def test_an_adapter_that_lacks_weights_which_its_config_names_is_refused(
    copy_adapter: Callable[..., Path], checkpoints: Path, edit_tensors: Callable[..., None]
) -> None:
    folder = copy_adapter("adapter-llm")
    edit_tensors(folder / "adapter_model.safetensors", lambda tensors: tensors.pop(LLM_LORA))

    with pytest.raises(AdapterError, match=r"no weights for 1 of the places.*layers\.0\.self_attn\.q_proj\.lora_A"):
        load_reranker(checkpoints / "llm", adapter=folder)


def test_an_adapter_whose_config_names_fewer_places_than_it_has_weights_is_refused(
    copy_adapter: Callable[..., Path], checkpoints: Path, edit_config: Callable[..., None]
) -> None:
    folder = copy_adapter("adapter-llm")
    edit_config(folder / "adapter_config.json", target_modules=["q_proj", "k_proj", "v_proj"])

    with pytest.raises(AdapterError):
        load_reranker(checkpoints / "llm", adapter=folder)


def test_an_adapter_whose_rank_differs_from_its_config_is_refused(
    copy_adapter: Callable[..., Path], checkpoints: Path, edit_config: Callable[..., None]
) -> None:
    folder = copy_adapter("adapter-llm")
    edit_config(folder / "adapter_config.json", r=8)

    with pytest.raises(AdapterError):
        load_reranker(checkpoints / "llm", adapter=folder)


def test_damaged_adapter_weights_are_refused(copy_adapter: Callable[..., Path], checkpoints: Path) -> None:
    folder = copy_adapter("adapter-llm")
    weights = folder / "adapter_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])

    with pytest.raises(AdapterError, match="cannot be read as weights"):
        load_reranker(checkpoints / "llm", adapter=folder)


def test_a_damaged_adapter_config_is_refused(copy_adapter: Callable[..., Path], checkpoints: Path) -> None:
    folder = copy_adapter("adapter-llm")
    (folder / "adapter_config.json").write_text("{")

    with pytest.raises(AdapterError, match=r"adapter_config\.json is no valid JSON"):
        load_reranker(checkpoints / "llm", adapter=folder)


def test_a_raw_base_whose_adapter_lacks_a_head_is_refused(
    copy_adapter: Callable[..., Path], checkpoints: Path, edit_tensors: Callable[..., None]
) -> None:
    folder = copy_adapter("adapter-layerwise-raw")
    edit_tensors(folder / "adapter_model.safetensors", lambda tensors: drop(tensors, "lm_head.3."))

    with pytest.raises(RerankerError, match=r"score heads|lm_head"):
        load_reranker(checkpoints / "raw_minicpm", adapter=folder)


def test_loading_an_adapter_leaves_its_files_and_its_base_as_they_are(
    copy_adapter: Callable[..., Path], copy_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    base, folder = copy_checkpoint("llm"), copy_adapter("adapter-llm")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}

    load_reranker(base, adapter=folder)

    assert {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()} == before


def drop(tensors: dict[str, Any], part: str) -> None:
    for name in [name for name in tensors if part in name]:
        del tensors[name]
