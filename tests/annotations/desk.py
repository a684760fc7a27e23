"""A store with one project, one query and some candidates, and somebody who judges them."""

import itertools
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from annotations.models import Judgement
from annotations.store import Store
from annotations.store.judgements import JudgementInput, Saved
from annotations.store.text_rows import NewCandidate
from annotations.store.texts import NewPassage


@dataclass
class Desk:
    """Judges as a page does: with a client id, a number for each send, and the version that it showed."""

    store: Store
    project_id: int
    annotator_id: int
    query_id: int
    candidates: tuple[int, ...]
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def make(self, candidate: int, grade: int | None = 1, **changed: Any) -> JudgementInput:
        """Make what a page sends for the candidate of that index."""
        annotator_id = changed.get("annotator_id", self.annotator_id)
        values: dict[str, Any] = {
            "candidate_id": self.candidates[candidate],
            "annotator_id": annotator_id,
            "state": "graded" if grade is not None else "skipped",
            "grade": grade,
            "scale": "graded",
            "client_id": "page",
            "seq": changed["seq"] if "seq" in changed else next(self.numbers),
        }
        if "expected_version" not in changed:
            shown = self.store.judgements.get(self.candidates[candidate], annotator_id)
            values["expected_version"] = shown.version if shown else 0
        return JudgementInput(**{**values, **changed})

    def judge(self, candidate: int, grade: int | None = 1, **changed: Any) -> Saved:
        """Save a judgement of the candidate of that index."""
        return self.store.judgements.save(self.make(candidate, grade, **changed))

    def judgement(self, candidate: int, annotator_id: int | None = None) -> Judgement | None:
        """Give the judgement of the candidate of that index."""
        return self.store.judgements.get(self.candidates[candidate], annotator_id or self.annotator_id)

    def grades(self) -> list[int | None]:
        """Give the grades of all candidates in order; `None` where there is none."""
        found = [self.judgement(index) for index in range(len(self.candidates))]
        return [judgement.grade if judgement else None for judgement in found]

    def undo(self) -> str:
        """Undo, and tell what came of it."""
        return self.store.history.undo(self.project_id, self.annotator_id).status

    def redo(self) -> str:
        """Redo, and tell what came of it."""
        return self.store.history.redo(self.project_id, self.annotator_id).status


def lay_out(store: Store, *, candidates: int = 5, name: str = "pandas", annotator: str = "Ada") -> Desk:
    """Make a project with a query and candidates, and somebody to judge them."""
    project = store.projects.create(name, guideline="1 is an answer.")
    query = store.texts.add_query(project.id, f"what is panda, asks {name}?")
    passages = store.texts.add_passages(project.id, [NewPassage(text=f"passage {n}") for n in range(candidates)])
    wanted = [NewCandidate(query_id=query.id, passage_id=key, source="bm25") for key in passages.ids]
    return Desk(
        store=store,
        project_id=project.id,
        annotator_id=store.annotators.get_or_add(annotator).id,
        query_id=query.id,
        candidates=store.texts.add_candidates(wanted).ids,
    )


@contextmanager
def raw(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a database past the store, as another program would; nothing is committed."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        yield connection
