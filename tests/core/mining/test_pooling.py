"""Pools: each system's best with where they come from, and a random share that depends on nobody else."""

import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reranker_core import BM25Reranker
from reranker_core.errors import InputError
from reranker_core.mining import Pool, System, pool_candidates
from reranker_core.reranker import Reranker

Corpus = dict[str, str]


@pytest.fixture(scope="module")
def pool(queries: dict[str, str], corpus: Corpus, load: Callable[..., Any]) -> Pool:
    """A pool of BM25, an encoder and two layers of a layerwise model."""
    rerankers = [("mine", load("encoder")), ("deep", load("layerwise"))]
    return pool_candidates(queries, corpus, rerankers=rerankers, depth=4, first_stage=12, cutoff_layers=[3, 8], seed=5)


def test_each_system_scores_what_bm25_found_as_the_reranker_does_by_itself(
    pool: Pool, queries: dict[str, str], corpus: Corpus, load: Callable[..., Any], assert_same: Callable[[Any, Any], None]
) -> None:
    assert [system.title for system in pool.systems] == ["bm25", "mine", "deep@3", "deep@8"]
    assert pool.systems[2] == System(title="deep@3", name="deep", layer=3)
    found = pool.runs["bm25"]["q1"]
    assert len(found) == 12
    pairs = [(queries["q1"], corpus[passage_id]) for passage_id in found]
    by_hand = load("encoder").score(pairs).column()
    assert_same([pool.runs["mine"]["q1"][passage_id] for passage_id in found], by_hand)
    deep = load("layerwise").score(pairs, cutoff_layers=[3, 8])
    for layer in (3, 8):
        scores = pool.runs[f"deep@{layer}"]["q1"]
        assert_same([scores[passage_id] for passage_id in found], deep.column(layer))
        assert list(scores.values()) == sorted(scores.values(), reverse=True)


def test_a_pool_is_each_systems_best_with_the_places_that_they_gave_it(pool: Pool) -> None:
    pooled = [passage for passage in pool.candidates["q1"] if passage.places]
    best = {title: list(run["q1"])[:4] for title, run in pool.runs.items()}
    assert {passage.passage_id for passage in pooled} == set().union(*best.values())
    for passage in pooled:
        assert {(place.system, place.rank) for place in passage.places} == {
            (title, ids.index(passage.passage_id) + 1) for title, ids in best.items() if passage.passage_id in ids
        }
        assert all(pool.runs[place.system]["q1"][passage.passage_id] == place.score for place in passage.places)
        assert passage.rank == min(place.rank for place in passage.places)
        assert best[passage.source][(passage.rank or 0) - 1] == passage.passage_id
    fused = [sum(1 / (60 + place.rank) for place in passage.places) for passage in pooled]
    assert fused == sorted(fused, reverse=True)
    assert list(pool.run["q1"]) == [passage.passage_id for passage in pool.candidates["q1"]]


@pytest.mark.parametrize(("share", "expected"), [(0.2, 3), (0.5, 10), (0.8, 40), (0.0, 0), (0.01, 1)])
def test_the_share_of_random_candidates_is_of_the_whole_and_comes_from_the_rest(
    share: float, expected: int, corpus: Corpus
) -> None:
    candidates = pool_candidates(
        {"q": "pandas"}, corpus | {f"e{n}": f"pandas {n}" for n in range(20)}, depth=10, random_share=share
    )
    drawn = [passage for passage in candidates.candidates["q"] if not passage.places]
    assert len(drawn) == expected
    assert len(candidates.candidates["q"]) == 10 + expected
    assert {(passage.source, passage.rank) for passage in drawn} <= {("random", None)}
    assert len(candidates.run["q"]) == 10 + expected, "nothing comes twice"


def test_a_query_that_no_passage_shares_a_word_with_gets_random_ones_and_is_named(corpus: Corpus) -> None:
    pool = pool_candidates({"q1": "pandas", "q2": "unheard", "q3": "?!"}, corpus, depth=6, random_share=0)
    assert pool.unmatched == ("q2", "q3")
    assert [passage.source for passage in pool.candidates["q2"]] == ["random"] * 6
    assert {passage.source for passage in pool.candidates["q1"]} == {"bm25"}


def test_empty_passages_are_never_pooled_and_one_text_comes_once(corpus: Corpus) -> None:
    pool = pool_candidates({"q": "pandas sleep all day"}, corpus, depth=100, random_share=0.9)
    ids = [passage.passage_id for passage in pool.candidates["q"]]
    assert len(set(ids)) == len(corpus) - 3
    assert not {"empty", "blank", "again"} & set(ids)
    assert (pool.empty_passages, pool.same_passages) == (2, 1)


def test_what_a_query_gets_depends_on_the_seed_and_on_no_other_query(queries: dict[str, str], corpus: Corpus) -> None:
    def pool(texts: dict[str, str], seed: int = 0) -> Pool:
        return pool_candidates(texts, corpus, depth=4, random_share=0.5, seed=seed)

    all_of_them = pool(queries)
    assert pool(queries).candidates == all_of_them.candidates
    for query_id, text in queries.items():
        assert pool({query_id: text}).candidates[query_id] == all_of_them.candidates[query_id]
    other = pool(queries, seed=1)
    for query_id in queries:
        assert other.candidates[query_id] != all_of_them.candidates[query_id]
        assert [one for one in other.candidates[query_id] if one.places] == [
            one for one in all_of_them.candidates[query_id] if one.places
        ]


def test_rerankers_may_be_loaded_one_after_the_other(corpus: Corpus, known_logits: Callable[..., Reranker]) -> None:
    alive: list[weakref.ref[Reranker]] = []

    def load_each() -> Iterator[tuple[str, Reranker]]:
        for name in ("one", "two"):
            assert not [one for one in alive if one() is not None], "the one before is still in memory"
            reranker = known_logits({}, name=name)
            alive.append(weakref.ref(reranker))
            yield name, reranker
            del reranker

    pool = pool_candidates({"q": "pandas"}, corpus, rerankers=load_each())
    assert [system.name for system in pool.systems] == ["bm25", "one", "two"]


def test_progress_names_the_stages_and_what_it_raises_stops_the_work(
    corpus: Corpus, known_logits: Callable[..., Reranker]
) -> None:
    told: list[tuple[str, float | None]] = []
    rerankers = [("known", known_logits({}))]
    pool_candidates({"q": "猫 pandas"}, corpus, rerankers=rerankers, on_progress=lambda *stage: told.append(stage))
    assert ("reading the corpus", 0.0) in told
    assert ("searching by BM25", 1.0) in told
    assert all(fraction is None or 0 <= fraction <= 1 for _, fraction in told)

    def stop(stage: str, fraction: float | None) -> None:
        raise InterruptedError(stage)

    with pytest.raises(InterruptedError, match="reading the corpus"):
        pool_candidates({"q": "pandas"}, corpus, on_progress=stop)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 0}, "depth must be at least 1"),
        ({"depth": 20, "first_stage": 10}, "first_stage at least depth, got 20 and 10"),
        ({"random_share": 1.0}, "random_share must be at least 0 and below 1, got 1.0"),
        ({"rerankers": [("bm25", BM25Reranker())]}, '"bm25" cannot be the reranker'),
    ],
)
def test_what_makes_no_pool_is_refused_with_a_sentence(options: dict[str, Any], message: str, corpus: Corpus) -> None:
    with pytest.raises(InputError, match=message):
        pool_candidates({"q": "pandas"}, corpus, **options)


def test_systems_of_one_name_and_a_corpus_without_texts_are_refused(
    corpus: Corpus, known_logits: Callable[..., Reranker]
) -> None:
    twice = [("one", known_logits({})), ("one", known_logits({}))]
    with pytest.raises(InputError, match='a system "one" already'):
        pool_candidates({"q": "pandas"}, corpus, rerankers=twice)
    with pytest.raises(InputError, match='a system "random" already'):
        pool_candidates({"q": "pandas"}, corpus, rerankers=[("random", known_logits({}))])
    with pytest.raises(InputError, match="The corpus has 1 passages and none with a text"):
        pool_candidates({"q": "pandas"}, {"empty": ""})
