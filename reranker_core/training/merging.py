"""A base and its adapter → one whole model in the published layout, written tensor by tensor and checked by scores."""

import math
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from reranker_core.adapters import ADAPTER_PREFIX, Adapter, check_adapter, read_adapter
from reranker_core.building import BuildOptions, build_reranker
from reranker_core.checkpoints import CLASSIFIER_NAMES, Checkpoint
from reranker_core.errors import AdapterError, InputError
from reranker_core.examples.new_files import new_folder
from reranker_core.filling import Filling
from reranker_core.hub import locate
from reranker_core.loading import read_dtype
from reranker_core.local_folders import is_folder
from reranker_core.memory import default_device
from reranker_core.recognition import check_score_head, detect_family
from reranker_core.reranker import Progress
from reranker_core.training.model_folders import (
    copy_tokenizer,
    encoder_config,
    layerwise_config,
    with_dtype,
    write_json,
    write_weights,
)
from reranker_core.training.product_card import read_sections, write_sections

_SHARD_BYTES = 5_000_000_000  # as transformers divides large models

# Scored with the adapter beside the base and merged into it. Between the two lies the rounding of the merged weights.
_PROBES = (
    ("what is panda?", "The giant panda is a bear species endemic to China."),
    ("what is panda?", "hi"),
    ("熊猫吃什么？", "大熊猫主要吃竹子。"),
    ("how long does it take to merge an adapter", "It adds a product of two small matrices to each weight. " * 8),
)
# Times the score, or 1 where that is larger.
_TOLERANCE = {torch.float32: 1e-4, torch.float16: 1e-2, torch.bfloat16: 1e-1}


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedModel:
    """A whole model that was written.

    Attributes:
        folder: where it lies.
        family: what it is.
        difference: the largest between a score of it and of base and adapter side by side; `None` if it was not checked.
    """

    folder: Path
    family: str
    difference: float | None


def merge_adapter(
    base: str | Path,
    adapter: str | Path,
    output: str | Path,
    *,
    dtype: str | torch.dtype | None = None,
    check_scores: bool = True,
    allow_download: bool = True,
    cache_dir: str | Path | None = None,
    shard_bytes: int = _SHARD_BYTES,
    on_progress: Progress | None = None,
) -> MergedModel:
    """Write the whole model that a base and an adapter are together.

    It has the layout of the published models and is read as they are: an encoder or decoder by transformers and
    FlagEmbedding, a layerwise model by FlagEmbedding. Everything else of the base is copied; a vocabulary's output matrix
    goes where heads at the layers take its place.

    Args:
        base: as for `load_reranker`.
        adapter: its folder, or that of a job that made one.
        output: the folder to write; there must be none yet. It appears when it is whole and checked, or not at all.
        dtype: of the weights; by default as in the base.
        check_scores: score with both before it is kept, which takes the memory of the model in float32.
        allow_download: fetch a base that is not on this machine.
        cache_dir: a cache other than Hugging Face's own.
        shard_bytes: a larger model is divided into files of this size.
        on_progress: called as `on_progress(bytes written, bytes in all)`; what it raises ends the merge.

    Raises:
        AdapterError: the adapter was trained on other weights, does not fit, or gives other scores when it is merged.
        InputError: there is something at `output` already, the disk is full, or `dtype` cannot be used.
        ModelNotFoundError: there is no such base here or on the Hub.
        UnsupportedModelError: the base is no reranker that can be read.
    """
    target = Path(output).expanduser()
    wanted = None if dtype is None else read_dtype(dtype)
    checkpoint = Checkpoint(locate(base, allow_download=allow_download, cache_dir=cache_dir))
    patch = read_adapter(adapter)
    check_adapter(patch, checkpoint, base_name=str(base))
    family = detect_family(checkpoint.config, folder=checkpoint.folder, has_heads=bool(patch.heads))
    check_score_head(
        checkpoint.config,
        checkpoint.tensor_names,
        folder=checkpoint.folder,
        heads=patch.heads,
        has_classifier=bool(patch.classifier),
    )
    merge = _Merge(checkpoint, patch, family=family, dtype=wanted)
    with new_folder(target) as part:
        _check_space(part, merge.size)
        expected = _score(checkpoint, patch, family) if check_scores and _can_load(patch, family) else None
        write_json(part / "config.json", merge.config())
        copy_tokenizer(checkpoint.folder, part)
        merge.write(part, shard_bytes=shard_bytes, on_progress=on_progress)
        difference = None if expected is None else _compare(expected, _score(Checkpoint(part), None, family), merge)
        # What its card says of results, data and settings holds for the merged model too.
        write_sections(
            part / "README.md",
            base=_name(base, patch),
            is_adapter=False,
            family=family,
            sections=read_sections(patch.folder / "README.md"),
        )
    return MergedModel(folder=target, family=family, difference=difference)


class _Merge:
    """What the merged model holds, planned before anything is computed."""

    def __init__(self, base: Checkpoint, adapter: Adapter, *, family: str, dtype: torch.dtype | None) -> None:
        """Plan.

        Raises:
            AdapterError: the adapter is of a kind that cannot be merged here.
        """
        self._base, self._adapter, self._family, self._dtype = base, adapter, family, dtype
        self._whole, self._pairs = _sort_adapter(adapter)
        names = [name for name in base.tensor_names if family != "layerwise" or name != "lm_head.weight"]
        # Read to learn shapes and dtypes: of mapped files nothing comes into memory.
        plan = {name: self._cast(tensor.to("meta")) for name, tensor in base.read(names)}
        self.dtype = next((tensor.dtype for tensor in plan.values() if tensor.is_floating_point()), torch.float32)
        new = {name: tensor.to("meta", self.dtype) for name, tensor in self._whole.items() if name not in plan}
        if new and family == "decoder":
            raise AdapterError(
                f"{adapter.folder} brings {min(new)}, which {base.folder} does not have. Load it on its own base"
                f"{f' ({adapter.base_name})' if adapter.base_name else ''}."
            )
        self._plan = plan | dict(sorted(new.items()))
        self.size = sum(tensor.nbytes for tensor in self._plan.values())

    def config(self) -> dict[str, Any]:
        """Give the config.json of the merged model."""
        config = dict(self._base.config)
        if self._family == "layerwise":
            depth = config["num_hidden_layers"]
            heads = [name for name in self._plan if re.fullmatch(r"lm_head\.\d+\.linear_head\.weight", name)]
            config = layerwise_config(config, start_layer=config.get("start_layer", depth + 1 - len(heads)))
        elif self._family == "encoder" and not self._base.shape(CLASSIFIER_NAMES[0]):
            config = encoder_config(config)
        return config if self._dtype is None else with_dtype(config, self._dtype)

    def write(self, folder: Path, *, shard_bytes: int, on_progress: Progress | None) -> None:
        """Write the weights, file by file; no more than one file's are in memory at once.

        Raises:
            InputError: a number does not fit into the dtype, or the disk is full.
        """
        from huggingface_hub import split_torch_state_dict_into_shards

        split = split_torch_state_dict_into_shards(self._plan, max_shard_size=shard_bytes)
        done = 0
        for file, names in split.filename_to_tensors.items():
            tensors = {}
            for name, tensor in self._merge(names):
                if on_progress:
                    on_progress(done, self.size)
                tensors[name] = tensor
                done += tensor.nbytes
            write_weights(folder / file, tensors)
        if on_progress:
            on_progress(self.size, self.size)
        if split.is_sharded:
            index = {"metadata": split.metadata, "weight_map": split.tensor_to_filename}
            write_json(folder / "model.safetensors.index.json", index)

    def _merge(self, names: Sequence[str]) -> Iterator[tuple[str, torch.Tensor]]:
        for name, weight in self._base.read([name for name in names if self._base.shape(name) is not None]):
            place = name.removesuffix(".weight")
            if name in self._whole:
                merged = self._whole[name].to(weight.dtype)
            elif place in self._pairs:
                merged = self._pairs[place].add_to(weight)
            else:
                merged = weight
            yield name, self._check(name, self._cast(merged))
        for name in names:
            if self._base.shape(name) is None:
                yield name, self._check(name, self._whole[name].to(self.dtype))

    def _cast(self, tensor: torch.Tensor) -> torch.Tensor:
        return tensor if self._dtype is None or not tensor.is_floating_point() else tensor.to(self._dtype)

    def _check(self, name: str, tensor: torch.Tensor) -> torch.Tensor:
        if not torch.isfinite(tensor).all():
            kind = str(tensor.dtype).removeprefix("torch.")
            raise InputError(f"{name} has numbers that are not finite as {kind}. Merge with dtype float32 or bfloat16.")
        return tensor


@dataclass(frozen=True, slots=True)
class _LowRank:
    """What LoRA adds to one weight: scale · B A (Hu et al. 2021)."""

    a: torch.Tensor  # (rank, in)
    b: torch.Tensor  # (out, rank)
    scale: float

    def add_to(self, weight: torch.Tensor) -> torch.Tensor:
        return (weight.float() + self.scale * (self.b.float() @ self.a.float())).to(weight.dtype)


def _sort_adapter(adapter: Adapter) -> tuple[dict[str, torch.Tensor], dict[str, _LowRank]]:
    """Sort an adapter's weights into tensors that replace those of the base, and pairs that are added, by place.

    Raises:
        AdapterError: there is something that is neither.
    """
    for setting in ("use_dora", "lora_bias", "layer_replication", "fan_in_fan_out"):
        if adapter.config.get(setting):
            raise AdapterError(
                f"{adapter.folder} was trained with {setting}, which cannot be merged here. Load it beside its base."
            )
    tensors = {name.removeprefix(ADAPTER_PREFIX): tensor for name, tensor in adapter.tensors.items()}
    low = re.compile(r"(.+)\.lora_(A|B)\.weight")
    whole = {name: tensor for name, tensor in tensors.items() if not low.fullmatch(name)}
    pairs = {}
    for place in sorted({match[1] for name in tensors if (match := low.fullmatch(name))}):
        a, b = (tensors.get(f"{place}.lora_{side}.weight") for side in "AB")
        rank, alpha = (_setting(adapter.config, place, usual) for usual in ("r", "lora_alpha"))
        if a is None or b is None or len(a) != rank or b.shape[1] != rank:
            raise AdapterError(
                f"{adapter.folder}: the weights for {place} are not two of rank {rank}, as adapter_config.json says. "
                "It was written incompletely."
            )
        scale = alpha / (math.sqrt(rank) if adapter.config.get("use_rslora") else rank)
        pairs[place] = _LowRank(a, b, scale)
    return whole, pairs


def _name(base: str | Path, adapter: Adapter) -> str:
    """Name a base as its adapter does, which knows the published name where somebody gave a folder."""
    return adapter.base_name or (str(Path(base).absolute()) if is_folder(str(base)) else str(base))


def _setting(config: Mapping[str, Any], place: str, name: str) -> Any:
    """Look up rank or alpha of one place; patterns in adapter_config.json go before what is usual."""
    from peft.utils.other import get_pattern_key

    patterns = config.get({"r": "rank_pattern", "lora_alpha": "alpha_pattern"}[name]) or {}
    return patterns.get(get_pattern_key(patterns.keys(), place), config.get(name))


def _can_load(adapter: Adapter, family: str) -> bool:
    """Tell whether base and adapter can be scored side by side: a decoder keeps one row only of its lm_head."""
    return family != "decoder" or not any(".lm_head." in name for name in adapter.tensors)


def _score(checkpoint: Checkpoint, adapter: Adapter | None, family: str) -> torch.Tensor:
    """Score the probes, in float32 so that nothing but the weights can differ: → (probes, layers)."""
    filling = Filling(device=torch.device(default_device()), dtype=torch.float32, adapter=adapter, merge=False)
    reranker = build_reranker(checkpoint, family, BuildOptions(name=str(checkpoint.folder), filling=filling))
    return torch.tensor(reranker.score(_PROBES, cutoff_layers=reranker.cutoff_range).values)


def _compare(expected: torch.Tensor, merged: torch.Tensor, merge: _Merge) -> float:
    """Hold the scores of the merged model to those of base and adapter; give the largest difference.

    Raises:
        AdapterError: they differ by more than the rounding of the weights.
    """
    difference = (expected - merged).abs()
    if (difference > _TOLERANCE.get(merge.dtype, 1e-4) * expected.abs().clamp(min=1)).any():
        raise AdapterError(
            f"Merged, the scores differ by up to {difference.max():.3g} from those of base and adapter; nothing was kept. "
            "Merge with dtype float32, or use the adapter beside its base."
        )
    return float(difference.max())


def _check_space(folder: Path, size: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < size:
        raise InputError(
            f"The merged model needs {size / 1e9:.1f} GB, and {free / 1e9:.1f} GB are free at {folder.parent}. Free some, "
            "or choose another folder."
        )
