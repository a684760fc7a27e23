"""What the checks look at: all labels of a project as they are at one moment, by query and passage."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from annotations.exchange.splits import place
from annotations.folding import fold
from annotations.gold import NEGATIVE_TO, POSITIVE_FROM, GoldRule, settle
from annotations.models import AnnotatorKind, Split, State
from annotations.store.labels import LabelReading


@dataclass(slots=True, kw_only=True)
class PairLabels:
    """The judgements of one pair.

    Attributes:
        candidate_id: of the pair.
        grades: annotator's id, kind and grade.
        states: of all judgements.
        gold: the gold grade; `None` if nobody graded.
    """

    candidate_id: int
    grades: list[tuple[int, AnnotatorKind, int]] = field(default_factory=list)
    states: set[State] = field(default_factory=set)
    gold: int | None = None

    @property
    def is_only_imported(self) -> bool:
        """Whether an import graded it and no person did, so that the queue passes over it."""
        kinds = {kind for _, kind, _ in self.grades}
        return "import" in kinds and "human" not in kinds

    def counted(self) -> list[tuple[int, int]]:
        """Give annotator and grade of those whose grades count: people's, if any person graded."""
        by_people = [(who, grade) for who, kind, grade in self.grades if kind == "human"]
        return by_people or [(who, grade) for who, _, grade in self.grades]


@dataclass(slots=True, kw_only=True)
class QueryLabels:
    """The judged pairs of one query, by passage, and the part it belongs to."""

    id: int
    split: Split
    pairs: dict[int, PairLabels] = field(default_factory=dict)

    def golds(self) -> Iterator[tuple[int, int]]:
        """Give passage and gold grade of all pairs that have one."""
        for passage, pair in self.pairs.items():
            if pair.gold is not None:
                yield passage, pair.gold


@dataclass(slots=True, kw_only=True)
class Material:
    """All labels of a project; nothing that was deleted.

    Attributes:
        positive_from: the lowest positive grade.
        negative_to: the highest negative grade.
        queries: those with any judgement, in the order in which they were added.
        handles: of all annotators, by id.
        passage_twins: groups of passages that differ in nothing but case, white space and such, by their first.
        query_twins: likewise of queries.
        blank_passages: that hold nothing but white space.
    """

    positive_from: int
    negative_to: int
    queries: list[QueryLabels]
    handles: dict[int, str]
    passage_twins: dict[int, list[int]]
    query_twins: dict[int, list[int]]
    blank_passages: list[int]


def gather(reading: LabelReading, *, rule: GoldRule) -> Material:
    """Read all that the checks need."""
    annotators = reading.annotators()
    kinds = {key: annotator.kind for key, annotator in annotators.items()}
    queries, query_texts = [], []
    for page in reading.pages():
        kept = [row for row in page if not row.is_deleted]
        judgements = reading.judgements([row.id for row in kept])
        query_texts += sorted(reading.query_texts([row.id for row in kept]).items())
        for row in kept:
            split = row.split or place(row.sha256, seed=reading.project.split_seed)
            labels = QueryLabels(id=row.id, split=split)
            for judgement in judgements.get(row.id, ()):
                if judgement.is_deleted:
                    continue
                pair = labels.pairs.setdefault(judgement.passage_id, PairLabels(candidate_id=judgement.candidate_id))
                pair.states.add(judgement.state)
                if judgement.grade is not None:
                    pair.grades.append((judgement.annotator_id, kinds[judgement.annotator_id], judgement.grade))
            for pair in labels.pairs.values():
                if pair.grades:
                    pair.gold = settle([(kind, grade) for _, kind, grade in pair.grades], rule=rule).grade
            if labels.pairs:
                queries.append(labels)
    twins, blank = _find_twins((row.id, row.text) for row in reading.corpus())
    return Material(
        positive_from=POSITIVE_FROM[reading.project.scale or "binary"],
        negative_to=NEGATIVE_TO,
        queries=queries,
        handles={key: annotator.handle for key, annotator in annotators.items()},
        passage_twins=twins,
        query_twins=_find_twins(query_texts)[0],
        blank_passages=blank,
    )


def _find_twins(texts: Iterable[tuple[int, str]]) -> tuple[dict[int, list[int]], list[int]]:
    """Give the groups of texts that are the same when folded, by the first of each, and those that are blank."""
    first_of: dict[bytes, int] = {}
    groups: dict[int, list[int]] = {}
    blank = []
    for key, text in texts:
        folded = fold(text)
        if not folded:
            blank.append(key)
            continue
        first = first_of.setdefault(hashlib.blake2b(folded.encode(), digest_size=16).digest(), key)
        if first != key:
            groups.setdefault(first, [first]).append(key)
    return groups, blank
