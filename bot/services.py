"""The built rooms that a handler may use. A frozen dataclass is all the injection there is."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from bot import words
from bot.alarmrules import Taken
from bot.approvals.breakglass import BreakGlass
from bot.approvals.deciding import Approvals
from bot.command import Command
from bot.doctor import Finding
from bot.engine import Engine
from bot.errors import BotError, Conflict, NotFound, PermissionDenied, UsageError
from bot.language import say
from bot.model import Actor, Invocation, Right
from bot.operations.build import BuildRule
from bot.operations.context import REMOVE_SNAPSHOT
from bot.operations.drill import DrillRule
from bot.operations.fetching import Uploads
from bot.operations.quiesce import QuiescePolicy
from bot.operations.registries import Registries
from bot.operations.retention import Retention
from bot.operations.runbooks import Runbook
from bot.operations.snapshotplan import Naming
from bot.pace import Pace
from bot.parsing import arguments_of
from bot.people import Directory, language_of
from bot.permissions import Policy, Request
from bot.stores.alarms import AlarmStore
from bot.stores.archive import Archive
from bot.stores.audit import Audit
from bot.stores.auditfilter import Filter
from bot.stores.heads import Heads
from bot.stores.journal import Noted
from bot.stores.outgoing import Outgoing
from bot.stores.runrow import Run
from bot.stores.runs import Runs
from bot.stores.schedules import Schedules


@dataclass(frozen=True, kw_only=True)
class Services:
    """What `app.build` made, for handlers."""

    engines: Mapping[str, Engine]
    default_host: str
    archive: Archive
    outgoing: Outgoing
    runs: Runs
    audit: Audit
    heads: Heads
    schedules: Schedules
    alarms: AlarmStore
    alarm_rules: Taken
    policy: Policy
    pace: Pace
    approvals: Approvals
    break_glass: BreakGlass
    commands: Mapping[str, Command]
    cancel: Callable[[Run, Actor], Run]
    kept: Callable[[str, str], Mapping[str, str] | None]
    """The same, with the arguments that were written down."""
    noted: Callable[[str], tuple[Noted, ...]]
    """What a run wrote down that it could take back."""
    uploads: Uploads
    copy_bytes: int
    """So much is copied into and out of containers at most."""
    quiesce: QuiescePolicy
    retention: Retention
    drills: Mapping[str, DrillRule]
    runbooks: Mapping[str, Runbook]
    registries: Registries
    builds: Mapping[str, BuildRule]
    snapshots: Naming
    people: Directory
    doctor: Callable[[], tuple[Finding, ...]]
    """Looks at everything that the bot needs; takes some seconds."""
    clock: Callable[[], datetime]

    @property
    def alarm_channel(self) -> str:
        """Where alarms are told, and what nobody gave a channel of its own; empty if nowhere."""
        return self.alarm_rules.rules.channel

    def language_of(self, invocation: Invocation) -> str:
        """The language that it is answered in; may ask Slack what whoever asked reads."""
        if invocation.language is not None:
            return invocation.language
        return language_of(self.people, invocation.actor.id) if invocation.place else self.people.otherwise

    def run_of(self, run_id: str, by: Invocation, policy: Policy | None = None) -> Run:
        """The run, if whoever asks may meddle with it: everybody with their own, others who may start the same.

        Another `policy` may be given, as one that asks nobody. Raises NotFound, PermissionDenied.
        """
        run = self.runs.get(run_id)
        if not self.may_meddle(run, by, policy):
            command = self.commands.get(run.command or "")
            raise PermissionDenied(
                say(
                    "Run {run_id} is not yours, and you may not use {command} there. Nothing was changed.",
                    run_id=run.id,
                    command=f"`{command.name}`" if command else say("what it says"),
                )
            )
        return run

    def may_meddle(self, run: Run, by: Invocation, policy: Policy | None = None) -> bool:
        """Whether whoever asks may meddle with that run, as `run_of` says.

        Of a run without a plan it is not known what it is about, and a look was answered privately: that is for those
        who may do the same to everything.
        """
        if run.invocation.actor.id == by.actor.id:
            return True
        command = self.commands.get(run.command or "")
        return command is not None and (policy or self.policy).allows(
            Request(
                actor=by.actor,
                origin=by.origin,
                channel=by.place.channel if by.place else None,
                command=replace(command, right=self._right_of(run, command)),
                targets=run.about,
                host=run.host,
            )
        )

    def refuse_unaudited(self, wanted: Filter, request: Request) -> None:
        """Raise PermissionDenied unless whoever asks may see all that the filter keeps of the audit log.

        One's own entries are for everybody, those of a target or a run for who reaches it, the others for who reaches
        everything.
        """
        may, actor = self.policy.judge(request), request.actor.id
        hosts = [wanted.host] if wanted.host else [None, *self.engines]
        if wanted.by == actor or all(may(host, (wanted.target or "*",)) for host in hosts):
            return
        if wanted.run_id:
            run = self.runs.get(wanted.run_id)
            if run.invocation.actor.id == actor or may(run.host, run.about):
                return
        raise PermissionDenied(
            say(
                "Your roles reach only a part of what the audit log tells of. Nothing was shown. Name what they reach, "
                "with --volume, --target or --run, or yourself, with --by {actor}.",
                actor=actor,
            )
        )

    def _right_of(self, run: Run, command: Command) -> Right:
        """What its line needs, which may be more than its command needs; all, where nobody can tell any more."""
        if run.plan is not None and run.plan.right is not None:
            return run.plan.right
        if command.right_for is None:
            return command.right
        try:
            return command.right_for(arguments_of(command, run.invocation.line), self)
        except BotError:
            return Right.ADMIN

    def to_repeat(self, run_id: str, by: Invocation, policy: Policy | None = None) -> Run:
        """The run whose line may be said again; raises as `run_of`, and Conflict while it is at work."""
        run = self.run_of(run_id, by, policy)
        if not run.status.is_ending:
            raise Conflict(
                say(
                    "Run {run_id} is not over yet: it is {status}. Nothing was changed.",
                    run_id=run.id,
                    status=words.status(run.status),
                )
            )
        return run

    def chosen(self, host: str | None, *, everywhere: bool) -> Mapping[str, Engine]:
        """The engines that a list is of: all, or that of one host; raises NotFound, UsageError when both are meant."""
        if everywhere and host:
            raise UsageError(say("--host and --all-hosts exclude each other. Nothing was changed."))
        if everywhere:
            return self.engines
        engine = self.engine(host)
        return {engine.host: engine}

    def was_kept(self, run_id: str, verb: str) -> bool:
        """Whether the run did what that verb of the undo journal would take back, and it is to stay."""
        return self.kept(run_id, verb) is not None

    def made_image(self, run_id: str, image: str) -> bool:
        """Whether that run was a snapshot of ours that came to the image of that id, and to no other."""
        return self.was_kept(run_id, REMOVE_SNAPSHOT) and any(
            run.reply is not None and run.reply.facts.get("image") == image
            for run in self.runs.some({run_id})
        )

    def engine(self, host: str | None) -> Engine:
        """The engine of that host, or of the default one; raises NotFound with the nearest name."""
        name = host or self.default_host
        engine = self.engines.get(name)
        if engine is None:
            near = difflib.get_close_matches(name, list(self.engines), n=1, cutoff=0.5)
            known = ", ".join(sorted(self.engines))
            hint = (
                say("did you mean {name}?", name=near[0]) if near else say("known are {hosts}.", hosts=known)
            )
            raise NotFound(
                say(
                    "There is no host {name} in the settings; {hint} Nothing was changed.",
                    name=name,
                    hint=hint,
                )
            )
        return engine

    def build(self, name: str, *, no_cache: bool = False) -> BuildRule:
        """The build that the settings call so; raises NotFound with the nearest name."""
        rule = self.builds.get(name)
        if rule is None:
            near = difflib.get_close_matches(name, list(self.builds), n=1, cutoff=0.5)
            hint = say("did you mean {name}?", name=near[0]) if near else say("`builds` lists what there is.")
            raise NotFound(
                say(
                    "There is no build {name} in the settings; {hint} Nothing was built.",
                    name=name,
                    hint=hint,
                )
            )
        return replace(rule, recipe=replace(rule.recipe, no_cache=no_cache))
