"""What is said of some days: a line for each thing that somebody would ask, facts, and a row for each volume.

Words only: it must not know where anything is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bot import words
from bot.language import say, say_count
from bot.model import Reply, Table, Value
from bot.operations.digest import Digest, Success, Trouble, VolumeDays
from bot.stores.schedules import Schedule

_MOST_NAMED = 10
_COLUMNS = (
    "volume",
    "host",
    "backups",
    "partial",
    "stored_bytes",
    "newest_backup_at",
    "proven_restorable_at",
    "unprotected",
)


def reply_of(made: Digest, days: int) -> Reply:
    """All of it, without the picture."""
    rows = tuple(map(_row, made.volumes))
    return Reply(
        text="\n".join(_lines(made, days)),
        facts=_facts(made),
        table=Table(columns=_COLUMNS, rows=rows) if rows else None,
    )


def _facts(made: Digest) -> dict[str, Value]:
    return {
        "backups": sum(one.whole for one in made.volumes),
        "stored_bytes": sum(one.stored_bytes for one in made.volumes),
        "verified": made.verified,
        "proven_restorable": made.drilled,
        "pruned": made.pruned,
        "freed_bytes": made.freed_bytes,
        "not_succeeded": sum(sum(one.counts.values()) for one in made.troubles),
        "unprotected": len(made.unprotected),
    }


def _lines(made: Digest, days: int) -> Iterator[str]:
    yield _backed_up(made, days)
    yield _proven(made)
    if made.pruned:
        yield say_count(
            "{number} backup that no rule keeps was pruned, which freed {size}.",
            "{number} backups that no rule keeps were pruned, which freed {size}.",
            made.pruned,
            size=words.size(made.freed_bytes),
        )
    yield _gone_wrong(made.troubles)
    if made.successes:
        yield say("Schedules that succeeded: {names}.", names=_some(map(_success, made.successes)))
    if made.off:
        yield say("Schedules that do not fire: {names}.", names=_some(map(_off, made.off)))
    yield _unprotected(made.unprotected)
    yield from map(str, made.silent)
    if made.is_cut:
        yield say("There were more runs than can be counted here, so only the newest ones are.")


def _backed_up(made: Digest, days: int) -> str:
    sources = sum(one.whole > 0 for one in made.volumes)
    span = say_count("the last day", "the last {number} days", days)
    if not sources:
        return say("In {span} no backup was taken.", span=span)
    count = sum(one.whole for one in made.volumes)
    told = say_count(
        "In {span} {number} backup was taken, {size} stored; volumes and paths backed up: {sources}.",
        "In {span} {number} backups were taken, {size} stored; volumes and paths backed up: {sources}.",
        count,
        span=span,
        sources=sources,
        size=words.size(sum(one.stored_bytes for one in made.volumes)),
    )
    partial = sum(one.partial for one in made.volumes)
    if not partial:
        return told
    beside = say_count(
        "{number} more is partial and does not count.",
        "{number} more are partial and do not count.",
        partial,
    )
    return f"{told} {beside}"


def _proven(made: Digest) -> str:
    if not (made.verified or made.drilled):
        return say("No backup was read again, and none was restored for a trial.")
    return say(
        "Proven: {verified}× a backup was read again and was whole, {drilled}× one was restored for a trial.",
        verified=made.verified,
        drilled=made.drilled,
    )


def _gone_wrong(troubles: tuple[Trouble, ...]) -> str:
    if not troubles:
        return say("Nothing failed, nothing was missed.")
    return say("What did not succeed: {names}.", names=_some(map(_trouble, troubles)))


def _trouble(trouble: Trouble) -> str:
    counts = ", ".join(f"{count} {words.status(status)}" for status, count in sorted(trouble.counts.items()))
    if trouble.is_schedule:
        return say(
            "schedule {name}: {counts} (newest: {run})", name=trouble.name, counts=counts, run=trouble.run
        )
    return say("by hand {name}: {counts} (newest: {run})", name=trouble.name, counts=counts, run=trouble.run)


def _success(success: Success) -> str:
    if success.is_quiet:
        return say("{name} {count}×, quietly", name=success.name, count=success.count)
    return say("{name} {count}×", name=success.name, count=success.count)


def _off(schedule: Schedule) -> str:
    if schedule.suspended is not None:
        return say("{name} (suspended: {why})", name=schedule.name, why=schedule.suspended)
    return say("{name} (paused by {by})", name=schedule.name, by=schedule.paused_by)


def _unprotected(volumes: tuple[VolumeDays, ...]) -> str:
    if not volumes:
        return say("Every volume has a verified backup.")
    hosts = {one.host for one in volumes}
    names = (one.name if len(hosts) == 1 else f"{one.host}/{one.name}" for one in volumes)
    return say_count(
        "{number} volume has no verified backup: {names}.",
        "{number} volumes have no verified backup: {names}.",
        len(volumes),
        names=_some(names),
    )


def _some(names: Iterable[str]) -> str:
    every = list(names)
    more = [say("{number} more", number=len(every) - _MOST_NAMED)] if len(every) > _MOST_NAMED else []
    return "; ".join([*every[:_MOST_NAMED], *more])


def _row(days: VolumeDays) -> tuple[Value, ...]:
    return (
        days.name,
        days.host,
        days.whole,
        days.partial,
        days.stored_bytes,
        days.newest_at.isoformat() if days.newest_at else None,
        days.drilled_at.isoformat() if days.drilled_at else None,
        not days.is_protected,
    )
