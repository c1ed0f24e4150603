"""What a command line backs up, told from the line and from what came of it. Asks no host.

Must not know who keeps the line.
"""

from __future__ import annotations

from collections.abc import Mapping

from bot.command import Command
from bot.errors import UsageError
from bot.operations.holds import filed_as, filed_by
from bot.parsing import arguments_of
from bot.stores.runrow import Run

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


def is_path(source: Source) -> bool:
    """Whether it is named as a path in a container, which may be filed under another name; see `filed`."""
    return ":" in source[1]


def filed(source: Source, run: Run | None) -> Source | None:
    """Where the backups of a path lie, by the newest run of it that had a plan; None while there was none on that host.

    Only a run asks the host: the path may be where a volume is mounted, or lie behind links.
    """
    host, _ = source
    name = filed_by(run.plan.targets) if run and run.plan and run.host == host else None
    return (host, name) if name is not None else None
