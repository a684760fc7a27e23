"""What the values of a file become, and on which scale."""

import pytest

from annotations.errors import InputError
from annotations.exchange import ImportOptions
from annotations.exchange.grades import settle_grades
from annotations.models import Scale

Map = dict[str, int | None]


def settle(
    values: str, given: Map | None = None, *, project: Scale | None = None, scale: Scale | None = None
) -> tuple[Scale | None, Map]:
    """Give the scale and the map for values with spaces between."""
    options = ImportOptions(scale=scale, grade_map=given)
    rules = settle_grades(values.split(), options=options, project_scale=project, project_name="pandas")
    return rules.scale, dict(rules.grade_map)


def test_values_become_grades_on_the_scale_that_they_show() -> None:
    assert settle("0 1") == ("binary", {"0": 0, "1": 1})
    assert settle("1") == ("binary", {"1": 1})
    assert settle("0 1 2 3") == ("graded", {"0": 0, "1": 1, "2": 2, "3": 3})
    assert settle("3.0 0.0 -1 +1") == ("graded", {"3.0": 3, "0.0": 0, "-1": None, "+1": 1})
    assert settle("1 2 3 4 -1") == ("graded", {"1": 1, "2": 1, "3": 2, "4": 3, "-1": None})
    assert settle("0 1 2 3 4 5 -2") == ("graded", {"0": 0, "1": 1, "2": 2, "3": 3})
    assert settle("0 1 2 3 4") == ("graded", {"0": 0, "1": 1, "2": 2, "3": 3})
    assert settle("1 4 5") == ("graded", {"1": 1})
    assert settle("pos neg") == ("binary", {"pos": 1, "neg": 0})
    assert settle("TRUE false 2") == ("graded", {"TRUE": 3, "false": 0, "2": 2})
    assert settle("0 1 0.5 good ３ 9999999999") == ("graded", {"0": 0, "1": 1})
    assert settle("") == (None, {})
    assert settle("-1 good") == (None, {"-1": None})


def test_the_scale_of_the_project_or_of_the_options_decides() -> None:
    assert settle("0 1", project="graded") == ("graded", {"0": 0, "1": 1})
    assert settle("pos neg", scale="graded") == ("graded", {"pos": 3, "neg": 0})
    assert settle("0 1 2 3", project="binary") == ("binary", {"0": 0, "1": 1})
    with pytest.raises(
        InputError, match='"pandas" is binary, as its first label made it, so nothing graded can be imported'
    ):
        settle("0 1", project="binary", scale="graded")


def test_a_map_goes_before_the_proposal() -> None:
    assert settle("1 2 3 4", {"4": 3, "3": 3}) == ("graded", {"1": 1, "2": 1, "3": 3, "4": 3})
    assert settle("3.0 0.5 good 0", {"3": 1, "0.5": None, "good": 1})[1] == {"3.0": 1, "0.5": None, "good": 1, "0": 0}
    assert settle("0.5 0", {"0.5": 1}) == ("binary", {"0.5": 1, "0": 0})
    assert settle("2 3", {"2": 0, "3": 1}, project="binary") == ("binary", {"2": 0, "3": 1})
    assert settle("0 1", {"1": None}) == ("binary", {"0": 0, "1": None})
    with pytest.raises(InputError, match="gives grades above 1, but the scale is binary"):
        settle("2 3", {"2": 2}, project="binary")


def test_a_file_of_zeros_and_ones_in_a_graded_project_is_told() -> None:
    def notes(*values: str) -> tuple[str, ...]:
        rules = settle_grades(values, options=ImportOptions(), project_scale="graded", project_name="pandas")
        return rules.notes

    assert "a 1 is not positive. Map 1 to 3 if it is." in notes("0", "1")[0]
    assert notes("0", "1", "2") == notes("0") == notes("pos", "neg") == ()


def test_options_that_cannot_be_used_are_refused() -> None:
    for options, message in (
        ({"annotator": " "}, "Judgements need an annotator with a name"),
        ({"scale": "ternary"}, "A scale is one of binary, graded, got 'ternary'"),
        ({"grade_map": {"9": 4}}, 'The map takes "9" to 4, but grades are 0, 1, 2, 3, or None'),
        ({"grade_map": {"9": True}}, 'The map takes "9" to True'),
        ({"max_queries": 0}, "max_queries must be a whole number from 1"),
        ({"run_depth": 1.5}, "run_depth must be a whole number from 1"),
    ):
        with pytest.raises(InputError, match=message):
            ImportOptions(**options)  # type: ignore[arg-type]
