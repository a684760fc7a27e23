"""What the tests of mining share: a small corpus of several scripts, and a reranker whose logits are known."""

from collections.abc import Mapping, Sequence

import pytest

from reranker_core.reranker import Pair, Progress, Reranker, check_pairs
from reranker_core.scores import Scores

QUERIES = {"q1": "what do pandas eat?", "q2": "red bear", "q3": "猫"}
_ANIMALS = ("panda", "pandas", "bear", "red fox", "crane", "tortoise", "otter", "lynx")
_DEEDS = ("eat bamboo", "sleep all day", "swim in a river", "eat fish and do so at night", "is red")


@pytest.fixture(scope="session")
def corpus() -> dict[str, str]:
    """Forty passages about animals, two of cats in Chinese, an empty one, a blank one, and one text a second time."""
    lines = {f"d{number}": f"{_ANIMALS[number % 8]} {_DEEDS[number % 5]}" for number in range(40)}
    return lines | {"cat": "一只黑猫在睡觉", "cats": "猫和狗", "empty": "", "blank": " \n", "again": lines["d1"]}


@pytest.fixture(scope="session")
def queries() -> dict[str, str]:
    """Three queries, the last a single character."""
    return QUERIES


class KnownLogits(Reranker):
    """Gives each passage the logit that it was made with."""

    family = "encoder"

    def __init__(self, logits: Mapping[str, float], *, name: str = "known", other: float = -9.0) -> None:
        """Know some passages; all others get one logit."""
        self.name = name
        self._logits = logits
        self._other = other

    def score(
        self,
        pairs: Sequence[Pair],
        *,
        cutoff_layers: Sequence[int] | int | None = None,
        normalize: bool = False,
        max_length: int | None = None,
        query_max_length: int | None = None,
        prompt: str | None = None,
        query_instruction: str | None = None,
        passage_instruction: str | None = None,
        on_progress: Progress | None = None,
    ) -> Scores:
        """Look the passages up."""
        checked = check_pairs(pairs)
        nothing = (0,) * len(checked)
        scores = Scores(
            values=tuple((self._logits.get(passage, self._other),) for _, passage in checked),
            layers=(None,),
            tokens=nothing,
            cut_query_tokens=nothing,
            cut_passage_tokens=nothing,
            model=self.name,
            family=self.family,
            device="cpu",
            dtype="float32",
            normalized=False,
            seconds=0.0,
        )
        return scores.normalize() if normalize else scores


@pytest.fixture(scope="session")
def known_logits() -> type[KnownLogits]:
    """Make a reranker of known logits."""
    return KnownLogits
