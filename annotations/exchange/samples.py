"""A few rows of what would be imported, to look at."""

from dataclasses import dataclass

from annotations.models import State

SAMPLE_SIZE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRow:
    """One pair as it would be imported.

    Attributes:
        query: its text.
        passage: its text.
        source: where the candidate comes from.
        state: of the judgement; `None` where there is none.
        raw_grade: what the file says, empty where it says nothing.
        grade: what that is mapped to.
        annotator: whose judgement it is, empty where there is none.
    """

    query: str
    passage: str
    source: str
    state: State | None
    raw_grade: str
    grade: int | None
    annotator: str
