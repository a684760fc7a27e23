"""Runs under way: each visitor stops his own, and a second run takes the place of the first."""

import threading

import pytest

from ui.runs import Run, Runs, StoppedError


def test_a_run_goes_on_until_it_is_stopped() -> None:
    run = Run()
    run.check()
    assert not run.is_stopped
    run.stop()
    assert run.is_stopped
    for _ in range(2):
        with pytest.raises(StoppedError):
            run.check()


def test_a_second_run_of_a_visit_stops_the_first_and_no_other_visits() -> None:
    runs = Runs()
    first, other = runs.begin("me"), runs.begin("you")
    second = runs.begin("me")
    assert (first.is_stopped, second.is_stopped, other.is_stopped) == (True, False, False)


def test_the_end_of_the_first_run_does_not_forget_the_second() -> None:
    runs = Runs()
    first, second = runs.begin("me"), runs.begin("me")
    runs.end("me", first)
    runs.stop("me")
    assert second.is_stopped


def test_a_run_that_is_over_is_forgotten_and_not_stopped_any_more() -> None:
    runs = Runs()
    first = runs.begin("me")
    runs.end("me", first)
    runs.end("me", first)
    runs.stop("me")
    second = runs.begin("me")
    assert (first.is_stopped, second.is_stopped) == (False, False)


def test_stopping_where_nothing_runs_does_nothing() -> None:
    runs = Runs()
    other = runs.begin("you")
    runs.stop("me")
    runs.end("me", other)
    runs.stop("you")
    assert other.is_stopped


def test_of_runs_that_begin_at_the_same_time_exactly_one_goes_on() -> None:
    runs, begun = Runs(), list[Run]()
    gate = threading.Barrier(8)

    def begin() -> None:
        gate.wait()
        begun.extend(runs.begin("me") for _ in range(50))

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (left,) = [run for run in begun if not run.is_stopped]
    runs.stop("me")
    assert left.is_stopped
