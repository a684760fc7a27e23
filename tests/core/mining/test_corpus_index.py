"""One index for all queries: the same terms and scores as BM25 has over the whole corpus, and draws that stay."""

import pytest

from reranker_core import BM25Reranker
from reranker_core.errors import InputError
from reranker_core.mining import CorpusIndex


def test_scores_are_those_of_bm25_over_the_whole_corpus(corpus: dict[str, str]) -> None:
    index, query = CorpusIndex(corpus), "do red pandas eat fish, or swim in the river?"
    pairs = [(query, index.text(passage_id)) for passage_id in index.ids]
    by_reranker = dict(zip(index.ids, BM25Reranker().score(pairs).column(), strict=True))
    found = index.search(query, depth=100)
    assert found == pytest.approx({passage_id: score for passage_id, score in by_reranker.items() if score > 0})
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert list(index.search(query, depth=3)) == list(found)[:3]


def test_a_single_character_is_found_inside_a_run_and_changes_no_other_query(corpus: dict[str, str]) -> None:
    index = CorpusIndex(corpus)
    before = index.search("黑猫", depth=5)
    assert set(index.search("猫", depth=5)) == {"cat", "cats"}
    assert index.search("猫", depth=1).keys() == {"cats"}, "the shorter one is nearer"
    assert index.search("黑猫", depth=5) == before


def test_a_single_character_counts_as_a_word_would() -> None:
    words, characters = {"a": "x", "b": "y z x"}, {"a": "猫", "b": "狗和猫"}
    assert CorpusIndex(words).search("x", depth=5) == CorpusIndex(characters).search("猫", depth=5)


def test_of_equal_scores_the_order_of_the_corpus_favours_none() -> None:
    same = {f"p{number}": f"panda {number}" for number in range(30)}
    found = list(CorpusIndex(same).search("panda", depth=5))
    assert found == list(CorpusIndex(dict(reversed(same.items()))).search("panda", depth=5))
    assert found != list(same)[:5]


def test_a_corpus_without_words_finds_nothing() -> None:
    assert CorpusIndex({"a": "?!", "b": ""}).search("panda 猫", depth=5) == {}


def test_empty_passages_and_repeated_texts_are_left_out_and_counted(corpus: dict[str, str]) -> None:
    index = CorpusIndex(corpus)
    assert index.empty_ids == ("empty", "blank")
    assert index.same_texts == 1
    assert index.find_id("again") == "d1"
    assert "again" not in index.ids
    assert (index.find_id("empty"), index.find_id("nobody")) == (None, None)


def test_draws_depend_on_the_seed_and_the_query_and_hardly_on_what_the_corpus_gains(corpus: dict[str, str]) -> None:
    index = CorpusIndex(corpus)
    drawn = index.draw("q1", count=8, seed=1)
    assert len(set(drawn)) == 8
    assert index.draw("q1", count=8, seed=1) == drawn
    assert index.draw("q1", count=8, seed=2) != drawn
    assert index.draw("q2", count=8, seed=1) != drawn
    assert index.draw("q1", count=4, seed=1) == drawn[:4]
    assert index.draw("q1", count=7, seed=1, without=drawn[:1]) == drawn[1:]
    grown = CorpusIndex(corpus | {"one more": "a passage more"}).draw("q1", count=8, seed=1)
    assert len(set(grown) & set(drawn)) >= 7
    assert set(index.draw("q1", count=1000, seed=1)) == set(index.ids)


def test_a_passage_that_is_no_text_is_named() -> None:
    with pytest.raises(InputError, match='passage "d7" has half of a surrogate pair'):
        CorpusIndex({"d7": "a \ud83d"})
