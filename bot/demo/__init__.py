"""`shipkeeper demo`: the whole bot against a Slack stand-in on this machine, with a volume of its own to play with.

With `--script` it plays a conversation, prints it, and succeeds only if every step really happened.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path

from bot.command import Command
from bot.demo.script import Failed, play
from bot.engine.connection import Limits
from bot.engine.real import DockerEngine
from bot.engine.sandbox import CONTAINER, VOLUME, Sandbox
from bot.errors import Conflict, UsageError
from bot.playground import Playground, User
from bot.serve import Bot
from bot.settings import Settings, read
from bot.signals import OnSignal
from bot.slack.manifest import OPTIONAL_SCOPES, SCOPES, manifest
from bot.slack.shortcuts import SHORTCUTS
from bot.wiring import DEFAULT_HOST

_PORT = 8700
_USAGE = "Usage: shipkeeper demo [--script] [--port N]"
_SETTINGS = """\
[slack]
listen = "127.0.0.1:0"
[roles.operators]
members = ["U0ANN"]
right = "admin"
[roles.approvers]
members = ["U0BOB"]
right = "operate"
[approvals.restoring]
commands = ["restore", "remove-volume"]
targets = ["volume:pgdata-demo"]
approvers = "approvers"
"""
_GUEST = User(id="U0CAT", name="cat", real_name="Cat")
"""Somebody who may do nothing."""


def demo(words: list[str], commands: Mapping[str, Command]) -> int:
    """Run the demo; the exit code. Everything it made is removed when it ends."""
    is_script, port = _options(words)
    with ExitStack() as stack:
        sandbox = stack.enter_context(_sandbox())
        playground = stack.enter_context(_playground(0 if is_script else port, commands))
        bot = stack.enter_context(_bot(playground, commands))
        if is_script:
            return _play(playground, bot, sandbox)
        return _stay(playground, sandbox)
    raise AssertionError("unreachable")


def _options(words: list[str]) -> tuple[bool, int]:
    rest = list(words)
    is_script = "--script" in rest
    if is_script:
        rest.remove("--script")
    if len(rest) == 2 and rest[0] == "--port" and rest[1].isdecimal():
        return is_script, int(rest[1])
    if rest:
        raise UsageError(f"“{' '.join(rest)}” means nothing to the demo. Nothing was made. {_USAGE}")
    return is_script, _PORT


@contextmanager
def _sandbox() -> Iterator[Sandbox]:
    engine = DockerEngine(DEFAULT_HOST)
    sandbox = Sandbox(engine, Limits(stall=timedelta(seconds=60), request=timedelta(seconds=60)))
    sandbox.make()
    try:
        yield sandbox
    finally:
        sandbox.remove()
        sandbox.close()
        engine.close()


@contextmanager
def _playground(port: int, commands: Mapping[str, Command]) -> Iterator[Playground]:
    """A Slack stand-in that listens and has the app of our manifest; port 0 is any free one."""
    playground = Playground(scopes={*SCOPES, *OPTIONAL_SCOPES})
    playground.shortcuts = SHORTCUTS
    playground.commands.extend(manifest(commands.values(), "")["features"]["slash_commands"])
    playground.add_user(_GUEST)
    try:
        playground.start(port)
    except OSError as error:
        raise Conflict(
            f"Port {port} of this machine cannot be had ({error.strerror}). What the demo had made is removed. "
            "Name another one with --port."
        ) from error
    try:
        yield playground
    finally:
        playground.stop()


@contextmanager
def _bot(playground: Playground, commands: Mapping[str, Command]) -> Iterator[Bot]:
    with tempfile.TemporaryDirectory(prefix="shipkeeper-demo-") as state:
        bot = Bot(_settings(playground, Path(state)), commands)
        try:
            bot.start(threading.Event())
            playground.wait_for(lambda: bot.slack.is_ready and bool(playground.hub.connections))
            yield bot
        finally:
            bot.stop()


def _settings(playground: Playground, state: Path) -> Settings:
    """Read as in earnest, from a file and an environment; only that both are made here."""
    file = state / "settings.toml"
    file.write_text(_SETTINGS)
    return read(
        {
            "SHIPKEEPER_SETTINGS": str(file),
            "SHIPKEEPER_STATE": str(state),
            "SLACK_API_URL": playground.api_url,
            "SLACK_BOT_TOKEN": playground.bot_token,
            "SLACK_APP_TOKEN": playground.app_token,
        }
    )


def _stay(playground: Playground, sandbox: Sandbox) -> int:
    container = f", in use by the container {CONTAINER}" if sandbox.has_container else ""
    print(
        f"Open {playground.url} in a browser on this machine.\n"
        f"There is a volume {VOLUME}{container}. Type for example:\n"
        f"  /backup {VOLUME} --quiesce pause\n  /docker backups\n  /docker help\n"
        "“Bot’s Home” shows what goes on and which volumes have no backup.\n"
        "You are Ann, who may do everything. Restoring a backup needs a second person: choose Bob at\n"
        "“Typing as” and approve it. Cat may do nothing, try her too.\n"
        "Ctrl-C ends the demo and removes everything it made.",
        flush=True,
    )
    stopping = threading.Event()
    with OnSignal(stopping.set):
        stopping.wait()
    return 0


def _play(playground: Playground, bot: Bot, sandbox: Sandbox) -> int:
    try:
        proofs = play(playground, bot.app, sandbox)
    except Failed as failure:
        print(playground.transcript())
        print(f"\nThe demo failed: {failure}", file=sys.stderr)
        return 1
    print(playground.transcript())
    print("\nProven besides:")
    for proof in proofs:
        print(f"  - {proof}")
    return 0
