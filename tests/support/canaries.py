"""Secrets that tests plant wherever real ones stand, and the search for them wherever none may ever be.

Every planted secret holds one and the same marker, so one search finds them all. It must not know the bot.
"""

from __future__ import annotations

import base64
import logging
import mmap
from collections.abc import Iterator
from pathlib import Path

from bot.playground import Playground
from bot.playground.workspace import Credentials

_MARKER = "c4nary-0f-shipkeeper"
PLANTED = "planted"
"""Files below a directory of this name, and settings files, are where tests plant secrets."""

_MAY_HOLD_SECRETS = ("settings.toml",)


def canary(of: str) -> str:
    """The secret that is planted as that thing."""
    return f"{_MARKER}-{of}"


def planted(directory: Path) -> Path:
    """A directory below that one for files which hold secrets on purpose."""
    made = directory / PLANTED
    made.mkdir(exist_ok=True)
    return made


SLACK = Credentials(
    bot_token=f"xoxb-{canary('bot-token')}",
    app_token=f"xapp-1-{canary('app-token')}",
    signing_secret=canary("signing-secret"),
)
"""What a test's workspace gives the bot."""

CONTAINER_ENVIRONMENT = {"PLANTED_PASSWORD": canary("container-environment")}
"""The environment of every container that tests make."""


def _needles() -> tuple[bytes, ...]:
    """The marker as it is, and as it looks within base64, whatever stands before it."""
    raw = _MARKER.encode()
    found = [raw]
    for before in range(3):
        encoded = base64.b64encode(b"\0" * before + raw)
        found.append(encoded[-(-before * 8 // 6) : len(encoded) - 4])
    return tuple(found)


NEEDLES = _needles()


def is_in(text: str | bytes) -> bool:
    """Whether a planted secret, or its base64, is in there."""
    data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape")
    return any(needle in data for needle in NEEDLES)


def files_with_one(directory: Path) -> Iterator[Path]:
    """Files below the directory that hold a planted secret, but for those in which tests plant them."""
    for path in directory.rglob("*"):
        may_hold = path.name in _MAY_HOLD_SECRETS or PLANTED in path.relative_to(directory).parts
        if not may_hold and path.is_file() and not path.is_symlink() and _holds_one(path):
            yield path


def _holds_one(path: Path) -> bool:
    try:
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return any(content.find(needle) >= 0 for needle in NEEDLES)
    except (ValueError, FileNotFoundError):  # it is empty, or was removed just now
        return False


def refuse_told(slack: Playground) -> None:
    """Fail if the bot has told Slack a planted secret: in a call, an acknowledgement, a message or a file."""
    told = [(call.method, str(call.args)) for call in slack.world.calls()]
    told += [(f"ack of {one.summary}", str(one.ack_payload)) for one in slack.world.deliveries]
    told += [(f"message {one.ts}", str(one)) for one in slack.world.messages()]
    leaks = [f"{where}: {text[:300]}" for where, text in told if is_in(text)]
    assert not leaks, f"Slack was told a secret: {leaks}"


class Watch(logging.Handler):
    """Notes every log line that holds a planted secret."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[str] = []
        self.setFormatter(logging.Formatter("%(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        """Look at one line, traceback included."""
        line = self.format(record)
        if is_in(line):
            self.seen.append(line[:300])

    def taken(self) -> list[str]:
        """What was noted since the last time."""
        seen, self.seen = self.seen, []
        return seen
