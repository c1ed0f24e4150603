"""A `cp` from its two ends to its reply: which way it goes, what it needs, and what a later process says of it.

Must not know how a command is written.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from bot.engine import Engine
from bot.entry import printable
from bot.errors import UsageError
from bot.language import say
from bot.model import Invocation, Origin, Plan, Reply
from bot.operations import local
from bot.operations.context import REMOVE_PART, RunContext
from bot.operations.copyends import End, InContainer, InSlack, OnMachine, destination_end, source_end
from bot.operations.copyin import MODE, copy_in, owner_for, plan_in, refuse_unheld
from bot.operations.copyout import SLACK_BYTES, plan_out, to_path, to_slack
from bot.operations.fetching import Uploads
from bot.operations.identities import sha256_of
from bot.operations.outward import Limit
from bot.operations.single import Facts, made_of
from bot.operations.uncopy import found_copied
from bot.stores.archive import Archive
from bot.stores.outgoing import Outgoing, plain_name

Kept = Callable[[str, str], Mapping[str, str] | None]


@dataclass(frozen=True, kw_only=True)
class Rooms:
    """What a copy works with, the most bytes of one, and who asks."""

    engine: Engine
    archive: Archive
    outgoing: Outgoing
    uploads: Uploads
    limit: int
    asked: Invocation | None = None


@dataclass(frozen=True, kw_only=True)
class _Coming:
    """A file on its way into a container."""

    name: str
    facts: Facts
    chunks: Callable[[], AbstractContextManager[Iterator[bytes]]]
    id: str = ""


@dataclass(frozen=True, kw_only=True)
class CopyOutWish:
    """Out of a container."""

    source: InContainer
    destination: InSlack | OnMachine
    force: bool = False

    @property
    def is_personal(self) -> bool:
        """Whether it needs something of whoever asks: their machine."""
        return isinstance(self.destination, OnMachine)

    def targets(self, engine: Engine) -> tuple[str, ...]:
        """What roles must allow."""
        return plan_out(engine, self.source, _ANY_SIZE).targets

    def plan(self, rooms: Rooms) -> Plan:
        """What it comes to; looks, and changes nothing."""
        _refuse_machine(rooms, self.destination)
        made = plan_out(rooms.engine, self.source, self._limit(rooms))
        if isinstance(self.destination, OnMachine):
            return made.plan(str(self._place(self.destination, made.name)))
        return made.plan("Slack")

    def binds(self, rooms: Rooms) -> dict[str, str]:
        """Nothing more than the container: what is copied out may change until then."""
        del rooms
        return {}

    def carry_out(self, rooms: Rooms, run: RunContext, held: Plan | None) -> Reply:
        """Copy it; raises Conflict when that is not what was permitted, and what `copyout` raises."""
        _refuse_machine(rooms, self.destination)
        made = plan_out(rooms.engine, self.source, self._limit(rooms))
        refuse_unheld(made.targets, held)
        if isinstance(self.destination, InSlack):
            return to_slack(rooms.engine, run, made, rooms.outgoing)
        place = self._place(self.destination, made.name)
        return to_path(rooms.engine, run, made, place, force=self.force)

    def _limit(self, rooms: Rooms) -> int:
        return _limit(rooms, self.destination)

    def _place(self, to: OnMachine, name: str) -> Path:
        return local.destination_of(to.path, name, is_directory=to.is_directory, force=self.force)


@dataclass(frozen=True, kw_only=True)
class CopyInWish:
    """Into a container."""

    source: InSlack | OnMachine
    destination: InContainer
    keep_owner: bool = False

    @property
    def is_personal(self) -> bool:
        """The same: their machine, or a file that they sent."""
        return True

    def targets(self, engine: Engine) -> tuple[str, ...]:
        """What roles must allow: what the path leads to, whatever the file is called."""
        return plan_in(engine, self.destination, _ANY_NAME).permitted

    def plan(self, rooms: Rooms) -> Plan:
        """What it comes to; looks, and changes nothing."""
        coming = self._coming(rooms)
        return plan_in(rooms.engine, self.destination, coming.name).plan(printable(coming.name))

    def binds(self, rooms: Rooms) -> dict[str, str]:
        """The file by its content; Slack's by its id, for what is in one of those never changes."""
        coming = self._coming(rooms)
        if isinstance(self.source, OnMachine):
            with coming.chunks() as chunks:
                return {f"file:{printable(coming.name)}": sha256_of(chunks)}
        return {f"file:{printable(coming.name)}": coming.id}

    def carry_out(self, rooms: Rooms, run: RunContext, held: Plan | None) -> Reply:
        """Copy it; raises Conflict when that is not what was permitted, and what `copyin` raises."""
        coming = self._coming(rooms)
        made = plan_in(rooms.engine, self.destination, coming.name)
        refuse_unheld(made.targets, held)
        facts = coming.facts if self.keep_owner else owner_for(rooms.engine, made, coming.facts)

        def chunks() -> Iterator[bytes]:
            with coming.chunks() as found:
                yield from found

        content = made_of(facts, chunks, printable(coming.name))
        return copy_in(rooms.engine, rooms.archive, run, made, content)

    def _coming(self, rooms: Rooms) -> _Coming:
        _refuse_machine(rooms, self.source)
        coming = self._found(rooms)
        Limit(limit=_limit(rooms, self.source), what=printable(coming.name)).refuse(coming.facts.size)
        return coming

    def _found(self, rooms: Rooms) -> _Coming:
        if isinstance(self.source, OnMachine):
            path = self.source.path
            facts = local.facts_of(path)
            return _Coming(name=path.name, facts=facts, chunks=lambda: nullcontext(local.chunks_of(path)))
        assert rooms.asked is not None
        found = rooms.uploads.find(self.source.file_id, rooms.asked)
        facts = Facts(size=found.size, mode=MODE, uid=0, gid=0, mtime=time.time())
        return _Coming(name=plain_name(found.name), facts=facts, chunks=found.chunks, id=found.id)


def wish_of(source: str, destination: str, *, keep_owner: bool, force: bool) -> CopyOutWish | CopyInWish:
    """What the words of a command line ask for; raises UsageError for ends that nothing can be copied between."""
    here, there = source_end(source), destination_end(destination)
    if keep_owner and not isinstance(here, OnMachine):
        raise UsageError(
            say(
                "--keep-owner is for files of a shell’s machine: Slack knows no owners, and what comes out of a "
                "container gets its reader’s. Nothing was changed."
            )
        )
    if isinstance(here, InContainer) and not isinstance(there, InContainer):
        return CopyOutWish(source=here, destination=there, force=force)
    if isinstance(there, InContainer) and not isinstance(here, InContainer):
        return CopyInWish(source=here, destination=there, keep_owner=keep_owner)
    raise UsageError(
        say(
            "One end of a copy is in a container, and the other is not. Nothing was changed. To copy between "
            "containers, copy out and in again."
        )
    )


def found_done(rooms: Rooms, kept: Kept, run_id: str) -> Reply | None:
    """What the run had done when the bot died; None when nothing of it stays."""
    written = kept(run_id, REMOVE_PART)
    if written is None:
        return found_copied(rooms.engine, rooms.archive, kept, run_id)
    found = local.found_written(written)
    return Reply(
        text=say(
            "It was copied to {path}, whole. The bot was stopped just after that.",
            path=printable(str(found.path)),
        ),
        facts={"path": str(found.path), "size_bytes": found.size, "sha256": found.sha256},
    )


_ANY_NAME = ".shipkeeper-any"
_ANY_SIZE = 1 << 62


def _limit(rooms: Rooms, other: End) -> int:
    return min(rooms.limit, SLACK_BYTES) if isinstance(other, InSlack) else rooms.limit


def _refuse_machine(rooms: Rooms, other: End) -> None:
    """Paths of the machine that the bot runs on are for whoever has a shell there."""
    if isinstance(other, OnMachine) and (rooms.asked is None or rooms.asked.origin is not Origin.CLI):
        raise UsageError(
            say(
                "{path} is a path of the machine that the bot runs on, which can only be named in a "
                "shell there. Nothing was changed. From Slack, copy to `slack`, or from `upload`.",
                path=printable(str(other.path)),
            )
        )
