"""What strangers are not told: where things lie on the machine that serves them."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

from reranker_core.errors import RerankerError
from reranker_core.local_models import LocalModel
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
    for place in sorted(known, key=len, reverse=True):
        text = text.replace(place, known[place])
    return _PATH.sub(_A_FOLDER, text)


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
