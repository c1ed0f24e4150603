"""Schedules of the settings: checked whole before any counts, then made equal to the table, name by name.

Part of the composition root. What people made in chat is left alone, but one whose name the settings take.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from bot.command import Command
from bot.commandline import split
from bot.errors import UsageError
from bot.language import ENGLISH, say, speaking
from bot.model import Actor, Origin
from bot.operations.holds import filed_as
from bot.operations.runbooks import Runbook
from bot.operations.typedsecrets import without_typed_secrets
from bot.people import SHELL
from bot.reload import Swapper
from bot.schedules.making import ADDED, BACKUP, CHANGED, REMOVED, read, refuse_idle_prune
from bot.schedules.seen import about, call_off, quietly
from bot.schedules.told import refuse_long
from bot.schedules.weekly import digest_schedule
from bot.sections.schedules import SETTINGS, ScheduleSection
from bot.services import Services
from bot.settings import Settings, SettingsError
from bot.stores.audit import AuditEvent
from bot.stores.schedules import Kept, Schedule
from bot.times.when import zone_named
from bot.times.words import found

_log = logging.getLogger(__name__)

_BY = Actor(id=SETTINGS, name="settings")
_OF_ALARMS = ("alarms.digest", "alarms.digest_zone", "alarms.channel")
_BEGINNING = datetime(2000, 1, 1, tzinfo=UTC)


def schedules(
    settings: Settings, commands: Mapping[str, Command], runbooks: Mapping[str, Runbook]
) -> tuple[Schedule, ...]:
    """Those of the settings, as new ones; raises SettingsError with everything that is wrong, a line each."""
    made, problems = [], []
    for name, section in settings.schedules.items():
        try:
            with speaking(ENGLISH):
                made.append(_schedule(name, section, commands, runbooks))
        except UsageError as error:
            problems.append(f"schedules.{name}: {error}")
    try:
        with speaking(ENGLISH):
            made += _digest(settings)
    except UsageError as error:
        problems.append(f"alarms.digest: {error}")
    if problems:
        raise SettingsError("The settings cannot be used:\n" + "\n".join(f"  - {line}" for line in problems))
    return tuple(made)


def _digest(settings: Settings) -> list[Schedule]:
    """The one that `[alarms] digest` asks for, unless `[schedules]` has one of its name."""
    of = settings.alarms
    made = digest_schedule(of.digest, of.digest_zone, of.channel, owner=_BY, at=_BEGINNING)
    return [made] if made is not None and made.name not in settings.schedules else []


def _schedule(
    name: str, section: ScheduleSection, commands: Mapping[str, Command], runbooks: Mapping[str, Runbook]
) -> Schedule:
    words = split(section.when)
    when, rest = found(words, zone_named(section.zone), _BEGINNING)
    if rest:
        raise UsageError(
            say(
                "`when`: “{words}” stands behind when it is due; what is to be done goes to `command`.",
                words=" ".join(rest),
            )
        )
    if (
        without_typed_secrets(f"schedule {section.command}", runbooks.values())
        != f"schedule {section.command}"
    ):
        raise UsageError(
            say("`command` holds a secret of a runbook, which is never given in a command line.")
        )
    inner = read(split(section.command), commands)
    refuse_idle_prune(inner, prune=section.prune)
    if inner.command.name == BACKUP:
        filed_as(
            inner.arguments.source
        )  # what no backup could be filed under is refused now, not at each run
    owner = section.owner
    made = Schedule(
        name=name,
        line=inner.line,
        when=when,
        owner=_BY if owner == SETTINGS else Actor(id=owner, name=owner.removeprefix(SHELL)),
        language=None,
        channel=section.channel or None,
        created_at=_BEGINNING,
        dealt_with_at=_BEGINNING,
        kept=Kept.SETTINGS,
        grace=timedelta(minutes=section.grace_minutes),
        jitter=timedelta(minutes=section.jitter_minutes),
        quiet=section.quiet,
        prune=section.prune,
        paused_by=_BY.name if section.paused else None,
    )
    refuse_long(made)
    return made


@dataclass
class KeptInSettings:
    """Makes the table equal to the settings, at the start and whenever those change."""

    services: Services
    wanted: tuple[Schedule, ...]

    def swapper(self) -> Swapper:
        """Takes new schedules; one that cannot be stored is tried again with all of them."""

        def prepare(settings: Settings) -> Callable[[], None]:
            fresh = schedules(settings, self.services.commands, self.services.runbooks)

            def put() -> None:
                self.wanted = fresh
                self.sync()

            return put

        return Swapper(sections=("schedules", *_OF_ALARMS), prepare=prepare)

    def sync(self) -> None:
        """Add what is new, change what differs, remove what is gone; raises StoreError, and may be called again."""
        store = self.services.schedules
        known = {one.name: one for one in store.all()}
        names = {one.name for one in self.wanted}
        for wanted in self.wanted:
            self._put(wanted, known.get(wanted.name))
        for name, one in known.items():
            if one.kept is Kept.SETTINGS and name not in names:
                store.remove(name, self._event(REMOVED, one, say("It is not in the settings any more.")))
                call_off(one, self.services, _BY)

    def _put(self, wanted: Schedule, before: Schedule | None) -> None:
        now = self.services.clock()
        fresh = replace(
            wanted,
            channel=wanted.channel or self.services.alarm_channel or None,
            language=self.services.people.otherwise,
            when=replace(wanted.when, anchor=now) if wanted.when.every else wanted.when,
            created_at=now,
            dealt_with_at=now,
        )
        store = self.services.schedules
        if before is None:
            store.put(fresh, self._event(ADDED, fresh, say("It is new in the settings.")))
            return
        if fresh.when.means(before.when):  # an interval is counted from where it was counted from
            fresh = replace(fresh, when=before.when, dealt_with_at=before.dealt_with_at)
        fresh = replace(fresh, created_at=before.created_at, revision=before.revision)
        if replace(fresh, suspended=before.suspended, owner=before.owner) == before and (
            fresh.owner.id == before.owner.id
        ):
            return
        if fresh.is_on and not before.is_on:  # as `resume` does it: what was due meanwhile is not made up for
            fresh = replace(fresh, dealt_with_at=now)
        said = say("It was changed in the settings.")
        if before.kept is not Kept.SETTINGS:
            said = say(
                "The settings took it over from {who}; it was `{line}`, {when}.",
                who=before.owner.name,
                line=before.line,
                when=before.when.text,
            )
            _log.warning("schedule %s: %s", before.name, said)
        store.put(fresh, self._event(CHANGED, fresh, said))
        if not fresh.is_on:
            call_off(fresh, self.services, _BY)

    def _event(self, kind: str, schedule: Schedule, detail: str) -> AuditEvent:
        inner = about(schedule, quietly(self.services))
        return AuditEvent(
            run_id="",
            kind=kind,
            at=self.services.clock(),
            actor=_BY,
            origin=Origin.CLI,
            channel=None,
            command=None,
            line=schedule.line,
            host=inner.host,
            targets=tuple(target for target in inner.targets if target != "*"),
            detail=detail,
            facts=schedule.facts,
        )
