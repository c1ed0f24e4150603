"""Snapshot: a container's own layer and configuration as an image, and its volumes as backups of the same moment.

Must not know who asked for it, nor what becomes of the image afterwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from bot.engine import RUN_LABEL, Engine
from bot.engine.snapshot_contract import SNAPSHOT_LABEL, Commit, SnapshotImage
from bot.errors import BotError, Conflict, EngineError
from bot.language import say
from bot.operations.backup import Backed
from bot.operations.context import REMOVE_SNAPSHOT, RunContext
from bot.operations.downtime import Downtime
from bot.operations.hooks import HookRun
from bot.operations.snapshotlabels import Facts, Snapshot, labels_of, read
from bot.operations.snapshotplan import SnapshotPlan
from bot.operations.snapshots import backups_of
from bot.operations.snapshotundo import how_to_find
from bot.operations.tagging import holder
from bot.operations.together import Group, taken_together
from bot.reasons import Reason
from bot.reference import Reference
from bot.stores.archive import Archive


@dataclass(frozen=True, kw_only=True)
class Making:
    """What the image will be called, with a tag, and the moment that it is of."""

    reference: Reference
    at: datetime


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What came of a snapshot. `notes` say, a sentence each, what is not as it was though the snapshot is made."""

    snapshot: Snapshot
    backed: tuple[Backed, ...]
    seconds: float | None
    hooks: tuple[HookRun, ...] = ()
    notes: tuple[str, ...] = ()


def take(engine: Engine, archive: Archive, run: RunContext, plan: SnapshotPlan, making: Making) -> Taken:
    """Carry the plan out. On any error there is no image, and whoever was put to sleep is awake.

    Raises Conflict when another image has the name or somebody woke the container, EngineError when the image is not
    what it should be, and what `back_up` raises. Backups that were published before an error stay, and it names them.
    """
    run.check()
    refuse_named(engine, making.reference)
    committing = _Committing(engine, run, plan, making)
    group = Group(plans=plan.backups, users=plan.users, sleepers=plan.sleepers, policy=plan.policy)
    with run.undoable(
        REMOVE_SNAPSHOT, run=run.run_id, name=making.reference.familiar, **how_to_find(plan.configuration)
    ) as step:
        try:
            with taken_together(engine, archive, run, group, committing.commit) as together:
                committing.prove()
                backed = together.publish()
            image = _named(engine, run, committing.image, making.reference)
        except BaseException as error:
            if not committing.has_begun:
                step.keep()  # nothing to wait for
            if isinstance(error, BotError):
                _name_backups(archive, run.run_id, error)
            raise
        step.keep()
    downtime = together.taken.downtime
    return Taken(
        snapshot=read(image),
        backed=backed,
        seconds=downtime.seconds if downtime and plan.sleepers else None,
        hooks=tuple(hook for hook in together.taken.hooks if hook.exit_code != 0),
        notes=downtime.notes if downtime else (),
    )


def refuse_named(engine: Engine, reference: Reference) -> None:
    """Raises Conflict when there is an image of that name: Docker would take it from that without a word."""
    if holder(engine, reference):
        raise Conflict(
            say(
                "There is an image {reference} on host {host} already, and a snapshot never takes a name from "
                "another image. Nothing was changed. Name another tag.",
                reference=reference,
                host=engine.host,
            )
        )


class _Committing:
    """The commit, from its first moment, after which the engine may make the image whatever becomes of us."""

    def __init__(self, engine: Engine, run: RunContext, plan: SnapshotPlan, making: Making) -> None:
        self._engine = engine
        self._run = run
        self._plan = plan
        self._making = making
        self.has_begun = False
        self.image = ""

    def commit(self, downtime: Downtime) -> None:
        """Make the image while everybody sleeps; raises Conflict when the container was woken meanwhile."""
        plan = self._plan
        self._run.progress(say("making an image of {container}", container=plan.container.name))

        def check() -> None:
            self._run.check()
            downtime.check()

        check()
        self.has_begun = True
        made = Commit(
            run_id=self._run.run_id,
            author=f"{self._run.actor.name} <{self._run.actor.id}>",
            message=plan.wish.note,
            labels=labels_of(self._facts()),
        )
        self.image = self._engine.commit(plan.container, made, check=check)
        check()
        self._refuse_woken()

    def prove(self) -> None:
        """Look at the image again by its id: it is ours, and the container's layer on the layers it was made on.

        Raises EngineError when it is not.
        """
        found = [image for image in self._engine.snapshots() if image.id == self.image]
        if not found or not self._is_right(found[0]):
            raise EngineError(
                say(
                    "Docker said that the image of {container} is made, but it is not there as it should "
                    "be. What there is of it is removed. Look at the host, then send the command again.",
                    container=self._plan.container.name,
                ),
                reason=Reason.DIFFERS,
            )

    def _is_right(self, image: SnapshotImage) -> bool:
        run_id, before = self._run.run_id, self._plan.configuration
        is_ours = image.labels.get(RUN_LABEL) == image.labels.get(SNAPSHOT_LABEL) == run_id
        is_on_top = image.layers[: len(before.layers)] == before.layers
        is_child = image.parent in ("", before.image)
        return is_ours and is_on_top and is_child and read(image).facts == self._facts()

    def _facts(self) -> Facts:
        plan, actor = self._plan, self._run.actor
        return Facts(
            by=actor.name,
            by_id=actor.id,
            made_at=self._making.at.isoformat(),
            container=plan.container.name,
            host=self._engine.host,
            image=plan.container.image,
            mounts=plan.mounts,
            configuration=plan.configuration.text,
        )

    def _refuse_woken(self) -> None:
        asleep = {one.container.id for one in self._plan.sleepers}
        container = self._plan.container
        if container.id in asleep and self._engine.container(container.id).state == "running":
            raise Conflict(
                say(
                    "While the image of {container} was made, somebody woke or started it, so what is in it may not "
                    "fit together. No image is kept. Send the command again.",
                    container=container.name,
                )
            )


def _named(engine: Engine, run: RunContext, identifier: str, reference: Reference) -> SnapshotImage:
    run.check()
    refuse_named(engine, reference)
    engine.tag(identifier, reference)
    found = [one for one in engine.snapshots() if one.id == identifier and reference.text in one.references]
    if not found:
        raise EngineError(
            say(
                "Docker said that the image is called {reference} now, but it is not. It is removed. Look at the "
                "host, then send the command again.",
                reference=reference,
            ),
            reason=Reason.DIFFERS,
        )
    return found[0]


def _name_backups(archive: Archive, run_id: str, error: BotError) -> None:
    """What was proven is not thrown away."""
    stayed = sorted(backups_of(archive, run_id))
    if stayed:
        error.add_note(
            say(
                "The backups of {volumes} were proven by then and stay, under the id {run_id}.",
                volumes=", ".join(stayed),
                run_id=run_id,
            )
        )
