"""What a text is: a string that can be written as UTF-8, known by the hash of its NFC form."""

import hashlib
import unicodedata

from reranker_core.errors import InputError

_SHOWN = 60  # characters of a bad value that a message repeats


def text_hash(text: str) -> str:
    """Give the identity of a text: the SHA-256 of its NFC form as UTF-8, in hexadecimal.

    Nothing is trimmed or folded: a leading space changes the tokens, and case may change the meaning.

    Raises:
        InputError: the text cannot be written as UTF-8.

    Example:
        >>> text_hash("caf\u00e9") == text_hash("cafe\u0301")
        True
    """
    check_text(text, where="the text")
    return hashlib.sha256(unicodedata.normalize("NFC", text).encode()).hexdigest()


def check_text(text: object, *, where: str) -> str:
    """Give the text back if it is one that can be written as UTF-8; it may be empty.

    Raises:
        InputError: starts with `where`.
    """
    if not isinstance(text, str):
        raise InputError(f"{where} must be a text, got {describe(text)}. Correct it.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        code = f"U+{ord(text[error.start]):04X}"
        raise InputError(
            f"{where} has half of a surrogate pair ({code}) at character {error.start + 1}, which is no valid text. "
            "Remove the character, or read the source with the right encoding."
        ) from error
    return text


def describe(value: object) -> str:
    """Show a bad value in a message: in one line, short, in the words of JSON, and printable whatever it is.

    Example:
        >>> describe("a\\nb"), describe(None), describe([1, 2])
        ('"a\\\\nb"', 'null', 'a list of 2')
    """
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case str():
            cut = value[:_SHOWN]
            shown = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in cut)
            return f'"{shown}"' if cut == value else f'"{shown}…"'
        case dict():
            return "an object"
        case list() | tuple():
            return f"a list of {len(value)}" if value else "an empty list"
        case int() if value.bit_length() > 200:  # Python refuses to print thousands of digits
            return "a very large number"
        case int() | float():
            return repr(value)
        case _:
            return f"a {type(value).__name__}"
