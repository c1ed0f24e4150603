"""Ends what was under way in a state that comes from an earlier time, without touching anything outside.

The world has gone on since: what was to be done may have been done, and what was to be taken back may be in use.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import select, update

from bot.language import say, speaking
from bot.model import Reply, Status
from bot.stores.audit import AuditEvent
from bot.stores.claims import Claims, Ending
from bot.stores.database import Database
from bot.stores.locks import release
from bot.stores.runrow import Run, run_of, run_query
from bot.stores.schema import journal, run_targets, runs

_HOLDER = "state restore"
_UNDER_WAY = [Status.QUEUED.value, Status.WAITING.value, Status.RUNNING.value]


class Leftovers:
    """What an earlier time had not finished. Only where no bot serves."""

    def __init__(self, database: Database, claims: Claims, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._claims = claims
        self._clock = clock

    def end_all(self) -> int:
        """End every run that has no ending as interrupted, strike the journal off, free all targets; how many runs.

        Raises StoreError.
        """
        with self._database.write() as connection:
            open_ones = journal.c.settled_at.is_(None)
            connection.execute(
                update(journal)
                .where(open_ones)
                .values(settled_at=self._clock(), error="the state was restored from an earlier time")
            )
        with self._database.read() as connection:
            query = run_query().where(runs.c.status.in_(_UNDER_WAY)).order_by(runs.c.created_at)
            found = [run_of(row) for row in connection.execute(query).mappings()]
        for run in found:
            self._end(run)
        with self._database.write() as connection:
            for run_id in connection.execute(select(run_targets.c.run_id).distinct()).scalars().all():
                release(connection, run_id)
        return len(found)

    def _end(self, run: Run) -> None:
        with speaking(run.invocation.language):
            text = say(
                "The bot's state was restored from an earlier time, when this run was under way. It is not taken up "
                "again, and nothing was taken back: it may have ended otherwise since. Look at what it was about."
            )
        ending = Ending(status=Status.INTERRUPTED, reply=Reply(text=text, status=Status.INTERRUPTED))
        event = self._event(run, text)
        if run.status is not Status.RUNNING:
            self._claims.end_unclaimed(run, ending, event)
            return
        claim = self._claims.claim(run, _HOLDER)
        if claim is not None:
            self._claims.finish(claim, ending, event)

    def _event(self, run: Run, text: str) -> AuditEvent:
        place = run.invocation.place
        return AuditEvent(
            run_id=run.id,
            kind=Status.INTERRUPTED.value,
            at=self._clock(),
            actor=run.invocation.actor,
            origin=run.invocation.origin,
            channel=place.channel if place else None,
            command=run.command,
            line=run.invocation.line,
            host=run.host,
            targets=run.plan.targets if run.plan else (),
            detail=text,
        )
