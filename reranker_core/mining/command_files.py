"""What the commands of mining read and write: BEIR folders, jsonl files, training rows."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from reranker_core.errors import InputError
from reranker_core.examples import (
    BeirFolder,
    TrainingExample,
    open_beir,
    read_corpus,
    read_queries,
    read_training_jsonl,
    text_hash,
)
from reranker_core.examples.new_files import dump_json, new_file
from reranker_core.mining.negatives import MinedQuery
from reranker_core.mining.pooling import Pool


@dataclass(frozen=True, slots=True, kw_only=True)
class NegativesInput:
    """Training rows, and the corpus that fills them.

    Attributes:
        examples: by the name of the row.
        corpus: passages by id.
        positives: passage ids by row.
        exclude: passage ids that are no new negatives, by row.
        wanted: the rows that lack negatives.
        without_positive: how many queries of a BEIR folder became no row.
    """

    examples: Mapping[str, TrainingExample]
    corpus: Mapping[str, str]
    positives: Mapping[str, tuple[str, ...]]
    exclude: Mapping[str, tuple[str, ...]]
    wanted: tuple[str, ...]
    without_positive: int = 0


def read_collection(
    folder: Path | None, *, queries: Path | None, corpus: Path | None, max_queries: int | None
) -> tuple[dict[str, str], dict[str, str]]:
    """Read queries and corpus, each by id.

    Raises:
        InputError: neither a folder nor both files are given, a row is bad, or there are no queries.
    """
    if (folder is None) == (queries is None and corpus is None) or (queries is None) != (corpus is None):
        raise InputError("Give a BEIR folder, or --queries and --corpus.")
    if max_queries is not None and max_queries < 1:
        raise InputError(f"--max_queries must be at least 1, got {max_queries}. Leave it out for all.")
    if folder is not None:
        beir = open_beir(folder)
        query_rows, passage_rows = beir.read_queries(), beir.read_corpus()
    else:
        query_rows, passage_rows = read_queries(queries or ""), read_corpus(corpus or "")
    texts = {row.id: row.text for row in islice(query_rows, max_queries)}
    if not texts:
        raise InputError(f"{queries or folder} has no queries. Give a file that has.")
    return texts, {row.id: row.passage for row in passage_rows}


def read_negatives_input(
    data: Path, *, corpus: Path | None, split: str, positive_from: int, prompt: str | None, negatives: int
) -> NegativesInput:
    """Read what is to get negatives.

    Args:
        data: training jsonl, or a BEIR folder with qrels.
        corpus: to choose from; by default the passages of the data.
        split: of a BEIR folder.
        positive_from: of a BEIR folder, the grade from which on a passage is positive; what is graded 0 is negative, and
            everything else that the qrels name is neither.
        prompt: for rows that have none.
        negatives: rows with fewer are wanted.

    Raises:
        InputError: something cannot be read, or a row with too few negatives has scores.
    """
    is_folder = data.is_dir()
    given = _read_beir(open_beir(data), split=split, positive_from=positive_from) if is_folder else _read_rows(data)
    if corpus is not None:
        theirs = {row.id: row.passage for row in read_corpus(corpus)}
        own = {passage_id: text for passage_id, text in given.corpus.items() if passage_id not in theirs}
        given = replace(given, corpus=theirs | own)
    wanted = tuple(row_id for row_id, example in given.examples.items() if len(example.neg) < negatives)
    for row_id in wanted:
        if given.examples[row_id].pos_scores is not None or given.examples[row_id].neg_scores is not None:
            raise InputError(
                f"{data}: {row_id} has a teacher's scores and too few negatives, and new ones would have no scores. Take "
                "the scores out, or score again afterwards."
            )
    examples = {
        row_id: replace(example, prompt=prompt if example.prompt is None else example.prompt)
        for row_id, example in given.examples.items()
    }
    return replace(given, examples=examples, wanted=wanted)


def fill_rows(
    given: NegativesInput, mined: Mapping[str, MinedQuery], *, negatives: int
) -> tuple[list[TrainingExample], dict[str, int]]:
    """Add negatives to rows; those that stay without one are left out.

    Returns:
        The rows, and how many negatives are new, by their source.
    """
    rows = []
    added: Counter[str] = Counter()
    for row_id, example in given.examples.items():
        found = mined[row_id].negatives[: negatives - len(example.neg)] if row_id in mined else ()
        added.update(passage.source for passage in found)
        filled = replace(example, neg=(*example.neg, *(given.corpus[passage.passage_id] for passage in found)))
        if filled.neg:
            rows.append(filled)
    return rows, dict(added)


def list_doubtful(given: NegativesInput, mined: Mapping[str, MinedQuery]) -> Iterator[dict[str, Any]]:
    """List what may be an answer, as rows that can be imported as candidates."""
    for row_id, query in mined.items():
        for passage in query.doubtful:
            yield {
                "query": given.examples[row_id].query,
                "passage": given.corpus[passage.passage_id],
                "source": passage.source,
                "rank": passage.rank,
                "score": passage.score,
                "limit": query.limit,
            }


def list_pairs(pool: Pool, *, queries: Mapping[str, str], corpus: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """List candidates as rows that can be imported: `source` and `rank` are those of the system that put it highest."""
    for query_id, candidates in pool.candidates.items():
        for passage in candidates:
            yield {
                "query_id": query_id,
                "query": queries[query_id],
                "passage_id": passage.passage_id,
                "passage": corpus[passage.passage_id],
                "source": passage.source,
                "rank": passage.rank,
                "places": {place.system: {"rank": place.rank, "score": place.score} for place in passage.places},
            }


def write_rows(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write jsonl, whole or not at all."""
    with new_file(path) as file:
        for row in rows:
            file.write_row(dump_json(row))


def _read_rows(path: Path) -> NegativesInput:
    """Read training rows; passages are known by their hash, their own corpus is all of them.

    What answers a query in any row, also in one that lacks nothing, is no negative of it in another.
    """
    examples = {f"row {number}": example for number, example in enumerate(read_training_jsonl(path), start=1)}
    texts = {text_hash(text): text for example in examples.values() for text in (*example.pos, *example.neg)}
    positives = {row_id: tuple(map(text_hash, example.pos)) for row_id, example in examples.items()}
    answers = _join_same({row_id: example.query for row_id, example in examples.items()}, positives)
    return NegativesInput(
        examples=examples,
        corpus=texts,
        positives=positives,
        exclude={row_id: (*map(text_hash, example.neg), *answers[row_id]) for row_id, example in examples.items()},
        wanted=(),
    )


def _join_same(queries: Mapping[str, str], passages: Mapping[str, Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Give each query the passages of all queries of its text."""
    by_text: dict[str, dict[str, None]] = {}
    for query_id, query in queries.items():
        by_text.setdefault(text_hash(query), {}).update(dict.fromkeys(passages.get(query_id, ())))
    return {query_id: tuple(by_text[text_hash(query)]) for query_id, query in queries.items()}


def _read_beir(folder: BeirFolder, *, split: str, positive_from: int) -> NegativesInput:
    """Make training rows of qrels; what any split grades, also for a query of the same text, is no new negative."""
    corpus = {row.id: row.passage for row in folder.read_corpus()}
    graded = folder.read_qrels(split)
    judged: dict[str, dict[str, int]] = {}
    for name in folder.splits:
        for query_id, grades in folder.read_qrels(name).items():
            judged.setdefault(query_id, {}).update(grades)
    examples, positives = {}, {}
    queries = {row.id: row.text for row in folder.read_queries()}
    for query_id, grades in graded.items():
        if query_id not in queries:
            raise InputError(f'qrels/{split}.tsv names query "{query_id}", which is not in queries.jsonl. Add it there.')
        ids = tuple(passage_id for passage_id, grade in grades.items() if grade >= positive_from)
        missing = next((passage_id for passage_id in grades if passage_id not in corpus), None)
        if missing is not None:
            raise InputError(f'qrels/{split}.tsv names passage "{missing}", which is not in corpus.jsonl. Add it there.')
        if ids := tuple(passage_id for passage_id in ids if corpus[passage_id].strip()):
            negatives = (corpus[one] for one, grade in grades.items() if grade == 0 < positive_from and corpus[one].strip())
            examples[query_id] = TrainingExample(
                query=queries[query_id], pos=tuple(corpus[one] for one in ids), neg=tuple(negatives)
            )
            positives[query_id] = ids
    return NegativesInput(
        examples=examples,
        corpus=corpus,
        positives=positives,
        exclude=_join_same(queries, judged),
        wanted=(),
        without_positive=len(graded) - len(examples),
    )
