"""Where a model stops reading the passages that are judged: only tokens are counted, nothing is scored."""

import time
from collections.abc import Callable, Sequence

from annotations.errors import InputError
from reranker_core.inputs import DEFAULT_MAX_LENGTH
from ui.choices import Choice, find_choice, list_choices
from ui.hosting import hiding_places
from ui.label_queries import SENT_CANDIDATES, SENT_CHARACTERS
from ui.label_requests import Answer, Request, answer_page, read_list, read_number, read_optional_number, read_text
from ui.scoring import check_ready
from ui.services import Services
from ui.text_places import count_units

WAIT = 5.0  # s for a device on which others compute; the page then asks again, and holds no thread meanwhile


class _BusyError(Exception):
    """Others have the device or the memory."""


def list_readers(services: Services, wanted: Request) -> Answer:
    """List the models whose cuts can be marked, those with weights that are on this machine: `readers`, name and title."""
    return {
        "readers": [
            {"name": choice.name, "title": choice.short_title}
            for choice in list_choices(services)
            if choice.is_ready and not choice.problem and choice.info.family != "bm25"
        ]
    }


def find_cuts(services: Services, wanted: Request) -> Answer:
    """Tell where `model`, at `max_length` tokens of a pair, stops reading the `candidates` of `query`.

    Returns:
        `cuts`, for each candidate that is not read to its end its id and `at`, the place in its whole text in UTF-16 units;
        `rest`, the candidates that are still to be asked for; `is_busy`, whether that is because others compute.

    Raises:
        InputError: there is no such query or model, or the model does not read so many tokens.
        RerankerError: the model is not on this machine, or cannot be loaded.
    """
    query_id = read_number(wanted, "query", least=1)
    keys = [key for key in read_list(wanted, "candidates", longest=100_000) if type(key) is int]
    choice = find_choice(services, read_text(wanted, "model", longest=1000))
    max_length = read_optional_number(wanted, "max_length", least=1) or DEFAULT_MAX_LENGTH
    check_ready(services, choice)
    store = services.labels.store
    query = store.texts.query(query_id)
    if query.deleted_at is not None or query.project_id != read_number(wanted, "project", least=1):
        raise InputError(f"There is no query {query_id} in this project any more. Press N for the next one.")
    there = {found.candidate.id: found.passage.text for found in store.texts.candidates(query_id)}
    keys = [key for key in dict.fromkeys(keys) if key in there]
    asked = keys[: _count_asked([len(there[key]) for key in keys])]
    try:
        kept = _read(services, choice, [(query.text, there[key]) for key in asked], max_length=max_length)
    except _BusyError:
        return {"cuts": [], "rest": keys, "is_busy": True}
    return {
        "cuts": [
            {"candidate": key, "at": count_units(there[key])(place)}
            for key, place in zip(asked, kept, strict=True)
            if place is not None
        ],
        "rest": keys[len(asked) :],
        "is_busy": False,
    }


# By the names under which the page's scripts call them.
READING_FUNCTIONS: tuple[Callable[[Services, Request], Answer], ...] = (answer_page(list_readers), answer_page(find_cuts))


def _read(services: Services, choice: Choice, pairs: Sequence[tuple[str, str]], *, max_length: int) -> list[int | None]:
    """Ask a model how much it reads; one with layers is loaded as little deep as can be.

    Raises:
        _BusyError: others compute, or have the memory, for longer than this can wait.
    """
    until = time.monotonic() + WAIT

    def on_wait(stage: str, fraction: float | None) -> None:
        if stage == "waiting" and time.monotonic() > until:
            raise _BusyError

    borrowed = services.pool.borrow(
        choice.base, adapter=choice.adapter, max_layer=choice.layers[0] if choice.layers else None, on_wait=on_wait
    )
    with hiding_places(services), borrowed as reranker:
        return reranker.read_characters(pairs, max_length=max_length)


def _count_asked(lengths: Sequence[int]) -> int:
    """Count the passages whose tokens are counted in one call; the first are, however long they are."""
    characters = 0
    for number, length in enumerate(lengths[:SENT_CANDIDATES]):
        characters += length
        if number and characters > SENT_CHARACTERS:
            return number
    return min(len(lengths), SENT_CANDIDATES)
