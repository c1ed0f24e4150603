"""Errors whose text is a sentence for a person: what happened, what was not changed, what to do next.

Anything else that is raised is a fault of ours: it goes to the log, and people see a reference number.
"""

from __future__ import annotations


class BotError(Exception):
    """Base of all errors that may be shown to people as they are."""


class UsageError(BotError):
    """The command line cannot be understood."""


class PermissionDenied(BotError):
    """The actor may not do this."""


class NotFound(BotError):
    """What the command line names does not exist."""


class Busy(BotError):
    """The target is held by another run."""


class Conflict(BotError):
    """What should be made exists already, or is not in the state that is needed."""


class EngineError(BotError):
    """The Docker engine refused, failed, or does not answer."""


class StreamCut(EngineError):
    """A stream of bytes ended before what it carries was complete."""


class ArchiveError(BotError):
    """The archive on disk cannot be read or written, or does not hold what it should."""


class StoreError(BotError):
    """The database cannot be read or written."""


class Cancelled(BotError):
    """Somebody asked for the run to end."""


class Interrupted(BotError):
    """The bot is being stopped, and the run with it."""


class LostHold(Exception):
    """The run belongs to another holder now: stop, touch nothing, not even to undo."""
