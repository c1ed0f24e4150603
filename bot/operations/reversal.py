"""What undoing a run comes to: each kind of run that can be undone has a reversal of its own, found here.

Leads the operations that know how; it must not know how a command is written.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from bot.engine import Engine
from bot.errors import Conflict
from bot.language import say
from bot.model import Plan, Reply
from bot.operations.context import RunContext
from bot.operations.creation import plan_back, take_back, told_gone, volume_of
from bot.operations.holds import elsewhere_of
from bot.operations.replaced import safety_of
from bot.operations.replaceplan import UNDO_DAYS, UNDO_FOR
from bot.operations.restoration import Terms, carry_out, found_done
from bot.operations.restoring import RestoreWish, binds_of
from bot.operations.uncopy import Uncopy, found_copied, uncopy_of
from bot.stores.archive import Archive, Backup
from bot.stores.runrow import Run

Kept = Callable[[str, str], Mapping[str, str] | None]
"""Of a run and a verb of the undo journal: what was written down for a step that is to stay; None without one."""


@dataclass(frozen=True, kw_only=True)
class Where:
    """Where a run is undone."""

    engine: Engine
    archive: Archive


class Reversal(Protocol):
    """The way back from one run."""

    def targets(self, engine: Callable[[], Engine]) -> tuple[str, ...]:
        """What roles must allow; raises NotFound, Conflict."""

    def plan(self, engine: Engine) -> Plan:
        """What would be done, with all that must be held; raises NotFound, Conflict."""

    def carry_out(self, where: Where, run: RunContext, terms: Terms) -> Reply:
        """Do it; raises Conflict when that is not what was permitted, or not possible any more."""

    def found(self, where: Where, kept: Kept, run_id: str) -> Reply | None:
        """What the run that was undoing had done when the bot died; None when nothing of it stays."""


def reversal_of(archive: Archive, run: Run, now: datetime) -> Reversal:
    """The way back from that run; raises Conflict, which says what can be undone, when there is none."""
    created = volume_of(run)
    if created is not None:
        return _Uncreation(run_id=run.id, volume=created)
    copied = uncopy_of(archive, run, now)
    if copied is not None:
        return _Uncopying(copied)
    facts = run.reply.facts if run.reply else {}
    wish = RestoreWish(backup=_safety(archive, run, now), replace=True, path=str(facts.get("path") or ""))
    return _Unreplacing(run_id=run.id, wish=wish)


def _safety(archive: Archive, run: Run, now: datetime) -> Backup:
    """What the run replaced."""
    facts = run.reply.facts if run.reply else {}
    backup = safety_of(archive, run.id) if facts.get("safety") else None
    if backup is None:
        # Who asks may not be one to know what the run was: without targets nobody is asked for their roles.
        raise Conflict(
            say(
                "Run {run_id} has replaced nothing that could be brought back. Nothing was "
                "changed. What can be undone is a `restore --replace` or a `cp` into a container that was done, "
                "an `undo` of one, and a `create-volume` while its volume is empty.",
                run_id=run.id,
            )
        )
    if now > backup.manifest.ended_at + UNDO_FOR:
        raise Conflict(
            say(
                "Run {run_id} is more than {days} days old, so it is not undone by this short word. Nothing was "
                "changed. If that is what you want, type `restore {backup} --replace`.",
                run_id=run.id,
                days=UNDO_DAYS,
                backup=backup.id,
            )
        )
    return backup


@dataclass(frozen=True, kw_only=True)
class _Unreplacing:
    """Brings back what a `restore --replace` replaced, by the same chain, so that this can be undone, too."""

    run_id: str
    wish: RestoreWish

    def targets(self, engine: Callable[[], Engine]) -> tuple[str, ...]:
        return self.wish.targets(engine)

    def plan(self, engine: Engine) -> Plan:
        made = self.wish.plan(engine)
        return Plan(
            text=" ".join((say("Undo run {run_id}.", run_id=self.run_id), made.text)),
            targets=made.targets,
            elsewhere=elsewhere_of(made.backup),
            steps=made.steps,
            binds=binds_of(made),
        )

    def carry_out(self, where: Where, run: RunContext, terms: Terms) -> Reply:
        return carry_out(where.engine, where.archive, run, self.wish.plan(where.engine), terms)

    def found(self, where: Where, kept: Kept, run_id: str) -> Reply | None:
        was_kept = partial(_was_kept, kept, run_id)
        return found_done(where.engine, where.archive, was_kept, run_id, self.wish.path)


@dataclass(frozen=True)
class _Uncopying:
    """Brings back what a `cp` into a container replaced."""

    copied: Uncopy

    def targets(self, engine: Callable[[], Engine]) -> tuple[str, ...]:
        return self.copied.targets(engine())

    def plan(self, engine: Engine) -> Plan:
        return self.copied.plan(engine)

    def carry_out(self, where: Where, run: RunContext, terms: Terms) -> Reply:
        return self.copied.carry_out(where.engine, where.archive, run, terms.held)

    def found(self, where: Where, kept: Kept, run_id: str) -> Reply | None:
        return found_copied(where.engine, where.archive, kept, run_id)


@dataclass(frozen=True, kw_only=True)
class _Uncreation:
    """Removes the volume that a `create-volume` made, while nothing is in it."""

    run_id: str
    volume: str

    def targets(self, engine: Callable[[], Engine]) -> tuple[str, ...]:  # noqa: ARG002
        return plan_back(self.run_id, self.volume).targets

    def plan(self, engine: Engine) -> Plan:  # noqa: ARG002
        return plan_back(self.run_id, self.volume)

    def carry_out(self, where: Where, run: RunContext, terms: Terms) -> Reply:  # noqa: ARG002
        return take_back(where.engine, run, self.volume, self.run_id)

    def found(self, where: Where, kept: Kept, run_id: str) -> Reply | None:  # noqa: ARG002
        return told_gone(where.engine, self.volume, self.run_id)


def _was_kept(kept: Kept, run_id: str, verb: str) -> bool:
    return kept(run_id, verb) is not None
