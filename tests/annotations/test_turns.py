"""Threads write in the order in which they ask, so that an import cannot keep labels waiting."""

import threading
import time

import pytest

from annotations.store.turns import Turns


def test_who_waits_comes_before_who_asks_again() -> None:
    turns, order = Turns(), []
    threads: list[threading.Thread] = []

    def label(number: int) -> None:
        with turns:
            order.append(f"label {number}")

    for round_number in range(3):
        with turns:
            order.append(f"import {round_number}")
            for number in range(2 * round_number, 2 * round_number + 2):
                threads.append(threading.Thread(target=label, args=(number,)))
                threads[-1].start()
                while len(turns._waiting) < number - 2 * round_number + 1:
                    time.sleep(0.001)
    for thread in threads:
        thread.join(10)
    assert order == [
        *("import 0", "label 0", "label 1", "import 1", "label 2", "label 3", "import 2", "label 4", "label 5"),
    ]


def test_a_turn_that_fails_or_is_given_up_lets_the_next_one_come() -> None:
    turns = Turns()

    def fail() -> None:
        with turns:
            raise KeyError

    with pytest.raises(KeyError):
        fail()

    class GivenUpError(Exception):
        """What an interrupt raises."""

    class Interrupted:
        """A lock whose waiter is interrupted, as by Ctrl+C."""

        def acquire(self) -> None:
            if turns._waiting:
                raise GivenUpError

    with turns:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(threading, "Lock", Interrupted)
            with pytest.raises(GivenUpError):
                turns.__enter__()
        assert not turns._waiting
    with turns:
        pass
