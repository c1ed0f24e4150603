"""Clone: a container like the one that a snapshot was made of, on volumes that were restored and proven for it alone.

Must not know who asked for it; never touches the original, nor its volumes unless the plan shares them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from bot.engine import Container, Engine, Mount, Storage
from bot.engine.snapshot_contract import SNAPSHOT_LABEL, Clone
from bot.errors import EngineError
from bot.language import say, say_count
from bot.model import Reply, Status
from bot.operations.cloneplan import ClonePlan
from bot.operations.context import REMOVE_CLONE, RunContext
from bot.operations.restore import Restored, RestorePlan, restore_part
from bot.reasons import Reason
from bot.stores.archive import Archive

_ANONYMOUS = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Cloned:
    """What came of it."""

    container: Container
    restored: tuple[Restored, ...]


def clone(engine: Engine, archive: Archive, run: RunContext, plan: ClonePlan) -> Cloned:
    """Restore the volumes, make the container, start it, look at it again. On any error nothing of it is left.

    Raises Conflict when a name is taken, NotFound when the image or a shared mount is gone, EngineError when Docker
    cannot start it or made something else, and what `restore_part` raises.
    """
    run.check()
    plan.refuse_taken(engine)
    with run.undoable(REMOVE_CLONE, name=plan.name, run=run.run_id, volumes=" ".join(plan.volumes)) as step:
        restored = tuple(
            restore_part(engine, archive, run, RestorePlan(backup=backup, into=into))
            for into, backup in plan.volumes.items()
        )
        run.check()
        run.progress(say("starting {container}", container=plan.name))
        made = engine.run_clone(
            Clone(
                name=plan.name,
                image=plan.snapshot.image.id,
                configuration=plan.snapshot.facts.configuration,
                run_id=run.run_id,
                mounts=plan.mounts,
                labels={SNAPSHOT_LABEL: plan.snapshot.id},
            )
        )
        container = engine.container(made.id)
        _refuse_different(container, plan.mounts)
        run.check()
        step.keep()
    return Cloned(container=container, restored=restored)


def reply_of_clone(done: Cloned, plan: ClonePlan, host: str) -> Reply:
    """PARTIAL when it does not run, or when a backup that it was given is partial."""
    told, problems = [], [one for one in done.restored if not one.backup.is_ok]
    if done.restored:
        volumes = ", ".join(one.volume for one in done.restored)
        told.append(
            say(
                "What its new volumes hold was read back and is the same, entry by entry: {volumes}.",
                volumes=volumes,
            )
        )
    told += [
        say_count(
            "The backup in {volume} is partial: it names 1 file that is not in it as it was.",
            "The backup in {volume} is partial: it names {number} files that are not in it as they were.",
            one.backup.manifest.problems.count,
            volume=one.volume,
        )
        for one in problems
    ]
    told += [
        say("Not put back into {volume}: {losses}.", volume=one.volume, losses="; ".join(one.losses))
        for one in done.restored
        if one.losses
    ]
    made = _told(done.container, plan.snapshot.id, host)
    return Reply(
        text=" ".join((made.text, *told, *plan.remarks)),
        facts={**plan.facts, **made.facts},
        status=Status.PARTIAL if problems else made.status,
    )


def clone_after_crash(engine: Engine, run_id: str) -> Reply | None:
    """The result as far as it is known after the bot died; None unless the run’s clone was proven and kept."""
    container = engine.clone_of(run_id)
    if container is None:
        return None
    made = _told(container, container.labels.get(SNAPSHOT_LABEL, ""), engine.host)
    return Reply(
        text=" ".join((made.text, say("The bot was stopped just after that."))),
        facts=made.facts,
        status=made.status,
    )


def _told(container: Container, snapshot: str, host: str) -> Reply:
    runs = container.state == "running"
    if runs:
        text = say(
            "Container {container} is made from snapshot {snapshot}, configured as the original was, and runs.",
            container=container.name,
            snapshot=snapshot,
        )
    else:
        text = say(
            "Container {container} is made from snapshot {snapshot}, configured as the original was, and was started, "
            "but is {state} now; its log may say why.",
            container=container.name,
            snapshot=snapshot,
            state=container.state,
        )
    return Reply(
        text=text,
        facts={"container": container.name, "snapshot": snapshot, "state": container.state, "host": host},
        status=Status.SUCCEEDED if runs else Status.PARTIAL,
    )


def _refuse_different(container: Container, wanted: Mapping[str, Storage]) -> None:
    """Docker makes volumes of its own for the places that the image declares; anything else would be wrong."""
    found = {mount.destination: mount.storage for mount in container.mounts}
    is_lacking = any(found.get(place) != storage for place, storage in wanted.items())
    unwanted = (one for one in container.mounts if one.destination not in wanted)
    if is_lacking or any(not _is_of_the_image(mount) for mount in unwanted):
        raise EngineError(
            say(
                "Docker made {container}, but it does not mount what it was told to. It and its new volumes are "
                "removed again. Look at the host.",
                container=container.name,
            ),
            reason=Reason.DIFFERS,
        )


def _is_of_the_image(mount: Mount) -> bool:
    """A volume without a name of its own, or memory: nothing that anybody else has."""
    return mount.kind == "tmpfs" or (mount.kind == "volume" and bool(_ANONYMOUS.fullmatch(mount.source)))
