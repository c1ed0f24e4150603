"""A process that lost the right to execute leaves runs alone: another one may be at work at them."""

from __future__ import annotations

import threading

from bot.model import Status
from bot.queue import EmbeddedQueue
from tests.support.house import House, from_slack, wait_for


def _rounds(queue: EmbeddedQueue, *, answer: bool) -> threading.Semaphore:
    """Let the queue be told that from now on; one for each time it asks."""
    asked = threading.Semaphore(0)

    def may_execute() -> bool:
        asked.release()
        return answer

    queue.may_execute = may_execute
    return asked


def test_nothing_is_begun_while_another_process_executes(house: House) -> None:
    """What is asked meanwhile waits, and is done as soon as the right is ours again."""
    asked = _rounds(house.app.queue, answer=False)
    assert asked.acquire(timeout=30)
    run_id = house.accept(from_slack("backup pgdata"))
    for _ in range(3):
        assert asked.acquire(timeout=30)
    assert house.run(run_id).status is Status.QUEUED
    _rounds(house.app.queue, answer=True)
    assert house.ending(run_id).status is Status.SUCCEEDED


def test_runs_of_the_new_holder_are_no_orphans(house: House) -> None:
    """Of a run that another process holds now nothing is taken back here."""
    run_id = house.accept(from_slack("backup pgdata"))
    house.ending(run_id)
    asked = _rounds(house.app.queue, answer=False)
    assert asked.acquire(timeout=30)
    other = house.accept(from_slack("backup pgdata"))
    claim = house.app.dispatcher._ledger.claims.claim(house.run(other), "elsewhere:1")
    assert claim is not None
    for _ in range(12):  # longer than it takes until orphans are looked for
        assert asked.acquire(timeout=30)
    assert house.run(other).status is Status.RUNNING
    _rounds(house.app.queue, answer=True)
    wait_for(lambda: house.run(other).status.is_ending, saying="that an orphan is ended once it may be")
