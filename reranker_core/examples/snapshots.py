"""Snapshots: a folder of frozen labels that training and evaluation read, with the hash of every file in manifest.json.

```
manifest.json                       what the writer tells of it, and rows, size and SHA-256 of every other file
train.jsonl · dev.jsonl · test.jsonl    training rows
corpus.jsonl · queries.jsonl · qrels/{train,dev,test}.tsv    BEIR layout
candidates.run                      TREC
```
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from reranker_core.errors import InputError
from reranker_core.examples.beir import (
    CORPUS,
    QRELS,
    QUERIES,
    SPLITS,
    CorpusEntry,
    QueryEntry,
    read_beir_qrels,
    read_corpus,
    read_queries,
    write_beir_files,
)
from reranker_core.examples.new_files import WrittenFile, new_file, new_folder
from reranker_core.examples.relevance import Qrels, Run
from reranker_core.examples.texts import describe, text_hash
from reranker_core.examples.training_rows import TrainingExample, read_training_jsonl, write_examples
from reranker_core.examples.trec import read_run, write_run

MANIFEST, CANDIDATES = "manifest.json", "candidates.run"
FILES = (
    *(f"{split}.jsonl" for split in SPLITS),
    CORPUS,
    QUERIES,
    *(f"{QRELS}/{split}.tsv" for split in SPLITS),
    CANDIDATES,
)
_VERSION = 1
_OURS = ("format", "files")  # keys of the manifest that the writer fills in


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """A snapshot whose files were found as they were written. Nothing but the manifest is in memory.

    The readers go through a file each time they are asked. A split is `"train"`, `"dev"` or `"test"`, and may be empty.

    Attributes:
        folder: where it lies.
        manifest: all of manifest.json.
        sha256: of manifest.json, and so of the whole snapshot.
    """

    folder: Path
    manifest: Mapping[str, Any] = field(repr=False)
    sha256: str

    def count_rows(self, name: str) -> int:
        """Tell how many rows a file has, such as `"train.jsonl"` or `"qrels/test.tsv"`."""
        if name not in FILES:
            raise InputError(f"a snapshot has no file {describe(name)}. It has: {', '.join(FILES)}.")
        return int(self.manifest["files"][name]["rows"])

    def read_examples(self, split: str) -> Iterator[TrainingExample]:
        """Read the training rows of a split one by one."""
        name = f"{_check_split(split)}.jsonl"
        return read_training_jsonl(self.folder / name, name=name)

    def read_corpus(self) -> Iterator[CorpusEntry]:
        """Read the passages one by one."""
        return read_corpus(self.folder / CORPUS, name=CORPUS)

    def read_queries(self) -> Iterator[QueryEntry]:
        """Read the queries one by one."""
        return read_queries(self.folder / QUERIES, name=QUERIES)

    def read_qrels(self, split: str) -> Qrels:
        """Read the grades of a split."""
        name = f"{QRELS}/{_check_split(split)}.tsv"
        return read_beir_qrels(self.folder / name, name=name)

    def read_candidates(self) -> Run:
        """Read the candidates of all queries, by descending score."""
        return read_run(self.folder / CANDIDATES, name=CANDIDATES)


def write_snapshot(
    folder: str | os.PathLike[str],
    *,
    corpus: Iterable[CorpusEntry],
    queries: Iterable[QueryEntry],
    qrels: Mapping[str, Mapping[str, Mapping[str, int]]],
    candidates: Mapping[str, Mapping[str, float]],
    examples: Mapping[str, Iterable[TrainingExample]],
    manifest: Mapping[str, Any],
) -> Snapshot:
    """Write a snapshot, whole or not at all, and for good; texts and examples stream.

    Args:
        folder: a new one; folders above it are made.
        corpus: passages, each id once.
        queries: queries, each id once.
        qrels: grades by split; a query stands in one split only.
        candidates: a score for each passage that a query ranks.
        examples: training rows by split, complete as `write_training_jsonl` wants them; a query in one split only.
        manifest: what else there is to know (counts, scale, threshold, split rule, time), as plain JSON values. The keys
            `format` and `files` are added.

    Raises:
        InputError: the folder is there already or cannot be written, qrels or candidates name what is not there, a query
            is in two splits, or a row could not be read back; says which.
    """
    place = Path(folder)
    for split in (*qrels, *examples):
        _check_split(split)
    _check_manifest(manifest)
    _check_one_split(qrels)
    with new_folder(place) as part:
        all_qrels = {split: qrels.get(split, {}) for split in SPLITS}
        written = write_beir_files(part, corpus=corpus, queries=queries, qrels=all_qrels, run=candidates)
        written[CANDIDATES] = write_run(part / CANDIDATES, candidates)
        split_by_query: dict[str, str] = {}
        for split in SPLITS:
            with new_file(part / f"{split}.jsonl") as file:
                written[f"{split}.jsonl"] = write_examples(
                    file, _watch_split(examples.get(split, ()), split, split_by_query)
                )
        content = {"format": _VERSION, **manifest, "files": {name: _describe(written[name]) for name in FILES}}
        text = json.dumps(content, ensure_ascii=False, allow_nan=False, indent=2)
        with new_file(part / MANIFEST) as file:
            file.write_row(text)
    return Snapshot(folder=place, manifest=MappingProxyType(json.loads(text)), sha256=file.describe().sha256)


def read_snapshot(folder: str | os.PathLike[str]) -> Snapshot:
    """Open a snapshot after comparing every file with its hash in the manifest.

    Raises:
        InputError: it is none, of a newer version, or a file is gone or was changed; says which.
    """
    place = Path(folder)
    try:
        data = (place / MANIFEST).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise InputError(f"{place} is no snapshot: {MANIFEST} cannot be read ({reason}). Choose another folder.") from error
    manifest = _parse_manifest(data, place)
    for name in FILES:
        _check_file(place, name, manifest["files"][name]["sha256"])
    return Snapshot(folder=place, manifest=MappingProxyType(manifest), sha256=hashlib.sha256(data).hexdigest())


def _parse_manifest(data: bytes, place: Path) -> dict[str, Any]:
    def damaged(how: str) -> InputError:
        return InputError(f"{place / MANIFEST} is damaged: {how}. Take the snapshot from a backup, or make a new one.")

    try:
        manifest = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise damaged(f"no valid JSON ({error})") from error
    version = manifest.get("format") if isinstance(manifest, dict) else None
    if not isinstance(manifest, dict) or not isinstance(version, int) or version < 1:
        raise damaged('it lacks the number "format"')
    if version > _VERSION:
        raise InputError(f"{place} is a snapshot of format {version}, this version reads {_VERSION}. Update the workbench.")
    files = manifest.get("files")
    for name in FILES:
        facts = files.get(name) if isinstance(files, dict) else None
        if (
            not isinstance(facts, dict)
            or not isinstance(facts.get("rows"), int)
            or not isinstance(facts.get("sha256"), str)
        ):
            raise damaged(f'"files" lacks rows and sha256 of {name}')
    return manifest


def _check_file(place: Path, name: str, expected: str) -> None:
    try:
        with (place / name).open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(
            f"{name} of snapshot {place} cannot be read ({error.strerror}). Take it from a backup, or make a new snapshot."
        ) from error
    if found != expected:
        raise InputError(
            f"{name} of snapshot {place} was changed: its SHA-256 is {found[:12]}…, the manifest has {expected[:12]}…. "
            "Take it from a backup, or make a new snapshot."
        )


def _check_split(split: str) -> str:
    if split not in SPLITS:
        raise InputError(f"a snapshot has the splits {', '.join(SPLITS)}, got {describe(split)}. Choose one of them.")
    return split


def _check_manifest(manifest: Mapping[str, Any]) -> None:
    taken = [key for key in _OURS if key in manifest]
    if taken:
        raise InputError(f"the manifest's key {describe(taken[0])} is filled in by the writer. Choose another name.")
    try:
        same = json.loads(json.dumps(dict(manifest), allow_nan=False)) == dict(manifest)
        json.dumps(dict(manifest), ensure_ascii=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"the manifest must be plain JSON values ({error}). Correct them.") from error
    if not same:
        raise InputError("the manifest must be plain JSON values: texts as keys, lists and no tuples. Correct it.")


def _check_one_split(qrels: Mapping[str, Mapping[str, object]]) -> None:
    split_by_query: dict[str, str] = {}
    for split, table in qrels.items():
        for query_id in table:
            if split_by_query.setdefault(query_id, split) != split:
                raise InputError(_in_two_splits(query_id, split_by_query[query_id], split))


def _watch_split(
    examples: Iterable[TrainingExample], split: str, split_by_query: dict[str, str]
) -> Iterator[TrainingExample]:
    """Let examples through whose query is in no other split, as the same text."""
    for example in examples:
        known = split_by_query.setdefault(text_hash(example.query), split)
        if known != split:
            raise InputError(_in_two_splits(example.query, known, split))
        yield example


def _in_two_splits(query: str, first: str, second: str) -> str:
    return f"query {describe(query)} is in {first} and in {second}. Put it into one split, or the figures mean nothing."


def _describe(file: WrittenFile) -> dict[str, Any]:
    return {"rows": file.rows, "size": file.size, "sha256": file.sha256}
