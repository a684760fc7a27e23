"""What was dropped, pasted or named, as one source of an import: files find their places by their names."""

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from annotations.errors import InputError
from ui.services import Services
from ui.tabs.data.pages import require_own_machine

if TYPE_CHECKING:
    from annotations.exchange import ImportSource

FILE_TYPES = (".csv", ".tsv", ".jsonl", ".json", ".ndjson", ".run", ".trec", ".txt", ".qrels")
MOST_TEXT = 20_000_000  # characters that are pasted or sent
MOST_TEXT_OF_STRANGERS = 2_000_000

_CORPUS, _QUERIES = "corpus.jsonl", "queries.jsonl"
_SPLITS = ("train", "dev", "test")
_MANIFEST = ".manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What a person gave to be imported: one of the three.

    Attributes:
        files: that were uploaded.
        text: that was pasted.
        folder: a file or folder of this machine.
    """

    files: tuple[str, ...] = ()
    text: str = ""
    folder: str = ""


@contextmanager
def open_given(services: Services, given: Given) -> Iterator["ImportSource"]:
    """Open what was given, for the length of a `with` block.

    Raises:
        InputError: nothing was given, or more than one, or it is nothing that can be imported.
    """
    from annotations.exchange import open_source

    ways = [bool(given.files), bool(given.text.strip()), bool(given.folder.strip())]
    if not any(ways):
        raise InputError("There is nothing to import. Drop files, or paste text.")
    if sum(ways) > 1:
        raise InputError("Files, pasted text and a path were given together. Leave one, and empty the others.")
    if given.folder.strip():
        require_own_machine(services, "Paths can be given")
        yield open_source(Path(given.folder.strip()).expanduser())
    elif given.text.strip():
        yield read_pasted(services, given.text)
    else:
        with tempfile.TemporaryDirectory(prefix="import-") as folder:
            yield open_files([Path(file) for file in given.files], Path(folder))


def read_pasted(services: Services, text: str, *, name: str = "pasted") -> "ImportSource":
    """Take text as a source.

    Raises:
        InputError: it is too long, or nothing that can be imported.
    """
    from annotations.exchange import source_from_text

    most = MOST_TEXT if services.allow_folders else MOST_TEXT_OF_STRANGERS
    if len(text) > most:
        raise InputError(f"Text of up to {most:,} characters is taken at once, got {len(text):,}. Import it in parts.")
    return source_from_text(text, name=name)


def open_files(files: Sequence[Path], folder: Path) -> "ImportSource":
    """Open files that were uploaded together.

    One file is what it is; with its manifest beside it, it is an export of ours. corpus.jsonl and queries.jsonl are a BEIR
    folder, with qrels (train.tsv, dev.tsv, test.tsv, or one file of any name) and a run; run and qrels go together too.

    Args:
        files: as they were uploaded, under their own names.
        folder: an empty one, in which they are laid out.

    Raises:
        InputError: they do not belong together; says what does.
    """
    from annotations.exchange import open_source

    by_name: dict[str, Path] = {}
    for file in files:
        if file.name in by_name:
            raise InputError(f"Two files are called {file.name}. Give each its own name.")
        by_name[file.name] = file
    manifests = [name for name in by_name if name.endswith(_MANIFEST)]
    others = {name: file for name, file in by_name.items() if name not in manifests}
    if len(others) == 1:
        for name, file in by_name.items():
            _lay(file, folder / name)
        return open_source(folder / next(iter(others)))
    roles = _find_roles(others)
    if _CORPUS in others and _QUERIES in others and (roles.qrels or not roles.runs):
        return _open_beir(others, roles, folder)
    if not roles.runs and not roles.qrels:
        names = ", ".join(others) or "only a manifest"
        raise InputError(
            f"These files are not one import: {names}. Give them one by one, or {_CORPUS}, {_QUERIES}, qrels and a run "
            "together."
        )
    laid = {name: _lay(file, folder / name) for name, file in others.items()}
    first = roles.runs[0] if roles.runs else roles.qrels[0]
    return open_source(
        laid[first],
        qrels=laid[roles.qrels[0]] if roles.runs and roles.qrels else None,
        corpus=laid.get(_CORPUS),
        queries=laid.get(_QUERIES),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Roles:
    """The names of the files that are runs and qrels."""

    runs: tuple[str, ...]
    qrels: tuple[str, ...]


def _find_roles(files: dict[str, Path]) -> _Roles:
    from annotations.exchange.recognising import recognise_file

    runs, qrels = [], []
    for name, file in files.items():
        if name in (_CORPUS, _QUERIES):
            continue
        role = recognise_file(file)
        if role == "run":
            runs.append(name)
        elif role == "qrels":
            qrels.append(name)
        else:
            raise InputError(
                f"{name} is neither a run nor qrels, so it does not belong to the other files. Import it by itself."
            )
    if len(runs) > 1:
        raise InputError(f"There are {len(runs)} runs: {', '.join(runs)}. Give one of them.")
    in_parts = all(Path(name).stem in _SPLITS for name in qrels)
    if len(qrels) > 1 and not in_parts:
        raise InputError(
            f"There are several qrels: {', '.join(qrels)}. Give one, or call them train.tsv, dev.tsv and test.tsv."
        )
    return _Roles(runs=tuple(runs), qrels=tuple(qrels))


def _open_beir(files: dict[str, Path], roles: _Roles, folder: Path) -> "ImportSource":
    """Lay files out as a BEIR folder; one file of qrels under another name than a part's says nothing of parts."""
    from annotations.exchange import open_source

    place = folder / "beir"
    (place / "qrels").mkdir(parents=True)
    for name in (_CORPUS, _QUERIES):
        _lay(files[name], place / name)
    lone = None
    for name in roles.qrels:
        stem = Path(name).stem
        if stem in _SPLITS:
            _lay(files[name], place / "qrels" / f"{stem}.tsv")
        else:
            lone = _lay(files[name], folder / name)
    run = _lay(files[roles.runs[0]], folder / roles.runs[0]) if roles.runs else None
    return open_source(place, qrels=lone, run=run)


def _lay(file: Path, place: Path) -> Path:
    """Put a file somewhere without copying it, where that is possible."""
    try:
        place.hardlink_to(file)
    except OSError:
        shutil.copyfile(file, place)
    return place
