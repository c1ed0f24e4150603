"""The schedule of the digest that `[alarms] digest` of the settings asks for. Pure; knows no settings and no clock."""

from __future__ import annotations

from datetime import datetime

from bot.commandline import split
from bot.errors import UsageError
from bot.language import say
from bot.model import Actor
from bot.stores.schedules import Kept, Schedule
from bot.times.when import zone_named
from bot.times.words import found

DIGEST = "weekly-digest"
"""What it is called; one of that name under `[schedules]` takes its place."""


def digest_schedule(words: str, zone: str, channel: str, *, owner: Actor, at: datetime) -> Schedule | None:
    """It, as it is when it is new at that moment; None where nobody asks for one.

    Raises UsageError for words that say no time, and where there is no channel to post it in.
    """
    if not words.strip():
        return None
    if not channel:
        raise UsageError(
            say("A digest has to be posted somewhere: set `channel` in [alarms], or leave out `digest`.")
        )
    when, rest = found(split(words), zone_named(zone), at)
    if rest:
        raise UsageError(say("“{words}” stands behind when it is due.", words=" ".join(rest)))
    return Schedule(
        name=DIGEST,
        line="digest",
        when=when,
        owner=owner,
        language=None,
        channel=channel,
        created_at=at,
        dealt_with_at=at,
        kept=Kept.SETTINGS,
    )
