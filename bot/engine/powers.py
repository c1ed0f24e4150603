"""What a container of a configuration could do to its host, beyond what any container can, in words.

Words and Docker's JSON only: it asks no daemon, and must not know who wrote the configuration or may have it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bot.engine.configuration import MISSHAPEN, read, unreadable
from bot.language import say

_MODES = {
    "NetworkMode": "network",
    "PidMode": "pid",
    "IpcMode": "ipc",
    "UTSMode": "uts",
    "UsernsMode": "user",
}
_DEVICES = ("Devices", "DeviceRequests", "DeviceCgroupRules")
# What every version of Docker hides unless it is told not to; a text that says less opens some of it.
_HIDDEN = {
    "MaskedPaths": frozenset({"/proc/acpi", "/proc/kcore", "/proc/keys", "/proc/scsi", "/sys/firmware"}),
    "ReadonlyPaths": frozenset({"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"}),
}
_RESTRICTING = frozenset({"no-new-privileges", "no-new-privileges:true", "no-new-privileges=true"})
_MOST_CHARACTERS = 60


def powers(text: str) -> tuple[str, ...]:
    """A phrase each; raises EngineError for a text that this version cannot read."""
    host = read(text)["host"]
    try:
        return tuple(_powers(host))
    except MISSHAPEN as error:
        raise unreadable(error) from error


def _powers(host: Mapping[str, Any]) -> Iterable[str]:
    if host.get("Privileged"):
        yield say("all rights on its host (--privileged)")
    if host.get("CapAdd"):
        yield say("the capabilities {names}", names=_named(host["CapAdd"]))
    if any(host.get(key) for key in _DEVICES):
        yield say("devices of its host")
    for key, mode in _MODES.items():
        if host.get(key) == "host":
            yield say("its host's {mode} namespace", mode=mode)
    opened = [one for one in host.get("SecurityOpt") or () if one not in _RESTRICTING]
    if opened:
        yield say("the security options {names}", names=_named(opened))
    if any(key in host and not hidden <= set(host[key]) for key, hidden in _HIDDEN.items()):
        yield say("paths of /proc and /sys that others do not see")
    if host.get("Annotations"):
        yield say("annotations for what runs it")


def _named(words: Iterable[object]) -> str:
    """A security profile may be as long as a page."""
    return ", ".join(_short(str(one)) for one in words)


def _short(word: str) -> str:
    return word if len(word) <= _MOST_CHARACTERS else f"{word[:_MOST_CHARACTERS]}…"
