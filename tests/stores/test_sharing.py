"""Writes of many threads in one transaction: all are there, each gets its answer, and what fails, fails alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import pytest
from sqlalchemy import Connection, event, text
from sqlalchemy.exc import IntegrityError

from bot.errors import StoreError
from bot.stores.runs import Terms
from bot.stores.sharing import SharedWrites
from tests.stores.bench import Bench, all_at_once
from tests.support.house import invocation, wait_for

TERMS = Terms(host="local", released=True)
MANY = 20


def behind_a_writer(
    bench: Bench, calls: Sequence[Callable[[], object]], wishes: SharedWrites
) -> list[object]:  # type: ignore[type-arg]
    """What the calls give that were all made while somebody else wrote."""
    given: list[object] = []
    with bench.database.write():
        thread = threading.Thread(target=lambda: given.extend(all_at_once(list(calls))))
        thread.start()
        wait_for(lambda: len(wishes._wishes) == len(calls), saying="everybody waiting")
    thread.join()
    return given


def test_what_comes_while_another_writes_is_stored_in_one_transaction(bench: Bench) -> None:
    """Twenty command lines wait for the disk once, and each is a run of its own."""
    commits: list[object] = []
    event.listen(bench.database._engine, "commit", lambda _: commits.append(1))
    asked = [invocation(f"backup v{place}", key=f"k{place}") for place in range(MANY)]
    given = behind_a_writer(
        bench, [lambda one=one: bench.runs.take_in(one, TERMS) for one in asked], bench.runs._intake
    )
    assert len(commits) == 2  # the other writer's, and theirs
    ids = {run_id for run_id, is_new in given if is_new}  # type: ignore[misc]
    lines = {run.id: run.invocation.line for run in bench.runs.newest(limit=100)}
    assert ids == set(lines)
    assert sorted(lines.values()) == sorted(one.line for one in asked)
    assert len(bench.enqueued) == MANY


def test_the_same_key_many_times_in_one_transaction_is_one_run(bench: Bench) -> None:
    """Deliveries of one command that come together get the id of one run, and one of them made it."""
    asked = invocation("backup pgdata", key="k")
    given = behind_a_writer(
        bench, [lambda: bench.runs.take_in(asked, TERMS) for _ in range(MANY)], bench.runs._intake
    )
    assert len({run_id for run_id, _ in given}) == 1  # type: ignore[misc]
    assert sum(is_new for _, is_new in given) == 1  # type: ignore[misc]
    assert len(bench.runs.newest(limit=100)) == 1


class Writing:
    """Doubles numbers; some of them in a way that goes wrong."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.raises: Callable[[Sequence[int]], BaseException | None] = lambda _: None

    def __call__(self, connection: Connection, given: Sequence[int]) -> list[int]:
        connection.execute(text("SELECT 1"))
        self.batches.append(list(given))
        error = self.raises(given)
        if error is not None:
            raise error
        return [2 * one for one in given]


def test_everybody_is_told_that_the_disk_failed(bench: Bench) -> None:
    """What was to be written together and could not be raises for each; the next one is written."""
    writing = Writing()
    writing.raises = lambda _: StoreError("The disk is full.")
    shared = SharedWrites(bench.database, writing)
    told: list[str] = []

    def ask(one: int) -> None:
        with pytest.raises(StoreError, match="full") as error:
            shared.do(one)
        told.append(str(error.value))

    behind_a_writer(bench, [lambda one=one: ask(one) for one in range(MANY)], shared)
    assert len(told) == MANY
    writing.raises = lambda _: None
    assert shared.do(7) == 14


def test_what_another_process_was_quicker_with_is_asked_for_alone(bench: Bench) -> None:
    """A key that was stored meanwhile undoes the transaction of all, so each is written by itself."""
    writing = Writing()
    writing.raises = lambda given: IntegrityError("", {}, ValueError()) if len(given) > 1 else None
    shared = SharedWrites(bench.database, writing)
    given = behind_a_writer(bench, [lambda one=one: shared.do(one) for one in range(MANY)], shared)
    assert sorted(given) == [2 * one for one in range(MANY)]  # type: ignore[type-var]
    assert [len(batch) for batch in writing.batches] == [MANY, *[1] * MANY]


def test_a_fault_of_ours_keeps_nobody_waiting(bench: Bench) -> None:
    """Whoever wrote for all gets the fault; the others are written, each alone."""
    writing = Writing()
    writing.raises = lambda given: KeyError("ours") if len(given) > 1 else None
    shared = SharedWrites(bench.database, writing)

    def ask(one: int) -> object:
        try:
            return shared.do(one)
        except KeyError:
            return "fault"

    given = behind_a_writer(bench, [lambda one=one: ask(one) for one in range(MANY)], shared)
    assert given.count("fault") == 1
    assert len([one for one in given if isinstance(one, int)]) == MANY - 1
