"""Copies a path out of a container: a file as itself, a directory as a tar; to Slack, or to a path of this machine.

Only looks at the container. Must not know who asked.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bot.engine import Engine
from bot.entry import printable
from bot.errors import Conflict, EngineError, NotFound
from bot.language import say
from bot.model import Plan, Reply, Value
from bot.operations.context import REMOVE_HELPER, RunContext
from bot.operations.copyends import InContainer
from bot.operations.local import new_file
from bot.operations.outward import Limit, Outward
from bot.operations.reading import CHUNK_BYTES, true_cause
from bot.operations.sources import Source, resolve
from bot.stores.outgoing import Outgoing

SLACK_BYTES = 1_000_000_000
"""Slack takes no larger files (help page "Add files to Slack": 1 GB)."""
_LINKS = 40


@dataclass(frozen=True, kw_only=True)
class CopyOut:
    """What will be copied: `source` as it lies, `asked` as it was named, no more than `limit` says."""

    asked: InContainer
    source: Source
    container_id: str
    kind: str
    limit: Limit

    @property
    def targets(self) -> tuple[str, ...]:
        """The container, for what is in it may be secret; and what its path really is, if that is something else."""
        return tuple(dict.fromkeys((f"container:{self.asked.container}", self.source.target)))

    @property
    def name(self) -> str:
        """What the copy is called: a directory comes as a tar."""
        base = self.asked.path.rstrip("/").rsplit("/", 1)[-1]
        return f"{base}.tar" if self.kind == "directory" else base

    def plan(self, to: str) -> Plan:
        """In words."""
        what = say("the directory ") if self.kind == "directory" else ""
        link = (
            say(" Symbolic links lead there from {asked}.", asked=printable(self.asked.text))
            if self.source.through
            else ""
        )
        text = say(
            "Copy {what}{asked} to {to}{extra}.{link}",
            what=what,
            asked=printable(self.asked.text),
            to=to,
            extra=", as a tar" if what else "",
            link=link,
        )
        return Plan(text=text, targets=self.targets, steps=("copy", "compare"))


def plan_out(engine: Engine, asked: InContainer, limit: int) -> CopyOut:
    """Look, change nothing. A link at the end is followed, as whoever reads the path would.

    Raises NotFound without the container or the path, Conflict for what is too large, or no file and no directory.
    """
    container = engine.container(asked.container)
    source, place = _followed(engine, asked.text, container.id)
    found = engine.look_at(container.id, place)
    if found is None:
        raise NotFound(
            say("There is no {asked}. Nothing was copied; check the path.", asked=printable(asked.text))
        )
    words = Limit(limit=limit, what=printable(asked.text))
    if found.kind == "other" or (asked.is_directory and found.kind != "directory"):
        raise Conflict(
            say(
                "{what} is no {extra}. Nothing was copied.",
                what=words.what,
                extra="directory" if asked.is_directory else "file",
            )
        )
    if found.kind == "file":
        words.refuse(found.size)
    if source.inner:
        raise Conflict(
            say(
                "Other things are mounted below {what}: {inner}. They would be missing in the "
                "copy, so nothing was copied. Name paths beside them.",
                what=words.what,
                inner=", ".join(source.inner),
            )
        )
    return CopyOut(asked=asked, source=source, container_id=container.id, kind=found.kind, limit=words)


def _followed(engine: Engine, text: str, container_id: str) -> tuple[Source, str]:
    """What the path is in the end, and where that is in the container."""
    container, _, path = text.partition(":")
    for _ in range(_LINKS):
        source = resolve(engine, f"{container}:{path}")
        place = source.place if source.container is not None else path.rstrip("/")
        target = engine.link_at(container_id, place)
        if target is None:
            return source, place
        path = target
    raise Conflict(
        say(
            "More than {LINKS} symbolic links lead from {text}. Nothing was copied.",
            LINKS=_LINKS,
            text=printable(text),
        )
    )


def to_slack(engine: Engine, run: RunContext, made: CopyOut, outgoing: Outgoing) -> Reply:
    """Keep it for whoever delivers the answer. Raises EngineError, Conflict, StoreError."""
    with outgoing.begin(run.run_id) as draft, _read(engine, run, made) as outward:
        for chunk in outward.chunks:
            draft.write(chunk)
        file = draft.keep(made.name)
    text = say(
        "{made} It follows as the file {file}.", made=_sentence(made, outward), file=printable(file.name)
    )
    return Reply(text=text, facts=_facts(made, file.size, file.sha256), attachments=(file,))


def to_path(engine: Engine, run: RunContext, made: CopyOut, path: Path, *, force: bool) -> Reply:
    """Write it there, whole or not at all. Raises EngineError, Conflict."""
    with new_file(run, path, force=force) as write, _read(engine, run, made) as outward:
        written = write(outward.chunks)
    text = say(
        "{made} It is at {path}, read back and compared.",
        made=_sentence(made, outward),
        path=printable(str(path)),
    )
    facts = {**_facts(made, written.size, written.sha256), "path": str(path)}
    return Reply(text=text, facts=facts)


@dataclass(kw_only=True)
class _Reading:
    chunks: Iterator[bytes]
    leading_out: Callable[[], int]


@contextmanager
def _read(engine: Engine, run: RunContext, made: CopyOut) -> Iterator[_Reading]:
    outward = Outward(made.source.root, made.limit)

    def chunks(holder: str) -> Generator[bytes, None, None]:
        done = 0
        with (
            true_cause(run.check),
            engine.read_volume(holder, made.source.path, check=run.check) as stream,
            run.watched(stream.abort),
        ):
            while chunk := stream.read(CHUNK_BYTES):
                outward.feed(chunk)
                done += len(chunk)
                run.check()
                run.progress("copying", done)
                yield from outward.taken()
            outward.close()
        if outward.kind != made.kind:
            raise EngineError(
                say(
                    "{what} became a {kind} meanwhile. Nothing was copied. Ask again.",
                    what=made.limit.what,
                    kind=outward.kind,
                )
            )
        yield from outward.taken()

    with _held(engine, run, made) as holder, closing(chunks(holder)) as coming:
        yield _Reading(chunks=coming, leading_out=lambda: outward.leading_out)


@contextmanager
def _held(engine: Engine, run: RunContext, made: CopyOut) -> Iterator[str]:
    """Who is read through: a helper where that sees the same, for the container is locked while it is read."""
    if made.source.storage is None:
        yield made.container_id
        return
    name = f"shipkeeper-copy-{run.run_id}"
    with run.undoable(REMOVE_HELPER, name=name):
        engine.create_helper(name, made.source.storage, run_id=run.run_id, read_only=True)
        yield name


def _sentence(made: CopyOut, outward: _Reading) -> str:
    links = outward.leading_out()
    beside = (
        say(" {links} symbolic links in it lead out of it, and are in the tar as they stand.", links=links)
        if links
        else ""
    )
    tar = say(", as a tar") if made.kind == "directory" else ""
    return say(
        "{asked} was copied{tar}, whole to its end.{beside}",
        asked=printable(made.asked.text),
        tar=tar,
        beside=beside,
    )


def _facts(made: CopyOut, size: int, sha256: str) -> dict[str, Value]:
    return {"source": made.asked.text, "size_bytes": size, "sha256": sha256}
