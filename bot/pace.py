"""How many commands one person may send in a minute. Must not know what the commands do, nor who has which role.

Judged by when each command was stored, so the answer is the same in every process and after a restart.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from bot.commandline import split
from bot.errors import TooFast, UsageError
from bot.language import say_count
from bot.model import Actor, Origin
from bot.parsing import for_help
from bot.stores.runrow import Run
from bot.stores.sent import SentCommands

_MINUTE = timedelta(minutes=1)
_SECOND = timedelta(seconds=1)

FREE = frozenset({"help", "whoami", "cancel"})
"""Never refused, never counted: stopping what goes wrong must not wait, nor finding out why one was refused."""


class Pace:
    """The limit, which may be replaced while the bot is at work. Ask it from any thread."""

    def __init__(self, sent: SentCommands, identity: Callable[[Actor], str], per_minute: int) -> None:
        """`identity` names the one person behind an actor; with 0 a minute there is no limit."""
        self._sent = sent
        self._identity = identity
        self._per_minute = per_minute

    def replace(self, per_minute: int) -> None:
        """From now on so many a minute; 0 is no limit."""
        self._per_minute = per_minute

    def check(self, run: Run) -> None:
        """Raise TooFast, which says when the next command is possible, if there were too many before this one."""
        allowed = self._per_minute
        if not allowed or _is_free(run.invocation.line) or run.invocation.origin is Origin.SCHEDULE:
            return
        person = self._identity(run.invocation.actor)
        sent = self._sent.before(run, _MINUTE, lambda actor: self._identity(_of_id(actor)) == person)
        times = [one.at for one in sent if not _is_free(one.line)]
        if len(times) >= allowed:
            raise _too_fast(allowed, run.created_at, times[-allowed] + _MINUTE)


def _of_id(actor_id: str) -> Actor:
    return Actor(id=actor_id, name=actor_id)


def _is_free(line: str) -> bool:
    try:
        return FREE.issuperset(for_help(split(line))[:1] or [""])
    except UsageError:  # nobody can read it, so it is none of the free ones
        return False


def _too_fast(allowed: int, now: datetime, possible: datetime) -> TooFast:
    whole = possible.replace(microsecond=0)
    whole = whole if whole == possible else whole + _SECOND
    return TooFast(
        say_count(
            "More than {number} command within a minute: the settings allow one person no more (`per_minute` in "
            "[limits]). This one was not run, and nothing was changed. The next one is possible at {at:%H:%M:%S} "
            "UTC, {seconds} s after this one; `help`, `whoami` and `cancel` always are.",
            "More than {number} commands within a minute: the settings allow one person no more (`per_minute` in "
            "[limits]). This one was not run, and nothing was changed. The next one is possible at {at:%H:%M:%S} "
            "UTC, {seconds} s after this one; `help`, `whoami` and `cancel` always are.",
            allowed,
            at=whole,
            seconds=-((now - whole) // _SECOND),
        )
    )
