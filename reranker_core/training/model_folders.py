"""Model folders in the layout of the published ones: config.json, weights as safetensors, tokenizer files."""

import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from reranker_core.errors import InputError
from reranker_core.examples.new_files import new_file, new_folder

# What a tokenizer consists of, whichever kind it is. generation_config.json says nothing that a reranker needs, but
# transformers looks for it beside a causal language model.
_COPIED = (
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "tokenizer.model",
    "sentencepiece.bpe.model",
    "vocab.json",
    "vocab.txt",
    "merges.txt",
    "chat_template.jinja",
    "generation_config.json",
)

_LAYERWISE_CODE = "BAAI/bge-reranker-v2-minicpm-layerwise--"


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Give a folder to write into, and put it in the place of an earlier one when the block ends well.

    Whatever fails, an earlier folder stays as it was.

    Raises:
        InputError: it cannot be written. What the block raises comes out as it is.
    """
    staged = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}.new")
    with new_folder(staged) as part:
        yield part
    # A folder that has something in it cannot be replaced by a rename, so the earlier one steps aside for it.
    aside = folder.with_name(f".{folder.name}.{uuid4().hex[:8]}.old")
    has_earlier = folder.is_dir()
    try:
        if has_earlier:
            folder.rename(aside)
        try:
            staged.rename(folder)
        except OSError:
            if has_earlier:
                aside.rename(folder)
            raise
    except OSError as error:
        shutil.rmtree(staged, ignore_errors=True)
        raise InputError(
            f"{folder} cannot be written ({error.strerror}). Check the disk and who may write there."
        ) from error
    shutil.rmtree(aside, ignore_errors=True)


def write_weights(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Write tensors as safetensors.

    Raises:
        InputError: the disk is full, or the file cannot be written.
    """
    own: dict[str, torch.Tensor] = {}
    storages: set[int] = set()
    for name, tensor in tensors.items():
        # The format has no shared memory, as of tied matrices in a `.bin`.
        storage = tensor.untyped_storage().data_ptr()
        own[name] = tensor.clone() if storage in storages else tensor.contiguous()
        storages.add(storage)
    try:
        save_file(own, path, metadata={"format": "pt"})
        with path.open("rb+") as file:
            os.fsync(file.fileno())
    except (SafetensorError, OSError) as error:
        reason = str(error).removeprefix("Error while serializing: ")
        raise InputError(f"{path.name} cannot be written ({reason}). Free space on the disk, or choose another.") from error


def write_json(path: Path, value: Mapping[str, Any]) -> None:
    """Write a JSON object as the libraries do, a key a line.

    Raises:
        InputError: it cannot be written.
    """
    with new_file(path) as file:
        file.write_header(json.dumps(value, ensure_ascii=False, indent=2))


def copy_tokenizer(source: Path, target: Path) -> None:
    """Copy the files of a tokenizer, those that there are.

    Raises:
        InputError: they cannot be written.
    """
    try:
        for name in _COPIED:
            if (source / name).is_file():
                shutil.copyfile(source / name, target / name)
    except OSError as error:
        raise InputError(
            f"{target / name} cannot be written ({error.strerror}). Free space on the disk, or choose another."
        ) from error


def encoder_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Say that an XLM-R is a reranker, as the published ones do: a classifier with one label."""
    return dict(config) | {
        "architectures": ["XLMRobertaForSequenceClassification"],
        "id2label": {"0": "LABEL_0"},
        "label2id": {"LABEL_0": 0},
    }


def layerwise_config(config: Mapping[str, Any], *, start_layer: int) -> dict[str, Any]:
    """Say that a MiniCPM is a layerwise reranker, as the published one does.

    `auto_map` names the published model's code where that lies, for it is not copied; nothing here runs it.
    """
    return dict(config) | {
        "architectures": ["LayerWiseMiniCPMForCausalLM"],
        "auto_map": {
            "AutoConfig": f"{_LAYERWISE_CODE}configuration_minicpm_reranker.LayerWiseMiniCPMConfig",
            "AutoModel": f"{_LAYERWISE_CODE}modeling_minicpm_reranker.LayerWiseMiniCPMModel",
            "AutoModelForCausalLM": f"{_LAYERWISE_CODE}modeling_minicpm_reranker.LayerWiseMiniCPMForCausalLM",
        },
        "start_layer": start_layer,
        "head_multi": True,
        "head_type": "simple",
        "tie_word_embeddings": False,  # the heads are no rows of the embeddings
    }


def with_dtype(config: Mapping[str, Any], dtype: torch.dtype) -> dict[str, Any]:
    """Say in which dtype the weights are, under the key that the config uses (`torch_dtype` until transformers 5)."""
    key = "dtype" if "dtype" in config else "torch_dtype"
    return dict(config) | {key: str(dtype).removeprefix("torch.")}
