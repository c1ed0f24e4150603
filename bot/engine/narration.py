"""Follows what the daemon tells while it pushes or pulls: how far it is, with which digest it ended, what went wrong.

It must not know which of the two it is, nor who asked.
"""

from __future__ import annotations

import json
import queue
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bot.engine.image_contract import OnProgress
from bot.engine.streams import Wire
from bot.language import Thread

_LOOK_SECONDS = 0.2
_LAST_SECONDS = 0.5
_READ_BYTES = 1 << 14
_MOST_LINE_BYTES = 1 << 20
_DIGEST = re.compile(r"(?:^|\s)[Dd]igest: (sha256:[0-9a-f]{64})\b")
_MOVING = frozenset({"Pushing", "Downloading"})
_MOVED = frozenset({"Pushed", "Download complete", "Pull complete", "Layer already exists", "Already exists"})


class Narration:
    """What was told so far: `digest` or None, `error` the daemon's own words for a failure or None."""

    def __init__(self, on_progress: OnProgress) -> None:
        self._on_progress = on_progress
        self._layers: dict[str, tuple[int, int]] = {}
        self.digest: str | None = None
        self.error: str | None = None

    def hear(self, event: Mapping[str, Any]) -> None:
        """Take the next event in."""
        detail = event.get("errorDetail")
        said = detail.get("message") if isinstance(detail, dict) else None
        if said or "error" in event:
            self.error = self.error or str(said or event["error"])
        aux = event.get("aux")
        if isinstance(aux, dict) and isinstance(
            aux.get("Digest"), str
        ):  # of another shape elsewhere (fact 15)
            self.digest = aux["Digest"]
        status = str(event.get("status", ""))
        if found := _DIGEST.search(status):
            self.digest = found.group(1)
        self._note(str(event.get("id", "")), status, event.get("progressDetail"))

    def _note(self, layer: str, status: str, detail: object) -> None:
        """The bytes of all layers together; one that the registry has already weighs nothing."""
        known = self._layers.get(layer, (0, 0))
        if status in _MOVING and isinstance(detail, dict):
            total = max(int(detail.get("total") or 0), known[1])
            now = (min(int(detail.get("current") or 0), total), total)
        elif status in _MOVED and layer:
            now = (known[1], known[1])
        else:
            return
        self._layers[layer] = now
        total = sum(one[1] for one in self._layers.values())
        self._on_progress(sum(one[0] for one in self._layers.values()), total or None)


def follow(start: Callable[[], Any], narration: Narration, check: Callable[[], None]) -> None:
    """Let `start` begin, on a thread of its own, and hear all that the response which it gives tells.

    Raises what `check` or the narration's listener raise, at once, and then cuts the response: for a daemon that ends
    the work. Else raises what `start` or the reading raise.
    """
    teller = _Teller(start)
    teller.start()
    try:
        while True:
            check()
            try:
                event = teller.events.get(timeout=_LOOK_SECONDS)
            except queue.Empty:
                continue
            if event is None:
                break
            narration.hear(event)
    finally:
        teller.give_up()
    if teller.error is not None:
        raise teller.error


class _Teller(Thread):
    """Reads events from the response; its last one is None, and `error` is then what ended it early."""

    def __init__(self, start: Callable[[], Any]) -> None:
        super().__init__(self._tell, name="telling")
        self._begin = start
        self._lock = threading.Lock()
        self._wire: Wire | None = None
        self._is_unwanted = False
        self.events: queue.Queue[Mapping[str, Any] | None] = queue.Queue()
        self.error: BaseException | None = None

    def _tell(self) -> None:
        with self:
            wire = Wire(self._begin())
            with self._lock:
                self._wire = wire
                if self._is_unwanted:  # given up before the daemon answered
                    wire.cut()
            try:
                for event in _events(wire):
                    self.events.put(event)
            finally:
                wire.close()

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        self.error = error
        self.events.put(None)
        return True

    def give_up(self) -> None:
        """Cut the response if it is still being read; it gets a moment to end."""
        with self._lock:
            self._is_unwanted = True
            if self._wire is not None and self.is_alive():
                self._wire.cut()
        self.join(_LAST_SECONDS)


def _events(wire: Wire) -> Iterator[Mapping[str, Any]]:
    """The JSON objects of the response, a line each; what is none is left out."""
    held = bytearray()
    while data := wire.raw.read1(_READ_BYTES):
        held += data
        *lines, rest = held.split(b"\n")
        held = bytearray(rest)
        if len(held) > _MOST_LINE_BYTES:
            raise ValueError("a line of the daemon's answer has no end")
        yield from _objects(lines)
    yield from _objects([held])


def _objects(lines: list[bytearray]) -> Iterator[Mapping[str, Any]]:
    for line in lines:
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict):
            yield found
