"""Passages chosen from a corpus: candidates to be judged, and hard negatives. Ids and texts in, runs out; no database.

- `pool_candidates`: the best of BM25 and of any models, and a random share, with where each comes from
- `mine_negatives`: negatives near a query, and apart from them those that may be answers
- `CorpusIndex`, `search_queries`, `rerank_run`, `pool_runs`: the steps of both, for whoever has one model at a time
"""

from reranker_core.mining.corpus_index import CorpusIndex, OnProgress
from reranker_core.mining.negatives import MinedPassage, MinedQuery, mine_negatives
from reranker_core.mining.pooling import Place, Pool, PooledPassage, pool_candidates, pool_runs
from reranker_core.mining.ranking import System, rerank_run, search_queries

__all__ = [
    "CorpusIndex",
    "MinedPassage",
    "MinedQuery",
    "OnProgress",
    "Place",
    "Pool",
    "PooledPassage",
    "System",
    "mine_negatives",
    "pool_candidates",
    "pool_runs",
    "rerank_run",
    "search_queries",
]
