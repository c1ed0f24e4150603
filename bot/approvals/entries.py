"""What the audit log is told of requests for approval, and of who decided. Words only: decides nothing."""

from __future__ import annotations

from bot.model import Invocation, Value
from bot.stores.audit import AuditEvent
from bot.stores.runrow import Run


def event_of(run: Run, by: Invocation, kind: str, detail: str, **facts: Value) -> AuditEvent:
    """An entry about the run, of what that person did."""
    is_requester = by is run.invocation
    return AuditEvent(
        run_id=run.id,
        kind=kind,
        at=by.at,
        actor=by.actor,
        origin=by.origin,
        channel=by.place.channel if by.place else None,
        command=run.command if is_requester else by.line.partition(" ")[0],
        line=by.line,
        host=run.host,
        targets=run.plan.targets if run.plan else (),
        detail=detail or run.invocation.line,
        facts=facts,
    )
