"""`why COMMAND [TARGET]`: whether somebody may use a command on something from here, and which role says so."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.command import Command, arg, find, parameters
from bot.context import RunContext
from bot.kinds import CommandName, HostName, TargetName, UserId
from bot.language import later, say
from bot.model import Actor, Origin, Reply, Right, Table
from bot.permissions import Explanation, Part, Request, Role
from bot.services import Services

_COLUMNS = ("role", *(part.value for part in Part))
_KINDS = {"CONTAINER": "container", "IMAGE": "image", "REPOSITORY": "image", "BUILD": "build"}
"""What a plain name is of, by what the command's first argument is called; of all others it is a volume."""

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
    may = "may" if found.is_allowed else say("may not")
    about = ", ".join(
        (
            *request.targets,
            *((say("host {request_host}", request_host=request.host),) if request.host else ()),
        )
    )
    on = say(" on {about}", about=about) if about else ""
    rows = tuple((role.name, *_cells(role, missed)) for role, missed in found.roles)
    return Reply(
        text=say(
            "{user} {may} use `{command}`{on} from here: {request}",
            user=arguments.user or "You",
            may=may,
            command=request.command.name,
            on=on,
            request=_reason(request, found),
        ),
        table=Table(columns=_COLUMNS, rows=rows) if rows and found.needs_role else None,
    )


def _request(arguments: Arguments, services: Services, run: RunContext) -> Request:
    command = find(services.commands, [arguments.command])
    target, host = arguments.target, None
    if target is not None and target.partition(":")[0] not in _TARGETS:
        first = next((getattr(one.kind, "noun", "") for one in parameters(command)), "")
        target = TargetName(f"{_KINDS.get(first, 'volume')}:{target}")
    if command.is_about_a_host:
        host = (
            arguments.host or services.default_host
        )  # whether there is such a host is not everybody's business
    request = run.request(command, (target,) if target else (), host=host)
    if arguments.user is None:
        return request
    return replace(request, actor=Actor(id=arguments.user, name=arguments.user), origin=Origin.SLACK)


def _reason(request: Request, found: Explanation) -> str:
    if request.command.right is Right.NONE:
        return say("everybody may.")
    if not found.needs_role:
        return say("whoever has a shell here is an administrator.")
    if found.granted_by:
        return say("granted by {granted_by}.", granted_by=", ".join(role.name for role in found.granted_by))
    have = ", ".join(found.have_command)
    others = (
        say("Roles that have `{command}`: {have}.", command=request.command.name, have=have)
        if have
        else say("No role has it.")
    )
    first = (
        say("none of the roles below matches all of it")
        if found.roles
        else say("there is no role to grant it")
    )
    return say(
        "{first}. {others} Whoever keeps shipkeeper's settings can change that.", first=first, others=others
    )


def _cells(role: Role, missed: tuple[Part, ...]) -> tuple[str, ...]:
    """Of each part whether the role matches it, and if not, what it matches instead."""
    matches = {
        Part.COMMAND: role.commands or (say("right {right}", right=role.right.value),),
        Part.TARGET: role.targets,
        Part.CHANNEL: role.channels,
        Part.HOST: role.hosts,
    }
    return tuple(
        say("no, only {matches}", matches=", ".join(matches[part]) or "none") if part in missed else "yes"
        for part in Part
    )


COMMAND = Command(
    name="why",
    summary=later("Explain whether you may use a command on something, and which role decides it"),
    right=Right.VIEW,
    arguments=Arguments,
    right_for=_right,
    run=_run,
    examples=(later("why backup pgdata"), later("why restore volume:pgdata --user U024BE7LH")),
)
