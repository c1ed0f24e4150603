"""Settings with rules for approval, and what tests of them do to requests that wait."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from sqlalchemy import update

from bot.app import App
from bot.consent import Approval
from bot.model import Status
from bot.stores.runrow import Run
from bot.stores.schema import approvals, reviews
from tests.support.house import wait_for

RULES = """
[roles.leads]
members = ["U0ANN", "U0ADA", "U0CAT"]
right = "view"
[roles.firemen]
members = ["U0ANN"]
right = "view"
[approvals.prod]
commands = ["backup", "restore", "snapshot", "remove-volume", "prune", "tag"]
targets = ["volume:pg*", "container:db", "image:*"]
approvers = "leads"
break_glass = "firemen"
owners = "C0RANDOM"
"""
"""Everybody who asks has the approvers' role, too: it must not help them."""

TWO = RULES.replace('approvers = "leads"', 'approvers = "leads"\ncount = 2')


def waits(app: App, run_id: str) -> Run:
    """Wait until the run waits for approval."""
    runs = app.services.runs
    wait_for(lambda: runs.get(run_id).status is Status.WAITING, saying=f"the waiting of run {run_id}")
    return runs.get(run_id)


def asked_of(app: App, run_id: str) -> Approval:
    """What was asked for it."""
    found = app.services.approvals.of(run_id)
    assert found is not None
    return found


def let_time_pass(app: App, run_id: str) -> None:
    """The time of the request is over now."""
    past = datetime.now(UTC) - timedelta(seconds=1)
    with app.database.write() as connection:
        connection.execute(update(approvals).where(approvals.c.run_id == run_id).values(expires_at=past))


def let_a_day_pass(app: App, run_id: str, *, days: int = 1) -> None:
    """The owners of the review are to be reminded now, and were so many days ago but one."""
    past = datetime.now(UTC) - timedelta(days=days - 1, seconds=1)
    with app.database.write() as connection:
        connection.execute(update(reviews).where(reviews.c.run_id == run_id).values(remind_at=past))
