"""What memory there is, and what a model will take of it before any weight is read."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from safetensors.torch import load_file, save_file

from reranker_core import BM25Reranker, load_reranker
from reranker_core.errors import ModelNotFoundError, UnsupportedModelError
from reranker_core.loading import estimate_memory
from reranker_core.memory import DeviceMemory, default_budget, default_device, limit_by_cgroups, read_memory

GB = 1_000_000_000
HOST = DeviceMemory(total_bytes=64 * GB, free_bytes=50 * GB)

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


def write_groups(folder: Path, own: str, **numbers: dict[str, str]) -> dict[str, Path]:
    """Lay out control groups: `own` as /proc/self/cgroup has it, then the files of each group (`root` is the mount)."""
    for group, files in numbers.items():
        place = folder / "mount" / ("" if group == "root" else group.replace("__", "/"))
        place.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (place / name).write_text(f"{content}\n", encoding="utf-8")
    (folder / "own").write_text(own, encoding="utf-8")
    return {"root": folder / "mount", "own": folder / "own"}


def test_the_cpu_has_the_memory_of_the_machine_or_less() -> None:
    memory = read_memory("cpu")
    assert 0 < memory.free_bytes <= memory.total_bytes <= psutil.virtual_memory().total
    assert read_memory("mps").total_bytes == memory.total_bytes


def test_a_container_has_the_memory_that_its_group_may_use_and_files_that_were_read_count_as_free(tmp_path: Path) -> None:
    groups = write_groups(
        tmp_path,
        "0::/\n",
        root={
            "memory.max": str(16 * GB),
            "memory.current": str(7 * GB),
            "memory.stat": f"anon {4 * GB}\ninactive_file {2 * GB}\nactive_file {GB}",
        },
    )
    assert limit_by_cgroups(HOST, **groups) == DeviceMemory(total_bytes=16 * GB, free_bytes=11 * GB)


def test_the_groups_of_version_1_count_as_well(tmp_path: Path) -> None:
    groups = write_groups(
        tmp_path,
        "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/docker/abc\n",  # as it is called outside of the container
        memory={
            "memory.limit_in_bytes": str(8 * GB),
            "memory.usage_in_bytes": str(3 * GB),
            "memory.stat": f"inactive_file 1\ntotal_inactive_file {GB}",
        },
    )
    assert limit_by_cgroups(HOST, **groups) == DeviceMemory(total_bytes=8 * GB, free_bytes=6 * GB)


def test_the_tightest_group_decides_be_it_the_own_one_or_one_above(tmp_path: Path) -> None:
    groups = write_groups(
        tmp_path,
        "0::/service/app\n",
        service={"memory.max": str(20 * GB), "memory.current": str(19 * GB)},
        service__app={"memory.max": str(12 * GB), "memory.current": str(2 * GB)},
        other={"memory.max": "1"},
    )
    assert limit_by_cgroups(HOST, **groups) == DeviceMemory(total_bytes=12 * GB, free_bytes=GB)


@pytest.mark.parametrize("limit", ["max", str(2**63 - 4096)])
def test_a_group_without_a_limit_changes_nothing(tmp_path: Path, limit: str) -> None:
    version = {"memory.max": limit} if limit == "max" else {"memory.limit_in_bytes": limit}
    groups = write_groups(tmp_path, "4:memory:/\n0::/\n", root=version, memory=version)
    assert limit_by_cgroups(HOST, **groups) == HOST


def test_a_system_without_groups_has_the_memory_of_the_machine(tmp_path: Path) -> None:
    assert limit_by_cgroups(HOST, root=tmp_path / "none", own=tmp_path / "none") == HOST


def test_a_group_that_uses_more_than_it_may_has_nothing_free(tmp_path: Path) -> None:
    groups = write_groups(tmp_path, "0::/\n", root={"memory.max": "100", "memory.current": "120"})
    assert limit_by_cgroups(HOST, **groups) == DeviceMemory(total_bytes=100, free_bytes=0)


def test_models_may_take_three_fifths_of_the_ram() -> None:
    assert default_budget("cpu") == int(0.6 * read_memory("cpu").total_bytes)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_the_budget_is_that_of_the_cpu() -> None:
    assert default_device() == "cpu"
    assert default_budget() == default_budget("cpu")


@needs_gpu
def test_on_a_gpu_the_budget_is_four_fifths_of_its_memory_and_weights_take_half() -> None:
    assert default_device() == "cuda"
    assert default_budget() == int(0.8 * torch.cuda.mem_get_info()[1])


@needs_gpu
def test_what_a_model_takes_on_a_gpu_is_known_before_it_is_loaded(checkpoints: Path) -> None:
    for name in ("encoder", "llm", "layerwise"):
        for dtype in (None, "float16", "float32"):
            loaded = load_reranker(checkpoints / name, dtype=dtype)
            assert estimate_memory(checkpoints / name, dtype=dtype) == loaded.memory_bytes


def test_asking_for_the_memory_of_the_cpu_brings_no_torch_in() -> None:
    code = (
        "import sys; import reranker_core.pool; from reranker_core import memory; "
        "memory.default_budget('cpu'); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_bm25_takes_no_memory() -> None:
    assert BM25Reranker().memory_bytes == estimate_memory("bm25") == 0


@pytest.mark.parametrize("name", ["encoder", "llm", "layerwise"])
def test_what_a_model_takes_is_known_before_it_is_loaded(name: str, checkpoints: Path, load: Callable[..., Any]) -> None:
    assert estimate_memory(checkpoints / name) == load(name).memory_bytes > 500_000


@pytest.mark.parametrize("layer", [2, 3, 7, 8])
def test_what_a_model_takes_to_a_layer_is_known_before_it_is_loaded(layer: int, checkpoints: Path) -> None:
    loaded = load_reranker(checkpoints / "layerwise", max_layer=layer)
    assert estimate_memory(checkpoints / "layerwise", max_layer=layer) == loaded.memory_bytes


@pytest.mark.parametrize(
    ("name", "adapter", "layer"),
    [
        ("llm", "adapter-llm", None),
        ("layerwise", "adapter-layerwise", 3),
        ("layerwise", "adapter-layerwise-heads-all", None),
        ("raw_minicpm", "adapter-layerwise-raw", None),
        ("raw_minicpm", "adapter-layerwise-raw", 4),
    ],
)
def test_what_a_model_takes_with_an_adapter_is_known_before_it_is_loaded(
    name: str, adapter: str, layer: int | None, checkpoints: Path
) -> None:
    how: dict[str, Any] = {"adapter": checkpoints / "adapters" / adapter, "max_layer": layer}
    assert estimate_memory(checkpoints / name, **how) == load_reranker(checkpoints / name, **how).memory_bytes


def test_a_name_of_the_catalogue_is_measured_in_the_cache(published_cache: Path, load: Callable[..., Any]) -> None:
    assert estimate_memory("bge-reranker-v2-m3") == load("encoder").memory_bytes


def test_what_a_checkpoint_holds_beside_its_model_does_not_count(
    copy_checkpoint: Callable[..., Path], edit_tensors: Callable[..., None], load: Callable[..., Any]
) -> None:
    beside = {
        "encoder": ["roberta.embeddings.position_ids", "roberta.pooler.dense.weight", "lm_head.dense.weight"],
        "llm": ["lm_head.weight", "model.layers.0.self_attn.rotary_emb.inv_freq"],
        "layerwise": ["lm_head.weight", "model.layers.0.self_attn.rotary_emb.inv_freq", "v_head.weight"],
    }
    for name, others in beside.items():
        copied = copy_checkpoint(name)
        more = {other: torch.zeros(1000, 48) for other in others}
        edit_tensors(copied / "model.safetensors", lambda tensors, more=more: tensors.update(more))
        assert estimate_memory(copied) == load(name).memory_bytes == load_reranker(copied).memory_bytes


def test_weights_saved_in_half_precision_count_as_what_they_become(
    copy_checkpoint: Callable[..., Path], edit_tensors: Callable[..., None], load: Callable[..., Any]
) -> None:
    copied = copy_checkpoint("llm")
    edit_tensors(
        copied / "model.safetensors", lambda tensors: tensors.update({k: v.bfloat16() for k, v in tensors.items()})
    )
    assert estimate_memory(copied) == load("llm").memory_bytes


def test_a_bin_file_is_measured_like_safetensors(copy_checkpoint: Callable[..., Path], load: Callable[..., Any]) -> None:
    copied = copy_checkpoint("encoder")
    torch.save(load_file(copied / "model.safetensors"), copied / "pytorch_model.bin")
    (copied / "model.safetensors").unlink()
    assert estimate_memory(copied) == load("encoder").memory_bytes


def test_measuring_reads_no_weights(copy_checkpoint: Callable[..., Path]) -> None:
    resource = pytest.importorskip("resource")
    copied, rows = copy_checkpoint("llm"), 11_000_000  # 2.1 GB, of which the file system stores next to nothing
    tensors = load_file(copied / "model.safetensors")
    embeddings = tensors.pop("model.embed_tokens.weight")
    save_file(tensors | {"model.embed_tokens.weight": torch.empty(0, 48)}, copied / "model.safetensors")
    write_sparse(copied / "model.safetensors", "model.embed_tokens.weight", [rows, embeddings.shape[1]])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    assert estimate_memory(copied) > 2_000_000_000

    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * (1 if sys.platform == "darwin" else 1024)
    assert grown < 500_000_000


def write_sparse(path: Path, name: str, shape: list[int]) -> None:
    """Give a float32 tensor of a safetensors file, until now empty, this shape; its data is a hole at the end."""
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    end = max(part["data_offsets"][1] for key, part in header.items() if key != "__metadata__")
    header[name] |= {"shape": shape, "data_offsets": [end, end + 4 * shape[0] * shape[1]]}
    written = json.dumps(header).encode()
    written += b" " * (-len(written) % 8)
    path.write_bytes(len(written).to_bytes(8, "little") + written + content[8 + length :])
    with path.open("r+b") as file:
        file.truncate(8 + len(written) + header[name]["data_offsets"][1])


def test_what_cannot_be_loaded_cannot_be_measured(checkpoints: Path, copy_checkpoint: Callable[..., Path]) -> None:
    with pytest.raises(ModelNotFoundError, match="not on this machine"):
        estimate_memory("someone/absent-model")
    with pytest.raises(UnsupportedModelError, match="plain MiniCPM"):
        estimate_memory(checkpoints / "raw_minicpm")
    with pytest.raises(UnsupportedModelError, match=r"config\.json"):
        estimate_memory(copy_checkpoint("llm", num_hidden_layers=None))
