"""Whose turn it is to write: one at a time, those in a hurry first, and nobody never."""

from __future__ import annotations

import threading

from bot.stores.turns import Turns
from tests.support.house import wait_for


class Line:
    """Threads that want the lock, and the order in which they had it."""

    def __init__(self) -> None:
        self.turns = Turns()
        self.order: list[str] = []
        self._threads: list[threading.Thread] = []

    def join(self, name: str, *, hurry: bool) -> None:
        """One more who wants it, in a thread of their own."""

        def take() -> None:
            with self.turns.taken(hurry=hurry):
                self.order.append(name)

        self._threads.append(threading.Thread(target=take))
        self._threads[-1].start()

    def end(self) -> None:
        """Wait until everybody had it."""
        for thread in self._threads:
            thread.join(10)
            assert not thread.is_alive()


def test_whoever_is_in_a_hurry_goes_first() -> None:
    """Those who come after somebody in a hurry let them go before, and have their turn then."""
    line = Line()
    with line.turns.taken(hurry=False):
        line.join("hurried", hurry=True)
        wait_for(lambda: line.turns._hurried == 1, saying="the one in a hurry")
        for name in ("a", "b", "c"):
            line.join(name, hurry=False)
    line.end()
    assert line.order[0] == "hurried"
    assert sorted(line.order[1:]) == ["a", "b", "c"]


def test_its_holder_may_take_it_again() -> None:
    """A write within a write of the same thread waits for nobody, and the lock is free once the outer one ends."""
    turns = Turns()
    with turns.taken(hurry=False), turns.taken(hurry=True), turns.taken(hurry=False):
        pass
    line = Line()
    line.turns = turns
    line.join("next", hurry=False)
    line.end()
    assert line.order == ["next"]


def test_a_block_that_fails_gives_it_back() -> None:
    """An error inside the block leaves the lock to the next one."""
    turns = Turns()
    try:
        with turns.taken(hurry=True):
            raise LookupError
    except LookupError:
        pass
    line = Line()
    line.turns = turns
    line.join("next", hurry=False)
    line.end()


def test_others_are_not_kept_waiting_without_end() -> None:
    """While there is always somebody in a hurry, one who is not has the lock after a moment all the same."""
    line, over = Line(), threading.Event()

    def hurry() -> None:
        while not over.is_set():
            with line.turns.taken(hurry=True):
                over.wait(0.002)

    hurried = [threading.Thread(target=hurry) for _ in range(3)]
    for one in hurried:
        one.start()
    line.join("patient", hurry=False)
    wait_for(lambda: line.order, saying="the turn of the patient one")
    over.set()
    for one in hurried:
        one.join(10)
    line.end()
