"""What models said of a pair, as rows of jsonl carry it."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from annotations.errors import InputError
from reranker_core.examples.relevance import as_finite
from reranker_core.examples.texts import describe

SCORES, PLACES = "scores", "places"
"""Keys of a row: `{"bm25": 3.5}`, and `{"bm25": {"rank": 1, "score": 3.5}}` as pooled candidates have it."""

_LAYER = re.compile(r"(.+)@([0-9]{1,4})")
_LARGEST_RANK = 10**9


class FileScore(NamedTuple):
    """A score of a pair: whose, at which layer (0 where it has none), and the rank in the query's list, from 1."""

    model: str
    layer: int
    score: float
    rank: int | None = None


def read_scores(values: dict[str, object]) -> tuple[FileScore, ...]:
    """Take the scores out of a row, if it has any. A name may end in `@` and a layer.

    Raises:
        InputError: they are not of that form.
    """
    found: dict[tuple[str, int], FileScore] = {}
    for key in (PLACES, SCORES):
        given = values.pop(key, None)
        if given is None:
            continue
        if not isinstance(given, dict):
            raise InputError(f'"{key}" must be an object with the names of models, got {describe(given)}. Correct it.')
        for score in _read_all(given, key):
            found.setdefault(score[:2], score)
    return tuple(found.values())


def _read_all(given: dict[str, object], key: str) -> Iterator[FileScore]:
    for name, value in given.items():
        score, rank = (value.get("score"), value.get("rank")) if isinstance(value, dict) else (value, None)
        number = as_finite(score)
        if number is None:
            raise InputError(
                f'the score of {describe(name)} under "{key}" must be a number, got {describe(score)}. Correct it.'
            )
        if rank is not None and (type(rank) is not int or not 1 <= rank <= _LARGEST_RANK):
            raise InputError(
                f'the rank of {describe(name)} under "{key}" must be a whole number from 1, got {describe(rank)}. '
                "Correct it."
            )
        if not name.strip() or not name.isprintable():
            raise InputError(f'"{key}" must name a model by characters that can be seen, got {describe(name)}. Correct it.')
        with_layer = _LAYER.fullmatch(name)
        model, layer = (with_layer[1], int(with_layer[2])) if with_layer else (name, 0)
        yield FileScore(model, layer, number, rank)
