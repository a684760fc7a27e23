"""What near duplicates have in common. Pure, and needs nothing of this package."""

import unicodedata


def fold(text: str) -> str:
    """Give what near duplicates have in common: compatibility forms, case and white space are all one."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())
