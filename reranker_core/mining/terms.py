"""The terms of many texts: what `baseline.split_terms` gives, at a speed that 100,000 passages need."""

import unicodedata
from itertools import pairwise

from reranker_core.baseline import split_terms

_MARK = "\0"  # before each character of a script without spaces; in a text, NUL stands between words and so is gone by then


class TermSplitter:
    """Splits texts as `split_terms` does, ten to fifty times as fast: it asks only once what a character is."""

    def __init__(self) -> None:
        """Know no character yet."""
        self._shown = _ShownCharacters()

    def split(self, text: str) -> list[str]:
        """Split a text into terms, as `split_terms` does."""
        marked = self._mark(text)
        if _MARK not in marked:
            return marked.split()
        terms: list[str] = []
        for run in marked.split():
            word, *rest = run.split(_MARK)
            if word:
                terms.append(word)
            unspaced = ""
            for piece in rest:  # one character without spaces, and perhaps a word after it
                unspaced += piece[0]
                if len(piece) > 1:
                    terms += _split_unspaced(unspaced)
                    terms.append(piece[1:])
                    unspaced = ""
            terms += _split_unspaced(unspaced)
        return terms

    def split_characters(self, text: str) -> list[str]:
        """Give each character that belongs to a script without spaces, by itself."""
        return [piece[0] for piece in self._mark(text).split(_MARK)[1:]]

    def is_lone(self, term: str) -> bool:
        """Tell whether a term is a single character of a script without spaces, which no pair of characters holds."""
        return len(term) == 1 and self._mark(term).startswith(_MARK)

    def _mark(self, text: str) -> str:
        return unicodedata.normalize("NFKC", text).casefold().translate(self._shown)


def _split_unspaced(run: str) -> list[str]:
    return [run] if len(run) == 1 else [one + other for one, other in pairwise(run)]


class _ShownCharacters(dict[int, str]):
    """What becomes of a character of a folded text, by its code; `split_terms` is asked for those that are new."""

    def __missing__(self, code: int) -> str:
        character = chr(code)
        terms = split_terms(f"a{character}a")
        if len(terms) == 3:
            shown = _MARK + character
        elif len(terms) == 2:
            shown = " "
        else:
            shown = "" if terms == ["aa"] else character
        self[code] = shown
        return shown
