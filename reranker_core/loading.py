"""Name or folder, and perhaps an adapter → a `Reranker`. The folder's config.json decides what it is, never its name."""

import logging
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from torch.overrides import TorchFunctionMode

from reranker_core.adapters import Adapter, apply_adapter, check_adapter, read_adapter
from reranker_core.attention import ATTENTION_NAME, register_packed_attention
from reranker_core.baseline import BM25Reranker
from reranker_core.checkpoints import Checkpoint
from reranker_core.cpu_linear import can_pack, pack_linear_layer
from reranker_core.errors import AdapterError, InputError, RerankerError, UnsupportedModelError
from reranker_core.families.base import NeuralReranker
from reranker_core.families.causal import CausalScorer
from reranker_core.families.decoder import DecoderReranker
from reranker_core.families.encoder import EncoderReranker
from reranker_core.families.layerwise import LayerHead, LayerwiseReranker, granite_settings
from reranker_core.hub import locate
from reranker_core.inputs import DecoderInputs, EncoderInputs
from reranker_core.memory import default_device
from reranker_core.notices import warn_user
from reranker_core.recognition import detect_family
from reranker_core.reranker import Progress, Reranker
from reranker_core.tokenizing import TextTokenizer

logger = logging.getLogger(__name__)

# transformers 5.23 fills its namespace on first use and takes its own place in sys.modules at the end of its import: a
# second thread that imports from it meanwhile gets "cannot import name".
_IMPORTING = threading.RLock()

_DTYPES = {
    "float32": torch.float32,
    "fp32": torch.float32,
    "float16": torch.float16,
    "fp16": torch.float16,
    "bfloat16": torch.bfloat16,
    "bf16": torch.bfloat16,
}


_Fill = Callable[..., Any]  # `_fill` with its first arguments given

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
    with _IMPORTING:
        register_packed_attention()
    with _name_bad_config(folder):
        _check_depth(checkpoint)
        family = detect_family(checkpoint.config, folder=folder, has_heads=bool(patch and patch.heads))
    if max_layer is not None and family != "layerwise":
        raise InputError(
            f"max_layer and cutoff_layers are for layerwise models; {name_or_folder} is of the family {family}. Leave them "
            "out."
        )
    builders: dict[str, Callable[..., NeuralReranker]] = {
        "encoder": _build_encoder,
        "decoder": _build_decoder,
        "layerwise": _build_layerwise,
    }
    reranker = builders[family](
        checkpoint,
        patch,
        max_layer=max_layer,
        fill=partial(_fill, checkpoint, patch, merge_adapter, on_progress),
        name=str(name_or_folder) if patch is None else f"{name_or_folder} + {Path(str(adapter)).name}",
        device=chosen_device,
        dtype=chosen_dtype,
    )
    logger.info("loaded %s (%s) on %s as %s", name_or_folder, family, chosen_device, chosen_dtype)
    return reranker


def estimate_memory(
    name_or_folder: str | Path,
    *,
    adapter: str | Path | None = None,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    max_layer: int | None = None,
    cache_dir: str | Path | None = None,
) -> int:
    """Say how many bytes `load_reranker` would take with the same arguments, without reading any weight.

    It is `memory_bytes` of what would be loaded: the weights in the dtype that they are computed in. A merged adapter takes
    nothing. Nothing is downloaded.

    Raises:
        RerankerError: as `load_reranker`, as far as config.json and the list of tensors show it.
    """
    if str(name_or_folder).casefold() == "bm25":
        return 0
    checkpoint = Checkpoint(locate(name_or_folder, allow_download=False, cache_dir=cache_dir))
    itemsize = _choose_dtype(dtype, _choose_device(device)).itemsize
    with _name_bad_config(checkpoint.folder):
        config = checkpoint.config
        # Only a raw base needs to be told by its adapter which heads there are.
        heads = {} if adapter is None or "start_layer" in config else read_adapter(adapter).heads
        family = detect_family(config, folder=checkpoint.folder, has_heads=bool(heads))
        deepest = config["num_hidden_layers"] if max_layer is None else max_layer
        names = [name for name in checkpoint.tensor_names if _is_body(name, deepest)]
        body = sum(tensor.numel() for _, tensor in checkpoint.read(names))
        if family == "encoder":
            names = [name for name in checkpoint.tensor_names if name.startswith("classifier.")]
            head = sum(tensor.numel() for _, tensor in checkpoint.read(names))
        elif family == "decoder":
            head = config["hidden_size"]
        else:
            start_layer = config.get("start_layer", config["num_hidden_layers"] + 1 - len(heads))
            head = (deepest + 1 - start_layer) * config["hidden_size"]
    return int(body * itemsize + head * torch.float32.itemsize)  # heads are computed in float32, see _finish


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


def _build_encoder(
    checkpoint: Checkpoint, adapter: Adapter | None, *, max_layer: None, fill: _Fill, **common: Any
) -> NeuralReranker:
    with _IMPORTING:
        from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification

    if not any(name.startswith("classifier.") for name in checkpoint.tensor_names):
        raise UnsupportedModelError(
            f"{checkpoint.folder} has no score head: its weights hold no classifier. It is an embedding or base model, and "
            "its scores would be random. Choose a reranker, or train one from it."
        )
    with _name_bad_config(checkpoint.folder):
        config = XLMRobertaConfig(**_model_settings(checkpoint.config) | {"num_labels": 1})
        context = config.max_position_embeddings - config.pad_token_id - 1
    config._attn_implementation = ATTENTION_NAME
    model = fill(common, lambda: XLMRobertaForSequenceClassification(config))
    _finish(model, model.classifier)
    inputs = EncoderInputs(TextTokenizer(checkpoint.folder, model_type="xlm-roberta"), context=context)
    return EncoderReranker(model, inputs, **common)


def _build_decoder(
    checkpoint: Checkpoint, adapter: Adapter | None, *, max_layer: None, fill: _Fill, **common: Any
) -> NeuralReranker:
    with _IMPORTING:
        from transformers import AutoConfig, AutoModel

    if adapter and any(".lm_head." in name for name in adapter.tensors):
        raise AdapterError(f"{adapter.folder} changes lm_head, of which a decoder reads one row only. Merge it first.")
    settings = _model_settings(checkpoint.config)
    if checkpoint.model_type == "gemma" and settings.get("hidden_act") == "gelu":
        # The first Gemma configs say gelu and mean its tanh form (transformers PR 29402; 5.23 does the same).
        settings["hidden_act"] = "gelu_pytorch_tanh"
    with _name_bad_config(checkpoint.folder), _IMPORTING:
        config = AutoConfig.for_model(checkpoint.model_type, **settings)
        architecture = AutoModel._model_mapping[type(config)]
    config._attn_implementation = ATTENTION_NAME
    tokenizer = TextTokenizer(checkpoint.folder, model_type=checkpoint.model_type)
    model = fill(
        common,
        lambda: CausalScorer(architecture(config), _row(config.hidden_size)),
        extra={"lm_head.weight": _answer_row(checkpoint, tokenizer.first_id("Yes"), is_tied=config.tie_word_embeddings)},
    )
    _finish(model, model.lm_head)
    inputs = DecoderInputs(tokenizer, context=config.max_position_embeddings, always_bos=False)
    return DecoderReranker(model, inputs, **common)


def _build_layerwise(
    checkpoint: Checkpoint, adapter: Adapter | None, *, max_layer: int | None, fill: _Fill, **common: Any
) -> NeuralReranker:
    with _IMPORTING:
        from transformers import GraniteConfig, GraniteModel

    depth = checkpoint.config["num_hidden_layers"]
    heads = {f"lm_head.{place}.linear_head.weight": head for place, head in (adapter.heads if adapter else {}).items()}
    start_layer = checkpoint.config.get("start_layer", depth + 1 - len(heads))
    names = [f"lm_head.{place}.linear_head.weight" for place in range(depth + 1 - start_layer)]
    if not all(name in heads or checkpoint.shape(name) for name in names):
        raise UnsupportedModelError(
            f"{checkpoint.folder} lacks score heads: layers {start_layer} to {depth} need {len(names)} weights named "
            "lm_head.N.linear_head.weight. Choose a trained layerwise reranker."
        )
    deepest = depth if max_layer is None else max_layer
    if not start_layer <= deepest <= depth:
        raise InputError(
            f"Layer {max_layer} (max_layer, or the deepest of cutoff_layers) is out of range: there are scores at layers "
            f"{start_layer} to {depth}."
        )
    with _name_bad_config(checkpoint.folder):
        config = GraniteConfig(**granite_settings(checkpoint.config, layers=deepest, folder=checkpoint.folder))
    config._attn_implementation = ATTENTION_NAME
    loaded = names[: deepest - start_layer + 1]
    model = fill(
        common,
        lambda: CausalScorer(GraniteModel(config), nn.ModuleList(LayerHead(config.hidden_size) for _ in loaded)),
        extra={name: heads[name] for name in loaded if checkpoint.shape(name) is None},
    )
    _finish(model, model.lm_head)
    tokenizer = TextTokenizer(checkpoint.folder, model_type="minicpm")
    inputs = DecoderInputs(tokenizer, context=config.max_position_embeddings, always_bos=True)
    return LayerwiseReranker(model, inputs, start_layer=start_layer, depth=depth, **common)


def _fill(
    checkpoint: Checkpoint,
    adapter: Adapter | None,
    merge: bool,
    on_progress: Progress | None,
    common: Mapping[str, Any],
    build: Callable[[], Any],
    extra: Mapping[str, torch.Tensor] | None = None,
) -> Any:
    """Make a model without memory, then read each weight straight into its place, device and dtype.

    Args:
        checkpoint: where the weights are.
        adapter: put on when the weights are there.
        merge: fold the adapter in.
        on_progress: told the bytes that were read.
        common: `device` and `dtype`.
        build: makes the model.
        extra: weights that come from elsewhere, by name.
    """
    from accelerate.utils import set_module_tensor_to_device

    extra = extra or {}
    with _name_bad_config(checkpoint.folder), _MatricesWithoutMemory():
        model = build()
    shapes = {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}
    is_packed = can_pack(common["device"])
    from_file = _read_with_progress(checkpoint, [name for name in shapes if name not in extra], on_progress)
    for name, tensor in chain(extra.items(), from_file):
        if tuple(tensor.shape) != shapes[name]:
            raise UnsupportedModelError(
                f"{checkpoint.folder}: {name} has shape {list(tensor.shape)}, config.json promises {list(shapes[name])}. "
                "The two do not belong together; copy or download the folder again."
            )
        set_module_tensor_to_device(model, name, common["device"], value=tensor, dtype=common["dtype"])
        if is_packed and adapter is None:  # layer by layer, so that no second copy of the weights builds up
            _pack_block_layer(model, name)
    model.to(common["device"])  # the buffers: rotary frequencies, position ids
    if adapter is not None:
        apply_adapter(model, adapter, merge=merge)
        if is_packed and merge:
            for name in [name for name, _ in model.named_parameters()]:
                _pack_block_layer(model, name)
    return model


def _read_with_progress(
    checkpoint: Checkpoint, names: Sequence[str], on_progress: Progress | None
) -> Iterator[tuple[str, torch.Tensor]]:
    """Read tensors one by one; each counts as read when its reader asks for the next, for until then it is only mapped."""
    if on_progress is None:
        yield from checkpoint.read(names)
        return
    done, total = 0, sum(tensor.nbytes for _, tensor in checkpoint.read(names))
    for name, tensor in checkpoint.read(names):
        on_progress(done, total)
        yield name, tensor
        done += tensor.nbytes
    on_progress(done, total)


def _pack_block_layer(model: nn.Module, name: str) -> None:
    """Pack the layer that a weight belongs to, if it is one of a block: heads and embeddings stay as they are."""
    path, _, kind = name.rpartition(".")
    if kind == "weight" and re.search(r"\.layers?\.\d+\.", name):
        pack_linear_layer(model, path)


class _MatricesWithoutMemory(TorchFunctionMode):
    """Makes `torch.empty`, of which the big weights are made, take no memory; buffers are computed as ever.

    It holds for this thread only. accelerate's `init_empty_weights` would do the same, but it patches `nn.Module` for the
    whole process, and two models that load at once leave it patched.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if func is torch.empty:
            kwargs = kwargs | {"device": "meta"}
        return func(*args, **kwargs)


def _finish(model: nn.Module, head: nn.Module) -> None:
    head.float()  # the few numbers that become the score, whatever the dtype of the rest
    model.eval().requires_grad_(False)


@contextmanager
def _name_bad_config(folder: Path) -> Iterator[None]:
    """Turn what a config.json with wrong values provokes somewhere inside transformers into one sentence."""
    try:
        yield
    except RerankerError:
        raise
    except (
        StrictDataclassError,
        ValueError,
        TypeError,
        KeyError,
        AttributeError,
        IndexError,
        ZeroDivisionError,
    ) as error:
        reason = " ".join(str(error).split())
        raise UnsupportedModelError(
            f"{folder}: no model can be built from its config.json ({type(error).__name__}: {reason}). Copy or download "
            "the folder again."
        ) from error


def _model_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Take what describes the architecture; leave what describes files, code or precision."""
    left = {"architectures", "auto_map", "torch_dtype", "dtype", "model_type", "transformers_version", "_name_or_path"}
    return {key: value for key, value in config.items() if key not in left and not key.startswith("_")}


def _row(hidden_size: int) -> nn.Linear:
    return nn.Linear(hidden_size, 1, bias=False)


def _answer_row(checkpoint: Checkpoint, token: int, *, is_tied: bool) -> torch.Tensor:
    """Read the row of the output matrix that belongs to one token; tied models keep it in the embeddings."""
    name = "model.embed_tokens.weight" if is_tied else "lm_head.weight"
    if checkpoint.shape(name) is None:
        raise UnsupportedModelError(
            f"{checkpoint.folder} has no score head: its weights lack {name}. Choose a causal language model saved whole."
        )
    return checkpoint.read_row(name, token)


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


def _choose_dtype(dtype: str | torch.dtype | None, device: torch.device) -> torch.dtype:
    if isinstance(dtype, str):
        if dtype not in _DTYPES:
            raise InputError(f'"{dtype}" is no dtype that can be used. Choose float32, float16 or bfloat16.')
        dtype = _DTYPES[dtype]
    if dtype is not None and dtype not in _DTYPES.values():
        raise InputError(f"{dtype} is no dtype that can be used. Choose float32, float16 or bfloat16.")
    if dtype is None:
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    if device.type == "cpu" and dtype != torch.float32:
        name = str(dtype).removeprefix("torch.")
        warn_user(f"{name} on the CPU is several times slower than float32; float32 is used.")
        return torch.float32
    return dtype
