"""What strangers are not told: where things lie on the machine that serves them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from annotations.errors import InputError as LabelsInputError
from reranker_core.errors import RerankerError
from reranker_core.local_models import LocalModel
from ui.errors import say_failure
from ui.services import Services

_A_FOLDER = "a folder of this server"

# An absolute path of two parts or more, on any system; not the path of an address such as https://host/path.
_PART = r"[^\s/\\:;,\"'()“”]"
_PATH = re.compile(rf"(?<![\w/:.])(?:~|[A-Za-z]:)?[/\\](?:{_PART}+[/\\])+(?:{_PART}*(?<!\.))?")


def hide_places(services: Services, text: str) -> str:
    """Take paths of this machine out of a text, unless it is shown on the machine itself."""
    if services.allow_folders:
        return text
    known = {place: model.name for model in _added(services) for place in (model.adapter, model.base) if place}
    if (home := services.labels.known_home) is not None:
        # Whole, with what follows: the pattern below stops at a blank.
        text = re.sub(rf"{re.escape(str(home.absolute()))}(?:[/\\]{_PART}+)*(?<!\.)", _A_FOLDER, text)
    for place in sorted(known, key=len, reverse=True):
        text = text.replace(place, known[place])
    return _PATH.sub(_A_FOLDER, text)


def say_to_visitor(services: Services, failure: Exception) -> str:
    """Turn a failure into the sentence for the screen, without paths of this machine where others see it."""
    return hide_places(services, say_failure(failure))


def refuse_strangers(services: Services, what: str) -> None:
    """Refuse what changes the labels as a whole where everybody can open the page.

    Args:
        services: whether visitors may.
        what: begins the sentence, such as "Texts are deleted".

    Raises:
        InputError: they may not.
    """
    if not services.can_change_labels:
        raise LabelsInputError(
            f"{what} only where the app runs on your own machine. Ask who runs it; with --shared_labels every visitor may."
        )


@contextmanager
def hiding_places(services: Services) -> Iterator[None]:
    """Raise failures of the block without paths, unless the app runs on the visitor's own machine."""
    try:
        yield
    except RerankerError as error:
        hidden = hide_places(services, str(error))
        if hidden == str(error):
            raise
        raise type(error)(hidden) from error


def _added(services: Services) -> list[LocalModel]:
    try:
        return list(services.local_models.list())
    except RerankerError:
        return []
