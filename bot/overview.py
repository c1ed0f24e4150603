"""What goes on and how things stand, as far as one person may see it: for Home pages.

Asks the hosts, the archive and the runs, and the policy about each object. Knows nothing of how it is shown.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from bot.charts.trends import Age, Figures, figures_of
from bot.engine import Engine, Volume
from bot.errors import BotError
from bot.kinds import VolumeName
from bot.language import say
from bot.model import Actor, Button, Invocation, Origin, Right, Status
from bot.operations.ages import Shelf
from bot.operations.holds import target_of, target_of_source
from bot.operations.hostwide import Answers, ask_all
from bot.operations.inventory import Protection, volumes_and_users
from bot.people import Standing
from bot.permissions import Request, Role
from bot.permissions.told import barred
from bot.schedules.alarmseen import visible
from bot.schedules.seen import Foremost, Reach, foremost
from bot.seen import Overview, SeenHost, SeenRequest, SeenRun, SeenVolume
from bot.services import Services
from bot.stores.activity import Activity
from bot.stores.alarms import Alarm
from bot.stores.approvals import APPROVE, DENY
from bot.stores.archive import Backup
from bot.stores.runrow import Run

_PATIENCE = timedelta(seconds=3)
"""So long a host gets to answer; then the others are shown without it."""
_LATELY = timedelta(days=7)
_TROUBLE = (Status.FAILED, Status.PARTIAL, Status.INTERRUPTED)
_MOST_RUNS = 200
_MOST_TROUBLED = 5
_MOST_SCHEDULES = 5

Volumes = tuple[tuple[Volume, tuple[str, ...]], ...]


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What hosts and archive hold, whoever may see it: volumes with their users, and backups, newest first.

    `ages` are in whole hours: a picture of them is the same until one is an hour older.
    """

    volumes: Mapping[str, Volumes]
    refused: Mapping[str, BotError]
    backups: tuple[Backup, ...]
    protection: Mapping[str, Protection]
    ages: tuple[Age, ...]


@dataclass(frozen=True, kw_only=True)
class _Sight:
    """What of a survey one person may see, whatever is at work just now."""

    survey: Survey
    roles: tuple[Role, ...]
    hosts: tuple[SeenHost, ...]
    figures: Figures


class Overviews:
    """Looks at everything once, and picks out what each person may see. For one thread."""

    def __init__(self, services: Services, activity: Activity) -> None:
        self._services = services
        self._activity = activity
        self._sights: dict[str, _Sight] = {}

    def survey(self) -> Survey:
        """Ask all hosts, side by side, and read the archive; raises ArchiveError when that cannot be read."""
        answers = _asked(self._services.engines)
        archive = self._services.archive
        backups = archive.backups()
        hosts = {backup.host for backup in backups}
        return Survey(
            volumes=answers.given,
            refused=answers.refused,
            backups=backups,
            protection={
                host: Protection.among((one for one in backups if one.host == host), archive)
                for host in hosts
            },
            ages=self._ages(backups, answers.given),
        )

    def _ages(self, backups: tuple[Backup, ...], given: Mapping[str, Volumes]) -> tuple[Age, ...]:
        services = self._services
        labels = {(host, one.name): one.labels for host, found in given.items() for one, _ in found}
        shelf = Shelf(archive=services.archive, rules=services.alarm_rules.rules, now=services.clock())
        return tuple(age.in_whole_hours for age in shelf.ages(backups, labels))

    def of(self, user: str, survey: Survey) -> Overview:
        """What that person may see now. The policy is asked about the things of a survey once a person and role."""
        eyes = _Eyes(self._services, self._activity, Actor(id=user, name=user))
        sight = self._sights.get(user)
        roles = self._services.policy.roles_of(eyes.actor)
        if sight is None or sight.survey is not survey or sight.roles != roles:
            self._sights = {name: one for name, one in self._sights.items() if one.survey is survey}
            sight = self._sights[user] = eyes.sight(survey, roles)
        return eyes.overview(sight)


def _asked(engines: Mapping[str, Engine]) -> Answers[Volumes]:
    try:
        return ask_all(engines, volumes_and_users, _PATIENCE)
    except BotError as error:  # the only one is away, which is what people want to see
        return Answers(refused=dict.fromkeys(engines, error))


@dataclass(frozen=True)
class _Eyes:
    """One person's eyes: asks the policy about each thing before it is seen."""

    services: Services
    activity: Activity
    actor: Actor

    def sight(self, survey: Survey, roles: tuple[Role, ...]) -> _Sight:
        """What of the survey they may see."""
        may = partial(self._may, "backups")
        figures = figures_of(
            (one for one in survey.backups if may(one.host, target_of(one))),
            (one for one in survey.ages if may(one.host, target_of_source(one.source))),
        )
        return _Sight(survey=survey, roles=roles, hosts=tuple(self._hosts(survey)), figures=figures)

    def overview(self, sight: _Sight) -> Overview:
        """That, and what is at work and went wrong."""
        runs = self.activity.at_work(_MOST_RUNS)
        since = self.services.clock() - _LATELY
        troubled = (run for run in self.activity.troubled(_TROUBLE, since, _MOST_RUNS) if self._sees(run))
        commands = self.services.commands.values()
        person = self.services.policy.person(self.actor)
        return Overview(
            actor=self.actor,
            is_new=not self.services.runs.newest(limit=1, actor=self.actor.id),
            has_role=bool(sight.roles),
            may=tuple(c.name for c in commands if c.right is not Right.NONE and self._may(c.name)),
            requests=tuple(self._requests()),
            alarms=self._alarms(),
            barred=barred(person) if person.standing is Standing.BARRED else "",
            at_work=tuple(SeenRun(run=run, cancel=self._cancel(run)) for run in runs if self._sees(run)),
            troubled=tuple(troubled)[:_MOST_TROUBLED],
            schedules=self._schedules(),
            hosts=tuple(_with_work(host, runs) for host in sight.hosts),
            figures=sight.figures,
        )

    def _requests(self) -> Iterable[SeenRequest]:
        """Whoever has a rule's role, and may say so at all; both are asked again when a button is pressed."""
        if not self._may(APPROVE):
            return
        for asked in self.services.approvals.waiting_for(self.actor):
            yield SeenRequest(
                run=self.services.runs.get(asked.run_id),
                asked=asked,
                approve=Button(label=say("Approve"), line=f"{APPROVE} {asked.run_id}"),
                deny=Button(label=say("Deny"), line=f"{DENY} {asked.run_id}", danger=True),
            )

    def _alarms(self) -> tuple[Alarm, ...]:
        """The same that `alarms` lists."""
        if not self._may("alarms"):
            return ()
        found = self.services.alarms.open()
        return visible(found, self.services, self._reach, lambda host, of: self._may("alarms", host, *of))

    def _schedules(self) -> Foremost:
        """The same that `schedules` lists, which says more."""
        if not self._may("schedules"):
            return Foremost()
        return foremost(self._reach, self.services, _MOST_SCHEDULES)

    @property
    def _reach(self) -> Reach:
        return Reach(self.services, self.actor, Origin.SLACK, None)

    def _may(self, command: str, host: str | None = None, *targets: str) -> bool:
        known = self.services.commands.get(command)
        return known is not None and self.services.policy.allows(
            Request(
                actor=self.actor,
                origin=Origin.SLACK,
                channel=None,
                command=known,
                targets=targets,
                host=host,
            )
        )

    def _sees(self, run: Run) -> bool:
        """Who may list runs sees those about what they reach; who may still do the same sees their own."""
        if self._may("runs", run.host, *run.about):
            return True
        own = run.about if run.plan else ()
        return run.invocation.actor.id == self.actor.id and self._may(run.command or "", run.host, *own)

    def _cancel(self, run: Run) -> Button | None:
        """The same rule as that of `cancel`, which is asked again when the button is pressed."""
        line = f"cancel {run.id}"
        asked = Invocation(line=line, actor=self.actor, origin=Origin.SLACK, at=self.services.clock())
        may = self._may("cancel") and self.services.may_meddle(run, asked)
        if not may or run.cancel_requested_by is not None:
            return None
        return Button(label=say("Cancel"), line=line, danger=True)

    def _hosts(self, survey: Survey) -> Iterable[SeenHost]:
        for name in self.services.engines:
            if name in survey.refused:
                if self._may("backups", name):
                    yield SeenHost(name=name, trouble=str(survey.refused[name]))
                continue
            seen = [
                one for one in survey.volumes[name] if self._may("backups", name, f"volume:{one[0].name}")
            ]
            newest = survey.protection.get(name, Protection()).newest
            found = [self._volume(name, one, newest.get(one[0].name)) for one in seen]
            if found:
                yield SeenHost(name=name, volumes=tuple(sorted(found, key=_worst_first)))

    def _volume(self, host: str, found: tuple[Volume, tuple[str, ...]], backup: Backup | None) -> SeenVolume:
        name = found[0].name
        may = (
            backup is None
            and VolumeName.shape.fullmatch(name)
            and self._may("backup", host, f"volume:{name}")
        )
        on = ["--host", host] if len(self.services.engines) > 1 else []
        return SeenVolume(
            name=name,
            users=tuple(user for user in found[1] if self._may("backups", host, f"container:{user}")),
            backed_up_at=backup.manifest.started_at if backup else None,
            is_at_work=False,
            back_up=Button(label=say("Back up"), line=shlex.join(["backup", name, *on])) if may else None,
        )


def _with_work(host: SeenHost, runs: tuple[Run, ...]) -> SeenHost:
    """Without a button for what is being worked on, or was asked for already."""
    there = [run for run in runs if run.host == host.name and run.status is not Status.WAITING]
    held = {target for run in there if run.plan for target in run.plan.targets}
    asked = {run.invocation.line for run in runs}

    def is_at_work(volume: SeenVolume) -> bool:
        return f"volume:{volume.name}" in held or (
            volume.back_up is not None and volume.back_up.line in asked
        )

    volumes = (
        replace(volume, is_at_work=True, back_up=None) if is_at_work(volume) else volume
        for volume in host.volumes
    )
    return replace(host, volumes=tuple(volumes)) if held or asked else host


def _worst_first(volume: SeenVolume) -> tuple[object, ...]:
    """Without a backup before with one, in use before unused, old before young."""
    at = volume.backed_up_at
    if at is None:
        return (0, not volume.users, volume.name)
    return (1, at.timestamp(), volume.name)
