"""Who holds which target. The primary key of the table decides; nobody is asked and nothing is timed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, delete, insert, select, tuple_

from bot.model import Actor
from bot.stores.schema import run_targets, runs


@dataclass(frozen=True, kw_only=True)
class Holder:
    """The run that holds a target, and who asked for it."""

    target: str
    run_id: str
    actor: Actor
    line: str
    since: datetime


Held = tuple[str, str]
"""A host, and a target there."""

_RELEASE = delete(run_targets).where(run_targets.c.run_id == bindparam("run"))
_HELD_BY = select(run_targets.c.target).distinct().where(run_targets.c.run_id == bindparam("run"))


def wanted(host: str, targets: Collection[str], elsewhere: Collection[Held] = ()) -> frozenset[Held]:
    """The targets on that host, and those elsewhere."""
    return frozenset((*((host, target) for target in targets), *elsewhere))


def holder_of(connection: Connection, held: Collection[Held], *, not_run: str) -> Holder | None:
    """Which other run holds one of them; None when all are free."""
    query = (
        select(run_targets, runs.c.actor_id, runs.c.actor_name, runs.c.line)
        .join(runs, runs.c.id == run_targets.c.run_id)
        .where(tuple_(run_targets.c.host, run_targets.c.target).in_(sorted(held)))
        .where(run_targets.c.run_id != not_run)
        .order_by(run_targets.c.since)
        .limit(1)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    return Holder(
        target=row.target,
        run_id=row.run_id,
        actor=Actor(id=row.actor_id, name=row.actor_name),
        line=row.line,
        since=row.since,
    )


def hold(connection: Connection, held: Collection[Held], *, run_id: str, at: datetime) -> None:
    """Take all of them; raises SQLAlchemy's IntegrityError when another run holds one.

    They are taken in one order everywhere, so that two runs cannot wait for each other.
    """
    for host, target in sorted(set(held)):
        connection.execute(insert(run_targets).values(host=host, target=target, run_id=run_id, since=at))


def release(connection: Connection, run_id: str) -> None:
    """Let go of whatever the run holds."""
    connection.execute(_RELEASE, {"run": run_id})


def held_by_ended(connection: Connection) -> tuple[str, ...]:
    """Ids of the runs that are over and still hold something."""
    query = select(run_targets.c.run_id).distinct().join(runs, runs.c.id == run_targets.c.run_id)
    return tuple(connection.execute(query.where(runs.c.ended_at.is_not(None))).scalars())


def held_by(connection: Connection, run_id: str) -> tuple[str, ...]:
    """The targets that the run holds."""
    return tuple(sorted(connection.execute(_HELD_BY, {"run": run_id}).scalars()))
