"""What outlives the process, opened together: the state directory, the database with its tables, the archive.

Part of the composition root. Knows no command, and nothing of Docker or Slack.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bot import wiring
from bot.errors import StoreError
from bot.language import say
from bot.queue import EmbeddedQueue
from bot.settings import Settings
from bot.stores.alarms import AlarmStore
from bot.stores.approvals import ApprovalStore
from bot.stores.archive import Archive
from bot.stores.audit import Audit
from bot.stores.claims import Claims
from bot.stores.database import Database
from bot.stores.journal import Journal
from bot.stores.outbox import Outbox
from bot.stores.outgoing import Outgoing
from bot.stores.pasts import Pasts
from bot.stores.runrow import Lane
from bot.stores.runs import Runs
from bot.stores.schedules import Schedules

_FRONT_WORKERS = 2


@dataclass(frozen=True, kw_only=True)
class Stores:
    """What outlives the process, and the queue that looks at it."""

    database: Database
    queue: EmbeddedQueue
    runs: Runs
    claims: Claims
    approvals: ApprovalStore
    journal: Journal
    audit: Audit
    archive: Archive
    outbox: Outbox
    outgoing: Outgoing
    schedules: Schedules
    alarms: AlarmStore
    pasts: Pasts

    def served(self) -> dict[str, Any]:
        """What handlers get of it."""
        return {
            "archive": self.archive,
            "outgoing": self.outgoing,
            "runs": self.runs,
            "audit": self.audit,
            "schedules": self.schedules,
            "alarms": self.alarms,
            "kept": self.journal.kept,
            "noted": self.journal.noted,
        }


def open_stores(settings: Settings, hosts: int, clock: Callable[[], datetime]) -> Stores:
    """Make the state directory, bring the database up to date, and open all of it; raises StoreError."""
    _make_private(settings)
    database = Database(settings.database_url)
    database.migrate()
    queue = _queue(settings, database, hosts)
    runs, audit = Runs(database, clock, queue.enqueue), wiring.audit(settings, database)
    audit.refuse_without_key()
    queue.bind(runs)
    return Stores(
        database=database,
        queue=queue,
        runs=runs,
        claims=Claims(database, audit, clock, queue.enqueue),
        approvals=ApprovalStore(database, audit, clock, queue.enqueue),
        journal=Journal(database),
        audit=audit,
        archive=Archive(settings.archive_path, clock),
        outbox=Outbox(database, clock),
        outgoing=Outgoing(settings.state / "outgoing", clock),
        schedules=Schedules(database, audit, clock),
        alarms=AlarmStore(database, audit, clock),
        pasts=Pasts(database),
    )


def _queue(settings: Settings, database: Database, hosts: int) -> EmbeddedQueue:
    lanes = {Lane.FRONT: _FRONT_WORKERS, Lane.WORK: settings.limits.workers}
    return EmbeddedQueue(database, lanes, hosts)


def _make_private(settings: Settings) -> None:
    try:
        settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            say(
                "The state directory {state} cannot be made ({strerror}). Nothing was changed. "
                "Name one that this user may write with SHIPKEEPER_STATE.",
                state=settings.state,
                strerror=error.strerror,
            )
        ) from error
