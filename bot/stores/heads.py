"""The file of published heads: a line a day that tells how far the audit log reached, so that a cut end is found.

It only ever appends. Knows nothing of the log itself, nor of Slack.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from bot.errors import StoreError
from bot.language import say
from bot.seals import Head, canonical
from bot.stores.archive.disk import sync_directory, write_all


class Heads:
    """Heads that were published, one JSON object a line: `seq`, `hash` and `at`, when it was published."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def known(self) -> tuple[Head, ...]:
        """All of them, oldest first; none while there is no file. Raises StoreError for a line that is no head."""
        with self._disk_errors():
            if not self.path.exists():
                return ()
            lines = self.path.read_bytes().splitlines()
        return tuple(self._head(number, line) for number, line in enumerate(lines, 1) if line.strip())

    def last(self) -> Head | None:
        """The newest one."""
        return next(reversed(self.known()), None)

    def publish(self, head: Head) -> None:
        """Add it; when this returns it is on the disk. Raises StoreError."""
        line = canonical({"seq": head.seq, "hash": head.hash, "at": head.at}) + b"\n"
        with self._disk_errors():
            is_new = not self.path.exists()
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            size = os.fstat(descriptor).st_size
            try:
                write_all(descriptor, line)
                os.fsync(descriptor)
            except OSError:  # half a line would be no head
                os.ftruncate(descriptor, size)
                raise
            finally:
                os.close(descriptor)
            if is_new:
                sync_directory(self.path.parent)

    def _head(self, number: int, line: bytes) -> Head:
        try:
            found = json.loads(line)
            datetime.fromisoformat(found["at"])
            return Head(seq=int(found["seq"]), hash=str(found["hash"]), at=found["at"])
        except (ValueError, TypeError, LookupError) as error:
            raise StoreError(
                say(
                    "Line {number} of {path} is no head of the audit log: somebody changed it, or the disk was full. "
                    "Compare it with the heads that were posted to Slack, and give those with --head.",
                    number=number,
                    path=self.path,
                )
            ) from error

    @contextmanager
    def _disk_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                say(
                    "The file of the audit log’s heads, {path}, cannot be used ({reason}). Nothing was changed. Make "
                    "sure that the bot may read and write there.",
                    path=self.path,
                    reason=error.strerror or error,
                )
            ) from error
