"""Copies a single file into a container: into the place that its path names and no other, and proven there.

What was there before is backed up first, so that `undo` brings it back. Must not know who asked, nor where the bytes
come from.
"""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, replace
from datetime import timedelta

from bot.engine import Container, Engine
from bot.engine.copy_contract import Found
from bot.entry import printable
from bot.errors import Conflict, EngineError, NotFound
from bot.language import later, say
from bot.model import Button, Plan, Reply, Value
from bot.operations.backup import Still, back_up_still
from bot.operations.context import RunContext
from bot.operations.copyends import InContainer
from bot.operations.downtime import Downtime
from bot.operations.placing import Spot, put, spot_of
from bot.operations.safety import hold_for_undo
from bot.operations.single import Facts, Stored, facts_at
from bot.operations.sources import Source, resolve
from bot.reasons import Reason
from bot.stores.archive import Archive, Backup

MODE = 0o644


@dataclass(frozen=True, kw_only=True)
class CopyIn:
    """Where a file will go: `place` is its path in the container, `source` what that really is."""

    container: Container
    place: str
    source: Source
    is_new: bool

    @property
    def words(self) -> str:
        """How sentences call it."""
        return f"{self.container.name}:{printable(self.place)}"

    @property
    def permitted(self) -> tuple[str, ...]:
        """What roles must allow: the container, and what the path really is."""
        return tuple(dict.fromkeys((f"container:{self.container.name}", self.source.target)))

    @property
    def targets(self) -> tuple[str, ...]:
        """What is held: that, and what a backup of the place is filed under."""
        return tuple(dict.fromkeys((*self.permitted, f"volume:{self.source.name}")))

    def plan(self, what: str) -> Plan:
        """In words."""
        steps: tuple[str, ...] = (later("copy"), later("compare"), later("put in place"))
        if self.is_new:
            text = say("Copy {file} to {place}; nothing is there now.", file=what, place=self.words)
        else:
            text = say(
                "Copy {file} to {place}; what is there now is backed up first.", file=what, place=self.words
            )
            steps = (later("back up"), *steps)
        if self.source.through:
            link = say("Symbolic links lead there from {path}.", path=printable(self.source.through))
            text = f"{text} {link}"
        return Plan(text=text, targets=self.targets, steps=steps)


def plan_in(engine: Engine, asked: InContainer, name: str) -> CopyIn:
    """Look where a file of that name would go; change nothing.

    A directory gets it under its own name. Links on the way that the path itself names are followed; a link at its end,
    or one that a directory has under the file's name, is not written through. Raises NotFound, Conflict, UsageError.
    """
    _refuse_odd_path(asked)
    container = engine.container(asked.container)
    place = posixpath.normpath(asked.path) if asked.path.strip("/") else "/"
    found = None if place == "/" else engine.look_at(container.id, place)
    if found is not None and found.kind == "symlink" and asked.is_directory:
        place = engine.link_at(container.id, place) or place
        found = engine.look_at(container.id, place)
    if place == "/" or (found is not None and found.kind == "directory"):
        place = f"{place.rstrip('/')}/{name}"
        found = engine.look_at(container.id, place)
    elif asked.is_directory:
        raise NotFound(
            say(
                "There is no directory {path}. Nothing was changed. Make it first.",
                path=printable(asked.text),
            )
        )
    made = _made(engine, container, place, is_new=found is None)
    if found is not None and found.kind != "file":
        raise Conflict(say(_NOT_OVER[found.kind], place=made.words))
    return made


_NOT_OVER = {
    "symlink": later(
        "{place} is a symbolic link, and nothing is written through one. Nothing was changed. Name what it "
        "leads to, or, for a directory, put a slash at the end."
    ),
    "directory": later("{place} is a directory already, so no file can take its place. Nothing was changed."),
    "other": later(
        "{place} is a device, a FIFO or a socket, which no file can take the place of. Nothing was changed."
    ),
}


def _refuse_odd_path(asked: InContainer) -> None:
    """`..` in a path is refused before it is made sense of."""
    if ".." in asked.path.split("/"):
        raise Conflict(
            say(
                "“{path}” holds “..”. Nothing was changed. Name the place itself.", path=printable(asked.path)
            )
        )


def _made(engine: Engine, container: Container, place: str, *, is_new: bool) -> CopyIn:
    asked = f"{container.name}:{printable(place)}"
    source = resolve(engine, f"{container.name}:{place}")
    if source.read_only:
        raise Conflict(
            say(
                "{place} lies in what it mounts read-only, so the container may not have it changed. Nothing was "
                "changed.",
                place=asked,
            )
        )
    spot_of(container, place, source)
    place = source.place
    above = posixpath.dirname(place)
    parent = engine.look_at(container.id, above) if above != "/" else Found(kind="directory")
    if parent is None or parent.kind != "directory":
        missing = f"{container.name}:{printable(above)}"
        raise NotFound(
            say(
                "There is no directory {path}. Nothing was changed. Make it first, or check the path.",
                path=missing,
            )
        )
    return CopyIn(container=container, place=place, source=source, is_new=is_new)


def owner_for(engine: Engine, made: CopyIn, facts: Facts) -> Facts:
    """The facts with the owner of the directory that the file goes to, or 0:0, and the usual permissions."""
    try:
        above = facts_at(engine, made.container.id, posixpath.dirname(made.place))
    except NotFound:
        return replace(facts, uid=0, gid=0, mode=MODE)
    return replace(facts, uid=above.uid, gid=above.gid, mode=MODE)


def safety_backup(engine: Engine, archive: Archive, run: RunContext, source: Source) -> Backup:
    """Keep what is there, for as long as `undo` may ask it back.

    Raises Conflict when it is being written to, and what a backup raises.
    """
    backup = back_up_still(engine, archive, run, Still(source=source, downtime=Downtime(timedelta(0))))
    if not backup.is_ok:
        raise Conflict(
            say(
                "{source} was being written to while it was backed up, so it could not be brought back. It was not "
                "changed. Stop who writes there, then send the command again.",
                source=source.words,
            )
        )
    note = say(
        "what {place} held before; `undo {run_id}` brings it back", place=source.words, run_id=run.run_id
    )
    hold_for_undo(archive, run, backup, "cp", note)
    return backup


def spot_at(archive: Archive, made: CopyIn, safety: Backup | None) -> Spot:
    """The place, and what it is to hold still when the new file comes; raises what `spot_of` and the archive raise."""
    known = [entry.sha256 for entry in archive.entries(safety)] if safety else []
    spot = spot_of(made.container, made.place, made.source)
    return replace(spot, is_new=made.is_new, sha256=(known[0] or "") if len(known) == 1 else "")


def copy_in(engine: Engine, archive: Archive, run: RunContext, made: CopyIn, content: Stored) -> Reply:
    """Put it there, with a safety backup of what was. On any error the place is as it was.

    Raises EngineError (reason `differs`), Conflict, ArchiveError, what the content and `run.check` raise.
    """
    safety = None if made.is_new else safety_backup(engine, archive, run, made.source)
    spot = spot_at(archive, made, safety)
    sha256 = put(engine, run, spot, content, lambda: _refuse_moved(engine, made))
    return reply_of(
        made.container.name, made.place, Outcome(size=content.size, sha256=sha256, safety=safety), run.run_id
    )


def _refuse_moved(engine: Engine, made: CopyIn) -> None:
    """Somebody may have exchanged a directory on the way for a link since the path was looked at."""
    if resolve(engine, f"{made.container.name}:{made.place}") != made.source:
        raise EngineError(
            say(
                "What {place} names was changed while the file was copied. What had begun was taken back. Look who "
                "changes it, then send the command again.",
                place=made.words,
            ),
            reason=Reason.CHANGED,
        )


def refuse_unheld(targets: tuple[str, ...], held: Plan | None) -> None:
    """Raises Conflict for what the run was not permitted."""
    if not set(targets) <= set(held.targets if held else ()):
        raise Conflict(
            say(
                "What the path in the container leads to has changed since this run began, and is not held by it. "
                "Nothing was copied. Send the command again."
            )
        )


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a place holds now: `sha256` empty for nothing; and what it held before, if anything."""

    size: int = 0
    sha256: str = ""
    safety: Backup | None = None


def reply_of(container: str, place: str, outcome: Outcome, run_id: str) -> Reply:
    """The result in words and facts, with the button that takes it back."""
    words = f"{container}:{printable(place)}"
    if outcome.sha256:
        now = say("{place} is copied: read back from the container and the same, byte for byte.", place=words)
    else:
        now = say("{place} is gone again.", place=words)
    if outcome.safety:
        before = say(
            "What was there is backup {backup}; `undo {run}` brings that back.",
            backup=outcome.safety.manifest.run_id,
            run=run_id,
        )
    else:
        before = say("Nothing was there before; `undo {run}` brings that back.", run=run_id)
    facts: dict[str, Value] = {
        "container": container,
        "placed": place,
        "size_bytes": outcome.size,
        "sha256": outcome.sha256,
        **({"safety": outcome.safety.id} if outcome.safety else {}),
    }
    undo = Button(label=say("Undo"), line=f"undo {run_id}", danger=True)
    return Reply(text=f"{now} {before}", facts=facts, buttons=(undo,))
