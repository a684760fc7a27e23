"""What the tests of evaluation share: runs with given values, and a task of two queries."""

from collections.abc import Callable, Sequence

import pytest

from reranker_core.evaluation import MeasuredRun, RankingTask


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
