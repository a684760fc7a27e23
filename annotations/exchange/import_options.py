"""What an import is told, and how it tells where it is."""

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias, get_args

from annotations.errors import InputError
from annotations.models import IMPORT_ANNOTATOR, LONGEST_NAME, Scale

Progress: TypeAlias = Callable[[str, float | None], None]
"""Told the stage in words and a fraction from 0 to 1, or `None`; what it raises cancels the import."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportOptions:
    """How a file is taken.

    Attributes:
        annotator: the handle of whose judgements those without a name are: `import`, which is nobody's own, or a person's.
        scale: of the grades; `None` for the project's, or, where that has none yet, what the grades look like.
        grade_map: from a value of the file, as text, to a grade from 0 to 3, or to `None` for unjudged. These entries go
            before the proposed ones; `None` leaves all to the proposal.
        max_queries: only the first so many queries of the file that have candidates or judgements; `None` for all.
        run_depth: how many candidates of a query are taken from a run; `None` for all.
        ignore_splits: leave out which part the file puts a query into, so that its hash places it.
    """

    annotator: str = IMPORT_ANNOTATOR
    scale: Scale | None = None
    grade_map: Mapping[str, int | None] | None = None
    max_queries: int | None = None
    run_depth: int | None = 100
    ignore_splits: bool = False

    def __post_init__(self) -> None:
        """Check every field.

        Raises:
            InputError: one cannot be used.
        """
        if not self.annotator.strip() or not self.annotator.strip().isprintable():
            raise InputError(
                f"Judgements need an annotator with a name that can be seen, got {self.annotator!r}. Give one."
            )
        if len(self.annotator.strip()) > LONGEST_NAME:
            raise InputError(
                f"An annotator's name has {LONGEST_NAME} characters at most, got {len(self.annotator):,}. Shorten it."
            )
        if self.scale is not None and self.scale not in get_args(Scale):
            raise InputError(f"A scale is one of {', '.join(get_args(Scale))}, got {self.scale!r}. Choose one of them.")
        for raw, grade in (self.grade_map or {}).items():
            if grade is not None and (type(grade) is not int or not 0 <= grade <= 3):
                raise InputError(
                    f'The map takes "{raw}" to {grade!r}, but grades are 0, 1, 2, 3, or None for unjudged. Correct the map.'
                )
        for name, value in (("max_queries", self.max_queries), ("run_depth", self.run_depth)):
            if value is not None and (type(value) is not int or value < 1):
                raise InputError(f"{name} must be a whole number from 1, or None for all, got {value!r}. Correct it.")

    @property
    def handle(self) -> str:
        """The annotator as the store keeps the name."""
        return unicodedata.normalize("NFC", self.annotator.strip())


USUAL_OPTIONS = ImportOptions()
