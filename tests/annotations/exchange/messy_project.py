"""A project as real ones are: several annotators, every state, deleted texts, an empty passage, a staged import."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from uuid import uuid4

from annotations.models import State
from annotations.store import Store
from annotations.store.imports import ImportedJudgement
from annotations.store.judgements import JudgementInput
from annotations.store.text_rows import NewCandidate
from annotations.store.texts import NewPassage, NewQuery
from tests.annotations.desk import raw

PASSAGES = {
    "bear": 'the giant panda, "大熊猫",\r\nis a bear 🐼',
    "food": "it eats bamboo",
    "car": " a small car, by Fiat",
    "blank": " \u3000\n",
    "gone": "this was deleted",
    "half": "half an answer",
    "later": "=1+1",
    "unsure": "cafe\u0301\x00",
    **{f"far {n}": f"far from it, {n}" for n in range(20)},
}


@dataclass
class Bench:
    """A project whose queries and passages go by short names."""

    store: Store
    project_id: int
    queries: dict[str, int] = field(default_factory=dict)
    passages: dict[str, int] = field(default_factory=dict)
    candidates: dict[tuple[str, str], int] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def add_query(self, text: str, *found: str, source: str = "bm25") -> None:
        """Add a query with the candidates of those names, ranked in that order."""
        self.queries[text] = self.store.texts.add_query(self.project_id, text).id
        self.add_candidates(text, *found, source=source)

    def add_candidates(self, query: str, *found: str, source: str = "bm25") -> None:
        """Add candidates of those names, ranked in that order if a search found them."""
        wanted = [
            NewCandidate(
                query_id=self.queries[query],
                passage_id=self.passages[name],
                source=source,
                source_rank=rank if source == "bm25" else None,
            )
            for rank, name in enumerate(found, start=1)
        ]
        ids = self.store.texts.add_candidates(wanted).ids
        self.candidates |= {(query, name): key for name, key in zip(found, ids, strict=True)}

    def candidate(self, query: str, passage: str) -> int:
        """Give the id of a candidate, which is new if there was none."""
        if (query, passage) not in self.candidates:
            self.add_candidates(query, passage, source="manual")
        return self.candidates[query, passage]

    def judge(self, query: str, passage: str, said: int | State, who: str = "Ada", *, scale: str = "graded") -> None:
        """Save a judgement: a grade or a state. Whose name begins with "file" or "model" is no person."""
        kind = {"file": "import", "model": "model"}.get(who.split(" ")[0], "human")
        annotator_id = self.store.annotators.get_or_add(who, kind=kind).id
        candidate_id = self.candidate(query, passage)
        shown = self.store.judgements.get(candidate_id, annotator_id)
        self.store.judgements.save(
            JudgementInput(
                candidate_id=candidate_id,
                annotator_id=annotator_id,
                state="graded" if isinstance(said, int) else said,
                grade=said if isinstance(said, int) else None,
                scale=scale,
                client_id=f"page of {self.project_id}",
                seq=next(self.numbers),
                expected_version=shown.version if shown else 0,
                duration_ms=1234,
                score_shown=said != 2,
            )
        )


def set_up(store: Store, *, prompt: str | None = None) -> Bench:
    """Make a project with the passages and nothing else, and a seed for its parts that is always the same."""
    bench = Bench(store=store, project_id=store.projects.create(str(uuid4()), default_prompt=prompt).id)
    with raw(store.path) as connection, connection:
        connection.execute("UPDATE project SET split_seed = 1 WHERE id = ?", (bench.project_id,))
    added = store.texts.add_passages(bench.project_id, [NewPassage(text=text) for text in PASSAGES.values()])
    bench.passages = dict(zip(PASSAGES, added.ids, strict=True))
    return bench


def make_a_mess(store: Store) -> Bench:
    """Make the project. What should come of it is written down in the tests."""
    bench = set_up(store)
    bench.add_query("what is a panda?", "bear", "food", "car", "blank", "gone", "half", "later", "unsure", "far 0")
    for name, said in {"bear": 3, "food": 2, "car": 0, "blank": 0, "gone": 1, "half": 1, "later": "later"}.items():
        bench.judge("what is a panda?", name, said)
    bench.judge("what is a panda?", "bear", 0, "file")
    bench.judge("what is a panda?", "food", 2, "Bob")
    bench.judge("what is a panda?", "unsure", "cant_tell", "Bob")
    bench.add_query("only positive", "bear", "car")
    bench.judge("only positive", "bear", 3, "file")
    bench.judge("only positive", "far 1", "skipped")
    bench.add_query("only negative", "car")
    bench.judge("only negative", "car", 0)
    bench.add_query("never graded", "car")
    bench.judge("never graded", "car", "skipped")
    bench.add_query("never judged", "car", "bear")
    bench.judge("never judged", "bear", 3)
    store.history.undo(bench.project_id, store.annotators.get_or_add("Ada").id)
    bench.add_query("deleted", "bear")
    bench.judge("deleted", "bear", 3)
    store.texts.delete_queries([bench.queries["deleted"]])
    store.texts.delete_passages([bench.passages["gone"]])
    _stage(bench)
    return bench


def name_texts(store: Store) -> Bench:
    """Make a project whose texts have no id, one, two, one that is another's too, and one with a space."""
    project_id = store.projects.create(str(uuid4())).id
    queries = [("one", "1"), ("two", "q1"), ("two", "q 2"), ("none", None), ("same", "1")]
    passages = [
        *(("Panda a bear", "d1", "Panda"), ("Panda a bear", "d1b", None), ("", "e1", None), ("", "e2", None)),
        *(("food", "d 2", None), ("other", "x3", "Other title"), ("car", None, None), ("Car", "c", "Car")),
    ]
    bench = Bench(store=store, project_id=project_id)
    added = store.texts.add_queries(project_id, [NewQuery(text=text, external_id=name) for text, name in queries])
    bench.queries = {text: key for (text, _), key in zip(queries, added.ids, strict=True)}
    given = [NewPassage(text=text, external_id=name, title=title) for text, name, title in passages]
    bench.passages = {
        passage.text: key for passage, key in zip(given, store.texts.add_passages(project_id, given).ids, strict=True)
    }
    for query, passage, grade in [
        *(("one", "Panda a bear", 3), ("one", "", 0), ("one", "food", 1), ("two", "other", 2), ("none", "car", 0)),
        *(("same", "Car", 3), ("same", "food", 0)),
    ]:
        bench.judge(query, passage, grade)
    return bench


def _stage(bench: Bench) -> None:
    """Leave an import half done: a passage, a candidate and judgements that nobody may see."""
    texts, imports = bench.store.texts, bench.store.imports
    batch = imports.begin(bench.project_id, source_kind="csv", source_name="x.csv", sha256="ab" * 32, scale="graded")
    passage = texts.add_passages(bench.project_id, [NewPassage(text="staged", external_id="s1")], batch_id=batch.id).ids[0]
    wanted = NewCandidate(query_id=bench.queries["only negative"], passage_id=passage, source="import")
    staged = texts.add_candidates([wanted], batch_id=batch.id).ids[0]
    known = bench.candidate("never judged", "car")
    annotator = bench.store.annotators.get_or_add("Cleo").id
    imports.add_judgements(
        batch.id,
        [
            ImportedJudgement(candidate_id=candidate, annotator_id=annotator, state="graded", grade=3)
            for candidate in (staged, known)
        ],
    )
