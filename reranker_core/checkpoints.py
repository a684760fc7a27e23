"""A checkpoint folder as it lies on disk: its config as JSON, its tensors one by one, its fingerprint.

No code from a checkpoint is ever run: config.json is read as JSON, weights as safetensors, or as a `.bin` with
`weights_only=True` where a published checkpoint has nothing else.
"""

import hashlib
import json
import pickle
import re
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from reranker_core.errors import UnsupportedModelError
from reranker_core.hub import WEIGHT_FILES, WEIGHT_INDEXES, read_json

# The score head of an encoder, as the published rerankers name it.
CLASSIFIER_NAMES = (
    "classifier.dense.weight",
    "classifier.dense.bias",
    "classifier.out_proj.weight",
    "classifier.out_proj.bias",
)


# Fields of config.json that describe files, code, precision, training or generation.
_CHANGES_NO_SCORE = re.compile(
    r"_.*|architectures|auto_map|(torch_)?dtype|transformers_version|.*dropout.*|.*_drop|initializer_.*|use_cache|"
    r"(id2label|label2id|problem_type)|output_.*|return_dict|attn_implementation|gradient_checkpointing|pretraining_tp"
)

# What a fingerprint looks at of a matrix.
_SAMPLED = 256
_SAMPLED_ROWS = 9


class Checkpoint:
    """A folder with config.json and weights.

    Tensors have the names of the published rerankers: a bare XLM-R, whose own lack `roberta.` in front, gets it.

    Attributes:
        folder: the folder.
        config: its config.json.
        model_type: `config["model_type"]`, or an empty string.
    """

    def __init__(self, folder: Path) -> None:
        """Read config.json and list the tensors, without reading any.

        Raises:
            UnsupportedModelError: config.json or the weights are missing or damaged.
        """
        self.folder = folder
        self.config = read_json(folder / "config.json", purpose="a model folder needs it to say what the model is")
        self.model_type: str = self.config.get("model_type") or ""
        self._places = {_publish(name, self.model_type): _Place(path, name) for name, path in _list_tensors(folder).items()}

    @property
    def tensor_names(self) -> list[str]:
        """The names of all tensors, sorted."""
        return sorted(self._places)

    @property
    def depth(self) -> int:
        """How many blocks the weights hold, whatever config.json says."""
        return count_blocks(self._places)

    def read(self, names: Iterable[str]) -> Iterator[tuple[str, torch.Tensor]]:
        """Read tensors by name, one at a time, in the dtype of the file.

        Raises:
            UnsupportedModelError: a name is not in the checkpoint, or a file is damaged.
        """
        wanted = set(names)
        if missing := sorted(wanted - self._places.keys()):
            raise UnsupportedModelError(
                f"{self.folder} lacks {len(missing)} of the weights that its config.json promises, such as {missing[0]}. "
                "Copy or download the folder again."
            )
        for path in sorted({self._places[name].path for name in wanted}):
            with _open_tensors(path) as tensors:
                for name in sorted(wanted):
                    if self._places[name].path == path:
                        yield name, tensors.get_tensor(self._places[name].name)

    def read_row(self, name: str, row: int) -> torch.Tensor:
        """Read one row of a matrix without the rest of it."""
        with self._open_slice(name) as part:
            return part[row : row + 1]  # type: ignore[no-any-return]

    def shape(self, name: str) -> tuple[int, ...] | None:
        """Look up the shape of a tensor; `None` if there is none of that name."""
        if name not in self._places:
            return None
        with self._open_slice(name) as part:
            return tuple(part.get_shape())

    def fingerprint(self) -> str:
        """Hash what tells this checkpoint from another of the same architecture, over its whole depth.

        SHA-256 over what config.json says of the computation, and of every tensor the name, shape, dtype and samples: of
        a matrix the first 256 numbers of nine rows from its first to its last, a vector whole. Training moves all of
        them, and 2.7 billion parameters need not be read.
        """
        config = {name: value for name, value in self.config.items() if not _CHANGES_NO_SCORE.fullmatch(name)}
        digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
        for name in self.tensor_names:
            with self._open_slice(name) as part:
                shape = part.get_shape()
                samples = [part[:]] if len(shape) < 2 else [part[row : row + 1, :_SAMPLED] for row in _spread(shape[0])]
                digest.update(f"{name} {shape} {[str(sample.dtype) for sample in samples[:1]]}".encode())
                for sample in samples:
                    digest.update(sample.flatten().contiguous().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()

    @contextmanager
    def _open_slice(self, name: str) -> Iterator[Any]:
        """Open one tensor, of which nothing is read yet."""
        place = self._places[name]
        with _open_tensors(place.path) as tensors:
            yield tensors.get_slice(place.name)


def _spread(rows: int) -> list[int]:
    """Choose rows of a matrix evenly, the first and the last among them."""
    return sorted({place * (rows - 1) // (_SAMPLED_ROWS - 1) for place in range(_SAMPLED_ROWS)}) if rows else []


def count_blocks(names: Iterable[str]) -> int:
    """Count the blocks that names of tensors belong to, by their highest number; 0 if there is none."""
    numbers = (int(match[1]) for name in names if (match := re.search(r"\.layers?\.(\d+)\.", name)))
    return 1 + max(numbers, default=-1)


def read_tensor_file(path: Path) -> dict[str, torch.Tensor]:
    """Read a whole safetensors or `.bin` file, such as an adapter's.

    Raises:
        UnsupportedModelError: the file is damaged.
    """
    with _open_tensors(path) as tensors:
        return {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118 (not a dict)


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a tensor lies: in which file, and under which name there."""

    path: Path
    name: str


def _publish(name: str, model_type: str) -> str:
    """Name a tensor as the published rerankers do."""
    is_bare = model_type == "xlm-roberta" and name.startswith(("embeddings.", "encoder.", "pooler."))
    return f"roberta.{name}" if is_bare else name


def _list_tensors(folder: Path) -> dict[str, Path]:
    """Map each tensor's name to its file."""
    for index in WEIGHT_INDEXES:
        if (folder / index).is_file():
            content = read_json(folder / index, purpose="it says which file holds which weights")
            files = content.get("weight_map")
            if not isinstance(files, dict) or not all(file == Path(str(file)).name for file in files.values()):
                raise UnsupportedModelError(
                    f"{folder / index} must name files beside it under weight_map. Copy or download the folder again."
                )
            return {name: folder / file for name, file in files.items()}
    for name in WEIGHT_FILES:
        if (folder / name).is_file():
            with _open_tensors(folder / name) as tensors:
                return dict.fromkeys(tensors.keys(), folder / name)
    raise UnsupportedModelError(
        f"{folder} has no weights: looked for {', '.join((*WEIGHT_FILES, *WEIGHT_INDEXES))}. Choose the folder of a "
        "model; for an adapter choose its base and give the adapter beside it."
    )


@contextmanager
def _open_tensors(path: Path) -> Iterator[Any]:
    """Open a weight file for reading single tensors."""
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as tensors:
                yield tensors
        else:
            if not zipfile.is_zipfile(path):
                raise OSError("it was not saved by torch 1.6 or later")
            yield _BinTensors(torch.load(path, map_location="cpu", weights_only=True, mmap=True))
    except pickle.UnpicklingError as error:
        raise UnsupportedModelError(
            f"{path} holds something else than weights, which is never run. Use a checkpoint saved as safetensors."
        ) from error
    except KeyError as error:
        raise UnsupportedModelError(
            f"{path} lacks {error}, which its index promises. Copy or download it again."
        ) from error
    except (SafetensorError, OSError, EOFError, RuntimeError) as error:
        raise UnsupportedModelError(f"{path} cannot be read as weights: {error}. Copy or download it again.") from error


class _BinTensors:
    """A loaded `.bin` behind the few methods of `safe_open` that are used here."""

    def __init__(self, tensors: dict[str, torch.Tensor]) -> None:
        self._tensors = tensors

    def keys(self) -> list[str]:
        return list(self._tensors)

    def get_tensor(self, name: str) -> torch.Tensor:
        return self._tensors[name]

    def get_slice(self, name: str) -> "_BinSlice":
        return _BinSlice(self._tensors[name])


class _BinSlice:
    def __init__(self, tensor: torch.Tensor) -> None:
        self._tensor = tensor

    def __getitem__(self, place: slice | tuple[slice, ...]) -> torch.Tensor:
        return self._tensor[place]

    def get_shape(self) -> list[int]:
        return list(self._tensor.shape)
