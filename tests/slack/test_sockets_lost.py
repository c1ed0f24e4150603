"""Sockets that close, are replaced or die while a run is at work: nothing is lost and nothing is done twice."""

from __future__ import annotations

import pytest
from slack_sdk.socket_mode.builtin import SocketModeClient

from bot.model import Status
from tests.slack.workplace import Workplace
from tests.support.house import wait_for

pytestmark = pytest.mark.slack


def test_a_refreshed_socket_during_a_run(work: Workplace) -> None:
    """Slack replaces the socket and delivers the command again on the new one: it is one run."""
    with work.stalled_reads():
        delivery = work.slash("/backup", "pgdata")
        work.shown(delivery)
        work.playground.disconnect("refresh_requested")
        wait_for(lambda: work.playground.hub.opened == 2, saying="a second socket")
        work.playground.redeliver(delivery)
        wait_for(lambda: delivery.acks == 2, saying="the second ack")
        assert not work.backups()
    work.told(delivery, Status.SUCCEEDED)
    assert len(work.runs()) == 1
    assert work.backups() == 1


def test_a_command_right_after_a_refresh_is_acked_in_time(work: Workplace) -> None:
    """The new socket is read as soon as it is open, though the SDK is still busy with closing the old one."""
    for opened in (2, 3):
        work.playground.disconnect("refresh_requested")
        wait_for(lambda opened=opened: work.playground.hub.opened == opened, saying="another socket")
        work.told(work.slash("/docker", "whoami"), Status.SUCCEEDED)


def test_a_cut_connection_during_a_run(work: Workplace) -> None:
    """The connection dies without a word; the run goes on, and is told when it ends."""
    hurry(work)
    with work.stalled_reads():
        delivery = work.slash("/backup", "pgdata")
        wait_for(work.engine.faults.stalled.is_set)
        work.playground.drop_sockets()
        wait_for(lambda: work.playground.hub.opened == 2, seconds=30, saying="a second socket")
        work.playground.redeliver(delivery)
        wait_for(lambda: delivery.acks == 2, saying="the second ack")
    work.told(delivery, Status.SUCCEEDED)
    assert len(work.runs()) == 1


def test_a_reset_socket_is_replaced_before_the_next_ping(work: Workplace) -> None:
    """What the SDK gave up itself is noticed at once: it would look after it only every five seconds."""
    client, lost = client_of(work), client_of(work).current_session
    client.current_app_monitor.shutdown()
    assert lost is not None
    lost.disconnect()
    work.playground.drop_sockets()
    wait_for(lambda: work.playground.hub.opened == 2, saying="a second socket")
    work.wait_until_connected()
    work.told(work.slash("/docker", "whoami"), Status.SUCCEEDED)


def test_a_command_that_a_dead_socket_swallowed_comes_again(work: Workplace) -> None:
    """What was sent into a half-open connection is delivered over the next one, and is one run."""
    work.playground.freeze_sockets()
    delivery = work.playground.slash("/backup", "pgdata")
    work.playground.drop_sockets()
    wait_for(lambda: not work.playground.hub.connections, saying="the cut")
    client_of(work).connect_to_new_endpoint(force=True)
    wait_for(lambda: delivery.acked_at, saying="the ack")
    assert delivery.attempts == 2
    work.told(delivery, Status.SUCCEEDED)
    assert len(work.runs()) == 1


def client_of(work: Workplace) -> SocketModeClient:
    """The SDK's client, whose timers a test may not wait for."""
    door = work.bot.slack._socket
    assert door is not None
    return door.client


def hurry(work: Workplace) -> None:
    """Let the SDK look after its socket several times a second instead of every five."""
    client_of(work).current_app_monitor.interval_seconds = 0.2
