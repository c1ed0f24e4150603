"""Takes changed settings without a restart: on SIGHUP, or when the file changed. All of them or none.

Only what somebody registered a swapper for is taken; of the rest the log says that it needs a restart. Must not know
what the settings are for. A change is written down before it counts: where that cannot be, the old ones stay.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from bot.errors import StoreError
from bot.language import say
from bot.model import Actor, Origin
from bot.settings import Settings, SettingsError
from bot.stores.audit import AuditEvent

_log = logging.getLogger(__name__)

CHANGED = "policy-changed"
REFUSED = "policy-refused"

_POLL_SECONDS = 1.0
"""A file counts as written when two looks see the same, so a change is taken within two to three seconds."""
_BY = Actor(id="settings", name="settings file")
_UNFORESEEN = (OSError, ValueError, ArithmeticError, RecursionError)
"""What reading what people wrote may raise beside SettingsError; its text may repeat a secret of theirs."""
_SAYS_NOTHING: tuple[object, ...] = (None, "", (), ("*",))

Place = tuple[str, ...]
"""Where a setting stands: `("roles", "operators", "members")`."""

_Stamp = tuple[int, int, int] | None


@dataclass(frozen=True, kw_only=True)
class Swapper:
    """Something that takes new settings while it is at work.

    `sections` are those it takes, or keys of them (`limits.per_minute`). `prepare` makes of new settings what
    is to count, and gives what puts that into its place, all at once; it raises SettingsError when it cannot take
    them, and then nobody does. What puts it can be called again, and raises nothing but StoreError: then all are put
    anew at the next look.
    """

    sections: tuple[str, ...]
    prepare: Callable[[Settings], Callable[[], None]]

    def takes(self, place: Place) -> bool:
        """Whether what stands there is its own."""
        return any(place[: len(own)] == own for own in (tuple(name.split(".")) for name in self.sections))


@dataclass(frozen=True, kw_only=True)
class Change:
    """One setting that differs; None where there is none."""

    place: Place
    old: object
    new: object

    def __str__(self) -> str:
        return f"{'.'.join(self.place)}: {_readable(self.old)} -> {_readable(self.new)}"


@dataclass(frozen=True, kw_only=True)
class Means:
    """What a reloader works with: how to read the settings, their file if there is one, and the audit log."""

    read: Callable[[], Settings]
    file: Path | None
    record: Callable[[AuditEvent], None]
    clock: Callable[[], datetime]


class Reloader:
    """Watches the settings on a thread of its own. `ask` may be called by a signal handler."""

    def __init__(self, settings: Settings, swappers: Sequence[Swapper], means: Means) -> None:
        """`settings` are those that everything was made from."""
        self._started_with = settings
        self._current = settings
        self._swappers = tuple(swappers)
        self._means = means
        self._woken = threading.Event()
        self._is_over = False
        self._seen: _Stamp = None
        self._taken: _Stamp = None
        self._need_restart: tuple[str, ...] = ()
        self._trouble = ""
        self._thread: threading.Thread | None = None

    @property
    def settings(self) -> Settings:
        """Those that were taken last."""
        return self._current

    @property
    def is_well(self) -> bool:
        """Whether changes are noticed: once it was started its thread lives."""
        return self._thread is None or self._thread.is_alive()

    def ask(self) -> None:
        """Have them read again, whether the file changed or not."""
        self._woken.set()

    def start(self) -> None:
        """Begin to watch."""
        self._thread = threading.Thread(target=self._watch, name="settings", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End. May be called twice, and without a start."""
        self._is_over = True
        self._woken.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        while not self._is_over:
            was_asked = self._woken.wait(_POLL_SECONDS)
            self._woken.clear()
            if not self._is_over:
                self.look(was_asked=was_asked)

    def look(self, *, was_asked: bool = False) -> None:
        """Take the settings, if their file is another one than last time and nobody is writing it, or if asked to."""
        stamp = _stamp(self._means.file)
        is_written = stamp == self._seen
        self._seen = stamp
        if not was_asked and (not is_written or stamp == self._taken):
            return
        try:
            self._take()
            self._taken = stamp
            self._trouble = ""
        except StoreError as error:  # tried again at the next look
            if self._trouble != str(error):
                _log.error(
                    "the settings stay as they were, as their change cannot be written down: %s", error
                )
            self._trouble = str(error)

    def _take(self) -> None:
        try:
            fresh = self._means.read()
            puts = [one.prepare(fresh) for one in self._swappers]
        except SettingsError as error:
            self._refuse(str(error))
            return
        except _UNFORESEEN as error:
            self._refuse(say("Reading the settings broke: {kind}.", kind=type(error).__name__))
            return
        taken = [one for one in changes(self._current, fresh) if self._is_taken(one.place)]
        if taken:
            said = "\n".join(map(str, taken))
            self._means.record(self._event(CHANGED, said))
            for put in puts:
                put()
            _log.warning("new settings count from now on:\n%s", said)
        self._current = fresh
        self._name_the_rest(fresh)

    def _refuse(self, why: str) -> None:
        _log.error("the settings stay as they were: %s", why)
        self._means.record(self._event(REFUSED, why))

    def _name_the_rest(self, fresh: Settings) -> None:
        found = [one.place for one in changes(self._started_with, fresh) if not self._is_taken(one.place)]
        names = tuple(dict.fromkeys(".".join(place[:2]) for place in found))
        if names and names != self._need_restart:
            _log.warning("these settings changed, too, and count after a restart: %s", ", ".join(names))
        self._need_restart = names

    def _is_taken(self, place: Place) -> bool:
        return any(one.takes(place) for one in self._swappers)

    def _event(self, kind: str, detail: str) -> AuditEvent:
        return AuditEvent(
            run_id="",
            kind=kind,
            at=self._means.clock(),
            actor=_BY,
            origin=Origin.CLI,
            channel=None,
            command=None,
            line=str(self._means.file or ""),
            host="",
            detail=detail,
        )


def changes(old: Settings, new: Settings) -> tuple[Change, ...]:
    """What differs, setting by setting, without what comes from the environment and secrets."""
    before, after = dict(_flat((), old.model_dump())), dict(_flat((), new.model_dump()))
    places = sorted({*before, *after})
    found = (Change(place=place, old=before.get(place), new=after.get(place)) for place in places)
    return tuple(one for one in found if one.old != one.new and not _is_left_out(one, before, after))


def _is_left_out(one: Change, before: Mapping[Place, Any], after: Mapping[Place, Any]) -> bool:
    """Of what is new or gone as a whole, what was never said says nothing."""
    is_there_twice = one.place in before and one.place in after
    return not is_there_twice and (one.old in _SAYS_NOTHING and one.new in _SAYS_NOTHING)


def _flat(place: Place, value: Mapping[str, Any]) -> Iterator[tuple[Place, object]]:
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat((*place, str(key)), inner)
        else:
            yield (*place, str(key)), inner


def _readable(value: object) -> str:
    if value is None or value == ():
        return "nothing"
    if isinstance(value, tuple | list):
        return ", ".join(map(str, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _stamp(file: Path | None) -> _Stamp:
    """What tells one content of the file from another, without reading it; None when there is no file."""
    if file is None:
        return None
    try:
        found = file.stat()
    except OSError:  # reading it says what is wrong
        return (0, 0, 0)
    return (found.st_mtime_ns, found.st_size, found.st_ino)
