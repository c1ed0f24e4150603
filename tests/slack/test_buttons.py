"""Buttons: for whom they work, once, and what they say when their time is over."""

from __future__ import annotations

import pytest

from bot.model import Status
from tests.slack.reading import buttons_of
from tests.slack.workplace import Workplace
from tests.support.house import wait_for

pytestmark = pytest.mark.slack


@pytest.mark.parametrize("stranger", ["U0BOB", "U0CAT"])
def test_a_strangers_press_is_refused_and_the_button_remains(work: Workplace, stranger: str) -> None:
    """Who may not cancel is told so privately; whoever may can still press the same button."""
    with work.stalled_reads():
        delivery = work.slash("/backup", "pgdata --quiesce pause")
        message = work.shown(delivery)
        refused = work.told(work.press(message, "Cancel", user=stranger), Status.DENIED)
        assert refused.ephemeral_for == stranger
        assert buttons_of(message) == ["Cancel"]
        asked = work.told(work.press(message, "Cancel", user="U0ADA"), Status.SUCCEEDED)
        assert "was asked to end" in asked.text
    work.told(delivery, Status.CANCELLED)
    assert work.backups() == 0


def test_a_stranger_cannot_start_the_next_step(work: Workplace) -> None:
    """A result's button checks its presser like a typed command, and works for the next one."""
    message = work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    work.told(work.press(message, "Restore a copy", user="U0BOB"), Status.DENIED)
    assert "Restore a copy" in buttons_of(message)
    work.told(work.press(message, "Restore a copy", user="U0ADA"), Status.SUCCEEDED)


def test_two_presses_at_once_have_one_effect(work: Workplace) -> None:
    """Of two people who press together one is obeyed, and the other is told who was."""
    message = work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    presses = [work.playground.press(message, "Restore a copy", user=user) for user in ("U0ANN", "U0ADA")]
    for press in presses:
        work.acked(press)
    work.wait_until_quiet()
    endings = sorted(work.run_of(press).status for press in presses)
    assert endings == [Status.REJECTED, Status.SUCCEEDED]
    loser = next(run for press in presses if (run := work.run_of(press)).status is Status.REJECTED)
    text = work.messages_of(loser)[0].text
    assert "was pressed already" in text or "is held by run" in text  # the winner may have begun by then
    copies = [volume.name for volume in work.engine.volumes() if "restored" in volume.name]
    assert len(copies) == 1


def test_cancelling_a_run_wakes_its_container(work: Workplace) -> None:
    """The pressed run ends cancelled, its message says so, and the container that it had paused runs."""
    with work.stalled_reads():
        delivery = work.slash("/backup", "pgdata --quiesce pause")
        message = work.shown(delivery)
        wait_for(lambda: work.engine.container("db").state == "paused", saying="the pause")
        work.told(work.press(message, "Cancel"), Status.SUCCEEDED)
    ended = work.told(delivery, Status.CANCELLED)
    assert ended is message
    assert buttons_of(ended) == ["Retry", "Details"]
    assert "was cancelled" in ended.text
    assert work.engine.container("db").state == "running"


def test_cancelling_a_run_that_waits(closed: Workplace) -> None:
    """A queued run ends at once, changed nothing, and is never begun."""
    closed.workers = 1
    closed.open()
    try:
        with closed.stalled_reads():
            first = closed.slash("/backup", "other1")
            wait_for(closed.engine.faults.stalled.is_set)
            second = closed.slash("/backup", "other2")
            message = closed.shown(second, Status.QUEUED)
            closed.told(closed.press(message, "Cancel"), Status.SUCCEEDED)
            ended = closed.told(second, Status.CANCELLED)
            assert "before it began" in ended.text
        closed.told(first, Status.SUCCEEDED)
        assert (closed.backups("other1"), closed.backups("other2")) == (1, 0)
        closed.refuse_untrue()
    finally:
        closed.engine.faults.go_on.set()
        closed.close()


def test_a_button_of_a_run_that_is_over(work: Workplace) -> None:
    """A press that comes after the ending is answered with a sentence and changes nothing."""
    with work.stalled_reads():
        delivery = work.slash("/backup", "pgdata")
        work.shown(delivery)
    message = work.told(delivery, Status.SUCCEEDED)
    late = work.told(work.press(message, "Cancel", version=0), Status.REJECTED)
    assert "came too late" in late.text
    assert late.ephemeral_for == "U0ANN"
    assert buttons_of(message) == ["Verify", "Restore a copy", "Details"]
    assert work.backups() == 1


def test_a_button_that_was_used_before(work: Workplace) -> None:
    """A second press of a used button, seen in an old version of the message, says which run it started."""
    message = work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    first = work.run_of(work.press(message, "Verify"))
    wait_for(lambda: "Verify" not in buttons_of(message), saying="the button's end")
    offering = next(n for n, v in enumerate(message.versions) if "Verify" in str(v.blocks))
    again = work.told(work.press(message, "Verify", version=offering), Status.REJECTED)
    assert first.id in again.text


def test_buttons_work_after_a_restart(work: Workplace) -> None:
    """The truth of a button is in the database, so the next bot honours it."""
    message = work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    work.restart()
    work.told(work.press(message, "Verify"), Status.SUCCEEDED)


def test_a_button_pressed_while_its_volume_is_held_remains(work: Workplace) -> None:
    """A press that is refused because the volume is busy has not used the button up."""
    message = work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    with work.stalled_reads():
        second = work.slash("/backup", "pgdata")
        wait_for(work.engine.faults.stalled.is_set)
        work.told(work.press(message, "Verify"), Status.REJECTED)
    work.told(second, Status.SUCCEEDED)
    work.told(work.press(message, "Verify"), Status.SUCCEEDED)
