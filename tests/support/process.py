"""The installed program as processes of its own on one state directory: served, asked from a shell, killed.

It looks at what they left from outside (database, archive, chat), and must not reach into the bot's rooms.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from bot.model import Status
from bot.playground.playground import Playground
from bot.playground.records import Delivery, Message
from bot.settings import Settings, read
from tests.support.canaries import is_in
from tests.support.forking import carried_out
from tests.support.house import ROLES
from tests.support.migrated import put_database

T = TypeVar("T")
_ROOT = Path(__file__).parents[2]
_PROGRAM = (sys.executable, "-m", "bot")
_ON_ANY_PORT = '\n[slack]\nlisten = "127.0.0.1:0"\n'
_STILL_OPEN = ("⏳", "▶️")


def until(
    what: Callable[[], T], *, seconds: float = 40.0, saying: str = "it", every: float | None = None
) -> T:
    """Look until it is truthy, and return it; fails the test once that many seconds have passed.

    It looks ever more seldom, up to 30 times a second, for looking takes from what is looked at; or `every` so
    many seconds, where an instant must not be missed.
    """
    pause, deadline = threading.Event(), time.monotonic() + seconds
    wait = 0.002 if every is None else every
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{saying} did not happen within {seconds:g} s")
        pause.wait(wait)
        wait = wait if every is not None else min(wait * 1.2, 0.03)


class Site:
    """A state directory, the environment that leads there, and every process started on it."""

    def __init__(
        self,
        state: Path,
        *,
        docker_host: str,
        slack: Playground | None = None,
        archive: Path | None = None,
    ) -> None:
        self.state = state
        self.archive = archive or state / "archive"
        self._log = (archive or state).with_suffix(".log")
        self.slack = slack
        state.mkdir(parents=True, exist_ok=True)
        (state / "settings.toml").write_text(ROLES + _ON_ANY_PORT)
        put_database(state / "shipkeeper.db")
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(state),
            "DOCKER_HOST": docker_host,
            "SHIPKEEPER_STATE": str(state),
            "SHIPKEEPER_ARCHIVE": str(self.archive),
            "SHIPKEEPER_SETTINGS": str(state / "settings.toml"),
        }
        if slack is not None:
            self.environment |= {
                "SLACK_API_URL": slack.api_url,
                "SLACK_BOT_TOKEN": slack.bot_token,
                "SLACK_APP_TOKEN": slack.app_token,
            }
        self._started: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._started:
            if process.poll() is None:
                process.kill()
            process.communicate()

    # ---- processes -------------------------------------------------------------------------------

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Start `shipkeeper WORDS…`; its output is captured, so only short-spoken commands."""
        process = subprocess.Popen(
            [*_PROGRAM, *words],
            cwd=_ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._started.append(process)
        return process

    def say(self, *words: str, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
        """Run `shipkeeper WORDS…` to its end, in a fork of a process that has imported it already."""
        return _clean(carried_out(words, self.environment, seconds=seconds))

    def serve(self) -> Served:
        """Start `shipkeeper serve`; it logs beside the state directory. Returns at once."""
        with self._log.open("ab") as log:
            process = subprocess.Popen(
                [*_PROGRAM, "serve"],
                cwd=_ROOT,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
            )
        self._started.append(process)
        return Served(process, self)

    @property
    def log(self) -> str:
        """What all bots served here have logged."""
        return self._log.read_text()

    # ---- looking from outside --------------------------------------------------------------------

    def rows(self, query: str, *values: object) -> list[sqlite3.Row]:
        """Rows of the database, which is opened read-only; none before somebody has made it."""
        if not (self.state / "shipkeeper.db").exists():
            return []
        with closing(sqlite3.connect(f"file:{self.state}/shipkeeper.db?mode=ro", uri=True)) as database:
            database.row_factory = sqlite3.Row
            return database.execute(query, values).fetchall()

    def run(self, run_id: str) -> sqlite3.Row:
        """The row of the run."""
        (row,) = self.rows("SELECT * FROM runs WHERE id = ?", run_id)
        return row

    def newest_run(self) -> str:
        """The id of the run that was stored last."""
        return str(self.rows("SELECT id FROM runs ORDER BY rowid DESC LIMIT 1")[0]["id"])

    def holds(self, target: str) -> str:
        """The id of the run that holds the target; empty when nobody does."""
        found = self.rows("SELECT run_id FROM run_targets WHERE target = ?", target)
        return str(found[0]["run_id"]) if found else ""

    def owner_of(self, run_id: str) -> int:
        """The process that executed the run."""
        return int(str(self.run(run_id)["owner"]).rpartition(":")[2])

    def status_of(self, run_id: str) -> str:
        """Where the run stands."""
        return str(self.run(run_id)["status"])

    def has_ended(self, run_id: str) -> bool:
        """Whether the run has its ending."""
        return self.run(run_id)["ended_at"] is not None

    def files(self, ending: str) -> list[Path]:
        """Files anywhere in the archive whose names end so."""
        return sorted(self.archive.rglob(f"*{ending}"))

    def settings(self) -> Settings:
        """The settings that the processes read, for looking with the product's own verifier."""
        return read(self.environment)

    def messages_of(self, run_id: str) -> list[Message]:
        """The chat messages that speak of the run."""
        assert self.slack is not None
        return [one for one in self.slack.world.messages() if f"(run {run_id})" in one.text]

    def told(self, run_id: str) -> str:
        """The ending that chat shows for the run; empty while it shows none."""
        endings = [one.text for one in self.messages_of(run_id) if not one.text.startswith(_STILL_OPEN)]
        return endings[-1] if endings else ""

    def refuse_told_twice(self, run_id: str) -> None:
        """Fail unless the run has exactly one message, and that has told exactly one ending."""
        found = self.messages_of(run_id)
        assert len(found) == 1, f"run {run_id} has {len(found)} messages: {[one.text for one in found]}"
        endings = {one.text for one in found[0].versions if not one.text.startswith(_STILL_OPEN)}
        assert len(endings) == 1, f"run {run_id} was told {len(endings)} endings: {endings}"

    def refuse_loose_ends(self) -> None:
        """Fail unless the database holds no target, no open undo and no run without exactly one ending."""
        assert not self.rows("SELECT * FROM run_targets"), "a target is held"
        assert not self.rows("SELECT * FROM journal WHERE settled_at IS NULL"), "the journal is not empty"
        assert not self.files(".part"), "a partial file is left"
        kinds = ", ".join(f"'{status.value}'" for status in Status if status.is_ending)
        endings = self.rows(
            "SELECT r.id, count(a.seq) AS endings FROM runs r LEFT JOIN audit a "
            f"ON a.run_id = r.id AND a.kind IN ({kinds}) GROUP BY r.id HAVING endings <> 1"
        )
        assert not endings, f"runs without exactly one ending: {[tuple(row) for row in endings]}"


class Served:
    """A `shipkeeper serve` at work."""

    def __init__(self, process: subprocess.Popen[str], site: Site) -> None:
        self.process = process
        self._site = site

    def connected(self, *, seconds: float = 30.0) -> Served:
        """Wait until Slack can send it commands."""
        slack = self._site.slack
        assert slack is not None
        until(lambda: slack.hub.connections or self._ended(), seconds=seconds, saying="the bot's connection")
        return self

    def asked(self, command: str, text: str) -> Delivery:
        """Type a slash command, and wait until it is acknowledged."""
        slack = self._site.slack
        assert slack is not None
        delivery = slack.slash(command, text)
        until(lambda: delivery.acked_at is not None, seconds=3, saying="the ack", every=0.001)
        return delivery

    def backing_up(self, text: str) -> str:
        """Type `/backup TEXT`; the run's id, as soon as it is acknowledged."""
        self.asked("/backup", text)
        return self._site.newest_run()

    def kill(self) -> None:
        """kill -9, and wait until it is gone and Slack has noticed."""
        self.process.kill()
        self.process.wait()
        slack = self._site.slack
        if slack is not None:
            until(lambda: not slack.hub.connections, saying="the end of the bot's connection")

    def stop(self, *, seconds: float = 30.0) -> int:
        """SIGTERM; its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=seconds)

    def _ended(self) -> bool:
        if self.process.poll() is not None:
            raise AssertionError(f"the bot ended with {self.process.returncode}:\n{self._site.log[-3000:]}")
        return False


def finished(process: subprocess.Popen[str], *, seconds: float = 60.0) -> subprocess.CompletedProcess[str]:
    """Wait for the process to end by itself."""
    output, errors = process.communicate(timeout=seconds)
    return _clean(subprocess.CompletedProcess(process.args, process.returncode, output, errors))


def _clean(done: subprocess.CompletedProcess[str]) -> subprocess.CompletedProcess[str]:
    assert not is_in(done.stdout + done.stderr), f"a secret that was planted was printed: {done}"
    return done


def outcome(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    """What a command with `--json` printed."""
    made: dict[str, Any] = json.loads(done.stdout)
    return made
