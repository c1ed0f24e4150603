"""Socket Mode against Bolt and against a bare websocket: acks, redelivery, disconnects, limits."""

from __future__ import annotations

from contextlib import ExitStack

import pytest
from playground_wire import Bot, ack, bare_socket, client_of, connected_bot, receive
from slack_sdk.errors import SlackApiError
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect as ws_connect

from bot.playground import Playground

pytestmark = pytest.mark.slack


def test_a_slash_command_reaches_bolt_and_its_answer_is_shown(playground: Playground, bot: Bot) -> None:
    """A typed command is acked in time and the ack's text is shown to the person alone."""
    delivery = playground.slash("/echo", "hello")
    playground.wait_for(lambda: delivery.acked_at)
    answer = playground.wait_for(lambda: playground.world.messages("C0OPS"))[-1]
    assert bot.heard == ["hello"]
    assert (answer.text, answer.ephemeral_for) == ("got hello", "U0ANN")
    assert delivery.error is None
    assert delivery.took is not None
    assert delivery.took < 3


def test_a_mention_is_written_into_the_channel_and_answered_in_its_thread(
    playground: Playground, bot: Bot
) -> None:
    """An app_mention carries the message's ts, and say() answers below it."""
    playground.mention("hi", user="U0BOB")
    asked, answered = playground.wait_for(lambda: len(m := playground.world.messages("C0OPS")) == 2 and m)
    assert asked.text == "<@U0BOT> hi"
    assert answered.thread_ts == asked.ts
    assert bot.heard == ["<@U0BOT> hi"]


def test_an_unacknowledged_command_shows_a_timeout_after_three_seconds(
    playground: Playground, bot: Bot
) -> None:
    """Without an ack the person sees operation_timeout, not before three seconds."""
    delivery = playground.slash("/silent", "x")
    playground.wait_for(lambda: bot.heard)
    assert delivery.error is None
    playground.wait_for(lambda: delivery.error, timeout=5)
    assert delivery.error == "operation_timeout"
    assert "/silent failed with the error “operation_timeout”" in playground.transcript()


def test_without_a_socket_a_command_fails_at_once_and_can_be_delivered_later(playground: Playground) -> None:
    """dispatch_failed is shown when no bot is connected; redeliver sends the same payload afterwards."""
    delivery = playground.slash("/echo", "late")
    assert delivery.error == "dispatch_failed"
    with connected_bot(playground) as bot:
        playground.redeliver(delivery)
        playground.wait_for(lambda: delivery.acked_at)
        assert bot.heard == ["late"]


def test_redelivery_repeats_the_same_payload(playground: Playground) -> None:
    """The same envelope comes again; a fresh counter gives a new envelope around the same trigger id."""
    with bare_socket(playground) as websocket:
        delivery = playground.slash("/echo", "twice", trigger_id="1.2.abc")
        first = receive(websocket)
        playground.redeliver(delivery)
        playground.redeliver(delivery, fresh_retry_counter=True)
        again, fresh = receive(websocket), receive(websocket)
    assert again == first
    assert fresh["payload"] == first["payload"]
    assert fresh["payload"]["trigger_id"] == "1.2.abc"
    assert fresh["envelope_id"] != first["envelope_id"]
    assert delivery.attempts == 3


def test_events_carry_a_retry_counter(playground: Playground) -> None:
    """A redelivered event says which attempt it is; with a fresh counter it says 0."""
    with bare_socket(playground) as websocket:
        delivery = playground.mention("x")
        playground.redeliver(delivery)
        playground.redeliver(delivery, fresh_retry_counter=True)
        attempts = [receive(websocket)["retry_attempt"] for _ in range(3)]
    assert attempts == [0, 1, 0]


def test_each_envelope_goes_to_one_socket_and_any_socket_may_ack(playground: Playground) -> None:
    """Two sockets take turns, and an ack on the other one counts."""
    with bare_socket(playground) as one, bare_socket(playground) as other:
        first, second = playground.slash("/echo", "1"), playground.slash("/echo", "2")
        received = [receive(one), receive(other)]
        assert {e["payload"]["text"] for e in received} == {"1", "2"}
        ack(other, received[0])
        ack(one, received[1])
        playground.wait_for(lambda: first.acked_at and second.acked_at)


def test_what_a_lost_connection_owed_is_sent_over_its_replacement(playground: Playground) -> None:
    """An unacknowledged envelope comes again when the bot connects anew; an acknowledged one does not."""
    with bare_socket(playground) as old:
        acked, owed = playground.slash("/echo", "acked"), playground.slash("/echo", "owed")
        ack(old, receive(old))
        playground.wait_for(lambda: acked.acked_at)
        receive(old)
        assert playground.drop_sockets() == 1
        playground.wait_for(lambda: not playground.hub.connections)
    with bare_socket(playground) as new:
        envelope = receive(new)
        assert envelope["payload"]["text"] == "owed"
        ack(new, envelope)
        playground.wait_for(lambda: owed.acked_at)
        with pytest.raises(TimeoutError):
            receive(new, timeout=0.2)


def test_bolt_reconnects_when_told_to(playground: Playground, bot: Bot) -> None:
    """After refresh_requested Bolt opens a second connection, and commands still arrive."""
    playground.disconnect("refresh_requested")
    playground.wait_for(lambda: playground.hub.opened == 2)
    delivery = playground.slash("/echo", "after")
    playground.wait_for(lambda: "after" in bot.heard)
    playground.wait_for(lambda: delivery.acked_at)


def test_bolt_survives_a_cut_connection(playground: Playground) -> None:
    """A TCP cut without a closing frame is noticed by the SDK, which connects again."""
    with connected_bot(playground):
        playground.drop_sockets()
        playground.wait_for(lambda: playground.hub.opened == 2, timeout=15)


def test_link_disabled_switches_socket_mode_off(playground: Playground) -> None:
    """After link_disabled no new address is given until Socket Mode is on again."""
    client = client_of(playground, playground.app_token)
    with bare_socket(playground) as websocket:
        playground.disconnect("link_disabled")
        assert receive(websocket)["reason"] == "link_disabled"
        with pytest.raises(ConnectionClosed):
            receive(websocket)
    with pytest.raises(SlackApiError, match="access_denied"):
        client.apps_connections_open(app_token=playground.app_token)
    playground.enable_socket_mode()
    assert client.apps_connections_open(app_token=playground.app_token)["ok"]


def test_an_eleventh_socket_is_turned_away(playground: Playground) -> None:
    """Ten sockets are allowed; the next is told too_many_websockets and closed."""
    app_client = client_of(playground, playground.app_token)
    with ExitStack() as sockets:
        for _ in range(10):
            sockets.enter_context(bare_socket(playground))
        address = app_client.apps_connections_open(app_token=playground.app_token)["url"]
        with ws_connect(address, compression=None, proxy=None) as extra:
            assert receive(extra)["reason"] == "too_many_websockets"
            with pytest.raises(ConnectionClosed):
                receive(extra)
    assert playground.hub.opened == 10


def test_a_ticket_opens_one_socket_only(playground: Playground) -> None:
    """The address from apps.connections.open cannot be used twice."""
    app_client = client_of(playground, playground.app_token)
    address = app_client.apps_connections_open(app_token=playground.app_token)["url"]
    with ws_connect(address, compression=None, proxy=None):
        pass
    with pytest.raises(InvalidStatus), ws_connect(address, compression=None, proxy=None):
        pass


def test_a_client_frame_above_twenty_kilobytes_closes_the_socket(playground: Playground) -> None:
    """20,480 bytes pass, one more closes with 1009."""
    with bare_socket(playground) as websocket:
        websocket.send("x" * 20_480)
        assert websocket.ping().wait(5)
        websocket.send("x" * 20_481)
        with pytest.raises(ConnectionClosed) as closed:
            receive(websocket)
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1009


def test_a_half_open_socket_loses_envelopes_until_the_bot_connects_anew(playground: Playground) -> None:
    """A frozen socket answers no ping; what was sent into it comes again over the next connection."""
    with bare_socket(playground) as frozen:
        assert playground.freeze_sockets() == 1
        delivery = playground.slash("/echo", "lost")
        assert not frozen.ping().wait(0.3)
        assert delivery.error is None
        with bare_socket(playground) as new:
            envelope = receive(new)
            ack(new, envelope)
            playground.wait_for(lambda: delivery.acked_at)
    assert envelope["payload"]["text"] == "lost"
    assert delivery.attempts == 2
