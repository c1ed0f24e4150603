"""The sections of the settings file: every key with its type, its default and what it means.

Words only: where they are read from, and who uses them, is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal
from zoneinfo import available_timezones

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from bot import reference
from bot.errors import UsageError
from bot.secrecy import scrub


class Section(BaseModel):
    """What all sections have: unknown keys are refused, and nothing changes once it is read."""

    model_config = ConfigDict(defer_build=True, extra="forbid", frozen=True)


_SOMEBODY = re.compile(r"[UW][A-Z0-9]{2,20}|cli:[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")


def somebody(owner: str) -> str:
    """The id of a person or a shell user; raises ValueError for anything else."""
    if not _SOMEBODY.fullmatch(owner):
        raise ValueError("is not a Slack user id (they look like U012ABCDEF), nor a shell user (cli:NAME)")
    return owner


def known_zone(zone: str) -> str:
    """The IANA name of a time zone; raises ValueError for anything else."""
    if zone not in available_timezones():
        raise ValueError("is no time zone of the IANA database, such as Asia/Seoul")
    return zone


def regular(pattern: str) -> str:
    """A regular expression that Python can use; raises ValueError for anything else."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"is no regular expression: {error}") from error
    return pattern


class SlackSection(Section):
    """How the bot appears in Slack."""

    command_prefix: str = Field(
        "", pattern=r"^[a-z0-9_-]{0,16}$", description="put before every slash command"
    )
    language: Literal["en", "ko"] = Field(
        "en",
        description="spoken where nobody's own language is known; people's comes from their Slack account",
    )
    listen: str = Field(
        "127.0.0.1:3000",
        description="where to listen: health, metrics, and Slack when Socket Mode is off",
    )

    @field_validator("listen")
    @classmethod
    def _address_and_port(cls, listen: str) -> str:
        address, _, port = listen.rpartition(":")
        if not (address and port.isascii() and port.isdecimal() and int(port) < 1 << 16):
            raise ValueError("give an address and a port up to 65535, such as 127.0.0.1:3000")
        return listen


class ArchiveSection(Section):
    """Where backups live."""

    path: Path | None = Field(None, description="the archive; SHIPKEEPER_ARCHIVE wins")

    @field_validator("path", mode="before")
    @classmethod
    def _empty_is_unset(cls, path: object) -> object:
        return None if path == "" else path


_ADDRESSES = (
    re.compile(r"unix:///[^\s\0]+"),
    re.compile(r"tcp://(?:[A-Za-z0-9][A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\])(?P<port>:\d{1,5})"),
    re.compile(r"ssh://(?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?[A-Za-z0-9][A-Za-z0-9.-]*(?P<port>:\d{1,5})?"),
)
_HOST_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")


class HostSection(Section):
    """One Docker host. Its name is a directory of the archive: letters, digits, `_`, `.` and `-`, 64 at most.

    Without any, the one that DOCKER_HOST leads to is meant; with one, DOCKER_HOST is not followed.
    """

    address: str = Field(
        description="unix:///path/to/docker.sock, tcp://address:port, or ssh://user@address:port, for which the bot "
        "runs the program ssh, and that runs `docker system dial-stdio` there",
    )
    default: bool = Field(False, description="whether it is meant without --host; else the first one is")
    ca_file: Path | None = Field(None, description="with tcp: TLS, and who signed the daemon’s certificate")
    cert_file: Path | None = Field(None, description="with tcp: the certificate that we show the daemon")
    key_file: Path | None = Field(None, description="with tcp: the key of that certificate")
    ssh_config: Path | None = Field(
        None,
        description="with ssh: its configuration (keys, known hosts), instead of the one of the bot’s user",
    )
    seconds: int = Field(10, ge=1, le=600, description="how long Docker may take to say that it is there")

    @field_validator("ca_file", "cert_file", "key_file", "ssh_config", mode="before")
    @classmethod
    def _empty_is_unset(cls, path: object) -> object:
        return None if path == "" else path

    @model_validator(mode="after")
    def _sense(self) -> HostSection:
        found = next((match for one in _ADDRESSES if (match := one.fullmatch(self.address))), None)
        port = (found.groupdict().get("port") or ":1") if found else ":0"
        if not 0 < int(port[1:]) < 1 << 16:
            raise ValueError(
                f"“{scrub(self.address)}” is no address of Docker; give unix:///path, tcp://address:port or "
                "ssh://user@address:port, without a password"
            )
        tls = [name for name in ("ca_file", "cert_file", "key_file") if getattr(self, name)]
        if tls and not self.address.startswith("tcp:"):
            raise ValueError(f"{', '.join(tls)}: TLS is for tcp://address:port only")
        if self.ssh_config and not self.address.startswith("ssh:"):
            raise ValueError("ssh_config is for ssh://user@address only")
        if bool(self.cert_file) != bool(self.key_file):
            raise ValueError("give cert_file and key_file, or neither")
        if tls and not self.ca_file:
            raise ValueError("ca_file is missing: whose certificate the daemon shows must be known")
        return self


def refuse_odd_hosts(hosts: Mapping[str, HostSection]) -> None:
    """Raise ValueError for a name that nothing could be filed under, and for two defaults."""
    odd = [name for name in hosts if not _HOST_NAME.fullmatch(name)]
    if odd:
        raise ValueError(
            f"{', '.join(map(repr, odd))}: a host’s name has up to 64 of letters, digits, _ . and -"
        )
    defaults = [name for name, host in hosts.items() if host.default]
    if len(defaults) > 1:
        raise ValueError(f"{' and '.join(defaults)} both say `default = true`; keep one of them")


class LimitsSection(Section):
    """What keeps one run from starving the others."""

    workers: int = Field(
        4, ge=1, le=64, description="runs that change something at the same time, on each host"
    )
    stall: int = Field(60, ge=1, le=3600, description="seconds without a byte from Docker that end a run")
    grace: int = Field(
        20,
        ge=0,
        le=3600,
        description="seconds that running work gets when the bot is stopped; whoever kills it "
        "(systemd’s TimeoutStopSec, Compose’s stop_grace_period) must wait 20 more",
    )
    max_downtime: int = Field(
        3600, ge=1, le=86_400, description="seconds after which containers are woken, done or not"
    )
    per_minute: int = Field(
        0,
        ge=0,
        le=6000,
        description="commands that one person may send in a minute, such as 60; 0 is no limit; schedules do not count",
    )
    copy_bytes: int = Field(
        1 << 30, ge=1, description="the most bytes that `cp` copies; to and from Slack a billion"
    )


class QuiesceSection(Section):
    """What happens to the running users of a volume while it is copied, where their labels say nothing."""

    default: Literal["none", "pause", "stop"] = Field("none", description="none, pause or stop")
    stop_grace: int = Field(10, ge=0, le=600, description="seconds that a stopped container gets to end")
    health: int = Field(120, ge=1, le=3600, description="seconds that a started container gets to be healthy")
    hook: int = Field(300, ge=1, le=86_400, description="seconds that a hook or a database’s dump may take")


class RetentionSection(Section):
    """Which backups `prune` keeps, of each volume. With nothing set, all of them."""

    last: int = Field(0, ge=0, description="so many of the newest")
    hourly: int = Field(0, ge=0, description="the newest of each of so many hours that have one")
    daily: int = Field(0, ge=0, description="the same for days")
    weekly: int = Field(0, ge=0, description="the same for weeks, which begin on Monday")
    monthly: int = Field(0, ge=0, description="the same for months")
    yearly: int = Field(0, ge=0, description="the same for years")
    floor: int = Field(3, ge=1, description="never leave fewer verified backups than this")
    timezone: str = Field("UTC", description="whose days and weeks, such as Asia/Seoul")

    _known = field_validator("timezone")(known_zone)


class DrillSection(Section):
    """A check that a drill runs on the restored copy, which it sees at /volume."""

    volumes: tuple[str, ...] = Field(description="patterns of the volumes it is for")
    image: str = Field(description="an image that the host has")
    command: tuple[str, ...] = Field((), description="what to run; exit code 0 is a passed check")
    seconds: int = Field(300, ge=1, le=86_400, description="how long it may take")


class SnapshotsSection(Section):
    """How `snapshot` names images where the command line does not; {container}, {host}, {time}, {run} are filled in."""

    repository: str = Field("snapshots/{container}", description="perhaps with a registry before it")
    tag: str = Field(
        "{time}-{run}", description="without {run} a second snapshot in the same second is refused"
    )

    @model_validator(mode="after")
    def _is_a_name(self) -> SnapshotsSection:
        sample = {"container": "web", "host": "local", "time": "20270131T120000Z", "run": "7f3a2c1b"}
        try:
            filled = f"{self.repository.format(**sample)}:{self.tag.format(**sample)}"
            reference.parse(filled)
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            raise ValueError(
                f"only {{container}}, {{host}}, {{time}} and {{run}} may stand in braces ({error})"
            ) from error
        except UsageError as error:
            raise ValueError(str(error)) from error
        return self
