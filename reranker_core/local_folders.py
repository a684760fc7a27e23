"""What a person gives for a model of this machine: which of it is the base and which the adapter, and whether they fit.

Importing this needs no torch; `check_fit` reads weights, and does.
"""

import re
import threading
import warnings
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from reranker_core.catalogue import MODELS, find_model
from reranker_core.errors import AdapterError, InputError, ModelNotFoundError
from reranker_core.hub import find_here, read_json
from reranker_core.recognition import check_score_head, describe_folder
from reranker_core.run_folders import point_to_adapter

if TYPE_CHECKING:
    from reranker_core.adapters import Adapter
    from reranker_core.checkpoints import Checkpoint

_LONGEST_HEADER = 100_000_000  # bytes, as the safetensors library allows
_RECORDING = threading.Lock()  # what warnings records is the whole process's


def sort_out(base: str, adapter: str | None) -> tuple[str, str | None]:
    """Tell what is the base and what the adapter.

    Args:
        base: as `LocalModels.add` takes it.
        adapter: likewise.

    Returns:
        A catalogue name or an absolute folder, and an absolute folder or `None`.

    Raises:
        InputError: a model of the catalogue alone, an adapter alone, or no path at all.
        ModelNotFoundError: there is no such folder.
        UnsupportedModelError: a damaged adapter_config.json.
    """
    patch = None if adapter is None else str(_find_folder(adapter, what="adapter"))
    if known := find_model(_unquote(base)):
        if known.family == "bm25":
            raise InputError("BM25 is always there and takes no adapter. Give the folder of a model.")
        if patch is None:
            hint = f" For the folder of that name here, write ./{_unquote(base)}." if is_folder(_unquote(base)) else ""
            raise InputError(
                f"{known.name} is in the catalogue and needs no adding. Give the folder of an adapter with it.{hint}"
            )
        return known.name, patch
    folder = _find_folder(base, what="model")
    place = find_adapter_place(folder)
    if place is None or (folder / "config.json").is_file():
        return str(folder), patch
    config = read_json(place / "adapter_config.json", purpose="it describes the adapter")
    named = str(config.get("base_model_name_or_path") or "")
    if patch is None and (its_base := _find_named_base(named)):
        return its_base, str(folder)
    called = f", which it calls {named!r}" if named else ""
    raise InputError(
        f"{folder} is an adapter: add it with its base{called}. Give the base, a name of the catalogue or a folder, as the "
        "model, and this folder as its adapter."
    )


def check_fit(base: str, adapter: str | None) -> str:
    """Check that a base is a reranker and that an adapter fits it.

    Args:
        base: a catalogue name or a folder.
        adapter: a folder, or `None`.

    Returns:
        What a person should know nevertheless, or an empty string.

    Raises:
        UnsupportedModelError: the base is no reranker; says why.
        AdapterError: the adapter cannot be read or does not fit; says why.
    """
    known = find_model(base)
    folder = Path(base) if known is None else find_here(known)
    if folder is not None:  # what config.json tells already needs no torch
        describe_folder(folder, heads=0 if adapter is None else count_heads(Path(adapter)))
    from reranker_core.adapters import read_adapter
    from reranker_core.checkpoints import Checkpoint

    patch = None if adapter is None else read_adapter(adapter)
    if folder is None:
        return f"{base} is not on this machine. Whether {adapter} fits it is checked when it is first loaded."
    checkpoint = Checkpoint(folder)
    note = "" if patch is None else _compare(patch, checkpoint, base)
    check_score_head(
        checkpoint.config,
        checkpoint.tensor_names,
        folder=folder,
        heads=patch.heads if patch else (),
        has_classifier=patch is not None and bool(patch.classifier),
    )
    return note


def find_adapter_place(folder: Path) -> Path | None:
    """Find where an adapter lies: in the folder itself, or in `adapter/` of a job."""
    return next((place for place in (folder, folder / "adapter") if (place / "adapter_config.json").is_file()), None)


def count_heads(folder: Path) -> int:
    """Count the score heads that an adapter brings whole, by the list of names in its weight file.

    Raises:
        AdapterError: it has no weights, or they cannot be read.
    """
    place = find_adapter_place(folder) or folder
    safe, pickled = place / "adapter_model.safetensors", place / "adapter_model.bin"
    try:
        if safe.is_file():
            with safe.open("rb") as file:
                length = int.from_bytes(file.read(8), "little")
                names = file.read(min(length, _LONGEST_HEADER))
        elif pickled.is_file():
            with zipfile.ZipFile(pickled) as archive:
                listings = [entry for entry in archive.namelist() if entry.endswith("/data.pkl")]
                names = b"".join(map(archive.read, listings))  # searched, never unpickled
        else:
            raise AdapterError(
                f"{folder} is no adapter: it needs adapter_config.json and {safe.name}. "
                + (point_to_adapter(folder) or "Choose the folder that training wrote.")
            )
    except zipfile.BadZipFile as error:
        raise AdapterError(f"{pickled} cannot be read as weights: {error}. Copy it again.") from error
    return len(set(re.findall(rb"lm_head\.(\d+)\.linear_head\.weight", names)))


def _find_named_base(named: str) -> str | None:
    """Find the base that an adapter names, as a catalogue name or an absolute folder; `None` if it is neither."""
    # No title counts here: they are as short as "base" and "large".
    models = (model for model in MODELS if model.repo_id or model.is_bundled)
    known = next((model for model in models if named and named in (model.name, model.repo_id)), None)
    if known:
        return known.name
    if not named or not is_folder(named):
        return None
    folder = Path(named).expanduser().resolve()
    return str(folder) if (folder / "config.json").is_file() else None


def _find_folder(text: str, *, what: str) -> Path:
    """Find the folder that a person typed or pasted."""
    cleaned = text if is_folder(text) else _unquote(text)
    if not cleaned:
        raise InputError(f"The {what} is an empty text. Give its folder.")
    try:
        folder = Path(cleaned).expanduser().resolve()
        str(folder).encode()
        has_folder, has_file = folder.is_dir(), folder.is_file()
    except (OSError, ValueError, RuntimeError) as error:  # too long; NUL or no UTF-8; ~ of nobody
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{cleaned[:200]!r} cannot be a folder here ({reason}). Check the path.") from error
    if has_file:
        raise InputError(f"{folder} is a file. Give the folder that holds it.")
    if not has_folder:
        names = " and no name of the catalogue" if what == "model" else ""
        raise ModelNotFoundError(f"{cleaned[:200]!r} is no folder of this machine{names}. Check the path.")
    return folder


def _unquote(text: str) -> str:
    """Take off the spaces and quotes that "copy as path" leaves around a path."""
    stripped = text.strip()
    is_quoted = len(stripped) > 1 and stripped[0] == stripped[-1] and stripped[0] in "\"'"
    return stripped[1:-1].strip() if is_quoted else stripped


def is_folder(text: str) -> bool:
    """Tell whether a text is the path of a folder that is there and can be reached."""
    try:
        return Path(text).expanduser().is_dir()
    except (OSError, ValueError, RuntimeError):
        return False


def _compare(patch: "Adapter", checkpoint: "Checkpoint", base: str) -> str:
    """Check an adapter against its base; give the warning, if there is one, as text."""
    from reranker_core.adapters import check_adapter

    # What is recorded is the whole process's: one at a time here, and what others warned of meanwhile is passed on.
    with _RECORDING, warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        check_adapter(patch, checkpoint, base_name=base)
    ours = [warning for warning in seen if str(patch.folder) in str(warning.message)]
    for warning in seen:
        if warning not in ours:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    return " ".join(str(warning.message) for warning in ours)
