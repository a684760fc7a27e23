"""The queries of a project with the gold grades of their passages, one after the other."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from annotations.errors import InputError
from annotations.exchange.import_options import Progress
from annotations.exchange.options import ExportOptions
from annotations.exchange.splits import USUAL_WEIGHTS, Weights, place
from annotations.exchange.tally import Tally
from annotations.gold import settle
from annotations.models import Annotator, AnnotatorKind, Split
from annotations.store.labels import JudgementRow, LabelReading, QueryRow

NOT_GRADED = {"skipped": "skipped", "cant_tell": "can't tell", "later": "put off until later"}
QUERY_DELETED, PASSAGE_DELETED = "the query was deleted", "the passage was deleted"
OTHER_PART, OTHER_ANNOTATOR = "the query is in another part", "of an annotator who was not chosen"
OVERRULED = "of an import or a model, where a person graded"


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelledQuery:
    """A query with its gold grades.

    Attributes:
        id: of the query.
        sha256: of its text.
        split: the part that it belongs to.
        is_stored: whether that is stored for it; else its hash placed it.
        grades: by passage, in the order in which the candidates were added; of no deleted passage.
        judged: passages that anybody put into any state.
    """

    id: int
    sha256: str
    split: Split
    is_stored: bool
    grades: Mapping[int, int]
    judged: frozenset[int]


def read_labelled(
    reading: LabelReading,
    options: ExportOptions,
    *,
    tally: Tally,
    weights: Weights = USUAL_WEIGHTS,
    on_progress: Progress | None = None,
) -> Iterator[LabelledQuery]:
    """Give all queries that the options ask for, with or without grades, in the order in which they were added.

    Judgements are accounted for here. Queries and pairs with a gold grade are only given to the tally: who takes a query
    from here counts what becomes of both.

    Raises:
        InputError: the options name an annotator who is not there.
    """
    labelling = _Labelling(reading, options, weights, tally)
    total, done = reading.count_queries(), 0
    for page in reading.pages():
        if on_progress:
            on_progress("Reading labels", done / total)
        judgements = reading.judgements([query.id for query in page])
        for query in page:
            labelled = labelling.label(query, judgements.get(query.id, []))
            if labelled:
                yield labelled
        done += len(page)


def find_annotators(annotators: Mapping[int, Annotator], options: ExportOptions) -> dict[int, AnnotatorKind]:
    """Give the kinds of those whose judgements count, by id.

    Raises:
        InputError: the options name somebody who is not there.
    """
    by_handle = {annotator.handle: annotator for annotator in annotators.values()}
    for handle in options.annotators or ():
        if handle not in by_handle:
            raise InputError(f'There is no annotator "{handle}". Choose among: {", ".join(sorted(by_handle)) or "nobody"}.')
    chosen = by_handle if options.annotators is None else options.annotators
    return {by_handle[handle].id: by_handle[handle].kind for handle in chosen}


class _Labelling:
    """Turns a query's judgements into gold grades, and accounts for each of them."""

    def __init__(self, reading: LabelReading, options: ExportOptions, weights: Weights, tally: Tally) -> None:
        self._kinds = find_annotators(reading.annotators(), options)
        self._options = options
        self._weights = weights
        self._seed = reading.project.split_seed
        self._tally = tally

    def label(self, query: QueryRow, rows: Sequence[JudgementRow]) -> LabelledQuery | None:
        """Give a query with its gold grades; `None` if it does not take part."""
        self._tally.give("queries")
        self._tally.give("judgements", len(rows))
        for row in rows:
            self._tally.counts[row.state] += 1
        split = query.split or place(query.sha256, seed=self._seed, weights=self._weights)
        why_not = QUERY_DELETED if query.is_deleted else None
        if why_not is None and self._options.splits is not None and split not in self._options.splits:
            why_not = OTHER_PART
        if why_not:
            self._tally.leave_out("queries", why_not)
            self._tally.leave_out("judgements", why_not, len(rows))
            return None
        grades = {}
        for passage_id, same in groupby(rows, key=lambda row: row.passage_id):
            grade = self._settle([*same])
            if grade is not None:
                grades[passage_id] = grade
        self._tally.give("pairs", len(grades))
        return LabelledQuery(
            id=query.id,
            sha256=query.sha256,
            split=split,
            is_stored=query.split is not None,
            grades=grades,
            judged=frozenset(row.passage_id for row in rows),
        )

    def _settle(self, rows: Sequence[JudgementRow]) -> int | None:
        """Give the gold grade of a pair, if it has one."""
        counted: list[tuple[AnnotatorKind, int]] = []
        for row in rows:
            if row.is_deleted:
                self._tally.leave_out("judgements", PASSAGE_DELETED)
            elif row.annotator_id not in self._kinds:
                self._tally.leave_out("judgements", OTHER_ANNOTATOR)
            elif row.grade is None:
                self._tally.leave_out("judgements", NOT_GRADED[row.state])
            else:
                counted.append((self._kinds[row.annotator_id], row.grade))
        if not counted:
            return None
        gold = settle(counted, rule=self._options.rule)
        self._tally.leave_out("judgements", OVERRULED, gold.overruled)
        self._tally.use("judgements", len(counted) - gold.overruled)
        return gold.grade
