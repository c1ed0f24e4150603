"""Every store over one database, and the moves that their tests make again and again.

Knows no dispatcher: it plays the holder of a run itself.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from sqlalchemy import Connection, text

from bot.model import Button, Invocation, Origin, Plan, Reply, Status
from bot.stores.audit import Audit, AuditEvent
from bot.stores.claims import Claim, Claims, Ending
from bot.stores.database import Database
from bot.stores.journal import Entry, Journal
from bot.stores.outbox import Outbox
from bot.stores.runrow import Lane, Run
from bot.stores.runs import Runs
from tests.support.house import from_slack, invocation

T = TypeVar("T")
VOLUME = "volume:pgdata"


class Bench:
    """The stores as `build` makes them, with a clock that only the test moves."""

    def __init__(self, url: str) -> None:
        self.now = datetime(2026, 11, 24, 12, tzinfo=UTC)
        self.enqueued: list[tuple[str, Lane]] = []
        self.database = Database(url)
        self.audit = Audit(self.database)
        self.runs = Runs(self.database, self.clock, self._enqueue)
        self.claims = Claims(self.database, self.audit, self.clock, self._enqueue)
        self.journal = Journal(self.database)
        self.outbox = Outbox(self.database, self.clock)

    def clock(self) -> datetime:
        """The moment that the test says it is."""
        return self.now

    def later(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)

    def close(self) -> None:
        """Give the connections back."""
        self.database.close()

    def submit(self, asked: Invocation | str, *, released: bool = True) -> Run:
        """Store a command line."""
        made = invocation(asked, at=self.now) if isinstance(asked, str) else asked
        return self.runs.submit(made, host="local", released=released)[0]

    def asked_in_slack(self, line: str = "backup pgdata", origin: Origin = Origin.SLACK) -> Run:
        """Store a command line that has a message in Slack, typed there or by a schedule."""
        made = from_slack(line)
        return self.submit(
            Invocation(
                line=made.line, actor=made.actor, origin=origin, at=self.now, place=made.place, key=None
            )
        )

    def claim(self, run: Run) -> Claim:
        """Become its holder."""
        claim = self.claims.claim(self.runs.get(run.id), "bench")
        assert claim is not None
        return claim

    def started(self, run: Run, *targets: str) -> Claim:
        """Claim it and hold the targets."""
        claim = self.claim(run)
        self.claims.start(claim, Plan(text="Back it up.", targets=targets), self.event(run, "started"))
        return claim

    def passed_on(self, run: Run) -> Claim:
        """Carry it over the front lane, and claim it in the work lane."""
        cancel = Button(label="Cancel", line=f"cancel {run.id}", danger=True)
        self.claims.pass_on(self.claim(run), "backup", "local", cancel)
        return self.claim(run)

    def finish(self, claim: Claim, status: Status = Status.SUCCEEDED, *offered: Button) -> None:
        """Give it its ending."""
        reply = Reply(text="It is over.", buttons=offered, status=status)
        self.claims.finish(claim, Ending(status=status, reply=reply), self.event(claim.run, status.value))

    def event(self, run: Run, kind: str, *targets: str) -> AuditEvent:
        """An audit line about the run."""
        return AuditEvent(
            run_id=run.id,
            kind=kind,
            at=self.now,
            actor=run.invocation.actor,
            origin=run.invocation.origin,
            channel=None,
            command="backup",
            line=run.invocation.line,
            host="local",
            targets=targets or (VOLUME,),
            detail="so",
        )

    def write_down(self, claim: Claim, verb: str = "unpause", **arguments: str) -> Entry:
        """Write an undo to the journal."""
        entry = Entry(id=0, run_id=claim.run.id, host="local", verb=verb, arguments=arguments)
        return self.journal.write(entry, epoch=claim.epoch, at=self.now)

    def execute(self, *statements: str) -> None:
        """Do to the database what no store would."""
        with self.database.write() as connection:
            for statement in statements:
                connection.execute(text(statement))

    def behind_the_trigger(self, *statements: str) -> None:
        """Change the audit log as somebody with the database's password could."""
        if self.database.is_sqlite:
            gone = ("DROP TRIGGER IF EXISTS audit_no_UPDATE", "DROP TRIGGER IF EXISTS audit_no_DELETE")
        else:
            gone = ("DROP TRIGGER IF EXISTS audit_only_grows ON audit",)
        self.execute(*gone, *statements)

    def _enqueue(self, _connection: Connection, run_id: str, lane: Lane) -> None:
        self.enqueued.append((run_id, lane))


def all_at_once(calls: Sequence[Callable[[], T]]) -> list[T]:
    """Make all the calls from threads of their own that set off together; what they returned, in order."""
    gate = threading.Barrier(len(calls))

    def go(call: Callable[[], T]) -> T:
        gate.wait(timeout=10)
        return call()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(go, calls))
