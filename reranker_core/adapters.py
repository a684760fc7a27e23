"""LoRA adapters on their base: checked before they are loaded, merged or left beside the weights.

Reads what peft writes, and so the adapters of FlagEmbedding (`adapter_config.json` and `adapter_model.safetensors`, or
`.bin`), and those of this project, which add `base.json` with the base's fingerprint.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from reranker_core.checkpoints import CLASSIFIER_NAMES, Checkpoint, count_blocks, read_tensor_file
from reranker_core.errors import AdapterError, UnsupportedModelError
from reranker_core.hub import read_json
from reranker_core.notices import warn_user
from reranker_core.run_folders import point_to_adapter

_ADAPTER_FILES = ("adapter_model.safetensors", "adapter_model.bin")
ADAPTER_PREFIX = "base_model.model."
_REMEDY = "Choose the folder that training wrote; a merged model is loaded as a model, without adapter."
HEADS = ("classifier.", "lm_head.")


@dataclass(frozen=True, slots=True)
class Adapter:
    """An adapter folder that was read.

    Attributes:
        folder: the folder of adapter_config.json.
        config: its adapter_config.json.
        tensors: its weights by the name that peft gives them.
        base_fingerprint: of the base it was trained on, or `None` for a foreign adapter.
    """

    folder: Path
    config: dict[str, Any]
    tensors: dict[str, torch.Tensor]
    base_fingerprint: str | None

    @property
    def base_name(self) -> str:
        """The name of the base, as the adapter gives it."""
        return str(self.config.get("base_model_name_or_path") or "")

    @property
    def heads(self) -> dict[int, torch.Tensor]:
        """The score heads that a layerwise adapter brings whole, by their place in `lm_head`."""
        found = {}
        for name, tensor in self.tensors.items():
            if match := re.fullmatch(rf"{re.escape(ADAPTER_PREFIX)}lm_head\.(\d+)\.linear_head\.weight", name):
                found[int(match[1])] = tensor
        return found

    @property
    def classifier(self) -> dict[str, torch.Tensor]:
        """The score head that an encoder's adapter brings whole, by its published names; empty if it is not all there."""
        names = {name: ADAPTER_PREFIX + name for name in CLASSIFIER_NAMES}
        if not self.tensors.keys() >= set(names.values()):
            return {}
        return {name: self.tensors[key] for name, key in names.items()}

    @property
    def leaves_weights(self) -> bool:
        """Whether it leaves its base's weights as they are: plain LoRA and whole score heads, computed beside them."""
        # peft draws pissa, olora and the like from the weights and takes it off them.
        is_plain = self.config.get("init_lora_weights", True) in (True, False, None, "gaussian", "orthogonal")
        return is_plain and all(".lora_" in name or name.startswith(HEADS) for name in self.parts)

    @property
    def parts(self) -> dict[str, torch.Tensor]:
        """Its weights by the names of the model's modules."""
        return {name.removeprefix(ADAPTER_PREFIX): tensor for name, tensor in self.tensors.items()}


def read_adapter(folder: str | Path) -> Adapter:
    """Read an adapter folder, or the folder of a job that holds one under `adapter/`.

    Raises:
        AdapterError: there is no LoRA adapter in it, or its weights are damaged or not finite.
    """
    place = Path(folder).expanduser()
    if not (place / "adapter_config.json").is_file() and (place / "adapter" / "adapter_config.json").is_file():
        place = place / "adapter"
    file = next((place / name for name in _ADAPTER_FILES if (place / name).is_file()), None)
    if not (place / "adapter_config.json").is_file() or file is None:
        raise AdapterError(
            f"{folder} is no adapter: it needs adapter_config.json and {_ADAPTER_FILES[0]}. "
            + (point_to_adapter(Path(folder).expanduser()) or _REMEDY)
        )
    try:
        config = read_json(place / "adapter_config.json", purpose="it describes the adapter")
        tensors = read_tensor_file(file)
        has_base = (place / "base.json").is_file()
        base = read_json(place / "base.json", purpose="it names the base") if has_base else {}
    except UnsupportedModelError as error:
        raise AdapterError(str(error)) from error
    if config.get("peft_type") != "LORA":
        raise AdapterError(f"{folder} is an adapter of type {config.get('peft_type')!r}; only LORA can be loaded.")
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise AdapterError(f"{file} holds numbers that are not finite in {name}. The training diverged; train again.")
    return Adapter(place, config, tensors, base.get("fingerprint"))


def check_adapter(adapter: Adapter, base: Checkpoint, *, base_name: str) -> None:
    """Check that an adapter belongs on a base.

    An adapter of ours carries its base's fingerprint, which alone decides. A foreign one carries only a name: another
    name is a warning, another shape or depth is refused.

    Raises:
        AdapterError: the adapter was trained on other weights, or does not fit these.
    """
    if adapter.base_fingerprint is not None and adapter.base_fingerprint != base.fingerprint():
        raise AdapterError(
            f"{adapter.folder} was trained on other weights than {base_name}: its base was "
            f"{adapter.base_name or 'not named'}, fingerprint {adapter.base_fingerprint[:12]}…. Load it on that base."
        )
    _check_shapes(adapter, base, base_name=base_name)
    if adapter.base_fingerprint is None and not _is_same_name(adapter.base_name, base_name, base.folder):
        warn_user(
            f"{adapter.folder} names {adapter.base_name or 'no model'} as its base and is loaded on {base_name}. The "
            "shapes fit; whether the weights are those it was trained on cannot be told."
        )


def apply_adapter(model: nn.Module, adapter: Adapter, *, merge: bool) -> None:
    """Put an adapter onto a model, in place.

    Args:
        model: whose parameters carry the published names.
        adapter: a checked adapter. What it has for layers that were not loaded is left out.
        merge: fold it into the weights; else it stays beside them and is computed with every pass.

    Raises:
        AdapterError: the adapter changes something that a reranker of this family does not read.
    """
    from peft import LoraConfig, LoraModel, get_peft_model_state_dict, set_peft_model_state_dict

    known = set(LoraConfig.__dataclass_fields__)
    settings = {key: value for key, value in adapter.config.items() if key in known}
    # The task type would pick a wrapper that expects generate(); the weights are the same without.
    config = LoraConfig(**(settings | {"task_type": None, "inference_mode": True}))
    wrapped = LoraModel(model, config, "default")
    for name, parameter in model.named_parameters():
        if ".lora_" in name or name.startswith(HEADS):  # small, and exact whatever the dtype of the rest
            parameter.data = parameter.data.float()
    places = get_peft_model_state_dict(model, save_embedding_layers=False)
    _check_places(adapter, {ADAPTER_PREFIX + name: tuple(place.shape) for name, place in places.items()}, model)
    set_peft_model_state_dict(model, {name: adapter.tensors[ADAPTER_PREFIX + name] for name in places})
    if merge:
        wrapped.merge_and_unload()


def _check_places(adapter: Adapter, places: dict[str, tuple[int, ...]], model: nn.Module) -> None:
    """Check that adapter_config.json and the adapter's weights speak of the same places of a model."""
    written = "It was written incompletely, or for another architecture."
    if missing := sorted(places.keys() - adapter.tensors.keys()):
        raise AdapterError(
            f"{adapter.folder} has no weights for {len(missing)} of the places that its adapter_config.json names, such as "
            f"{missing[0]}. {written}"
        )
    modules = dict(model.named_modules())
    for name in adapter.tensors.keys() - places.keys():
        place = re.sub(r"\.(lora_[AB]\.)?(weight|bias)$", "", name.removeprefix(ADAPTER_PREFIX))
        if place in modules:  # else it belongs to a layer that was not loaded
            raise AdapterError(
                f"{adapter.folder} has weights for {place}, which its adapter_config.json leaves out. {written}"
            )
    for name, shape in places.items():
        if tuple(adapter.tensors[name].shape) != shape:
            raise AdapterError(
                f"{adapter.folder}: {name} has shape {list(adapter.tensors[name].shape)}, adapter_config.json promises "
                f"{list(shape)}. {written}"
            )


def _check_shapes(adapter: Adapter, base: Checkpoint, *, base_name: str) -> None:
    for name, tensor in adapter.tensors.items():
        match = re.fullmatch(rf"{re.escape(ADAPTER_PREFIX)}(.+?)(?:\.lora_(A|B))?\.(weight|bias)", name)
        if not match:
            raise AdapterError(f"{adapter.folder} holds {name}, which is no part of a LoRA adapter that can be loaded.")
        place, side, kind = match.groups()
        if re.fullmatch(r"lm_head\.\d+\.linear_head", place) and side is None:
            continue  # whole heads may be new to the base; the loader counts them
        if f"{place}.{kind}" in adapter.classifier and base.shape(f"{place}.{kind}") is None:
            continue  # so may a whole classifier
        shape = base.shape(f"{place}.{kind}")
        if shape is None:
            raise AdapterError(
                f"{adapter.folder} does not fit {base_name}: it changes {place}, which that model does not have. Load it "
                f"on its own base{f' ({adapter.base_name})' if adapter.base_name else ''}."
            )
        expected, came = {
            "A": (shape[-1:], tuple(tensor.shape[-1:])),
            "B": (shape[:1], tuple(tensor.shape[:1])),
        }.get(side, (shape, tuple(tensor.shape)))
        if expected != came:
            raise AdapterError(
                f"{adapter.folder} does not fit {base_name}: {place} has size {list(shape)} there, and the adapter was "
                f"made for {list(came)}. Load it on its own base{f' ({adapter.base_name})' if adapter.base_name else ''}."
            )
    _check_depth(adapter, base, base_name=base_name)


def _check_depth(adapter: Adapter, base: Checkpoint, *, base_name: str) -> None:
    theirs, ours = count_blocks(adapter.tensors), base.depth
    if theirs and theirs != ours and adapter.config.get("layers_to_transform") is None:
        raise AdapterError(
            f"{adapter.folder} does not fit {base_name}: it was made for {theirs} layers, the model has {ours}. Load it on "
            f"its own base{f' ({adapter.base_name})' if adapter.base_name else ''}."
        )


def _is_same_name(adapter_base: str, name: str, folder: Path) -> bool:
    # A folder in the Hugging Face cache is named after the model: models--BAAI--bge-reranker-v2-gemma/snapshots/…
    repo_ids = [part.removeprefix("models--").replace("--", "/") for part in folder.parts if part.startswith("models--")]
    names = {name, str(folder), folder.name, *repo_ids}
    return adapter_base in names or Path(adapter_base).name in names
