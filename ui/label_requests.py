"""What the Annotate page sends. Anybody who can open the page can send anything, so every value is looked at here."""

import logging
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from hashlib import sha256
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

from annotations.errors import AnnotationError, InputError, StorageError
from reranker_core.errors import RerankerError

if TYPE_CHECKING:  # what a store needs is slow to import, and the first screen shows before anybody labels
    from annotations.models import Annotator, Project
    from annotations.queue import Order
    from annotations.store import Store
    from annotations.store.history import Seen

logger = logging.getLogger(__name__)

Request = Mapping[str, Any]
Answer = dict[str, Any]
PageFunction = Callable[["Store", Request], Answer]
Subject = TypeVar("Subject")  # what a page's function works on: a store, or all services

UNEXPECTED = "The server failed ({}). What is not saved stays on this page; the log has the details."
_OTHER_STORE = "These labels were made for another database than the one that is open here, so they were not saved."
LONGEST_NAME = 200  # characters of a handle or a client id
_LARGEST = 2**53 - 1  # that a script in a browser counts exactly; SQLite has room for it


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """How a page looks at a project.

    Attributes:
        project_id: which one.
        handle: of who judges.
        order: in which candidates are shown.
        depth: candidates that are judged of each query; `None` for all.
        include_imported: whether those that an import graded are judged again.
    """

    project_id: int
    handle: str
    order: "Order" = "shuffled"
    depth: int | None = None
    include_imported: bool = False

    def seed(self, project: "Project") -> int:
        """Give the seed of this annotator's order: others have another one, so that no order weighs on all judgements."""
        return int(sha256(f"{project.split_seed} {self.handle}".encode()).hexdigest()[:8], 16)


def read_view(wanted: Request) -> View:
    """Read how a page looks at a project.

    Raises:
        InputError: a value cannot be used.
    """
    from annotations.queue import Order

    return View(
        project_id=read_number(wanted, "project", least=1),
        handle=read_handle(wanted),
        order=cast("Order", read_choice(wanted, "order", get_args(Order), default="shuffled")),
        depth=read_optional_number(wanted, "depth", least=1),
        include_imported=wanted.get("include_imported") is True,
    )


def read_handle(wanted: Request) -> str:
    """Read the name of who judges, as the store keeps it.

    Raises:
        InputError: there is none, or it is too long.
    """
    handle = unicodedata.normalize("NFC", read_text(wanted, "annotator", longest=LONGEST_NAME).strip())
    if not handle or not handle.isprintable():
        raise InputError(f"A name needs a character and none that cannot be seen, got {handle!r}. Give your name above.")
    return handle


def read_client(wanted: Request) -> str:
    """Read the random id of a page load.

    Raises:
        InputError: there is none.
    """
    client_id = read_text(wanted, "client_id", longest=LONGEST_NAME)
    if not client_id:
        raise InputError("A page needs a client_id. Load it again.")
    return client_id


def read_seen(wanted: Request) -> "Seen | None":
    """Read what a page takes for the newest step: an event's id, or `client_id` and `seq` of one of its judgements.

    Raises:
        InputError: it is neither.
    """
    seen = wanted.get("seen")
    if isinstance(seen, Mapping):
        return read_client(seen), read_number(seen, "seq")
    return read_optional_number(wanted, "seen")


def of_this_store(function: PageFunction) -> PageFunction:
    """Wrap what writes labels: those that were made for another database are refused, for ids mean something else here.

    The answer then has `other_store`, the name of this database, beside the `error`.
    """

    @wraps(function)
    def answer(store: "Store", wanted: Request) -> Answer:
        if wanted.get("store") != store.identity:
            return {"error": _OTHER_STORE, "again": False, "other_store": store.identity}
        return function(store, wanted)

    return answer


def read_number(wanted: Request, name: str, *, least: int = 0) -> int:
    """Read a whole number.

    Raises:
        InputError: it is none, or too small or large.
    """
    value = wanted.get(name)
    if type(value) is not int or not least <= value <= _LARGEST:
        raise InputError(f"{name} must be a whole number from {least}, got {str(value)[:40]!r}. Load the page again.")
    return value


def read_optional_number(wanted: Request, name: str, *, least: int = 0) -> int | None:
    """Read a whole number that may be left out; errors as `read_number`."""
    return None if wanted.get(name) is None else read_number(wanted, name, least=least)


def read_text(wanted: Request, name: str, *, longest: int) -> str:
    """Read a text.

    Raises:
        InputError: it is none, or longer than `longest` characters, or holds half a character.
    """
    value = wanted.get(name)
    if not isinstance(value, str) or len(value) > longest:
        raise InputError(f"{name} must be a text of at most {longest} characters. Shorten it, or load the page again.")
    if any("\ud800" <= character <= "\udfff" for character in value):
        raise InputError(f"{name} must be valid Unicode, got half a character. Remove it.")
    return value


def read_choice(wanted: Request, name: str, choices: tuple[str, ...], *, default: str | None = None) -> str:
    """Read one of several words.

    Raises:
        InputError: it is none of them.
    """
    value = wanted.get(name, default)
    if value not in choices:
        raise InputError(f"{name} is one of {', '.join(choices)}, got {str(value)[:40]!r}. Load the page again.")
    return str(value)


def read_list(wanted: Request, name: str, *, longest: int) -> list[Any]:
    """Read a list.

    Raises:
        InputError: it is none, or longer than `longest`.
    """
    value = wanted.get(name)
    if not isinstance(value, list) or len(value) > longest:
        raise InputError(f"{name} must be a list of at most {longest}. Load the page again.")
    return value


def find_annotator(store: "Store", handle: str) -> int:
    """Give the id of who has that handle, 0 if nobody has judged under it yet: looking writes nothing.

    Raises:
        InputError: it is the handle of an import or a model.
    """
    _refuse_reserved(handle)
    for annotator in store.annotators.list():
        if annotator.handle == handle:
            return _require_human(annotator).id
    return 0


def require_annotator(store: "Store", handle: str) -> int:
    """Give the id of who has that handle, who is new if there was none.

    Raises:
        InputError: it is the handle of an import or a model.
    """
    _refuse_reserved(handle)
    return _require_human(store.annotators.get_or_add(handle)).id


def answer_page(function: Callable[[Subject, Request], Answer]) -> Callable[[Subject, Request], Answer]:
    """Wrap what answers a page: a failure becomes `error`, a sentence, and `again`, whether sending again may help."""

    @wraps(function)
    def answer(subject: Subject, wanted: Request) -> Answer:
        try:
            if not isinstance(wanted, Mapping):
                raise InputError("The page must send an object. Load it again.")
            return function(subject, wanted)
        except (AnnotationError, RerankerError) as failure:
            return {"error": str(failure), "again": isinstance(failure, StorageError)}
        except Exception as failure:
            logger.error("unexpected failure on the Annotate screen", exc_info=failure)
            return {"error": UNEXPECTED.format(type(failure).__name__), "again": True}

    return answer


def _refuse_reserved(handle: str) -> None:
    from annotations.models import IMPORT_ANNOTATOR

    if handle == IMPORT_ANNOTATOR:
        raise InputError(f'"{handle}" is the name of imports, under which nobody can judge. Give another name.')


def _require_human(annotator: "Annotator") -> "Annotator":
    if annotator.kind != "human":
        raise InputError(f'"{annotator.handle}" is the name of an {annotator.kind} here. Give another name.')
    return annotator
