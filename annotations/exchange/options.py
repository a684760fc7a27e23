"""What an export is told, and what it tells: options, reports, and the accounts that show that nothing went missing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from annotations.errors import InputError
from annotations.gold import NEGATIVE_TO, POSITIVE_FROM, GoldRule
from annotations.models import Scale, Split
from reranker_core.examples import WrittenFile

Counted = Literal["queries", "judgements", "pairs", "candidates"]

CARD_PROMPT = (  # of the model cards, and FlagEmbedding 1.3.5's own where a file has none
    "Given a query A and a passage B, determine whether the passage contains an answer to the query by providing a "
    "prediction of either 'Yes' or 'No'."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """Which labels go out, and how.

    Attributes:
        rule: combines the grades of several annotators.
        annotators: the handles of those whose judgements count; `None` for all.
        positive_from: the lowest grade that is positive, 1 to 3; `None` for 1 on the binary scale and 2 on the graded one.
        negative_to: the highest grade that is negative, 0 to 2; `None` for 0. What lies between is in no training row.
        splits: only queries of these parts; `None` for every query.
        negatives: how many random passages a query without a negative gets, at least 1.
        seed: of their choice.
        prompt: of the training rows; `None` for the project's, or the model card's if it has none; empty for no prompt on
            any row.
    """

    rule: GoldRule = "majority"
    annotators: tuple[str, ...] | None = None
    positive_from: int | None = None
    negative_to: int | None = None
    splits: tuple[Split, ...] | None = None
    negatives: int = 7
    seed: int = 0
    prompt: str | None = None

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            InputError: one cannot be used.
        """
        if self.rule not in get_args(GoldRule):
            raise InputError(f"A rule is one of {', '.join(get_args(GoldRule))}, got {self.rule!r}. Choose one of them.")
        for split in self.splits or ():
            if split not in get_args(Split):
                raise InputError(f"A part is one of {', '.join(get_args(Split))}, got {split!r}. Choose among them.")
        for name, chosen in (("annotators", self.annotators), ("splits", self.splits)):
            if chosen is not None and not chosen:
                raise InputError(f"No {name} were chosen, so nothing would go out. Choose some, or give None for all.")
        _check_number("positive_from", self.positive_from, lowest=1, highest=3)
        _check_number("negative_to", self.negative_to, lowest=0, highest=2)
        _check_number("negatives", self.negatives, lowest=1, highest=1000)
        if type(self.seed) is not int:
            raise InputError(f"The seed must be a whole number, got {self.seed!r}. Give another one.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Threshold:
    """From which grade a passage is positive, and up to which negative; what lies between is neither.

    Attributes:
        positive_from: the lowest positive grade.
        negative_to: the highest negative grade, below that.
    """

    positive_from: int
    negative_to: int

    def __post_init__(self) -> None:
        """Check that no grade is both.

        Raises:
            InputError: one is.
        """
        if self.negative_to >= self.positive_from:
            raise InputError(
                f"A grade cannot be positive and negative: positive begins at {self.positive_from}, negative ends at "
                f"{self.negative_to}. Let negative end below {self.positive_from}."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What became of everything of one kind.

    Attributes:
        of: what was counted.
        given: how many there were.
        used: how many of them are in what was written.
        left_out: how many are not, by reason.

    Raises:
        RuntimeError: some are neither, which is an error of the program.
    """

    of: Counted
    given: int
    used: int
    left_out: Mapping[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that nothing went missing."""
        if self.given != self.used + sum(self.left_out.values()):
            raise RuntimeError(
                f"{self.given} {self.of} went in, {self.used} came out and {sum(self.left_out.values())} were left out "
                f"({dict(self.left_out)}), which is not the same. Nothing was written. Please report this."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportReport:
    """What an export wrote, and what became of everything that went in.

    Attributes:
        files: that were written.
        rows: in the file that the export is about; all rows of all qrels for a BEIR folder.
        accounts: for queries, judgements and so on: given = used + left out.
        counts: other figures by name, such as `graded`, `positives`, `random_negatives`.
        warnings: sentences about what should be known before the files are used.
    """

    files: tuple[WrittenFile, ...]
    rows: int
    accounts: tuple[Account, ...]
    counts: Mapping[str, int]
    warnings: tuple[str, ...] = ()

    def account(self, of: Counted) -> Account:
        """Give the account of one kind; nothing went in where there is none."""
        found = [account for account in self.accounts if account.of == of]
        return found[0] if found else Account(of=of, given=0, used=0)


def find_threshold(options: ExportOptions, scale: Scale | None) -> Threshold:
    """Give the threshold that the options choose, or the scale's own.

    Raises:
        InputError: a grade would be positive and negative.
    """
    usual = POSITIVE_FROM[scale or "binary"]
    return Threshold(
        positive_from=usual if options.positive_from is None else options.positive_from,
        negative_to=NEGATIVE_TO if options.negative_to is None else options.negative_to,
    )


def find_prompt(options: ExportOptions, default_prompt: str | None) -> str | None:
    """Give the prompt of all rows; `None` for rows without one.

    FlagEmbedding up to 1.2 stops at a row without a prompt, and 1.3.5 takes an empty one literally. So rows have the card's
    unless the project or the options say otherwise.
    """
    if options.prompt is not None:
        return options.prompt if options.prompt.strip() else None
    return default_prompt if default_prompt and default_prompt.strip() else CARD_PROMPT


def _check_number(name: str, value: int | None, *, lowest: int, highest: int) -> None:
    if value is not None and (type(value) is not int or not lowest <= value <= highest):
        raise InputError(f"{name} must be a whole number from {lowest} to {highest}, got {value!r}. Choose another one.")
