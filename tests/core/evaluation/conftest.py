"""What the tests of evaluation share: a reranker whose logits are known, and runs with given values."""

from collections.abc import Callable, Mapping, Sequence

import pytest

from reranker_core.errors import InputError
from reranker_core.evaluation import MeasuredRun, RankingTask
from reranker_core.reranker import Pair, Progress, Reranker, check_pairs
from reranker_core.scores import Scores


class KnownLogits(Reranker):
    """Gives each passage the logit that it was made with, minus the layer; remembers how it was asked."""

    def __init__(self, logits: Mapping[str, float], *, family: str = "decoder", layers: int | None = None) -> None:
        """Know some passages; all others get -9."""
        self.name = self.family = family
        self.depth = layers
        self.cutoff_range = None if layers is None else range(1, layers + 1)
        self.prompts: list[str | None] = []
        self.lengths: list[int | None] = []
        self._logits = logits

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
        """Look the passages up, in two steps of progress."""
        checked = check_pairs(pairs)
        self.prompts.append(prompt)
        self.lengths.append(max_length)
        if cutoff_layers is not None and not self.depth:
            raise InputError("no layers")
        asked = [cutoff_layers] if isinstance(cutoff_layers, int) else cutoff_layers or [self.depth or 0]
        for done in (len(checked) // 2, len(checked)):
            if on_progress:
                on_progress(done, len(checked))
        nothing = (0,) * len(checked)
        return Scores(
            values=tuple(tuple(self._logits.get(passage, -9.0) - layer for layer in asked) for _, passage in checked),
            layers=tuple(asked) if self.depth else (None,),
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


@pytest.fixture(scope="session")
def known_logits() -> type[KnownLogits]:
    """Make a reranker of known logits."""
    return KnownLogits


@pytest.fixture(scope="session")
def make_measured() -> Callable[[Sequence[float]], MeasuredRun]:
    """Make a measured run of the values of AP that its queries have."""

    def make(values: Sequence[float]) -> MeasuredRun:
        return MeasuredRun(
            means={"AP": sum(values) / len(values)},
            by_query={f"q{number}": {"AP": value} for number, value in enumerate(values)},
            queries=len(values),
            judged_share=1.0,
            without_run=0,
            without_relevant=0,
            relevant_from=1,
        )

    return make


@pytest.fixture
def task() -> RankingTask:
    """Two queries, of which the second has a prompt of its own; one relevant passage each, one that is no candidate."""
    return RankingTask(
        name="animals",
        queries={"bamboo": "who eats bamboo?", "fish": "who eats fish?"},
        passages={"panda": "pandas eat bamboo", "otter": "otters eat fish", "car": "a red car", "crane": "cranes eat fish"},
        candidates={"bamboo": ("car", "panda"), "fish": ("panda", "otter", "car")},
        qrels={"bamboo": {"panda": 2, "car": 0}, "fish": {"otter": 1, "crane": 1}},
        prompts={"fish": "Does B answer A?"},
    )
