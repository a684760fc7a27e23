"""A corpus to find passages in: by BM25, over one index for all queries, and at random.

What a query gets depends on the query, the corpus and the seed, never on the other queries.
"""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from reranker_core.baseline import TermSplitter, query_terms
from reranker_core.examples.texts import check_text, describe, text_hash

OnProgress = Callable[[str, float | None], None]
"""Told what is being done, in words, and how much of it is done, 0 to 1 or unknown. What it raises stops the work."""

_Scores = npt.NDArray[np.float32]
_TOLD_EVERY = 1000  # passages


class CorpusIndex:
    """The passages of a corpus. Those that are empty or only white space are left out, and equal texts are one passage.

    Attributes:
        ids: one id of each passage: where several have the same text, the first.
        empty_ids: the ids that were left out.
        same_texts: how many ids more have the text of one of `ids`.
    """

    def __init__(self, corpus: Mapping[str, str], *, on_progress: OnProgress | None = None) -> None:
        """Read a corpus; the index is made when it is first needed.

        Args:
            corpus: passages by id.
            on_progress: see `OnProgress`.

        Raises:
            InputError: a passage is no text that can be written as UTF-8.
        """
        self._texts: list[str] = []
        self._place_of: dict[str, int] = {}
        self._splitter = TermSplitter()
        self._on_progress = on_progress
        places_by_hash: dict[str, int] = {}
        ids: list[str] = []
        empty_ids: list[str] = []
        for passage_id, text in corpus.items():
            check_text(text, where=f"passage {describe(passage_id)}")
            if not text.strip():
                empty_ids.append(passage_id)
                continue
            place = places_by_hash.setdefault(text_hash(text), len(ids))
            self._place_of[passage_id] = place
            if place == len(ids):
                ids.append(passage_id)
                self._texts.append(text)
        self._place_by_hash = places_by_hash
        self.ids = tuple(ids)
        self.empty_ids = tuple(empty_ids)
        self.same_texts = len(self._place_of) - len(ids)
        self._numbers = np.array([hash_number(passage_id) for passage_id in ids], dtype=np.uint64)
        self._by_terms: _TermIndex | None = None
        self._by_characters: _TermIndex | None = None

    def text(self, passage_id: str) -> str:
        """Give the text of a passage; that of an id of `empty_ids` is not kept."""
        return self._texts[self._place_of[passage_id]]

    def find_id(self, passage_id: str) -> str | None:
        """Give the id of `ids` under which the text of any id of the corpus goes; `None` if it is empty or unknown."""
        place = self._place_of.get(passage_id)
        return None if place is None else self.ids[place]

    def find_text(self, text: str) -> str | None:
        """Give the id of the passage with this text, if there is one."""
        place = self._place_by_hash.get(text_hash(text))
        return None if place is None else self.ids[place]

    def search(self, query: str, *, depth: int) -> dict[str, float]:
        """Find the passages that share a word with a query, by BM25 as `BM25Reranker` counts it over the whole corpus.

        Single characters such as 猫 are looked up in an index of characters of their own.

        Args:
            query: any text.
            depth: how many at most.

        Returns:
            Scores above 0 by passage id, the best first; equal ones in the order of a hash of the id, so that the order
            of the corpus favours nobody.
        """
        wanted = query_terms(query)
        terms = [term for term in self._splitter.split(query) if term in wanted]
        lone = [term for term in terms if self._splitter.is_lone(term)]
        others = [term for term in terms if term not in lone]
        scores = np.zeros(len(self.ids), dtype=np.float32)
        if others:
            self._by_terms = self._by_terms or self._build("reading the corpus", self._splitter.split)
            scores += self._by_terms.score(others)
        if lone:
            self._by_characters = self._by_characters or self._build(
                "reading single characters", self._splitter.split_characters
            )
            scores += self._by_characters.score(lone)
        return {self.ids[place]: float(scores[place]) for place in self._take_best(scores, depth)}

    def draw(self, query_id: str, *, count: int, seed: int, without: Collection[str] = ()) -> list[str]:
        """Draw passages at random: the same for the same seed, query id and corpus; in a grown corpus mostly the same.

        Args:
            query_id: of the query that they are for.
            count: how many; fewer come where the corpus has no more.
            seed: any whole number.
            without: ids of `ids` that are not to come.
        """
        keys = _mix(self._numbers ^ np.uint64(hash_number(f"{seed}\0{query_id}")))
        taken = [self._place_of[passage_id] for passage_id in without]
        is_open = np.ones(len(keys), dtype=bool)
        is_open[taken] = False
        places = np.flatnonzero(is_open)
        if count < len(places):
            places = places[np.argpartition(keys[places], count)[:count]]
        return [self.ids[place] for place in places[np.argsort(keys[places], kind="stable")]]

    def _build(self, stage: str, split: Callable[[str], list[str]]) -> "_TermIndex":
        return _TermIndex(map(split, self._tell_of(stage, self._texts)))

    def _tell_of(self, stage: str, texts: Sequence[str]) -> Iterable[str]:
        for number, text in enumerate(texts):
            if self._on_progress and number % _TOLD_EVERY == 0:
                self._on_progress(stage, number / len(texts))
            yield text
        if self._on_progress:
            self._on_progress("making the index", None)

    def _take_best(self, scores: _Scores, depth: int) -> npt.NDArray[np.intp]:
        places = np.flatnonzero(scores > 0)
        if len(places) > depth:
            limit = np.partition(scores[places], -depth)[-depth]
            places = places[scores[places] >= limit]
        return places[np.lexsort((self._numbers[places], -scores[places]))[:depth]]


class _TermIndex:
    """BM25 in Lucene's form (k1 1.2, b 0.75) by bm25s, with a number for each term instead of its text."""

    def __init__(self, passages: Iterable[list[str]]) -> None:
        import bm25s

        self._numbers: dict[str, int] = {}
        by_passage = [[self._numbers.setdefault(term, len(self._numbers)) for term in terms] for terms in passages]
        self._index = bm25s.BM25(k1=1.2, b=0.75, method="lucene") if self._numbers else None
        if self._index is not None:
            self._index.index((by_passage, self._numbers), show_progress=False)

    def score(self, terms: list[str]) -> _Scores | np.float32:
        """Score every passage for some terms; those that no passage has count nothing."""
        known = [self._numbers[term] for term in terms if term in self._numbers]
        if self._index is None or not known:
            return np.float32(0)
        scores: _Scores = self._index.get_scores_from_ids(known)
        return scores


def hash_number(text: str) -> int:
    """Give 64 bits of a hash of a text, the same everywhere."""
    return int.from_bytes(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:8], "big")


def _mix(numbers: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Scatter numbers, so that those which differ in a bit have nothing in common (the finalizer of SplitMix64)."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
