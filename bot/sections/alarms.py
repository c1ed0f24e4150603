"""The section of alarms: from when on somebody must be told that volumes are not protected, and where. Words only."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator

from bot.sections import Section, known_zone

_CHANNEL = r"^([CDG][A-Z0-9]{2,20})?$"
_LONGEST_HOURS = 24 * 3660


class AlarmsSection(Section):
    """What is an alarm, and where it is told: once, then daily while it lasts, and once when it is over.

    A volume's label `shipkeeper.max-age=26h` (or `2d`; `0`: no limit) wins over what is said here.
    """

    channel: str = Field(
        "",
        pattern=_CHANNEL,
        description="the id of the Slack channel that is told of alarms; without one, only the log and audit are",
    )
    max_age_hours: float = Field(
        192,
        ge=0,
        le=_LONGEST_HOURS,
        description="how old the newest verified backup of a volume may become; 0: no limit",
    )
    ages: dict[str, float] = Field(
        default_factory=dict,
        description="the same by patterns of volumes, the first that fits: "
        '{ "pg*" = 26, "HOST/tmp*" = 0 }; 0: nobody need protect these',
    )
    unprotected: bool = Field(
        True, description="whether volumes without a verified backup and without a schedule are an alarm"
    )
    free_percent: int = Field(
        10, ge=0, le=99, description="so much of the archive’s disk has to be free, in percent"
    )
    slower: float = Field(
        3, ge=1.1, le=1000, description="a run that takes so many times longer than usual is an alarm"
    )
    overdue_hours: float = Field(
        12, gt=0, le=_LONGEST_HOURS, description="so long a scheduled run may take until it has ended"
    )
    heartbeat: SecretStr = Field(
        SecretStr(""),
        description="a URL that the scheduler asks for while it works, as healthchecks.io gives them; it is a secret",
    )
    heartbeat_seconds: int = Field(60, ge=5, le=86_400, description="how often it does so")
    digest: str = Field(
        "",
        max_length=255,
        description="when the channel gets a digest, such as `mondays at 09:00`; never, if empty",
    )
    digest_zone: str = Field("UTC", description="whose clock that is, such as Asia/Seoul")

    _zone = field_validator("digest_zone")(known_zone)

    @field_validator("ages")
    @classmethod
    def _known(cls, ages: dict[str, float]) -> dict[str, float]:
        odd = [name for name, hours in ages.items() if not name or not 0 <= hours <= _LONGEST_HOURS]
        if odd:
            raise ValueError(f"{', '.join(map(repr, odd))}: give a pattern and hours, 0 or more")
        return ages

    @field_validator("heartbeat")
    @classmethod
    def _address(cls, heartbeat: SecretStr) -> SecretStr:
        """What was given is not repeated: it is a secret."""
        url = heartbeat.get_secret_value()
        if url and not _is_address(url):
            raise ValueError("give an address that begins with https:// or http://")
        return heartbeat


def _is_address(url: str) -> bool:
    if re.search(r"[\s\x00-\x20\x7f]", url) or not url.isascii():
        return False
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket too many
        return False
