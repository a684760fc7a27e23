"""BEIR folders, runs and qrels: files that name texts by ids, which stand in other files or in the project."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from annotations.exchange.beir_folders import find_split
from annotations.exchange.file_lines import Lines, Tick
from annotations.exchange.surveys import Survey
from annotations.exchange.trec_files import QrelsRow, RunRow, read_qrels_rows, read_run_rows
from annotations.models import Split
from reranker_core.examples import CorpusEntry, Problems, QueryEntry, read_corpus, read_queries


@dataclass(frozen=True, slots=True, kw_only=True)
class QrelsFile:
    """Grades, perhaps of one part of the split.

    Attributes:
        path: where they lie.
        name: as messages name the file.
        split: the part.
        is_beir: whether they have BEIR's three columns.
    """

    path: Path
    name: str
    split: Split | None
    is_beir: bool

    def read(self, problems: Problems, tick: Tick) -> Iterator[QrelsRow]:
        """Give the good rows; bad ones are noted."""
        return read_qrels_rows(Lines(self.path, tick=tick), is_beir=self.is_beir, name=self.name, problems=problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdFiles:
    """Files that belong together; each one may be missing.

    Attributes:
        paths: `corpus`, `queries` and `run`.
        qrels: train, dev and test first.
    """

    paths: Mapping[str, Path]
    qrels: tuple[QrelsFile, ...]

    def name(self, role: str) -> str:
        """Give what messages call a file."""
        return self.paths[role].name

    def survey(self, tick: Tick) -> Survey:
        """Count the grades.

        Raises:
            InputError: a file cannot be read.
        """
        raw_grades: Counter[str] = Counter()
        for file in self.qrels:
            raw_grades.update(row.raw for row in file.read(Problems(limit=0), tick) if row.raw)
        return Survey(raw_grades=raw_grades)

    def read_queries(self, problems: Problems, tick: Tick) -> Iterator[tuple[int, QueryEntry]]:
        """Give the queries with their lines; bad rows are noted."""
        lines = Lines(self.paths["queries"], tick=tick)
        for entry in read_queries(lines, name=self.name("queries"), problems=problems):
            yield lines.number, entry

    def read_corpus(self, problems: Problems, tick: Tick) -> Iterator[CorpusEntry]:
        """Give the documents; bad rows are noted."""
        return read_corpus(Lines(self.paths["corpus"], tick=tick), name=self.name("corpus"), problems=problems)

    def read_run(self, problems: Problems, tick: Tick) -> Iterator[RunRow]:
        """Give the rows of the run, if there is one, in the order of the file; bad ones are noted."""
        if "run" not in self.paths:
            return iter(())
        return read_run_rows(Lines(self.paths["run"], tick=tick), name=self.name("run"), problems=problems)


def gather_id_files(paths: Mapping[str, Path]) -> IdFiles:
    """Sort files out by what they are, as `ImportSource.paths` names them."""
    order = {"qrels/train": 0, "qrels/dev": 1, "qrels/test": 2}
    roles = sorted((role for role in paths if role.startswith("qrels")), key=lambda role: (order.get(role, 3), role))
    qrels = [
        QrelsFile(
            path=paths[role],
            name=f"{role}.tsv" if "/" in role else paths[role].name,
            split=find_split(role),
            is_beir="/" in role or _has_three_columns(paths[role]),
        )
        for role in roles
    ]
    return IdFiles(paths={role: path for role, path in paths.items() if role not in roles}, qrels=tuple(qrels))


def _has_three_columns(path: Path) -> bool:
    """Tell BEIR's columns, with tabs between, from TREC's four by the first line."""
    for line in Lines(path):
        if line.strip():
            return line.rstrip(b"\r\n").count(b"\t") == 2
    return False
