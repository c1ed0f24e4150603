"""The plan of a snapshot: of which container, under which name, who sleeps meanwhile, and which volumes go along.

Looks at the engine and changes nothing; it must not know how the plan is carried out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bot import reference as names
from bot.engine import HELPER_LABEL, Container, Engine, Mount
from bot.engine.snapshot_contract import Configuration
from bot.errors import BotError, Conflict, EngineError, UsageError
from bot.language import later, listed, say
from bot.model import Plan
from bot.operations.backupplan import BackupPlan
from bot.operations.identities import of_downtime
from bot.operations.quiesce import Quiesce, QuiescePolicy, Sleeper, sleepers
from bot.operations.snapshotlabels import Mounted
from bot.operations.sources import Source, resolve, users_of
from bot.reference import Reference

NO_RUN = "00000000"
"""Stands in a name for the run’s id while that is not known yet."""

_NO_REPOSITORY = re.compile(r"[^a-z0-9]+")
_NAMED = 20
_KEPT = {Quiesce.PAUSE: later("{container} paused"), Quiesce.STOP: later("{container} stopped")}


@dataclass(frozen=True, kw_only=True)
class Naming:
    """How snapshots are named unless told otherwise: templates with {container}, {host}, {time} and {run}."""

    repository: str = "snapshots/{container}"
    tag: str = "{time}-{run}"


@dataclass(frozen=True, kw_only=True)
class SnapshotWish:
    """What was asked for; no `quiesce` means what labels say, and else that running containers are paused."""

    container: str
    reference: str = ""
    with_volumes: bool = False
    quiesce: Quiesce | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class SnapshotPlan:
    """What a snapshot will touch. `mounts` are all of the container's, `backups` those that go along."""

    wish: SnapshotWish
    container: Container
    configuration: Configuration
    mounts: tuple[Mounted, ...]
    backups: tuple[BackupPlan, ...]
    users: tuple[Container, ...]
    sleepers: tuple[Sleeper, ...]
    policy: QuiescePolicy
    refusals: tuple[str, ...] = ()
    """Why what could not be backed up cannot be, a sentence each."""

    @property
    def outside(self) -> tuple[Mounted, ...]:
        """What will be neither in the image nor in a backup, though it lies on a disk."""
        return tuple(one for one in self.mounts if not one.backup and one.kind in ("volume", "bind"))

    @property
    def targets(self) -> tuple[str, ...]:
        """What the run must hold."""
        would_run = [replace(user, state="running") for user in (self.container, *self.users)]
        drowsy = [f"container:{one.container.name}" for one in self._drowsy(would_run)]
        theirs = [target for plan in self.backups for target in plan.targets]
        return tuple(dict.fromkeys((f"container:{self.container.name}", *theirs, *drowsy)))

    @property
    def binds(self) -> dict[str, str]:
        """What it was made from, beside its targets."""
        asleep = {one.container.name: one.mode.value for one in self.sleepers}
        users = {f"container:{user.name}": user.id for user in self.users}
        return {**users, **of_downtime(asleep, self.policy.max_downtime)}

    @property
    def steps(self) -> tuple[str, ...]:
        """What a run of it does, in order, to be said to people."""
        down, up = ((later("sleep"),), (later("wake"),)) if self.sleepers else ((), ())
        copied, published = (
            ((later("copy volumes"),), (later("read back"), later("publish"))) if self.backups else ((), ())
        )
        return (*down, later("commit"), *copied, *up, later("look"), *published, later("name"))

    @property
    def text(self) -> str:
        """What will be done, in a few sentences."""
        kept = [say(_KEPT[one.mode], container=one.container.name) for one in self.sleepers]
        told = [
            say(
                "Make an image of container {container}, with {kept} meanwhile.",
                container=self.container.name,
                kept=listed(kept),
            )
            if kept
            else say("Make an image of container {container}.", container=self.container.name)
        ]
        if self.backups:
            told.append(
                say(
                    "Back up {sources} at the same moment.",
                    sources=", ".join(plan.source.words for plan in self.backups),
                )
            )
        return " ".join((*told, *outside_told(self.outside), *self.refusals, *self.warnings))

    @property
    def warnings(self) -> tuple[str, ...]:
        """What goes into the image though nobody may think of it (engine fact 21); names only, never values."""
        found = self.configuration.variables
        if not found:
            return ()
        names, more = ", ".join(found[:_NAMED]), len(found) - _NAMED
        return (
            say(
                "The container’s environment is in the image, with the values of {names}: "
                "whoever can pull it can read them.",
                names=say("{names} and {number} more", names=names, number=more) if more > 0 else names,
            ),
        )

    def _drowsy(self, would_run: Iterable[Container]) -> tuple[Sleeper, ...]:
        try:
            return sleepers(would_run, self.wish.quiesce, self.policy)
        except Conflict:  # one that removes itself when it is stopped, and does not run now
            return self.sleepers


def outside_told(outside: Iterable[Mounted]) -> tuple[str, ...]:
    """A sentence on what is not inside; none when all is."""
    named = ", ".join(one.words for one in outside)
    return (
        (say("Not inside, for an image holds nothing that is mounted: {places}.", places=named),)
        if named
        else ()
    )


def reference_of(naming: Naming, made: SnapshotPlan, where: tuple[str, str, datetime]) -> Reference:
    """The name of the image, made on that host by that run at that time.

    Raises UsageError for one that names a digest, or cannot be a name.
    """
    host, run_id, at = where
    words = {
        "container": _as_repository(made.container.name),
        "host": _as_repository(host),
        "time": at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ"),
        "run": run_id,
    }
    asked = made.wish.reference or naming.repository.format(**words)
    found = names.parse(asked)
    if found.digest:
        raise UsageError(
            say(
                "“{name}” names a digest, which only a registry gives. Nothing was changed. Name repository and tag.",
                name=asked,
            )
        )
    tagged = found if found.tag else replace(found, tag=naming.tag.format(**words))
    return names.parse(tagged.text)


def refuse_unheld(made: SnapshotPlan, held: Plan | None) -> None:
    """Raises Conflict unless all that it touches is held by the run."""
    if not set(made.targets) <= set(held.targets if held else ()):
        raise Conflict(
            say(
                "What {container} mounts, or who uses that, changed since this run began, and is not held by "
                "it. Nothing was paused, stopped or saved. Send the command again.",
                container=made.container.name,
            )
        )


def plan(engine: Engine, wish: SnapshotWish, policy: QuiescePolicy) -> SnapshotPlan:
    """Look, change nothing. Raises NotFound for an unknown container, Conflict for one of our own or an odd label."""
    container = engine.container(wish.container)
    if HELPER_LABEL in container.labels:
        raise Conflict(
            say(
                "{container} is one of shipkeeper’s own helpers. Nothing was changed. Name a container of yours.",
                container=container.name,
            )
        )
    gentle = replace(policy, default=Quiesce.PAUSE)
    refusals: list[str] = []
    found = _sources(engine, container, refusals) if wish.with_volumes else {}
    backups = _backups(engine, found.values(), wish, gentle)
    users = tuple({user.id: user for one in backups for user in one.users}.values())
    everybody = {user.id: user for user in (container, *users)}
    return SnapshotPlan(
        wish=wish,
        container=container,
        configuration=engine.configuration(container),
        mounts=tuple(_mounted(mount, found.get(mount.destination)) for mount in container.mounts),
        backups=backups,
        users=users,
        sleepers=sleepers(everybody.values(), wish.quiesce, gentle),
        policy=gentle,
        refusals=tuple(refusals),
    )


def _sources(engine: Engine, container: Container, refusals: list[str]) -> dict[str, Source]:
    """What can be backed up, by where it is mounted; the reasons why something cannot are added to the refusals."""
    found = {}
    for mount in container.mounts:
        if mount.kind not in ("volume", "bind"):
            continue
        try:
            _refuse_odd(mount)
            name = mount.source if mount.kind == "volume" else f"{container.name}:{mount.destination}"
            found[mount.destination] = resolve(engine, name)
        except EngineError:
            raise
        except BotError as error:
            refusals.append(
                say(
                    "What is mounted at {path} is not backed up: {reason}",
                    path=mount.destination,
                    reason=error,
                )
            )
    return found


def _refuse_odd(mount: Mount) -> None:
    if mount.kind == "bind" and (mount.source == "/" or mount.source.endswith(".sock")):
        raise Conflict(say("it is its whole machine’s root, or a socket."))


def _backups(
    engine: Engine, sources: Iterable[Source], wish: SnapshotWish, policy: QuiescePolicy
) -> tuple[BackupPlan, ...]:
    """Of files, never a dump: what is mounted in a clone must be what the container saw."""
    made = []
    for source in {source.name: source for source in sources}.values():
        users = users_of(engine, source)
        made.append(
            BackupPlan(
                source=source,
                users=users,
                sleepers=sleepers(users, wish.quiesce, policy),
                policy=policy,
                asked=wish.quiesce,
                note=wish.note,
            )
        )
    return tuple(made)


def _mounted(mount: Mount, source: Source | None) -> Mounted:
    return Mounted(
        kind=mount.kind,
        source=mount.source,
        destination=mount.destination,
        backup="" if source is None else source.name,
    )


def _as_repository(name: str) -> str:
    low = name.lower()
    return low if names.is_repository(low) else _NO_REPOSITORY.sub("-", low).strip("-")
