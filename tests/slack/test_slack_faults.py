"""Slack refuses, is slow, is away or loses answers: no result is lost, and none is told twice."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise

import pytest

from bot.model import Status
from bot.playground import DEFAULT_SCOPES, Fault
from bot.slack.blocks import Rendered, render
from bot.stores.outbox import Message
from tests.slack.reading import buttons_of, words_of
from tests.slack.workplace import Workplace
from tests.support.house import wait_for

pytestmark = pytest.mark.slack

WITHOUT_HISTORY = frozenset(scope for scope in DEFAULT_SCOPES if not scope.endswith(":history"))
without_history = pytest.mark.parametrize("scopes", [WITHOUT_HISTORY], ids=["no-history"])
FAULTS: dict[str, Callable[[], Fault]] = {
    "500": lambda: Fault.status(500),
    "503": lambda: Fault.status(503),
    "internal_error": lambda: Fault.error("internal_error"),
    "429": lambda: Fault.rate_limited(1),
    "reset_before": Fault.reset_before_store,
    "reset_after": Fault.reset_after_store,
}
each_fault = pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)


@each_fault
def test_a_post_that_fails_is_told_once(work: Workplace, fault: Callable[[], Fault]) -> None:
    """Two failures in a row of chat.postMessage, whichever they are, neither lose nor double the result."""
    work.playground.faults.next("chat.postMessage", fault(), times=2)
    message = work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    assert buttons_of(message) == ["Verify", "Restore a copy", "Details"]
    assert work.playground.faults.times_used("chat.postMessage") >= 1


@without_history
@pytest.mark.parametrize("fault", [FAULTS["500"], FAULTS["reset_after"]], ids=["500", "reset_after"])
def test_without_the_history_scope_no_result_is_lost(work: Workplace, fault: Callable[[], Fault]) -> None:
    """When the bot may not look whether its message is there, it rather tells a result twice than never."""
    work.may_be_doubled = True
    work.playground.faults.next("chat.postMessage", fault())
    run = work.ended(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    wait_for(lambda: any("✅" in m.text for m in work.messages_of(run)), seconds=20, saying="the result")


@pytest.mark.parametrize("trouble", [Fault.status(500), Fault.rate_limited(1), Fault.reset_before_store()])
def test_trouble_with_looking_doubles_nothing(work: Workplace, trouble: Fault) -> None:
    """A post's answer is lost, and then the history cannot be read for a moment: still one message."""
    work.playground.faults.next("chat.postMessage", Fault.reset_after_store())
    work.playground.faults.next("conversations.history", trouble)
    delivery = work.slash("/backup", "pgdata")
    wait_for(lambda: work.playground.faults.times_used("conversations.history"), saying="a vain look")
    work.wait_until_quiet()
    work.told(delivery, Status.SUCCEEDED)


def test_a_lost_answer_in_a_thread_doubles_nothing(work: Workplace) -> None:
    """In a thread, too, the message whose answer was lost is found again."""
    above = work.playground.say("who saves pgdata?")
    work.playground.faults.next("chat.postMessage", Fault.reset_after_store())
    message = work.told(work.mention("backup pgdata", thread_ts=above.ts), Status.SUCCEEDED)
    assert message.thread_ts == above.ts


def test_a_lost_answer_is_looked_for_from_its_first_try_on(work: Workplace) -> None:
    """However often posting is tried again, the search begins where the first try may have left a message."""
    work.playground.faults.next("chat.postMessage", Fault.status(500), times=2)
    delivery = work.slash("/backup", "pgdata")

    def since() -> object:
        with sqlite3.connect(work.state / "shipkeeper.db", timeout=5) as rows:
            return rows.execute("SELECT posting_since FROM messages").fetchone()[0]

    first = wait_for(since, saying="the first try")
    wait_for(lambda: work.playground.faults.times_used("chat.postMessage") == 2, saying="the second try")
    assert since() == first
    work.told(delivery, Status.SUCCEEDED)


@pytest.mark.parametrize("fault", [Fault.reset_before_store(), Fault.reset_after_store(), Fault.status(500)])
def test_an_edit_that_fails_is_made_again(work: Workplace, fault: Fault) -> None:
    """The ending reaches the message although the first edit's answer is an error, or none."""
    with work.stalled_reads():
        delivery = work.slash("/backup", "pgdata")
        message = work.shown(delivery)
        work.playground.faults.next("chat.update", fault)
    assert work.told(delivery, Status.SUCCEEDED) is message


class TestInEarnest:
    """With the pauses of the product."""

    @pytest.fixture
    def between_edits(self) -> timedelta:
        """Nothing is shortened."""
        return timedelta(seconds=2)

    def test_edits_of_one_message_are_two_seconds_apart(self, work: Workplace) -> None:
        """A message that was just posted is edited no sooner than two seconds later, even for the result."""
        with work.stalled_reads():
            delivery = work.slash("/backup", "pgdata")
            work.shown(delivery)
        work.told(delivery, Status.SUCCEEDED)
        posted = work.world.calls("chat.postMessage")[-1].at
        edits = [call.at for call in work.world.calls("chat.update")]
        moments = [posted, *edits]
        assert len(moments) >= 2
        assert all(later - earlier >= 1.9 for earlier, later in pairwise(moments))


def test_a_refused_edit_waits_as_long_as_slack_says(work: Workplace) -> None:
    """After a 429 of chat.update nothing is edited before Retry-After is over; then the result is there."""
    with work.stalled_reads():
        delivery = work.slash("/backup", "pgdata")
        message = work.shown(delivery)
        work.playground.faults.next("chat.update", Fault.rate_limited(2))
    assert work.told(delivery, Status.SUCCEEDED) is message
    calls = work.world.calls("chat.update")
    refused = next(index for index, call in enumerate(calls) if call.status == 429)
    assert calls[refused + 1].at - calls[refused].at >= 2.0


def test_slack_is_away_while_a_backup_ends(work: Workplace) -> None:
    """A result that nobody can be told waits, and is told once when Slack is back."""
    with work.stalled_reads():
        delivery = work.slash("/backup", "pgdata")
        message = work.shown(delivery)
        work.playground.faults.outage(True)
    work.ended(delivery, Status.SUCCEEDED)
    wait_for(lambda: work.playground.faults.times_used("chat.update") >= 2, saying="some vain tries")
    assert "✅" not in message.text
    work.playground.faults.outage(False)
    assert work.told(delivery, Status.SUCCEEDED) is message


def test_slack_is_away_from_the_beginning_to_the_end(work: Workplace) -> None:
    """A run of which not a word could be said is told when Slack is back, by one message."""
    work.playground.faults.outage(True)
    delivery = work.slash("/backup", "pgdata")
    work.ended(delivery, Status.SUCCEEDED)
    wait_for(lambda: work.playground.faults.times_used() >= 3, saying="some vain tries")
    work.playground.faults.outage(False)
    work.told(delivery, Status.SUCCEEDED)


def test_a_private_answer_waits_for_slack_too(work: Workplace) -> None:
    """A refusal that could not be whispered is whispered later."""
    work.playground.faults.next("chat.postEphemeral", Fault.status(503), times=2)
    message = work.told(work.slash("/backup", "pgdata", user="U0BOB"), Status.DENIED)
    assert message.ephemeral_for == "U0BOB"


@pytest.mark.parametrize("no", [Fault.error("unknown_method"), Fault.status(404)], ids=["unknown", "404"])
def test_without_private_messages_answers_use_the_response_url(work: Workplace, no: Fault) -> None:
    """Where Slack's side has no chat.postEphemeral, a private answer reaches the asker privately all the same."""
    work.playground.faults.next("chat.postEphemeral", no, times=9)
    message = work.told(work.slash("/docker", "whoami"), Status.SUCCEEDED)
    assert (message.channel, message.ephemeral_for) == ("C0OPS", "U0ANN")


def test_without_private_messages_a_mention_is_answered_directly(work: Workplace) -> None:
    """A mention has no response URL: its private answer becomes a direct message."""
    work.playground.faults.next("chat.postEphemeral", Fault.error("unknown_method"), times=9)
    assert work.told(work.mention("whoami"), Status.SUCCEEDED).channel == "D0ANN"


def test_without_a_history_to_look_into_no_result_is_lost(work: Workplace) -> None:
    """A lost answer, and a Slack side that knows no conversations.history: the result is posted again."""
    work.may_be_doubled = True
    work.playground.faults.next("conversations.history", Fault.status(404), times=9)
    work.playground.faults.next("chat.postMessage", Fault.reset_before_store())
    work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)


def test_a_lost_answer_in_a_direct_message_doubles_no_private_answer(work: Workplace) -> None:
    """In a direct message a private answer is an ordinary one, so it is looked for before it is posted again."""
    work.playground.faults.next("chat.postMessage", Fault.reset_after_store())
    assert work.told(work.slash("/docker", "whoami", channel="D0ANN"), Status.SUCCEEDED).channel == "D0ANN"


def test_one_message_that_breaks_silences_no_other(work: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault of ours in telling one run is logged and tried again; the other runs are told meanwhile."""
    broken = threading.Event()

    def breaking(message: Message, before: int = 0) -> Rendered:
        if message.run.invocation.line.endswith("pgdata") and not broken.is_set():
            raise KeyError("ours")
        return render(message, before)

    monkeypatch.setattr("bot.slack.delivery.render", breaking)
    poison = work.slash("/backup", "pgdata")
    work.ended(poison, Status.SUCCEEDED)
    work.told(work.slash("/backup", "other1"), Status.SUCCEEDED)
    broken.set()
    work.told(poison, Status.SUCCEEDED)


def test_a_deleted_message_is_posted_anew(work: Workplace) -> None:
    """Somebody deletes the message of a run at work; its result is a message of its own."""
    with work.stalled_reads():
        delivery = work.slash("/backup", "pgdata")
        deleted = work.shown(delivery)
        work.world.delete(deleted)
    message = work.told(delivery, Status.SUCCEEDED)
    assert message is not deleted
    assert message.channel == "C0OPS"


def test_where_the_bot_is_no_member_results_come_as_a_direct_message(work: Workplace) -> None:
    """Asked from a channel that it may not write to, the bot tells the asker directly."""
    message = work.told(work.slash("/backup", "pgdata", channel="C0RANDOM"), Status.SUCCEEDED)
    assert message.channel == "D0ANN"
    assert "backed up and proven" in words_of(message)


def test_where_the_bot_is_no_member_private_answers_use_the_response_url(work: Workplace) -> None:
    """A private answer reaches the asker in the channel all the same."""
    message = work.told(work.slash("/docker", "whoami", channel="C0RANDOM"), Status.SUCCEEDED)
    assert (message.channel, message.ephemeral_for) == ("C0RANDOM", "U0ANN")
    assert not work.world.messages("D0ANN")


def test_in_a_direct_message_everything_is_told_there(work: Workplace) -> None:
    """Asked in a direct message, looks and results are ordinary messages there."""
    look = work.told(work.slash("/docker", "whoami", channel="D0ANN"), Status.SUCCEEDED)
    result = work.told(work.slash("/backup", "pgdata", channel="D0ANN"), Status.SUCCEEDED)
    assert {look.channel, result.channel} == {"D0ANN"}
    assert look.ephemeral_for is None


def test_blocks_that_slack_does_not_know_are_replaced_by_text(work: Workplace) -> None:
    """A workspace that refuses our blocks gets the same words as plain text."""
    work.may_be_refused_blocks = True
    work.playground.faults.next("chat.postMessage", Fault.error("invalid_blocks"))
    delivery = work.slash("/backup", "pgdata")
    run = work.ended(delivery, Status.SUCCEEDED)
    wait_for(lambda: work.world.messages("C0OPS"), saying="a message")
    wait_for(lambda: f"run {run.id}" in work.world.messages("C0OPS")[0].text, saying="its words")
    work.wait_until_quiet()


def test_the_bot_is_started_anew_between_a_result_and_its_message(work: Workplace) -> None:
    """A result that was proven but not told before the bot stopped is told once by the next bot."""
    work.playground.faults.outage(True)
    delivery = work.slash("/backup", "pgdata")
    work.ended(delivery, Status.SUCCEEDED)
    work.close()
    assert not work.world.messages("C0OPS")
    work.playground.faults.outage(False)
    work.open()
    work.told(delivery, Status.SUCCEEDED)
    assert work.backups() == 1


def test_the_bot_is_started_anew_after_a_post_whose_answer_was_lost(work: Workplace) -> None:
    """The next bot looks for the message before it posts, and finds it."""
    work.playground.faults.next("chat.postMessage", Fault.reset_after_store())
    work.playground.faults.next("conversations.history", Fault.status(503), times=9)
    delivery = work.slash("/backup", "pgdata")
    wait_for(lambda: work.playground.faults.times_used("conversations.history"), saying="a vain look")
    work.close()
    work.playground.faults.clear()
    work.open()
    work.told(delivery, Status.SUCCEEDED)
