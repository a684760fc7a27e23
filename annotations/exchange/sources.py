"""What is imported: which files, of which kind, and their hash."""

import hashlib
import os
import tempfile
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from annotations.errors import InputError
from annotations.exchange.beir_folders import find_beir_files
from annotations.exchange.recognising import recognise_file, recognise_text
from annotations.exchange.training_files import name_manifest
from reranker_core.examples.texts import check_text

Kind = Literal["table", "jsonl", "training", "beir", "trec"]
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True, weakref_slot=True)
class ImportSource:
    """Files that belong together, as they were when they were opened.

    Attributes:
        kind: `"table"` csv or tsv, `"jsonl"` pairs, `"training"` training rows, `"beir"` a folder, `"trec"` run or qrels.
        name: as it is shown.
        paths: the files by what they are: `table`, `pairs`, `jsonl`, `training`, `manifest`, `corpus`, `queries`, `qrels`,
            `qrels/train` and so on, `run`.
        sha256: of the one file, or over the hashes of all of them.
        size: of all of them, in bytes.
    """

    kind: Kind
    name: str
    paths: Mapping[str, Path]
    sha256: str
    size: int

    def check_unchanged(self) -> None:
        """Hash the files again.

        Raises:
            InputError: they are no longer as they were.
        """
        if hash_files(self.paths) != (self.sha256, self.size):
            raise InputError(f"{self.name} was changed since it was opened. Open it again, and look at the preview.")


def open_source(
    path: Path,
    *,
    qrels: Path | None = None,
    run: Path | None = None,
    corpus: Path | None = None,
    queries: Path | None = None,
    kind: Kind | None = None,
) -> ImportSource:
    """Find out what a file or folder is, and hash it.

    Args:
        path: a folder in BEIR's layout; csv or tsv; jsonl, of training rows or pairs; a TREC run or qrels.
        qrels: grades for a run; for a BEIR folder they take the place of its own.
        run: candidates for qrels or for a BEIR folder, whose `candidates.run` is found without.
        corpus: BEIR's corpus.jsonl, for the texts of a run's and qrels' passages; else the project must know their ids.
        queries: BEIR's queries.jsonl, likewise.
        kind: what it is, where the name and the beginning of the file do not say it.

    Raises:
        InputError: a file cannot be read, or is nothing that can be imported, or files do not belong together.
    """
    if kind is not None and kind not in get_args(Kind):
        raise InputError(f"A source is one of {', '.join(get_args(Kind))}, got {kind!r}. Choose one of them.")
    place = Path(path)
    beside = {"qrels": qrels, "run": run, "corpus": corpus, "queries": queries}
    given = {role: Path(one) for role, one in beside.items() if one is not None}
    found: Kind
    if _is_folder(place):
        if kind not in (None, "beir") or {"corpus", "queries"} & given.keys():
            raise InputError(
                f"{place} is a folder, and so in BEIR's layout, with its own texts. Give it without other ones."
            )
        found, paths = "beir", find_beir_files(place, qrels=given.get("qrels"), run=given.get("run"))
    else:
        role = recognise_file(place, kind=kind, is_with_others=bool(given))
        found = _kind_of(role)
        if given and found != "trec":
            raise InputError(
                f"{place} is of kind {found}, which needs no {' and no '.join(given)}. Give it alone, or a run or qrels."
            )
        if role in given:
            raise InputError(f"{place} and {given[role]} are both {role}. Give one of them.")
        paths = {role: place, **given}
        manifest = name_manifest(place)
        if role == "training" and manifest.is_file():
            paths["manifest"] = manifest
    sha256, size = hash_files(paths)
    return ImportSource(kind=found, name=place.absolute().name or str(place), paths=paths, sha256=sha256, size=size)


def source_from_text(text: str, *, name: str = "pasted") -> ImportSource:
    """Take text that was pasted: csv, tsv, jsonl, or lines of query, tab, passage.

    It lies in a temporary file as long as the source is there.

    Raises:
        InputError: it is nothing of these, or no valid text.
    """
    try:
        check_text(text, where="The text")
    except ValueError as error:
        raise InputError(str(error)) from error
    role = recognise_text(text)
    handle, file = tempfile.mkstemp(prefix="pasted-", suffix=".txt")
    place = Path(file)
    with os.fdopen(handle, "wb") as stream:
        stream.write(text.encode())
    sha256, size = hash_files({role: place})
    source = ImportSource(kind=_kind_of(role), name=name, paths={role: place}, sha256=sha256, size=size)
    weakref.finalize(source, place.unlink, missing_ok=True)
    return source


def hash_files(paths: Mapping[str, Path]) -> tuple[str, int]:
    """Hash files, whatever their order, and add up their sizes.

    Raises:
        InputError: one cannot be read.
    """
    hashes = []
    size = 0
    for role in sorted(paths):
        digest = hashlib.sha256()
        try:
            with paths[role].open("rb") as file:
                while block := file.read(_BLOCK):
                    digest.update(block)
                    size += len(block)
        except (OSError, ValueError) as error:
            raise _unreadable(paths[role], error) from error
        hashes.append(f"{role} {digest.hexdigest()}\n")
    if len(hashes) == 1:
        return digest.hexdigest(), size
    return hashlib.sha256("".join(hashes).encode()).hexdigest(), size


def _kind_of(role: str) -> Kind:
    """Tell of which kind a file is by what it is."""
    kinds: dict[str, Kind] = {
        "table": "table",
        "pairs": "table",
        "jsonl": "jsonl",
        "training": "training",
        "run": "trec",
        "qrels": "trec",
    }
    return kinds[role]


def _is_folder(place: Path) -> bool:
    try:
        place.stat()
        return place.is_dir()
    except (OSError, ValueError) as error:
        raise _unreadable(place, error) from error


def _unreadable(place: Path, error: OSError | ValueError) -> InputError:
    reason = error.strerror if isinstance(error, OSError) else error
    return InputError(f"{place} cannot be read ({reason}). Check the path and who may read it.")
