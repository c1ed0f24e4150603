"""Undoes a copy into a container, or an undo of one: what the place held before is there again, proven.

Only when the place still holds what that run put there. Must not know who asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from bot.engine import Engine
from bot.entry import printable
from bot.errors import Conflict, NotFound
from bot.language import say
from bot.model import Plan, Reply
from bot.operations.context import PUT_BACK_FILE, RunContext
from bot.operations.copyends import InContainer
from bot.operations.copyin import (
    CopyIn,
    Outcome,
    plan_in,
    refuse_unheld,
    reply_of,
    safety_backup,
    spot_at,
)
from bot.operations.holds import elsewhere_of
from bot.operations.identities import of_backups
from bot.operations.placing import put, sha256_now, spot_of, take_away
from bot.operations.replaced import safety_of
from bot.operations.replaceplan import UNDO_DAYS
from bot.operations.single import Stored, renamed, sha256_at
from bot.operations.wanted import wanted
from bot.stores.archive import Archive, Backup
from bot.stores.runrow import Run


@dataclass(frozen=True, kw_only=True)
class Uncopy:
    """What is to be undone: the place, the SHA-256 of what the run left there (empty: nothing), and what was before."""

    run_id: str
    place: InContainer
    sha256: str
    before: Backup | None

    def plan(self, engine: Engine) -> Plan:
        """In words, with what must be held; raises NotFound, Conflict."""
        made = self._now(engine)
        text = (
            say(
                "Undo run {run_id}: backup {backup} is put there, in {place}.",
                run_id=self.run_id,
                backup=self.before.manifest.run_id,
                place=made.words,
            )
            if self.before
            else say(
                "Undo run {run_id}: what it put there is removed, in {place}.",
                run_id=self.run_id,
                place=made.words,
            )
        )
        before = (self.before,) if self.before else ()
        return Plan(
            text=text,
            targets=made.targets,
            elsewhere=elsewhere_of(*before),
            binds=of_backups(*before),
        )

    def targets(self, engine: Engine) -> tuple[str, ...]:
        """What roles must allow."""
        return self._now(engine).permitted

    def carry_out(self, engine: Engine, archive: Archive, run: RunContext, held: Plan | None) -> Reply:
        """Put back what was there, after a backup of what is there; raises Conflict when that is not what it left."""
        made = self._now(engine)
        refuse_unheld(made.targets, held)
        spot = replace(spot_of(made.container, made.place, made.source), is_new=made.is_new)
        if (sha256_now(engine, run, spot) or "") != self.sha256 or (not self.before and made.is_new):
            told = say(
                "{place} does not hold any more what run {run_id} left there, so that is not undone. "
                "Nothing was changed.",
                place=made.words,
                run_id=self.run_id,
            )
            raise Conflict(f"{told} {self._by_hand()}".strip())
        safety = None if made.is_new else safety_backup(engine, archive, run, made.source)
        outcome, spot = Outcome(safety=safety), spot_at(archive, made, safety)
        if self.before is None:
            take_away(engine, run, spot)
        else:
            with _content(archive, run, self.before) as content:
                sha256 = put(engine, run, spot, content)
                outcome = Outcome(size=content.size, sha256=sha256, safety=safety)
        return reply_of(made.container.name, made.place, outcome, run.run_id)

    def _now(self, engine: Engine) -> CopyIn:
        return plan_in(engine, self.place, "")

    def _by_hand(self) -> str:
        return (
            say("What was there before is backup {backup}.", backup=self.before.manifest.run_id)
            if self.before
            else ""
        )


def uncopy_of(archive: Archive, run: Run, now: datetime) -> Uncopy | None:
    """What undoing that run comes to; None for one that copied nothing into a container. Raises Conflict if too old."""
    facts = run.reply.facts if run.reply else {}
    if not facts.get("placed") or not run.status.is_ending:
        return None
    if run.ended_at and now > run.ended_at + timedelta(days=UNDO_DAYS):
        raise Conflict(
            say(
                "Run {run_id} is more than {days} days old, so it is not undone. Nothing was changed. What it "
                "replaced may still be a backup: look with `backups`.",
                run_id=run.id,
                days=UNDO_DAYS,
            )
        )
    before = safety_of(archive, run.id) if facts.get("safety") else None
    if facts.get("safety") and before is None:
        raise Conflict(
            say(
                "What run {run_id} replaced is not in the archive any more. Nothing was changed.",
                run_id=run.id,
            )
        )
    place = InContainer(container=str(facts["container"]), path=str(facts["placed"]))
    return Uncopy(run_id=run.id, place=place, sha256=str(facts.get("sha256") or ""), before=before)


def found_copied(
    engine: Engine, archive: Archive, kept: Callable[[str, str], Mapping[str, str] | None], run_id: str
) -> Reply | None:
    """What a run had done when the bot died; None when nothing was done, or it was taken back."""
    step = kept(run_id, PUT_BACK_FILE)
    if step is None:
        return None
    container, _, place = step["place"].partition(":")
    now = _found_at(engine, container, place)
    size, sha256 = (int(step["size"]), step["sha256"]) if "sha256" in step else now  # of an older version
    outcome = Outcome(size=size, sha256=sha256, safety=safety_of(archive, run_id))
    reply = reply_of(container, place, outcome, run_id)
    if now[1] == sha256:
        return reply
    since = say(
        "Since then it was changed: {place} does not hold any more what this run left there.",
        place=printable(step["place"]),
    )
    return replace(reply, text=f"{reply.text} {since}")


def _found_at(engine: Engine, container: str, place: str) -> tuple[int, str]:
    """Size and SHA-256 of what is there now; 0 and empty for nothing."""
    try:
        holder = engine.container(container).id
    except NotFound:
        return 0, ""
    found = engine.look_at(holder, place)
    sha256 = sha256_at(engine, holder, place) if found else ""
    return found.size if found else 0, sha256 or ""


@contextmanager
def _content(archive: Archive, run: RunContext, backup: Backup) -> Iterator[Stored]:
    """The one file of a safety backup, proven before, with all that is known of it."""

    def tick(done_bytes: int) -> None:
        run.check()
        run.progress(say("verifying"), done_bytes, backup.manifest.raw.bytes)

    archive.prove(backup, tick)
    (entry,) = archive.entries(backup)
    with wanted(archive, backup, "", run.check) as found:
        tar = renamed(partial(found.tar, run.check), found.root)
        yield Stored(tar=tar, size=entry.size, sha256=lambda: entry.sha256 or "")
