"""The section of the audit log: where its head is published, and where it is copied to. Words only."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import Field, field_validator

from bot.sections import Section

_SYSLOG = re.compile(
    r"(?:udp|tcp)://(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\]):(?P<port>\d{1,5})|unix:///[^\s\0]+"
)


class AuditSection(Section):
    """What makes the audit log evidence beyond the database: published heads, and a copy."""

    heads: Path | None = Field(
        None,
        description="the file that its head is published to daily; else audit-heads.jsonl in the state directory",
    )
    channel: str = Field(
        "",
        pattern=r"^([CG][A-Z0-9]{2,20})?$",
        description="the id of a Slack channel that its head is posted to daily",
    )
    syslog: str = Field(
        "",
        description="copy every entry to a syslog server: udp://address:port, tcp://address:port or unix:///dev/log",
    )

    @field_validator("heads", mode="before")
    @classmethod
    def _empty_is_unset(cls, heads: object) -> object:
        return None if heads == "" else heads

    @field_validator("syslog")
    @classmethod
    def _address(cls, syslog: str) -> str:
        found = _SYSLOG.fullmatch(syslog)
        if syslog and not (found and 0 < int(found["port"] or 1) < 1 << 16):
            raise ValueError("give udp://address:port, tcp://address:port or unix:///path")
        return syslog
