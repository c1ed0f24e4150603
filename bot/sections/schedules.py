"""The settings of schedules that are kept as code: what is carried out when, as whom, told where. Words only."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pydantic import Field, field_validator

from bot.sections import Section, somebody

SETTINGS = "cli:settings"
"""Who owns a schedule of the settings that names nobody: whoever may write them has a shell there."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_CHANNEL = re.compile(r"[CDG][A-Z0-9]{2,20}")
_YEAR_IN_MINUTES = 366 * 24 * 60


class ScheduleSection(Section):
    """A schedule by its name, which the chat shows and cannot change; one of that name made in chat gives way to it."""

    when: str = Field(
        min_length=1, description="cron’s five fields, `every 6h`, or words such as `daily at 03:00`"
    )
    command: str = Field(min_length=1, description="what is carried out then, as it is typed in chat")
    zone: str = Field("UTC", description="the time zone that `when` means, such as Asia/Seoul")
    owner: str = Field(
        SETTINGS, description="as whom: a Slack user id or cli:NAME; their right is asked at each run"
    )
    channel: str = Field(
        "", description="the id of the Slack channel that is told; the one of alarms, if empty"
    )
    grace_minutes: int = Field(
        1440, ge=1, le=_YEAR_IN_MINUTES, description="how late it may still be carried out"
    )
    jitter_minutes: int = Field(
        0, ge=0, le=_YEAR_IN_MINUTES, description="begin up to so much later, so that not all begin at once"
    )
    quiet: bool = Field(False, description="tell of its runs only if they do not succeed")
    prune: bool = Field(False, description="after a backup that succeeded, prune what was backed up")
    paused: bool = Field(False, description="keep it, but do not let it fire")

    _is_somebody = field_validator("owner")(somebody)

    @field_validator("channel")
    @classmethod
    def _is_a_channel(cls, channel: str) -> str:
        if channel and not _CHANNEL.fullmatch(channel):
            raise ValueError("is no id of a Slack channel (they look like C012ABCDEF)")
        return channel


def refuse_odd_names(names: Iterable[str]) -> None:
    """Raise ValueError for a name that nobody could type."""
    odd = [name for name in names if not _NAME.fullmatch(name)]
    if odd:
        raise ValueError(
            f"{', '.join(map(repr, odd))}: a schedule’s name has up to 64 of letters, digits, _ . and -"
        )
