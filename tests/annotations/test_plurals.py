"""One of something is said as one."""

from annotations.plurals import count


def test_one_thing_is_said_in_the_singular_and_any_other_number_in_the_plural() -> None:
    said = [count(number, "query") for number in (0, 1, 2, 1200)]
    assert said == ["0 queries", "1 query", "2 queries", "1,200 queries"]
    assert [count(number, "row with a problem", "rows with a problem") for number in (1, 3)] == [
        "1 row with a problem",
        "3 rows with a problem",
    ]
    assert [count(number, "new candidate") for number in (1, 2)] == ["1 new candidate", "2 new candidates"]
