"""Retry, as a button and as a command, and the details of a run in the thread of its message."""

from __future__ import annotations

import pytest

from bot.errors import EngineError
from bot.model import Status
from tests.slack.reading import buttons_of, words_of
from tests.slack.workplace import Workplace
from tests.support.house import wait_for

pytestmark = pytest.mark.slack


def test_retry_by_button_is_the_same_command_as_a_new_run(work: Workplace) -> None:
    """What failed is done again under its own name, with the right and the plan of what it is."""
    work.engine.faults.failing["read_volume"] = EngineError("Docker is not well. Nothing was changed.")
    failed = work.told(work.slash("/backup", "pgdata --quiesce pause --note nightly"), Status.FAILED)
    work.engine.faults.failing.clear()
    assert buttons_of(failed) == ["Retry", "Details"]
    work.told(work.press(failed, "Retry", user="U0BOB"), Status.DENIED)
    pressed = work.press(failed, "Retry", user="U0ADA")
    done = work.told(pressed, Status.SUCCEEDED)
    run = work.run_of(pressed)
    assert (run.invocation.line, run.command) == ("backup pgdata --quiesce pause --note nightly", "backup")
    assert run.invocation.actor.id == "U0ADA"
    assert done.channel == failed.channel
    wait_for(lambda: buttons_of(failed) == ["Details"], saying="the pressed button's end")


def test_retry_as_a_command(work: Workplace) -> None:
    """It repeats what is over, is refused for what is at work, and tells a stranger nothing."""
    with work.stalled_reads():
        delivery = work.slash("/backup", "pgdata")
        work.shown(delivery)
        first = work.run_of(delivery)
        early = work.told(work.slash("/docker", f"retry {first.id}"), Status.REJECTED)
        assert "is not over yet" in early.text
    work.told(delivery, Status.SUCCEEDED)
    stranger = work.told(work.slash("/docker", f"retry {first.id}", user="U0CAT"), Status.DENIED)
    assert "pgdata" not in words_of(stranger)
    work.told(work.slash("/docker", "retry 00000000"), Status.REJECTED)
    work.told(work.slash("/docker", f"retry {first.id}"), Status.SUCCEEDED)
    assert work.backups() == 2


def test_retry_delivered_five_times_is_one_run(work: Workplace) -> None:
    """A repeat of the same press is the same run."""
    with work.stalled_reads():
        delivery = work.slash("/backup", "pgdata")
        message = work.shown(delivery)
        work.told(work.press(message, "Cancel"), Status.SUCCEEDED)
    message = work.told(delivery, Status.CANCELLED)
    press = work.press(message, "Retry")
    for acks in range(2, 6):
        work.playground.redeliver(press)
        wait_for(lambda acks=acks: press.acks == acks, saying="another ack")
    work.told(press, Status.SUCCEEDED)
    assert work.backups() == 1


def test_details_stand_in_the_thread_for_everybody(work: Workplace) -> None:
    """The message stays short; what it leaves out comes into its thread when somebody asks, once."""
    delivery = work.slash("/backup", "pgdata --quiesce pause")
    message = work.told(delivery, Status.SUCCEEDED)
    assert "Sha256" not in words_of(message)
    details = work.told(work.press(message, "Details", user="U0ADA"), Status.SUCCEEDED)
    assert (details.thread_ts, details.channel, details.ephemeral_for) == (message.ts, message.channel, None)
    said = words_of(details)
    assert "Sha256" in said
    assert "paused db" in said
    assert "with db paused while it is read" in said
    wait_for(lambda: "Details" not in buttons_of(message), saying="the pressed button's end")


def test_details_as_a_command_are_for_the_asker(work: Workplace) -> None:
    """Typed, it answers privately; who may not touch what the run was about learns nothing of it."""
    delivery = work.slash("/backup", "pgdata")
    work.told(delivery, Status.SUCCEEDED)
    run = work.run_of(delivery)
    assert work.told(work.slash("/docker", f"details {run.id}"), Status.SUCCEEDED).ephemeral_for == "U0ANN"
    stranger = work.told(work.slash("/docker", f"details {run.id}", user="U0CAT"), Status.DENIED)
    assert "pgdata" not in words_of(stranger)


def test_details_of_a_look_are_not_for_others(work: Workplace) -> None:
    """A look was answered privately, so who may not look at everything learns nothing of it."""
    delivery = work.slash("/docker", "backups pgdata")
    work.told(delivery, Status.SUCCEEDED)
    run = work.run_of(delivery)
    stranger = work.told(work.slash("/docker", f"details {run.id}", user="U0CAT"), Status.DENIED)
    assert "pgdata" not in words_of(stranger)
    work.told(work.slash("/docker", f"details {run.id}", user="U0ADA"), Status.SUCCEEDED)
