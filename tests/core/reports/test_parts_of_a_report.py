"""Wins and losses, the scale of the scores, the fixed pairs: each on runs with known scores."""

from pathlib import Path

import pytest

from reranker_core.errors import InputError
from reranker_core.evaluation import RankingTask, measure_run
from reranker_core.examples import Run
from reranker_core.mining.ranking import order_scores
from reranker_core.reports.changes import find_changes
from reranker_core.reports.parts import QueryChange, ScoreShift
from reranker_core.reports.regression import (
    FixedTexts,
    judge_regression,
    make_regression_task,
    read_regression_set,
)
from reranker_core.reports.score_scale import measure_shift


def make_task(queries: int = 1) -> RankingTask:
    names = [f"q{number}" for number in range(queries)]
    return RankingTask(
        name="t",
        queries={name: f"query {name}" for name in names},
        passages={"a": "x" * 3000, "b": "text b", "c": "text c", "d": "text d"},
        candidates=dict.fromkeys(names, ("a", "b", "c", "d")),
        qrels={name: {"a": 2, "b": 0, "c": -1} for name in names},
    )


def rank(*passage_ids: str) -> dict[str, float]:
    return {passage_id: 4.0 - place for place, passage_id in enumerate(passage_ids)}


def changes_of(task: RankingTask, before: Run, after: Run) -> tuple[tuple[QueryChange, ...], tuple[QueryChange, ...]]:
    measured = (measure_run(before, task.qrels), measure_run(after, task.qrels))
    return find_changes(task, (before, after), measured, measure="nDCG@10")


def test_the_queries_with_the_largest_gain_and_loss_come_first_and_equal_ones_nowhere() -> None:
    task = make_task(4)
    before = {"q0": rank("b", "a", "c", "d"), "q1": rank("b", "c", "d", "a"), "q2": rank("a", "b", "c", "d")}
    after = {"q0": rank("a", "b", "c", "d"), "q1": rank("a", "b", "c", "d"), "q2": rank("b", "a", "c", "d")}
    before["q3"] = after["q3"] = rank("a", "b", "c", "d")

    wins, losses = changes_of(task, before, after)

    assert [change.query_id for change in wins] == ["q1", "q0"]
    assert [change.query_id for change in losses] == ["q2"]
    assert (wins[0].base, wins[0].tuned) == (pytest.approx(0.4307, abs=1e-4), 1.0)


def test_at_most_five_queries_are_shown() -> None:
    task = make_task(7)
    before = dict.fromkeys(task.queries, rank("b", "a", "c", "d"))
    after = dict.fromkeys(task.queries, rank("a", "b", "c", "d"))

    wins, _ = changes_of(task, before, after)

    assert [change.query_id for change in wins] == ["q0", "q1", "q2", "q3", "q4"]


def test_passages_that_moved_are_shown_with_grade_places_scores_and_the_first_2000_characters() -> None:
    (win,), _ = changes_of(make_task(), {"q0": rank("b", "c", "a", "d")}, {"q0": rank("a", "b", "c", "d")})

    assert [(one.passage_id, one.grade, one.rank_before, one.rank_after) for one in win.passages] == [
        ("a", 2, 3, 1),
        ("b", 0, 1, 2),
        ("c", None, 2, 3),
    ]
    assert (win.passages[0].score_before, win.passages[0].score_after) == (2.0, 4.0)
    assert len(win.passages[0].text) == 2000


def test_what_came_among_the_best_ten_goes_before_a_move_within_or_below_them() -> None:
    ids = [f"p{number:02}" for number in range(20)]
    task = RankingTask(
        name="t",
        queries={"q": "query"},
        passages=dict.fromkeys(ids, "text"),
        candidates={"q": tuple(ids)},
        qrels={"q": {"p10": 1}},
    )
    after = [*ids[:8], "p09", "p10", "p08", "p19", *ids[11:19]]
    runs = tuple({"q": {one: 20.0 - place for place, one in enumerate(ranking)}} for ranking in (ids, after))

    (win,), _ = changes_of(task, *runs)

    assert [one.passage_id for one in win.passages[:3]] == ["p10", "p08", "p09"]
    assert win.passages[3].passage_id == "p19"


def shift(before: list[float], after: list[float]) -> ScoreShift:
    ids = ("a", "b", "c", "d")
    runs = ({"q0": order_scores(dict(zip(ids, scores, strict=True)))} for scores in (before, after))
    return measure_shift(make_task(), next(runs), next(runs))


def test_the_scale_is_told_for_relevant_and_other_passages() -> None:
    found = shift([2.0, 1.0, -1.0, -3.0], [4.0, 3.0, 1.0, -1.0])

    assert found.relevant is not None
    assert found.other is not None
    assert (found.relevant.passages, found.other.passages) == (1, 3)
    assert (found.other.mean_before, found.other.mean_after) == (-1.0, 1.0)
    assert found.other.spread_before == found.other.spread_after == pytest.approx(1.633, abs=1e-3)
    assert (found.other.passed_before, found.other.passed_after) == (pytest.approx(1 / 3), pytest.approx(2 / 3))


def test_a_threshold_that_lets_other_shares_through_is_named_with_the_one_that_does_not() -> None:
    found = shift([2.0, 1.0, -1.0, -3.0], [4.0, 3.0, 1.0, -1.0])

    # Two passed; two pass again between 3.0 and 1.0.
    assert found.same_share == pytest.approx(0.8808, abs=1e-4)
    assert "let 100% of the relevant and 33% of the other passages through before, and 100% and 67% now" in found.sentence
    assert found.sentence.endswith("At 0.881 it lets as many passages through as before.")


def test_scores_that_moved_without_crossing_the_threshold_are_told_too_and_still_ones_are_not() -> None:
    assert "scores are 5.00 lower on average" in shift([-1.0, -2.0, -3.0, -4.0], [-6.0, -7.0, -8.0, -9.0]).sentence
    assert shift([-1.0, -2.0, -3.0, -4.0], [-6.0, -7.0, -8.0, -9.0]).same_share is None
    assert shift([2.0, 1.0, -1.0, -3.0], [2.1, 1.0, -1.0, -3.1]).sentence.endswith("scores have hardly moved.")


def test_huge_scores_have_a_threshold_too() -> None:
    assert shift([2.0, 1.0, -1.0, -3.0], [-2000.0, -2001.0, -2002.0, -2003.0]).same_share == 0.0


FIXED = tuple(FixedTexts(query=f"q{one}", relevant=f"r{one}", irrelevant=f"i{one}", language="en") for one in range(3))


def scores_of(*margins: float) -> Run:
    return {str(one): {f"{one} relevant": margin, f"{one} irrelevant": 0.0} for one, margin in enumerate(margins)}


@pytest.mark.parametrize(
    ("before", "after", "counts", "said"),
    [
        ((1, 1, -1), (0.5, 2, -3), (2, 2, 0, 0), "unchanged: 2 of 3 fixed pairs are in the right order"),
        ((1, 1, -1), (-1, 2, -1), (2, 1, 1, 0), "1 of 2 fixed pairs that were in the right order is wrong now."),
        ((1, 1, -1), (-1, -1, 1), (2, 1, 2, 1), "are wrong now, and 1 that was wrong is right now."),
        ((1, -1, -1), (1, 1, 1), (1, 3, 0, 2), "none of 3 fixed pairs got worse, and 2 that were wrong are right now."),
        ((1, 1, 1), (1, 1, 0), (3, 2, 1, 0), "1 of 3 fixed pairs"),
    ],
)
def test_fixed_pairs_that_changed_sides_are_counted(
    before: tuple[float, ...], after: tuple[float, ...], counts: tuple[int, ...], said: str
) -> None:
    found = judge_regression(FIXED, scores_of(*before), scores_of(*after))

    assert (found.right_before, found.right_after, found.broken, found.mended) == counts
    assert said in found.sentence
    assert found.largest_drop == max(0, *(one - other for one, other in zip(before, after, strict=True)))


def test_the_set_that_comes_along_has_the_cards_pair_both_languages_and_no_text_twice() -> None:
    fixed = read_regression_set()
    texts = [text for one in fixed for text in (one.query, one.relevant, one.irrelevant)]

    assert fixed[0].query == "what is panda?"
    assert fixed[0].irrelevant == "hi"
    assert {one.language for one in fixed} == {"en", "zh"}
    assert len(fixed) >= 30
    assert len(set(texts)) == len(texts)
    assert make_regression_task(fixed).pairs == 2 * len(fixed)


@pytest.mark.parametrize(
    "line", ["{", "[]", '{"query": "q"}', '{"query": 1, "relevant": "r", "irrelevant": "i", "language": "en"}']
)
def test_a_bad_row_of_the_set_is_refused_by_its_line(line: str, tmp_path: Path) -> None:
    path = tmp_path / "set.jsonl"
    path.write_text(f"\n{line}\n", encoding="utf-8")

    with pytest.raises(InputError, match=r"set\.jsonl:2"):
        read_regression_set(path)


def test_a_threshold_near_one_is_not_shown_as_one() -> None:
    from reranker_core.reports.score_scale import _show_threshold

    shown = [_show_threshold(share) for share in (0.12345, 0.9998, 0.99994, 1 - 2**-53)]
    assert shown == ["0.123", "0.9998", "0.9999", "0.9999999999999999"]
