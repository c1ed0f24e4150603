"""What the bot keeps: database, audit log, schedules, and whether a bot serves at all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfoNotFoundError

from bot import words
from bot.doctor import Check, Finding, State, ok, warning, wrong
from bot.language import say, say_count
from bot.stores.audit import Audit
from bot.stores.database import Database
from bot.stores.heads import Heads
from bot.stores.schedules import Schedule, Schedules
from bot.times.lateness import behind

_LOOKED_AT = 200
"""Entries of the audit log whose seals are made anew; `audit verify` does all."""
_PATIENCE = timedelta(minutes=2)
"""So late a due time may be dealt with before somebody should hear of it."""


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Where the bot keeps things."""

    database: Database
    audit: Audit
    heads: Heads
    schedules: Schedules
    serves: Callable[[], bool]
    clock: Callable[[], datetime]


def checks(kept: Kept) -> tuple[Check, ...]:
    """All of them."""
    database = say(
        "See whether the database answers and its disk has room; SHIPKEEPER_DATABASE_URL says where it is."
    )
    return (
        Check(name="database", look=lambda: _database(kept.database), remedy=database),
        Check(name="audit", look=lambda: _audit(kept.audit, kept.heads), remedy=database),
        Check(name="schedules", look=lambda: _schedules(kept), remedy=database),
        Check(name="serving", look=lambda: [serving(kept.serves())], remedy=database),
    )


def _database(database: Database) -> Iterator[Finding]:
    revision = database.prove_writable()
    kind = "SQLite" if database.is_sqlite else "PostgreSQL"
    yield ok(
        "database",
        say("The database ({kind}, schema {revision}) can be written to.", kind=kind, revision=revision),
    )


def _audit(audit: Audit, heads: Heads) -> Iterator[Finding]:
    remedy = say(
        "Keep the database as it is, and type `audit verify`, which looks at all of it and says what was done."
    )
    misfit = audit.misfit(audit.lines(limit=_LOOKED_AT))
    if misfit is not None:
        what = say("The audit log was changed: entry {seq} does not fit its seal.", seq=misfit)
        yield wrong("audit", what, remedy)
        return
    last = heads.last()
    if last is not None and not audit.agrees(last):
        what = say("The audit log does not agree with the head that was published last ({head}).", head=last)
        yield wrong("audit", what, remedy)
        return
    head = audit.head()
    yield ok(
        "audit",
        say(
            "The newest entries of the audit log fit their seals, up to entry {seq}.",
            seq=head.seq if head else 0,
        ),
    )


def serving(serves: bool) -> Finding:
    """Whether a bot lives that takes what people and schedules ask for."""
    if serves:
        return ok("serving", say("The bot serves."))
    return warning(
        "serving",
        say("No bot serves here: Slack is not answered, and no schedule is carried out."),
        say("Start it: `shipkeeper serve`, or its systemd unit or container. Only a shell needs none."),
    )


def _schedules(kept: Kept) -> Iterator[Finding]:
    known = kept.schedules.all()
    now = kept.clock()
    troubles = [finding for one in known for finding in _trouble(one, now)]
    yield from troubles
    if not troubles:
        yield ok("schedules", _in_order(known))


def _in_order(known: Sequence[Schedule]) -> str:
    if not known:
        return say("There are no schedules.")
    return say_count("1 schedule is in order.", "{number} schedules are in order.", len(known))


def _trouble(one: Schedule, now: datetime) -> Iterator[Finding]:
    target = f"schedule:{one.name}"
    if one.suspended is not None:
        yield Finding(
            check="schedules",
            state=State.WARNING,
            what=say("Schedule {name} is suspended: {why}", name=one.name, why=one.suspended),
            remedy=say("Let somebody who may do what it does type `resume {name}`.", name=one.name),
            target=target,
        )
        return
    if not one.is_on:
        return
    try:
        late = behind(one.when, one.dealt_with_at, now - _PATIENCE - one.jitter, one.grace)
    except (ZoneInfoNotFoundError, OSError, ValueError):
        return  # the time zones have a check of their own
    due = late.run or late.missed_last
    if due is not None:
        yield Finding(
            check="schedules",
            state=State.WRONG,
            what=say(
                "Schedule {name} was due at {at}, and nobody dealt with it.",
                name=one.name,
                at=words.value("at", due.isoformat()),
            ),
            remedy=say(
                "See whether a bot serves, and look at its log; `run-now {name}` runs it now.", name=one.name
            ),
            target=target,
        )
