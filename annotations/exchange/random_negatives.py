"""Random passages for queries that have no negative, as the model card advises."""

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain, islice

from annotations.folding import fold
from annotations.store.labels import CandidateRow, LabelReading

_AT_ONCE = 32  # texts that are compared
_DRAWN_FROM = 4  # passages for each that is wanted; more would make every passage's chance still more alike


class Corpus:
    """The passages of a project that can be drawn: by id and the beginning of their hash, without their texts.

    A draw depends on the seed, the query and the passages that lie next to one point among all hashes. So other queries'
    labels change nothing, and a passage that is added later changes few draws.
    """

    def __init__(self, reading: LabelReading) -> None:
        """Read the hashes of all passages that hold a text: 16 bytes each."""
        self._reading = reading
        ordered = sorted((int(sha256[:16], 16), passage_id) for passage_id, sha256 in reading.passage_hashes())
        self._points = array("Q", (point for point, _ in ordered))
        self._ids = array("q", (passage_id for _, passage_id in ordered))
        self._blank = reading.blank_passages()

    def draw(
        self,
        query_sha256: str,
        candidates: Sequence[CandidateRow],
        *,
        judged: Collection[int],
        count: int,
        seed: int,
        twins: Collection[str] = (),
    ) -> tuple[int, ...]:
        """Draw passages that nobody judged for a query; fewer than `count` where there are not more.

        First come its candidates that were drawn at random before, as an import of such a file makes them, so that it
        goes out as it came. Then passages that were never found for it. Its other candidates come last: what a search
        found may well be an answer.

        Args:
            query_sha256: of the query.
            candidates: of the query, in the order in which they were added.
            judged: passages that are out of the question.
            count: how many are wanted.
            seed: of the choice.
            twins: folded texts that are out of the question too, since they are as good as judged.
        """
        out_of_question = self._blank | {*judged}
        open_candidates = [row for row in candidates if not row.is_deleted and row.passage_id not in out_of_question]
        drawn_before = (row.passage_id for row in open_candidates if row.source == "random")
        chosen = [*islice(self._leave_out(twins, drawn_before), count)]
        avoided = {*judged, *(row.passage_id for row in candidates)}
        point = _hash(seed, query_sha256, 0)
        far = self._leave_out(twins, self._around(point, avoided), passage_of=self._ids.__getitem__)
        near = islice(far, _DRAWN_FROM * (count - len(chosen)))
        drawn = sorted(near, key=lambda place: _hash(seed, query_sha256, self._points[place]))
        chosen += [self._ids[place] for place in drawn][: count - len(chosen)]
        others = [row.passage_id for row in open_candidates if row.source != "random"]
        others.sort(key=lambda passage_id: _hash(seed, query_sha256, passage_id))
        return (*chosen, *islice(self._leave_out(twins, others), count - len(chosen)))

    def _leave_out(
        self, twins: Collection[str], items: Iterable[int], *, passage_of: Callable[[int], int] = int
    ) -> Iterator[int]:
        """Pass on what stands for passages whose folded text is none of `twins`, reading some texts at a time."""
        remaining = iter(items)
        if not twins:
            yield from remaining
        while chunk := [*islice(remaining, _AT_ONCE)]:
            texts = self._reading.passage_texts(map(passage_of, chunk))
            yield from (item for item in chunk if fold(texts[passage_of(item)]) not in twins)

    def _around(self, point: int, avoided: Collection[int]) -> Iterator[int]:
        """Give places in the order of the hashes from a point on, once around."""
        start = bisect_left(self._points, point)
        for place in chain(range(start, len(self._ids)), range(start)):
            if self._ids[place] not in avoided:
                yield place


def _hash(seed: int, query_sha256: str, item: int) -> int:
    return int.from_bytes(hashlib.sha256(f"{seed} {query_sha256} {item}".encode()).digest()[:8])
