"""What training leaves behind: an adapter or a whole model, in the formats that are published.

An adapter is what peft and FlagEmbedding write and read, and beside it `base.json`, which says on which weights it
belongs. A whole model is what transformers and FlagEmbedding read as a reranker.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from reranker_core.adapters import ADAPTER_PREFIX
from reranker_core.catalogue import find_model
from reranker_core.checkpoints import Checkpoint
from reranker_core.errors import AdapterError, InputError
from reranker_core.families.base import NeuralReranker
from reranker_core.hub import locate, read_json
from reranker_core.training.model_folders import (
    copy_tokenizer,
    encoder_config,
    replaced_folder,
    with_dtype,
    write_json,
    write_weights,
)
from reranker_core.training.product_card import write_card

# What every reader of adapters knows. Other settings are written where they say something: peft before 0.15, which
# FlagEmbedding 1.3 uses, refuses a file with a name that is new to it.
_USUAL_SETTINGS = {
    "peft_type",
    "task_type",
    "base_model_name_or_path",
    "revision",
    "inference_mode",
    "r",
    "lora_alpha",
    "lora_dropout",
    "target_modules",
    "modules_to_save",
    "bias",
    "fan_in_fan_out",
    "use_rslora",
    "use_dora",
    "rank_pattern",
    "alpha_pattern",
    "layers_to_transform",
    "layers_pattern",
    "init_lora_weights",
}
_TASK_TYPES = {"encoder": "SEQ_CLS", "decoder": "CAUSAL_LM", "layerwise": "CAUSAL_LM"}  # as peft calls them


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseIdentity:
    """Which weights a training started from.

    Attributes:
        name: its Hugging Face name, or its folder where it has none.
        folder: where it lies on this machine.
        revision: the commit on the Hub, or `None` for a folder of one's own.
        fingerprint: of the whole depth; it alone decides whether an adapter belongs on some weights.
    """

    name: str
    folder: Path
    revision: str | None
    fingerprint: str


def identify_base(
    name_or_folder: str | Path, *, allow_download: bool = True, cache_dir: str | Path | None = None
) -> BaseIdentity:
    """Say which weights a name or folder means now; the arguments are those of `load_reranker`.

    Raises:
        ModelNotFoundError: there is no such model here or on the Hub.
        UnsupportedModelError: the folder cannot be read.
    """
    folder = locate(name_or_folder, allow_download=allow_download, cache_dir=cache_dir).absolute()
    parts = folder.parts
    place = next((number for number, part in enumerate(parts) if part.startswith("models--")), None)
    name, revision = str(folder), None
    if place is not None and parts[place + 1 : place + 2] == ("snapshots",) and len(parts) > place + 2:
        name, revision = parts[place].removeprefix("models--").replace("--", "/"), parts[place + 2]
    elif known := find_model(str(name_or_folder)):
        name = known.repo_id or known.name  # bundled models are on no hub
    return BaseIdentity(name=name, folder=folder, revision=revision, fingerprint=Checkpoint(folder).fingerprint())


def collect_trained(reranker: NeuralReranker) -> dict[str, torch.Tensor]:
    """Copy what training changes to the CPU, by its published names.

    With LoRA these are peft's names in a file, `base_model.model.…`: the matrices and the modules that are trained whole.
    Without, they are all parameters.
    """
    return {name: place.to("cpu", copy=True) for name, place in _find_trained(reranker).items()}


def restore_trained(reranker: NeuralReranker, tensors: Mapping[str, torch.Tensor]) -> None:
    """Put back what `collect_trained` took, in place: an optimizer goes on with the same parameters.

    Raises:
        AdapterError: the tensors belong to something else; nothing is changed then.
    """
    places = _find_trained(reranker)
    if other := sorted(places.keys() ^ tensors.keys()):
        raise AdapterError(
            f"What was saved and what is trained differ in {len(other)} tensors, such as {other[0]}. They are of different "
            "runs; use a checkpoint of this run."
        )
    for name, place in places.items():
        if place.shape != tensors[name].shape:
            raise AdapterError(
                f"{name} was saved with shape {list(tensors[name].shape)} and is trained with {list(place.shape)}. They "
                "are of different runs; use a checkpoint of this run."
            )
    with torch.no_grad():
        for name, place in places.items():
            place.copy_(tensors[name])


def save_product(
    reranker: NeuralReranker,
    folder: Path,
    *,
    base: BaseIdentity,
    settings: Mapping[str, Any],
    data: Mapping[str, str],
    results: Mapping[str, Any],
) -> Path:
    """Write what was trained: an adapter where there is LoRA in the model, else the whole model.

    Args:
        reranker: as it was trained.
        folder: to write; an earlier one stays whole until the new one is, and then goes.
        base: what it started from.
        settings: how it was trained, as JSON values, for the model card.
        data: the SHA-256 of each file that was learnt from, by its name, for the model card.
        results: for the model card; numbers by name, or by name and then by measure.

    Returns:
        The folder.

    Raises:
        AdapterError: a weight is not finite.
        InputError: it cannot be written, or a model without LoRA is no encoder.
    """
    tensors = collect_trained(reranker)
    for name, tensor in tensors.items():
        if not torch.isfinite(tensor).all():
            raise AdapterError(
                f"{name} holds numbers that are not finite, so nothing was saved: the training diverged. Train again with "
                "a lower learning rate."
            )
    has_adapter = _has_lora(reranker)
    if not has_adapter and reranker.family != "encoder":
        raise InputError(f"A {reranker.family} model is trained with LoRA; only encoders are trained and saved whole.")
    with replaced_folder(folder) as part:
        if has_adapter:
            _write_adapter(reranker, tensors, part, base=base)
        else:
            _write_model(tensors, part, base=base)
        write_card(
            part / "README.md",
            base=base.name,
            is_adapter=has_adapter,
            settings=settings,
            data=data,
            results=results,
            family=reranker.family,
        )
    return folder


def _write_adapter(
    reranker: NeuralReranker, tensors: Mapping[str, torch.Tensor], folder: Path, *, base: BaseIdentity
) -> None:
    from peft import LoraConfig

    config = copy.deepcopy(reranker.model.peft_config["default"])
    config.base_model_name_or_path, config.revision = base.name, base.revision
    config.task_type, config.inference_mode = _TASK_TYPES[reranker.family], True
    defaults = LoraConfig().to_dict()
    plain = {
        key: sorted(value) if isinstance(value, set) else value
        for key, value in config.to_dict().items()
        if key in _USUAL_SETTINGS or (key in defaults and value != defaults[key])
    }
    write_json(folder / "adapter_config.json", plain)
    write_weights(folder / "adapter_model.safetensors", tensors)
    write_json(folder / "base.json", {"name": base.name, "revision": base.revision, "fingerprint": base.fingerprint})


def _write_model(tensors: Mapping[str, torch.Tensor], folder: Path, *, base: BaseIdentity) -> None:
    config = read_json(base.folder / "config.json", purpose="it says what the model is")
    write_json(folder / "config.json", with_dtype(encoder_config(config), next(iter(tensors.values())).dtype))
    write_weights(folder / "model.safetensors", tensors)
    copy_tokenizer(base.folder, folder)


def _find_trained(reranker: NeuralReranker) -> dict[str, torch.Tensor]:
    """Find what training changes, by its published names; the tensors share memory with the parameters."""
    model = reranker.model
    if not _has_lora(reranker):
        return {name: parameter.detach() for name, parameter in model.named_parameters()}
    from peft import get_peft_model_state_dict

    places = get_peft_model_state_dict(model, save_embedding_layers=False)
    return {ADAPTER_PREFIX + name: place.detach() for name, place in places.items()}


def _has_lora(reranker: NeuralReranker) -> bool:
    return hasattr(reranker.model, "peft_config")
