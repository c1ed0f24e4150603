"""Docker hosts: whether each answers, with which versions, whether it lets the bot do its work, and its clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

from bot.doctor import Check, Finding, State
from bot.doctor.clocks import skewed
from bot.engine import Engine
from bot.engine.inventory_contract import HostExamined
from bot.language import later, say

_LIMIT = timedelta(seconds=5)
_SHOWN = 6
_AHEAD = later(
    "Our clock is {time} ahead of that of host {host}: times of containers and backups do not agree."
)
_BEHIND = later(
    "Our clock is {time} behind that of host {host}: times of containers and backups do not agree."
)


def checks(engines: Mapping[str, Engine], clock: Callable[[], datetime]) -> tuple[Check, ...]:
    """One for each host."""
    return tuple(_check(name, engine, clock) for name, engine in engines.items())


def _check(name: str, engine: Engine, clock: Callable[[], datetime]) -> Check:
    check: Check

    def look() -> Iterator[Finding]:
        found = engine.examine(_LIMIT)
        return _judged(check, found, clock())

    check = Check(
        name="host",
        look=look,
        remedy=say(
            "See whether Docker runs on host {host}, whether its address in the settings is right, and whether this "
            "user may reach it; `hosts` asks again.",
            host=name,
        ),
        host=name,
    )
    return check


def _judged(check: Check, found: HostExamined, now: datetime) -> Iterator[Finding]:
    if found.forbidden:
        calls = ", ".join(found.forbidden[:_SHOWN])
        if len(found.forbidden) > _SHOWN:
            calls = say("{names} and {count} more", names=calls, count=len(found.forbidden) - _SHOWN)
        yield check.found(
            State.WRONG,
            say(
                "Host {host} answers (Docker {version}), but does not let these calls through: {calls}.",
                host=check.host,
                version=found.version,
                calls=calls,
            ),
            say(
                "Let the socket proxy or the authorisation plugin before it allow them; "
                "deploy/docker-socket-proxy.cfg is the list of all that the bot calls."
            ),
        )
    else:
        yield check.found(
            State.OK,
            say(
                "Host {host} answers and lets the bot work: Docker {version}, API {api}. {images}",
                host=check.host,
                version=found.version,
                api=found.api_version,
                images=_images(found),
            ),
        )
    told = found.at and skewed(now, found.at, _AHEAD, _BEHIND, host=check.host)
    if told:
        remedy = say("Let that host and this machine keep their time by NTP.")
        yield check.found(State.WARNING, told, remedy)


def _images(found: HostExamined) -> str:
    if found.has_images:
        return say("The image of its own tools is there.")
    return say("The image of its own tools is made when it is first needed.")
