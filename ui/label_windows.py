"""What is shown first of a long passage: the stretch with most of the query's words. Pure; places count characters."""

from collections import Counter
from collections.abc import Sequence

from reranker_core.baseline import find_terms
from ui.text_places import count_units

WINDOW = 900  # characters that are shown first of a long passage
LONG = 1200  # characters from which on a passage is long
SENT = 20_000  # characters of a passage that are sent at first
SEARCHED = 60_000  # characters of a passage in which terms are looked for: 0.05 s
MARKED = 1000  # terms that are marked in one passage

_BEFORE = 120  # characters of context before the first term


def describe_text(text: str, terms: frozenset[str]) -> dict[str, object]:
    """Lay a passage out for a page.

    Returns:
        `text`, of which at most `SENT` characters around the best window are sent, `is_cut` if that is not all; `begin`,
        its place in the whole; `length` of the whole, in characters; `marks`, flat pairs of places; `window`, a pair.
        Places count UTF-16 units, as scripts in a browser do.
    """
    places = find_terms(text[:SEARCHED], terms)
    start, end = find_window(text, places)
    first = max(0, min(start - (SENT - (end - start)) // 2, len(text) - SENT))
    sent = text[first : first + SENT]
    unit = count_units(sent)
    inside = [(one, other) for one, other in places if one >= first and other <= first + len(sent)]
    return {
        "text": sent,
        "is_cut": len(sent) < len(text),
        "begin": count_units(text[:first])(first),
        "length": len(text),
        "marks": [unit(place - first) for span in inside[:MARKED] for place in span],
        "window": [unit(start - first), unit(end - first)],
    }


def find_window(text: str, places: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Choose what is shown first: of a short text all of it, else the stretch with most different terms, then most terms.

    Args:
        text: the passage.
        places: where it holds terms of the query, ascending, as `find_terms` gives them.

    Returns:
        Its first character and the one after its last; the beginning of the text where no term is found.
    """
    if len(text) <= LONG:
        return 0, len(text)
    first = _find_densest(text, places)
    start = max(0, first - _BEFORE) if first > _BEFORE else 0
    start = _after_space(text, start) if start else 0
    end = min(len(text), start + WINDOW)
    return start, end if end == len(text) else _before_space(text, end)


def _find_densest(text: str, places: Sequence[tuple[int, int]]) -> int:
    """Give the first place of the window that holds most: two ends move over the places once."""
    words = [text[start:end].casefold() for start, end in places]
    inside: Counter[str] = Counter()
    best, found, left = (0, 0), 0, 0
    for right, (_, end) in enumerate(places):
        inside[words[right]] += 1
        while end - places[left][0] > WINDOW - _BEFORE and left < right:
            inside[words[left]] -= 1
            if not inside[words[left]]:
                del inside[words[left]]
            left += 1
        held = (len(inside), right - left + 1)
        if held > best:
            best, found = held, places[left][0]
    return found


def _after_space(text: str, place: int) -> int:
    """Move forward to the beginning of a word, if one begins near; scripts without spaces stay where they are."""
    for there in range(place, min(place + 40, len(text))):
        if text[there - 1].isspace():
            return there
    return place


def _before_space(text: str, place: int) -> int:
    for there in range(place, max(place - 40, 0), -1):
        if text[there].isspace():
            return there
    return place
