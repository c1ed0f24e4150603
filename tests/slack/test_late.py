"""What Slack was told too late, or not at all, is not executed: people were shown that it failed."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from bot.model import Status
from tests.slack.forming import errors_of, form_of, no_form, offered, sent
from tests.slack.workplace import Workplace
from tests.support.house import wait_for

pytestmark = pytest.mark.slack
both_doors = pytest.mark.parametrize("closed", ["socket", "http"], indirect=True)


@contextmanager
def locked_store(work: Workplace) -> Iterator[None]:
    """Somebody else writes to the database for as long as the block takes."""
    with closing(sqlite3.connect(work.state / "shipkeeper.db", timeout=5)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.rollback()


@contextmanager
def store_away(work: Workplace) -> Iterator[None]:
    """The database cannot store a run inside the block."""
    with closing(sqlite3.connect(work.state / "shipkeeper.db", timeout=5, isolation_level=None)) as other:
        other.execute("PRAGMA legacy_alter_table = ON")
        other.execute("ALTER TABLE runs RENAME TO runs_away")
        try:
            yield
        finally:
            other.execute("ALTER TABLE runs_away RENAME TO runs")


@both_doors
def test_a_command_that_was_acked_too_late_is_not_executed(work: Workplace) -> None:
    """When storing takes longer than Slack waits, the person sees an error, and the bot keeps its hands off."""
    with locked_store(work):
        delivery = work.playground.slash("/backup", "pgdata")
        wait_for(lambda: delivery.error, saying="Slack's patience to end")
    message = work.told(delivery, Status.EXPIRED, seconds=25)
    assert delivery.error == "operation_timeout"
    assert message.ephemeral_for == "U0ANN"
    assert "Nothing was run" in message.text
    assert work.backups() == 0
    work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)


def test_without_a_database_nothing_is_acked_by_socket(work: Workplace) -> None:
    """A command that cannot be stored is not acknowledged, and never happened."""
    with store_away(work):
        delivery = work.playground.slash("/backup", "pgdata")
        wait_for(lambda: delivery.error, saying="Slack's patience to end")
        assert delivery.acks == 0
        assert work.backups() == 0
    assert delivery.error == "operation_timeout"
    assert not work.runs_of(delivery)
    work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)


@pytest.mark.parametrize("closed", ["http"], indirect=True)
def test_without_a_database_nothing_is_acked_by_http(work: Workplace) -> None:
    """Slack gets no 200, shows that the command failed, and it never happened."""
    with store_away(work):
        delivery = work.playground.slash("/backup", "pgdata")
        wait_for(lambda: delivery.error, saying="Slack's verdict")
    assert delivery.error == "dispatch_failed"
    assert delivery.acks == 0
    assert not work.runs_of(delivery)
    work.told(work.slash("/backup", "pgdata"), Status.SUCCEEDED)


def test_a_form_that_was_acked_too_late_says_that_it_is_spent(work: Workplace) -> None:
    """Slack leaves it open with an error; sent again, it runs nothing and says so, and a new one does what it says."""
    work.slash("/backup")
    form = form_of(work)
    assert offered(work, form, "source", "pgdata") == ["pgdata"]
    with locked_store(work):
        late = work.playground.submit(form, {"source": "pgdata"})
        wait_for(lambda: late.error, saying="Slack's patience to end")
    work.told(late, Status.EXPIRED, seconds=25)
    again = sent(work, form, {"source": "pgdata"})
    assert "nothing was run" in errors_of(again)["source"]
    assert not no_form(work)
    assert work.backups() == 0
    work.playground.redeliver(again, times=2)
    wait_for(lambda: again.acks == 3, saying="three acks")
    work.slash("/backup")
    wait_for(lambda: form_of(work).id != form.id, saying="another form")
    work.told(sent(work, form_of(work), {"source": "pgdata"}), Status.SUCCEEDED)
    assert work.backups() == 1
