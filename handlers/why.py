"""`why COMMAND [TARGET]`: whether somebody may use a command on something from here, and which role says so."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.command import Command, arg, parameters
from bot.context import RunContext
from bot.kinds import CommandName, HostName, TargetName, UserId
from bot.language import later, say
from bot.model import Actor, Origin, Reply, Right, Table
from bot.parsing import find
from bot.permissions import Part, Request, Role
from bot.permissions.told import by_which, reason
from bot.services import Services

_COLUMNS = ("role", *(part.value for part in Part))
_KINDS = {"CONTAINER": "container", "IMAGE": "image", "REPOSITORY": "image", "BUILD": "build"}
"""What a plain name is of, by what the command's first argument is called; of all others it is a volume."""

_MAY = later("{user} may use {what} from here: {reason}")
_MAY_NOT = later("{user} may not use {what} from here: {reason}")

_TARGETS = ("volume", "runbook", *_KINDS.values())


@dataclass(frozen=True)
class Arguments:
    """What `why` takes."""

    command: CommandName = arg("the command in question")
    target: TargetName | None = arg("what it would be about", default=None, positional=True)
    user: UserId | None = arg("of this person, which administrators may ask", default=None)
    host: HostName | None = arg("the Docker host", default=None)


def _right(arguments: Arguments, services: Services) -> Right:  # noqa: ARG001
    return Right.ADMIN if arguments.user else Right.VIEW


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    request = _request(arguments, services, run)
    found = services.policy.explain(request)
    about = [*request.targets, *((say("host {host}", host=request.host),) if request.host else ())]
    what = f"`{request.command.name}`"
    if about:
        what = say("{command} on {targets}", command=what, targets=", ".join(about))
    may = _MAY if found.is_allowed else _MAY_NOT
    names = (by_which(role, by) for (role, _), by in zip(found.roles, found.through, strict=True))
    rows = tuple((name, *_cells(*one)) for name, one in zip(names, found.roles, strict=True))
    return Reply(
        text=say(may, user=arguments.user or say("You"), what=what, reason=reason(request, found)),
        table=Table(columns=_COLUMNS, rows=rows) if rows and found.needs_role else None,
    )


def _request(arguments: Arguments, services: Services, run: RunContext) -> Request:
    command = find(services.commands, [arguments.command])
    target, host = arguments.target, None
    if target is not None and target.partition(":")[0] not in _TARGETS:
        first = next((getattr(one.kind, "noun", "") for one in parameters(command)), "")
        target = TargetName(f"{_KINDS.get(first, 'volume')}:{target}")
    if command.is_about_a_host:
        # Whether there is such a host is not everybody's business.
        host = arguments.host or services.default_host
    request = run.request(command, (target,) if target else (), host=host)
    if arguments.user is None:
        return request
    return replace(request, actor=Actor(id=arguments.user, name=arguments.user), origin=Origin.SLACK)


def _cells(role: Role, missed: tuple[Part, ...]) -> tuple[str, ...]:
    """Of each part whether the role matches it, and if not, what it matches instead."""
    own = {
        Part.COMMAND: role.commands or (say("right {right}", right=role.right.value),),
        Part.TARGET: role.targets,
        Part.CHANNEL: role.channels,
        Part.HOST: role.hosts,
    }
    no = {part: say("no, only {names}", names=", ".join(own[part]) or say("none")) for part in missed}
    return tuple(no.get(part, say("yes")) for part in Part)


COMMAND = Command(
    name="why",
    summary=later("Explain whether you may use a command on something, and which role decides it"),
    right=Right.VIEW,
    arguments=Arguments,
    right_for=_right,
    run=_run,
    examples=("why backup pgdata", "why restore volume:pgdata --user U024BE7LH"),
)
