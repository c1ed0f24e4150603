"""A bot without Slack as a process of its own: it looks at due times, and executes runs if nobody else does.

Processes are forked from one that has everything imported, so that a killed one is soon replaced. It must not know
what a test wants of it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Mapping
from multiprocessing.context import ForkServerProcess
from multiprocessing.synchronize import Event

import handlers
from bot.app import build
from bot.schedules.timer import Timer
from bot.settings import read
from tests.fakes import FakeEngine

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload([__name__])


class Ticking:
    """One such process at a time, which may be killed and started again."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = dict(environment)
        self.start()

    def start(self) -> None:
        """Another process, after the one before."""
        self._up = _CONTEXT.Event()
        self.process: ForkServerProcess = _CONTEXT.Process(target=_tick, args=(self._environment, self._up))
        self.process.start()

    @property
    def is_dead(self) -> bool:
        """Whether it ended, or was killed."""
        return not self.process.is_alive()

    @property
    def is_up(self) -> bool:
        """Whether it looks at due times."""
        return self._up.is_set() and not self.is_dead

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.process.kill()
        self.process.join()

    def stop(self) -> int | None:
        """SIGTERM; its exit code."""
        self.process.terminate()
        self.process.join(60)
        return self.process.exitcode


def _tick(environment: Mapping[str, str], up: Event) -> None:
    """Look, and execute as soon as the right to do so is free, until SIGTERM."""
    stopping = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopping.set())
    app = build(read({**os.environ, **environment}), handlers.load(), engines={"local": FakeEngine()})
    timer = Timer(app.services.schedules, app.scheduler.look)
    timer.on_beat.append(app.scheduler.prune)
    timer.start()
    up.set()
    is_sole = False
    while not stopping.wait(0.1):
        if not is_sole and app.sole.take("serve"):
            is_sole = True
            app.begin()
    timer.stop()
    app.end()
