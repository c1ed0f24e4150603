"""Builds images over docker-py: sends the context, reads the stream to its end, for it answers 200 to failures, too.

It must not know what is built, nor where the context comes from.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

from bot.engine.build_contract import Recipe
from bot.engine.connection import Verbs
from bot.engine.narration import Narration, follow
from bot.engine.streams import BROKEN, Source
from bot.engine.translate import SDK_ERRORS, scrub, translated
from bot.errors import BotError, BuildFailed, EngineError, StreamCut
from bot.language import say
from bot.reasons import Reason

_ASK_SECONDS = 10.0


class BuildVerbs(Verbs):
    """The part of the engine that builds."""

    def build(
        self,
        recipe: Recipe,
        context: Iterator[bytes],
        on_line: Callable[[str], None],
        check: Callable[[], None] = lambda: None,
    ) -> str:
        """Build it; the image's id. Raises BuildFailed, EngineError, or what `context`, `on_line` or `check` raise."""
        attempt = self._connection.attempt(say("build an image"), changes=True)
        over = threading.Event()
        source, told = Source(_until(over, context)), _Log(on_line)
        watch = _Watch(self._is_there, told, recipe.limit, check)
        with ExitStack() as held:
            held.callback(over.set)

            def begin() -> Any:
                api = held.enter_context(self._connection.transfer(attempt))
                stall = self._connection.limits.stall.total_seconds()
                response = api._post(
                    api._url("/build"),
                    params=_parameters(recipe),
                    data=source,
                    headers={"Content-Type": "application/x-tar"},
                    stream=True,
                    timeout=(stall, recipe.limit.total_seconds()),
                )
                api._raise_for_status(response)
                return response

            try:
                follow(begin, told, watch.check)
            except BotError:
                raise
            except (*SDK_ERRORS, *BROKEN) as error:
                if source.error is not None:  # urllib3 disguises an OSError of ours as one of the connection
                    raise source.error from None
                raise translated(error, attempt) from error
        return told.image_id(attempt.engine)

    def _is_there(self) -> None:
        """Raises EngineError when the daemon does not answer any more."""
        with self._connection.call(say("go on building")):
            return


class _Log(Narration):
    """What the builder says: lines for people, at the end the image, or the words for its failure."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        super().__init__(lambda _done, _total: None)
        self._on_line = on_line
        self._rest = ""
        self._image = ""
        self.heard_at = time.monotonic()

    def hear(self, event: Mapping[str, Any]) -> None:
        """Take the next event in."""
        self.heard_at = time.monotonic()
        super().hear(event)
        aux = event.get("aux")
        if isinstance(aux, dict) and isinstance(aux.get("ID"), str):
            self._image = aux["ID"]
        *lines, self._rest = (self._rest + str(event.get("stream", ""))).split("\n")
        status, is_bar = str(event.get("status", "")), event.get("progressDetail")
        if status and not is_bar:
            lines.append(f"{event.get('id', '')} {status}".strip())
        if self.error is not None:
            lines.append(self.error)
        for line in lines:
            self._on_line(line)

    def image_id(self, engine: str) -> str:
        """The image; raises BuildFailed with the last words without one."""
        if self.error is not None:
            raise BuildFailed(
                say(
                    "{engine} could not build it: {reason}.",
                    engine=engine,
                    reason=scrub(self.error).rstrip("."),
                )
            )
        if not self._image:
            raise BuildFailed(
                say("{engine} ended the build without saying which image came of it.", engine=engine)
            )
        return self._image


class _Watch:
    """Looks after a build: a step may be silent for long, but not the daemon, nor for longer than the limit."""

    def __init__(
        self, is_there: Callable[[], None], log: _Log, limit: timedelta, check: Callable[[], None]
    ) -> None:
        self._is_there = is_there
        self._log = log
        self._limit = limit
        self._check = check
        self._began_at = self._asked_at = time.monotonic()

    def check(self) -> None:
        """Raises what the run's check raises, EngineError for a mute daemon and for a build that is too slow."""
        self._check()
        now = time.monotonic()
        if now - self._began_at > self._limit.total_seconds():
            raise EngineError(
                say(
                    "The build took longer than {limit:g} seconds, so it was ended. No image was "
                    "named. See in its log what takes so long, or allow it more.",
                    limit=self._limit.total_seconds(),
                ),
                reason=Reason.STALLED,
            )
        if now - max(self._log.heard_at, self._asked_at) > _ASK_SECONDS:
            self._asked_at = now
            self._is_there()


def _until(over: threading.Event, context: Iterator[bytes]) -> Iterator[bytes]:
    for piece in context:
        if over.is_set():
            raise StreamCut(say("The build was ended while its context was being sent. No image was named."))
        yield piece


def _parameters(recipe: Recipe) -> dict[str, Any]:
    """API 1.41, ImageBuild: version 1 is the builder that needs no session; containers of steps are removed."""
    return {
        "version": "1",
        "dockerfile": recipe.dockerfile,
        "nocache": recipe.no_cache,
        "rm": True,
        "forcerm": True,
        "pull": False,
        "networkmode": recipe.network,
        "buildargs": json.dumps(dict(recipe.arguments)),
        "labels": json.dumps(dict(recipe.labels)),
    }
