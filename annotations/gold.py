"""The gold grade of a pair: one grade out of those of all annotators, and what is positive and negative of it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:  # the tables are slow to import, and screens read the thresholds before anybody labels
    from annotations.models import AnnotatorKind, Scale

GoldRule = Literal["majority", "highest", "lowest"]

POSITIVE_FROM: "dict[Scale, int]" = {"binary": 1, "graded": 2}  # the lowest positive grade
NEGATIVE_TO = 0  # the highest negative grade; what lies between is neither


@dataclass(frozen=True, slots=True, kw_only=True)
class Gold:
    """The gold grade of a pair.

    Attributes:
        grade: 0 to 3.
        overruled: how many grades of imports and models did not count, because a person graded the pair.
    """

    grade: int
    overruled: int


def settle(grades: "Sequence[tuple[AnnotatorKind, int]]", *, rule: GoldRule) -> Gold:
    """Combine all grades of one pair.

    Where a person graded, imports and models are not asked. Among several grades that remain the rule decides: the most
    frequent (of equally frequent ones the lower), the highest, or the lowest.

    Args:
        grades: of each annotator, with its kind; at least one.
        rule: decides between several.

    Example:
        >>> settle([("import", 3), ("human", 1), ("human", 0)], rule="majority")
        Gold(grade=0, overruled=1)
    """
    by_people = [grade for kind, grade in grades if kind == "human"]
    counted = by_people or [grade for _, grade in grades]
    match rule:
        case "highest":
            grade = max(counted)
        case "lowest":
            grade = min(counted)
        case "majority":
            frequency = Counter(counted)
            grade = min(frequency, key=lambda one: (-frequency[one], one))
    return Gold(grade=grade, overruled=len(grades) - len(counted))
