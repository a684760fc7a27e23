"""Folders that load and folders that are refused: config.json decides, and every refusal says why."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from reranker_core import load_reranker
from reranker_core.errors import InputError, ModelNotFoundError, UnsupportedModelError

PAIRS = [("what is panda?", "hi"), ("what is panda?", "The giant panda is a bear.")]
Copy = Callable[..., Path]

each_folder = pytest.mark.parametrize("folder", ["encoder", "llm", "layerwise"])


def refused(folder: Path, says: str, **how: Any) -> None:
    with pytest.raises(UnsupportedModelError, match=says) as error:
        load_reranker(folder, **how)
    assert str(folder) in str(error.value)


@each_folder
def test_the_family_is_read_from_config_json_whatever_the_folder_is_called(
    folder: str, copy_checkpoint: Copy, load: Callable[..., Any], assert_same: Callable[..., None]
) -> None:
    others = {"encoder": "bge-reranker-v2-gemma", "llm": "minicpm-layerwise", "layerwise": "xlm-roberta-base"}

    renamed = load_reranker(copy_checkpoint(folder, to=f"checkpoint-500/{others[folder]}"))

    assert renamed.family == load(folder).family
    assert_same(renamed.score(PAIRS).values, load(folder).score(PAIRS).values)


def test_a_folder_may_be_given_as_text(checkpoints: Path) -> None:
    assert load_reranker(str(checkpoints / "encoder")).family == "encoder"


def test_a_layerwise_folder_needs_no_python_file_that_its_auto_map_names(copy_checkpoint: Copy) -> None:
    folder = copy_checkpoint("layerwise")
    named = json.loads((folder / "config.json").read_text())["auto_map"]

    assert named
    assert not list(folder.glob("*.py"))
    assert load_reranker(folder).family == "layerwise"


def test_a_python_file_that_auto_map_names_is_not_run(copy_checkpoint: Copy, tmp_path: Path) -> None:
    folder = copy_checkpoint("layerwise")
    trace = tmp_path / "code-was-run"
    for module in ("configuration_minicpm_reranker.py", "modeling_minicpm_reranker.py"):
        (folder / module).write_text(f"open({str(trace)!r}, 'w')\n")

    load_reranker(folder).score(PAIRS)

    assert not trace.exists()


def test_loading_writes_nothing_into_the_folder(copy_checkpoint: Copy) -> None:
    folder = copy_checkpoint("layerwise")
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}

    load_reranker(folder).score(PAIRS)

    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before


@each_folder
@pytest.mark.parametrize(
    ("file", "says"),
    [
        ("config.json", r"has no config\.json"),
        ("model.safetensors", r"has no weights: looked for model\.safetensors"),
        ("tokenizer.json", r"has no tokenizer\.json"),
    ],
)
def test_a_folder_that_lacks_a_file_is_refused_by_its_name(
    folder: str, file: str, says: str, copy_checkpoint: Copy
) -> None:
    copied = copy_checkpoint(folder)
    (copied / file).unlink()

    refused(copied, says)


@pytest.mark.parametrize("file", ["special_tokens_map.json", "tokenizer_config.json"])
@each_folder
def test_a_folder_without_the_optional_tokenizer_files_scores_the_same(
    folder: str, file: str, copy_checkpoint: Copy, load: Callable[..., Any], assert_same: Callable[..., None]
) -> None:
    copied = copy_checkpoint(folder)
    (copied / file).unlink()

    assert_same(load_reranker(copied).score(PAIRS).values, load(folder).score(PAIRS).values)


@pytest.mark.parametrize("content", ["{", "[1, 2]", ""])
def test_a_damaged_config_json_is_refused(copy_checkpoint: Copy, content: str) -> None:
    copied = copy_checkpoint("encoder")
    (copied / "config.json").write_text(content)

    refused(copied, r"config\.json (is no valid JSON|must hold a JSON object)")


@pytest.mark.parametrize("content", ["{", "[1, 2]"])
@pytest.mark.parametrize("file", ["tokenizer_config.json", "special_tokens_map.json"])
def test_damaged_tokenizer_settings_are_refused(copy_checkpoint: Copy, file: str, content: str) -> None:
    copied = copy_checkpoint("encoder")
    (copied / file).write_text(content)

    refused(copied, file)


def test_a_damaged_tokenizer_json_is_refused(copy_checkpoint: Copy) -> None:
    copied = copy_checkpoint("encoder")
    (copied / "tokenizer.json").write_text('{"version": "1.0"}')

    refused(copied, r"tokenizer\.json cannot be read as a tokenizer")


def test_an_embedding_model_without_a_classifier_is_refused(
    copy_checkpoint: Copy, edit_tensors: Callable[..., None]
) -> None:
    copied = copy_checkpoint("encoder", architectures=["XLMRobertaModel"])

    def keep_body(tensors: dict[str, Any]) -> None:
        body = {name.removeprefix("roberta."): tensors[name] for name in tensors if name.startswith("roberta.")}
        tensors.clear()
        tensors.update(body)

    edit_tensors(copied / "model.safetensors", keep_body)

    refused(copied, "no score head: its weights hold no classifier")


def test_a_classifier_with_several_labels_is_refused(copy_checkpoint: Copy) -> None:
    refused(copy_checkpoint("encoder", id2label={"0": "no", "1": "maybe", "2": "yes"}), "classifier with 3 labels")


def test_a_raw_minicpm_without_heads_is_refused(checkpoints: Path) -> None:
    refused(checkpoints / "raw_minicpm", "plain MiniCPM without score heads")


@pytest.mark.parametrize("head_type", ["raw", "complex"])
def test_another_head_type_than_simple_is_refused(copy_checkpoint: Copy, head_type: str) -> None:
    refused(copy_checkpoint("layerwise", head_type=head_type), f"'{head_type}'; only head_type simple")


def test_a_layerwise_folder_that_lacks_a_head_is_refused(copy_checkpoint: Copy, edit_tensors: Callable[..., None]) -> None:
    copied = copy_checkpoint("layerwise")
    edit_tensors(copied / "model.safetensors", lambda tensors: tensors.pop("lm_head.6.linear_head.weight"))

    refused(copied, "lacks score heads: layers 2 to 8 need 7 weights")


def test_a_layerwise_folder_with_scaled_rope_is_refused(copy_checkpoint: Copy) -> None:
    refused(copy_checkpoint("layerwise", rope_scaling={"type": "linear", "factor": 2.0}), "rope_scaling")


@pytest.mark.parametrize(
    ("model_type", "architecture"),
    [
        ("cost_wise_gemma", "CostWiseGemmaForCausalLM"),
        ("bert", "BertForSequenceClassification"),
        ("gemma", "GemmaModel"),
        ("gemma2", "Gemma2ForCausalLM"),
        ("llama", "LlamaForSequenceClassification"),
        ("no-such-type", "NoSuchModel"),
    ],
)
def test_an_architecture_that_is_not_supported_is_refused_with_those_that_are(
    copy_checkpoint: Copy, model_type: str, architecture: str
) -> None:
    copied = copy_checkpoint("llm", model_type=model_type, architectures=[architecture])

    refused(copied, f"model_type '{model_type}', architecture '{architecture}'. Supported are XLM-RoBERTa")


@pytest.mark.parametrize("key", ["model_type", "architectures"])
def test_a_config_that_does_not_say_what_it_is_is_refused(copy_checkpoint: Copy, key: str) -> None:
    refused(copy_checkpoint("llm", **{key: None}), "no supported reranker")


@pytest.mark.parametrize("settings", [{"model_type": "mistral"}, {"model_type": "qwen2", "use_sliding_window": True}])
def test_a_sliding_window_is_refused(copy_checkpoint: Copy, settings: dict[str, Any]) -> None:
    refused(copy_checkpoint("llm", sliding_window=128, **settings), r"sliding window \(128\)")


@pytest.mark.parametrize(
    ("folder", "change", "says"),
    [
        ("encoder", {"intermediate_size": 128}, r"has shape \[.*\], config.json promises \[.*128"),
        ("llm", {"intermediate_size": 128}, r"has shape \[.*\], config.json promises \[.*128"),
        ("layerwise", {"intermediate_size": 128}, r"has shape \[.*\], config.json promises \[.*128"),
        ("encoder", {"vocab_size": 1700}, r"word_embeddings.weight has shape \[1600, 48\], .* \[1700, 48\]"),
        ("encoder", {"num_hidden_layers": 4}, r"lacks 16 of the weights .*encoder\.layer\.3"),
        ("llm", {"num_hidden_layers": 4}, r"lacks 9 of the weights .*model\.layers\.3"),
    ],
    ids=str,
)
def test_config_and_weights_that_disagree_are_refused(
    copy_checkpoint: Copy, folder: str, change: dict[str, int], says: str
) -> None:
    refused(copy_checkpoint(folder, **change), says)


@each_folder
def test_weights_of_more_layers_than_config_json_says_are_refused(folder: str, copy_checkpoint: Copy) -> None:
    refused(copy_checkpoint(folder, num_hidden_layers=2), "do not belong together")


@each_folder
def test_a_missing_tensor_is_refused_by_its_name(
    folder: str, copy_checkpoint: Copy, edit_tensors: Callable[..., None]
) -> None:
    copied = copy_checkpoint(folder)
    name = sorted(load_file(copied / "model.safetensors"))[-1]
    edit_tensors(copied / "model.safetensors", lambda tensors: tensors.pop(name))

    refused(copied, f"lacks 1 of the weights.*{name}")


def test_a_causal_model_without_any_output_matrix_is_refused(
    copy_checkpoint: Copy, edit_tensors: Callable[..., None]
) -> None:
    copied = copy_checkpoint("llm")
    edit_tensors(copied / "model.safetensors", lambda tensors: tensors.pop("model.embed_tokens.weight"))

    refused(copied, r"has no score head: its weights lack model\.embed_tokens\.weight")


def test_an_untied_causal_model_without_its_lm_head_is_refused(copy_checkpoint: Copy) -> None:
    copied = copy_checkpoint("llm", tie_word_embeddings=False)

    refused(copied, "lm_head")


@pytest.mark.parametrize("key", ["num_hidden_layers", "hidden_size"])
def test_a_layerwise_config_that_lacks_a_size_is_refused(copy_checkpoint: Copy, key: str) -> None:
    refused(copy_checkpoint("layerwise", **{key: None}), key)


@pytest.mark.parametrize("dtype", ["float16", "fp16", "bfloat16", "bf16", torch.float16, torch.bfloat16], ids=str)
def test_half_precision_on_the_cpu_is_float32_with_one_warning(
    checkpoints: Path, load: Callable[..., Any], dtype: Any, assert_same: Callable[..., None]
) -> None:
    with pytest.warns(UserWarning, match="on the CPU is several times slower than float32; float32 is used") as seen:
        reranker = load_reranker(checkpoints / "encoder", dtype=dtype, device="cpu")
    scores = reranker.score(PAIRS)

    assert (len(seen), scores.dtype) == (1, "float32")
    assert_same(scores.values, load("encoder").score(PAIRS).values)


def test_a_warning_about_half_precision_points_at_the_callers_line(checkpoints: Path) -> None:
    with pytest.warns(UserWarning, match="float32 is used") as seen:
        load_reranker(checkpoints / "encoder", dtype="bf16", device="cpu")

    assert seen[0].filename == __file__


@pytest.mark.parametrize("dtype", ["float32", "fp32", torch.float32, None], ids=str)
def test_float32_on_the_cpu_gives_no_warning(checkpoints: Path, dtype: Any) -> None:
    reranker: Any = load_reranker(checkpoints / "encoder", dtype=dtype, device="cpu")

    assert {parameter.dtype for parameter in reranker.model.parameters()} == {torch.float32}


@each_folder
def test_weights_saved_in_bfloat16_are_computed_in_float32(
    folder: str, copy_checkpoint: Copy, edit_tensors: Callable[..., None]
) -> None:
    copied = copy_checkpoint(folder, torch_dtype="bfloat16")
    edit_tensors(
        copied / "model.safetensors", lambda tensors: tensors.update({k: v.bfloat16() for k, v in tensors.items()})
    )

    reranker: Any = load_reranker(copied)

    assert {parameter.dtype for parameter in reranker.model.parameters()} == {torch.float32}
    assert reranker.score(PAIRS).dtype == "float32"


@pytest.mark.parametrize("device", ["gpu", "cuda:x", "", "cuda:99", "xpu"])
def test_a_device_that_cannot_be_used_is_refused_by_its_name(checkpoints: Path, device: str) -> None:
    with pytest.raises(InputError, match=rf'"{device}".*Choose cpu'):
        load_reranker(checkpoints / "encoder", device=device)


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="this machine has an MPS device")
def test_mps_is_refused_where_there_is_none(checkpoints: Path) -> None:
    with pytest.raises(InputError, match=r"no MPS device here\. Choose cpu"):
        load_reranker(checkpoints / "encoder", device="mps")


@pytest.mark.parametrize("dtype", ["int8", "float64", "half", ""])
def test_a_dtype_that_cannot_be_used_is_refused_with_those_that_can(checkpoints: Path, dtype: str) -> None:
    with pytest.raises(InputError, match=rf'"{dtype}" is no dtype.*Choose float32, float16 or bfloat16'):
        load_reranker(checkpoints / "encoder", dtype=dtype)


def test_a_torch_dtype_that_cannot_be_used_is_refused_with_those_that_can(checkpoints: Path) -> None:
    with pytest.raises(InputError, match="Choose float32, float16 or bfloat16"):
        load_reranker(checkpoints / "encoder", dtype=torch.int8)


def test_an_unknown_argument_raises_type_error(checkpoints: Path) -> None:
    with pytest.raises(TypeError, match="use_fp16"):
        load_reranker(checkpoints / "encoder", use_fp16=True)  # type: ignore[call-arg]


@pytest.mark.parametrize("allow_download", [True, False])
def test_a_model_that_is_not_here_offline_is_one_sentence_on_how_to_get_it(allow_download: bool) -> None:
    with pytest.raises(ModelNotFoundError, match=r"BAAI/bge-reranker-v2-m3.*is not on this machine.*hf download") as error:
        load_reranker("bge-reranker-v2-m3", allow_download=allow_download)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["no-such-model", "./no/such/folder"])
def test_a_name_that_is_nothing_is_refused_with_what_it_could_be(name: str) -> None:
    with pytest.raises(ModelNotFoundError, match="is no folder here, no name in the catalogue"):
        load_reranker(name)


def test_an_adapter_folder_given_as_a_model_is_refused_with_what_to_do(checkpoints: Path) -> None:
    with pytest.raises(UnsupportedModelError, match=r"has no config\.json"):
        load_reranker(checkpoints / "adapters" / "adapter-llm")


def test_two_rerankers_of_one_folder_share_no_weights(checkpoints: Path, assert_same: Callable[..., None]) -> None:
    first, second = load_reranker(checkpoints / "llm"), load_reranker(checkpoints / "llm")
    before = second.score(PAIRS).values
    for parameter in first.model.parameters():  # type: ignore[attr-defined]
        parameter.zero_()

    assert_same(second.score(PAIRS).values, before)


def test_a_folder_can_be_moved_away_after_loading(
    copy_checkpoint: Copy, load: Callable[..., Any], assert_same: Callable[..., None]
) -> None:
    copied = copy_checkpoint("llm")
    reranker = load_reranker(copied)
    shutil.rmtree(copied)

    assert_same(reranker.score(PAIRS).values, load("llm").score(PAIRS).values)


@pytest.mark.parametrize(
    ("folder", "changes"),
    [
        ("encoder", {"hidden_act": "nope"}),
        ("encoder", {"num_attention_heads": 5}),
        ("encoder", {"hidden_size": "48"}),
        ("encoder", {"pad_token_id": None}),
        ("encoder", {"id2label": []}),
        ("llm", {"hidden_act": "nope"}),
        ("llm", {"num_attention_heads": None}),
        ("llm", {"rope_scaling": {"rope_type": "yarn", "factor": 2.0}}),
        ("layerwise", {"start_layer": "2"}),
        ("layerwise", {"scale_depth": None}),
        ("layerwise", {"hidden_act": "nope"}),
    ],
)
def test_a_config_with_wrong_values_is_refused_in_one_sentence(
    folder: str, changes: dict[str, Any], copy_checkpoint: Callable[..., Path]
) -> None:
    copied = copy_checkpoint(folder)
    config = json.loads((copied / "config.json").read_text(encoding="utf-8"))
    (copied / "config.json").write_text(json.dumps(config | changes), encoding="utf-8")
    with pytest.raises(UnsupportedModelError, match=re.escape(str(copied))):
        load_reranker(copied)


@each_folder
def test_a_load_tells_the_bytes_that_it_read_of_those_in_all(folder: str, checkpoints: Path) -> None:
    told: list[tuple[int, int]] = []

    reranker = load_reranker(checkpoints / folder, on_progress=lambda done, total: told.append((done, total)))

    (total,) = {total for _, total in told}
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert (told[0][0], told[-1][0]) == (0, total)
    assert reranker.memory_bytes - 1000 < total <= reranker.memory_bytes  # the row of a decoder's answer is not among them


def test_bytes_are_counted_as_they_lie_in_the_file_and_only_to_the_layer_that_is_read(
    copy_checkpoint: Copy, edit_tensors: Callable[..., None]
) -> None:
    copied = copy_checkpoint("layerwise")
    edit_tensors(
        copied / "model.safetensors", lambda tensors: tensors.update({k: v.bfloat16() for k, v in tensors.items()})
    )
    told: list[int] = []

    reranker = load_reranker(copied, max_layer=3, on_progress=lambda _, total: told.append(total))

    assert {2 * total for total in told} == {reranker.memory_bytes}


@each_folder
def test_what_on_progress_raises_stops_the_load(folder: str, checkpoints: Path) -> None:
    is_enough: list[bool] = []

    def stop(done: int, total: int) -> None:
        is_enough.append(done > total / 2)
        if is_enough[-1]:
            raise KeyError("enough")

    with pytest.raises(KeyError, match="enough"):
        load_reranker(checkpoints / folder, on_progress=stop)
    assert is_enough.count(True) == 1
    assert False in is_enough


@pytest.mark.slow
def test_several_threads_load_their_first_models_at_once(checkpoints: Path) -> None:
    """In a process of its own, since only the first import of transformers can go wrong."""
    script = """
import sys, threading, traceback
from reranker_core.loading import load_reranker

families = []

def load(folder):
    try:
        families.append(load_reranker(folder).family)
    except BaseException:
        traceback.print_exc()

threads = [threading.Thread(target=load, args=(folder,)) for folder in sys.argv[1:]]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(*sorted(families))
"""
    folders = [str(checkpoints / name) for name in ("layerwise", "llm", "encoder")]
    done = subprocess.run([sys.executable, "-c", script, *folders], capture_output=True, text=True, check=True)
    assert (done.stdout.split(), done.stderr) == (["decoder", "encoder", "layerwise"], "")
