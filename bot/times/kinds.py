"""The typed kinds of arguments that schedules take. Knows no command, no store and no clock."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import ClassVar

from bot.kinds import Kind, Text
from bot.language import later
from bot.sources import Source


class ScheduleName(Kind):
    """A schedule."""

    noun = "SCHEDULE"
    sources: ClassVar[tuple[Source, ...]] = (Source.SCHEDULE,)
    shape = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
    hint = later("the name of a schedule (letters, digits, `_`, `.` and `-`); `schedules` lists them")


class NewScheduleName(ScheduleName):
    """A schedule that is not there yet."""

    noun = "NAME"
    sources: ClassVar[tuple[Source, ...]] = ()


class ZoneName(Kind):
    """A time zone by its IANA name, which is looked up where it is used."""

    noun = "ZONE"
    shape = re.compile(r"[A-Za-z][A-Za-z0-9_+/ -]{0,63}")
    hint = later("the name of a time zone, such as Asia/Seoul")


class Duration(Kind):
    """A length of time: a number and `m`, `h`, `d` or `w`; `length` is the same as a timedelta."""

    noun = "DURATION"
    shape = re.compile(r"([0-9]{1,5})([mhdw])")
    hint = later("a length of time, such as 30m, 6h or 2d")

    @property
    def length(self) -> timedelta:
        """As a timedelta."""
        units = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
        return timedelta(**{units[self[-1]]: int(self[:-1])})


class WhenAndCommand(Text):
    """Words of when something is due, and behind them those of a command line."""

    noun = "WHEN COMMAND"
