"""The doctor: looks at everything the bot needs, side by side, and says what is wrong and what to do about it.

This file holds what a check is, and asks all of them at once. It must not know what is looked at; each module beside
it has one theme.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum

from bot.errors import BotError
from bot.language import Thread, say
from bot.model import Value

PATIENCE = timedelta(seconds=6)
"""What has not answered by then has not answered: somebody is waiting for the whole."""


class State(StrEnum):
    """How it stands with what was looked at. WARNING: it works now, or in part. WRONG: it does not."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What a look brought: `what` is a sentence, `remedy` what to do, empty if nothing is to be done.

    `host` and `target` (`registry:company`) say what it is about, so that only those see it who may. `facts` are
    figures for programs.
    """

    check: str
    state: State
    what: str
    remedy: str = ""
    host: str | None = None
    target: str | None = None
    facts: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Check:
    """Something to look at: `name` is its code, and `remedy` what to do when it does not answer or fails.

    `look` may take long, and may raise BotError, whose sentence is the finding then.
    """

    name: str
    look: Callable[[], Iterable[Finding]]
    remedy: str
    host: str | None = None
    target: str | None = None

    def found(self, state: State, what: str, remedy: str = "", **facts: Value) -> Finding:
        """A finding of this check."""
        return Finding(
            check=self.name,
            state=state,
            what=what,
            remedy=remedy,
            host=self.host,
            target=self.target,
            facts=facts,
        )


def ok(check: str, what: str, **facts: Value) -> Finding:
    """All is well there."""
    return Finding(check=check, state=State.OK, what=what, facts=facts)


def warning(check: str, what: str, remedy: str, **facts: Value) -> Finding:
    """It works, but not as it should, or not for long."""
    return Finding(check=check, state=State.WARNING, what=what, remedy=remedy, facts=facts)


def wrong(check: str, what: str, remedy: str, **facts: Value) -> Finding:
    """It does not work."""
    return Finding(check=check, state=State.WRONG, what=what, remedy=remedy, facts=facts)


def examine(checks: Sequence[Check], patience: timedelta = PATIENCE) -> tuple[Finding, ...]:
    """Look at everything, side by side; who has not answered in time is a finding, too. In the order of `checks`."""
    looks = [_Look(check) for check in checks]
    deadline = time.monotonic() + patience.total_seconds()
    return tuple(finding for look in looks for finding in look.findings(deadline, patience))


class _Look:
    """One check, on a thread of its own that nobody waits for at the end of the process."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._over = threading.Event()
        broken = say("Looking at this broke on our side; the log says how. Nothing was changed.")
        self._found: tuple[Finding, ...] = (check.found(State.WRONG, broken, check.remedy),)
        Thread(self._put, name=f"check-{check.name}").start()

    def findings(self, deadline: float, patience: timedelta) -> tuple[Finding, ...]:
        if self._over.wait(max(0.0, deadline - time.monotonic())):
            return self._found
        late = say("There was no answer within {seconds:g} seconds.", seconds=patience.total_seconds())
        return (self._check.found(State.WRONG, late, self._check.remedy),)

    def _put(self) -> None:
        try:
            self._found = tuple(self._check.look())
        except BotError as error:
            self._found = (self._check.found(State.WRONG, str(error), self._check.remedy),)
        finally:
            self._over.set()
