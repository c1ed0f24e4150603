"""The head of the audit log: published daily, to a file at once and to a channel until it is there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from slack_sdk import WebClient
from sqlalchemy import text

from bot.auditfile import examine
from bot.model import Actor, Origin, Status
from bot.playground import Playground
from bot.playground.faults import Fault
from bot.seals import Head, Sealer
from bot.slack.heads import HeadPublisher, Publishing
from bot.stores.audit import Audit, AuditEvent
from bot.stores.database import Database
from bot.stores.heads import Heads
from tests.slack.workplace import Workplace
from tests.support.house import wait_for
from tests.support.migrated import put_database

pytestmark = pytest.mark.slack


@dataclass
class Press:
    """A publisher whose clock only the test moves."""

    playground: Playground
    place: Path
    database: Database
    audit: Audit
    heads: Heads
    now: datetime = datetime(2026, 11, 24, 12, tzinfo=UTC)

    def publisher(self) -> HeadPublisher:
        """One as a bot that just started has it."""
        client = WebClient(
            token=self.playground.bot_token, base_url=self.playground.api_url, retry_handlers=[]
        )
        to = Publishing(
            audit=self.audit,
            heads=self.heads,
            channel="C0OPS",
            posted=self.place / "audit-head-posted",
            language="en",
            clock=lambda: self.now,
        )
        return HeadPublisher(client, to)

    def write(self) -> None:
        """Something happens."""
        self.audit.record(
            AuditEvent(
                run_id="",
                kind="succeeded",
                at=self.now,
                actor=Actor(id="U0ANN", name="ann"),
                origin=Origin.SLACK,
                channel=None,
                command="backup",
                line="backup pgdata",
                host="local",
            )
        )

    def posted(self) -> list[str]:
        """What the channel holds."""
        return [message.text for message in self.playground.world.messages("C0OPS")]


@pytest.fixture
def press(playground: Playground, tmp_path: Path) -> Iterator[Press]:
    """A log, a file and a channel."""
    put_database(tmp_path / "shipkeeper.db")
    database = Database(f"sqlite:///{tmp_path / 'shipkeeper.db'}")
    yield Press(playground, tmp_path, database, Audit(database), Heads(tmp_path / "audit-heads.jsonl"))
    database.close()


def test_it_is_published_once_a_day(press: Press) -> None:
    """At the start, and when a day is over; not at each start; an empty log has none."""
    publisher = press.publisher()
    publisher.look()
    assert press.heads.known() == ()
    press.write()
    for _ in range(3):
        publisher.look()
        press.publisher().look()
    (head,) = press.heads.known()
    assert head == Head(seq=1, hash=press.audit.lines(limit=9)[-1].hash, at=press.now.isoformat())
    assert [str(head) in text for text in press.posted()] == [True]
    press.now += timedelta(days=1)
    publisher.look()
    assert [one.seq for one in press.heads.known()] == [1, 2]
    assert [line.event.kind for line in press.audit.lines(limit=9)] == ["head", "head", "succeeded"]
    assert len(press.posted()) == 2
    assert press.audit.verify(press.heads.known()).problem is None


@pytest.mark.parametrize(
    "fault",
    [Fault.status(503), Fault.error("not_in_channel"), Fault.rate_limited(3), Fault.reset_before_store()],
)
def test_it_is_posted_until_it_is_there(press: Press, fault: Fault) -> None:
    """The file has it at once; the channel after Slack is well again, also by the next bot, and then once."""
    press.write()
    press.playground.faults.next("chat.postMessage", fault)
    publisher = press.publisher()
    publisher.look()
    assert (len(press.heads.known()), press.posted()) == (1, [])
    publisher.look()
    assert press.posted() == [], "it waits a while first"
    if fault.kind.value == "rate_limited":
        wait_for(lambda: _posted_later(press, publisher), saying="the post")
    press.now += timedelta(minutes=1)
    press.publisher().look()
    assert len(press.posted()) == 1
    assert not press.playground.world.rate_violations


def _posted_later(press: Press, publisher: HeadPublisher) -> bool:
    press.now += timedelta(seconds=1)
    publisher.look()
    return bool(press.posted())


def test_a_log_that_lost_its_published_end_is_an_alarm(press: Press) -> None:
    """What is posted then says so, instead of a head."""
    press.write()
    press.heads.publish(Head(seq=7, hash="f" * 64, at=press.now.isoformat()))
    press.publisher().look()
    (text,) = press.posted()
    assert "The audit log was changed behind our back" in text


def _cut(press: Press) -> None:
    """Everything is taken out of the log, and something else is written."""
    with press.database.write() as connection:
        connection.execute(text("DROP TRIGGER audit_no_DELETE"))
        connection.execute(text("DELETE FROM audit"))
    press.now += timedelta(seconds=1)
    press.write()


def test_no_head_of_a_forged_log_is_published(press: Press) -> None:
    """The channel is warned once, by whichever bot; the head of before stays the last one, also the day after."""
    press.write()
    press.publisher().look()
    before = press.heads.known()
    _cut(press)
    for _ in range(2):
        publisher = press.publisher()
        publisher.look()
        press.now += timedelta(days=1)
        publisher.look()
    assert press.heads.known() == before
    (_, warned) = press.posted()
    assert "The audit log was changed behind our back" in warned
    assert str(before[0]) in warned


def test_a_log_that_disagrees_is_logged_once(press: Press, caplog: pytest.LogCaptureFixture) -> None:
    """Not at every look; and a head is published again once the file of heads was moved away."""
    press.write()
    press.publisher().look()
    _cut(press)
    press.now += timedelta(days=1)
    publisher = press.publisher()
    for _ in range(3):
        publisher.look()
    (critical,) = [one for one in caplog.records if one.levelname == "CRITICAL"]
    assert "does not agree with head 1:" in critical.getMessage()
    press.heads.path.unlink()
    publisher.look()
    (head,) = press.heads.known()
    assert press.audit.agrees(head)
    assert str(head) in press.posted()[-1]


def test_a_bot_publishes_when_it_starts(closed: Workplace) -> None:
    """Serving is enough; `audit verify` then compares with it, and a typed head that is wrong is named."""
    closed.more_toml = '[audit]\nchannel = "C0RANDOM"\n'
    closed.open()
    try:
        closed.told(closed.slash("/backup", "pgdata"), Status.SUCCEEDED)
        closed.restart()
        wait_for(lambda: closed.bot.app.services.heads.known(), saying="the head in the file")
        wait_for(lambda: closed.world.messages("C0RANDOM"), saying="the head in the channel")
        told = closed.told(closed.slash("/audit", "verify"), Status.SUCCEEDED)
        assert "One published head agrees" in told.text
        wrong = closed.told(closed.slash("/audit", f"verify --head 1:{'0' * 64}"), Status.FAILED)
        assert "entry 1 has another seal" in wrong.text
    finally:
        closed.close()


def test_an_export_in_slack_is_a_file_that_verifies(work: Workplace, tmp_path: Path) -> None:
    """It goes to the asker alone, and verifies where neither Slack nor the bot is."""
    work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)
    told = work.told(work.slash("/audit", "export --format csv --by U0ANN"), Status.SUCCEEDED)
    assert told.ephemeral_for == "U0ANN"
    sent = lambda: [one for message in work.world.messages("D0ANN") for one in message.files]  # noqa: E731
    (file_id,) = wait_for(sent, saying="the file")
    file = work.playground.files.get(file_id)
    path = tmp_path / "audit.csv"
    path.write_bytes(file.content)
    examined = examine(path, Sealer())
    assert (examined.is_filtered, examined.verdict.problem) == (True, None)
    assert examined.verdict.entries >= 2
