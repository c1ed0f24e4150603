"""Rate limits, violations of them, and faults that a test orders."""

from __future__ import annotations

import threading

import pytest
from playground_wire import client_of
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_handlers import ConnectionErrorRetryHandler

from bot.playground import Fault, Playground, Tier

pytestmark = pytest.mark.slack


def limited(client: WebClient, channel: str = "C0OPS") -> int:
    """The Retry-After of a post, 0 when it passed."""
    try:
        client.chat_postMessage(channel=channel, text="x")
    except SlackApiError as error:
        answer = error.response
    else:
        return 0
    assert (answer.status_code, answer["error"]) == (429, "ratelimited")
    return int({name.lower(): value for name, value in answer.headers.items()}["retry-after"])


def test_posts_are_limited_per_channel_and_early_calls_are_noted() -> None:
    """After the burst a channel takes one post a second; other channels are not touched."""
    now = [1_800_000_000.0]
    with Playground(clock=lambda: now[0], bursts={Tier.PER_CHANNEL: 2}) as playground:
        client = client_of(playground)
        assert [limited(client), limited(client), limited(client)] == [0, 0, 1]
        assert limited(client, "U0BOB") == 0
        assert playground.world.rate_violations == ()
        now[0] += 0.5
        assert limited(client) == 1
        assert [v.early_seconds for v in playground.world.rate_violations] == [0.5]
        now[0] += 0.6
        assert limited(client) == 0


def test_updates_are_limited_over_all_messages() -> None:
    """Tier 3 is 50 a minute: after the burst one update every 1.2 seconds, whatever the message."""
    now = [1_800_000_000.0]
    with Playground(clock=lambda: now[0], bursts={Tier.THREE: 1}) as playground:
        client = client_of(playground)
        first, second = (client.chat_postMessage(channel="C0OPS", text=str(n))["ts"] for n in range(2))
        client.chat_update(channel="C0OPS", ts=first, text="x")
        with pytest.raises(SlackApiError) as caught:
            client.chat_update(channel="C0OPS", ts=second, text="x")
        assert caught.value.response.headers["retry-after"] == "2"
        now[0] += 2
        assert client.chat_update(channel="C0OPS", ts=second, text="x")["ok"]


def test_limits_can_be_switched_off(client: WebClient) -> None:
    """With enforce_rates off a hundred posts pass."""
    assert {limited(client) for _ in range(100)} == {0}


def test_an_ordered_429_counts_early_calls_as_violations(playground: Playground, client: WebClient) -> None:
    """A fault with Retry-After holds even when limits are off."""
    playground.faults.next("chat.postMessage", Fault.rate_limited(7))
    assert limited(client) == 7
    assert limited(client) == 7
    assert [v.method for v in playground.world.rate_violations] == ["chat.postMessage"]


def test_a_500_stores_nothing_and_is_used_once(playground: Playground, client: WebClient) -> None:
    """A status fault refuses one call; the next one passes."""
    playground.faults.next("chat.postMessage", Fault.status(500))
    with pytest.raises(SlackApiError):
        client.chat_postMessage(channel="C0OPS", text="x")
    assert playground.world.messages() == ()
    client.chat_postMessage(channel="C0OPS", text="x")
    assert playground.faults.times_used("chat.postMessage") == 1


def test_an_error_fault_answers_with_its_code(playground: Playground, client: WebClient) -> None:
    """Any of Slack's codes can be ordered, for any method."""
    playground.faults.next("*", Fault.error("token_revoked"))
    with pytest.raises(SlackApiError, match="token_revoked"):
        client.auth_test()
    assert client.auth_test()["ok"]


def test_a_reset_after_storing_keeps_the_message(playground: Playground, client: WebClient) -> None:
    """The caller sees a broken connection although the message is there."""
    playground.faults.next("chat.postMessage", Fault.reset_after_store())
    with pytest.raises(OSError):
        client.chat_postMessage(channel="C0OPS", text="x")
    assert [m.text for m in playground.world.messages()] == ["x"]


def test_the_sdks_own_retry_doubles_such_a_message(playground: Playground) -> None:
    """slack_sdk's default handler posts again after the reset: the duplicate a careful bot must avoid."""
    client = client_of(playground)
    client.retry_handlers.append(ConnectionErrorRetryHandler())
    playground.faults.next("chat.postMessage", Fault.reset_after_store())
    client.chat_postMessage(channel="C0OPS", text="x")
    assert len(playground.world.messages()) == 2


def test_a_reset_before_storing_keeps_nothing(playground: Playground, client: WebClient) -> None:
    """The caller sees a broken connection and nothing happened."""
    playground.faults.next("chat.postMessage", Fault.reset_before_store())
    with pytest.raises(OSError):
        client.chat_postMessage(channel="C0OPS", text="x")
    assert playground.world.messages() == ()


def test_a_slow_answer_comes_after_the_deed(playground: Playground, client: WebClient) -> None:
    """The message is there before its answer, and other calls are not held up."""
    playground.faults.next("chat.postMessage", Fault.slow(0.5))
    poster = threading.Thread(target=client.chat_postMessage, kwargs={"channel": "C0OPS", "text": "x"})
    poster.start()
    playground.wait_for(playground.world.messages)
    assert client.auth_test()["ok"]
    assert poster.is_alive()
    poster.join(5)
    assert not poster.is_alive()


def test_an_outage_refuses_everything_until_it_ends(playground: Playground, client: WebClient) -> None:
    """During an outage every call meets 503, and each is counted."""
    playground.faults.outage(True)
    for _ in range(2):
        with pytest.raises(SlackApiError) as caught:
            client.auth_test()
        assert caught.value.response.status_code == 503
    playground.faults.outage(False)
    assert client.auth_test()["ok"]
    assert playground.faults.times_used() == 2


def test_wait_for_fails_with_the_transcript(playground: Playground) -> None:
    """When nothing comes of it the error tells what happened instead."""
    playground.slash("/backup", "pgdata")
    with pytest.raises(TimeoutError, match=r"#ops Ann> /backup pgdata"):
        playground.wait_for(lambda: False, timeout=0.1)


def test_the_world_outlives_a_restart(playground: Playground, client: WebClient) -> None:
    """stop and start keep port, messages and tokens."""
    client.chat_postMessage(channel="C0OPS", text="before")
    playground.stop()
    with pytest.raises(OSError):
        client.auth_test()
    playground.start()
    client.chat_postMessage(channel="C0OPS", text="after")
    assert [m.text for m in playground.world.messages()] == ["before", "after"]
