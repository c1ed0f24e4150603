"""`backup VOLUME`: a volume's bytes into the archive, proven complete or not called done."""

from __future__ import annotations

from dataclasses import dataclass

from bot.command import Command, arg
from bot.context import RunContext
from bot.errors import Conflict
from bot.kinds import HostName, Text, VolumeName
from bot.model import Button, Plan, Reply, Right
from bot.operations.backup import Quiesce, back_up, plan
from bot.services import Services
from bot.stores.archive import Backup


@dataclass(frozen=True)
class Arguments:
    """What `backup` takes."""

    volume: VolumeName = arg("the volume to back up")
    quiesce: str = arg(
        "what its running containers do meanwhile", default="none", choices=("none", "pause", "stop")
    )
    note: Text = arg("why, kept in the manifest", default=Text(""))
    host: HostName | None = arg("the Docker host", default=None)
    wait: bool = arg("queue behind whoever holds the volume", default=False)


def _plan(arguments: Arguments, services: Services) -> Plan:
    made = plan(services.engine(arguments.host), arguments.volume, Quiesce(arguments.quiesce))
    disturbed = ", ".join(container.name for container in made.disturbed)
    # A user that does not run now may be asleep for another run, which wakes it: hold every one of them.
    held = made.users if made.quiesce is not Quiesce.NONE else ()
    meanwhile = f", with {disturbed} {_MEANWHILE[made.quiesce]} while it is read" if disturbed else ""
    return Plan(
        text=f"Back up volume {arguments.volume}{meanwhile}.",
        targets=(f"volume:{arguments.volume}", *(f"container:{user.name}" for user in held)),
        steps=("copy", "read back", "publish"),
    )


_MEANWHILE = {Quiesce.NONE: "running", Quiesce.PAUSE: "paused", Quiesce.STOP: "stopped"}


def _run(arguments: Arguments, services: Services, run: RunContext) -> Reply:
    engine = services.engine(arguments.host)
    made = plan(engine, arguments.volume, Quiesce(arguments.quiesce))
    held = services.runs.get(run.run_id).plan
    if not {f"container:{user.name}" for user in made.disturbed} <= set(held.targets if held else ()):
        raise Conflict(
            f"A container that uses volume {arguments.volume} was started since this run began, and is not held by "
            "it. Nothing was paused, stopped or saved. Ask for the backup again."
        )
    return _reply(back_up(engine, services.archive, run, made, arguments.note))


def _done(run_id: str, services: Services) -> Reply | None:
    found = [backup for backup in services.archive.backups() if backup.manifest.run_id == run_id]
    return _reply(found[0]) if found else None


def _reply(backup: Backup) -> Reply:
    manifest = backup.manifest
    return Reply(
        text=f"Volume {backup.volume} is backed up and proven: the archive is whole to its end, every entry is "
        "hashed, and the stored bytes were read back.",
        facts={
            "backup": backup.id,
            "volume": backup.volume,
            "host": backup.host,
            "entries": manifest.entries.count,
            "raw_bytes": manifest.raw.bytes,
            "stored_bytes": manifest.stored.bytes,
            "sha256": manifest.stored.sha256,
            "file": str(backup.files.tar),
            "manifest": str(backup.files.manifest),
            "not_kept": ", ".join(manifest.lost),
        },
        buttons=(
            Button(label="Verify", line=f"verify {manifest.run_id}"),
            Button(label="Restore a copy", line=f"restore {manifest.run_id}"),
        ),
    )


COMMAND = Command(
    name="backup",
    summary="Back up a volume, and prove that the backup is whole",
    right=Right.OPERATE,
    arguments=Arguments,
    targets=lambda arguments, services: (f"volume:{arguments.volume}",),  # noqa: ARG005
    plan=_plan,
    run=_run,
    done=_done,
    examples=("backup pgdata", "backup pgdata --quiesce pause", 'backup pgdata --note "before the upgrade"'),
    slash=True,
)
