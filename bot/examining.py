"""What the doctor looks at, made from the settings, whether the whole house could be built or not.

Part of the composition root. Must not know what a finding says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from bot import settings as settings_room
from bot.asking_slack import Examiner, wanted
from bot.doctor import Check, Finding, archive, chat, examine, hosts, logins, machine, ok, records, wrong
from bot.doctor.asked import Keys
from bot.engine import Engine
from bot.errors import BotError
from bot.keeping import Stores
from bot.language import say
from bot.operations.checktold import in_words
from bot.operations.registries import Registries
from bot.registry import Registry
from bot.settings import Settings, SettingsError
from bot.stores.archive import Archive
from bot.stores.heads import Heads
from bot.stores.schedules import Schedule
from bot.stores.sole import serving

_CHANNELS = ("C", "G")
"""How ids of channels begin; people can be written to without any membership."""


@dataclass(frozen=True, kw_only=True)
class Rooms:
    """What was built; `kept` is None where the database cannot be opened."""

    engines: Mapping[str, Engine]
    registries: Sequence[Registry]
    archive: Archive
    clock: Callable[[], datetime]
    kept: records.Kept | None = None

    @classmethod
    def of(
        cls,
        engines: Mapping[str, Engine],
        registries: Registries,
        archive: Archive,
        clock: Callable[[], datetime],
    ) -> Rooms:
        """Those that need no database."""
        asked = tuple(one.registry for one in registries.known)
        return cls(engines=engines, registries=asked, archive=archive, clock=clock)


def doctor_of(settings: Settings, stores: Stores, rooms: Rooms) -> Callable[[], tuple[Finding, ...]]:
    """Looks at the whole house whenever it is called."""
    kept = records.Kept(
        database=stores.database,
        audit=stores.audit,
        heads=Heads(settings.heads_path),
        schedules=stores.schedules,
        serves=lambda: serving(settings.state),
        clock=rooms.clock,
    )
    whole = replace(rooms, kept=kept)
    return lambda: examine(checks(settings, whole))


def checks(settings: Settings, rooms: Rooms) -> tuple[Check, ...]:
    """Everything that there is to look at."""
    token, app_token, secret = (
        one.get_secret_value() if one else None
        for one in (settings.bot_token, settings.app_token, settings.signing_secret)
    )
    keys = Keys(bot_token=token, app_token=app_token, signing_secret=secret)
    asked = Examiner(settings.slack_api_url, token, app_token)
    return (
        Check(name="settings", look=_settings, remedy=""),
        *chat.checks(keys, asked, wanted(), rooms.clock, _channels(settings, rooms)),
        *hosts.checks(rooms.engines, rooms.clock),
        *logins.checks(rooms.registries),
        *archive.checks(rooms.archive, lambda report: in_words(report, listed=False)),
        *(records.checks(rooms.kept) if rooms.kept else ()),
        *machine.checks(_programs(settings), lambda: _zones(settings, rooms)),
        machine.state_check(settings.state),
    )


def problems(error: SettingsError) -> tuple[Finding, ...]:
    """A finding for each thing that is wrong with the settings."""
    file = settings_room.file_of()
    remedy = (
        say("Correct it in {file}; deploy/settings.example.toml has every key.", file=file)
        if file
        else say("Correct the variable of the environment.")
    )
    lines = [line.strip().removeprefix("- ") for line in str(error).splitlines() if line.strip()]
    told = lines[1:] if len(lines) > 1 else lines  # the first only says that there are some
    return tuple(wrong("settings", line, remedy) for line in told)


def _settings() -> Iterator[Finding]:
    """As they lie there now, which may be other than those that the bot began with."""
    try:
        settings_room.read()
    except SettingsError as error:
        yield from problems(error)
        return
    yield ok("settings", say("The settings can be read, and every key is known."))


def _channels(settings: Settings, rooms: Rooms) -> dict[str, str]:
    """The ids of the channels that something is posted to, and what that is."""
    uses = [
        (settings.audit.channel, say("heads of the audit log")),
        (settings.alarms.channel, say("alarms")),
        (settings.discovery.channel, say("what labels ask for")),
    ]
    uses += [
        (section.owners, say("alerts of approval rule {name}", name=name))
        for name, section in settings.approvals.items()
    ]
    uses += [(one.channel or "", say("schedule {name}", name=one.name)) for one in _schedules(rooms)]
    found: dict[str, str] = {}
    for channel, use in uses:
        if channel.startswith(_CHANNELS):
            found[channel] = f"{found[channel]}, {use}" if channel in found else use
    return found


def _zones(settings: Settings, rooms: Rooms) -> list[str]:
    return [
        settings.retention.timezone,
        settings.alarms.digest_zone,
        *(one.when.zone for one in _schedules(rooms)),
    ]


def _schedules(rooms: Rooms) -> Sequence[Schedule]:
    """None while they cannot be read, which has a check of its own."""
    try:
        return rooms.kept.schedules.all() if rooms.kept else ()
    except BotError:
        return ()


def _programs(settings: Settings) -> dict[str, str]:
    """Programs that these settings need, each with its Debian package, if it has one."""
    needed = {}
    if any(host.address.startswith("ssh:") for host in settings.hosts.values()):
        needed["ssh"] = "openssh-client"
    for registry in settings.registries.values():
        if registry.credential_helper:
            needed[f"docker-credential-{registry.credential_helper}"] = ""
    return needed
