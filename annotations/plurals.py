"""Numbers of things in sentences: 1 query, 2 queries. Pure, and needs nothing of this package."""

_PLURALS = {"query": "queries"}


def count(number: int, noun: str, plural: str | None = None) -> str:
    """Say how many of something there are.

    >>> count(1, "query"), count(1200, "passage"), count(0, "row with a problem", "rows with a problem")
    ('1 query', '1,200 passages', '0 rows with a problem')
    """
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {plural or _PLURALS.get(noun) or noun + 's'}"
