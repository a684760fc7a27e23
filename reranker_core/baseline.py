"""BM25 as a reranker: over the passages given with a query, no weights needed. The line that every model has to beat."""

import time
import unicodedata
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

import numpy as np

from reranker_core.errors import InputError
from reranker_core.reranker import Pair, Progress, Reranker, check_pairs
from reranker_core.scores import Scores

# Lucene's English stop words. They are left out of queries only, and only while another word remains.
_STOP_WORDS = frozenset(
    (
        "a an and are as at be but by for if in into is it no not of on or such that the their then there these they "
        "this to was will with"
    ).split()
)

# Scripts written without spaces between words: first and last code point.
_SCRIPTS_WITHOUT_SPACES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Myanmar
    (0x1780, 0x17FF),  # Khmer
    (0x3005, 0x3007),  # 々〆〇
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),  # Han
    (0xF900, 0xFAFF),  # Han
    (0x20000, 0x323AF),  # Han
)

_MARK = "\0"  # before each character of such a script; in a text, NUL stands between words and so is gone by then


class BM25Reranker(Reranker):
    """Okapi BM25 in Lucene's form (k1 1.2, b 0.75), by bm25s; the passages given for a query are its whole corpus.

    A score therefore depends on the other passages of the same query, and is no logit: it is never normalized.
    """

    name = "bm25"
    family = "bm25"
    has_logits = False

    def score(
        self,
        pairs: Sequence[Pair],
        *,
        cutoff_layers: Sequence[int] | int | None = None,
        normalize: bool = False,
        max_length: int | None = None,
        query_max_length: int | None = None,
        prompt: str | None = None,
        query_instruction: str | None = None,
        passage_instruction: str | None = None,
        on_progress: Progress | None = None,
    ) -> Scores:
        """Score pairs; see `Reranker.score`. Passages are compared with those of the same query in this call.

        Raises:
            InputError: a pair or an argument cannot be used; BM25 takes no argument but `on_progress`.
        """
        started = time.perf_counter()
        checked = check_pairs(pairs)
        given = {
            "cutoff_layers": cutoff_layers,
            "max_length": max_length,
            "query_max_length": query_max_length,
            "prompt": prompt,
            "query_instruction": query_instruction,
            "passage_instruction": passage_instruction,
        }
        if wrong := [name for name, value in given.items() if value is not None]:
            raise InputError(f"BM25 counts words and takes no {wrong[0]}. Leave it out.")
        if normalize:
            raise InputError("BM25 scores are no logits, so the sigmoid does not apply to them. Leave normalize out.")
        passages_by_query: dict[str, list[int]] = {}
        for index, (query, _) in enumerate(checked):
            passages_by_query.setdefault(query, []).append(index)
        values = [0.0] * len(checked)
        done = 0
        for query, indices in passages_by_query.items():
            found = score_passages(query, [checked[index][1] for index in indices])
            for index, value in zip(indices, found, strict=True):
                values[index] = value
            done += len(indices)
            if on_progress:
                on_progress(done, len(checked))
        splitter = TermSplitter()
        return Scores(
            values=tuple((value,) for value in values),
            layers=(None,),
            tokens=tuple(len(splitter.split(query)) + len(splitter.split(passage)) for query, passage in checked),
            cut_query_tokens=(0,) * len(checked),
            cut_passage_tokens=(0,) * len(checked),
            model=self.name,
            family=self.family,
            device="cpu",
            dtype="float32",
            normalized=False,
            seconds=time.perf_counter() - started,
        )


def score_passages(query: str, passages: Sequence[str]) -> list[float]:
    """Score each passage for one query among all of them; equal passages get equal scores.

    Scores are 0 where no word of the query occurs: for an empty passage, an empty query, or only unknown words.
    """
    splitter = TermSplitter()
    wanted_terms = query_terms(query)
    terms = [term for term in splitter.split(query) if term in wanted_terms]
    # A single character such as 猫 is no bigram: it is looked for among single characters.
    singles = {term for term in terms if splitter.is_lone(term)}
    corpus = [
        splitter.split(passage) + [character for character in splitter.split_characters(passage) if character in singles]
        for passage in passages
    ]
    known = set().union(*corpus)
    wanted = [term for term in terms if term in known]
    if not wanted:
        return [0.0] * len(passages)
    import bm25s

    index = bm25s.BM25(k1=1.2, b=0.75, method="lucene")
    index.index(corpus, show_progress=False)
    scores: np.ndarray = index.get_scores(wanted)
    return [float(score) for score in scores]


def split_terms(text: str) -> list[str]:
    """Split a text into terms: words, and pairs of neighbouring characters where a script has no spaces.

    Compatibility forms and case are folded. A lone character of such a script is a term by itself.

    >>> split_terms("What is a PANDA? 大熊猫!")
    ['what', 'is', 'a', 'panda', '大熊', '熊猫']
    """
    return TermSplitter().split(text)


class TermSplitter:
    """Splits many texts as `split_terms` does, and asks only once what a character is."""

    def __init__(self) -> None:
        """Know no character yet."""
        self._shown = _ShownCharacters()

    def split(self, text: str) -> list[str]:
        """Split a text into terms; see `split_terms`."""
        marked = self._mark(text)
        if _MARK not in marked:
            return marked.split()
        terms: list[str] = []
        for run in marked.split():
            word, *rest = run.split(_MARK)
            if word:
                terms.append(word)
            unspaced = ""
            for piece in rest:  # one character without spaces, and perhaps a word after it
                unspaced += piece[0]
                if len(piece) > 1:
                    terms += _pair_up(unspaced)
                    terms.append(piece[1:])
                    unspaced = ""
            terms += _pair_up(unspaced)
        return terms

    def split_characters(self, text: str) -> list[str]:
        """Give each character that belongs to a script without spaces, by itself."""
        return [piece[0] for piece in self._mark(text).split(_MARK)[1:]]

    def is_lone(self, term: str) -> bool:
        """Tell whether a term is a single character of a script without spaces, which no pair of characters holds."""
        return len(term) == 1 and self._shown[ord(term)].startswith(_MARK)

    def _mark(self, text: str) -> str:
        return _fold_case(text).translate(self._shown)


class _ShownCharacters(dict[int, str]):
    """What becomes of a character of a folded text, by its code."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        kind = "unseen" if _is_unseen(character) else _kind(character)
        shown = {"unseen": "", "between": " ", "unspaced": _MARK + character}.get(kind, character)
        self[code] = shown
        return shown


def _pair_up(run: str) -> list[str]:
    return [run] if len(run) == 1 else [one + other for one, other in pairwise(run)]


def query_terms(query: str) -> frozenset[str]:
    """Name the terms of a query that BM25 looks for: stop words are left out while another word remains."""
    terms = frozenset(split_terms(query))
    return terms - _STOP_WORDS or terms


def find_terms(text: str, terms: frozenset[str]) -> list[tuple[int, int]]:
    """Find where a text holds terms, to mark them.

    Args:
        text: any text.
        terms: as `query_terms` gives them.

    Returns:
        First character and the one after the last of each place, ascending; places that touch or overlap are one.

    >>> find_terms("The PANDA, 大熊猫!", query_terms("panda 熊猫"))
    [(4, 9), (12, 14)]
    """
    letters = _locate_letters(text)
    places: list[tuple[int, int]] = []
    for kind, group in groupby(letters, key=lambda letter: letter[0]):
        run = list(group)
        if kind == "word" and "".join(folded for _, folded, _, _ in run) in terms:
            places.append((run[0][2], run[-1][3]))
        elif kind == "unspaced":
            places += [(start, end) for _, folded, start, end in run if folded in terms]
            places += [(one[2], other[3]) for one, other in pairwise(run) if one[1] + other[1] in terms]
    return _merge(places)


def _locate_letters(text: str) -> list[tuple[str, str, int, int]]:
    """Fold a text as `split_terms` does and keep where it came from: kind, folded character, start and end of its source.

    One character may fold to several, such as ㎏, and several to one, such as a letter and the marks on it.
    """
    known: dict[str, list[tuple[str, str]]] = {}
    letters: list[tuple[str, str, int, int]] = []
    for start, end in _split_pieces(text):
        piece = text[start:end]
        if piece not in known:
            known[piece] = [(_kind(folded), folded) for folded in _fold(piece)]
        letters += [(kind, folded, start, end) for kind, folded in known[piece]]
    return letters


def _split_pieces(text: str) -> Iterator[tuple[int, int]]:
    """Split a text into pieces that fold each on its own: a letter and its marks, the parts of a Hangul syllable."""
    joins: dict[str, bool] = {}
    start = 0
    for place, character in enumerate(text):
        if character not in joins:
            first = unicodedata.normalize("NFKD", character)[0]
            joins[character] = unicodedata.category(first)[0] == "M" or "\u1160" <= first <= "\u11ff"
        if place and not joins[character]:
            yield start, place
            start = place
    if text:
        yield start, len(text)


def _merge(places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for start, end in sorted(places):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _fold(text: str) -> str:
    return "".join(character for character in _fold_case(text) if not _is_unseen(character))


def _fold_case(text: str) -> str:
    return unicodedata.normalize("NFKC", text).casefold()


def _is_unseen(character: str) -> bool:
    """Tell what stands inside words and is no part of them: soft hyphens, joiners, direction marks, variation selectors."""
    category = unicodedata.category(character)
    is_selector = category == "Mn" and ("\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef")
    return is_selector or category == "Cf"


def _kind(character: str) -> str:
    # Marks belong to words: Hindi writes most vowels with them.
    if unicodedata.category(character)[0] not in "LNM":
        return "between"
    return "unspaced" if _is_unspaced(character) else "word"


def _is_unspaced(character: str) -> bool:
    code = ord(character[0])
    return any(first <= code <= last for first, last in _SCRIPTS_WITHOUT_SPACES)
