"""BEIR folders: corpus.jsonl, queries.jsonl and qrels/{split}.tsv."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from reranker_core.errors import InputError
from reranker_core.examples.lines import Problems, Source, parse_object, parse_rows, take_text
from reranker_core.examples.new_files import WrittenFile, dump_json, new_file, new_folder
from reranker_core.examples.relevance import Qrels, check_grade, check_id, check_known, check_table, insert, parse_grade
from reranker_core.examples.texts import check_text, describe

CORPUS, QUERIES, QRELS = "corpus.jsonl", "queries.jsonl", "qrels"
SPLITS = ("train", "dev", "test")
_HEADER = ("query-id", "corpus-id", "score")
_HEADER_WORDS = (  # as other tools name the three columns; without case, spaces, "-" and "_"
    {"queryid", "qid", "query", "topic", "topicid"},
    {"corpusid", "docid", "did", "pid", "passageid", "documentid", "doc", "document", "passage"},
    {"score", "relevance", "rel", "grade", "label", "rating"},
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CorpusEntry:
    """One document of a corpus.

    Attributes:
        id: by which qrels and runs name it.
        text: the text; may be empty.
        title: the title, or an empty string.
    """

    id: str
    text: str
    title: str = ""

    def __post_init__(self) -> None:
        """Check every field."""
        _check_entry(self.id, self.text)
        check_text(self.title, where='"title"')

    @property
    def passage(self) -> str:
        """What is ranked: title and text with a space between, trimmed; without a title the text, untouched."""
        return f"{self.title} {self.text}".strip() if self.title else self.text


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryEntry:
    """One query.

    Attributes:
        id: by which qrels and runs name it.
        text: the text; may be empty.
    """

    id: str
    text: str

    def __post_init__(self) -> None:
        """Check every field."""
        _check_entry(self.id, self.text)


_Entry = TypeVar("_Entry", CorpusEntry, QueryEntry)


@dataclass(frozen=True, slots=True, kw_only=True)
class BeirFolder:
    """A folder in BEIR's layout, of which nothing has been read yet.

    The readers go row by row. Bad rows go into `problems`, or raise `InputError` at the first where that is `None`.

    Attributes:
        folder: where it is.
        splits: those that have qrels: train, dev and test first, then others by name.
    """

    folder: Path
    splits: tuple[str, ...]

    def read_corpus(self, *, problems: Problems | None = None) -> Iterator[CorpusEntry]:
        """Read the documents in the order of the file."""
        return read_corpus(self.folder / CORPUS, name=CORPUS, problems=problems)

    def read_queries(self, *, problems: Problems | None = None) -> Iterator[QueryEntry]:
        """Read the queries in the order of the file."""
        return read_queries(self.folder / QUERIES, name=QUERIES, problems=problems)

    def read_qrels(self, split: str, *, problems: Problems | None = None) -> Qrels:
        """Read the grades of a split.

        Raises:
            InputError: there is no such split, too.
        """
        if split not in self.splits:
            raise InputError(f'{self.folder} has no split "{split}". There are: {", ".join(self.splits) or "none"}.')
        return read_beir_qrels(self.folder / QRELS / f"{split}.tsv", name=f"{QRELS}/{split}.tsv", problems=problems)


def open_beir(folder: str | os.PathLike[str]) -> BeirFolder:
    """Find out what a BEIR folder holds.

    Raises:
        InputError: corpus.jsonl or queries.jsonl is not there. A folder without qrels has no splits.
    """
    place = Path(folder)
    try:
        missing = [name for name in (CORPUS, QUERIES) if not (place / name).is_file()]
        inside = list((place / QRELS).iterdir()) if (place / QRELS).is_dir() else []
    except OSError as error:
        raise InputError(f"{place} cannot be read ({error.strerror}). Check who may read it.") from error
    if missing:
        raise InputError(f"{place} has no {' and no '.join(missing)}, so it is no BEIR folder. Choose the folder that has.")
    found = {path.stem for path in inside if path.suffix == ".tsv" and not path.name.startswith(".")}
    splits = tuple(split for split in SPLITS if split in found) + tuple(sorted(found - set(SPLITS)))
    return BeirFolder(folder=place, splits=splits)


def read_corpus(source: Source, *, name: str | None = None, problems: Problems | None = None) -> Iterator[CorpusEntry]:
    """Read corpus.jsonl row by row: `_id`, `text`, and a title where there is one. Only ids are kept in memory.

    An id may be a whole number. An id that was there before is a bad row; keys beyond these three are passed over.

    Raises:
        InputError: the file cannot be read, or, without `problems`, a row is bad.
    """
    seen: set[str] = set()

    def parse(line: str) -> CorpusEntry:
        row = parse_object(line)
        title = "" if row.get("title") is None else row["title"]
        entry = CorpusEntry(id=_take_id(row), text=take_text(row, "text"), title=title)
        _check_new(entry.id, seen)
        return entry

    return parse_rows(source, parse, name=name, problems=problems)


def read_queries(source: Source, *, name: str | None = None, problems: Problems | None = None) -> Iterator[QueryEntry]:
    """Read queries.jsonl row by row: `_id` and `text`; as `read_corpus`."""
    seen: set[str] = set()

    def parse(line: str) -> QueryEntry:
        row = parse_object(line)
        entry = QueryEntry(id=_take_id(row), text=take_text(row, "text"))
        _check_new(entry.id, seen)
        return entry

    return parse_rows(source, parse, name=name, problems=problems)


def read_beir_qrels(source: Source, *, name: str | None = None, problems: Problems | None = None) -> Qrels:
    """Read three columns with tabs between: query id, corpus id, grade.

    The first line is passed over only if it is a header (BEIR's own loader always drops it). Grades may be written `3.0`.

    Raises:
        InputError: the file cannot be read, or, without `problems`, a row is bad; a pair that comes twice is.
    """
    qrels: Qrels = {}

    def parse(line: str) -> None:
        columns = line.split("\t")
        if len(columns) != 3:
            raise InputError(
                f"expected query-id, tab, corpus-id, tab, score, got {len(columns)} "
                f"column{'' if len(columns) == 1 else 's'}. Correct the line."
            )
        insert(qrels, columns[0], columns[1], parse_grade(columns[2].strip(" ")))

    for _ in parse_rows(source, parse, name=name, problems=problems, is_header=_is_header):
        pass
    return qrels


def write_beir(
    folder: str | os.PathLike[str],
    *,
    corpus: Iterable[CorpusEntry],
    queries: Iterable[QueryEntry],
    qrels: Mapping[str, Mapping[str, Mapping[str, int]]],
) -> dict[str, WrittenFile]:
    """Write a BEIR folder, whole or not at all; texts stream.

    Args:
        folder: a new one.
        corpus: documents, each id once.
        queries: queries, each id once.
        qrels: by split; query and document ids that are in `queries` and `corpus`.

    Returns:
        The files by their names inside the folder, such as `qrels/test.tsv`.

    Raises:
        InputError: the folder is there already or cannot be written, or a row could not be read back; names it.
    """
    place = Path(folder)
    for split in qrels:
        if check_id(split, kind="split") != split.strip() or {"/", "\\", "\0"} & set(split) or split.startswith("."):
            raise InputError(f"a split must be the name of a file, got {describe(split)}. Choose another, such as test.")
    with new_folder(place) as part:
        written = write_beir_files(part, corpus=corpus, queries=queries, qrels=qrels)
    return {name: replace(file, path=place / name) for name, file in written.items()}


def write_beir_files(
    folder: Path,
    *,
    corpus: Iterable[CorpusEntry],
    queries: Iterable[QueryEntry],
    qrels: Mapping[str, Mapping[str, Mapping[str, int]]],
    run: Mapping[str, Mapping[str, object]] | None = None,
) -> dict[str, WrittenFile]:
    """Write the files into a folder that is there; `run` is only checked to name ids that are there."""
    corpus_ids: set[str] = set()
    query_ids: set[str] = set()
    (folder / QRELS).mkdir()
    written = {
        CORPUS: write_corpus(folder / CORPUS, _note_ids(corpus, corpus_ids)),
        QUERIES: write_queries(folder / QUERIES, _note_ids(queries, query_ids)),
    }
    for split, table in qrels.items():
        name = f"{QRELS}/{split}.tsv"
        check_known(table, query_ids=query_ids, passage_ids=corpus_ids, where=name)
        written[name] = write_beir_qrels(folder / name, table)
    check_known(run or {}, query_ids=query_ids, passage_ids=corpus_ids, where="the run")
    return written


def write_corpus(path: str | os.PathLike[str], entries: Iterable[CorpusEntry]) -> WrittenFile:
    """Write corpus.jsonl row by row; each id once.

    Raises:
        InputError: it cannot be written, or a row could not be read back; names it.
    """
    rows = ((entry.id, {"_id": entry.id, "title": entry.title, "text": entry.text}) for entry in entries)
    return _write_rows(path, rows)


def write_queries(path: str | os.PathLike[str], entries: Iterable[QueryEntry]) -> WrittenFile:
    """Write queries.jsonl row by row; each id once.

    Raises:
        InputError: it cannot be written, or a row could not be read back; names it.
    """
    return _write_rows(path, ((entry.id, {"_id": entry.id, "text": entry.text}) for entry in entries))


def write_beir_qrels(path: str | os.PathLike[str], qrels: Mapping[str, Mapping[str, int]]) -> WrittenFile:
    """Write a header and three columns with tabs between, in the order of the dictionaries.

    Raises:
        InputError: it cannot be written, or a row could not be read back; names it.
    """
    check_table(qrels, is_trec=False)
    with new_file(Path(path)) as file:
        file.write_header("\t".join(_HEADER))
        for query_id, grades in qrels.items():
            for passage_id, grade in grades.items():
                file.write_row(f"{query_id}\t{passage_id}\t{check_grade(grade)}")
    return file.describe()


def _write_rows(path: str | os.PathLike[str], rows: Iterable[tuple[str, dict[str, str]]]) -> WrittenFile:
    seen: set[str] = set()
    with new_file(Path(path)) as file:
        for number, (entry_id, row) in enumerate(rows, start=1):
            try:
                _check_new(check_id(entry_id, kind="_id"), seen)
            except InputError as error:
                raise InputError(f"row {number} of {file.path.name}: {error}") from error
            file.write_row(dump_json(row))
    return file.describe()


def _note_ids(entries: Iterable[_Entry], ids: set[str]) -> Iterator[_Entry]:
    for entry in entries:
        ids.add(entry.id)
        yield entry


def _is_header(line: str) -> bool:
    columns = [column.strip().lower().replace("-", "").replace("_", "").replace(" ", "") for column in line.split("\t")]
    return len(columns) == 3 and all(map(set.__contains__, _HEADER_WORDS, columns))


def _take_id(row: dict[str, Any]) -> str:
    number = row.get("_id")
    if isinstance(number, int) and not isinstance(number, bool):
        return str(number)
    return take_text(row, "_id")


def _check_entry(entry_id: object, text: object) -> None:
    if not check_text(entry_id, where='"_id"').strip():
        raise InputError('"_id" must not be empty. Give each row its own.')
    check_text(text, where='"text"')


def _check_new(entry_id: str, seen: set[str]) -> None:
    if entry_id in seen:
        raise InputError(f"the _id {describe(entry_id)} was there before. Give each row its own.")
    seen.add(entry_id)
