"""What the line of a schedule would do, where and for whom, and whether that may be: asked when it is made and changed.

Must not know the timer. The line is asked about as it will be at each run: as its owner's, from where it is told.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from bot.command import Command, parameters
from bot.commandline import split
from bot.context import RunContext
from bot.errors import BotError, PermissionDenied, UsageError
from bot.kinds import BuildName, HostName, RunbookName
from bot.language import say
from bot.misuse import Misused
from bot.model import Actor, Origin, Reply
from bot.operations import runbooks
from bot.parsing import find, parse
from bot.permissions import Request
from bot.services import Services
from bot.stores.audit import AuditEvent
from bot.stores.schedules import Schedule

ADDED, REMOVED = "schedule-added", "schedule-removed"
PAUSED, RESUMED, CHANGED = "schedule-paused", "schedule-resumed", "schedule-changed"
"""What the audit log calls what people do to schedules, and their settings."""

_MOST_LINES = 100
SCHEDULE, BACKUP, PRUNE = "schedule", "backup", "prune"


@dataclass(frozen=True, kw_only=True)
class Inner:
    """The command line of a schedule, understood. `unknown` says why it is not known what it is about, if it is not."""

    line: str
    command: Command
    arguments: Any
    host: str = ""
    targets: tuple[str, ...] = ()
    unknown: str = ""

    def request(self, actor: Actor, origin: Origin, channel: str | None) -> Request:
        """What the policy is asked when that actor wants it from there."""
        about = self.host if self.host and self.command.is_about_a_host else None
        return Request(
            actor=actor,
            origin=origin,
            channel=channel,
            command=self.command,
            targets=self.targets,
            host=about,
        )


def read(words: Sequence[str], commands: Mapping[str, Command]) -> Inner:
    """The words behind when it is due; raises UsageError, also for what no schedule may do. Asks nobody."""
    line = split(words[0]) if len(words) == 1 and " " in words[0] else list(words)
    if not line:
        raise UsageError(
            say(
                "There is no command behind when it is due. Nothing was changed. Write what is to be done then, such "
                "as `schedule nightly daily at 03:00 backup pgdata`."
            )
        )
    if line[0].startswith("-"):
        raise _misplaced(line[0])
    command = find(commands, line)
    try:
        arguments = parse(command, line[1:])
    except Misused as error:
        stray = [word for word in line[1:] if word.partition("=")[0] in _own_flags(commands)]
        if stray:
            raise _misplaced(stray[0]) from error
        # As what it is, one that is missing would offer a form for the wrong command.
        raise Misused(error.sentence, command.usage) from error
    if command.needs_person or (command.personal is not None and command.personal(arguments)):
        raise UsageError(
            say(
                "`{line}` needs somebody who asks for it, so no schedule may carry it out. Nothing was changed.",
                line=shlex.join(line),
            )
        )
    return Inner(line=shlex.join(line), command=command, arguments=arguments)


def _own_flags(commands: Mapping[str, Command]) -> set[str]:
    own = commands.get(SCHEDULE)
    return {one.flag for one in parameters(own) if not one.positional} if own else set()


def _misplaced(word: str) -> UsageError:
    return UsageError(
        say(
            "“{word}” stands behind when it is due. Nothing was changed. Flags of the schedule stand before that, "
            "those of its command behind the command.",
            word=word,
        )
    )


def refuse_idle_prune(inner: Inner, *, prune: bool) -> None:
    """Raise UsageError when there is no backup behind which it could prune."""
    if prune and inner.command.name != BACKUP:
        raise UsageError(
            say(
                "`prune` goes with schedules of `backup` only, and this is one of `{command}`. Nothing was changed.",
                command=inner.command.name,
            )
        )


def aimed(inner: Inner, services: Services) -> Inner:
    """The same with its right, its host and what it is about, as far as that can be found; may ask the host.

    Raises UsageError for what will never be possible.
    """
    command, arguments = inner.command, inner.arguments
    if command.right_for is not None:
        command = replace(command, right=command.right_for(arguments, services))
    named = getattr(arguments, "host", None)
    known = replace(inner, command=command, host=named or services.default_host)
    try:
        if command.host is not None:
            known = replace(known, host=named or "")
            known = replace(known, host=command.host(arguments, services))
        if command.targets is not None:
            known = replace(known, targets=command.targets(arguments, services))
    except (UsageError, PermissionDenied):
        raise
    except BotError as error:
        return replace(known, unknown=str(error))
    return known


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A line that is to be scheduled: whose it would be, where its runs would be told, and whether it prunes."""

    inner: Inner
    owner: Actor
    channel: str | None
    prune: bool = False


def permitted(wish: Wish, services: Services) -> Inner:
    """The line with what it is about, if its owner may have it carried out from there; may ask the host.

    Raises PermissionDenied; of whoever may use the command, NotFound for a name that is not in the settings.
    """
    refuse_idle_prune(wish.inner, prune=wish.prune)
    right_for = wish.inner.command.right_for
    right = right_for(wish.inner.arguments, services) if right_for else wish.inner.command.right
    bare = replace(wish.inner, command=replace(wish.inner.command, right=right))
    _check(bare, wish, services)
    _refuse_unknown_names(wish.inner, services)
    found = aimed(wish.inner, services)
    _check(found, wish, services)
    if wish.prune:
        _check(replace(found, command=services.commands[PRUNE]), wish, services)
    return found


def doubt(inner: Inner, services: Services) -> str:
    """Why it would not even begin if it were due now; empty where it would, or nobody can tell. May ask the host."""
    plan = inner.command.plan
    if plan is None or inner.unknown:
        return ""
    try:
        plan(inner.arguments, services)
    except BotError as error:
        return str(error)
    return ""


def _check(inner: Inner, wish: Wish, services: Services) -> None:
    services.policy.check(inner.request(wish.owner, Origin.SCHEDULE, wish.channel))


def _refuse_unknown_names(inner: Inner, services: Services) -> None:
    """What only the settings can bring is no hope for later."""
    for value in vars(inner.arguments).values():
        if isinstance(value, HostName):
            services.engine(value)
        elif isinstance(value, RunbookName):
            runbooks.find(services.runbooks, value)
        elif isinstance(value, BuildName):
            services.build(value)


# ---- what is written down of it -------------------------------------------------------------------------------


def event_of(kind: str, schedule: Schedule, run: RunContext, detail: str, inner: Inner) -> AuditEvent:
    """The entry of what that run does to the schedule; `detail` is what is said of it."""
    asked = run.invocation
    return AuditEvent(
        run_id=run.run_id,
        kind=kind,
        at=asked.at,
        actor=asked.actor,
        origin=asked.origin,
        channel=asked.place.channel if asked.place else None,
        command=split(asked.line)[0],
        line=asked.line,
        host=inner.host,
        targets=tuple(target for target in inner.targets if target != "*"),
        detail=detail,
        facts=schedule.facts,
    )


def written(run_id: str, kind: str, services: Services) -> AuditEvent | None:
    """What the run wrote down of what it did to a schedule, if it came so far."""
    lines = services.audit.lines(limit=_MOST_LINES, run_id=run_id)
    return next((line.event for line in lines if line.event.kind == kind), None)


def found_done(kind: str) -> Callable[[str, Services], Reply | None]:
    """For a command's `done`: what it said, if it was done."""

    def done(run_id: str, services: Services) -> Reply | None:
        event = written(run_id, kind, services)
        return Reply(text=event.detail, is_aloud=True) if event else None

    return done
