"""`snapshots [CONTAINER]`: the images on a host that were made by `snapshot`, and the backups that go with them."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.kinds import ContainerName, Count, HostName
from bot.language import later, say, say_count
from bot.model import Reply, Right, Table, Value
from bot.operations.snapshotlabels import Snapshot
from bot.operations.snapshots import listed
from bot.services import Services

_COLUMNS = ("snapshot", "reference", "container", "host", "made_at", "size_bytes", "by", "backups", "note")


@dataclass(frozen=True)
class Arguments:
    """What `snapshots` takes."""

    container: ContainerName | None = arg("only this container’s", default=None, positional=True)
    host: HostName | None = arg("the Docker host that has the images", default=None)
    limit: Count = arg("how many at most", default=Count("20"))


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:  # noqa: ARG001
    engine = services.engine(arguments.host)
    found = [one for one in listed(engine) if arguments.container in (None, one.facts.container)]
    shown = found[: int(arguments.limit)]
    text = say_count("1 snapshot", "{number} snapshots", len(found))
    of = (
        later("{snapshots} of {container} on host {host}")
        if arguments.container
        else later("{snapshots} on host {host}")
    )
    text = say(of, snapshots=text, container=arguments.container, host=engine.host)
    if len(shown) < len(found):
        text = say("{snapshots}, the newest {count} are shown", snapshots=text, count=len(shown))
    backups: dict[str, list[str]] = {}
    for backup in services.archive.backups():
        backups.setdefault(backup.manifest.run_id, []).append(backup.volume)
    rows = tuple(_row(one, backups.get(one.id, [])) for one in shown)
    return Reply(text=f"{text}.", table=Table(columns=_COLUMNS, rows=rows) if rows else None)


def _row(snapshot: Snapshot, volumes: list[str]) -> tuple[Value, ...]:
    facts = snapshot.facts
    return (
        snapshot.id,
        snapshot.reference,
        facts.container,
        facts.host,
        facts.made_at,
        snapshot.image.size_bytes,
        facts.by,
        ", ".join(sorted(volumes)),
        snapshot.image.message,
    )


COMMAND = Command(
    name="snapshots",
    summary=later("List the snapshots on a host"),
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("snapshots", "snapshots web"),
)
