"""Our own containers that run: they look through volumes and rename in them, with programs of this machine.

It must not know why; each verb is one program or one small script in such a container.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from bot.engine import HELPER_LABEL, RUN_LABEL, Exchange, Storage
from bot.engine import tool_scripts as scripts
from bot.engine.connection import Connection
from bot.engine.helpers import HelperVerbs
from bot.engine.mounts import docker_mount, missing_path_is_not_found
from bot.engine.programs import Job, Program, running
from bot.engine.tools_image import ENVIRONMENT, ToolsImage
from bot.engine.translate import scrub
from bot.engine.walk import NO_SUCH_PATH, Complaints, Walk, script
from bot.entry import Item, printable
from bot.errors import Conflict, EngineError, NotFound
from bot.language import say

# A rename is quick, but what is new goes to the disk first.
EXCHANGE_LIMIT = timedelta(minutes=15)
REMOVAL_LIMIT = timedelta(minutes=30)
QUESTION_LIMIT = timedelta(minutes=1)

_READ_BYTES = 1 << 18
_MOST_PROCESSES = 64
_READING = ("DAC_READ_SEARCH",)
# To rename and remove in directories of anybody, sticky ones too (capabilities(7)).
_RENAMING = ("DAC_READ_SEARCH", "DAC_OVERRIDE", "FOWNER")


class ToolVerbs(HelperVerbs):
    """The part of the engine that runs our own programs on a volume or a path."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._tools_image = ToolsImage()

    def create_tool(self, name: str, storage: Storage, *, run_id: str, read_only: bool) -> None:
        """Create and start a container of our programs; raises NotFound without the storage, Conflict, EngineError."""
        self._refuse_missing_volume(storage)
        with (
            self._connection.call(
                say("start the tool container “{container}”", container=name), changes=True
            ) as api,
            missing_path_is_not_found(storage, self._connection.host),
        ):
            made = api.create_container(
                self._tools_image.ensure(api),
                command=["/bin/sleep", "infinity"],
                name=name,
                labels={HELPER_LABEL: "tool", RUN_LABEL: run_id},
                environment=dict(ENVIRONMENT),
                host_config=api.create_host_config(
                    mounts=[docker_mount(storage, scripts.MOUNT_POINT, read_only=read_only)],
                    network_mode="none",
                    read_only=True,
                    cap_drop=["ALL"],
                    cap_add=list(_READING if read_only else _RENAMING),
                    security_opt=["no-new-privileges", "label=disable"],
                    pids_limit=_MOST_PROCESSES,
                    log_config={"Type": "none"},
                ),
            )
            api.start(made["Id"])

    @contextmanager
    def inventory(
        self, tool: str, path: str = scripts.MOUNT_POINT, *, attributes: bool = False
    ) -> Iterator[Iterator[Item]]:
        """Walk through the path, mount points below it too; raises NotFound without it, or EngineError.

        What vanishes under the walk is just not there. Attributes named `trusted.` are not seen: only a container
        with every right over the machine sees those (xattr(7)).
        """
        complaints = Complaints()
        words = scripts.command(script(attributes=attributes), path)
        job = Job(container=tool, shown=tool, words=words, errors=complaints.feed)
        with running(self._connection, job) as program:
            first = program.read(_READ_BYTES)
            if not first and program.finish() == NO_SUCH_PATH:
                raise NotFound(
                    say(
                        "There is no “{path}” in what the tool “{tool}” on host "
                        "“{host}” looks into. Nothing was changed; check the path.",
                        path=scrub(printable(path)),
                        tool=tool,
                        host=self._connection.host,
                    )
                )
            yield _items(program, first, Walk(path, attributes=attributes), complaints)

    def free_bytes(self, tool: str) -> int:
        """Bytes that may still be written, as statvfs(3) counts them for anybody; raises EngineError."""
        code, out, errors = self._run(tool, scripts.FREE, scripts.MOUNT_POINT)
        words = out.split()
        if code or len(words) != 2 or not all(word.isdigit() for word in words):
            raise self._failed(tool, say("say how much room there is"), errors)
        return int(words[0]) * int(words[1])

    def exchange(self, tool: str, exchange: Exchange) -> None:
        """Put `new` at `place` by renaming; raises NotFound without `new`, Conflict when `aside` exists, EngineError.

        All three must lie on one file system. If nothing was at `place`, an empty file beside `aside` says so.
        """
        paths = _paths(exchange)
        code, _, errors = self._run(tool, scripts.EXCHANGE, *paths, limit=EXCHANGE_LIMIT)
        if code == scripts.MISSING:
            raise NotFound(
                say(
                    "There is no “{new}” to put at “{place}”. Nothing was changed.",
                    new=_shown(exchange.new),
                    place=_shown(exchange.place),
                )
            )
        if code == scripts.TAKEN:
            raise Conflict(
                say(
                    "“{aside}” exists already, so “{place}” cannot go there. Nothing was changed.",
                    aside=_shown(exchange.aside),
                    place=_shown(exchange.place),
                )
            )
        if code == scripts.APART:
            raise EngineError(
                say(
                    "“{new}” and “{place}” do not lie on one file system, so they "
                    "cannot be exchanged at once. Nothing was changed; restore into a new volume instead.",
                    new=_shown(exchange.new),
                    place=_shown(exchange.place),
                )
            )
        if code:
            raise self._failed(
                tool,
                say("put “{new}” at “{place}”", new=_shown(exchange.new), place=_shown(exchange.place)),
                errors,
            )

    def exchange_back(self, tool: str, exchange: Exchange) -> None:
        """Take an exchange back wherever it stopped; raises EngineError. May be called twice."""
        paths = _paths(exchange)
        code, _, errors = self._run(tool, scripts.EXCHANGE_BACK, *paths, limit=EXCHANGE_LIMIT)
        if code == scripts.BOTH:
            raise EngineError(
                say(
                    "“{place}” was made anew while it was being exchanged. What it held is at "
                    "“{aside}”, what was to stand there at “{new}”. Neither was "
                    "changed. Look at the host, and put the right one there by hand.",
                    place=_shown(exchange.place),
                    aside=_shown(exchange.aside),
                    new=_shown(exchange.new),
                )
            )
        if code:
            raise self._failed(
                tool, say("put back what was at “{place}”", place=_shown(exchange.place)), errors
            )

    def remove_tree(self, tool: str, path: str) -> None:
        """Remove it and all below, but nothing on other file systems; raises EngineError. May be called twice."""
        code, _, errors = self._run(tool, scripts.REMOVE, scripts.below_mount(path), limit=REMOVAL_LIMIT)
        if code:
            raise self._failed(tool, say("remove “{path}”", path=_shown(path)), errors)

    def _run(
        self, tool: str, words: str, *paths: str, limit: timedelta = QUESTION_LIMIT
    ) -> tuple[int, str, str]:
        """A script's exit code, output and errors."""
        job = Job(container=tool, shown=tool, words=scripts.command(words, *paths), limit=limit)
        with running(self._connection, job) as program:
            output = b"".join(iter(lambda: program.read(_READ_BYTES), b""))
            return program.finish(), output.decode("utf-8", "replace"), program.errors

    def _failed(self, tool: str, doing: str, errors: str) -> EngineError:
        return EngineError(
            say(
                "The tool “{tool}” on host “{host}” could not {doing}: "
                "{reason}. Look at the host, then send the command again.",
                tool=tool,
                host=self._connection.host,
                doing=doing,
                reason=scrub(errors) or say("it said nothing"),
            )
        )


def _paths(exchange: Exchange) -> tuple[str, ...]:
    return tuple(scripts.below_mount(path) for path in (exchange.place, exchange.new, exchange.aside))


def _shown(path: str) -> str:
    return scrub(printable(path))


def _items(program: Program, data: bytes, walk: Walk, complaints: Complaints) -> Iterator[Item]:
    """What the walk finds; raises EngineError at its end unless all of it is true."""
    while data:
        yield from walk.feed(data)
        data = program.read(_READ_BYTES)
    complaints.refuse(program.finish())
    yield from walk.close()
