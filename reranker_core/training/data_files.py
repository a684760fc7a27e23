"""Where training rows lie: jsonl files, folders of them, snapshots; each row with its place, each file with its hash."""

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reranker_core.errors import InputError
from reranker_core.examples import Problems, TrainingExample, open_beir, read_corpus, read_snapshot, read_training_jsonl

_ENDINGS = (".jsonl", ".json")  # FlagEmbedding takes these two from a folder
_BEIR = {"corpus.jsonl", "queries.jsonl"}


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFile:
    """A file that was read.

    Attributes:
        path: where it lies, as it was given.
        sha256: of its bytes, in hexadecimal.
        rows: how many it has, those that are left out later among them.
    """

    path: Path
    sha256: str
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundRow:
    """A row and where it stands, as messages say it: `train.jsonl:17`."""

    where: str
    example: TrainingExample


@dataclass(frozen=True, slots=True, kw_only=True)
class RowSource:
    """A file of training rows, and the corpus that came with it."""

    path: Path
    corpus: Path | None = None


def find_data_files(places: Sequence[Path]) -> list[RowSource]:
    """Find the files of training rows in what was given: files, folders of them, snapshots (their train.jsonl).

    Raises:
        InputError: a place is not there, or a folder holds no training rows, or a snapshot was changed.
    """
    return [source for place in places for source in _look_into(place)]


def read_rows(path: Path) -> tuple[list[FoundRow], DataFile]:
    """Read a file's training rows.

    Raises:
        InputError: the file cannot be read, or a row is bad; names the first, and says how many there are.
    """
    lines = _NumberedLines(path)
    problems = Problems()
    rows = [
        FoundRow(where=f"{path}:{lines.number}", example=example)
        for example in read_training_jsonl(lines, name=str(path), problems=problems)
    ]
    if problems.count:
        more = f" So are {problems.count - 1:,} more of {problems.rows:,} rows." if problems.count > 1 else ""
        raise InputError(f"{problems.listed[0]}{more}")
    return rows, DataFile(path=path, sha256=lines.sha256, rows=len(rows))


def read_corpus_texts(places: Iterable[Path]) -> Iterator[str]:
    """Read the passages of corpus files, one by one, titles included.

    Raises:
        InputError: a file cannot be read, or a row is bad.
    """
    for place in places:
        if not place.is_file():
            raise InputError(f"{place} is no file. Give the corpus.jsonl that random negatives shall come from.")
        yield from (row.passage for row in read_corpus(place))


class _NumberedLines:
    """The lines of a file; while they are read, the number of the last one and the hash of all are known."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._hash = hashlib.sha256()
        self.number = 0

    def __iter__(self) -> Iterator[bytes]:
        try:
            with self._path.open("rb") as file:
                for line in file:
                    self.number += 1
                    self._hash.update(line)
                    yield line
        except OSError as error:
            raise InputError(f"{self._path} cannot be read ({error.strerror}). Check the path.") from error

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()


def _look_into(place: Path) -> Iterator[RowSource]:
    if not place.exists():
        raise InputError(f"{place} is not there. Give a jsonl file of training rows, a folder of them, or a snapshot.")
    if not place.is_dir():
        yield RowSource(path=place)
        return
    if (place / "manifest.json").is_file() and (place / "train.jsonl").is_file():
        snapshot = read_snapshot(place)
        yield RowSource(path=snapshot.folder / "train.jsonl", corpus=snapshot.folder / "corpus.jsonl")
        return
    names = {path.name for path in place.iterdir()}
    if names >= _BEIR:
        splits = open_beir(place).splits
        split = f" --split {splits[0]}" if splits and "train" not in splits else ""
        raise InputError(
            f"{place} is a BEIR folder, which has no training rows. Make some of it: python -m reranker_core.mining "
            f"negatives {place}{split} --output train.jsonl"
        )
    # An export lists the negatives that it drew in NAME.manifest.json beside NAME.jsonl.
    wanted = sorted(
        path
        for path in place.iterdir()
        if path.suffix in _ENDINGS
        and path.is_file()  # a pipe would be waited for
        and not path.name.startswith(".")
        and not path.name.endswith(".manifest.json")
    )
    if not wanted:
        raise InputError(
            f"{place} holds no .jsonl file. Give a jsonl file of training rows, a folder of them, or a snapshot."
        )
    yield from (RowSource(path=path) for path in wanted)
