"""Whoever waits for an answer goes before work that takes long, and never keeps it from going on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bot.crowd import Courtesy, Crowd


def test_a_crowd_is_counted_from_many_threads() -> None:
    """Whoever came and left leaves nobody behind."""
    crowd = Crowd()

    def come_and_go() -> None:
        for _ in range(500):
            crowd.arrived()
            crowd.left()

    threads = [threading.Thread(target=come_and_go) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert not crowd.is_there


@contextmanager
def at_the_door(crowd: Crowd) -> Iterator[None]:
    """Somebody waits."""
    crowd.arrived()
    try:
        yield
    finally:
        crowd.left()


def test_work_waits_until_the_crowd_is_gone() -> None:
    """A chunk begins once the last one has been told, and not before."""
    crowd, order = Crowd(), list[str]()
    crowd.arrived()

    def work() -> None:
        Courtesy(crowd).step_aside()
        order.append("work")

    worker = threading.Thread(target=work)
    worker.start()
    order.append("told")
    crowd.left()
    worker.join()
    assert order == ["told", "work"]


def test_nobody_at_the_door_costs_nothing() -> None:
    """Ten thousand chunks without a crowd are done at once."""
    courtesy, began = Courtesy(Crowd()), time.monotonic()
    for _ in range(10_000):
        courtesy.step_aside()
    assert time.monotonic() - began < 1


def test_a_crowd_that_stays_costs_half_of_the_time_at_most() -> None:
    """After a pause the work goes on undisturbed for as long as it paused."""
    crowd = Crowd()
    courtesy = Courtesy(crowd)
    with at_the_door(crowd):
        began = time.monotonic()
        courtesy.step_aside()
        paused = time.monotonic() - began
        undisturbed, asked = time.monotonic(), 0
        while time.monotonic() - undisturbed < paused / 2:
            courtesy.step_aside()
            asked += 1
    assert paused >= 0.4
    assert asked > 10
