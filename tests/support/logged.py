"""What was logged during a test, also by uvicorn, whose log does not reach everybody else's once a server was made."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

_APART = ("", "uvicorn.error", "asyncio")


class _Kept(logging.Handler):
    def __init__(self, level: int) -> None:
        super().__init__(level)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        line = f"{record.levelname} {record.name}: {record.getMessage()}"
        self.lines.append(f"{line} ({record.exc_info[1]!r})" if record.exc_info else line)


@contextmanager
def logged(level: int = logging.ERROR) -> Iterator[list[str]]:
    """The lines of that level and above, as they come."""
    kept = _Kept(level)
    loggers = [logging.getLogger(name) for name in _APART]
    for logger in loggers:
        logger.addHandler(kept)
    try:
        yield kept.lines
    finally:
        for logger in loggers:
            logger.removeHandler(kept)
