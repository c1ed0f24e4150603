"""`audit`: what happened and who did it, whether the record is whole, and a copy of it that verifies elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.auditfile import FORMATS
from bot.command import Command, arg
from bot.commandline import split
from bot.context import RunContext
from bot.errors import UsageError
from bot.kinds import CommandName, Count, Day, HostName, PageNumber, RunId, TargetName, Text, VolumeName
from bot.language import later, say
from bot.model import Reply, Right, Status
from bot.operations.auditlog import Export, day, exported, listed, verified
from bot.services import Services
from bot.stores.auditfilter import Filter

_ENDINGS = tuple(status.value for status in Status if status.is_ending)


@dataclass(frozen=True)
class Arguments:
    """What `audit` takes."""

    action: str = arg(
        "whether to list, to verify the whole log, or to export it",
        default="list",
        choices=("list", "verify", "export"),
        positional=True,
    )
    volume: VolumeName | None = arg("only what touched this volume", default=None)
    run: RunId | None = arg("only this run", default=None)
    by: Text | None = arg("only what this person did, by id or name", default=None)
    command: CommandName | None = arg("only this command", default=None)
    target: TargetName | None = arg("only what touched this, such as container:web", default=None)
    host_: HostName | None = arg("only on this Docker host", default=None)
    since: Day | None = arg("only from this day on (UTC)", default=None)
    until: Day | None = arg("only up to this day, with it (UTC)", default=None)
    ending: str | None = arg("only runs that ended so", default=None, choices=_ENDINGS)
    calls: bool = arg("list every call to Docker, too", default=False)
    format: str = arg("how to export", default=FORMATS[0], choices=FORMATS)
    head: Text | None = arg("a published head to verify against, as SEQ:HASH", default=None)
    limit: Count = arg("how many entries on a page", default=Count("20"))
    page: PageNumber = arg("which page", default=PageNumber("1"))


def _filter(arguments: Arguments) -> Filter:
    if arguments.volume and arguments.target:
        raise UsageError(say("--volume and --target exclude each other. Nothing was changed."))
    return Filter(
        by=arguments.by,
        command=arguments.command,
        target=f"volume:{arguments.volume}" if arguments.volume else arguments.target,
        host=arguments.host_,
        since=day(arguments.since),
        until=day(arguments.until, behind=True),
        ending=arguments.ending,
        run_id=arguments.run,
    )


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    wanted = _filter(arguments)
    if arguments.action == "verify":
        return verified(services.audit, services.heads, arguments.head, run.check)
    services.refuse_unaudited(wanted, run.request(COMMAND))
    if arguments.action == "export":
        made = Export(
            wanted=wanted,
            form=arguments.format,
            run_id=run.run_id,
            asked=run.invocation,
            at=services.clock(),
        )
        return exported(services.audit, services.outgoing, made, run.check)
    if not (arguments.calls or arguments.run):
        wanted = replace(wanted, without="docker")
    words = split(run.invocation.line)
    return listed(services.audit, wanted, limit=arguments.limit, number=arguments.page, words=words)


COMMAND = Command(
    name="audit",
    summary=later("Show who did what, verify the record, or export it"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("audit --volume pgdata", "audit --by ann --since 2027-01-31", "audit verify", "audit export"),
    slash=True,
)
