"""When two clocks are too far apart, and which of them is ahead. Knows nobody's clock."""

from __future__ import annotations

from datetime import datetime, timedelta

from bot import words
from bot.language import say

LARGEST_SKEW = timedelta(seconds=60)
"""Slack's signatures are refused beyond five minutes; this leaves time to do something."""


def skewed(ours: datetime, theirs: datetime, ahead: str, behind: str, **values: object) -> str | None:
    """None while they agree; else the sentence, told with the `{time}` by which ours is ahead or behind."""
    skew = ours - theirs
    if abs(skew) <= LARGEST_SKEW:
        return None
    time = words.duration(abs(skew).total_seconds())
    return say(ahead if skew > timedelta(0) else behind, time=time, **values)
