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
from bot.language import later, say, say_count
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
        path = printable(self.asked.text)
        if self.kind == "directory":
            text = say("Copy the directory {path} to {place}, as a tar.", path=path, place=to)
        else:
            text = say("Copy {path} to {place}.", path=path, place=to)
        if self.source.through:
            text = " ".join((text, say("Symbolic links lead there from {path}.", path=path)))
        return Plan(text=text, targets=self.targets, steps=(later("copy"), later("compare")))


def plan_out(engine: Engine, asked: InContainer, limit: int) -> CopyOut:
    """Look, change nothing. A link at the end is followed, as whoever reads the path would.

    Raises NotFound without the container or the path, Conflict for what is too large, or no file and no directory.
    """
    container = engine.container(asked.container)
    source, place = _followed(engine, asked.text, container.id)
    found = engine.look_at(container.id, place)
    if found is None:
        raise NotFound(
            say("There is no {path}. Nothing was copied; check the path.", path=printable(asked.text))
        )
    words = Limit(limit=limit, what=printable(asked.text))
    if found.kind == "other" or (asked.is_directory and found.kind != "directory"):
        raise Conflict(
            say("{path} is no directory. Nothing was copied.", path=words.what)
            if asked.is_directory
            else say("{path} is no file. Nothing was copied.", path=words.what)
        )
    if found.kind == "file":
        words.refuse(found.size)
    if source.inner:
        raise Conflict(
            say(
                "Other things are mounted below {path}: {mounts}. They would be missing in the copy, so nothing was "
                "copied. Name paths beside them.",
                path=words.what,
                mounts=", ".join(source.inner),
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
            "More than {most} symbolic links lead from {path}. Nothing was copied.",
            most=_LINKS,
            path=printable(text),
        )
    )


def to_slack(engine: Engine, run: RunContext, made: CopyOut, outgoing: Outgoing) -> Reply:
    """Keep it for whoever delivers the answer. Raises EngineError, Conflict, StoreError."""
    with outgoing.begin(run.run_id) as draft, _read(engine, run, made) as outward:
        for chunk in outward.chunks:
            draft.write(chunk)
        file = draft.keep(made.name)
    follows = say("It follows as the file {file}.", file=printable(file.name))
    text = f"{_sentence(made, outward)} {follows}"
    return Reply(text=text, facts=_facts(made, file.size, file.sha256), attachments=(file,))


def to_path(engine: Engine, run: RunContext, made: CopyOut, path: Path, *, force: bool) -> Reply:
    """Write it there, whole or not at all. Raises EngineError, Conflict."""
    with _read(engine, run, made) as outward, new_file(run, path, force=force) as write:
        written = write(outward.chunks)
    compared = say("It is at {path}, read back and compared.", path=printable(str(path)))
    text = f"{_sentence(made, outward)} {compared}"
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
                run.progress(say("copying"), done)
                yield from outward.taken()
            outward.close()
        if outward.kind != made.kind:
            raise EngineError(
                say(
                    "{path} became a directory meanwhile. Nothing was copied. Ask again.",
                    path=made.limit.what,
                )
                if outward.kind == "directory"
                else say(
                    "{path} became a file meanwhile. Nothing was copied. Ask again.", path=made.limit.what
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
    path, links = printable(made.asked.text), outward.leading_out()
    if made.kind != "directory":
        return say("{path} was copied, whole to its end.", path=path)
    text = say("{path} was copied, as a tar, whole to its end.", path=path)
    if links:
        beside = say_count(
            "1 symbolic link in it leads out of it, and is in the tar as it stands.",
            "{number} symbolic links in it lead out of it, and are in the tar as they stand.",
            links,
        )
        text = f"{text} {beside}"
    return text


def _facts(made: CopyOut, size: int, sha256: str) -> dict[str, Value]:
    return {"source": made.asked.text, "size_bytes": size, "sha256": sha256}
