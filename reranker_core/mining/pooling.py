"""Candidates to be judged: the best passages of several systems, and a random share that none of them asked for.

Judging only what one system finds favours that system (Soboroff 2007), and learning from what systems find only is no
better than chance (Althammer et al. 2023, arXiv 2309.06131): hence several systems, and the random share.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reranker_core.errors import InputError
from reranker_core.examples import Run
from reranker_core.mining.corpus_index import CorpusIndex, OnProgress
from reranker_core.mining.ranking import BM25, RANDOM, System, check_name, rerank_run, search_queries
from reranker_core.reranker import Reranker

_FUSION = 60  # the constant of reciprocal rank fusion (Cormack, Clarke and Büttcher 2009)


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a system put a passage.

    Attributes:
        system: the title of a system.
        rank: from 1, each once.
        score: its own.
    """

    system: str
    rank: int
    score: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PooledPassage:
    """A candidate with where it comes from.

    Attributes:
        passage_id: the id.
        places: of the systems that have it among their best, the highest place first; empty if it was drawn at random.
    """

    passage_id: str
    places: tuple[Place, ...]

    @property
    def source(self) -> str:
        """The title of the system that put it highest, or `"random"`."""
        return self.places[0].system if self.places else RANDOM

    @property
    def rank(self) -> int | None:
        """Where that system put it."""
        return self.places[0].rank if self.places else None

    @property
    def fused_score(self) -> float:
        """What orders the candidates: the sum of 1 / (60 + rank) over its places; 0 if it was drawn at random."""
        return sum(1 / (_FUSION + place.rank) for place in self.places)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """Candidates for each query.

    Attributes:
        candidates: by query id, by descending `fused_score`; those drawn at random at the end, in the order of the draw.
        systems: what ranked passages.
        runs: by a system's title, all that it ranked, also below the depth of the pool.
        unmatched: ids of the queries of which no passage has a word; theirs are random only.
        empty_passages: how many passages were left out for being empty.
        same_passages: how many were left out because an earlier one has the same text.
    """

    candidates: Mapping[str, tuple[PooledPassage, ...]]
    systems: tuple[System, ...]
    runs: Mapping[str, Run]
    unmatched: tuple[str, ...]
    empty_passages: int
    same_passages: int

    @property
    def run(self) -> Run:
        """The candidates as one run, with their fused scores."""
        return {
            query_id: {passage.passage_id: passage.fused_score for passage in passages}
            for query_id, passages in self.candidates.items()
        }


def pool_candidates(
    queries: Mapping[str, str],
    corpus: Mapping[str, str],
    *,
    rerankers: Iterable[tuple[str, Reranker]] = (),
    depth: int = 20,
    first_stage: int = 100,
    random_share: float = 0.2,
    seed: int = 0,
    cutoff_layers: Sequence[int] | int | None = None,
    on_progress: OnProgress | None = None,
) -> Pool:
    """Pool candidates: BM25 searches the corpus, each reranker orders what it found, and each system's best come together.

    What a query gets does not depend on the others, so that a pool can be made again with more of them.

    Args:
        queries: texts by id.
        corpus: passages by id. Empty ones are never pooled; of equal texts only the first is.
        rerankers: with the names that tell them apart. Gone through once, and none is held on to, so a generator may load
            one after the other.
        depth: how many of each system's best are pooled.
        first_stage: how many of BM25's best the rerankers see; at least `depth`.
        random_share: of a query's candidates, how many were drawn at random from the rest of the corpus: 0 to below 1,
            rounded up. A query that no passage shares a word with gets `depth` random ones.
        seed: of the draws.
        cutoff_layers: for layerwise models; each layer is a system of its own.
        on_progress: see `OnProgress`.

    Raises:
        InputError: an argument is out of range, two systems have one name, or no passage has a text.
        ScoringError: as `Reranker.score`.
    """
    check_share(random_share)
    if depth < 1 or first_stage < depth:
        raise InputError(f"depth must be at least 1 and first_stage at least depth, got {depth} and {first_stage}.")
    index = CorpusIndex(corpus, on_progress=on_progress)
    if not index.ids:
        raise InputError(f"The corpus has {len(corpus)} passages and none with a text. Give the passages to choose from.")
    found = search_queries(queries, index, depth=first_stage, on_progress=on_progress)
    runs = {System(title=BM25, name=BM25): found}
    for name, reranker in rerankers:
        check_name(name, reranker, taken=[system.name for system in runs])
        runs |= rerank_run(
            queries,
            index,
            run=found,
            name=name,
            reranker=reranker,
            cutoff_layers=cutoff_layers,
            on_progress=on_progress,
        )
        del reranker  # or it stays in memory while the next one is loaded
    return pool_runs(runs, index, depth=depth, random_share=random_share, seed=seed)


def pool_runs(runs: Mapping[System, Run], index: CorpusIndex, *, depth: int, random_share: float, seed: int) -> Pool:
    """Pool what systems ranked already; `pool_candidates` without the ranking, for whoever loads one model at a time.

    Args:
        runs: of the same queries, best first; the first is the one that found them.
        index: the corpus.
        depth: how many of each system's best are pooled.
        random_share: see `pool_candidates`.
        seed: of the draws.

    Raises:
        InputError: the share is out of range.
    """
    check_share(random_share)
    first = next(iter(runs.values()))
    candidates = {}
    for query_id in first:
        pooled = _fuse({system.title: run[query_id] for system, run in runs.items()}, depth)
        # Rounded up, but not for a share such as 0.2 that a float holds slightly too high.
        count = math.ceil(len(pooled) * random_share / (1 - random_share) - 1e-9) if pooled else depth
        drawn = index.draw(query_id, count=count, seed=seed, without=[passage.passage_id for passage in pooled])
        candidates[query_id] = (*pooled, *(PooledPassage(passage_id=passage_id, places=()) for passage_id in drawn))
    return Pool(
        candidates=candidates,
        systems=tuple(runs),
        runs={system.title: run for system, run in runs.items()},
        unmatched=tuple(query_id for query_id, found in first.items() if not found),
        empty_passages=len(index.empty_ids),
        same_passages=index.same_texts,
    )


def check_share(random_share: float) -> None:
    """Check a random share.

    Raises:
        InputError: it is out of range.
    """
    if not 0 <= random_share < 1:
        raise InputError(f"random_share must be at least 0 and below 1, got {random_share}. 0.2 is usual.")


def _fuse(found: Mapping[str, Mapping[str, float]], depth: int) -> list[PooledPassage]:
    """Bring each system's best together, the highest fused score first."""
    places: dict[str, list[Place]] = {}
    for title, scores in found.items():
        for rank, (passage_id, score) in enumerate(list(scores.items())[:depth], start=1):
            places.setdefault(passage_id, []).append(Place(system=title, rank=rank, score=score))
    pooled = [
        PooledPassage(passage_id=passage_id, places=tuple(sorted(of_passage, key=lambda place: place.rank)))
        for passage_id, of_passage in places.items()
    ]
    return sorted(pooled, key=lambda passage: (-passage.fused_score, passage.rank or 0))
