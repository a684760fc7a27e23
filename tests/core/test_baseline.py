"""BM25 over the given passages: the words of many scripts, the formula, and what must not break it."""

import math
import random
import subprocess
import sys
from collections.abc import Sequence
from itertools import groupby, pairwise
from typing import Any

import pytest

from reranker_core import BM25Reranker
from reranker_core.baseline import TermSplitter, _fold, _kind, split_terms
from reranker_core.errors import InputError

BM25 = BM25Reranker()


def score(query: str, *passages: str) -> list[float]:
    return BM25.score([(query, passage) for passage in passages]).column()


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("What is a PANDA?", ["what", "is", "a", "panda"]),
        ("e-mail: don't, re-rank_it!", ["e", "mail", "don", "t", "re", "rank", "it"]),
        ("GPT-4 costs $3.50", ["gpt", "4", "costs", "3", "50"]),
        ("Straße ÉCOLE", ["strasse", "école"]),
        ("大熊猫是", ["大熊", "熊猫", "猫是"]),
        ("大熊猫。竹子!", ["大熊", "熊猫", "竹子"]),
        ("パンダは", ["パン", "ンダ", "ダは"]),
        ("猫", ["猫"]),
        ("iPhone手机壳", ["iphone", "手机", "机壳"]),
        ("판다는 곰이다", ["판다는", "곰이다"]),
        ("पाण्डा क्या है", ["पाण्डा", "क्या", "है"]),
        ("แพนด้า", ["แพ", "พน", "นด", "ด้", "้า"]),
        ("ＰＡＮＤＡ　１２", ["panda", "12"]),
        ("ﾊﾟﾝﾀﾞ", ["パン", "ンダ"]),
        ("ما هو الباندا؟", ["ما", "هو", "الباندا"]),
        ("𠀋𠀌𠀍", ["𠀋𠀌", "𠀌𠀍"]),
        ("", []),
        (" \n\t\x00🐼?!—", []),
    ],
)
def test_a_text_is_split_into_the_words_or_bigrams_of_its_script(text: str, terms: list[str]) -> None:
    assert split_terms(text) == terms


def test_a_marked_letter_is_the_same_word_however_it_is_encoded() -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    assert split_terms(composed) == split_terms(decomposed)
    assert score(composed, decomposed, "tea")[0] > 0


@pytest.mark.parametrize(
    ("query", "relevant", "other"),
    [
        ("What is a PANDA?", "the panda, a bear", "the apple, a fruit"),
        ("大熊猫吃什么", "大熊猫以竹子为食", "北京是中国的首都"),
        ("パンダの食べ物", "パンダは竹を食べる", "東京は日本の首都"),
        ("猫", "一只黑猫在睡觉", "一只黑狗在睡觉"),
        ("猫が好き", "黒い猫が好きだ", "黒い犬を見た"),
        ("पाण्डा", "पाण्डा एक भालू है", "दिल्ली एक शहर है"),
        ("หมีแพนด้า", "แพนด้ากินไผ่", "กรุงเทพเป็นเมืองหลวง"),
        ("ＰＡＮＤＡ", "the panda", "the apple"),
        ("iPhone 手机", "新手机是iPhone", "新电脑是Mac"),
        ("판다", "판다 곰", "서울 도시"),
        ("الباندا", "الباندا دب", "القاهرة مدينة"),
    ],
)
def test_the_passage_that_shares_a_word_wins_in_every_script(query: str, relevant: str, other: str) -> None:
    first, second = score(query, relevant, other)
    assert first > 0
    assert first > second


def test_scores_follow_lucenes_formula() -> None:
    passages = ["panda eats bamboo", "panda panda", "the red panda eats and eats and eats fruit", "bamboo forest", ""]
    split = [passage.split() for passage in passages]
    average = sum(map(len, split)) / len(split)

    def by_hand(terms: Sequence[str], passage: Sequence[str]) -> float:
        total = 0.0
        for term in terms:
            holding = sum(term in other for other in split)
            idf = math.log(1 + (len(split) - holding + 0.5) / (holding + 0.5))
            count = passage.count(term)
            total += idf * count / (count + 1.2 * (1 - 0.75 + 0.75 * len(passage) / average))
        return total

    expected = [by_hand(["panda", "eats", "bamboo"], passage) for passage in split]
    assert score("panda eats bamboo", *passages) == pytest.approx(expected, rel=1e-5)
    assert score("Panda eats, bamboo unheard", *passages) == pytest.approx(expected, rel=1e-5)
    assert expected[0] > expected[1] > expected[4] == 0


def test_a_word_that_the_query_repeats_counts_each_time() -> None:
    once, twice = score("panda", "a panda", "no")[0], score("panda panda", "a panda", "no")[0]
    assert twice == pytest.approx(2 * once)


def test_stop_words_of_a_query_count_only_where_it_has_nothing_else() -> None:
    assert score("what is the panda", "the the the", "panda")[0] == 0
    assert score("to be or not to be", "to be or not to be, that is the question", "panda")[0] > 0


@pytest.mark.parametrize(
    ("query", "passages"),
    [
        ("unheard", ["panda", "bear", "熊猫"]),
        ("", ["panda", ""]),
        (" ?! 🐼", ["panda", "🐼"]),
        ("panda", ["", "", ""]),
        ("panda", [""]),
        ("", [""]),
        ("猫", ["狗", ""]),
        ("c", ["cat", "acacia"]),
        ("\x00", ["\x00", "a\x00b"]),
    ],
)
def test_where_no_word_is_shared_every_score_is_zero(query: str, passages: list[str]) -> None:
    assert score(query, *passages) == [0.0] * len(passages)


def test_an_empty_passage_scores_zero_beside_others() -> None:
    empty, full = score("panda", "", "panda")
    assert (empty, full > 0) == (0.0, True)


def test_no_pairs_give_no_scores() -> None:
    assert BM25.compute_score([]) == []
    assert len(BM25.score([])) == 0
    assert BM25.rank("panda", []) == []


def test_equal_passages_get_equal_scores_and_share_a_rank_in_input_order() -> None:
    ranked = BM25.rank("panda", ["bear", "panda", "a bear", "panda", "", "panda"])
    assert [passage.index for passage in ranked] == [1, 3, 5, 0, 2, 4]
    assert [passage.rank for passage in ranked] == [1, 1, 1, 4, 4, 4]
    assert len({passage.score for passage in ranked[:3]}) == 1
    assert BM25.rank("panda", ["bear", "panda", "a bear", "panda", "", "panda"]) == ranked


def test_queries_of_one_call_are_separate_corpora_wherever_they_stand() -> None:
    pairs = [("panda", "panda"), ("bear", "a bear"), ("panda", "no"), ("bear", "bear"), ("bear", "panda")]
    together = BM25.score(pairs).column()
    assert [together[0], together[2]] == score("panda", "panda", "no")
    assert [together[1], together[3], together[4]] == score("bear", "a bear", "bear", "panda")


def test_a_score_depends_on_the_other_passages_of_the_query() -> None:
    assert score("panda", "panda", "bear")[0] > score("panda", "panda", "panda bear")[0]


@pytest.mark.parametrize(
    ("option", "named"),
    [
        ({"normalize": True}, "normalize"),
        ({"cutoff_layers": [8]}, "cutoff_layers"),
        ({"max_length": 512}, "max_length"),
        ({"query_max_length": 10}, "query_max_length"),
        ({"prompt": ""}, "prompt"),
        ({"query_instruction": "A: "}, "query_instruction"),
        ({"passage_instruction": "B: "}, "passage_instruction"),
    ],
)
def test_what_has_no_meaning_for_bm25_is_refused_with_a_sentence(option: dict[str, Any], named: str) -> None:
    with pytest.raises(InputError, match=rf"BM25 .*\b{named}\b.*\.$"):
        BM25.compute_score([("panda", "panda")], **option)
    with pytest.raises(InputError, match=named):
        BM25.rank("panda", ["panda"], **option)


@pytest.mark.parametrize("text", ["\ud83d", "panda \udc3c"])
def test_half_of_a_surrogate_pair_is_one_clear_sentence(text: str) -> None:
    with pytest.raises(InputError, match="Pair 2: the passage has half of a surrogate pair"):
        score("panda", "panda", text)
    with pytest.raises(InputError, match="Pair 1: the query has half of a surrogate pair"):
        score(text, "panda")


def test_texts_of_200_000_characters_are_scored() -> None:
    words, characters = "panda bear " * 18_000, "大熊猫" * 66_000
    assert score("panda", words, characters, "panda\x00bear", "x" * 200_000)[0] > 0
    assert score("熊猫", words, characters)[1] > 0
    assert score(words, "panda", "no")[0] > 0


def test_progress_is_told_in_pairs() -> None:
    told: list[tuple[int, int]] = []
    BM25.score([("a", "x"), ("b", "y"), ("a", "z")], on_progress=lambda done, total: told.append((done, total)))
    assert told == [(2, 3), (3, 3)]


def test_the_result_says_how_it_came_about() -> None:
    scores = BM25.score([("what is panda?", "A panda."), ("猫", "黑猫")])
    assert (scores.model, scores.family, scores.layers, scores.normalized) == ("bm25", "bm25", (None,), False)
    assert scores.tokens == (5, 2)
    assert scores.cut_pairs == ()
    assert BM25.has_logits is False


def test_importing_the_package_and_a_bm25_score_bring_no_torch_in() -> None:
    code = """
import sys
import reranker_core
outside = {"torch", "transformers", "numpy", "pandas", "bm25s"}
at_import = sorted(name for name in sys.modules if name.split(".")[0] in outside)
own = sorted(name for name in sys.modules if name.startswith("reranker_core."))
assert (at_import, own) == ([], []), (at_import, own)
from reranker_core.pool import ModelPool
with ModelPool().borrow("bm25") as reranker:
    assert reranker.rank("panda", ["bear", "panda"])[0].index == 1
heavy = {"torch", "transformers", "peft", "accelerate", "gradio"} & set(sys.modules)
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("text", ["in\u00adformation", "informa\u200btion", "\u202ainformation\u202c"])
def test_marks_inside_a_word_that_nobody_sees_do_not_split_it(text: str) -> None:
    assert split_terms(text) == ["information"]


def test_the_dot_between_katakana_words_is_no_letter() -> None:
    assert split_terms("ジャイアント・パンダ") == [*split_terms("ジャイアント"), *split_terms("パンダ")]


def test_terms_are_runs_of_one_kind_whatever_the_characters() -> None:
    def split_plainly(text: str) -> list[str]:
        terms: list[str] = []
        for kind, characters in groupby(_fold(text), key=_kind):
            run = "".join(characters)
            if kind == "word":
                terms.append(run)
            elif kind == "unspaced":
                terms += [run] if len(run) == 1 else [one + other for one, other in pairwise(run)]
        return terms

    splitter = TermSplitter()
    for code in range(0, sys.maxunicode, 97):
        text = f"b{chr(code)}{chr(code)}猫{chr(code)}c"
        assert splitter.split(text) == split_terms(text) == split_plainly(text), hex(code)
    choose = random.Random(0)
    common = [*range(0x20, 0x250), *range(0x300, 0x370), *range(0xE00, 0xE5F), *range(0x3000, 0x3100)]
    for _ in range(2000):
        text = "".join(chr(choose.choice([*common, 0x200D, 0xAD, 0, 0x2028])) for _ in range(12))
        assert splitter.split(text) == split_plainly(text), repr(text)
        assert splitter.split_characters(text) == [one for one in _fold(text) if _kind(one) == "unspaced"], repr(text)
