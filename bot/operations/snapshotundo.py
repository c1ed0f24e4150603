"""Takes a commit back, also one that the engine was still at when whoever asked for it died.

Must not know why it is taken back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial

from bot.engine import RUN_LABEL, Engine
from bot.engine.snapshot_contract import Configuration, SnapshotImage
from bot.errors import BotError, EngineError

_log = logging.getLogger(__name__)
_LOOK_AGAIN_SECONDS = 0.2
_ALWAYS_SECONDS = 5
_SLOWEST_BYTES = 20_000_000
"""A second of a commit; a quick disk did ten times as much (engine facts, section 4)."""
_MOST_SECONDS = 900


def seconds_of(layer_bytes: int) -> int:
    """How long the engine may be at the commit of a layer of that size, whoever waits for it."""
    return min(_ALWAYS_SECONDS + layer_bytes // _SLOWEST_BYTES, _MOST_SECONDS)


def how_to_find(before: Configuration) -> dict[str, str]:
    """By what, beside its run, the image of a container of that configuration is taken back.

    For how long it is waited, and how many layers it has at most, where those below it are known.
    """
    found = {"seconds": str(seconds_of(before.layer_bytes))}
    return {**found, "layers": str(len(before.layers) + 1)} if before.layers else found


def remove_snapshot(engine: Engine, arguments: Mapping[str, str]) -> None:
    """Remove what the run committed, waiting for it: nothing tells a commit that goes on from one that never began."""

    def is_own(image: SnapshotImage) -> bool:
        return _is_own(image, arguments)

    pause, deadline = threading.Event(), time.monotonic() + int(arguments["seconds"])
    while not engine.remove_snapshot(arguments["run"], is_own=is_own):
        if time.monotonic() >= deadline:
            return
        pause.wait(_LOOK_AGAIN_SECONDS)


def sweep_snapshots(engines: Iterable[Engine], left_by: Callable[[str], Mapping[str, str] | None]) -> None:
    """Remove nameless images of runs that ended without a snapshot: the engine finished them later than anybody waited.

    `left_by(run)` is what such a run wrote down to take its image back by; None for every other run. Raises
    EngineError when a host cannot be asked.
    """
    unreachable: list[EngineError] = []
    for engine in engines:
        try:
            _sweep(engine, left_by)
        except EngineError as error:
            unreachable.append(error)
    if unreachable:
        raise unreachable[0]


def _sweep(engine: Engine, left_by: Callable[[str], Mapping[str, str] | None]) -> None:
    for image in engine.snapshots():
        run_id = image.labels.get(RUN_LABEL, "")
        arguments = None if image.references else left_by(run_id)
        if arguments is None or not _is_own(image, arguments):
            continue
        try:
            engine.remove_snapshot(run_id, is_own=partial(_is_same, image))
            _log.warning("removed the image of run %s, which ended without a snapshot", run_id)
        except EngineError:
            raise
        except BotError as error:  # somebody made a container from it, so it is somebody's now
            _log.warning("the image of run %s stays: %s", run_id, error)


def _is_own(image: SnapshotImage, arguments: Mapping[str, str]) -> bool:
    """An image that was built from the snapshot bears its labels, too, and has more layers than a commit makes."""
    most = arguments.get("layers")
    return most is None or len(image.layers) <= int(most)


def _is_same(image: SnapshotImage, other: SnapshotImage) -> bool:
    return other.id == image.id and not other.references
