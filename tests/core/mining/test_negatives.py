"""Hard negatives: never an answer that is known, and what may be one stands apart."""

from collections.abc import Callable
from typing import Any

import pytest

from reranker_core import BM25Reranker
from reranker_core.errors import InputError
from reranker_core.mining import MinedQuery, mine_negatives
from reranker_core.reranker import Reranker
from reranker_core.scores import sigmoid

PANDAS = {f"p{number}": f"panda {number} " + "eats " * number for number in range(1, 9)}
OTHERS = {f"o{number}": f"nothing of it {number}" for number in range(6)}
CORPUS = {"yes": "the panda eats bamboo", "empty": "", **PANDAS, **OTHERS}

Known = Callable[..., Reranker]


def mine(**how: Any) -> MinedQuery:
    """Mine for one query with one positive."""
    arguments: dict[str, Any] = {"queries": {"q": "panda"}, "corpus": CORPUS, "positives": {"q": ["yes"]}} | how
    return mine_negatives(**arguments)["q"]


def ids(passages: Any) -> list[str]:
    return [passage.passage_id for passage in passages]


def test_without_a_reranker_bm25s_best_come_first_and_random_ones_fill_up() -> None:
    mined = mine(negatives=11)
    assert [passage.source for passage in mined.negatives] == ["bm25"] * 8 + ["random"] * 3
    assert ids(mined.negatives[:8]) == sorted(PANDAS), "the shorter, the nearer"
    assert [passage.rank for passage in mined.negatives[:8]] == list(range(1, 9))
    assert set(ids(mined.negatives[8:])) < set(OTHERS)
    assert (mined.doubtful, mined.limit) == ((), None)
    assert mine(negatives=11) == mined
    assert mine(negatives=11, seed=1).negatives[:8] == mined.negatives[:8]
    assert mine(negatives=11, seed=1) != mined


def test_what_is_known_to_answer_is_never_a_negative() -> None:
    corpus = CORPUS | {"yes too": CORPUS["yes"], "other": "panda bear", "itself": "panda", "judged": "panda club"}
    mined = mine_negatives(
        {"q": "panda", "same": "panda"},
        corpus,
        {"q": ["yes too"], "same": ["other"]},
        negatives=100,
        exclude={"q": ["judged", "unknown"]},
    )
    assert set(ids(mined["q"].negatives)) == {*PANDAS, *OTHERS}
    assert set(ids(mined["same"].negatives)) == {*PANDAS, *OTHERS, "judged"}


def test_what_scores_near_the_positive_is_doubtful_also_among_negative_logits(known_logits: Known) -> None:
    logits = {CORPUS["yes"]: -2.0, PANDAS["p1"]: -1.0, PANDAS["p2"]: -2.02, PANDAS["p3"]: -2.1, PANDAS["p4"]: -5.0}
    mined = mine(reranker=known_logits(logits), negatives=3)
    assert mined.limit == pytest.approx(0.95 * sigmoid(-2.0))
    assert ids(mined.doubtful) == ["p1", "p2"]
    assert ids(mined.negatives) == ["p3", "p4", "p5"], "the hardest first"
    assert [passage.score for passage in mined.negatives] == pytest.approx([sigmoid(-2.1), sigmoid(-5), sigmoid(-9)])
    assert (mined.doubtful[0].rank, mined.doubtful[0].source) == (1, "bm25")


def test_the_lowest_of_several_positives_decides(known_logits: Known) -> None:
    logits = {CORPUS["yes"]: 3.0, PANDAS["p8"]: -1.0, PANDAS["p1"]: 0.0, PANDAS["p2"]: -2.0}
    mined = mine(reranker=known_logits(logits), positives={"q": ["yes", "p8"]}, max_relative=1.0)
    assert mined.limit == sigmoid(-1.0)
    assert ids(mined.doubtful) == ["p1"]
    assert ids(mined.negatives)[0] == "p2"


def test_a_score_at_the_limit_is_doubtful_and_so_is_a_random_passage_that_reaches_it(known_logits: Known) -> None:
    logits = {CORPUS["yes"]: 0.0, PANDAS["p1"]: 0.0} | dict.fromkeys(OTHERS.values(), 1.0)
    mined = mine(reranker=known_logits(logits), max_relative=1.0, negatives=8)
    assert ids(mined.negatives) == ids(mine(negatives=8).negatives)[1:]
    assert {passage.source for passage in mined.doubtful} == {"bm25", "random"}
    assert ids(mined.doubtful)[-1] == "p1"


def test_random_passages_come_after_those_that_bm25_found_however_they_score(known_logits: Known) -> None:
    mined = mine(reranker=known_logits({CORPUS["yes"]: 9.0} | dict.fromkeys(OTHERS.values(), 1.0)), negatives=9)
    assert [passage.source for passage in mined.negatives] == ["bm25"] * 8 + ["random"]


def test_positives_cost_a_query_nothing_of_its_depth() -> None:
    near = {"q": ["p1", "p2", "p3"]}
    found = [passage for passage in mine(positives=near, depth=2, negatives=4).negatives if passage.source == "bm25"]
    assert ids(found) == ["yes", "p4"]
    assert [passage.rank for passage in found] == [1, 2]


@pytest.mark.parametrize("folder", ["encoder", "layerwise"])
def test_scores_are_the_rerankers_after_the_sigmoid(
    folder: str, load: Callable[..., Any], assert_same: Callable[[Any, Any], None]
) -> None:
    reranker = load(folder)
    layer = 3 if folder == "layerwise" else None
    mined = mine(reranker=reranker, cutoff_layers=layer)
    passages = [*mined.negatives, *mined.doubtful]
    pairs = [("panda", CORPUS[passage.passage_id]) for passage in passages]
    assert_same([one.score for one in passages], reranker.score(pairs, cutoff_layers=layer, normalize=True).column())
    limit = 0.95 * reranker.score([("panda", CORPUS["yes"])], cutoff_layers=layer, normalize=True).column()[0]
    assert mined.limit == pytest.approx(limit, abs=1e-5)


def test_what_a_query_gets_depends_on_no_other_query(known_logits: Known) -> None:
    reranker = known_logits({CORPUS["yes"]: 1.0, PANDAS["p3"]: 1.0})
    more = mine_negatives(
        {"a": "bamboo", "q": "panda", "z": "nothing"},
        CORPUS,
        {"a": ["p1", "p2"], "q": ["yes"], "z": ["o1"]},
        reranker=reranker,
        depth=4,
    )
    assert more["q"] == mine(reranker=reranker, depth=4)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"negatives": 0}, "negatives and depth must be at least 1"),
        ({"max_relative": 0.0}, "max_relative must be above 0 and at most 1"),
        ({"positives": {}}, 'Query "q" has no positive with a text'),
        ({"positives": {"q": ["empty"]}}, 'Query "q" has no positive with a text'),
        ({"positives": {"q": ["gone"]}}, 'Positive "gone" of query "q" is not in the corpus'),
        ({"reranker": BM25Reranker()}, '"bm25" cannot be the reranker'),
    ],
)
def test_what_cannot_be_mined_for_is_refused_with_a_sentence(how: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        mine(**how)


def test_no_queries_give_nothing(known_logits: Known) -> None:
    assert mine_negatives({}, CORPUS, {}, reranker=known_logits({})) == {}
