"""The same delivery again and again: one run, one backup, one message, and every time the same ack."""

from __future__ import annotations

import threading

import pytest

from bot.model import Status
from bot.playground import Delivery, HttpAnswer
from tests.slack.workplace import Workplace
from tests.support.house import wait_for

pytestmark = pytest.mark.slack
both_doors = pytest.mark.parametrize("closed", ["socket", "http"], indirect=True)


def once(work: Workplace, delivery: Delivery, acks: int) -> None:
    """One run, one backup, one message, that many acks without a word in them."""
    wait_for(lambda: delivery.acks == acks, saying=f"{acks} acks")
    work.told(delivery, Status.SUCCEEDED)
    assert delivery.error is None
    assert not delivery.ack_payload
    assert len(work.runs()) == 1
    assert work.backups() == 1


@both_doors
def test_the_same_envelope_five_times(work: Workplace) -> None:
    """Four redeliveries with a raised retry counter change nothing."""
    delivery = work.slash("/backup", "pgdata")
    work.playground.redeliver(delivery, times=4)
    once(work, delivery, 5)


@both_doors
def test_fresh_envelopes_of_the_same_command(work: Workplace) -> None:
    """A fresh envelope whose counter is 0 is still the same command, by its trigger id."""
    delivery = work.slash("/backup", "pgdata")
    work.told(delivery, Status.SUCCEEDED)
    work.playground.redeliver(delivery, times=4, fresh_retry_counter=True)
    once(work, delivery, 5)


@both_doors
def test_a_mention_five_times(work: Workplace) -> None:
    """An event is known by its event id, whatever its retry counter says."""
    delivery = work.mention("backup pgdata")
    work.playground.redeliver(delivery, times=2)
    work.playground.redeliver(delivery, times=2, fresh_retry_counter=True)
    once(work, delivery, 5)


def test_five_at_once_by_socket(work: Workplace) -> None:
    """Five envelopes that arrive together race for the row; one of them makes it."""
    delivery = work.playground.slash("/backup", "pgdata")
    work.playground.redeliver(delivery, times=4, fresh_retry_counter=True)
    once(work, delivery, 5)


@pytest.mark.parametrize("closed", ["http"], indirect=True)
def test_five_at_once_by_http(work: Workplace) -> None:
    """Five requests at the same moment get five equal answers."""
    url, work.playground.request_url = work.playground.request_url, None
    delivery = work.playground.slash("/backup", "pgdata")  # nobody is connected: it is only made
    work.playground.request_url = url
    delivery.error = None
    together = threading.Barrier(5)
    answers: list[HttpAnswer] = []

    def post() -> None:
        together.wait(5)
        answers.append(work.playground.deliver_http(delivery))

    threads = [threading.Thread(target=post) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [HttpAnswer(200, "")] * 5
    once(work, delivery, 5)


@both_doors
def test_again_after_a_restart(work: Workplace) -> None:
    """What was done before the bot was started anew is not done again."""
    delivery = work.slash("/backup", "pgdata")
    work.told(delivery, Status.SUCCEEDED)
    work.restart()
    work.playground.redeliver(delivery, times=2)
    work.playground.redeliver(delivery, times=2, fresh_retry_counter=True)
    once(work, delivery, 5)


def test_again_through_the_other_door(work: Workplace) -> None:
    """A command that came by socket is known when it comes again by signed HTTP."""
    delivery = work.slash("/backup", "pgdata")
    work.told(delivery, Status.SUCCEEDED)
    work.http = True
    work.restart()
    work.playground.redeliver(delivery, times=4, via="http")
    once(work, delivery, 5)


def test_a_press_five_times(work: Workplace) -> None:
    """A button's press that is delivered five times starts one run."""
    backup = work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    press = work.press(backup, "Verify")
    work.playground.redeliver(press, times=2)
    work.playground.redeliver(press, times=2, fresh_retry_counter=True)
    wait_for(lambda: press.acks == 5, saying="five acks")
    work.told(press, Status.SUCCEEDED)
    assert len(work.runs()) == 2
