"""The two ends of a copy, as command lines name them: a path in a container, a file of Slack's, a path of this machine.

Words only: it looks at nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bot.errors import UsageError
from bot.language import say

_CONTAINER = re.compile(r"(?P<container>[A-Za-z0-9][A-Za-z0-9_.-]+):(?P<path>/[^\0\n]*)")
_FILE_ID = re.compile(r"F[A-Z0-9]{7,20}")
_PERMALINK = re.compile(r"https?://[^/\s]+/(?:[^\s?#]*/)?(?P<id>F[A-Z0-9]{7,20})(?:[/?#]\S*)?")
SLACK, UPLOAD = "slack", "upload"


@dataclass(frozen=True, kw_only=True)
class InContainer:
    """`CONTAINER:/PATH`; a slash at its end says that it is a directory."""

    container: str
    path: str

    @property
    def text(self) -> str:
        """As it is written."""
        return f"{self.container}:{self.path}"

    @property
    def is_directory(self) -> bool:
        """Whether it must be one."""
        return self.path.endswith("/")


@dataclass(frozen=True)
class OnMachine:
    """An absolute path where the bot runs; a slash at its end says that it is a directory."""

    path: Path
    is_directory: bool = False


@dataclass(frozen=True)
class InSlack:
    """A file of Slack's: its id, or empty for the one that came with the command, or for a new one."""

    file_id: str = ""


End = InContainer | OnMachine | InSlack


def source_end(word: str) -> End:
    """What a copy is of; raises UsageError."""
    if word == UPLOAD:
        return InSlack()
    if _FILE_ID.fullmatch(word):
        return InSlack(word)
    link = _PERMALINK.fullmatch(word)
    return InSlack(link["id"]) if link else _place(word)


def destination_end(word: str) -> End:
    """Where it goes; raises UsageError."""
    return InSlack() if word == SLACK else _place(word)


def _place(word: str) -> End:
    found = _CONTAINER.fullmatch(word)
    if found is not None and "://" not in word:
        return InContainer(container=found["container"], path=found["path"])
    if word.startswith("/") and "\0" not in word:
        return OnMachine(Path(word), is_directory=word.endswith("/"))
    raise UsageError(
        say(
            "“{word}” is no end of a copy. Nothing was changed. Ends are CONTAINER:/PATH, such as web:/etc/nginx.conf; "
            "`slack`; `upload`, or a Slack file’s id or link; and in a shell a path of that machine.",
            word=word,
        )
    )


def at_home(words: Sequence[str], directory: Path) -> list[str]:
    """A shell's line with its paths made absolute, for whoever carries it out may be elsewhere."""
    made = list(words)
    for at, word in enumerate(made[1:3], start=1):
        is_other = word in (SLACK, UPLOAD) or _FILE_ID.fullmatch(word) or _PERMALINK.fullmatch(word)
        if word.startswith("-"):
            break
        if not is_other and not _CONTAINER.fullmatch(word):
            made[at] = f"{directory / word}{'/' if word.endswith('/') else ''}"
    return made
