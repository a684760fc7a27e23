"""Counting while an export goes on, so that what went in, what came out and what was left out can be compared."""

from collections import Counter

from annotations.exchange.options import Account, Counted


class Tally:
    """Counts by kind. What is given must in the end be used or left out."""

    def __init__(self) -> None:
        """Start at nothing."""
        self.counts: Counter[str] = Counter()
        self._given: Counter[Counted] = Counter()
        self._used: Counter[Counted] = Counter()
        self._left_out: dict[Counted, Counter[str]] = {}

    def give(self, kind: Counted, count: int = 1) -> None:
        """Count what went in."""
        self._given[kind] += count

    def use(self, kind: Counted, count: int = 1) -> None:
        """Count what is in what was written."""
        self._used[kind] += count

    def leave_out(self, kind: Counted, reason: str, count: int = 1) -> None:
        """Count what is not, with the reason."""
        if count:
            self._left_out.setdefault(kind, Counter())[reason] += count

    def account(self) -> tuple[Account, ...]:
        """Give the accounts of all kinds.

        Raises:
            RuntimeError: something is neither used nor left out.
        """
        kinds = sorted({*self._given, *self._used, *self._left_out})
        return tuple(
            Account(
                of=kind,
                given=self._given[kind],
                used=self._used[kind],
                left_out=dict(sorted(self._left_out.get(kind, Counter()).items())),
            )
            for kind in kinds
        )
