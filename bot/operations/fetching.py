"""What an operation is given of files that people uploaded to Slack. Must not know how they are fetched."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from bot.model import Invocation


@dataclass(frozen=True, kw_only=True)
class Uploaded:
    """A file of Slack's, as Slack describes it; `chunks` fetches its bytes."""

    id: str
    name: str
    size: int
    chunks: Callable[[], AbstractContextManager[Iterator[bytes]]]


class Uploads(Protocol):
    """Finds files that people uploaded."""

    def find(self, file_id: str, asked: Invocation) -> Uploaded:
        """The file; an empty id means the one that came with the command.

        Raises UsageError when none, or more than one, did; NotFound for what is not there, or is neither the asker's
        nor in the conversation where it was asked; EngineError when Slack does not answer.
        """
