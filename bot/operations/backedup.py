"""What a command line backs up, told from the line alone. Must not know who keeps the line, nor ask a host."""

from __future__ import annotations

from collections.abc import Mapping

from bot.command import Command
from bot.errors import UsageError
from bot.operations.holds import filed_as
from bot.parsing import arguments_of

Source = tuple[str, str]
"""A host, and the volume or path there as backups are filed."""

_BACKUP = "backup"


def source_of(line: str, commands: Mapping[str, Command], default_host: str) -> Source | None:
    """What it backs up; None for a line that does something else, or that no run could come of any more."""
    command = commands.get(_BACKUP)
    if command is None or line.partition(" ")[0] != command.name:
        return None
    try:
        arguments = arguments_of(command, line)
        return arguments.host or default_host, filed_as(arguments.source)
    except UsageError:
        return None
