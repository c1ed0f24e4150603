"""Takes a dump of a database that runs in a container, and proves that it is whole.

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

__all__ = ["Dump", "DumpPlan", "Preset", "dump", "recognise"]

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


@dataclass(frozen=True, kw_only=True)
class Dump:
    """A whole dump: what its manifest says of it, and what it does not keep; to be said."""

    facts: DumpFacts
    lost: tuple[str, ...] = ()


def dump(engine: Engine, run: RunContext, plan: DumpPlan, write: Write) -> Dump:
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
            problem = say(
                "{command} took longer than {limit:g} s and was ended",
                command=preset.command,
                limit=plan.limit.total_seconds(),
            )
            raise _failed(plan, problem, execution.errors) from error
        _refuse_unless_whole(plan, exit_code, seen, execution.errors)
        said = execution.errors.rstrip().rpartition("\n")[2]
    facts = DumpFacts(
        preset=preset.name, command=preset.command, bytes=seen.bytes, sha256=seen.hash.hexdigest()
    )
    also = (lost for line, lost in preset.lost_when.items() if line == said)
    return Dump(facts=facts, lost=(*preset.lost, *also))


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
    command = plan.preset.command
    if exit_code != 0:
        problem = say("{command} ended with exit code {exit_code}", command=command, exit_code=exit_code)
        raise _failed(plan, problem, errors)
    if seen.bytes == 0:
        raise _failed(plan, say("{command} wrote nothing", command=command), errors)
    if not plan.preset.is_whole(seen.head, seen.tail, seen.bytes):
        raise _failed(
            plan,
            say(
                "{command} wrote {size} that are no whole {preset} dump",
                command=command,
                size=size(seen.bytes),
                preset=plan.preset.name,
            ),
            errors,
        )


def _failed(plan: DumpPlan, problem: str, errors: str) -> EngineError:
    told = [
        say(
            "The dump of the container “{container}” failed: {problem}.",
            container=plan.container.name,
            problem=problem,
        )
    ]
    output = " ".join(errors.split())[-_SAID_CHARACTERS:]
    if output:
        told.append(say("It said: {output}", output=output))
    told.append(say("Nothing was saved. Run it in the container to see why."))
    return EngineError(" ".join(told), reason=Reason.DUMP)
