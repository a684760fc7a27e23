"""Corpora, candidates and the teacher's scores → training rows with `pos_scores` and `neg_scores`."""

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

import bm25s
import numpy as np
import numpy.typing as npt
from made_queries import MadeQuery

from reranker_core.baseline import TermSplitter, query_terms
from reranker_core.examples import TrainingExample

Passage = tuple[str, str]
"""Source and text."""

_Vectors = npt.NDArray[np.float32]

_DEPTH = 50  # candidates by BM25, as a reranker would get them
_SPARE = 14  # found beside them, since some are left out
_LEAST = 20  # fewer are no ranking to learn from


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """What BM25 finds for a query.

    Attributes:
        query: the place of the query.
        passages: the places of the passages, the best first.
        scores: of BM25, as many.
    """

    query: int
    passages: tuple[int, ...]
    scores: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Teaching:
    """How the teacher's scores are made.

    Attributes:
        bm25_weight: of BM25 beside the cosine, both standardised over a query's candidates.
        sharpness: what the mixture, standardised again, is multiplied by: the inverse of a temperature.
        group_size: passages of a row.
    """

    bm25_weight: float = 0.5
    sharpness: float = 1.5
    group_size: int = 8


def choose_passages(passages: Iterable[Passage], *, count: int, most_of_a_package: int) -> list[Passage]:
    """Choose passages by a hash of their source, so that no package has more than its share, none twice."""
    chosen: list[Passage] = []
    of_package: Counter[str] = Counter()
    seen: set[str] = set()
    for source, text in sorted(passages, key=lambda passage: hashlib.sha256(passage[0].encode()).hexdigest()):
        package = source.split(":")[0]
        if of_package[package] < most_of_a_package and text not in seen:
            of_package[package] += 1
            seen.add(text)
            chosen.append((source, text))
        if len(chosen) == count:
            break
    return chosen


def find_candidates(queries: Sequence[MadeQuery], passages: Sequence[Passage]) -> list[Candidates]:
    """Find each query's best passages by BM25; those that hold the sentence it was made of are left out.

    Args:
        queries: those with too few candidates get none.
        passages: the corpus.
    """
    splitter = TermSplitter()
    index = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    index.index([splitter.split(text) for _, text in passages], show_progress=False)
    found: list[Candidates] = []
    for place, query in enumerate(queries):
        wanted = query_terms(query.text)
        terms = [term for term in splitter.split(query.text) if term in wanted and term in index.vocab_dict]
        if len(set(terms)) < 2:
            continue
        scores = index.get_scores(terms)
        best = np.argpartition(-scores, _DEPTH + _SPARE)[: _DEPTH + _SPARE]
        best = best[np.lexsort((best, -scores[best]))]
        kept = [int(p) for p in best if scores[p] > 0 and not (query.said and query.said in passages[p][1])][:_DEPTH]
        if len(kept) >= _LEAST:
            found.append(Candidates(query=place, passages=tuple(kept), scores=tuple(float(scores[p]) for p in kept)))
    return found


def mix_teacher(candidates: Candidates, query: _Vectors, passages: _Vectors, teaching: Teaching) -> _Vectors:
    """Give the teacher's score of each candidate: the encoder's cosine and BM25, each standardised, added, standardised.

    Args:
        candidates: of one query.
        query: (hidden,), its vector.
        passages: (corpus, hidden), those of all passages.
        teaching: the weights.
    """
    cosines = passages[list(candidates.passages)] @ query
    mixed = _standardise(cosines) + teaching.bm25_weight * _standardise(np.array(candidates.scores, dtype=np.float32))
    return cast(_Vectors, _standardise(mixed) * teaching.sharpness)


def _standardise(values: _Vectors) -> _Vectors:
    return cast(_Vectors, (values - values.mean()) / (values.std() + 1e-6))


def make_row(query: str, texts: Sequence[str], scores: _Vectors, teaching: Teaching) -> TrainingExample:
    """Make a row of the teacher's best candidate and others spread evenly over its ranking.

    Args:
        query: the query.
        texts: its candidates.
        scores: the teacher's, as many.
        teaching: the size of a row.
    """
    order = np.argsort(-scores, kind="stable")
    others = order[1:]
    edges = [len(others) * part // (teaching.group_size - 1) for part in range(teaching.group_size)]
    drawn = [others[low + _number(f"{query} {low}") % (high - low)] for low, high in pairwise(edges) if high > low]
    return TrainingExample(
        query=query,
        pos=(texts[order[0]],),
        neg=tuple(texts[place] for place in drawn),
        pos_scores=(round(float(scores[order[0]]), 4),),
        neg_scores=tuple(round(float(scores[place]), 4) for place in drawn),
    )


def make_dev_row(query: str, texts: Sequence[str], scores: _Vectors) -> TrainingExample:
    """Make a row to measure on: the teacher's best three, and every second of the others."""
    order = np.argsort(-scores, kind="stable")
    return TrainingExample(
        query=query, pos=tuple(texts[place] for place in order[:3]), neg=tuple(texts[place] for place in order[3::2])
    )


def _number(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
