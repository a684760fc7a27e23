"""Where a passage holds the words of a query: what is marked on the screen is what BM25 counts, and nothing else."""

import random
import unicodedata
from itertools import pairwise

import pytest

from reranker_core.baseline import find_terms, query_terms, score_passages, split_terms


def marked(query: str, text: str) -> list[str]:
    return [text[start:end] for start, end in find_terms(text, query_terms(query))]


@pytest.mark.parametrize(
    ("query", "text", "parts"),
    [
        ("panda", "The PANDA, the Panda's pandas, a panda.", ["PANDA", "Panda", "panda"]),
        ("strasse", "In der STRAẞE, in der Straße", ["STRAẞE", "Straße"]),
        ("panda 12", "ＰＡＮＤＡ　１２", ["ＰＡＮＤＡ", "１２"]),
        ("information", "in\u00adfor\u00admation of \u202ainformation\u202c", ["in\u00adfor\u00admation", "information"]),
        ("caf\u00e9", "cafe\u0301 caf\u00e9 cafe", ["cafe\u0301", "caf\u00e9"]),
        ("cafe\u0301", "CAF\u00c9", ["CAF\u00c9"]),
        ("पाण्डा", "एक पाण्डा है, पाण्ड नहीं", ["पाण्डा"]),
        ("한국어", "한국어 \u1112\u1161\u11ab국어 한국", ["한국어", "\u1112\u1161\u11ab국어"]),
        ("熊猫", "大熊猫是熊,也是猫。", ["熊猫"]),
        ("大熊猫", "大熊猫，熊猫，小熊", ["大熊猫", "熊猫"]),
        ("猫", "一只黑猫和白猫", ["猫", "猫"]),
        ("𠀋𠀌", "𠀋𠀌𠀍", ["𠀋𠀌"]),
        ("แพนด้า", "หมีแพนด้า", ["แพนด้า"]),
        ("パンダ", "ﾊﾟﾝﾀﾞはパンタ", ["ﾊﾟﾝﾀﾞ", "パン"]),
        ("ガ", "カ\u3099とカ", ["カ\u3099"]),
        ("会社", "㍿と株式会社", ["㍿", "会社"]),
        ("kg 12 c tel", "5 ㎏, ℡ ⑫, 20℃, ½", ["㎏", "℡", "⑫", "℃"]),
        ("葛城", "葛\U000e0100城市", ["葛\U000e0100城"]),
        ("iphone 手机", "iPhone手机壳", ["iPhone手机"]),
        ("panda", "🐼🐼 panda🐼panda", ["panda", "panda"]),
        ("the panda of it", "the panda of it", ["panda"]),
        ("to be or not to be", "To be, or notable", ["To", "be", "or"]),
        ("🐼 ?!", "🐼 ?!", []),
        ("❤️ pandas", "☀️ bears", []),
        ("panda", "", []),
        ("", "panda", []),
        ("panda", "pandas expanda pan_da pan\x00da", []),
        ("pan", "pan_da pan\x00da", ["pan", "pan"]),
    ],
)
def test_the_words_of_the_query_are_found_in_every_script(query: str, text: str, parts: list[str]) -> None:
    assert marked(query, text) == parts


def test_places_count_characters_and_stand_in_order() -> None:
    assert find_terms("🐼 panda, 大熊猫!", query_terms("猫 panda 大熊")) == [(2, 7), (9, 12)]


def test_overlapping_bigrams_are_one_place_and_separate_words_are_not() -> None:
    assert find_terms("大熊猫大熊猫", query_terms("大熊猫")) == [(0, 6)]
    assert find_terms("panda panda", query_terms("panda")) == [(0, 5), (6, 11)]


def test_a_query_of_stop_words_alone_is_looked_for_as_it_is() -> None:
    assert query_terms("what is the panda") == {"what", "panda"}
    assert query_terms("to be") == {"to", "be"}
    assert query_terms(" ?! ") == frozenset()


def test_of_plain_words_exactly_those_are_marked_that_bm25_counts() -> None:
    random_ = random.Random(4)
    words = "panda Panda bear BEAR Straße the of bamboo éclair 42 x9 판다 الباندا पाण्डा ２４ o'clock".split()
    for _ in range(150):
        chosen = [random_.choice(words) for _ in range(random_.randint(0, 12))]
        query = " ".join(random_.sample(words, random_.randint(1, 3)))
        text = "".join(word + random_.choice([" ", ", ", "\n", " 🐼 ", "—", "\u2028", "\x00"]) for word in chosen)
        terms = query_terms(query)
        assert [split_terms(part)[0] for part in marked(query, text)] == [
            term for term in split_terms(text) if term in terms
        ]
        score, _ = score_passages(query, [text, ""])
        assert (score > 0) == bool(marked(query, text))


def test_in_any_text_something_is_marked_exactly_where_bm25_counts_something() -> None:
    random_ = random.Random(5)
    assigned = [chr(code) for code in range(0x3_0000) if unicodedata.category(chr(code)) not in ("Cn", "Cs", "Co")]
    joining = [
        character for character in assigned if unicodedata.category(character) in ("Mn", "Mc", "Me", "Cf", "Lm", "Lo")
    ]
    folding = [character for character in assigned if len(unicodedata.normalize("NFKC", character).casefold()) > 1]
    for _ in range(150):
        letters = [
            *random_.choices(assigned, k=3),
            *random_.choices(joining, k=4),
            *random_.choices(folding, k=2),
            *"aか猫ᄒ",
        ]
        text = "".join(random_.choices(letters, k=14))
        for query in (*split_terms(text)[:4], random_.choice(letters), "".join(random_.choices(letters, k=3))):
            places = find_terms(text, query_terms(query))
            score, _ = score_passages(query, [text, ""])
            assert (score > 0) == bool(places), (query, text)
            assert all(0 <= start < end <= len(text) for start, end in places)
            assert all(end < start for (_, end), (start, _) in pairwise(places))


def test_what_chooses_between_forms_of_a_character_is_no_word_and_splits_none() -> None:
    assert split_terms("❤\ufe0f ☀\ufe0e 葛\U000e0100城") == ["葛城"]
    assert score_passages("❤\ufe0f", ["☀\ufe0f", ""]) == [0.0, 0.0]


def test_a_long_text_is_searched_in_one_pass() -> None:
    text = "大熊猫 panda " * 5_000
    assert len(find_terms(text, query_terms("panda 熊猫 " * 1000))) == 10_000
