"""Which passages are in the training row of which query: decided by ids, then written with the texts."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from annotations.exchange.labelled import LabelledQuery
from annotations.exchange.options import ExportOptions, Threshold
from annotations.exchange.random_negatives import Corpus
from annotations.exchange.tally import Tally
from annotations.folding import fold
from annotations.store.labels import CandidateRow, LabelReading
from reranker_core.examples import TrainingExample

NOTHING_GRADED = "no passage has a grade"
NO_POSITIVE = "the query has no positive passage"
NO_NEGATIVE = "the query has no negative passage, and the corpus has none to draw"
BETWEEN = "the grade is neither positive nor negative"
BLANK = "the passage is empty or only white space"
_AT_ONCE = 50  # rows whose texts are in memory; usually some megabytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A training row by its ids; in each list the order in which the candidates were added.

    Attributes:
        query: whose row it is.
        positives: passages.
        negatives: passages that were judged negative.
        drawn: random passages in their place, if there are none.
    """

    query: LabelledQuery
    positives: tuple[int, ...]
    negatives: tuple[int, ...]
    drawn: tuple[int, ...]


class RowChoice:
    """Chooses the passages of rows, and accounts for queries and pairs."""

    def __init__(self, reading: LabelReading, options: ExportOptions, threshold: Threshold, *, tally: Tally) -> None:
        """Prepare for the queries of one reading.

        Args:
            reading: where the passages are.
            options: say how random passages are drawn.
            threshold: says what is positive.
            tally: counts.
        """
        self._reading = reading
        self._options = options
        self._threshold = threshold
        self._tally = tally
        self._blank = reading.blank_passages()
        self._corpus: Corpus | None = None

    def choose(self, queries: Iterable[LabelledQuery]) -> Iterator[Row]:
        """Give the rows of those queries that have a positive passage and a negative one, or one to draw."""
        remaining = iter(queries)
        while page := [*islice(remaining, _AT_ONCE)]:
            split_up = [(query, *self._split_up(query)) for query in page]
            lacking = [query.id for query, positives, negatives in split_up if positives and not negatives]
            candidates = self._reading.candidates(lacking)
            for query, positives, negatives in split_up:
                drawn: tuple[int, ...] = ()
                if positives and not negatives:
                    drawn = self._draw(query, candidates.get(query.id, []))
                if self._take(query, positives, negatives, drawn):
                    yield Row(query=query, positives=positives, negatives=negatives, drawn=drawn)

    def _split_up(self, query: LabelledQuery) -> tuple[tuple[int, ...], tuple[int, ...]]:
        positives: list[int] = []
        negatives: list[int] = []
        for passage_id, grade in query.grades.items():
            if self._threshold.negative_to < grade < self._threshold.positive_from:
                self._tally.leave_out("pairs", BETWEEN)
            elif passage_id in self._blank:
                self._tally.leave_out("pairs", BLANK)
            else:
                (positives if grade >= self._threshold.positive_from else negatives).append(passage_id)
        return tuple(positives), tuple(negatives)

    def _draw(self, query: LabelledQuery, candidates: list[CandidateRow]) -> tuple[int, ...]:
        if self._corpus is None:
            self._corpus = Corpus(self._reading)
        options = self._options
        return self._corpus.draw(
            query.sha256,
            candidates,
            judged=query.judged,
            count=options.negatives,
            seed=options.seed,
            twins=self._fold_known(query),
        )

    def _fold_known(self, query: LabelledQuery) -> set[str]:
        """Fold the judged passages of a query, and the query itself: what is the same when folded is no negative of it."""
        known = (self._reading.passage_texts(query.judged), self._reading.query_texts([query.id]))
        return {fold(text) for texts in known for text in texts.values()}

    def _take(
        self, query: LabelledQuery, positives: tuple[int, ...], negatives: tuple[int, ...], drawn: tuple[int, ...]
    ) -> bool:
        why_not = None
        if not query.grades:
            why_not = NOTHING_GRADED
        elif not positives:
            why_not = NO_POSITIVE
        elif not negatives and not drawn:
            why_not = NO_NEGATIVE
        pairs = len(positives) + len(negatives)
        if why_not:
            self._tally.leave_out("queries", why_not)
            self._tally.leave_out("pairs", why_not, pairs)
            return False
        self._tally.use("queries")
        self._tally.use("pairs", pairs)
        self._tally.counts.update(
            positives=len(positives), negatives=len(negatives), random_negatives=len(drawn), filled_queries=bool(drawn)
        )
        return True


def write_out(rows: Iterable[Row], reading: LabelReading, *, prompt: str | None) -> Iterator[TrainingExample]:
    """Give rows with their texts, some of them in memory at a time."""
    remaining = iter(rows)
    while page := [*islice(remaining, _AT_ONCE)]:
        queries = reading.query_texts(row.query.id for row in page)
        passages = reading.passage_texts({key for row in page for key in (*row.positives, *row.negatives, *row.drawn)})
        for row in page:
            yield TrainingExample(
                query=queries[row.query.id],
                pos=tuple(passages[key] for key in row.positives),
                neg=tuple(passages[key] for key in (*row.negatives, *row.drawn)),
                prompt=prompt,
            )
