"""The files of a folder in BEIR's layout."""

from pathlib import Path
from typing import get_args

from annotations.errors import InputError
from annotations.models import Split
from reranker_core.examples import open_beir
from reranker_core.examples.beir import CORPUS, QRELS, QUERIES
from reranker_core.examples.snapshots import CANDIDATES


def find_beir_files(folder: Path, *, qrels: Path | None = None, run: Path | None = None) -> dict[str, Path]:
    """Give the files of a folder by what they are: `corpus`, `queries`, `qrels/train` and so on, and `run`.

    Args:
        folder: has corpus.jsonl and queries.jsonl.
        qrels: taken instead of those in the folder.
        run: by default the folder's `candidates.run`, if it has one.

    Raises:
        InputError: it is no such folder.
    """
    try:
        beir = open_beir(folder)
    except ValueError as error:
        raise InputError(str(error)) from error
    paths = {"corpus": folder / CORPUS, "queries": folder / QUERIES}
    if qrels is not None:
        paths["qrels"] = qrels
    else:
        paths |= {f"{QRELS}/{split}": folder / QRELS / f"{split}.tsv" for split in beir.splits}
    run = run or folder / CANDIDATES
    if run != folder / CANDIDATES or run.is_file():
        paths["run"] = run
    return paths


def find_split(role: str) -> Split | None:
    """Tell the part that qrels are of by their role, such as `qrels/test`; `None` for any other name."""
    name = role.partition("/")[2]
    return next((split for split in get_args(Split) if split == name), None)
