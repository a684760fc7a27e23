"""Which snapshots there are."""

import pytest

from annotations.errors import InputError
from tests.annotations.desk import Desk, lay_out


def test_a_snapshot_is_kept_as_it_was_given_and_names_are_of_one_project(desk: Desk) -> None:
    snapshots = desk.store.snapshots
    other = lay_out(desk.store, name="bears")
    made = snapshots.add(desk.project_id, "first", "snapshots/first", "ab12", {"counts": {"train": 3}})
    snapshots.add(desk.project_id, "second", "snapshots/second", "cd34", None)
    snapshots.add(other.project_id, "first", "snapshots/bears", "ef56", None)

    got = snapshots.get(desk.project_id, "first")
    assert (got.id, got.path, got.sha256, got.manifest) == (made.id, "snapshots/first", "ab12", {"counts": {"train": 3}})
    assert [one.name for one in snapshots.list(desk.project_id)] == ["second", "first"]
    assert [one.path for one in snapshots.list(other.project_id)] == ["snapshots/bears"]


def test_a_name_that_is_taken_empty_or_unknown_is_refused(desk: Desk) -> None:
    snapshots = desk.store.snapshots
    with pytest.raises(InputError, match=r'no snapshot "first"\. There are: none yet'):
        snapshots.get(desk.project_id, "first")
    snapshots.add(desk.project_id, "first", "a", "", None)

    with pytest.raises(InputError, match='"pandas" has a snapshot "first" already'):
        snapshots.add(desk.project_id, "first", "b", "", None)
    with pytest.raises(InputError, match="needs a name"):
        snapshots.add(desk.project_id, " ", "b", "", None)
    with pytest.raises(InputError, match="There are: first"):
        snapshots.get(desk.project_id, "second")
    with pytest.raises(InputError, match="no project 99"):
        snapshots.add(99, "first", "b", "", None)
    assert [one.path for one in snapshots.list(desk.project_id)] == ["a"]
