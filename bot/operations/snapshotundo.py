"""Takes a commit back, also one that the engine was still at when whoever asked for it died.

Must not know why it is taken back.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping

from bot.engine import RUN_LABEL, Engine
from bot.engine.snapshot_contract import committed_by
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


def remove_snapshot(engine: Engine, arguments: Mapping[str, str]) -> None:
    """Remove what the run committed, waiting for it: nothing tells a commit that goes on from one that never began."""
    pause, deadline = threading.Event(), time.monotonic() + int(arguments["seconds"])
    while not engine.remove_snapshot(arguments["run"]):
        if time.monotonic() >= deadline:
            return
        pause.wait(_LOOK_AGAIN_SECONDS)


def sweep_snapshots(engines: Iterable[Engine], has_failed: Callable[[str], bool]) -> None:
    """Remove nameless images of runs that ended without a snapshot: the engine finished them later than anybody waited.

    `has_failed` says of a run whether it is over and its image was not to stay. What somebody built from such an image
    is theirs. Raises EngineError when a host cannot be asked.
    """
    unreachable: list[EngineError] = []
    for engine in engines:
        try:
            _sweep(engine, has_failed)
        except EngineError as error:
            unreachable.append(error)
    if unreachable:
        raise unreachable[0]


def _sweep(engine: Engine, has_failed: Callable[[str], bool]) -> None:
    images = engine.snapshots()
    for image in images:
        run_id = image.labels.get(RUN_LABEL, "")
        if image.references or image is not committed_by(run_id, images) or not has_failed(run_id):
            continue
        try:
            engine.remove_snapshot(run_id)
            _log.warning("removed the image of run %s, which ended without a snapshot", run_id)
        except EngineError:
            raise
        except BotError as error:  # somebody made a container from it, so it is somebody's now
            _log.warning("the image of run %s stays: %s", run_id, error)
