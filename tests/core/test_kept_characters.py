"""Where a passage was cut, in characters: what stays must be exactly what the model read."""

from typing import Any

import pytest

from reranker_core.errors import InputError

QUERY = "what is panda?"
PASSAGES = [
    "The giant panda is a bear species endemic to China. " * 8,
    "大熊猫是中国特有的熊科动物。它们以竹子为主食。" * 10,
    "  two spaces first, then 🐼🐼🐼 " * 12,
    "short",
]


@pytest.mark.parametrize("instruction", [None, "passage: ", ""])
def test_what_is_kept_scores_as_the_whole_passage_did(reranker: Any, instruction: str | None) -> None:
    options = {"max_length": 48, "passage_instruction": instruction}
    whole = reranker.score([(QUERY, passage) for passage in PASSAGES], **options)
    kept = reranker.kept_characters(PASSAGES, whole.cut_passage_tokens, passage_instruction=instruction)

    assert kept[-1] is None
    read = [passage if count is None else passage[:count] for passage, count in zip(PASSAGES, kept, strict=True)]
    assert all(len(part) < len(passage) for part, passage in zip(read[:-1], PASSAGES, strict=False))
    again = reranker.score([(QUERY, part) for part in read], **options)
    # A cut inside a word or a character of several tokens may tokenize otherwise; these passages have no such place
    # but the emoji, whose bytes are tokens of their own in some vocabularies.
    for index in (0, 1, 3):
        assert again.values[index] == pytest.approx(whole.values[index], abs=1e-5)


def test_what_would_be_read_is_known_without_scoring(reranker: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = [(QUERY, passage) for passage in PASSAGES]
    scores = reranker.score(pairs, max_length=48)
    monkeypatch.setattr(reranker, "score_packed", None)
    assert reranker.read_characters(pairs, max_length=48) == reranker.kept_characters(PASSAGES, scores.cut_passage_tokens)
    assert reranker.read_characters(pairs, max_length=48)[0] is not None
    assert reranker.read_characters(pairs) == [None] * len(pairs)
    with pytest.raises(InputError, match="max_length must be"):
        reranker.read_characters(pairs, max_length=0)


def test_one_character_more_would_not_have_been_read(reranker: Any) -> None:
    passage = "bear " * 100
    scores = reranker.score([(QUERY, passage)], max_length=40)
    (kept,) = reranker.kept_characters([passage], scores.cut_passage_tokens)
    assert kept is not None
    longer = reranker.score([(QUERY, passage[: kept + 5])], max_length=40)
    exact = reranker.score([(QUERY, passage[:kept])], max_length=40)
    assert sum(exact.cut_passage_tokens) == 0
    assert sum(longer.cut_passage_tokens) > 0


def test_a_passage_of_which_nothing_was_read_keeps_nothing(reranker: Any) -> None:
    tokens = len(reranker.inputs._tokenizer.encode([(reranker.inputs.passage_instruction) + "a bear"])[0])
    assert reranker.kept_characters(["a bear"], [tokens]) == [0]


def test_bm25_cuts_nothing_and_says_so_when_told_otherwise() -> None:
    from reranker_core.baseline import BM25Reranker

    assert BM25Reranker().kept_characters(["a", "b"], [0, 0]) == [None, None]
    assert BM25Reranker().read_characters([("q", "a"), ("q", "b" * 10_000)], max_length=8) == [None, None]
    with pytest.raises(InputError, match="cuts no passage"):
        BM25Reranker().kept_characters(["a"], [3])
