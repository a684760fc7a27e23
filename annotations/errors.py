"""What can go wrong, as one small tree. Every message says what was expected, what came and what to do.

AnnotationError
├── InputError (also a ValueError)   a text, a grade or an argument cannot be used
├── ConflictError                    something was changed meanwhile; holds what is there now
└── StorageError                     the database or a backup could not be read or written; nothing was changed
    └── NewerDatabaseError           the database was written by a newer version of this program
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from annotations.models import Judgement


class AnnotationError(Exception):
    """The root: catch this to catch everything that the package raises on purpose."""


class InputError(AnnotationError, ValueError):
    """A text, a grade or an argument cannot be used as it is."""


class ConflictError(AnnotationError):
    """What was to be changed is no longer what the caller saw. Nothing was written.

    Attributes:
        current: the judgement as it is now; `None` if there is none any more, or if it was not about one.
    """

    def __init__(self, message: str, *, current: "Judgement | None" = None) -> None:
        """Keep what is there now beside the sentence."""
        super().__init__(message)
        self.current = current


class StorageError(AnnotationError):
    """The database, a backup or their disk failed, or another program is in the way. Nothing was changed."""


class NewerDatabaseError(StorageError):
    """The database has a format that this version does not know."""
