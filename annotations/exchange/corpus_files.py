"""What a BEIR folder and a snapshot have in common: passages, queries and candidates with the ids of the file."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from annotations.exchange.export_ids import ExportIds
from annotations.exchange.import_options import Progress
from annotations.exchange.labelled import PASSAGE_DELETED
from annotations.exchange.tally import Tally
from annotations.models import ModelRef
from annotations.store.labels import CandidateRow, LabelReading, PassageRow
from reranker_core.examples import CorpusEntry, QueryEntry, Run

_AT_ONCE = 500  # texts in memory


def read_corpus(reading: LabelReading, ids: ExportIds, *, on_progress: Progress | None = None) -> Iterator[CorpusEntry]:
    """Give all passages of the project, one entry for each id, with the title that belongs to the id."""
    total, done = reading.count_passages(), 0
    passages = reading.corpus()
    while page := [*islice(passages, _AT_ONCE)]:
        if on_progress:
            on_progress("Writing passages", done / total)
        titles = reading.names_of_passages(passage.id for passage in page)
        for passage in page:
            for ext_id in ids.of(passage.id):
                yield _make_entry(ext_id, passage, titles.get(passage.id, {}).get(ext_id, ""))
        done += len(page)


def read_queries(reading: LabelReading, query_ids: Iterable[int], ids: ExportIds) -> Iterator[QueryEntry]:
    """Give queries, one entry for each id."""
    remaining = iter(query_ids)
    while page := [*islice(remaining, _AT_ONCE)]:
        texts = reading.query_texts(page)
        for query_id in page:
            for ext_id in ids.of(query_id):
                yield QueryEntry(id=ext_id, text=texts[query_id])


def collect_candidates(
    reading: LabelReading, query_ids: Iterable[int], *, names: tuple[ExportIds, ExportIds], tally: Tally
) -> Run:
    """Give all candidates of queries as a run: see `score_candidates`.

    Args:
        reading: where they are.
        query_ids: of the queries.
        names: the ids of queries and of passages in the file.
        tally: to which the candidates are accounted.
    """
    model = find_first_stage(reading)
    run: Run = {}
    remaining = iter(query_ids)
    while page := [*islice(remaining, _AT_ONCE)]:
        candidates = reading.candidates(page)
        scores = reading.scores(model.id, page) if model else {}
        for query_id in page:
            rows = [row for row in candidates.get(query_id, []) if not row.is_deleted]
            deleted = len(candidates.get(query_id, [])) - len(rows)
            tally.give("candidates", len(rows) + deleted)
            tally.use("candidates", len(rows))
            tally.leave_out("candidates", PASSAGE_DELETED, deleted)
            scored = score_candidates(rows, scores)
            by_ext_id = {ext_id: score for key, score in scored.items() for ext_id in names[1].of(key)}
            if by_ext_id:
                run.update((ext_id, by_ext_id) for ext_id in names[0].of(query_id))
    return run


def find_first_stage(reading: LabelReading) -> ModelRef | None:
    """Give the model whose scores order a project's candidates: BM25, or else the first that scored any."""
    models = reading.models()
    return next((model for model in models if "bm25" in model.name.casefold()), models[0] if models else None)


def score_candidates(rows: Sequence[CandidateRow], scores: Mapping[int, float]) -> dict[int, float]:
    """Give each candidate of one query a score that falls in the order in which they were found, by passage.

    Those that the first stage scored keep its score. The others follow below the lowest, one less each, by their rank where
    they were found, then in the order in which they were added. If it scored none of them, the score is 1 / place in that
    order.

    Args:
        rows: the query's candidates.
        scores: of the first stage, by candidate.
    """
    found: dict[int, float] = {row.passage_id: scores[row.id] for row in rows if row.id in scores}
    lowest = min(found.values(), default=None)
    others = [row for row in rows if row.id not in scores]
    others.sort(key=lambda row: (row.source_rank is None, row.source_rank or 0, row.id))
    for place, row in enumerate(others, start=1):
        found[row.passage_id] = 1 / place if lowest is None else lowest - place
    return found


def _make_entry(ext_id: str, passage: PassageRow, title: str) -> CorpusEntry:
    """Take the title off the text, so that both together are the passage again; keep the text whole where they are not."""
    text = passage.text.removeprefix(title).removeprefix(" ")
    if title and f"{title} {text}".strip() == passage.text:
        return CorpusEntry(id=ext_id, title=title, text=text)
    return CorpusEntry(id=ext_id, text=passage.text)
