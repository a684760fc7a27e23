"""What a merge writes, in which precision and files; what it refuses, and that nothing is left then."""

import contextlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from reranker_core import load_reranker
from reranker_core.checkpoints import Checkpoint
from reranker_core.command_line import main
from reranker_core.errors import AdapterError, InputError, ModelNotFoundError, RerankerError, UnsupportedModelError
from reranker_core.training.merging import merge_adapter
from reranker_core.training.model_folders import replaced_folder
from tests.annotations.limits import files_up_to
from tests.core.training.products import ADAPTERS, CHECKPOINTS, KNOWN, LLM, Products, score

LLM_LORA = "base_model.model.model.layers.0.self_attn.q_proj.lora_{}.weight"

EditTensors = Callable[[Path, Callable[[dict[str, Any]], object]], None]


@pytest.fixture
def llm_adapter(tmp_path: Path) -> Path:
    """A copy of FlagEmbedding's adapter for the tiny decoder, for a test that changes it."""
    return Path(shutil.copytree(ADAPTERS / "adapter-llm", tmp_path / "adapter-llm"))


def read_config(folder: Path) -> dict[str, Any]:
    return dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))


# Precision and files


@pytest.mark.slow
def test_weights_keep_the_dtype_of_the_base(
    copy_checkpoint: Callable[..., Path], edit_tensors: EditTensors, tmp_path: Path
) -> None:
    base = copy_checkpoint("raw_minicpm", torch_dtype="bfloat16")
    edit_tensors(base / "model.safetensors", lambda tensors: tensors.update({k: v.bfloat16() for k, v in tensors.items()}))

    result = merge_adapter(base, ADAPTERS / "adapter-layerwise-raw", tmp_path / "merged")

    assert {tensor.dtype for tensor in load_file(tmp_path / "merged" / "model.safetensors").values()} == {torch.bfloat16}
    assert read_config(tmp_path / "merged")["torch_dtype"] == "bfloat16"
    assert 0 < (result.difference or 0) < 0.1


@pytest.mark.parametrize(
    ("dtype", "expected", "tolerance"),
    [
        ("bfloat16", torch.bfloat16, 0.1),
        pytest.param("fp16", torch.float16, 0.01, marks=pytest.mark.slow),
        pytest.param(torch.float32, torch.float32, 1e-5, marks=pytest.mark.slow),
    ],
)
def test_another_dtype_is_taken_for_all_numbers_and_said_in_the_config(
    dtype: Any, expected: torch.dtype, tolerance: float, products: Products, tmp_path: Path
) -> None:
    product = products.adapter("encoder from a raw base")

    result = merge_adapter(product.base, product.folder, tmp_path / "merged", dtype=dtype)

    tensors = load_file(tmp_path / "merged" / "model.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {expected}
    assert read_config(tmp_path / "merged")["torch_dtype"] == str(expected).removeprefix("torch.")
    assert (result.difference or 0) < tolerance


def test_a_large_model_is_divided_into_files_with_an_index(
    products: Products, tmp_path: Path, assert_same: Callable[..., None]
) -> None:
    product = products.adapter("encoder from a raw base")

    merge_adapter(product.base, product.folder, tmp_path / "merged", shard_bytes=400_000)

    files = sorted(file.name for file in (tmp_path / "merged").glob("*.safetensors"))
    assert files == [f"model-0000{number}-of-00003.safetensors" for number in (1, 2, 3)]
    index = json.loads((tmp_path / "merged" / "model.safetensors.index.json").read_text(encoding="utf-8"))
    total = sum(tensor.nbytes for file in files for tensor in load_file(tmp_path / "merged" / file).values())
    assert index["metadata"]["total_size"] == total
    assert_same(score(load_reranker(tmp_path / "merged")), product.scores)


@pytest.mark.slow
def test_a_base_of_bin_files_with_tied_matrices_is_merged(
    tmp_path: Path, copy_checkpoint: Callable[..., Path], assert_same: Callable[..., None], known: dict[str, Any]
) -> None:
    base = copy_checkpoint("llm")
    tensors = load_file(base / "model.safetensors")
    torch.save(tensors | {"lm_head.weight": tensors["model.embed_tokens.weight"]}, base / "pytorch_model.bin")
    (base / "model.safetensors").unlink()

    merge_adapter(base, ADAPTERS / "adapter-llm", tmp_path / "merged")

    assert [file.name for file in (tmp_path / "merged").glob("*.safetensors")] == ["model.safetensors"]
    assert_same(load_reranker(tmp_path / "merged").compute_score(known["pairs"]), KNOWN["adapter-llm"]["scores"])


def test_a_merge_tells_the_bytes_that_it_wrote_of_those_in_all(tmp_path: Path) -> None:
    told: list[tuple[int, int]] = []

    merge_adapter(LLM, ADAPTERS / "adapter-llm", tmp_path / "merged", on_progress=lambda *bytes_: told.append(bytes_))

    total = sum(tensor.nbytes for tensor in load_file(tmp_path / "merged" / "model.safetensors").values())
    assert told == sorted(told)
    assert (told[0], told[-1]) == ((0, total), (total, total))
    assert len(told) == 1 + len(Checkpoint(LLM).tensor_names)


def test_what_on_progress_raises_ends_the_merge_and_leaves_nothing(tmp_path: Path) -> None:
    def stop(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        merge_adapter(LLM, ADAPTERS / "adapter-llm", tmp_path / "merged", on_progress=stop)
    assert not list(tmp_path.iterdir())


def test_a_jobs_folder_counts_as_the_adapter_in_it(tmp_path: Path) -> None:
    shutil.copytree(ADAPTERS / "adapter-llm", tmp_path / "job" / "adapter")

    assert merge_adapter(LLM, tmp_path / "job", tmp_path / "merged").family == "decoder"


def test_a_merge_leaves_base_and_adapter_as_they_are(
    copy_checkpoint: Callable[..., Path], llm_adapter: Path, tmp_path: Path
) -> None:
    base = copy_checkpoint("llm")
    (llm_adapter / "training_args.bin").write_bytes(b"not to be read")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}

    merge_adapter(base, llm_adapter, tmp_path / "merged")

    assert {file: file.read_bytes() for file in before} == before
    assert not (tmp_path / "merged" / "training_args.bin").exists()


# What cannot be merged


def test_an_adapter_of_ours_is_not_merged_into_other_weights(
    products: Products, copy_checkpoint: Callable[..., Path], edit_tensors: EditTensors, tmp_path: Path
) -> None:
    other = copy_checkpoint("llm", to="other")
    edit_tensors(other / "model.safetensors", lambda tensors: tensors["model.layers.2.mlp.up_proj.weight"].mul_(1.01))

    with pytest.raises(AdapterError, match="was trained on other weights than"):
        merge_adapter(other, products.adapter("decoder").folder, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


def test_a_foreign_adapter_that_names_another_base_is_merged_with_one_warning(
    copy_checkpoint: Callable[..., Path], tmp_path: Path
) -> None:
    base = copy_checkpoint("llm", to="renamed")

    with pytest.warns(UserWarning, match=r"names reference/llm as its base") as seen:
        merge_adapter(base, ADAPTERS / "adapter-llm", tmp_path / "merged")
    assert len(seen) == 1


@pytest.mark.parametrize("check", [True, False])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda tensors: tensors[LLM_LORA.format("A")][0, :1].fill_(float("nan")), "not finite in"),
        (lambda tensors: tensors.pop(LLM_LORA.format("B")), "are not two of rank 4|no weights for 1 of the places"),
        (lambda tensors: tensors.pop(LLM_LORA.format("A")), "are not two of rank 4|no weights for 1 of the places"),
        (lambda tensors: tensors.update({LLM_LORA.format("A"): torch.ones(2, 48)}), "are not two of rank 4|has shape"),
        (lambda tensors: tensors.update({LLM_LORA.format("A"): torch.ones(4, 47)}), "does not fit"),
        (lambda tensors: tensors.update({LLM_LORA.format("B"): torch.ones(65, 4)}), "does not fit"),
        (lambda tensors: tensors.update({"base_model.model.model.x.weight": torch.ones(1)}), "does not have"),
        (lambda tensors: tensors.update({"something.else": torch.ones(1)}), "no part of a LoRA adapter"),
        (
            lambda tensors: tensors.update({"base_model.model.lm_head.0.linear_head.weight": torch.ones(1, 48)}),
            "lm_head",
        ),
    ],
    ids=["nan", "no B", "no A", "rank", "width", "height", "place", "name", "head"],
)
def test_an_adapter_that_is_broken_is_refused_and_leaves_nothing(
    change: Callable[..., Any], reason: str, check: bool, llm_adapter: Path, edit_tensors: EditTensors, tmp_path: Path
) -> None:
    edit_tensors(llm_adapter / "adapter_model.safetensors", change)

    with pytest.raises(AdapterError, match=reason):
        merge_adapter(LLM, llm_adapter, tmp_path / "merged", check_scores=check)
    assert [file.name for file in tmp_path.iterdir()] == ["adapter-llm"]


@pytest.mark.parametrize("ours", [True, False])
def test_weights_that_adapter_config_does_not_name_are_not_merged_in_silence(
    ours: bool, llm_adapter: Path, edit_config: Callable[..., None], tmp_path: Path
) -> None:
    edit_config(llm_adapter / "adapter_config.json", target_modules=["q_proj", "k_proj", "v_proj"])
    if ours:
        (llm_adapter / "base.json").write_text(json.dumps({"fingerprint": Checkpoint(LLM).fingerprint()}), encoding="utf-8")

    with pytest.raises(AdapterError, match=r"o_proj, which its adapter_config\.json leaves out"):
        merge_adapter(LLM, llm_adapter, tmp_path / "merged")
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize("setting", ["use_dora", "lora_bias", "layer_replication", "fan_in_fan_out"])
def test_a_kind_of_adapter_that_is_more_than_a_product_is_refused_by_its_name(
    setting: str, llm_adapter: Path, edit_config: Callable[..., None], tmp_path: Path
) -> None:
    edit_config(llm_adapter / "adapter_config.json", **{setting: True})

    with pytest.raises(AdapterError, match=f"was trained with {setting}, which cannot be merged"):
        merge_adapter(LLM, llm_adapter, tmp_path / "merged")


def test_a_raw_base_with_an_adapter_that_lacks_a_head_is_refused(edit_tensors: EditTensors, tmp_path: Path) -> None:
    adapter = Path(shutil.copytree(ADAPTERS / "adapter-layerwise-raw", tmp_path / "adapter"))
    head = "base_model.model.lm_head.3.linear_head.weight"
    edit_tensors(adapter / "adapter_model.safetensors", lambda tensors: tensors.pop(head))

    with pytest.raises(UnsupportedModelError, match=r"lacks 1 of the 6 score heads"):
        merge_adapter(CHECKPOINTS / "raw_minicpm", adapter, tmp_path / "merged")


def test_a_raw_encoder_with_half_a_classifier_is_refused(
    products: Products, edit_tensors: EditTensors, tmp_path: Path
) -> None:
    product = products.adapter("encoder from a raw base")
    adapter = Path(shutil.copytree(product.folder, tmp_path / "adapter"))
    head = "base_model.model.classifier.out_proj.bias"
    edit_tensors(adapter / "adapter_model.safetensors", lambda tensors: tensors.pop(head))

    for use in (
        lambda: merge_adapter(product.base, adapter, tmp_path / "m"),
        lambda: load_reranker(product.base, adapter=adapter),
    ):
        with pytest.raises(RerankerError, match="it changes classifier"):
            use()


@pytest.mark.slow
def test_scores_that_rounding_moves_too_far_are_refused_and_nothing_is_kept(
    edit_config: Callable[..., None], tmp_path: Path
) -> None:
    adapter = Path(shutil.copytree(ADAPTERS / "adapter-layerwise", tmp_path / "adapter"))
    edit_config(adapter / "adapter_config.json", lora_alpha=2000.0)

    with pytest.raises(AdapterError, match=r"Merged, the scores differ by up to .* nothing was kept"):
        merge_adapter(CHECKPOINTS / "layerwise", adapter, tmp_path / "merged", dtype="bfloat16")
    assert [file.name for file in tmp_path.iterdir()] == ["adapter"]


def test_numbers_too_large_for_float16_are_refused_by_the_tensors_name(
    llm_adapter: Path, edit_config: Callable[..., None], tmp_path: Path
) -> None:
    edit_config(llm_adapter / "adapter_config.json", lora_alpha=1e8)

    with pytest.raises(InputError, match=r"_proj\.weight has numbers that are not finite as float16"):
        merge_adapter(LLM, llm_adapter, tmp_path / "merged", dtype="float16", check_scores=False)
    assert not (tmp_path / "merged").exists()


@pytest.mark.parametrize("kind", ["folder", "file", "the base", "the adapter"])
def test_nothing_that_is_there_is_written_over(kind: str, llm_adapter: Path, tmp_path: Path) -> None:
    place = {"the base": LLM, "the adapter": llm_adapter}.get(kind, tmp_path / "merged")
    if kind == "folder":
        place.mkdir()
    elif kind == "file":
        place.write_text("mine", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))

    with pytest.raises(InputError, match="is there already, and is not written over"):
        merge_adapter(LLM, llm_adapter, place)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("size", [300, 50_000, 300_000])
def test_a_full_disk_leaves_nothing(size: int, tmp_path: Path) -> None:
    with files_up_to(size), pytest.raises(InputError, match="cannot be written"):
        merge_adapter(LLM, ADAPTERS / "adapter-llm", tmp_path / "merged")
    assert not list(tmp_path.iterdir())


def test_what_is_no_base_or_no_adapter_or_no_dtype_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="not on this machine"):
        merge_adapter("someone/absent", ADAPTERS / "adapter-llm", tmp_path / "merged", allow_download=False)
    with pytest.raises(AdapterError, match="is no adapter"):
        merge_adapter(LLM, LLM, tmp_path / "merged")
    with pytest.raises(InputError, match='"int8" is no dtype'):
        merge_adapter(LLM, ADAPTERS / "adapter-llm", tmp_path / "merged", dtype="int8")


# From the command line, and the folder that is replaced


def test_the_command_writes_the_merged_model_and_says_where(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["merge", "--model", str(LLM), "--adapter", str(ADAPTERS / "adapter-llm"), "--output", str(tmp_path / "m")]

    assert main(arguments) == 0
    assert f"{tmp_path / 'm'} holds the merged model (decoder); its scores are those of" in capsys.readouterr().err
    assert main(arguments) == 2
    assert "is there already" in capsys.readouterr().err
    assert main([*arguments[:3], "--output", str(tmp_path / "n")]) == 2
    assert "Give its folder as --adapter" in capsys.readouterr().err


def test_the_command_takes_a_dtype_and_leaves_the_check_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["merge", "--model", str(LLM), "--adapter", str(ADAPTERS / "adapter-llm"), "--output", str(tmp_path / "m")]

    assert main([*arguments, "--dtype", "bf16", "--no_check", "--offline"]) == 0
    assert capsys.readouterr().err.endswith("holds the merged model (decoder)\n")
    assert read_config(tmp_path / "m")["torch_dtype"] == "bfloat16"


def test_a_folder_is_replaced_only_by_one_that_is_whole(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    with replaced_folder(folder) as part:
        (part / "a").write_text("first", encoding="utf-8")
    with contextlib.suppress(KeyboardInterrupt), replaced_folder(folder) as part:
        (part / "a").write_text("second", encoding="utf-8")
        raise KeyboardInterrupt

    assert (folder / "a").read_text(encoding="utf-8") == "first"
    assert [file.name for file in tmp_path.iterdir()] == ["model"]
