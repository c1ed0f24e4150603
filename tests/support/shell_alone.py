"""As a program: `shipkeeper WORDS…` on a fake engine, in an environment as any other.

`SLOW_AT` stops the reading of volumes after so many bytes, until the file `GO_ON` is there; `MUTE` lets the engine not
even answer before that, whoever is cancelled meanwhile.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import handlers
from bot import app, cli
from bot.app import App, build
from bot.command import Command
from bot.settings import Settings
from tests.fakes import FakeEngine


def _engine() -> FakeEngine:
    engine = FakeEngine("local", stall=timedelta(seconds=120))
    engine.add_volume("pgdata", {f"base/{number}": b"rows" * 50_000 for number in range(20)})
    engine.add_container("db", ["pgdata"])
    for name in ("web-data", "a-volume-with-a-very-long-name-that-no-narrow-terminal-has-room-for"):
        engine.add_volume(name, {"file": b"x"})
    if os.environ.get("MUTE"):
        go_on = threading.Event()
        engine.faults.before["read_volume"] = [lambda _: go_on.wait(120)]
    if os.environ.get("SLOW_AT"):
        engine.faults.stall_at_byte = int(os.environ["SLOW_AT"])
        threading.Thread(target=_let_go, args=(engine,), daemon=True).start()
    return engine


def _let_go(engine: FakeEngine) -> None:
    looks = threading.Event()
    while not Path(os.environ["GO_ON"]).exists():
        looks.wait(0.05)
    engine.faults.go_on.set()


def _built(settings: Settings, commands: Mapping[str, Command]) -> App:
    return build(settings, commands, engines={"local": _engine()})


if __name__ == "__main__":
    app.build = _built
    sys.exit(cli.main(sys.argv[1:], handlers.load()))
