"""The machine that the bot runs on: programs, time zones, and whether its state is kept from others."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from bot import words
from bot.doctor import Check, Finding, ok, warning, wrong
from bot.engine.tools_image import lacking
from bot.language import later, listed, say

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_LOW = 0.05
"""So much of a disk should be free."""
_LOOK = later("Look at the log of the bot.")


def checks(programs: Mapping[str, str], zones: Callable[[], Iterable[str]]) -> tuple[Check, ...]:
    """`programs` are needed beside those of the tools, each with its Debian package; `zones` are names in use."""
    return (
        Check(name="programs", look=lambda: _programs(programs), remedy=say(_LOOK)),
        Check(name="time-zones", look=lambda: _zones(zones()), remedy=say(_LOOK)),
    )


def state_check(state: Path) -> Check:
    """Of the state directory."""
    return Check(name="state-directory", look=lambda: _state(state), remedy=say(_LOOK))


def _programs(more: Mapping[str, str]) -> Iterator[Finding]:
    missing = lacking() | {name: package for name, package in more.items() if shutil.which(name) is None}
    if not missing:
        yield ok("programs", say("Every program that the bot needs is on this machine."))
        return
    packages = sorted({package for package in missing.values() if package})
    remedy = (
        say("Install the Debian packages {packages} there.", packages=listed(packages))
        if packages
        else say("Put them on the bot’s PATH.")
    )
    yield wrong(
        "programs",
        say(
            "Programs are missing on the machine that the bot runs on: {programs}. What needs them fails.",
            programs=listed(sorted(missing)),
        ),
        remedy,
    )


def _zones(named: Iterable[str]) -> Iterator[Finding]:
    known = available_timezones()
    unknown = sorted({name for name in named if not _can_be_loaded(name)})
    if unknown:
        yield wrong(
            "time-zones",
            say("Time zones that are in use are not known here: {zones}.", zones=listed(unknown)),
            say("Install the Debian package tzdata, or the Python package of that name."),
        )
    elif not known:
        yield warning(
            "time-zones",
            say("This machine has no time zones, so only UTC can be used."),
            say("Install the Debian package tzdata, or the Python package of that name."),
        )
    else:
        yield ok("time-zones", say("Time zones are known: {number} of them.", number=len(known)))


def _can_be_loaded(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return name == "UTC"
    return True


def _state(state: Path) -> Iterator[Finding]:
    try:
        found = state.stat()
    except OSError as error:
        yield wrong(
            "state-directory",
            say(
                "The state directory {state} cannot be looked at ({reason}).",
                state=state,
                reason=error.strerror,
            ),
            say("Make it for the bot’s user, or name another one with SHIPKEEPER_STATE."),
        )
        return
    is_ours = os.geteuid() in (0, found.st_uid)  # root looks on behalf of the bot
    if not is_ours:
        yield warning(
            "state-directory",
            say("The state directory {state} belongs to another user.", state=state),
            say("Give it to the bot’s user: `chown`."),
        )
    if found.st_mode & _OTHERS:
        yield warning(
            "state-directory",
            say(
                "Others may look into the state directory {state} (rights {mode:03o}): the database, and files on "
                "their way.",
                state=state,
                mode=stat.S_IMODE(found.st_mode),
            ),
            say("Close it: `chmod 700 {state}`.", state=state),
        )
    room = shutil.disk_usage(state)
    if room.free < room.total * _LOW:
        yield warning(
            "state-directory",
            say(
                "The disk of the state directory {state} is nearly full: {free} are free.",
                state=state,
                free=words.size(room.free),
            ),
            say("Make room there: without it nothing can be written down, and so nothing is done."),
        )
    if is_ours and not found.st_mode & _OTHERS:
        yield ok("state-directory", say("The state directory {state} is the bot’s alone.", state=state))
