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


def find_moves(material: Material) -> list[int]:
    """Give the queries in test that have to go to train so that nothing leaks, and mark them as being there.

    Each that goes may share a passage with another one in test, which then has to go too.
    """
    moved: list[int] = []
    while found := {one.queries[0] for one in find_leaks(material)}:
        for query in material.queries:
            if query.id in found:
                query.split = "train"
        moved += sorted(found)
    return moved


def find_no_positive(material: Material) -> Iterator[Found]:
    """Give queries with grades of which none is positive, with those pairs that were judged, but not graded."""
    for query in material.queries:
        golds = [gold for _, gold in query.golds()]
        if golds and max(golds) < material.positive_from:
            unclear = tuple(pair.candidate_id for pair in query.pairs.values() if pair.gold is None)
            rest = f", {len(unclear)} skipped, not clear or put off" if unclear else ""
            yield Found(queries=(query.id,), candidates=unclear, note=f"{len(golds)} graded{rest}")


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
    """Give groups of queries and of passages that are the same but for case, white space and such.

    With each come the pairs of its texts that differ in nothing else, but have different grades.
    """
    query_groups, passage_groups = _name_groups(material.query_twins), _name_groups(material.passage_twins)
    alike: dict[tuple[int, int], list[PairLabels]] = {}
    for query in material.queries:
        for passage, pair in query.pairs.items():
            if pair.gold is not None and (query.id in query_groups or passage in passage_groups):
                key = query_groups.get(query.id, query.id), passage_groups.get(passage, passage)
                alike.setdefault(key, []).append(pair)
    by_query: dict[int, list[int]] = {}
    by_passage: dict[int, list[int]] = {}
    for (query_id, passage), pairs in alike.items():
        if len({pair.gold for pair in pairs}) > 1:
            candidates = [pair.candidate_id for pair in pairs]
            by_query.setdefault(query_id, []).extend(candidates)
            by_passage.setdefault(passage, []).extend(candidates)
    for first, group in material.query_twins.items():
        pairs_of = tuple(by_query.get(first, ()))
        yield Found(queries=tuple(group), candidates=pairs_of, note=_tell(len(group), "queries", pairs_of))
    for first, group in material.passage_twins.items():
        pairs_of = tuple(by_passage.get(first, ()))
        yield Found(passages=tuple(group), candidates=pairs_of, note=_tell(len(group), "passages", pairs_of))


def _tell(count: int, what: str, candidates: tuple[int, ...]) -> str:
    return f"{count} {what}, with different grades" if candidates else f"{count} {what}"


def _positives(query: QueryLabels, material: Material) -> Iterator[int]:
    return (passage for passage, gold in query.golds() if gold >= material.positive_from)


def _name_groups(twins: dict[int, list[int]]) -> dict[int, int]:
    """Give the first of its group for every text in one."""
    return {key: first for first, group in twins.items() for key in group}
