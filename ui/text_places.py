"""Places in texts, as scripts in a browser count them."""

from collections.abc import Callable
from itertools import accumulate


def count_units(text: str) -> Callable[[int], int]:
    """Give the function that turns a place counted in characters into one counted in UTF-16 units."""
    if text.isascii() or max(text) <= "\uffff":
        return lambda place: place
    places = [0, *accumulate(2 if character > "\uffff" else 1 for character in text)]
    return places.__getitem__
