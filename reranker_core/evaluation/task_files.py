"""Ranking tasks out of files: BEIR folders with or without a run, snapshots, training rows."""

import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

from reranker_core.errors import InputError
from reranker_core.evaluation.tasks import RankingTask
from reranker_core.examples import (
    BeirFolder,
    Qrels,
    Run,
    TrainingExample,
    open_beir,
    read_run,
    read_snapshot,
    read_training_jsonl,
    text_hash,
)
from reranker_core.examples.snapshots import CANDIDATES, MANIFEST
from reranker_core.mining.corpus_index import CorpusIndex, OnProgress, hash_number
from reranker_core.mining.ranking import BM25, order_scores, search_queries

DEPTH = 100
"""How many of BM25's best are ranked where no candidates are given."""

DRAWN = 15
"""How many random passages a training row without negatives ranks its positives against."""


def read_task(
    place: str | os.PathLike[str],
    *,
    split: str | None = None,
    run: str | os.PathLike[str] | None = None,
    depth: int | None = None,
    max_queries: int | None = None,
    on_progress: OnProgress | None = None,
) -> RankingTask:
    """Read what is to be ranked, whichever kind it is.

    - A BEIR folder ranks, for each query of a split, the candidates of a run, or else BM25's best 100 of its corpus.
    - A snapshot ranks all of its candidates.run, and brings its threshold and prompt.
    - Training rows (jsonl) rank the positives and negatives of each query.

    Args:
        place: the folder or the file.
        split: of a folder; by default `test`, or the only one that there is.
        run: a TREC run of candidates for a BEIR folder. Its file's name says what ranked them.
        depth: how many candidates of a query at most, the best ones; by default all, or BM25's best 100.
        max_queries: only the first queries that have grades.
        on_progress: see `OnProgress`.

    Raises:
        InputError: it is none of these, a file of it is bad, there is no such split, or nothing has a grade.
    """
    path = Path(place)
    for name, value in (("depth", depth), ("max_queries", max_queries)):
        if value is not None and value < 1:
            raise InputError(f"{name} must be at least 1, got {value}. Leave it out for the usual.")
    is_beir = path.is_dir() and not is_snapshot(path)
    if run is not None and not is_beir:
        raise InputError(f"{path} brings its own candidates. Leave the run out, or give a BEIR folder.")
    if is_beir:
        return _read_beir(path, split=split, run=run, depth=depth, max_queries=max_queries, on_progress=on_progress)
    if path.is_dir():
        return _read_snapshot(path, split=split or "test", depth=depth, max_queries=max_queries)
    if split is not None or depth is not None:
        raise InputError(f"{path} is a file of training rows: it has no splits and no depth. Leave split and depth out.")
    examples = read_training_jsonl(path)
    return make_rows_task(examples, name=path.name, max_queries=max_queries)


def is_snapshot(folder: Path) -> bool:
    """Tell whether a folder is a snapshot, damaged or not: its manifest, and no other, names candidates."""
    try:
        return f'"{CANDIDATES}"'.encode() in (folder / MANIFEST).read_bytes()
    except OSError:
        return False


def make_rows_task(
    examples: Iterable[TrainingExample],
    *,
    name: str,
    max_queries: int | None = None,
    corpus: CorpusIndex | None = None,
) -> RankingTask:
    """Make a task of training rows: each query ranks the positives and negatives of its rows.

    Ids are hashes of texts, so that rows of the same query come together. A query without any negative ranks its positives
    against 15 passages drawn at random; where there are none, it is left out. The note says how many.

    Args:
        examples: the rows.
        name: of the task.
        max_queries: only the first ones.
        corpus: where random passages come from; by default the rows' own texts.

    Raises:
        InputError: there is no query that has something to rank.
    """
    queries: dict[str, str] = {}
    passages: dict[str, str] = {}
    prompts: dict[str, str] = {}
    qrels: Qrels = {}
    for example in examples:
        query_id = text_hash(example.query)
        queries.setdefault(query_id, example.query)
        if example.prompt is not None:
            prompts.setdefault(query_id, example.prompt)
        grades = qrels.setdefault(query_id, {})
        for grade, texts in ((1, example.pos), (0, example.neg)):
            for text in texts:
                passage_id = text_hash(text)
                passages.setdefault(passage_id, text)
                grades[passage_id] = max(grade, grades.get(passage_id, 0))
    kept = dict(islice(qrels.items(), max_queries))
    candidates = {query_id: [*grades] for query_id, grades in kept.items()}
    lacking = [query_id for query_id, grades in kept.items() if 0 not in grades.values()]
    index = (corpus or CorpusIndex(passages)) if lacking else None
    for query_id in lacking:
        drawn = _draw(index, query_id, queries, passages, kept[query_id]) if index else {}
        passages.update(drawn)
        candidates[query_id] += drawn
        if not drawn:
            del candidates[query_id], kept[query_id]
    if not kept:
        raise InputError(f"{name} has no query with a negative passage, so there is nothing to rank. Add negatives.")
    return RankingTask(
        name=name,
        queries={query_id: queries[query_id] for query_id in kept},
        passages=passages,
        candidates={query_id: tuple(sorted(ids, key=hash_number)) for query_id, ids in candidates.items()},
        qrels=kept,
        prompts={query_id: prompt for query_id, prompt in prompts.items() if query_id in kept},
        note=_describe_rows(candidates, drawn=len(set(lacking) & kept.keys()), left_out=len(set(lacking) - kept.keys())),
    )


def _draw(
    index: CorpusIndex, query_id: str, queries: Mapping[str, str], passages: Mapping[str, str], known: Iterable[str]
) -> dict[str, str]:
    """Draw passages that are neither known for a query nor the query itself; they have no grade."""
    closed = map(index.find_text, (queries[query_id], *(passages[passage_id] for passage_id in known)))
    drawn = index.draw(query_id, count=DRAWN, seed=0, without={found for found in closed if found is not None})
    return {text_hash(index.text(passage_id)): index.text(passage_id) for passage_id in drawn}


def _describe_rows(candidates: Mapping[str, Iterable[str]], *, drawn: int, left_out: int) -> str:
    mean = sum(len(list(ids)) for ids in candidates.values()) / len(candidates)
    parts = [
        f"Each query ranks the positives and negatives of its rows, {mean:.1f} passages on average, and nothing else of a "
        "corpus; figures are higher than those over a corpus."
    ]
    if drawn:
        parts.append(f"{drawn} of {len(candidates)} queries have no negatives and rank random passages, which is easy.")
    if left_out:
        parts.append(f"{left_out} queries were left out: they have no negatives, and there is no other passage to draw.")
    return " ".join(parts)


def _read_beir(
    place: Path,
    *,
    split: str | None,
    run: str | os.PathLike[str] | None,
    depth: int | None,
    max_queries: int | None,
    on_progress: OnProgress | None,
) -> RankingTask:
    folder = open_beir(place)
    name = _choose_split(folder, split)
    qrels = dict(islice(folder.read_qrels(name).items(), max_queries))
    queries = {row.id: row.text for row in folder.read_queries() if row.id in qrels}
    passages = {row.id: row.passage for row in folder.read_corpus()}
    if run is None:
        found = search_queries(queries, CorpusIndex(passages, on_progress=on_progress), depth=depth or DEPTH)
        first_stage, what = BM25, f"the best {depth or DEPTH} passages that BM25 finds"
    else:
        found = read_run(run)
        first_stage, what = Path(run).stem, f"the candidates of {Path(run).name}{_say_depth(depth)}"
    candidates = _choose(found, qrels, depth)
    return RankingTask(
        name=f"{place.resolve().name} ({name})",
        queries=queries,
        passages=passages,
        candidates=candidates,
        qrels=qrels,
        note=f"Each query ranks {what} in a corpus of {len(passages):,}. {_describe_reach(candidates, qrels, 1)}",
        first_stage=first_stage,
    )


def _read_snapshot(place: Path, *, split: str, depth: int | None, max_queries: int | None) -> RankingTask:
    snapshot = read_snapshot(place)
    qrels = dict(islice(snapshot.read_qrels(split).items(), max_queries))
    if not qrels:
        raise InputError(f"The part {split} of snapshot {place} has no grades. Choose another part, or label more queries.")
    candidates = _choose(snapshot.read_candidates(), qrels, depth)
    prompt = snapshot.manifest.get("prompt")
    threshold = _read_threshold(snapshot.manifest)
    return RankingTask(
        name=f"{snapshot.manifest.get('name') or place.resolve().name} ({split})",
        queries={row.id: row.text for row in snapshot.read_queries() if row.id in qrels},
        passages={row.id: row.passage for row in snapshot.read_corpus()},
        candidates=candidates,
        qrels=qrels,
        relevant_from=threshold,
        prompts=dict.fromkeys(qrels, prompt) if isinstance(prompt, str) and prompt else {},
        note=f"Each query ranks its candidates of the snapshot{_say_depth(depth)}. "
        f"{_describe_reach(candidates, qrels, threshold)}",
        first_stage=str(snapshot.manifest.get("candidates_scored_by") or ""),
    )


def _choose_split(folder: BeirFolder, split: str | None) -> str:
    """Choose the split asked for, else `test`, else the only one."""
    if split is not None:
        return split  # read_qrels says which there are
    if "test" in folder.splits or len(folder.splits) != 1:
        return "test"
    return folder.splits[0]


def _read_threshold(manifest: Mapping[str, Any]) -> int:
    threshold = manifest.get("threshold")
    lowest = threshold.get("positive_from") if isinstance(threshold, Mapping) else threshold
    return lowest if isinstance(lowest, int) and lowest >= 1 else 1


def _choose(run: Run, qrels: Qrels, depth: int | None) -> dict[str, tuple[str, ...]]:
    """Take the best candidates of the queries that have grades."""
    return {query_id: tuple(order_scores(run.get(query_id, {})))[:depth] for query_id in qrels}


def _say_depth(depth: int | None) -> str:
    return "" if depth is None else f", the best {depth}"


def _describe_reach(candidates: Mapping[str, Iterable[str]], qrels: Qrels, relevant_from: int) -> str:
    """Say how much a reranker can find at all, and what becomes of passages without a grade."""

    def list_relevant() -> Iterator[bool]:
        for query_id, grades in qrels.items():
            there = set(candidates[query_id])
            yield from (passage_id in there for passage_id, grade in grades.items() if grade >= relevant_from)

    relevant = list(list_relevant())
    found = f"{sum(relevant) / len(relevant):.0%}" if relevant else "none"
    return (
        f"Of the relevant passages (grade {relevant_from} or more) {found} are among them; a passage without a grade "
        "counts as not relevant."
    )
