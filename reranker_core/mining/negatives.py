"""Hard negatives: passages near a query that do not answer it, and apart from them those that perhaps do.

A reranker learns from negatives that look like answers, and is spoilt by answers that nobody has labelled. NV-Retriever
(Moreira et al. 2024, arXiv 2407.15831, "TopK-PercPos") takes as negatives only what scores below 95 % of the positive. A
share means nothing among logits: those of a good pair may be -2, and 95 % of that is higher than it. So the scores
compared here are in (0, 1), after the sigmoid. Where a query has several positives, the lowest decides, as in
sentence-transformers' `mine_hard_negatives`.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from reranker_core.errors import InputError
from reranker_core.examples import Run
from reranker_core.examples.texts import describe, text_hash
from reranker_core.mining.corpus_index import CorpusIndex, OnProgress
from reranker_core.mining.ranking import BM25, RANDOM, check_name, rerank_run, search_queries
from reranker_core.reranker import Reranker
from reranker_core.scores import sigmoid

_NOTHING: Mapping[str, Collection[str]] = MappingProxyType({})


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedPassage:
    """A passage for a query.

    Attributes:
        passage_id: the id.
        source: `"bm25"`, or `"random"` for one that fills up.
        rank: BM25's, from 1, positives not counted; `None` for a random one.
        score: the reranker's in (0, 1); `None` without a reranker.
    """

    passage_id: str
    source: str
    rank: int | None
    score: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class MinedQuery:
    """What was found for a query.

    Attributes:
        negatives: the hardest first, random ones last; fewer than asked for where there are no more.
        doubtful: at or above the limit, the highest score first: to be labelled, not to be trained on as negatives.
        limit: what a negative's score is below; `None` without a reranker.
    """

    negatives: tuple[MinedPassage, ...]
    doubtful: tuple[MinedPassage, ...]
    limit: float | None


def mine_negatives(
    queries: Mapping[str, str],
    corpus: Mapping[str, str],
    positives: Mapping[str, Sequence[str]],
    *,
    reranker: Reranker | None = None,
    negatives: int = 7,
    depth: int = 100,
    max_relative: float = 0.95,
    seed: int = 0,
    exclude: Mapping[str, Collection[str]] = _NOTHING,
    cutoff_layers: int | None = None,
    on_progress: OnProgress | None = None,
) -> dict[str, MinedQuery]:
    """Mine hard negatives: BM25 finds passages, the reranker orders them and tells those that may be answers.

    Without a reranker BM25's best are taken, and nothing is held to be doubtful: look at them before training. Where too
    few are left, passages drawn at random fill up. Never a negative: a positive of the query or of another query of the
    same text, the query itself as a passage, an empty passage; and no text twice.

    Args:
        queries: texts by id.
        corpus: passages by id.
        positives: passage ids of each query, all of the corpus, at least one that is not empty.
        reranker: with logits: not BM25.
        negatives: how many for each query.
        depth: how many of BM25's best to look at.
        max_relative: the share of the lowest positive's score below which a negative must be; above 0 and up to 1.
        seed: of what is drawn at random.
        exclude: passage ids that are not to come, such as those already judged, by query id.
        cutoff_layers: for a layerwise model, the layer to read.
        on_progress: see `OnProgress`.

    Raises:
        InputError: an argument is out of range, or names a passage that is not there.
        ScoringError: as `Reranker.score`.
    """
    _check(negatives=negatives, depth=depth, max_relative=max_relative)
    if reranker is not None:
        check_name(reranker.name, reranker)
    index = CorpusIndex(corpus, on_progress=on_progress)
    known = {query_id: _find_ids(index, corpus, query_id, positives.get(query_id, ())) for query_id in queries}
    taken = _find_taken(queries, index, known, exclude)
    found = _search(queries, index, taken, depth=depth, on_progress=on_progress)
    spare = {
        query_id: index.draw(query_id, count=negatives, seed=seed, without=taken[query_id] | run.keys())
        for query_id, run in found.items()
    }
    scores: Run = {}
    if reranker is not None:
        wanted = {one: dict.fromkeys([*known[one], *found[one], *spare[one]], 0.0) for one in queries}
        scores = _score(queries, index, wanted, reranker, cutoff_layers, on_progress)
    return {
        query_id: _choose(
            _list_passages(found[query_id], spare[query_id], scores=scores.get(query_id, {})),
            limit=max_relative * min(scores[query_id][one] for one in known[query_id]) if scores else None,
            count=negatives,
        )
        for query_id in queries
    }


def _check(*, negatives: int, depth: int, max_relative: float) -> None:
    if negatives < 1 or depth < 1:
        raise InputError(f"negatives and depth must be at least 1, got {negatives} and {depth}.")
    if not 0 < max_relative <= 1:
        raise InputError(f"max_relative must be above 0 and at most 1, got {max_relative}. 0.95 is usual.")


def _find_ids(index: CorpusIndex, corpus: Mapping[str, str], query_id: str, given: Sequence[str]) -> list[str]:
    """Find the passages behind a query's positives; empty ones are none."""
    for passage_id in given:
        if passage_id not in corpus:
            raise InputError(
                f"Positive {describe(passage_id)} of query {describe(query_id)} is not in the corpus. Add it or leave it "
                "out."
            )
    ids = dict.fromkeys(index.find_id(passage_id) for passage_id in given)
    known = [passage_id for passage_id in ids if passage_id is not None]
    if not known:
        raise InputError(
            f"Query {describe(query_id)} has no positive with a text, so nothing tells what is negative. Add one or leave "
            "the query out."
        )
    return known


def _find_taken(
    queries: Mapping[str, str],
    index: CorpusIndex,
    known: Mapping[str, Sequence[str]],
    exclude: Mapping[str, Collection[str]],
) -> dict[str, set[str]]:
    """Find what can be no negative of each query: queries of the same text share their positives."""
    by_text: dict[str, set[str]] = {}
    for query_id, query in queries.items():
        by_text.setdefault(text_hash(query), set()).update(known[query_id])
    taken = {}
    for query_id, query in queries.items():
        others = [index.find_text(query), *map(index.find_id, exclude.get(query_id, ()))]
        taken[query_id] = by_text[text_hash(query)] | {passage_id for passage_id in others if passage_id is not None}
    return taken


def _search(
    queries: Mapping[str, str],
    index: CorpusIndex,
    taken: Mapping[str, Collection[str]],
    *,
    depth: int,
    on_progress: OnProgress | None,
) -> Run:
    """Find each query's best by BM25, deeper by what is taken, so that positives cost a query nothing of its depth."""
    deepest = depth + max(map(len, taken.values()), default=0)
    run = search_queries(queries, index, depth=deepest, on_progress=on_progress)
    return {
        query_id: dict([item for item in scores.items() if item[0] not in taken[query_id]][:depth])
        for query_id, scores in run.items()
    }


def _score(
    queries: Mapping[str, str],
    index: CorpusIndex,
    wanted: Run,
    reranker: Reranker,
    cutoff_layers: int | None,
    on_progress: OnProgress | None,
) -> Run:
    """Score passages between 0 and 1."""
    [run] = rerank_run(
        queries,
        index,
        run=wanted,
        name=reranker.name,
        reranker=reranker,
        cutoff_layers=cutoff_layers,
        on_progress=on_progress,
    ).values() or [{}]
    return {
        query_id: {passage_id: sigmoid(logit) for passage_id, logit in logits.items()} for query_id, logits in run.items()
    }


def _list_passages(found: Iterable[str], spare: Iterable[str], *, scores: Mapping[str, float]) -> list[MinedPassage]:
    by_bm25 = [
        MinedPassage(passage_id=passage_id, source=BM25, rank=rank, score=scores.get(passage_id))
        for rank, passage_id in enumerate(found, start=1)
    ]
    drawn = (
        MinedPassage(passage_id=passage_id, source=RANDOM, rank=None, score=scores.get(passage_id)) for passage_id in spare
    )
    return [*by_bm25, *drawn]


def _choose(passages: list[MinedPassage], *, limit: float | None, count: int) -> MinedQuery:
    """Take the hardest that are no doubt negative, and list those that may be answers."""
    if limit is None:
        return MinedQuery(negatives=tuple(passages[:count]), doubtful=(), limit=None)
    ordered = sorted(passages, key=lambda passage: (passage.source == RANDOM, -(passage.score or 0.0)))
    clear = [passage for passage in ordered if (passage.score or 0.0) < limit]
    doubtful = [passage for passage in ordered if (passage.score or 0.0) >= limit]
    return MinedQuery(
        negatives=tuple(clear[:count]),
        doubtful=tuple(sorted(doubtful, key=lambda passage: -(passage.score or 0.0))),
        limit=limit,
    )
