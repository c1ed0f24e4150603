"""The plan of a replacement: what will be exchanged, who is stopped for it, and what speaks against it.

Looks at the engine and changes nothing; it must not know how it is carried out.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from bot.engine import RUN_LABEL, Container, Engine
from bot.errors import Conflict
from bot.language import later, say
from bot.model import Value
from bot.operations.identities import of_backups, of_downtime
from bot.operations.place import Place, place_of
from bot.stores.archive import Backup
from bot.words import size

UNDO_DAYS = 7
"""For how long what was replaced can be brought back."""
UNDO_FOR = timedelta(days=UNDO_DAYS)
EXCHANGE = later("exchange")
"""The step that only a replacement's plan has."""
_AT_REST = ("created", "exited", "dead", "removing")


def is_at_rest(user: Container) -> bool:
    """Whether nothing in it can write, or begin to by itself."""
    return user.state in _AT_REST


@dataclass(frozen=True, kw_only=True)
class ReplacePlan:
    """What a replacement will touch: the place, and all who use it. `differing` is what stays as the volume has it."""

    backup: Backup
    place: Place
    users: tuple[Container, ...]
    differing: tuple[str, ...] = ()
    may_stop: bool = True

    @property
    def stopped(self) -> tuple[Container, ...]:
        """The containers that will be stopped, and started again."""
        return tuple(user for user in self.users if not is_at_rest(user))

    @property
    def targets(self) -> tuple[str, ...]:
        """What the run must hold: the place, and every user, for one that does not run may sleep for another run."""
        held = (f"volume:{self.backup.volume}", self.place.source.target)
        return (*dict.fromkeys(held), *(f"container:{user.name}" for user in self.users))

    @property
    def binds(self) -> dict[str, str]:
        """What it was made from."""
        asleep = {user.name: "stop" for user in self.stopped}
        return {**of_backups(self.backup), **of_downtime(asleep)}

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps, to be said to people."""
        stops, starts = ((later("stop the users"),), (later("start them"),)) if self.stopped else ((), ())
        return (
            *(later("verify"), later("fill"), later("compare")),
            *stops,
            *(later("safety backup"), EXCHANGE, later("compare")),
            *starts,
            later("clear"),
        )

    @property
    def text(self) -> str:
        """What will be done, in a sentence or two."""
        names = ", ".join(user.name for user in self.stopped)
        told = (
            say(
                "Replace {place} by backup {backup}.",
                place=self.place.words,
                backup=self.backup.manifest.run_id,
            ),
            say("{containers} will be stopped meanwhile and started again.", containers=names)
            if names
            else say("No container has to stop."),
            say(
                "What is there now is backed up first and can be brought back by `undo` for {days} days.",
                days=UNDO_DAYS,
            ),
        )
        return " ".join(told)

    @property
    def facts(self) -> dict[str, Value]:
        """What is known of it before anything is begun."""
        return {
            "volume": self.place.source.name,
            "path": self.place.path,
            "backup": self.backup.id,
            "needed_bytes": self.backup.manifest.raw.bytes,
            "stops": ", ".join(user.name for user in self.stopped),
            "stays": ", ".join(self.differing),
        }

    def explained(self, engine: Engine) -> str:
        """What would be done, step by step; raises Conflict when it would be refused as things stand."""
        del engine  # the plan has looked
        self.refuse_users(self.targets)
        in_full = say(
            "In full: the stored bytes are compared; room is looked for (its content takes up to {size}, beside "
            "what is there); the new content is made in {directory} on the host while the whole backup is "
            "proven, read back and compared; then the users stop, the present content is backed up and the two "
            "are exchanged, looked through once more, and everybody is started. Whatever goes wrong before "
            "that, the old content stays.",
            size=size(self.backup.manifest.raw.bytes),
            directory=self.place.directory,
        )
        told = [self.text, in_full]
        if self.differing:
            told.append(say("These stay as they are: {differing}.", differing=", ".join(self.differing)))
        return " ".join(told)

    def refuse_users(self, held: Collection[str]) -> None:
        """Raises Conflict for users that may not be stopped: `held` are the targets that the run holds."""
        names = [user.name for user in self.stopped]
        if names and not self.may_stop:
            raise Conflict(
                say(
                    "{place} is used by {containers}, and with --quiesce none nobody is stopped, so nothing can be "
                    "replaced. Nothing was changed. Leave that flag out, or stop them yourself first.",
                    place=self.place.words,
                    containers=", ".join(names),
                )
            )
        waking = ", ".join(user.name for user in self.stopped if user.state != "running")
        if waking:
            raise Conflict(
                say(
                    "{containers} is paused or restarting, so it could neither be stopped in good order nor be left "
                    "as it is. Nothing was changed. Wake or stop it, then send the command again.",
                    containers=waking,
                )
            )
        if not set(self.targets) <= set(held):
            raise Conflict(
                say(
                    "What uses {place}, or where it lies, changed since this run began, and is not held by it. "
                    "Nothing was stopped or replaced. Send the command again.",
                    place=self.place.words,
                )
            )


def is_missing(engine: Engine, text: str) -> bool:
    """Whether it names a volume that is not there: one that can simply be made."""
    return ":" not in text and text not in {volume.name for volume in engine.volumes()}


def plan_replace(
    engine: Engine, backup: Backup, text: str, path: str = "", *, may_stop: bool = True
) -> ReplacePlan:
    """Look, change nothing. `text` names what is replaced, `VOLUME` or `CONTAINER:/PATH`; `path` only a part of it.

    Raises NotFound, and Conflict for a backup or a place with which it cannot be done.
    """
    manifest = backup.manifest
    if not backup.is_ok or manifest.dump is not None:
        why = (
            say(
                "Backup {backup} is a database’s dump, so it may not replace anything.",
                backup=manifest.run_id,
            )
            if manifest.dump is not None
            else say(
                "Backup {backup} is partial: some files in it are not sound, so it may not replace anything.",
                backup=manifest.run_id,
            )
        )
        instead = say(
            "Nothing was changed. Restore it into a new volume (leave out --replace) and take from that what "
            "you need."
        )
        raise Conflict(f"{why} {instead}")
    place = place_of(engine, text, path)
    return ReplacePlan(
        backup=backup,
        place=place,
        users=engine.users_of(place.storage),
        differing=_differing(backup, place),
        may_stop=may_stop,
    )


def _differing(backup: Backup, place: Place) -> tuple[str, ...]:
    """Labels and options of the volume that are not those of the backup: nobody can change them in place."""
    volume, facts = place.source.volume, backup.manifest.volume
    if volume is None or not place.source.is_volume or backup.manifest.source.kind != "volume":
        return ()
    found = []
    for named, then, now in (
        (later("label {name}"), facts.labels, volume.labels),
        (later("option {name}"), facts.options, volume.options),
    ):
        names = sorted(name for name in {*then, *now} - {RUN_LABEL} if then.get(name) != now.get(name))
        found += [say(named, name=name) for name in names]
    if facts.driver != volume.driver:
        found.append(say("driver"))
    return tuple(found)
