"""The plan of a backup: of what, who is kept still for it and how, or which database is asked for a dump.

Looks at the engine and changes nothing; it must not know how the plan is carried out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from bot.engine import Container, Engine
from bot.entry import printable
from bot.errors import Conflict, UsageError
from bot.language import later, listed, say
from bot.operations.datahome import holds_data
from bot.operations.dumps import DumpPlan, recognise
from bot.operations.hooks import POST_LABEL, PRE_LABEL
from bot.operations.identities import of_downtime
from bot.operations.presets import DUMP_LABEL
from bot.operations.quiesce import Quiesce, QuiescePolicy, Sleeper, sleepers
from bot.operations.sources import Source, resolve, users_of

_ASLEEP = {Quiesce.PAUSE: later("{containers} paused"), Quiesce.STOP: later("{containers} stopped")}


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What was asked for: `VOLUME` or `CONTAINER:/PATH`; no `quiesce` means what labels and settings say."""

    source: str
    quiesce: Quiesce | None = None
    dump: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class BackupPlan:
    """What a backup will touch: the source, all who use it, and how the running ones are kept still."""

    source: Source
    users: tuple[Container, ...]
    sleepers: tuple[Sleeper, ...]
    policy: QuiescePolicy
    asked: Quiesce | None = None
    dump: DumpPlan | None = None
    note: str = ""

    @property
    def kind(self) -> str:
        """What the backup will be of: `volume`, `path` or `dump`."""
        if self.dump is not None:
            return "dump"
        return "volume" if self.source.is_volume else "path"

    @property
    def mode(self) -> str:
        """How users are kept still, in one word: the hardest that anybody meets."""
        modes = {sleeper.mode for sleeper in self.sleepers}
        for mode in (Quiesce.STOP, Quiesce.PAUSE):
            if mode in modes:
                return str(mode)
        return str(self.asked or Quiesce.NONE)

    @property
    def targets(self) -> tuple[str, ...]:
        """What the run must hold: the source, and every container that it puts to sleep or runs something in.

        Those, too, that it would put to sleep if they ran: they may be asleep now for another run, which wakes them.
        """
        would_run = [replace(user, state="running") for user in self.users]
        drowsy = {one.container.id for one in sleepers(would_run, self.asked, self.policy)}
        held = [user for user in self.users if user.id in drowsy or _has_hooks(user)]
        held += [self.dump.container] if self.dump is not None else []
        own = (
            self.source.target,
            f"volume:{self.source.name}",
        )  # the second is what whoever uses its backups holds
        return tuple(dict.fromkeys((*own, *(f"container:{user.name}" for user in held))))

    @property
    def binds(self) -> dict[str, str]:
        """What it was made from, beside its targets."""
        asleep = {one.container.name: one.mode.value for one in self.sleepers}
        users = {f"container:{user.name}": user.id for user in self.users}
        return {**users, **of_downtime(asleep, self.policy.max_downtime)}

    @property
    def steps(self) -> tuple[str, ...]:
        """What a run of it does, in order."""
        if self.dump is not None:
            copied: tuple[str, ...] = (later("dump"), later("store"))
        elif self.source.storage is None:
            copied = (later("copy"), later("copy again"))
        else:
            copied = (later("list"), later("copy"), later("list again"))
        if self.sleepers:
            copied = (later("sleep"), *copied, later("wake"))
        return (*copied, later("read back"), later("publish"))

    @property
    def text(self) -> str:
        """What will be done, in a sentence or two."""
        return " ".join((self._what, *self._remarks))

    @property
    def _what(self) -> str:
        source = self.source.words
        if self.dump is not None:
            return say(
                "Back up {source} by a {preset} dump of {container}.",
                source=source,
                preset=self.dump.preset.name,
                container=self.dump.container.name,
            )
        asleep = []
        for mode, told in _ASLEEP.items():
            names = [sleeper.container.name for sleeper in self.sleepers if sleeper.mode is mode]
            asleep += [say(told, containers=", ".join(names))] if names else []
        if not asleep:
            return say("Back up {source}.", source=source)
        return say("Back up {source}, with {asleep} while it is read.", source=source, asleep=listed(asleep))

    @property
    def _remarks(self) -> tuple[str, ...]:
        remarks = []
        if self.source.through:
            remarks.append(say("Symbolic links lead there from {path}.", path=printable(self.source.through)))
        hooks = [user.name for user in self.users if user.state == "running" and _has_hooks(user)]
        if hooks:
            remarks.append(say("Hooks run in {containers} before and after.", containers=", ".join(hooks)))
        if self.source.storage is None and self.dump is None and self.source.container is not None:
            remarks.append(
                say(
                    "It is read twice, in {container} itself, which Docker cannot stop or inspect meanwhile.",
                    container=self.source.container.name,
                )
            )
        if self.source.inner and self.dump is None:
            remarks.append(
                say("What is mounted below it is left out: {paths}.", paths=", ".join(self.source.inner))
            )
        if self.dump is None:
            remarks += [*_hints(self.users), *self._unheeded]
        elif self.dump.preset.lost:
            lost = "; ".join(map(say, self.dump.preset.lost))
            remarks.append(say("It does not keep {lost}.", lost=lost))
        return tuple(remarks)

    @property
    def _unheeded(self) -> list[str]:
        """Whose label asks for a dump that would not be of the source; who asked for the bytes need not be told."""
        return [
            say(
                "{container} has the label {label}, but its database is not known to keep its data in {source}, "
                "so the files are copied. --dump asks for the dump.",
                container=user.name,
                label=DUMP_LABEL,
                source=self.source.words,
            )
            for user in (() if self.asked is not None else self.users)
            if user.state == "running" and DUMP_LABEL in user.labels and recognise(user) is not None
        ]


def plan(engine: Engine, wish: Wish, policy: QuiescePolicy) -> BackupPlan:
    """Look, change nothing.

    Raises NotFound for an unknown source, UsageError for flags that contradict each other, Conflict for a label that
    cannot be understood, or when there is not exactly one database to dump.
    """
    if wish.dump and wish.quiesce not in (None, Quiesce.NONE):
        raise UsageError(
            say(
                "A database must run to be dumped, so --dump and --quiesce {quiesce} exclude each other. "
                "Nothing was changed.",
                quiesce=wish.quiesce,
            )
        )
    source = resolve(engine, wish.source)
    users = users_of(engine, source)
    dumped = _dumped(source, users, wish, policy)
    asked = Quiesce.NONE if dumped is not None else wish.quiesce
    return BackupPlan(
        source=source,
        users=users,
        sleepers=sleepers(users, asked, policy),
        policy=policy,
        asked=asked,
        dump=dumped,
        note=wish.note,
    )


def _dumped(
    source: Source, users: tuple[Container, ...], wish: Wish, policy: QuiescePolicy
) -> DumpPlan | None:
    """By `--dump`; or, when nothing else was asked for, by the label of a user whose data lies in the source."""
    running = [user for user in users if user.state == "running"]
    labelled = [
        user
        for user in running
        if DUMP_LABEL in user.labels
        and (preset := recognise(user)) is not None
        and (wish.dump or holds_data(source, user, preset))
    ]
    if not wish.dump and (wish.quiesce is not None or not labelled):
        return None
    found = labelled or [user for user in running if recognise(user) is not None]
    if len(found) != 1:
        several = ", ".join(user.name for user in found)
        raise Conflict(
            say(
                "Exactly one running container that uses {source} must hold a database that can be dumped, and "
                "{what}. Nothing was changed. Say which and how by the label {label}, or back up the files with "
                "--quiesce stop.",
                source=source.words,
                what=say("several do: {containers}", containers=several) if found else say("none does"),
                label=DUMP_LABEL,
            )
        )
    asked = recognise(found[0])
    return None if asked is None else DumpPlan(container=found[0], preset=asked, limit=policy.hook)


def _hints(users: tuple[Container, ...]) -> list[str]:
    """Who runs a database that we could ask for a dump learns that, unless a label says something already."""
    found = []
    for user in users:
        if user.state != "running" or DUMP_LABEL in user.labels:
            continue
        preset = recognise(user)
        if preset is not None:
            found.append(
                say(
                    "{container} runs {preset}: --dump asks it for a dump instead.",
                    container=user.name,
                    preset=preset.name,
                )
            )
    return found


def _has_hooks(user: Container) -> bool:
    return bool(user.labels.get(PRE_LABEL) or user.labels.get(POST_LABEL))
