"""Which part a query belongs to: train, dev or test."""

import hashlib
from collections.abc import Mapping
from typing import TypeAlias

from annotations.errors import InputError
from annotations.models import Split
from annotations.plurals import count

Weights: TypeAlias = tuple[int, int, int]
"""How large train, dev and test are, in relation to each other."""

SPLITS: tuple[Split, Split, Split] = ("train", "dev", "test")
USUAL_WEIGHTS: Weights = (60, 15, 25)


def place(sha256: str, *, seed: int, weights: Weights = USUAL_WEIGHTS) -> Split:
    """Place a query that nobody has placed, by its hash alone: whatever is added later moves nothing.

    Args:
        sha256: of the query.
        seed: of the project.
        weights: of the parts.
    """
    digest = hashlib.sha256(f"{seed} {sha256}".encode()).digest()
    point = int.from_bytes(digest[:8]) * sum(weights) >> 64  # 0 to the sum of the weights, which it never reaches
    if point < weights[0]:
        return "train"
    return "dev" if point < weights[0] + weights[1] else "test"


def check_weights(weights: Weights) -> None:
    """Check that the parts' sizes are numbers with which something can be placed.

    Raises:
        InputError: they are not.
    """
    if len(weights) != 3 or any(type(weight) is not int or weight < 0 for weight in weights) or not weights[0]:
        raise InputError(
            f"The parts need three whole numbers from 0, the first for train and not 0, got {weights!r}. Give such as "
            "60, 15, 25."
        )


def describe_file_splits(splits: Mapping[Split, int], *, are_ignored: bool) -> str:
    """Say what becomes of the parts that a file puts queries into; nothing where that needs no word.

    Args:
        splits: how many queries the file puts into each part.
        are_ignored: whether the import leaves that out, so that hashes place the queries.
    """
    if not splits:
        return ""
    if are_ignored:
        theirs = ", ".join(f"{split}: {count(splits[split], 'query')}" for split in SPLITS if split in splits)
        shares = " / ".join(map(str, USUAL_WEIGHTS))
        return (
            f"The file's parts are left out ({theirs}). The hash of each new query places it, by default {shares} % in "
            f"{', '.join(SPLITS)}; queries that were here before keep their part."
        )
    if "train" in splits:
        return ""
    where = " and ".join(f"{count(splits[split], 'query')} into {split}" for split in SPLITS if split in splits)
    return (
        f"The file puts {where} and none into train, so nothing could be trained on them. Their hashes can place them "
        "instead."
    )
