"""Interactions of every sort, each delivered five times, and twenty presses of a button: one effect each."""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle

import pytest

from bot.model import Status
from bot.playground import DEFAULT_SCOPES, Channel, Delivery, Playground
from bot.slack.shortcuts import COPY_FILE, RUN_COMMAND
from tests.slack.forming import answered, form_of, sent
from tests.slack.workplace import BOT_USER, Workplace
from tests.support import canaries
from tests.support.house import wait_for

pytestmark = pytest.mark.slack
both_doors = pytest.mark.parametrize("closed", ["socket", "http"], indirect=True)

INTERACTIONS = int(os.environ.get("SHIPKEEPER_INTERACTIONS", "25"))
OF_EACH = INTERACTIONS // 5
PRESSES = round(INTERACTIONS * 0.06)
FILES = INTERACTIONS - 4 * OF_EACH - 2 * PRESSES
TIMES = 5
CLICKS = 20
CHANNELS = tuple(f"C0TEAM{number}" for number in range(25))


@pytest.fixture
def playground() -> Iterator[Playground]:
    """A Slack without rate limits, for they are not what is looked at here, and a hundred messages would wait."""
    with Playground(
        scopes=frozenset(DEFAULT_SCOPES), credentials=canaries.SLACK, enforce_rates=False
    ) as started:
        yield started


@pytest.fixture
def work(closed: Workplace) -> Iterator[Workplace]:
    """A workplace with volumes to back up, and a container that takes files."""
    for number in range(PRESSES):
        closed.engine.add_volume(f"team-{number:02}", {"file": b"x"})
    closed.engine.add_container("web", files={"etc/app/app.toml": b"0"})
    for name in CHANNELS:  # Slack takes about one message a second in each
        closed.playground.add_channel(
            Channel(id=name, name=name.lower(), members=frozenset({"U0ANN", BOT_USER}))
        )
    closed.open()
    try:
        yield closed
        closed.refuse_untrue()
    finally:
        closed.close()


@dataclass(frozen=True)
class Again:
    """Delivers what was done again and again."""

    work: Workplace
    channels: Iterator[str]

    def __call__(self, delivery: Delivery) -> Delivery:
        """Five times in all, with raised and with fresh counters; each of them is acknowledged, and in the same way."""
        answered(delivery)
        first = delivery.ack_payload
        self.work.playground.redeliver(delivery, times=2)
        self.work.playground.redeliver(delivery, times=2, fresh_retry_counter=True)
        wait_for(lambda: delivery.acks == TIMES, saying=f"{TIMES} acks of {delivery.summary}")
        assert (delivery.error, delivery.ack_payload) == (None, first)
        return delivery


def by_slash(work: Workplace, again: Again, name: str) -> Delivery:
    """Type it."""
    return again(work.playground.slash("/docker", f"create-volume {name}", channel=next(again.channels)))


def by_mention(work: Workplace, again: Again, name: str) -> Delivery:
    """Mention the bot."""
    return again(work.playground.mention(f"create-volume {name}", channel=next(again.channels)))


def by_form(work: Workplace, again: Again, name: str) -> Delivery:
    """Ask for the form, and fill it in."""
    again(work.playground.slash("/docker", "create-volume", channel=next(again.channels)))
    return again(work.playground.submit(form_of(work), {"volume": name}))


def by_shortcut(work: Workplace, again: Again, name: str) -> Delivery:
    """Choose the shortcut, then the command, then fill in its form."""
    again(work.playground.shortcut(RUN_COMMAND))
    again(sent(work, form_of(work), {"command": "create-volume", "channel": next(again.channels)}))
    return again(work.playground.submit(form_of(work), {"volume": name}))


def by_message(work: Workplace, again: Again, name: str) -> Delivery:
    """Choose the shortcut of a message with a file, and fill in where it goes."""
    file = work.playground.upload(name, name.encode())
    message = work.playground.say("a file", files=[file], channel=next(again.channels))
    again(work.playground.message_shortcut(COPY_FILE, message))
    return again(work.playground.submit(form_of(work), {"destination": f"web:/etc/app/{name}"}))


def by_button(work: Workplace, again: Again, volume: str) -> tuple[Delivery, Delivery]:
    """Back up a volume, and press the button that makes a copy of the backup."""
    done = again(work.playground.slash("/backup", volume, channel=next(again.channels)))
    message = work.told(done, Status.SUCCEEDED)
    return done, again(work.playground.press(message, "Restore a copy"))


@both_doors
def test_interactions_of_every_sort_five_times_each(work: Workplace) -> None:
    """Each volume was made once and backed up once, each press made one copy, each thing has one run."""
    again = Again(work, cycle(CHANNELS))
    made: list[str] = []
    work.engine.faults.before["create_volume"] = [lambda _: made.append("volume")] * 1_000
    done: list[Delivery] = []
    for way in (by_slash, by_mention, by_form, by_shortcut):
        for number in range(OF_EACH):
            done.append(way(work, again, f"{way.__name__}-{number}"))
    for number in range(PRESSES):
        done.extend(by_button(work, again, f"team-{number:02}"))
    for number in range(FILES):
        done.append(by_message(work, again, f"file-{number}"))
        work.ended(done[-1], Status.SUCCEEDED)  # the next one needs the same container
    assert len(done) == INTERACTIONS
    work.wait_until_quiet(seconds=60)
    assert [work.run_of(one).status for one in done] == [Status.SUCCEEDED] * len(done)
    assert len(work.runs()) == len(done)
    backups = Counter(backup.volume for backup in work.bot.app.services.archive.backups())
    assert backups == {f"team-{number:02}": 1 for number in range(PRESSES)}
    assert len(made) == 4 * OF_EACH + PRESSES
    assert len([name for name in work.engine.layer("web").files() if "/file-" in name]) == FILES


def test_twenty_presses_of_two_people(work: Workplace) -> None:
    """All press at the same moment: one copy is made, and everybody else is told that it was pressed already."""
    message = work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    together = threading.Barrier(CLICKS)
    presses: list[Delivery] = []

    def press(number: int) -> None:
        together.wait(10)
        user = ("U0ANN", "U0ADA")[number % 2]
        presses.append(work.playground.press(message, "Restore a copy", user=user, version=-1))

    people = [threading.Thread(target=press, args=(number,)) for number in range(CLICKS)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    for one_press in presses:
        answered(one_press)
    work.wait_until_quiet(seconds=60)
    endings = Counter(work.run_of(one_press).status for one_press in presses)
    assert endings == {Status.SUCCEEDED: 1, Status.REJECTED: CLICKS - 1}
    assert len([one for one in work.engine.volumes() if "restored" in one.name]) == 1
