"""What has to be known of a whole file before any of its rows can be taken."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What a file holds, found by reading it once.

    Attributes:
        raw_grades: how often each value stands there as a grade.
        prompt: what all rows have as their prompt; `None` if some differ or there is none.
        notes: sentences about what should be known.
    """

    raw_grades: Mapping[str, int]
    prompt: str | None = None
    notes: tuple[str, ...] = ()
