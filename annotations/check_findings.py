"""What each check finds, in the order in which the queries or texts were added. Pure: from the labels as they were read."""

from collections.abc import Iterator
from dataclasses import dataclass

from annotations.check_material import Material, PairLabels, QueryLabels


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One thing that was found, by the ids of what is concerned; the note says who said what, or what is the same."""

    queries: tuple[int, ...] = ()
    passages: tuple[int, ...] = ()
    candidates: tuple[int, ...] = ()
    note: str = ""


def find_contradictions(material: Material) -> Iterator[Found]:
    """Give pairs of which annotators whose grades count say positive and negative."""
    for query in material.queries:
        for passage, pair in query.pairs.items():
            counted = pair.counted()
            grades = [grade for _, grade in counted]
            if grades and min(grades) <= material.negative_to and max(grades) >= material.positive_from:
                said = ", ".join(f"{material.handles[who]}: {grade}" for who, grade in counted)
                note = f"{said}; the rule takes {pair.gold}"
                yield Found(queries=(query.id,), passages=(passage,), candidates=(pair.candidate_id,), note=note)


def find_contradicting_twins(material: Material) -> Iterator[Found]:
    """Give passages of one query that are the same but for case and white space, and are positive and negative."""
    first_of = _name_groups(material.passage_twins)
    for query in material.queries:
        groups: dict[int, list[tuple[int, PairLabels]]] = {}
        for passage, pair in query.pairs.items():
            if pair.gold is not None and passage in first_of:
                groups.setdefault(first_of[passage], []).append((passage, pair))
        for group in groups.values():
            golds = [pair.gold for _, pair in group if pair.gold is not None]
            if min(golds) <= material.negative_to and max(golds) >= material.positive_from:
                yield Found(
                    queries=(query.id,),
                    passages=tuple(passage for passage, _ in group),
                    candidates=tuple(pair.candidate_id for _, pair in group),
                    note="grades " + ", ".join(map(str, golds)),
                )


def find_leaks(material: Material) -> Iterator[Found]:
    """Give passages that are positive for a query in test and for one in train; the same but for case is the same."""
    first_of = _name_groups(material.passage_twins)
    in_train: dict[int, tuple[QueryLabels, int]] = {}
    for query in material.queries:
        if query.split == "train":
            for passage in _positives(query, material):
                in_train.setdefault(first_of.get(passage, passage), (query, passage))
    for query in material.queries:
        if query.split == "test":
            for passage in _positives(query, material):
                if (there := in_train.get(first_of.get(passage, passage))) is not None:
                    other, same = there
                    yield Found(
                        queries=(query.id, other.id),
                        passages=(passage,) if same == passage else (passage, same),
                        candidates=(query.pairs[passage].candidate_id, other.pairs[same].candidate_id),
                        note="positive in test and in train",
                    )


def find_no_positive(material: Material) -> Iterator[Found]:
    """Give queries with grades of which none is positive."""
    for query in material.queries:
        golds = [gold for _, gold in query.golds()]
        if golds and max(golds) < material.positive_from:
            yield Found(queries=(query.id,), note=f"{len(golds)} graded")


def find_no_negative(material: Material) -> Iterator[Found]:
    """Give queries with a positive and no negative."""
    for query in material.queries:
        golds = [gold for _, gold in query.golds()]
        if golds and max(golds) >= material.positive_from and min(golds) > material.negative_to:
            yield Found(queries=(query.id,), note=f"{len(golds)} graded")


def find_unclear(material: Material) -> Iterator[Found]:
    """Give queries of which nothing is graded, but something skipped or not clear."""
    for query in material.queries:
        unclear = [pair for pair in query.pairs.values() if pair.states & {"skipped", "cant_tell"}]
        if unclear and not any(True for _ in query.golds()):
            candidates = tuple(pair.candidate_id for pair in unclear)
            yield Found(queries=(query.id,), candidates=candidates, note=f"{len(unclear)} skipped or not clear")


def find_empty(material: Material) -> Iterator[Found]:
    """Give passages without any text."""
    return (Found(passages=(passage,)) for passage in material.blank_passages)


def find_near_duplicates(material: Material) -> Iterator[Found]:
    """Give groups of queries and of passages that are the same but for case, white space and such."""
    for group in material.query_twins.values():
        yield Found(queries=tuple(group), note=f"{len(group)} queries")
    for group in material.passage_twins.values():
        yield Found(passages=tuple(group), note=f"{len(group)} passages")


def _positives(query: QueryLabels, material: Material) -> Iterator[int]:
    return (passage for passage, gold in query.golds() if gold >= material.positive_from)


def _name_groups(twins: dict[int, list[int]]) -> dict[int, int]:
    """Give the first of its group for every text in one."""
    return {key: first for first, group in twins.items() for key in group}
