"""Name or folder, and perhaps an adapter → a `Reranker`. The folder's config.json decides what it is, never its name."""

import logging
import re
from pathlib import Path

import torch

from reranker_core.adapters import check_adapter, read_adapter
from reranker_core.baseline import BM25Reranker
from reranker_core.building import BuildOptions, build_reranker
from reranker_core.checkpoints import Checkpoint
from reranker_core.errors import InputError, UnsupportedModelError
from reranker_core.families.base import NeuralReranker
from reranker_core.filling import Filling, name_bad_config
from reranker_core.hub import locate
from reranker_core.memory import default_device
from reranker_core.notices import warn_user
from reranker_core.recognition import detect_family
from reranker_core.reranker import Progress, Reranker
from reranker_core.sharing import estimate_own_memory

logger = logging.getLogger(__name__)

_DTYPES = {
    "float32": torch.float32,
    "fp32": torch.float32,
    "float16": torch.float16,
    "fp16": torch.float16,
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
}

# The blocks and embeddings that are read of a checkpoint. What else old files hold there is computed or left out: position
# ids, rotary frequencies, a pooler, the vocabulary's output matrix.
_BODY = re.compile(
    r"roberta\.(embeddings\.(?!position_ids)|encoder\.layer\.(?P<encoder_block>\d+)\.).*"
    r"|model\.(embed_tokens|norm|layers\.(?P<block>\d+)\.(?!.*inv_freq)).*"
)


def load_reranker(
    name_or_folder: str | Path,
    *,
    adapter: str | Path | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    max_layer: int | None = None,
    merge_adapter: bool = True,
    allow_download: bool = True,
    cache_dir: str | Path | None = None,
    on_progress: Progress | None = None,
) -> Reranker:
    """Load a reranker.

    Args:
        name_or_folder: `"bm25"`, a catalogue name (`"bge-reranker-v2-m3"`), a Hugging Face name, or a folder.
        adapter: a LoRA adapter's folder, or the folder of a job that made one.
        device: as torch names it; by default CUDA where there is one, else the CPU. MPS only when named.
        dtype: `"float32"`, `"float16"` or `"bfloat16"`; by default bfloat16 on CUDA, float32 elsewhere. On the CPU it
            is always float32: half precision is five times slower there.
        max_layer: for layerwise models, the deepest layer to load; by default all.
        merge_adapter: fold the adapter into the weights (faster); else it is computed beside them.
        allow_download: fetch a model that is not on this machine from the Hugging Face Hub.
        cache_dir: a cache other than Hugging Face's own.
        on_progress: called as `on_progress(bytes read, bytes in all)` while the weights are read; what it raises stops
            the load.

    Raises:
        ModelNotFoundError: there is no such model here or on the Hub.
        UnsupportedModelError: the folder holds no reranker that can be read.
        AdapterError: the adapter cannot be read or does not fit.
        InputError: an argument is out of range, or does not apply to this model.

    Example:
        >>> load_reranker("bm25").compute_score(["what is panda?", "A panda is a bear."])
        0.13076458871364594
    """
    if str(name_or_folder).casefold() == "bm25":
        if adapter is not None or max_layer is not None:
            raise InputError("BM25 has no adapter and no layers. Leave adapter, max_layer and cutoff_layers out.")
        return BM25Reranker()
    folder = locate(name_or_folder, allow_download=allow_download, cache_dir=cache_dir)
    checkpoint = Checkpoint(folder)
    chosen_device = _choose_device(device)
    chosen_dtype = _choose_dtype(dtype, chosen_device)
    patch = None if adapter is None else read_adapter(adapter)
    if patch is not None:
        check_adapter(patch, checkpoint, base_name=str(name_or_folder))
    with name_bad_config(folder):
        _check_depth(checkpoint)
        family = detect_family(checkpoint.config, folder=folder, has_heads=bool(patch and patch.heads))
    if max_layer is not None and family != "layerwise":
        raise InputError(
            f"max_layer and cutoff_layers are for layerwise models; {name_or_folder} is of the family {family}. Leave them "
            "out."
        )
    options = BuildOptions(
        name=str(name_or_folder) if patch is None else f"{name_or_folder} + {Path(str(adapter)).name}",
        filling=Filling(
            device=chosen_device, dtype=chosen_dtype, adapter=patch, merge=merge_adapter, on_progress=on_progress
        ),
        max_layer=max_layer,
    )
    reranker = build_reranker(checkpoint, family, options)
    logger.info("loaded %s (%s) on %s as %s", name_or_folder, family, chosen_device, chosen_dtype)
    return reranker


def load_for_training(
    name_or_folder: str | Path,
    *,
    family: str | None = None,
    head_multi: bool = False,
    start_layer: int | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    dropout: float | None = None,
    seed: int = 0,
    allow_download: bool = True,
    cache_dir: str | Path | None = None,
    on_progress: Progress | None = None,
) -> NeuralReranker:
    """Load a released reranker or a raw base to train it: with linear layers as torch has them, nothing merged.

    It comes in eval mode and needs no gradient; what is trained is for the trainer to say. A score head that a raw base
    lacks is made: an encoder's classifier new, the heads of a MiniCPM as copies of the `Yes` row of its output matrix.

    Args:
        name_or_folder: as for `load_reranker`.
        family: what it must be, where that matters; by default what its config.json says.
        head_multi: make a layerwise reranker of a raw MiniCPM.
        start_layer: the first layer with a head: of a raw MiniCPM by default 8, of a released reranker its own.
        device: as for `load_reranker`.
        dtype: as for `load_reranker`; heads are float32.
        dropout: of every dropout in the model, from 0 to below 1; by default what its config.json says.
        seed: of a new classifier.
        allow_download: as for `load_reranker`.
        cache_dir: as for `load_reranker`.
        on_progress: as for `load_reranker`.

    Raises:
        InputError: an argument does not apply to this model; says what does.
        ModelNotFoundError: there is no such model here or on the Hub.
        UnsupportedModelError: nothing can be trained from it; says why.
    """
    if str(name_or_folder).casefold() == "bm25":
        raise InputError("BM25 has no weights, so there is nothing to train. Choose a model.")
    checkpoint = Checkpoint(locate(name_or_folder, allow_download=allow_download, cache_dir=cache_dir))
    chosen_device = _choose_device(device)
    filling = Filling(
        device=chosen_device, dtype=_choose_dtype(dtype, chosen_device), is_trained=True, on_progress=on_progress
    )
    with name_bad_config(checkpoint.folder):
        _check_depth(checkpoint)
        is_raw_minicpm = checkpoint.model_type == "minicpm" and "start_layer" not in checkpoint.config
        if is_raw_minicpm and not head_multi:
            raise InputError(
                f"{name_or_folder} is a plain MiniCPM, of which a layerwise reranker is made with heads at its layers. Add "
                "head_multi (--head_multi True)."
            )
        found = detect_family(checkpoint.config, folder=checkpoint.folder, has_heads=head_multi)
    _check_layerwise(str(name_or_folder), found, checkpoint, head_multi=head_multi, start_layer=start_layer)
    if family not in (None, found):
        raise InputError(f"{name_or_folder} is of the family {found}, not {family}. Choose another model, or leave it out.")
    options = BuildOptions(name=str(name_or_folder), filling=filling, start_layer=start_layer, dropout=dropout, seed=seed)
    reranker = build_reranker(checkpoint, found, options)
    logger.info("loaded %s (%s) for training on %s as %s", name_or_folder, found, filling.device, filling.dtype)
    return reranker


def _check_layerwise(name: str, family: str, checkpoint: Checkpoint, *, head_multi: bool, start_layer: int | None) -> None:
    """Refuse what is for layerwise models on others, and another first head than a released model has."""
    if family != "layerwise" and (head_multi or start_layer is not None):
        option = "head_multi" if head_multi else "start_layer"
        raise InputError(
            f"{option} is for layerwise rerankers, which are made of MiniCPM; {name} is of the family {family} "
            f"({checkpoint.model_type}). Leave {option} out, or choose a MiniCPM."
        )
    first = checkpoint.config.get("start_layer")
    if first is not None and start_layer not in (None, first):
        raise InputError(
            f"{name} has heads from layer {first} on, got start_layer {start_layer}. Leave start_layer out or give {first}."
        )


def estimate_memory(
    name_or_folder: str | Path,
    *,
    adapter: str | Path | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    max_layer: int | None = None,
    is_beside: bool = False,
    cache_dir: str | Path | None = None,
) -> int:
    """Say how many bytes `load_reranker` would take with the same arguments, without reading any weight of the base.

    It is `memory_bytes` of what would be loaded: the weights in the dtype that they are computed in. A merged adapter takes
    nothing. Nothing is downloaded.

    Args:
        name_or_folder: this and the others as for `load_reranker`.
        adapter: likewise.
        device: likewise.
        dtype: likewise.
        max_layer: likewise.
        is_beside: what `load_beside` would take beside the base: the adapter alone, of all layers.
        cache_dir: likewise.

    Raises:
        RerankerError: as `load_reranker`, as far as config.json and the list of tensors show it.
    """
    if str(name_or_folder).casefold() == "bm25":
        return 0
    chosen_dtype = _choose_dtype(dtype, _choose_device(device))
    if adapter is not None and is_beside:
        return estimate_own_memory(adapter, dtype=chosen_dtype)
    checkpoint = Checkpoint(locate(name_or_folder, allow_download=False, cache_dir=cache_dir))
    itemsize = chosen_dtype.itemsize
    with name_bad_config(checkpoint.folder):
        config = checkpoint.config
        # Only a raw base needs to be told by its adapter which heads there are.
        heads = {} if adapter is None or "start_layer" in config else read_adapter(adapter).heads
        family = detect_family(config, folder=checkpoint.folder, has_heads=bool(heads))
        deepest = config["num_hidden_layers"] if max_layer is None else max_layer
        names = [name for name in checkpoint.tensor_names if _is_body(name, deepest)]
        body = sum(tensor.numel() for _, tensor in checkpoint.read(names))
        if family == "encoder":
            head = (config["hidden_size"] + 2) * config["hidden_size"] + 1  # the classifier's two layers, wherever they lie
        elif family == "decoder":
            head = config["hidden_size"]
        else:
            start_layer = config.get("start_layer", config["num_hidden_layers"] + 1 - len(heads))
            head = (deepest + 1 - start_layer) * config["hidden_size"]
    return int(body * itemsize + head * torch.float32.itemsize)  # heads are computed in float32


def _is_body(name: str, deepest: int) -> bool:
    match = _BODY.fullmatch(name)
    return match is not None and int(match["block"] or match["encoder_block"] or 0) < deepest


def _check_depth(checkpoint: Checkpoint) -> None:
    """Refuse weights of more layers than config.json says: the model would run without the rest of them."""
    promised = checkpoint.config.get("num_hidden_layers", checkpoint.depth)
    if checkpoint.depth > promised:
        raise UnsupportedModelError(
            f"{checkpoint.folder}: the weights hold {checkpoint.depth} layers, config.json says {promised}. The two do not "
            "belong together; copy or download the folder again."
        )


def _choose_device(device: str | torch.device | None) -> torch.device:
    if device is None:
        return torch.device(default_device())
    try:
        chosen = torch.device(device)
    except RuntimeError as error:
        raise InputError(f'"{device}" is no device. Choose cpu, cuda, cuda:0, … or mps.') from error
    if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
        raise InputError(f'There is no device "{device}" here: torch sees {torch.cuda.device_count()} GPUs. Choose cpu.')
    if chosen.type not in ("cpu", "cuda", "mps"):
        raise InputError(f'"{device}" is no device that can be used. Choose cpu, cuda, cuda:0, … or mps.')
    if chosen.type == "mps" and not torch.backends.mps.is_available():
        raise InputError("There is no MPS device here. Choose cpu.")
    return chosen


def read_dtype(dtype: str | torch.dtype) -> torch.dtype:
    """Turn a name such as `"bfloat16"` or `"bf16"` into torch's dtype.

    Raises:
        InputError: it is none in which rerankers are computed.
    """
    if isinstance(dtype, str):
        if dtype not in _DTYPES:
            raise InputError(f'"{dtype}" is no dtype that can be used. Choose float32, float16 or bfloat16.')
        return _DTYPES[dtype]
    if dtype not in _DTYPES.values():
        raise InputError(f"{dtype} is no dtype that can be used. Choose float32, float16 or bfloat16.")
    return dtype


def _choose_dtype(dtype: str | torch.dtype | None, device: torch.device) -> torch.dtype:
    if dtype is None:
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    chosen = read_dtype(dtype)
    if device.type == "cpu" and chosen != torch.float32:
        name = str(chosen).removeprefix("torch.")
        warn_user(f"{name} on the CPU is several times slower than float32; float32 is used.")
        return torch.float32
    return chosen
