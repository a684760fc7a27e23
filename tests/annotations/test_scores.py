"""Scores by model and layer."""

import pytest

from annotations.errors import InputError
from annotations.store.scores import NewScore
from tests.annotations.desk import Desk


def test_scores_are_rows_of_candidate_model_and_layer(desk: Desk) -> None:
    models = [desk.store.scores.add_model("minicpm", layer=layer) for layer in (8, 40)]
    for model in models:
        desk.store.scores.put(model.id, [NewScore(candidate_id=desk.candidates[0], score=model.layer / 3, rank=1)])

    rows = desk.store.scores.of_query(desk.query_id)
    assert [(row.model_ref_id, row.score, row.rank) for row in rows] == [
        (models[0].id, 8 / 3, 1),
        (models[1].id, 40 / 3, 1),
    ]


def test_the_same_model_is_one_and_any_difference_makes_another(desk: Desk) -> None:
    same = {desk.store.scores.add_model("m3", max_length=512).id for _ in range(3)}
    others = {
        desk.store.scores.add_model("m3", max_length=512, normalised=True).id,
        desk.store.scores.add_model("m3", max_length=512, prompt="Given A").id,
        desk.store.scores.add_model("m3", max_length=256).id,
    }

    assert (len(same), len(others | same)) == (1, 4)
    assert len(desk.store.scores.models()) == 4


def test_a_newer_score_takes_the_place_of_the_older(desk: Desk) -> None:
    model = desk.store.scores.add_model("m3")
    for score in (0.1, -7.25):
        desk.store.scores.put(model.id, [NewScore(candidate_id=desk.candidates[0], score=score)])

    assert [row.score for row in desk.store.scores.of_query(desk.query_id)] == [-7.25]


def test_a_score_that_is_no_number_or_of_nothing_is_refused(desk: Desk) -> None:
    model = desk.store.scores.add_model("m3")
    good = NewScore(candidate_id=desk.candidates[0], score=1.0)

    with pytest.raises(InputError, match="finite"):
        desk.store.scores.put(model.id, [good, NewScore(candidate_id=desk.candidates[1], score=float("nan"))])
    with pytest.raises(InputError, match="no candidate 999"):
        desk.store.scores.put(model.id, [good, NewScore(candidate_id=999, score=1.0)])
    with pytest.raises(InputError, match="no model_ref 999"):
        desk.store.scores.put(999, [good])
    assert desk.store.scores.of_query(desk.query_id) == []
