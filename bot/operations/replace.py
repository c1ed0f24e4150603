"""Replace: a proven backup in the place of what is there now, wholly or not at all, and so that it can be undone.

The new content is made and proven beside the old one while the users still run; only then they are stopped, the old
content is backed up, and the two are exchanged by renaming. Must not know who asked for it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from bot.engine import Engine, Exchange, HostPath
from bot.entry import ROOT
from bot.errors import BotError, Conflict, EngineError, NotFound
from bot.language import say
from bot.operations.context import CLEAR_STAGE, EXCHANGE_BACK, REMOVE_HELPER, RunContext
from bot.operations.downtime import Downtime
from bot.operations.filling import Filler, filling
from bot.operations.quiesce import Quiesce, QuiescePolicy, Sleeper, asleep, sleepers
from bot.operations.replaced import Replaced
from bot.operations.replaceplan import ReplacePlan, is_at_rest
from bot.operations.safety import hold_for_undo
from bot.operations.stage import aside_in, new_in, stage_of, tool_of
from bot.reasons import Reason
from bot.stores.archive import Archive, Backup


@dataclass(frozen=True, kw_only=True)
class Means:
    """What a replacement needs beside its rooms: how to stop users, and what backs up the present content."""

    policy: QuiescePolicy
    safety: Callable[[Downtime], Backup]


def replace(engine: Engine, archive: Archive, run: RunContext, plan: ReplacePlan, means: Means) -> Replaced:
    """Carry the plan out. After any error the old content is at its place, and who ran runs again.

    Raises ArchiveError for a damaged backup, EngineError when what was made is not what the backup holds, when
    there is no room (reason `disk-full`), when it took too long (`downtime`) or when the safety backup is not
    whole, Conflict when the users are no longer those of the plan, and what `run.check` raises.
    """
    run.check()
    with filling(engine, archive, run, plan.backup, plan.place.path) as filler:
        work = _Replacement(engine, archive, run, plan, means)
        work.carry_out(filler)
        return work.result(filler)


@dataclass
class _Replacement:
    """One replacement on its way. Once `exchanged`, nothing that goes wrong can be taken for a failure of it."""

    engine: Engine
    archive: Archive
    run: RunContext
    plan: ReplacePlan
    means: Means
    exchanged: bool = False
    was_there: bool = True
    downtime: Downtime = field(default_factory=lambda: Downtime(timedelta(0)))
    safety: Backup | None = None
    notes: list[str] = field(default_factory=list)

    def carry_out(self, filler: Filler) -> None:
        """All of it; raises only while the old content is, or will be, at its place."""
        try:
            self._beside(filler)
        except BotError as error:
            if not self.exchanged:
                raise
            self.notes += [str(error), *getattr(error, "__notes__", ())]

    def _beside(self, filler: Filler) -> None:
        place, run_id = self.plan.place, self.run.run_id
        stage, tool = stage_of(run_id), tool_of(run_id)
        cleared = {"directory": place.directory, "stage": stage, "run": run_id, "name": place.key}
        with (
            self.run.undoable(CLEAR_STAGE, **cleared),
            self.run.undoable(REMOVE_HELPER, name=tool),
        ):
            self.engine.create_tool(tool, HostPath(place.directory), run_id=run_id, read_only=False)
            self._refuse_odd_place(tool, filler)
            filler.refuse_full(tool, say("beside {place}", place=place.words))
            spot = filler.stage(place.directory, stage, new_in(stage))
            filler.fill(spot)
            filler.compare(spot, tool)
            self._exchange_asleep(tool, filler)

    def _exchange_asleep(self, tool: str, filler: Filler) -> None:
        with asleep(self.engine, self.run, self._sleepers(), self.means.policy) as self.downtime:
            self.was_there = not self.plan.place.path or bool(self._kind(tool, self.plan.place.name))
            self._back_up()
            self.run.check()
            lives = self._lives_at_rest()
            self._refuse_odd_place(tool, filler)  # until now its users could put a link there
            # From here on the watchdog wakes nobody: they would run on content that may be taken from under them.
            self.downtime.settle()
            self._exchange(tool, filler, lives)
            self.exchanged = True

    def _sleepers(self) -> tuple[Sleeper, ...]:
        """The plan was approved and is held: no other container may be stopped, or left running."""
        planned = {(user.id, user.started_at) for user in self.plan.stopped}
        now = tuple(user for user in self.engine.users_of(self.plan.place.storage) if not is_at_rest(user))
        if {(user.id, user.started_at) for user in now} != planned:
            running = ", ".join(user.name for user in now) or say("none")
            raise Conflict(
                say(
                    "The running containers that use {place} are no longer those of the plan "
                    "(now: {running}). Nothing was stopped or replaced. Send the command again.",
                    place=self.plan.place.words,
                    running=running,
                )
            )
        return sleepers(now, Quiesce.STOP, self.means.policy)

    def _back_up(self) -> None:
        """The present content, proven and held for as long as it can be asked back."""
        self.run.check()
        self.downtime.check()
        made = self.means.safety(self.downtime)
        self.downtime.check()
        if not made.is_ok:
            raise EngineError(
                say(
                    "The safety backup of {place} came out partial (backup {backup}), so "
                    "nothing was replaced: what is there now could not have been brought back. "
                    "See what that backup names, then send the command again.",
                    place=self.plan.place.words,
                    backup=made.manifest.run_id,
                )
            )
        hold_for_undo(self.archive, self.run, made, "restore", self._note())
        self.safety = made

    def _note(self) -> str:
        """What the safety backup is, for whoever looks why it is held."""
        place = self.plan.place
        if not self.was_there:
            return say("what {place} held before", place=place.source.words)
        return say(
            "what {place} held before; `undo {run_id}` brings it back",
            place=place.words,
            run_id=self.run.run_id,
        )

    def _lives_at_rest(self) -> dict[str, str]:
        """Every user's present life; raises Conflict when one runs that should sleep."""
        users = self.engine.users_of(self.plan.place.storage)
        awake = [user.name for user in users if not is_at_rest(user)]
        if awake:
            raise Conflict(
                say(
                    "Somebody started {containers} while {place} was to be exchanged. The old "
                    "content stays at its place. Send the command again.",
                    containers=", ".join(awake),
                    place=self.plan.place.words,
                )
            )
        return {user.id: user.started_at for user in users}

    def _exchange(self, tool: str, filler: Filler, lives: dict[str, str]) -> None:
        place, stage = self.plan.place, stage_of(self.run.run_id)
        new = "/".join(part for part in (new_in(stage), filler.root, place.path) if part)
        exchange = Exchange(place=place.name, new=new, aside=aside_in(stage))
        users = " ".join(user.id for user in self.plan.stopped)
        written = {
            "directory": place.directory, "run": self.run.run_id, "storage": place.key, "users": users,
            "name": place.key, "place": exchange.place, "new": exchange.new, "aside": exchange.aside,
        }  # fmt: skip
        with self.run.undoable(EXCHANGE_BACK, **written) as step:
            self.run.progress(say("exchanging"))
            self.engine.exchange(tool, exchange)
            if self._lives_at_rest() != lives:
                raise Conflict(
                    say(
                        "A container that uses {place} was started while it was being exchanged. The old "
                        "content is put back. Send the command again.",
                        place=place.words,
                    )
                )
            filler.compare_exchanged(tool, place.name, self._refuse_late)
            self._refuse_late()
            self.run.check()
            step.keep()

    def _refuse_late(self) -> None:
        allowed = self.means.policy.max_downtime.total_seconds()
        if self.plan.stopped and self.downtime.seconds > allowed:
            raise EngineError(
                say(
                    "{containers} may sleep for {allowed:g} s at most (limits.max_downtime), and {place} was not "
                    "exchanged and compared by then. The old content is at its place, and everybody is started "
                    "again.",
                    containers=", ".join(user.name for user in self.plan.stopped),
                    allowed=allowed,
                    place=self.plan.place.words,
                ),
                reason=Reason.DOWNTIME,
            )

    def _refuse_odd_place(self, tool: str, filler: Filler) -> None:
        """Raises Conflict where an exchange would put something else than what people mean."""
        place = self.plan.place
        if place.source.is_volume and not place.path and not filler.is_directory:
            raise Conflict(
                say(
                    "Backup {backup} is of a single file, which cannot take the place of all of "
                    "{place}. Nothing was changed. Restore it into a new volume instead: leave out --replace.",
                    backup=self.plan.backup.manifest.run_id,
                    place=place.words,
                )
            )
        if "/" not in place.name and self._kind(tool, place.name) == "symlink":
            raise Conflict(
                say(
                    "{place} is a link on the host ({path}), and only the link would be exchanged, not what it "
                    "leads to. Nothing was changed. Restore into a new volume instead: leave out --replace.",
                    place=place.words,
                    path="/".join((place.directory, place.name)),
                )
            )
        self._refuse_missing_parents(tool)

    def _refuse_missing_parents(self, tool: str) -> None:
        """With a path, all that is above it must be directories, and none a link that leads elsewhere."""
        names = self.plan.place.name.split("/")
        for depth in range(1, len(names)):
            above = "/".join(names[:depth])
            if self._kind(tool, above) != "directory":
                raise Conflict(
                    say(
                        "“{path}” is not a directory in {source}, so "
                        "{place} has no place there. Nothing was changed. Make the directory first, or "
                        "restore all of the backup.",
                        path="/".join(names[1:depth]) or ROOT,
                        source=self.plan.place.source.words,
                        place=self.plan.place.words,
                    )
                )

    def _kind(self, tool: str, path: str) -> str:
        try:
            with self.engine.inventory(tool, f"/volume/{path}") as items:
                return next((item.kind for item in items if item.path == ROOT), "")
        except NotFound:
            return ""

    def result(self, filler: Filler) -> Replaced:
        """What came of it, once it was carried out."""
        if self.safety is None:
            raise EngineError(say("Nothing was replaced."))
        return Replaced(
            place=self.plan.place,
            backup=self.plan.backup,
            safety=self.safety,
            was_there=self.was_there,
            entries=filler.entries,
            raw_bytes=filler.raw_bytes,
            downtime_seconds=self.downtime.seconds if self.plan.stopped else 0.0,
            losses=filler.losses,
            unhealthy=self.downtime.notes,
            notes=tuple(self.notes),
            differing=self.plan.differing,
        )
