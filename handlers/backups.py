"""`backups`: what the archive holds, newest first."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.kinds import Count, HostName, VolumeName
from bot.model import Reply, Right, Table
from bot.services import Services


@dataclass(frozen=True)
class Arguments:
    """What `backups` takes."""

    volume: VolumeName | None = arg("only this volume’s", default=None, positional=True)
    host: HostName | None = arg("only this host’s", default=None)
    limit: Count = arg("how many at most", default=Count("20"))


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:  # noqa: ARG001
    found = services.archive.backups(arguments.host, arguments.volume)
    damaged = services.archive.damaged(arguments.host, arguments.volume)
    shown = found[: int(arguments.limit)]
    text = f"{len(found)} backups" if len(found) != 1 else "1 backup"
    text += f", the newest {len(shown)} are shown." if len(shown) < len(found) else "."
    if damaged:
        listed = "; ".join(f"{item.path.name}: {item.reason}" for item in damaged[:3])
        text += f" {len(damaged)} damaged and not counted: {listed}."
    rows = tuple(
        (
            backup.manifest.run_id,
            backup.volume,
            backup.host,
            backup.manifest.started_at.isoformat(),
            backup.manifest.raw.bytes,
            backup.manifest.stored.bytes,
            backup.manifest.outcome,
            backup.manifest.actor.name,
        )
        for backup in shown
    )
    columns = ("backup", "volume", "host", "taken_at", "raw_bytes", "stored_bytes", "outcome", "by")
    return Reply(text=text, table=Table(columns=columns, rows=rows) if rows else None)


COMMAND = Command(
    name="backups",
    summary="List the backups in the archive",
    right=Right.VIEW,
    arguments=Arguments,
    run=_run,
    examples=("backups", "backups pgdata"),
)
