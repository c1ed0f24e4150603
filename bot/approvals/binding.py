"""What an approval is bound to: the digest of what a plan was made from, and in words what differs between two.

The same in every language: what is compared is in English, what is said about it in the reader's words.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping

from bot.language import later, say
from bot.model import Plan

_VERSION = 1
_SHORT = 12
_LONGEST = 60

_THINGS = {
    "volume": later("volume {name}"),
    "container": later("container {name}"),
    "image": later("image {name}"),
    "backup": later("backup {name}"),
    "registry": later("what the registry serves as {name}"),
    "tag": later("the image that is called {name}"),
    "runbook": later("runbook {name}"),
    "build": later("build {name}"),
    "file": later("file {name}"),
    "downtime": later("the expected downtime"),
    "content": later("what volume {name} holds"),
}


def bound(plan: Plan, *, command: str, host: str, line: str) -> dict[str, object]:
    """All that an approval is given for. The plan's words must be English ones."""
    return {
        "version": _VERSION,
        "command": command,
        "host": host,
        "line": line,
        "text": plan.text,
        "targets": sorted(plan.targets),
        "steps": list(plan.steps),
        "binds": dict(plan.binds),
    }


def digest(of: Mapping[str, object]) -> str:
    """SHA-256 of it as canonical JSON: sorted names, no blanks, UTF-8."""
    written = json.dumps(of, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(written.encode("utf-8", "surrogatepass")).hexdigest()


def differences(before: Mapping[str, object], now: Mapping[str, object]) -> tuple[str, ...]:
    """What is not as it was, a sentence each; nothing when the digests are equal."""
    if digest(before) == digest(now):
        return ()
    old, new = _binds(before), _binds(now)
    told = [_changed(key, old.get(key, ""), new.get(key, "")) for key in _differing(old, new)]
    told += _targets(before, now, {*old, *new})
    if not told:
        told.append(
            say(
                "the plan was “{before}” and is “{now}” now",
                before=_plan_of(before),
                now=_plan_of(now),
            )
        )
    return tuple(told)


def thing(key: str) -> str:
    """What a bound fact is about, such as `container db`."""
    kind, _, name = key.partition(":")
    return say(_THINGS[kind], name=name) if kind in _THINGS else key


def short(value: str) -> str:
    """An id or a digest so that people can compare it."""
    plain = value.removeprefix("sha256:")
    is_hex = len(plain) == 64 and all(sign in "0123456789abcdef" for sign in plain)
    if is_hex:
        return plain[:_SHORT]
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"


def in_words(binds: Mapping[str, str]) -> str:
    """All bound facts: `container db (3f2a1b4c5d6e), volume pgdata (2026-11-28T01:00:00Z)`."""
    return ", ".join(
        f"{thing(key)} ({short(value) if value else say('not there')})"
        for key, value in sorted(binds.items())
    )


def _binds(of: Mapping[str, object]) -> Mapping[str, str]:
    found = of.get("binds")
    return found if isinstance(found, dict) else {}


def _differing(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    return (key for key in sorted({*old, *new}) if old.get(key, "") != new.get(key, ""))


def _changed(key: str, old: str, new: str) -> str:
    values = {"thing": thing(key), "before": short(old), "now": short(new)}
    if not new:
        return say("{thing} is not there, or not part of it, any more", **values)
    if not old:
        return say("{thing} is there, or part of it, now", **values)
    if key.startswith(("container:", "volume:")):
        return say("{thing} was made anew: it was {before} and is {now}", **values)
    return say("{thing} is another one: it was {before} and is {now}", **values)


def _targets(before: Mapping[str, object], now: Mapping[str, object], told: set[str]) -> list[str]:
    old, new = _names(before) - told, _names(now) - told
    gone = [say("{thing} is not part of it any more", thing=thing(key)) for key in sorted(old - new)]
    return gone + [say("{thing} is part of it now", thing=thing(key)) for key in sorted(new - old)]


def _names(of: Mapping[str, object]) -> set[str]:
    found = of.get("targets")
    return {str(one) for one in found} if isinstance(found, list) else set()


def _plan_of(of: Mapping[str, object]) -> str:
    steps = of.get("steps")
    listed = [str(step) for step in steps] if isinstance(steps, list) else []
    return " · ".join([str(of.get("text") or ""), *listed])
