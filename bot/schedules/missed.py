"""What people are told of due times that came to nothing. Must not decide anything; of the stores it knows nouns."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from bot.language import later, say, say_count
from bot.model import Button, Reply, Status, Value
from bot.stores.runrow import Run
from bot.stores.schedules import Schedule
from bot.times.lateness import MOST_LISTED, Late

NOT_AT_WORK = later("the bot was not at work, or could not look, at that time")
NOT_SAID = later("Slack did not say, as long as they could wait, whether the schedule’s owner may still act")
"""Why a due time was missed."""


def shown(moment: datetime, schedule: Schedule) -> str:
    """The moment as a clock in the schedule's zone shows it, with the zone."""
    return f"{moment.astimezone(ZoneInfo(schedule.when.zone)):%Y-%m-%d %H:%M} ({schedule.when.zone})"


def missed(schedule: Schedule, due: datetime, why: str) -> Reply:
    """Of one due time, for whoever looks it up."""
    text = say(
        "`{name}` was due at {due} and was missed: {why}. Nothing was changed.",
        name=schedule.name,
        due=shown(due, schedule),
        why=say(why),
    )
    return Reply(text=text, facts=_facts(schedule, due), status=Status.MISSED)


def many_missed(schedule: Schedule, late: Late, why: str, *, is_run: bool) -> Reply:
    """Of all that were missed together, told once. What is not too late is run, or something else is told of it."""
    first, last = late.missed_first, late.missed_last
    if first is None or last is None:
        raise ValueError("nothing was missed")
    text = say_count(
        "`{name}` was due at {first} and was missed: {why}.",
        "{number} due times of `{name}`, from {first} to {last}, were missed: {why}.",
        late.missed,
        name=schedule.name,
        first=shown(first, schedule),
        last=shown(last, schedule),
        why=say(why),
    )
    run_now = Button(label=say("Run it now"), line=f"run-now {schedule.name}")
    return Reply(
        text=" ".join((text, *_counted(late), *_what_now(schedule, late, is_run=is_run))),
        facts={**_facts(schedule, last), "missed": late.missed},
        buttons=() if late.run else (run_now,),
        status=Status.MISSED,
    )


def overlapped(schedule: Schedule, due: datetime, run: Run) -> Reply:
    """Of a due time that came while a run of the schedule was under way."""
    text = say(
        "`{name}` was due at {due} and was missed: run {run_id} of it is not over yet. Nothing was changed. "
        "While that run goes on, further due times are recorded as missed, and not told; `cancel {run_id}` ends it.",
        name=schedule.name,
        due=shown(due, schedule),
        run_id=run.id,
    )
    buttons = (Button(label=say("Details"), line=f"details {run.id}"),)
    return Reply(text=text, facts=_facts(schedule, due), buttons=buttons, status=Status.MISSED)


def suspended(schedule: Schedule, due: datetime, why: str) -> Reply:
    """Of a due time whose owner may not act any more."""
    text = say(
        "`{name}` was due at {due} and was not carried out. {why} Nothing was changed, and the schedule is suspended: "
        "nothing of it runs until somebody gives it another owner, or resumes it once that one may act again.",
        name=schedule.name,
        due=shown(due, schedule),
        why=why,
    )
    buttons = (Button(label=say("Resume"), line=f"resume {schedule.name}"),)
    return Reply(text=text, facts=_facts(schedule, due), buttons=buttons, status=Status.DENIED)


def _counted(late: Late) -> tuple[str, ...]:
    if late.is_more:
        return (
            say(
                "There may be more; so many were counted, and the newest {most} are recorded.",
                most=MOST_LISTED,
            ),
        )
    if late.missed > MOST_LISTED:
        return (say("The newest {most} of them are recorded.", most=MOST_LISTED),)
    return ()


def _what_now(schedule: Schedule, late: Late, *, is_run: bool) -> tuple[str, ...]:
    if late.run is None:
        return (
            say(
                "Nothing of that is carried out any more: it is too late by more than the schedule’s grace time. "
                "`run-now {name}` does it now.",
                name=schedule.name,
            ),
        )
    if is_run:
        return (say("What was due at {due} is carried out now.", due=shown(late.run, schedule)),)
    return ()


def _facts(schedule: Schedule, due: datetime) -> dict[str, Value]:
    return {"schedule": schedule.name, "due_at": due.isoformat()}
