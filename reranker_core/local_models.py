"""Models that a person added: folders and adapters of this machine, each by a short name, in `models.json` of the home.

Only the list lies there. The folders stay where they are, and may be gone when they are next asked for. Importing this,
listing and describing need no torch; adding reads weights, and does.
"""

import json
import os
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from reranker_core.catalogue import MODELS, ModelInfo, find_model
from reranker_core.errors import InputError, ModelNotFoundError, UnsupportedModelError
from reranker_core.local_folders import check_fit, count_heads, find_adapter_place, is_folder, sort_out
from reranker_core.recognition import describe_folder

_VERSION = 1
_NAME_LENGTH = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalModel:
    """One entry of the list.

    Attributes:
        name: short and unique, without regard to case; 1 to 80 printable characters, none of them `/` or a backslash.
        base: a catalogue name, or an absolute folder.
        adapter: the absolute folder of an adapter or of a job that made one, or `None`.
    """

    name: str
    base: str
    adapter: str | None

    def __post_init__(self) -> None:
        """Check what a name may be; what it must not hide is for `LocalModels.add` to check."""
        name = self.name
        if not name.strip() or name != name.strip():
            raise InputError(f"A name needs a character, and no space before or after it, got {name!r}. Give another one.")
        if len(name) > _NAME_LENGTH:
            raise InputError(f"A name has at most {_NAME_LENGTH} characters, {name[:20]!r}… has {len(name)}. Shorten it.")
        if not name.isprintable() or {"/", "\\"} & set(name) or name in (".", ".."):
            raise InputError(
                f"A name has no slashes and no characters that cannot be seen, got {name!r}. Give another one."
            )


_Models = list[LocalModel]  # because inside the class `list` is a method


class LocalModels:
    """The list in `models.json`; safe from several threads, and from several programs on the same home.

    Each change reads the file anew under a lock on `models.json.lock`, and puts a complete new file in its place. Where
    a file system knows no locks, two programs that write in the same instant both succeed and the later list stays; it
    is whole, but lacks what the other one added.

    Every method raises `InputError` if the file is damaged or of a newer version; such a file is never written over.
    """

    def __init__(self, file: Path | None = None) -> None:
        """Start from a file, which need not exist yet and is made by the first `add`.

        Args:
            file: where the list lies; `None` keeps it in memory only.
        """
        self._file = file
        self._in_memory: _Models = []
        self._guard = threading.Lock()

    def list(self) -> _Models:
        """List what was added, in that order, as the file says now."""
        return _read(self._file) if self._file else list(self._in_memory)

    def find(self, name: str) -> LocalModel | None:
        """Look a model up by its name, without regard to case; `None` if there is none."""
        return next((model for model in self.list() if _key(model.name) == _key(name)), None)

    def add(self, base: str, *, adapter: str | None = None, name: str | None = None) -> tuple[LocalModel, str]:
        """Add a folder, or an adapter on a base, after checking that it is a reranker and that the two fit.

        Args:
            base: a folder, or, with an adapter, a name of the catalogue. A folder that holds an adapter is taken as that
                if it names a base that is here or in the catalogue.
            adapter: the folder of an adapter, or of a job that made one.
            name: by which it will be asked for; by default made from the folder's.

        Returns:
            The model, and a note that a person should see, or an empty string.

        Raises:
            InputError: the name is taken or cannot be one, it is there already, or the file cannot be read or written.
            ModelNotFoundError: there is no such folder.
            UnsupportedModelError: the folder holds no reranker; says why.
            AdapterError: the adapter cannot be read or does not fit its base; says why.
        """
        try:
            chosen_base, chosen_adapter = sort_out(base, adapter)
            insert = partial(_insert, base=chosen_base, adapter=chosen_adapter, name=name)
            insert(self.list())  # a name that is taken is said before the seconds that the check takes
            note = check_fit(chosen_base, chosen_adapter)
        except OSError as error:
            raise InputError(f"{error.filename} cannot be read ({error.strerror}). Check who may read it.") from error
        return self._change(insert)[-1], note

    def forget(self, name: str) -> None:
        """Take a model off the list; its files stay.

        Raises:
            InputError: there is none of that name, or the file cannot be read or written.
        """
        _remove(self.list(), name)  # so that a wrong name makes no file
        self._change(partial(_remove, name=name))

    def _change(self, change: Callable[[_Models], _Models]) -> _Models:
        with self._guard:
            if self._file is None:
                self._in_memory = change(self._in_memory)
                return self._in_memory
            try:
                self._file.parent.mkdir(parents=True, exist_ok=True)
                with _locked(self._file.with_name(f"{self._file.name}.lock")):
                    models = change(_read(self._file))
                    _write(self._file, models)
                    return models
            except OSError as error:
                raise InputError(
                    f"{self._file} cannot be written ({error.strerror}). Check the disk and who may write there, or choose "
                    "another home."
                ) from error


def describe_local_model(model: LocalModel) -> ModelInfo:
    """Describe a model of the list as the catalogue describes a published one; no torch is needed.

    For an adapter on a model of the catalogue the figures are that model's, whether it is on this machine or not.

    Raises:
        ModelNotFoundError: its folder is gone.
        UnsupportedModelError: its folder holds no reranker any more; says why.
        AdapterError: its adapter is gone or cannot be read.
    """
    known = find_model(model.base)
    for place in (None if known else model.base, model.adapter):
        if place is not None and not is_folder(place):
            raise ModelNotFoundError(
                f"The folder of {model.name} is gone: {place}. Put it back, or forget {model.name} and add it again from "
                "where it is now."
            )
    try:
        heads = 0 if model.adapter is None else count_heads(Path(model.adapter))
        info = known or describe_folder(Path(model.base), heads=heads)
    except OSError as error:
        raise UnsupportedModelError(
            f"{error.filename} cannot be read ({error.strerror}). Check who may read it."
        ) from error
    if model.adapter is None:
        return replace(info, name=model.name, repo_id="")
    base = known.name if known else Path(model.base).name
    return replace(info, name=model.name, repo_id="", base_model=base, advice=f"LoRA adapter on {base}.", warning="")


# The list


def _insert(models: _Models, *, base: str, adapter: str | None, name: str | None) -> _Models:
    """Put a model at the end of the list, under a name that is free."""
    for model in models:
        if (model.base, _same_adapter(model.adapter)) == (base, _same_adapter(adapter)):
            raise InputError(f"{adapter or base} is there already, as {model.name}. Use that, or forget it first.")
    published = {_key(text) for info in MODELS for text in (info.name, info.repo_id, info.title, info.short_title) if text}
    taken = {_key(model.name) for model in models}
    if name is None:
        chosen = _make_name(Path(adapter or base), taken=published | taken)
    else:
        chosen = unicodedata.normalize("NFC", name.strip())
    model = LocalModel(name=chosen, base=base, adapter=adapter)
    if _key(chosen) in published:
        raise InputError(f'"{chosen}" is a model of the catalogue, which it would hide. Give another name.')
    if _key(chosen) in taken:
        raise InputError(f'"{chosen}" is the name of another model that was added. Give another name, or forget that one.')
    return [*models, model]


def _remove(models: _Models, name: str) -> _Models:
    rest = [model for model in models if _key(model.name) != _key(name)]
    if len(rest) == len(models):
        names = ", ".join(model.name for model in models)
        raise InputError(
            f'No model "{name}" was added, so none can be forgotten. '
            + (f"There are {names}." if names else "There is none.")
        )
    return rest


def _make_name(folder: Path, *, taken: set[str]) -> str:
    """Make a free name from a folder's, such as `my-model` or `my-model-2`."""
    stem = folder.parent.name if folder.name == "adapter" else folder.name  # adapter/ of a job is called so by all jobs
    shown = "".join(character if character.isprintable() else " " for character in unicodedata.normalize("NFC", stem))
    stem = " ".join(shown.replace("\\", " ").split()) or "model"
    number = 1
    while True:
        ending = f"-{number}" if number > 1 else ""
        name = f"{stem[: _NAME_LENGTH - len(ending)].rstrip()}{ending}"
        if _key(name) not in taken:
            return name
        number += 1


def _key(name: str) -> str:
    """Give what two names that a person takes for the same have in common."""
    return unicodedata.normalize("NFKC", name.strip()).casefold()


def _same_adapter(folder: str | None) -> str | None:
    """Give one text for a job's folder and for the adapter in it."""
    return None if folder is None else str(find_adapter_place(Path(folder)) or folder)


# The file


def _read(file: Path) -> _Models:
    """Read the list; a file that is not there is an empty one.

    Raises:
        InputError: it is damaged, of a newer version, or cannot be read.
    """
    try:
        data = file.read_bytes()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(
            f"{file} cannot be read ({error.strerror}). Check who may read it, or choose another home."
        ) from error
    try:
        content = json.loads(data.decode("utf-8-sig"))
        version = content.get("version") if isinstance(content, dict) else None
        is_newer = isinstance(version, int) and version > _VERSION
        models = [] if is_newer else _parse(content)
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{file} is damaged and stays as it is: {str(error).rstrip('.')}. Mend it by hand, or move it away and add the "
            "models again."
        ) from error
    if is_newer:
        raise InputError(
            f"{file} was written by a newer version of this program: it has format {version}, known here is {_VERSION}. It "
            "stays as it is. Update the program, or choose another home."
        )
    return models


def _parse(content: Any) -> _Models:
    """Check what the file holds.

    Raises:
        ValueError: it is something else than a list of models; says what.
    """
    if not isinstance(content, dict) or content.keys() != {"version", "models"} or not isinstance(content["models"], list):
        raise ValueError(f'expected {{"version": {_VERSION}, "models": [...]}}')
    if content["version"] != _VERSION:
        raise ValueError(f"expected version {_VERSION}, got {content['version']!r}")
    models: _Models = []
    for number, entry in enumerate(content["models"]):
        if not isinstance(entry, dict) or entry.keys() != {"name", "base", "adapter"}:
            raise ValueError(f'models[{number}] must have "name", "base" and "adapter", and nothing else')
        if not all(isinstance(entry[key], str) for key in ("name", "base")) or not isinstance(entry["adapter"], str | None):
            raise ValueError(f"models[{number}] must hold texts, and null where there is no adapter")
        model = LocalModel(**entry)
        if _key(model.name) in {_key(other.name) for other in models}:
            raise ValueError(f"models[{number}] has the name {model.name!r} of another one")
        models.append(model)
    return models


def _write(file: Path, models: _Models) -> None:
    """Write the list beside its place, then put it there at once."""
    content = {"version": _VERSION, "models": [asdict(model) for model in models]}
    unfinished = file.with_name(f"{file.name}.{os.getpid()}.part")
    try:
        with unfinished.open("w", encoding="utf-8", newline="\n") as out:
            out.write(json.dumps(content, ensure_ascii=False, indent=2) + "\n")
            out.flush()
            os.fsync(out.fileno())
        unfinished.replace(file)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keep other programs, and other `LocalModels` of this one, from changing the list meanwhile."""
    with path.open("ab") as file:  # closing it lets go of the lock
        with suppress(OSError):  # a file system without locks
            if sys.platform == "win32":
                import msvcrt

                msvcrt.locking(file.fileno(), msvcrt.LK_LOCK, 1)
            else:
                import fcntl

                fcntl.flock(file, fcntl.LOCK_EX)
        yield
