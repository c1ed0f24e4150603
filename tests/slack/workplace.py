"""A Slack workspace with the whole bot at work in it: what people do there, and what must be true afterwards.

The engine is the fake one; everything between Slack's wire and the archive is real.
"""

from __future__ import annotations

import json
import os
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import handlers
from bot import words
from bot.command import Command
from bot.language import speaking
from bot.model import Status
from bot.playground import Delivery, Message, Playground, User
from bot.serve import Bot
from bot.settings import Settings
from bot.slack.shortcuts import SHORTCUTS
from bot.stores.runrow import Run
from tests.fakes import FakeEngine
from tests.slack.reading import refuse_mentions, signature_of
from tests.slack.witness import Witness, key_of
from tests.support.glance import Glance
from tests.support.house import refuse_untrue, settings, wait_for

BOT_USER = "U0BOT"
LONGEST_ACK_SECONDS = 1.0 if "PYTEST_XDIST_WORKER" not in os.environ else 2.5
"""Beside other test processes all cores may be busy; Slack waits for 3 s, and the bench measures milliseconds."""

TOML = """
[slack]
listen = "127.0.0.1:{port}"
command_prefix = "{prefix}"
[limits]
workers = {workers}
grace = 5
per_minute = {per_minute}
[roles.keepers]
members = {keepers}
right = "admin"
[roles.others]
members = ["U0CAT"]
right = "operate"
targets = ["volume:other*"]
"""


def free_port() -> int:
    """A TCP port of loopback that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _says(message: Message, run: Run, status: Status) -> bool:
    """Whether the message says of the run that it stands so, in the language of whoever asked."""
    with speaking(run.invocation.language):
        return f" {words.status(status)} " in signature_of(message)


class Workplace:
    """The playground, the engine, and the bot between them."""

    def __init__(self, playground: Playground, state: Path, *, http: bool = False) -> None:
        self.playground = playground
        playground.shortcuts = SHORTCUTS
        self.world = playground.world
        self.state = state
        self.http = http
        self.port = free_port()
        self.workers = 4
        self.per_minute = 0
        self.prefix = ""
        self.keepers = ["U0ANN", "U0ADA"]
        self.more_toml = ""
        self.more_engines: dict[str, FakeEngine] = {}
        self.engine = FakeEngine(stall=timedelta(seconds=90))
        self.engine.add_volume("pgdata", {"base/1/table": b"rows" * 1000, "PG_VERSION": b"15\n"})
        self.engine.add_container("db", ["pgdata"])
        for name in ("other1", "other2", "other3"):
            self.engine.add_volume(name, {"file": name.encode()})
        playground.add_user(User(id="U0ADA", name="ada", real_name="Ada"))
        playground.add_user(User(id="U0CAT", name="cat", real_name="Cat"))
        for channel in ("C0OPS", "C0RANDOM"):
            place = self.world.channels[channel]
            people = place.members | {"U0ADA", "U0CAT"}
            playground.add_channel(type(place)(id=place.id, name=place.name, members=people))
        self.more: dict[str, Command] = {}
        """Commands beside the product's own."""
        self.may_be_doubled = False
        self.may_lose_acks = False
        """Sockets are cut while acks are on their way: no bot can know whether those arrived."""
        self.may_be_refused_blocks = False
        self.ahead = timedelta(0)
        """How far the bot's clock is ahead; tests move it while the bot is at work."""
        self._bot: Bot | None = None
        self._witness: Witness | None = None
        self._glance = Glance("")
        self._runs: tuple[Run, ...] = ()

    # -- life --

    @property
    def bot(self) -> Bot:
        """The bot that is at work."""
        assert self._bot is not None
        return self._bot

    def settings(self, **environment: str) -> Settings:
        """The settings of the bot, with the door that this workplace uses."""
        door = (
            {"SLACK_SIGNING_SECRET": self.playground.signing_secret}
            if self.http
            else {"SLACK_APP_TOKEN": self.playground.app_token}
        )
        slack = {"SLACK_API_URL": self.playground.api_url, "SLACK_BOT_TOKEN": self.playground.bot_token}
        toml = TOML.format(
            port=self.port,
            prefix=self.prefix,
            workers=self.workers,
            per_minute=self.per_minute,
            keepers=json.dumps(self.keepers),
        )
        return settings(self.state, toml=toml + self.more_toml, **{**slack, **door, **environment})

    def make(self, **environment: str) -> Bot:
        """Build the bot, without starting it."""
        commands = {**handlers.load(), **self.more}
        self._bot = Bot(
            self.settings(**environment),
            commands,
            engines={"local": self.engine, **self.more_engines},
            clock=lambda: datetime.now(UTC) + self.ahead,
        )
        return self._bot

    def open(self, *, connected: bool = True, **environment: str) -> Bot:
        """Start the bot, and wait until people can reach it."""
        bot = self.make(**environment)
        self._glance = Glance(bot.app.settings.database_url)
        bot.start(threading.Event())
        if self._witness is None:
            self._witness = Witness(self.playground, self.state / "shipkeeper.db")
        if self.http:
            self.playground.request_url = f"http://127.0.0.1:{self.port}/slack/events"
        if connected:
            self.wait_until_connected()
        return bot

    def wait_until_connected(self, *, seconds: float = 30.0) -> None:
        """Until Slack's side and the bot's side both say so, and of a socket that is replaced nothing is left.

        What Slack sends while there are two may go over the one that the bot is just closing.
        """
        ready = lambda: self.bot.slack.is_ready and (self.http or len(self.playground.hub.connections) == 1)  # noqa: E731
        wait_for(ready, seconds=seconds, saying="the bot's connection")

    def close(self) -> None:
        """Stop the bot."""
        self._glance.close()
        self.bot.stop()

    def restart(self) -> None:
        """Another process over the same state directory."""
        self.close()
        if self.http:
            self.port = free_port()
        self.open()

    # -- acts --

    def slash(self, command: str, text: str = "", **where: Any) -> Delivery:
        """Type a slash command, and wait until it is acknowledged."""
        return self.acked(self.playground.slash(command, text, **where))

    def mention(self, text: str, **where: Any) -> Delivery:
        """Mention the bot, and wait until that is acknowledged."""
        return self.acked(self.playground.mention(text, **where))

    def press(self, message: Message, label: str, **who: Any) -> Delivery:
        """Press a button, and wait until that is acknowledged."""
        return self.acked(self.playground.press(message, label, **who))

    def acked(self, delivery: Delivery) -> Delivery:
        """Wait for the ack; it must be there well below a second, and empty."""
        wait_for(lambda: delivery.acked_at, saying=f"the ack of {delivery.summary}")
        assert delivery.took is not None
        assert delivery.took < LONGEST_ACK_SECONDS
        assert not delivery.ack_payload
        assert delivery.error is None
        return delivery

    @contextmanager
    def stalled_reads(self) -> Iterator[None]:
        """Docker sends no byte of any volume inside the block."""
        faults = self.engine.faults
        faults.go_on.clear()
        faults.stalled.clear()
        faults.stall_at_byte = 512
        try:
            yield
        finally:
            faults.stall_at_byte = None
            faults.go_on.set()

    # -- looks --

    def runs(self) -> tuple[Run, ...]:
        """All runs, newest first."""
        if self._glance.has_changed():
            self._runs = self.bot.app.services.runs.newest(limit=10_000)
        return self._runs

    def runs_of(self, delivery: Delivery) -> list[Run]:
        """The runs that stand for a delivery."""
        return [run for run in self.runs() if run.invocation.key == key_of(delivery)]

    def run_of(self, delivery: Delivery) -> Run:
        """The one run that stands for a delivery, as it is now."""
        (run,) = self.runs_of(delivery)
        return run

    def ended(self, delivery: Delivery, status: Status, *, seconds: float = 20.0) -> Run:
        """Wait for the ending of the delivery's run; it must be that one."""
        wait_for(lambda: self.runs_of(delivery), seconds=seconds, saying="the run")
        wait_for(lambda: self.run_of(delivery).status.is_ending, seconds=seconds, saying="the ending")
        run = self.run_of(delivery)
        assert run.status is status, f"{run.status}: {run.reply}"
        return run

    def messages_of(self, run: Run) -> list[Message]:
        """The messages that speak for a run."""
        return [
            message for message in self.world.messages() if run.id in signature_of(message).split(" ")[:2]
        ]

    def told(self, delivery: Delivery, status: Status, *, seconds: float = 20.0) -> Message:
        """Wait until exactly one message tells the delivery's ending; it must be that one."""
        run = self.ended(delivery, status, seconds=seconds)

        def final() -> list[Message]:
            return [m for m in self.messages_of(run) if _says(m, self.runs_of(delivery)[0], status)]

        wait_for(final, seconds=seconds, saying=f"the message about {run.invocation.line}")
        (message,) = self.messages_of(run)
        return message

    def shown(self, delivery: Delivery, status: Status = Status.RUNNING) -> Message:
        """Wait until the delivery's run is shown with a status that is no ending."""

        def now() -> list[Message]:
            run = self.run_of(delivery)
            return [m for m in self.messages_of(run) if _says(m, run, status)]

        return wait_for(now, saying=f"a message that says {status.value}")[0]

    @property
    def too_early(self) -> list[str]:
        """Deliveries that were acked before their run was stored."""
        assert self._witness is not None
        return self._witness.too_early

    def backups(self, volume: str = "pgdata") -> int:
        """How many backups of the volume the archive holds."""
        return len(self.bot.app.services.archive.backups(volume=volume))

    def wait_until_quiet(self, *, seconds: float = 20.0) -> None:
        """Until every run has ended and people were told."""
        runs, outbox = self.bot.app.services.runs, self.bot.app.outbox
        busy = lambda: {status for status in runs.counts() if not status.is_ending}  # noqa: E731
        wait_for(lambda: not busy() and not outbox.behind(1), seconds=seconds, saying="quiet")
        wait_for(lambda: not self._untold(), seconds=seconds, saying="every message")
        wait_for(lambda: not self.bot.app.uploads.open_ones(), seconds=seconds, saying="every file")

    def _untold(self) -> list[Run]:
        closed = self._rows("SELECT run_id FROM messages WHERE closed = 0")
        return [run for run in self.runs() if run.id in {row[0] for row in closed}]

    def _rows(self, query: str) -> list[Any]:
        with sqlite3.connect(self.state / "shipkeeper.db", timeout=5) as rows:
            return list(rows.execute(query))

    # -- what must be true --

    def refuse_untrue(self) -> None:
        """Fail unless nothing is half done, and everybody was told everything once, within Slack's rules."""
        self.playground.faults.clear()
        self.engine.faults.go_on.set()
        self.wait_until_quiet()
        refuse_untrue(self.bot.app)
        wait_for(lambda: not self.bot.app.services.outgoing.names(), saying="no file left")
        assert not self.too_early, f"acked before the run was stored: {self.too_early}"
        assert not self.world.rate_violations, f"calls before Retry-After: {self.world.rate_violations}"
        refused = [call for call in self.world.calls() if call.error in ("invalid_blocks", "msg_too_long")]
        assert not refused or self.may_be_refused_blocks, f"Slack refused our blocks: {refused}"
        for run in self.runs():
            self._refuse_wrong_telling(run)
        for delivery in self.world.deliveries:
            if delivery.error == "operation_timeout":
                for run in self.runs_of(delivery):
                    was_lost = self.may_lose_acks and delivery.attempts > 1
                    assert run.status is Status.EXPIRED or was_lost, (
                        f"{delivery.summary} ran, though Slack said it failed"
                    )
        for message in self.world.messages():
            if message.user == BOT_USER:
                refuse_mentions(message)

    def _refuse_wrong_telling(self, run: Run) -> None:
        if self.may_be_refused_blocks or run.invocation.place is None:
            return  # plain text has no line to count by
        messages = self.messages_of(run)
        if run.status is Status.SUCCEEDED and (run.id,) in self._rows(
            "SELECT run_id FROM messages WHERE quiet"
        ):
            assert not messages, f"{run.invocation.line} was told, and was to be quiet"
            return
        assert len(messages) == 1 or (self.may_be_doubled and messages), (
            f"{run.invocation.line} ({run.status}) was told {len(messages)} times"
        )
        for message in messages:
            final = _says(message, run, run.status)
            assert final or self.may_be_doubled, f"{run.invocation.line}: {signature_of(message)}"
