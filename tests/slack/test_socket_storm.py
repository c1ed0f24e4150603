"""Sockets that are dropped again and again, and a network that swallows everything: nothing lost, nothing twice."""

from __future__ import annotations

import os
import time
import urllib.request
from collections.abc import Iterator
from http import HTTPStatus
from urllib.error import HTTPError

import pytest

from bot.model import Status
from bot.playground import Delivery
from tests.slack.workplace import Workplace
from tests.support.black_hole import BlackHole
from tests.support.house import wait_for

pytestmark = pytest.mark.slack

DROPS = int(os.environ.get("SHIPKEEPER_SOCKET_DROPS", "3"))
COMMANDS_A_DROP = 10
HOLE_SECONDS = float(os.environ.get("SHIPKEEPER_HOLE_SECONDS", "0"))
BACK_WITHIN_SECONDS = 30 if "PYTEST_XDIST_WORKER" not in os.environ else 60
SWALLOWED_WITHIN_SECONDS = 20


def test_sockets_dropped_during_many_commands(work: Workplace, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command runs once and is told once; what Slack never got an ack of did not run."""
    work.may_lose_acks = True
    sent: list[Delivery] = []
    longest = 0.0
    for drop in range(DROPS):
        for number in range(COMMANDS_A_DROP):
            if number == drop % COMMANDS_A_DROP:
                opened, began = work.playground.hub.opened, time.monotonic()
                work.playground.drop_sockets()
            line = f"backup other{drop % 3 + 1} --wait" if number == 0 else "whoami"
            sent.append(work.playground.slash("/docker", line))
        wait_for(
            lambda before=opened: work.playground.hub.opened > before,
            seconds=BACK_WITHIN_SECONDS,
            saying="a new socket",
        )
        longest = max(longest, time.monotonic() - began)
        wait_for(lambda: all(one.acked_at or one.error for one in sent), seconds=20, saying="every answer")
        work.wait_until_connected()
        sent.append(work.playground.slash("/docker", "whoami"))
        wait_for(lambda: sent[-1].acked_at, saying="the ack of what came over the new socket")
    work.wait_until_quiet(seconds=240)
    failed = [one for one in sent if one.error]
    # An ack may be on its way when the socket is cut: the envelope comes again, perhaps too late for Slack.
    assert not [one for one in failed if one.attempts < 2 and work.runs_of(one)]
    done = [run for one in sent if not one.error for run in work.runs_of(one)]
    assert {run.status for run in done} == {Status.SUCCEEDED}
    assert len(done) == len(sent) - len(failed)
    assert all(len(work.runs_of(one)) <= 1 for one in sent)
    with capsys.disabled():
        print(
            f"\n{DROPS} drops during {len(sent)} commands: {len(done)} done once each, Slack told of {len(failed)} "
            f"that they failed, and none of those ran; a new socket after {longest:.1f} s at most"
        )


@pytest.fixture
def hole(closed: Workplace) -> Iterator[BlackHole]:
    """A network between the bot and Slack."""
    with BlackHole(int(closed.playground.url.rsplit(":", 1)[1])) as network:
        closed.playground._workspace.base_url = f"http://127.0.0.1:{network.port}"
        yield network


def is_ready(work: Workplace) -> bool:
    """What `/readyz` says."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{work.port}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except HTTPError as error:
        if error.code != HTTPStatus.SERVICE_UNAVAILABLE:
            raise
        return False


def test_a_network_that_swallows_everything(
    closed: Workplace, hole: BlackHole, capsys: pytest.CaptureFixture[str]
) -> None:
    """Readiness says so; what ended meanwhile is told once, soon after the network is back."""
    closed.open(SLACK_API_URL=f"http://127.0.0.1:{hole.port}/api/")
    try:
        with closed.stalled_reads():
            delivery = closed.slash("/backup", "pgdata")
            closed.shown(delivery)
            assert is_ready(closed)
            hole.swallow()
            began = time.monotonic()
        closed.ended(delivery, Status.SUCCEEDED)
        wait_for(
            lambda: not is_ready(closed), seconds=SWALLOWED_WITHIN_SECONDS, saying="that it is not ready"
        )
        noticed = time.monotonic() - began
        wait_for(lambda: time.monotonic() - began >= HOLE_SECONDS, seconds=HOLE_SECONDS + 5, saying="the end")
        assert not is_ready(closed)
        hole.give_back()
        began = time.monotonic()
        wait_for(lambda: is_ready(closed), seconds=BACK_WITHIN_SECONDS, saying="that it is ready")
        ready = time.monotonic() - began
        closed.told(delivery, Status.SUCCEEDED, seconds=BACK_WITHIN_SECONDS)
        closed.told(closed.slash("/docker", "whoami"), Status.SUCCEEDED)
        closed.refuse_untrue()
        with capsys.disabled():
            print(f"\nswallowed: not ready after {noticed:.1f} s; given back: ready after {ready:.1f} s")
    finally:
        closed.close()
