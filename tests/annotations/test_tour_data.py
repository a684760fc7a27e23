"""What assets/tour/README.md claims of the tour's collection."""

from pathlib import Path

import pytest

from annotations.exchange.splits import place
from reranker_core.baseline import score_passages
from reranker_core.examples import open_beir, read_beir_qrels, read_corpus, read_queries, read_run, text_hash
from reranker_core.examples.relevance import Qrels, Run

FOLDER = Path(__file__).parents[2] / "assets" / "tour"
PARTS = ("train", "dev", "test")
LEFT_OPEN = {
    "q024": {"hush-4", "old-03"},
    "q089": {"tag-4", "old-06"},
    "q106": {"paddock-3", "old-21"},
    "q144": {"gift-3", "old-25"},
}


@pytest.fixture(scope="module")
def passages() -> dict[str, str]:
    """The passages by id, with their titles."""
    return {entry.id: entry.passage for entry in read_corpus(FOLDER / "corpus.jsonl")}


@pytest.fixture(scope="module")
def queries() -> dict[str, str]:
    """The queries by id."""
    return {entry.id: entry.text for entry in read_queries(FOLDER / "queries.jsonl")}


@pytest.fixture(scope="module")
def qrels() -> dict[str, Qrels]:
    """The judgements by part."""
    assert set(open_beir(FOLDER).splits) == set(PARTS)
    return {part: read_beir_qrels(FOLDER / "qrels" / f"{part}.tsv") for part in PARTS}


@pytest.fixture(scope="module")
def run() -> Run:
    """The candidates."""
    return read_run(FOLDER / "candidates.run")


def test_the_collection_has_the_counts_of_its_readme(
    passages: dict[str, str], queries: dict[str, str], qrels: dict[str, Qrels], run: Run
) -> None:
    counts = {part: len(qrels[part]) for part in PARTS}
    judged = sum(len(grades) for part in PARTS for grades in qrels[part].values())
    assert (len(passages), len(queries), counts) == (242, 206, {"train": 117, "dev": 33, "test": 56})
    assert (judged, sum(map(len, run.values()))) == (3917, 3925)
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for claim in ("242 passages", "206 questions", "117 in train, 33 in dev, 56 in test", "3,917", "3,925"):
        assert claim in text


def test_the_collection_takes_300_kb_at_most() -> None:
    assert sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()) < 300_000


def test_a_hash_of_the_question_chooses_its_part(queries: dict[str, str], qrels: dict[str, Qrels]) -> None:
    for part in PARTS:
        for query_id in qrels[part]:
            assert place(text_hash(queries[query_id]), seed=0, weights=(55, 15, 30)) == part, query_id


def test_every_candidate_is_judged_but_those_left_to_the_visitor(qrels: dict[str, Qrels], run: Run) -> None:
    judged = {query_id: set(grades) for part in PARTS for query_id, grades in qrels[part].items()}
    left = {query_id: set(found) - judged[query_id] for query_id, found in run.items() if set(found) - judged[query_id]}
    assert left == LEFT_OPEN
    assert set(LEFT_OPEN) <= set(qrels["train"])


def test_every_question_but_the_open_ones_has_one_to_three_answers(qrels: dict[str, Qrels]) -> None:
    for part in PARTS:
        for query_id, grades in qrels[part].items():
            answers = sum(grades.values())
            assert answers in ((0,) if query_id in LEFT_OPEN else (1, 2, 3)), query_id
            assert len(grades) - answers >= 10, query_id


def test_withdrawn_pages_and_stories_never_answer(qrels: dict[str, Qrels]) -> None:
    answers = {name for part in PARTS for grades in qrels[part].values() for name, grade in grades.items() if grade}
    assert not [name for name in answers if name.startswith(("old-", "letter-"))]


def test_candidates_hold_the_best_fifteen_of_bm25_in_its_order(
    passages: dict[str, str], queries: dict[str, str], run: Run
) -> None:
    for query_id in ("q001", "q024", "q053", "q206"):
        found = dict(zip(passages, score_passages(queries[query_id], list(passages.values())), strict=True))
        best = sorted(passages, key=lambda name: -found[name])[:15]
        assert set(best) <= set(run[query_id])
        assert all(run[query_id][name] == pytest.approx(found[name], abs=6e-4) for name in run[query_id])


def test_no_two_passages_and_no_two_questions_are_alike(passages: dict[str, str], queries: dict[str, str]) -> None:
    assert len({text.casefold() for text in passages.values()}) == len(passages)
    assert len({text.casefold() for text in queries.values()}) == len(queries)


def test_passages_are_neither_scraps_nor_essays(passages: dict[str, str]) -> None:
    lengths = {name: len(text.split()) for name, text in passages.items()}
    assert not {name: length for name, length in lengths.items() if not 40 <= length <= 120}
