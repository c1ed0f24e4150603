"""Figures of the whole: what ended, what waits, what people were not told, on both databases."""

from __future__ import annotations

from datetime import timedelta

import pytest

from bot.model import Button, Reply, Status
from bot.stores.claims import Ending
from bot.stores.runrow import Lane
from bot.stores.tallies import Behind, Tallies
from tests.stores.bench import Bench

_LARGE = 5_000_000_000
"""More than 32 bits."""


@pytest.fixture
def tallies(bench: Bench) -> Tallies:
    """What looks at the bench's database."""
    return Tallies(bench.database)


def test_each_ending_is_found_once(bench: Bench, tallies: Tallies) -> None:
    """In the order of the audit log, with how long it took and what the backup holds."""
    first, other = bench.submit("backup pgdata"), bench.submit("nonsense")
    claim = bench.claim(first)
    bench.later(5)
    reply = Reply(text="Backed up.", facts={"raw_bytes": _LARGE})
    bench.claims.finish(claim, Ending(status=Status.SUCCEEDED, reply=reply), bench.event(first, "succeeded"))
    bench.finish(bench.claim(other), Status.REJECTED)
    found = tallies.ended_after(0, 10)
    assert [(one.command, one.ending, one.seconds, one.raw_bytes) for one in found] == [
        ("backup", "succeeded", 5.0, _LARGE),
        ("backup", "rejected", 0.0, None),
    ]
    assert tallies.ended_after(found[0].seq, 10) == found[1:]
    assert tallies.ended_after(0, 1) == found[:1]
    assert tallies.ended_after(found[-1].seq, 10) == ()


def test_what_waits_is_counted_by_lane(bench: Bench, tallies: Tallies) -> None:
    """Not what is at work, nor what is over."""
    assert tallies.queued() == {Lane.FRONT: 0, Lane.WORK: 0}
    bench.submit("backup one")
    cancel = Button(label="Cancel", line="cancel")
    bench.claims.pass_on(bench.claim(bench.submit("backup two")), "backup", "local", cancel)
    bench.claim(bench.submit("backup three"))
    assert tallies.queued() == {Lane.FRONT: 1, Lane.WORK: 1}


def test_what_was_not_told_is_counted(bench: Bench, tallies: Tallies) -> None:
    """Also what waits for its time, and apart from it what Slack refused; not what is still being decided."""
    assert tallies.behind() == Behind(messages=0, failing=0)
    bench.asked_in_slack("backup undecided")
    assert tallies.behind() == Behind(messages=0, failing=0)
    run = bench.asked_in_slack("backup pgdata")
    bench.finish(bench.claim(run))
    assert tallies.behind() == Behind(messages=1, failing=0)
    bench.outbox.later(run.id, timedelta(seconds=9), "internal_error")
    assert tallies.behind() == Behind(messages=1, failing=1)
    bench.outbox.sent(bench.runs.get(run.id))
    assert tallies.behind() == Behind(messages=0, failing=0)
