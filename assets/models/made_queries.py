"""Queries made from documentation: sentences, questions by template, titles and keywords, each with its source."""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from documentation_corpus import Document

from reranker_core.baseline import query_terms, split_terms


@dataclass(frozen=True, slots=True, kw_only=True)
class MadeQuery:
    """One query.

    Attributes:
        text: the query.
        kind: how it was made: `sentence`, `question`, `title` or `keywords`.
        source: the document that it was made from.
        said: the sentence that it repeats, or an empty string; a passage that holds it would be found by copying.
    """

    text: str
    kind: str
    source: str
    said: str


_VERBS = {
    "apply": "apply", "assign": "assign", "build": "build", "calculate": "calculate", "calculates": "calculate",
    "check": "check", "compute": "compute", "computes": "compute", "construct": "construct", "convert": "convert",
    "converts": "convert", "create": "create", "creates": "create", "define": "define", "determine": "determine",
    "draw": "draw", "estimate": "estimate", "estimates": "estimate", "evaluate": "evaluate", "extract": "extract",
    "fill": "fill", "find": "find", "fit": "fit", "generate": "generate", "generates": "generate", "get": "get",
    "integrate": "integrate", "load": "load", "make": "make", "measure": "measure", "merge": "merge", "parse": "parse",
    "perform": "perform", "performs": "perform", "plot": "plot", "predict": "predict", "read": "read", "remove": "remove",
    "replace": "replace", "represent": "represent", "resample": "resample", "set": "set", "simulate": "simulate",
    "solve": "solve", "solves": "solve", "sort": "sort", "test": "test", "transform": "transform", "write": "write",
}  # fmt: skip

_OF_VERB = (
    "how to {verb} {rest}", "how can one {verb} {rest}", "what is a good way to {verb} {rest}",
    "is it possible to {verb} {rest}", "how does one {verb} {rest}",
)  # fmt: skip
_OF_NOUN = (
    "what is {rest}", "what is known about {rest}", "where can i find {rest}", "how is {rest} determined",
    "information on {rest}", "has anyone investigated {rest}", "{rest}",
)  # fmt: skip
_OF_SENTENCE = (
    "is it true that {rest}", "under what conditions can one say that {rest}", "why is it that {rest}",
    "what happens when {rest}", "{rest}",
)  # fmt: skip


def make_queries(documents: Sequence[Document], *, count: int, seed: int) -> list[MadeQuery]:
    """Make queries, at most two a document.

    Args:
        documents: in any order; the result does not depend on it.
        count: how many at most.
        seed: of what is chosen for each document.
    """
    rarity = _measure_rarity(documents)
    made: list[MadeQuery] = []
    seen: set[str] = set()
    for document in sorted(documents, key=lambda document: _hash(f"{seed} {document.source}")):
        draw = _Draw(f"{seed} {document.source}")
        for _ in range(2):
            query = _make(document, draw, rarity)
            if query and query.text.casefold() not in seen:
                seen.add(query.text.casefold())
                made.append(query)
        if len(made) >= count:
            break
    return made[:count]


def _make(document: Document, draw: "_Draw", rarity: Callable[[str], float]) -> MadeQuery | None:
    kind = draw.pick(("sentence", "sentence", "sentence", "question", "question", "title", "keywords", "keywords"))
    said = ""
    if kind == "keywords":
        text = _take_keywords(" ".join((document.summary, *document.sentences[:6])), draw, rarity)
    elif kind == "sentence":
        said = draw.pick(document.sentences)
        text = draw.pick(_OF_SENTENCE).format(rest=_uncapitalise(said))
    else:
        said = document.summary
        text = _ask(said, draw) if kind == "question" else _uncapitalise(said)
    words = len(text.split())
    if not 3 <= words <= 32 or len(query_terms(text)) < 2:
        return None
    return MadeQuery(
        text=text + draw.pick(("", "", "?" if kind == "question" else ".")), kind=kind, source=document.source, said=said
    )


def _ask(summary: str, draw: "_Draw") -> str:
    first, _, rest = _uncapitalise(summary).partition(" ")
    if first in _VERBS:
        return draw.pick(_OF_VERB).format(verb=_VERBS[first], rest=rest)
    if first in ("return", "returns"):
        return draw.pick(_OF_NOUN).format(rest=rest)
    return draw.pick(_OF_NOUN).format(rest=f"{first} {rest}")


def _take_keywords(text: str, draw: "_Draw", rarity: Callable[[str], float]) -> str:
    """Take 3 to 8 of the rarer words, in the order of the text."""
    words = [word for word in dict.fromkeys(split_terms(text)) if len(word) > 2 and word.isalpha() and rarity(word) < 9]
    wanted = 3 + draw.number(6)
    chosen = set(sorted(words, key=rarity, reverse=True)[: wanted + wanted // 2])
    kept = [word for word in words if word in chosen]
    return " ".join(kept[:wanted])


def _measure_rarity(documents: Sequence[Document]) -> Callable[[str], float]:
    """Give the inverse document frequency of a term over the summaries and first sentences."""
    counts = Counter(
        term for document in documents for term in set(split_terms(" ".join((document.summary, *document.sentences[:6]))))
    )
    return lambda term: math.log(len(documents) / (1 + counts[term]))


def _uncapitalise(sentence: str) -> str:
    text = sentence.strip().rstrip(".?!: ")
    second = text[1:2]
    return text if second.isupper() or re.match(r"[A-Z]\w*[A-Z]", text) else text[:1].lower() + text[1:]


class _Draw:
    """Choices that depend on a name and on nothing else."""

    def __init__(self, name: str) -> None:
        self._name, self._drawn = name, 0

    def number(self, below: int) -> int:
        self._drawn += 1
        return _hash(f"{self._name} {self._drawn}") % below

    def pick(self, choices: Sequence[str]) -> str:
        return choices[self.number(len(choices))]


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])
