"""What a new schedule means, in words and times, and what of it cannot be. Knows no timer."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from zoneinfo import ZoneInfo

from bot import words
from bot.errors import UsageError
from bot.language import say
from bot.model import Actor, Button, Invocation, Reply, Table, Value
from bot.operations.runbooks import Runbook
from bot.operations.typedsecrets import typed_secret
from bot.schedules.making import Inner, doubt
from bot.services import Services
from bot.stores.schedules import Kept, Schedule
from bot.times.when import LONGEST, When, zone_named

UTC_NAME = "UTC"
SHOWN = 5
"""So many of the next due times are shown."""


def zone_of(typed: str | None, actor: Actor, services: Services) -> str:
    """The zone that was named, or the one of whoever asks in Slack, or UTC; may ask Slack. Raises UsageError."""
    return zone_named(typed) if typed else owners_zone(actor, services) or UTC_NAME


def owners_zone(actor: Actor, services: Services) -> str:
    """Where that person is, by Slack's word; empty where that is not known."""
    person = services.people.person(services.policy.identity(actor))
    try:
        return zone_named(person.zone) if person.zone else ""
    except UsageError:  # Slack may know zones that this machine does not
        return ""


def refuse_typed_secret(line: str, runbooks: Iterable[Runbook]) -> None:
    """Raise UsageError for a line that was cut off where somebody typed a secret."""
    name = typed_secret(line, runbooks)
    if name:
        raise UsageError(
            say(
                "{name} is a secret of a runbook, which is never given in a command line. Nothing was scheduled. What "
                "you typed was not written down here, but may be where you typed it: if it was the secret itself, "
                "change it.",
                name=name,
            )
        )


def refuse_long(schedule: Schedule) -> None:
    """Raise UsageError for a grace that never ends, and a jitter that reaches the next due time."""
    if schedule.grace > LONGEST:
        raise UsageError(
            say(
                "A grace of more than {days} days is none: by then nobody waits for it any more. Nothing was changed.",
                days=LONGEST.days,
            )
        )
    first, second = schedule.when.first(schedule.created_at, 2)
    if schedule.jitter and schedule.jitter >= second - first:
        raise UsageError(
            say(
                "A jitter of {jitter} reaches the next due time, which is {gap} later. Nothing was changed. Take a "
                "shorter one.",
                jitter=words.duration(schedule.jitter.total_seconds()),
                gap=words.duration((second - first).total_seconds()),
            )
        )


def added(schedule: Schedule, inner: Inner | None, asked: Invocation, services: Services) -> Reply:
    """That it is set, with its next due times, whose it is and where its runs are told; may ask the host."""
    said = [
        say(
            "Schedule {name} is set: `{line}` is due {when}, by the clocks of {zone}. It runs as {owner}, whose right "
            "to it is asked again each time.",
            name=schedule.name,
            line=schedule.line,
            when=schedule.when.text,
            zone=schedule.when.zone,
            owner=schedule.owner.name,
        ),
        _told_where(schedule, asked),
    ]
    if schedule.prune:
        said.append(say("After each backup that succeeds, what it is of is pruned."))
    if inner is not None and inner.unknown:
        said.append(
            say(
                "What it is about cannot be told now ({why}), so it was only asked whether {owner} may use the "
                "command at all.",
                why=inner.unknown.removesuffix("."),
                owner=schedule.owner.name,
            )
        )
    why = doubt(inner, services) if inner is not None else ""
    if why:
        said.append(say("If it were due now, it would fail: {why}", why=why))
    facts: dict[str, Value] = {
        "schedule": schedule.name,
        "owner": schedule.owner.name,
        "zone": schedule.when.zone,
        "grace": words.duration(schedule.grace.total_seconds()),
        "channel": schedule.channel,
    }
    return Reply(
        text=" ".join(said),
        facts=facts,
        table=next_times(schedule.when, schedule.created_at, owners_zone(schedule.owner, services)),
        buttons=buttons_of(schedule),
        is_aloud=True,
    )


def _told_where(schedule: Schedule, asked: Invocation) -> str:
    if schedule.channel is None:
        return say("Nobody is told of its runs, as it was typed in a shell: `runs` and `audit` list them.")
    here = asked.place is not None and asked.place.channel == schedule.channel
    where = say("here") if here else say("in channel {channel}", channel=schedule.channel)
    if schedule.quiet:
        return say("Runs that succeed are not told, all others are told {where}.", where=where)
    return say("Its runs are told {where}.", where=where)


def next_times(when: When, since: datetime, owners: str) -> Table:
    """The next due times by the clocks of its zone, of its owner's where that is another one, and in UTC."""
    zones = [zone for zone in dict.fromkeys((when.zone, owners)) if zone]
    names = ("in_its_zone", "in_owners_zone")[: len(zones)] if len(zones) > 1 else ("local_time",)
    rows = tuple((*(local(due, zone) for zone in zones), due.isoformat()) for due in when.first(since, SHOWN))
    return Table(columns=(*names, "due_at"), rows=rows)


def local(moment: datetime, zone: str) -> str:
    """A moment by the clocks of a zone: `2027-01-31 03:00 KST`."""
    return f"{moment.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M %Z}"


def buttons_of(schedule: Schedule) -> tuple[Button, ...]:
    """What may be wanted next of it; of one that is kept elsewhere, nothing that would change it."""
    name = schedule.name
    run_now = Button(label=say("Run now"), line=f"run-now {name}")
    resume = Button(label=say("Resume"), line=f"resume {name}")
    if schedule.kept is not Kept.CHAT:
        is_ours = schedule.suspended is not None and schedule.paused_by is None
        return (run_now, resume) if is_ours else (run_now,)
    pause = Button(label=say("Pause"), line=f"pause {name}")
    remove = Button(label=say("Unschedule"), line=f"unschedule {name}", danger=True)
    return (run_now, pause if schedule.is_on else resume, remove)
