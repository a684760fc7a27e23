"""Ids for queries and passages on their way out: those they came with, or made ones."""

from collections.abc import Iterable

from annotations.store.labels import NameRow
from reranker_core.examples import InputError as RefusedError
from reranker_core.examples.relevance import check_id


class ExportIds:
    """What queries, or passages, are called in a file: each id is one text's, a text may have several.

    Their external ids; where there is none that can be used a made one such as `p17`, which is nobody's external id and
    stays the same. An id that two texts of the project came with is the first one's; one that the file could not hold is
    nobody's.

    Attributes:
        refused: external ids that were not used for one of these two reasons.
    """

    def __init__(self, names: Iterable[NameRow], *, prefix: str, is_trec: bool, is_single: bool = False) -> None:
        """Learn all external ids.

        Args:
            names: of all texts, by text.
            prefix: of made ids.
            is_trec: whether ids must do without spaces.
            is_single: whether a text has only its first id.
        """
        self._prefix = prefix
        self._taken: set[str] = set()
        self._by_text: dict[int, tuple[str, ...]] = {}
        self.refused = 0
        for name in names:
            if name.ext_id in self._taken or not _is_writable(name.ext_id, is_trec=is_trec):
                self.refused += 1
                continue
            self._taken.add(name.ext_id)
            earlier = self._by_text.get(name.text_id, ())
            if not (earlier and is_single):
                self._by_text[name.text_id] = (*earlier, name.ext_id)

    def of(self, text_id: int) -> tuple[str, ...]:
        """Give the ids of a text, at least one."""
        return self._by_text.get(text_id) or (self._make(text_id),)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Say how many ids were not used, if any."""
        if not self.refused:
            return ()
        what = "queries" if self._prefix == "q" else "passages"
        return (
            f"{self.refused} external ids of {what} were not used, since another text has the same or the file cannot hold "
            f"them; where no other id was left, one such as {self._prefix}17 stands in their place.",
        )

    def _make(self, text_id: int) -> str:
        made = f"{self._prefix}{text_id}"
        while made in self._taken:
            made += "x"
        return made


def _is_writable(ext_id: str, *, is_trec: bool) -> bool:
    try:
        check_id(ext_id, kind="id", is_trec=is_trec)
    except RefusedError:
        return False
    return True
