"""A host that gives no more threads for a while: runs wait, and nothing else is harmed."""

from __future__ import annotations

import threading

import pytest

from bot.model import Actor, Status
from tests.support.house import House, from_slack, refuse_untrue, wait_for


@pytest.mark.parametrize("lane", ["front", "work"])
def test_runs_wait_while_no_thread_can_be_started(
    house: House, monkeypatch: pytest.MonkeyPatch, lane: str
) -> None:
    """Each look tries again; what was handed over before goes on, and the bot can be told to end meanwhile."""
    start, refused = threading.Thread.start, threading.Semaphore(0)

    def fails(thread: threading.Thread) -> None:
        if thread.name.startswith(f"{lane}-"):
            refused.release()
            raise RuntimeError("can't start new thread")
        start(thread)

    with monkeypatch.context() as short:
        short.setattr(threading.Thread, "start", fails)
        run_id = house.accept(from_slack("backup pgdata"))
        for _ in range(2):
            assert refused.acquire(timeout=30)
        assert house.app.queue.is_alive
        assert house.run(run_id).status is Status.QUEUED
        wait_for(lambda: not house.app.queue.workers(), saying="that nobody counts as at work")
    assert house.ending(run_id).status is Status.SUCCEEDED
    refuse_untrue(house.app)


def test_a_queue_whose_last_run_got_no_thread_can_be_stopped(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands behind it in the order of ending is not left out."""
    start, refused = threading.Thread.start, threading.Event()

    def fails(thread: threading.Thread) -> None:
        if thread.name.startswith("front-"):
            refused.set()
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fails)
    run_id = house.accept(from_slack("backup pgdata"))
    assert refused.wait(30)
    house.app.queue.stop(1)
    assert not house.app.queue.is_alive
    house.app.dispatcher.cancel(house.run(run_id), Actor(id="U0ANN", name="Ann"))
