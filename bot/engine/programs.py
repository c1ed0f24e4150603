"""Programs that run in a container beside its own, through the daemon's exec (engine facts 5, 6 and 8).

It must not know whose container it is, nor what the program is for.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import docker

from bot.engine.connection import Connection
from bot.engine.starting import not_started, told_apart
from bot.engine.streams import BROKEN, STDERR, Frames, Wire
from bot.engine.translate import is_timeout, our_errors, scrub
from bot.engine.witness import undoing
from bot.errors import BotError, Conflict, EngineError, NotFound, StreamCut
from bot.language import later, say
from bot.reasons import Reason

_READ_BYTES = 1 << 16
_ERROR_TAIL_BYTES = 4000

# The daemon learns of an end some milliseconds after the stream; of a killed one when the kernel is done with it.
_END_SECONDS, _LOOK_AGAIN_SECONDS = 10.0, 0.02

# The first line of its errors is its number in there: the daemon only tells the host's (and kills no exec).
_WRAPPER = ("/bin/sh", "-c", 'echo $$ >&2; exec "$@"', "sh")

# It leads a group of its own, for the runtime gives every exec a session. Not every shell's kill knows groups.
_KILL = ("/bin/sh", "-c", 'kill -s KILL -- "-$1" || kill -s KILL "$1"', "sh")

_SILENT = later(
    "A program in the container “{container}” wrote nothing for {seconds:g} seconds, so it was given up. "
    "Look at the container, then try again."
)
_TOO_SLOW = later(
    "A program in the container “{container}” took longer than {seconds:g} seconds, so it was given up. "
    "Look at the container, then try again."
)


@dataclass(frozen=True, kw_only=True)
class Job:
    """A program to run. With no `limit`, only the daemon's silence ends it. `errors` hears its standard error."""

    container: str
    shown: str
    words: Sequence[str]
    user: str = ""
    limit: timedelta | None = None
    errors: Callable[[bytes], None] = field(default=lambda _: None)
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)


class _Forgotten(EngineError):
    """The daemon does not know the program any more."""


class Program:
    """A program that was started; what it writes is read as it comes."""

    def __init__(self, wire: Wire, job: Job, connection: Connection, identifier: str) -> None:
        self._wire, self._job, self._connection, self._identifier = wire, job, connection, identifier
        self._where = {"container": job.shown, "host": connection.host}
        self._ends_at = None if job.limit is None else time.monotonic() + job.limit.total_seconds()
        self._frames = Frames(self._take)
        self._out: deque[bytes] = deque()
        self._first_line = b""
        self._number: int | None = None
        self._tail = b""
        self._has_ended = False
        self._exit_code: int | None = None

    def begin(self) -> None:
        """Wait until it runs; raises EngineError when it cannot."""
        while self._number is None:
            if not self._receive():
                raise not_started(self._where, b"".join(self._out) + self._first_line)

    def read(self, size: int) -> bytes:
        """At most `size` bytes of its output, `b""` at the end; EngineError after the limit, StreamCut."""
        while not self._out:
            if not self._receive():
                return b""
        part = self._out.popleft()
        if len(part) > size:
            self._out.appendleft(part[size:])
        return part[:size]

    def abort(self) -> None:
        """End it, from any thread: a read that waits, and every later one, raises StreamCut. May be called twice."""
        self._wire.cut()

    def finish(self) -> int:
        """Read the rest, and its exit code, which alone proves anything (fact 5); raises EngineError."""
        while self._receive():
            self._out.clear()
        if self._exit_code is None:
            self._exit_code = self._wait_for_end()
        if self._exit_code is None:
            raise EngineError(
                say(
                    "Nobody can know how the program in the container “{container}” ended: Docker on host "
                    "“{host}” says that it still runs, but its output has ended. Look at the container.",
                    **self._where,
                )
            )
        return self._exit_code

    @property
    def errors(self) -> str:
        """The end of what it wrote to its standard error so far."""
        return self._tail.decode("utf-8", "replace")

    @undoing()
    def end(self) -> None:
        """Kill it if it still runs; raises EngineError when it cannot be killed."""
        self._wire.close()
        if self._exit_code is not None or self._is_over():
            return
        try:
            with self._connection.call(
                say("end a program in “{container}”", **self._where), changes=True
            ) as api:
                words = [*_KILL, str(self._number)]
                made = api.exec_create(self._job.container, words, user=self._job.user)
                api.exec_start(made["Id"], detach=True)
        except (NotFound, Conflict) as error:
            if self._ask() is None:
                raise EngineError(
                    say(
                        "A program still runs in the container “{container}” and could not be ended: {error}",
                        **self._where,
                        error=error,
                    )
                ) from error
        if self._wait_for_end() is None:
            raise EngineError(
                say(
                    "A program still runs in the container “{container}”, though it was killed. Look at the host.",
                    **self._where,
                )
            )

    def _receive(self) -> bool:
        """Take the next bytes; False at the end."""
        data, error = b"", None
        if not self._wire.is_cut and not self._has_ended:
            self._wire.wait_at_most(self._seconds_left())
            try:
                data = self._wire.raw.read1(_READ_BYTES)
            except BROKEN as broken:
                error = broken
        if self._wire.is_cut:
            raise StreamCut(
                say("Listening to a program in the container “{container}” was ended.", **self._where)
            )
        if error is not None:
            raise self._explained(error) from error
        self._frames.feed(data)
        if not data and not self._frames.is_whole:
            raise self._explained(EOFError("it ended within a frame"))
        self._has_ended = not data
        return bool(data)

    def _take(self, channel: int, part: bytes) -> None:
        if channel != STDERR:
            self._out.append(part)
            return
        if self._number is None:
            line, ended, part = (self._first_line + part).partition(b"\n")
            self._first_line = line
            if not ended:
                return
            if not line.isdigit():
                raise not_started(self._where, line)
            self._number = int(line)
        self._tail = (self._tail + part)[-_ERROR_TAIL_BYTES:]
        self._job.errors(part)

    def _seconds_left(self) -> float:
        if self._ends_at is None:
            return self._connection.limits.stall.total_seconds()
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise self._too_long()
        return left

    def _wait_for_end(self) -> int | None:
        pause, deadline = threading.Event(), time.monotonic() + _END_SECONDS
        code = self._ask()
        while code is None and time.monotonic() < deadline:
            pause.wait(_LOOK_AGAIN_SECONDS)
            code = self._ask()
        return code

    def _ask(self) -> int | None:
        """Its exit code; None while it runs."""
        try:
            with self._connection.call(say("say how a program in “{container}” ended", **self._where)) as api:
                state = api.exec_inspect(self._identifier)
        except NotFound as error:  # the daemon, or the container, had another life since
            raise _Forgotten(
                say(
                    "Nobody can know how the program in the container “{container}” ended: Docker on host "
                    "“{host}” has forgotten it. Look at the container.",
                    **self._where,
                )
            ) from error
        code = state.get("ExitCode")
        return code if isinstance(code, int) and state.get("Running") is False else None

    def _is_over(self) -> bool:
        """Whether nothing of it can run any more: it ended, or the container did."""
        try:
            return self._ask() is not None
        except _Forgotten:
            with self._connection.call(say("look at the container “{container}”", **self._where)) as api:
                try:
                    is_running = api.inspect_container(self._job.container)["State"]["Running"]
                except docker.errors.NotFound:
                    return True
            if is_running:
                raise
            return True

    def _explained(self, error: Exception) -> EngineError:
        if is_timeout(error):
            return self._too_long()
        return StreamCut(
            say(
                "Docker on host “{host}” broke off while a program ran in the container "
                "“{container}”: {error}. Look at the host, then try again.",
                **self._where,
                error=scrub(error),
            )
        )

    def _too_long(self) -> EngineError:
        limit, text = self._job.limit, _TOO_SLOW
        if limit is None:
            limit, text = self._connection.limits.stall, _SILENT
        told = say(text, **self._where, seconds=limit.total_seconds())
        return EngineError(told, reason=Reason.STALLED)


@contextmanager
def running(
    connection: Connection, job: Job, may_start: Callable[[], None] = lambda: None
) -> Iterator[Program]:
    """Run it; on leaving, it is killed if it still runs. `may_start` is asked between making and starting it.

    Docker forgets what was made, but not started, in a former life of the container: so what `may_start` sees
    of the container is true of the life that the program runs in. Raises NotFound, Conflict or EngineError.
    """
    doing = say("run a program in the container “{container}”", container=job.shown)
    attempt = connection.attempt(doing, changes=True)
    with connection.call(doing, changes=True) as api:
        words, environment = [*_WRAPPER, *job.words], dict(job.environment) or None
        identifier = api.exec_create(job.container, words, user=job.user, environment=environment)["Id"]
    may_start()
    with connection.transfer(attempt) as api:
        with told_apart(), our_errors(attempt):
            path = api._url("/exec/{0}/start", identifier)
            response = api._post_json(path, data={"Detach": False, "Tty": False}, stream=True)
            api._raise_for_status(response)
        program = Program(Wire(response), job, connection, identifier)
        try:
            program.begin()
        except BotError:
            program.abort()
            raise
        try:
            yield program
        except BaseException as error:
            _end_beside(error, program)
            raise
        program.end()


def _end_beside(error: BaseException, program: Program) -> None:
    """Kill it; what goes wrong with that is added to the error that was first, and does not hide it."""
    try:
        program.end()
    except BotError as second:
        error.add_note(str(second))
