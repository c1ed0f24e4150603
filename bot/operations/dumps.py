"""Takes a consistent dump of a database that runs in a container, and proves that it is whole.

Must not know where the bytes go. The end of a program's stream proves nothing (engine fact 5): its exit code, its
size and its own mark at the end are demanded.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from bot.engine import Container, Engine, Execution
from bot.errors import EngineError, StreamCut
from bot.language import say
from bot.operations.context import RunContext
from bot.operations.hooks import USER_LABEL
from bot.operations.presets import HEAD_BYTES, TAIL_BYTES, Preset, recognise
from bot.reasons import Reason
from bot.stores.archive import DumpFacts
from bot.words import size

__all__ = ["DumpPlan", "Preset", "dump", "recognise"]

_CHUNK_BYTES = 1 << 20
_SAID_CHARACTERS = 500
_LOOK_LIMIT = timedelta(seconds=30)
_OWNER = re.compile(rb"\d+:\d+\n")
_OWNER_BYTES = 100

Write = Callable[[bytes], None]


@dataclass(frozen=True, kw_only=True)
class DumpPlan:
    """A dump to be taken: of which container, by which preset, and how long it may take."""

    container: Container
    preset: Preset
    limit: timedelta


def dump(engine: Engine, run: RunContext, plan: DumpPlan, write: Write) -> DumpFacts:
    """Give `write` the dump, piece by piece; what it got counts only when this returns.

    Raises EngineError (reason `dump`, with what the program said) unless the dump is whole, Conflict when the
    container does not run, StreamCut, or what `run.check` and `write` raise. A cancel ends the program.
    """
    container, preset = plan.container, plan.preset
    seen = _Seen()
    run.check()
    user = container.labels.get(USER_LABEL, "").strip() or preset.user or _owner(engine, plan)
    with engine.execute(container, preset.words, limit=plan.limit, user=user) as execution:
        try:
            with run.watched(execution.abort):
                exit_code = _copy(run, plan, execution, seen, write)
        except StreamCut:
            run.check()
            raise
        except EngineError as error:
            if error.reason is not Reason.STALLED:
                raise
            how = say("took longer than {limit:g} s and was ended", limit=plan.limit.total_seconds())
            raise _failed(plan, how, execution.errors) from error
        _refuse_unless_whole(plan, exit_code, seen, execution.errors)
    return DumpFacts(
        preset=preset.name, command=preset.command, bytes=seen.bytes, sha256=seen.hash.hexdigest()
    )


def _owner(engine: Engine, plan: DumpPlan) -> str:
    """`uid:gid` of the preset's file; empty without one, or where nobody can say: then the dump itself will."""
    if not plan.preset.file:
        return ""
    words = ("stat", "-c", "%u:%g", "--", plan.preset.file)
    with engine.execute(plan.container, words, limit=min(_LOOK_LIMIT, plan.limit)) as execution:
        told = execution.read(_OWNER_BYTES)
        is_told = execution.finish() == 0 and _OWNER.fullmatch(told)
    return told.decode("ascii").strip() if is_told else ""


class _Seen:
    """What went by: size, SHA-256, and both ends."""

    def __init__(self) -> None:
        self.bytes = 0
        self.hash = hashlib.sha256()
        self.head = b""
        self.tail = b""

    def add(self, chunk: bytes) -> None:
        self.bytes += len(chunk)
        self.hash.update(chunk)
        self.head += chunk[: HEAD_BYTES - len(self.head)]
        self.tail = (self.tail + chunk[-TAIL_BYTES:])[-TAIL_BYTES:]


def _copy(run: RunContext, plan: DumpPlan, execution: Execution, seen: _Seen, write: Write) -> int:
    while chunk := execution.read(_CHUNK_BYTES):
        run.check()
        seen.add(chunk)
        write(chunk)
        run.progress(say("dumping {container}", container=plan.container.name), seen.bytes)
    return execution.finish()


def _refuse_unless_whole(plan: DumpPlan, exit_code: int, seen: _Seen, errors: str) -> None:
    if exit_code != 0:
        raise _failed(plan, say("ended with exit code {exit_code}", exit_code=exit_code), errors)
    if seen.bytes == 0:
        raise _failed(plan, say("wrote nothing"), errors)
    if not plan.preset.is_whole(seen.head, seen.tail, seen.bytes):
        raise _failed(
            plan,
            say(
                "wrote {bytes} that are no whole {preset} dump",
                bytes=size(seen.bytes),
                preset=plan.preset.name,
            ),
            errors,
        )


def _failed(plan: DumpPlan, how: str, errors: str) -> EngineError:
    said = " ".join(errors.split())[-_SAID_CHARACTERS:]
    return EngineError(
        say(
            "The dump of the container “{container}” failed: {command} {how}. "
            "{extra}Nothing was saved. Run it in the container to see why.",
            container=plan.container.name,
            command=plan.preset.command,
            how=how,
            extra=f"It said: {said} " if said else "",
        ),
        reason=Reason.DUMP,
    )
