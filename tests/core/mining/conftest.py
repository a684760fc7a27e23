"""What the tests of mining share: a small corpus of several scripts, and queries for it."""

import pytest

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
