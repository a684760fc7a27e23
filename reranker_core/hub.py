"""Where a model's folder is: given as a folder, bundled, in the Hugging Face cache, or on the Hub. Knows no torch."""

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from reranker_core.catalogue import ModelInfo, find_model
from reranker_core.errors import ModelNotFoundError, UnsupportedModelError
from reranker_core.run_folders import point_to_model
from reranker_core.transfer import OnProgress, Patience, Transfer

BUNDLED_MODELS = Path(__file__).resolve().parents[1] / "assets" / "models"
"""Where the models lie that come with a checkout."""

WEIGHT_INDEXES = ("model.safetensors.index.json", "pytorch_model.bin.index.json")
WEIGHT_FILES = ("model.safetensors", "pytorch_model.bin")
_TEXT_FILES = ("*.json", "tokenizer.model", "sentencepiece.bpe.model")
_WEIGHTS = (  # the first of which each pattern is there
    ("model.safetensors.index.json", "model-*.safetensors"),
    ("model.safetensors",),
    ("pytorch_model.bin.index.json", "pytorch_model-*.bin"),
    ("pytorch_model.bin",),
)


def locate(name_or_folder: str | Path, *, allow_download: bool = True, cache_dir: str | Path | None = None) -> Path:
    """Find a model's folder: a folder, a catalogue name (bundled or published), or a Hugging Face name.

    Args:
        name_or_folder: such as `./my-model`, `bge-reranker-v2-m3` or `BAAI/bge-reranker-v2-m3`.
        allow_download: fetch from the Hub what is not in the cache.
        cache_dir: a cache other than Hugging Face's own.

    Raises:
        ModelNotFoundError: it is nowhere; says what was looked for, where, and how to get it.
    """
    if str(name_or_folder) and (folder := Path(name_or_folder).expanduser()).is_dir():
        return folder
    known = find_model(str(name_or_folder))
    if known and known.is_bundled:
        return _find_bundled(known)
    repo_id = known.repo_id if known else str(name_or_folder)
    if not _is_repo_id(repo_id):
        raise ModelNotFoundError(
            f'"{name_or_folder}" is no folder here, no name in the catalogue and no Hugging Face name like '
            '"BAAI/bge-reranker-v2-m3". Check the spelling; `python -m reranker_core models` lists the catalogue.'
        )
    if cached := find_in_cache(repo_id, cache_dir=cache_dir):
        return cached
    if allow_download:
        return download(repo_id, cache_dir=cache_dir)
    size = f" ({known.download_gb:.1f} GB)" if known and known.download_gb else ""
    raise ModelNotFoundError(
        f"{repo_id}{size} is not on this machine: no complete copy in {cache_dir or _cache_folder()}. Download it with "
        f"`hf download {repo_id}` where there is a network, or copy its folder here and choose the folder."
    )


def is_here(model: ModelInfo, *, cache_dir: str | Path | None = None) -> bool:
    """Tell whether a model of the catalogue can be loaded without a network: BM25, bundled whole, or in the cache."""
    if model.is_bundled:
        return _has_all_files(BUNDLED_MODELS / model.name)
    return model.family == "bm25" or find_in_cache(model.repo_id, cache_dir=cache_dir) is not None


def find_here(model: ModelInfo) -> Path | None:
    """Find the folder of a model of the catalogue if it is whole on this machine, bundled or in the cache."""
    if model.is_bundled:
        return BUNDLED_MODELS / model.name if is_here(model) else None
    return find_in_cache(model.repo_id) if model.repo_id else None


def _find_bundled(model: ModelInfo) -> Path:
    folder = BUNDLED_MODELS / model.name
    if not _has_all_files(folder):
        raise ModelNotFoundError(
            f"{model.name} comes with a checkout of this program, and {folder} is not there or not whole. Run from a "
            "checkout, or give the folder of a model."
        )
    return folder


def _has_all_files(folder: Path) -> bool:
    return all((folder / file).is_file() for file in needed_files(folder))


def find_in_cache(repo_id: str, *, cache_dir: str | Path | None = None) -> Path | None:
    """Find a complete copy in the Hugging Face cache: config, tokenizer and every weight file; else `None`."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        # Without patterns, huggingface_hub 2.4 takes no copy that lacks any file of the repository, such as its README.
        folder = Path(snapshot_download(repo_id, local_files_only=True, cache_dir=cache_dir, allow_patterns="config.json"))
    except (LocalEntryNotFoundError, HfHubHTTPError, OSError):
        return None
    return folder if _has_all_files(folder) else None


def download(
    repo_id: str,
    *,
    cache_dir: str | Path | None = None,
    endpoint: str | None = None,
    on_progress: OnProgress | None = None,
    patience: Patience | None = None,
) -> Path:
    """Fetch config, tokenizer and weights into the Hugging Face cache; what has come before is not fetched again.

    Args:
        repo_id: such as `BAAI/bge-reranker-v2-m3`.
        cache_dir: a cache other than Hugging Face's own.
        endpoint: a server other than the Hub.
        on_progress: takes the bytes that are here, and all that are needed (`None` at first); what it raises ends the
            download, and what has come stays. `None`: a bar on a terminal.
        patience: with a bad line.

    Raises:
        ModelNotFoundError: one sentence on what went wrong and what to do.
        UnsupportedModelError: the repository lacks what a reranker needs; nothing is fetched.
    """
    if not _is_repo_id(repo_id):
        raise ModelNotFoundError(f'"{repo_id}" is no Hugging Face name like "BAAI/bge-reranker-v2-m3". Check the spelling.')
    with nullcontext(on_progress) if on_progress else _bar(repo_id) as report:
        transfer = Transfer(repo_id, on_progress=report, cache_dir=cache_dir, endpoint=endpoint, patience=patience)
        listing = transfer.list_files()
        by_name = {file.name: file for file in listing.files}
        folder = transfer.fetch(listing.commit, [by_name[name] for name in _files_to_fetch(repo_id, set(by_name))])
        if lacking := [file for file in sorted(needed_files(folder)) if not (folder / file).is_file()]:
            raise UnsupportedModelError(f"{repo_id} is not whole on the Hub: it lacks {lacking[0]}. Choose another model.")
        transfer.set_main(listing.commit)
    return folder


def _files_to_fetch(repo_id: str, names: set[str]) -> set[str]:
    """Choose among the files at the top of a repository: one set of weights, with the index that goes with it."""
    weights = next((chosen for patterns in _WEIGHTS if (chosen := _weights_by(patterns, names))), None)
    lacking = sorted({"config.json", "tokenizer.json"} - names) + ([] if weights else [WEIGHT_FILES[0]])
    if lacking or weights is None:
        raise UnsupportedModelError(f"{repo_id} has no {lacking[0]}, which a reranker needs. Choose another model.")
    texts = {name for name in names if any(fnmatchcase(name, pattern) for pattern in _TEXT_FILES)}
    return weights | {name for name in texts if not name.endswith(".index.json")}


def _weights_by(patterns: tuple[str, ...], names: set[str]) -> set[str]:
    found = [{name for name in names if fnmatchcase(name, pattern)} for pattern in patterns]
    return set().union(*found) if all(found) else set()


@contextmanager
def _bar(repo_id: str) -> Iterator[OnProgress]:
    """Show the progress on a terminal, and nothing where standard error is none."""
    from huggingface_hub.utils import tqdm  # type: ignore[attr-defined]  # public, but not in __all__

    with tqdm(desc=repo_id, unit="B", unit_scale=True, disable=None) as bar:  # type: ignore[no-untyped-call]

        def show(done: int, total: int | None) -> None:
            if bar.total is None and total is not None:
                bar.total, bar.n, bar.initial = total, done, done  # what was here before is no speed
            bar.update(done - bar.n)

        yield show


def _is_repo_id(name: str) -> bool:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]  # public, but not in __all__

    try:
        validate_repo_id(name)
    except HFValidationError:
        return False
    return name.count("/") == 1


def _cache_folder() -> str:
    from huggingface_hub import constants

    return constants.HF_HUB_CACHE


def read_json(path: Path, *, purpose: str) -> dict[str, Any]:
    """Read a JSON object.

    Raises:
        UnsupportedModelError: the file is missing or no JSON object; `purpose` says what it is for.
    """
    if not path.is_file():
        remedy = point_to_model(path.parent) if path.name == "config.json" else ""
        raise UnsupportedModelError(
            f"{path.parent} has no {path.name}; {purpose}. {remedy or 'Choose the folder that holds it.'}"
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UnsupportedModelError(f"{path} is no valid JSON ({error}). Copy it again.") from error
    if not isinstance(content, dict):
        raise UnsupportedModelError(f"{path} must hold a JSON object, got {type(content).__name__}. Copy it again.")
    return content


def needed_files(folder: Path) -> set[str]:
    """Name the files that a model folder must have: config, tokenizer, and every weight file that its index names."""
    return {"config.json", "tokenizer.json"} | _weight_files(folder)


def _weight_files(folder: Path) -> set[str]:
    """Name the weight files that a folder must have; an impossible name where there is none at all."""
    for index in WEIGHT_INDEXES:
        if (folder / index).is_file():
            try:
                content = read_json(folder / index, purpose="it says which file holds which weights")
            except UnsupportedModelError:
                break
            files = content.get("weight_map")
            names = set(files.values()) if isinstance(files, dict) else set()
            # A shard lies beside its index, nowhere else.
            return names if names and all(name == Path(str(name)).name for name in names) else {WEIGHT_FILES[0]}
    return {next((file for file in WEIGHT_FILES if (folder / file).is_file()), WEIGHT_FILES[0])}
