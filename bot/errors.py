"""Errors whose text is a sentence for a person: what happened, what was not changed, what to do next.

Anything else that is raised is a fault of ours: it goes to the log, and people see a reference number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from bot.reasons import Reason


class BotError(Exception):
    """Base of all errors that may be shown to people as they are; `reason` is the code of the cause, if it has one."""

    reason: Reason | None = None

    def __init__(self, text: str = "", *, reason: Reason | None = None) -> None:
        super().__init__(text)
        if reason is not None:
            self.reason = reason


class UsageError(BotError):
    """The command line cannot be understood."""


class PermissionDenied(BotError):
    """The actor may not do this."""


class NotFound(BotError):
    """What the command line names does not exist. What may have been meant is for who may touch that: see `told_to`."""

    reason = Reason.NOT_FOUND
    _said: Callable[[Sequence[str]], str] | None = None
    _near: tuple[tuple[str, str], ...] = ()

    @classmethod
    def beside(
        cls, said: Callable[[Sequence[str]], str], near: Iterable[str], target: Callable[[str], str]
    ) -> NotFound:
        """One that `said` tells with names that may have been meant, or with none; each is that `target`."""
        made = cls(said(()))
        made._said, made._near = said, tuple((name, target(name)) for name in near)
        return made

    def told_to(self, may_touch: Callable[[str], bool]) -> str:
        """The sentence, with what may have been meant as far as that may be touched."""
        return self._said([name for name, of in self._near if may_touch(of)]) if self._said else str(self)


class TooFast(BotError):
    """Whoever asks has sent too many commands within a minute."""

    reason = Reason.TOO_FAST


class Busy(BotError):
    """The target is held by another run."""

    reason = Reason.BUSY


class Conflict(BotError):
    """What should be made exists already, or is not in the state that is needed."""

    reason = Reason.CONFLICT


class LeftAlone(Conflict):
    """What a run did is not taken back any more, for good: somebody else has put something in its place since."""


class EngineError(BotError):
    """The Docker engine refused, failed, or does not answer."""

    reason = Reason.ENGINE


class StreamCut(EngineError):
    """A stream of bytes ended before what it carries was complete."""

    reason = Reason.STREAM_CUT


class NotStarted(EngineError):
    """A program cannot be started in a container as it is, however often it is tried: no shell, no such user."""


class RegistryError(BotError):
    """A registry refused, failed, or does not answer."""

    reason = Reason.REGISTRY

    @property
    def is_transient(self) -> bool:
        """Whether the same may succeed a moment later; a refusal stays one."""
        return self.reason is Reason.UNREACHABLE


class BuildFailed(BotError):
    """An image could not be built: its context cannot be sent, or one of its steps failed."""

    reason = Reason.BUILD


class ArchiveError(BotError):
    """The archive on disk cannot be read or written, or does not hold what it should."""

    reason = Reason.ARCHIVE


class StoreError(BotError):
    """The database cannot be read or written."""

    reason = Reason.STORE


class Cancelled(BotError):
    """Somebody asked for the run to end."""

    reason = Reason.CANCELLED


class Interrupted(BotError):
    """The bot is being stopped, and the run with it."""

    reason = Reason.INTERRUPTED


class Expired(BotError):
    """What allowed it is too old."""


class LostHold(Exception):
    """The run belongs to another holder now: stop, touch nothing, not even to undo."""
