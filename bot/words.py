"""Values in words, the same for every face: sizes, times, durations, names of columns."""

from __future__ import annotations

import re
from datetime import datetime

from bot.language import later, say
from bot.model import Status, Value

MARKS = {
    Status.QUEUED: "⏳",
    Status.WAITING: "✋",
    Status.RUNNING: "▶️",
    Status.SUCCEEDED: "✅",
    Status.PARTIAL: "⚠️",
    Status.FAILED: "❌",
    Status.DENIED: "⛔",
    Status.REJECTED: "↩️",
    Status.CANCELLED: "🚫",
    Status.EXPIRED: "⌛",
    Status.INTERRUPTED: "⚡",
    Status.MISSED: "🕳️",
}
"""One mark a status. The tick means success and nothing else."""


_STATUS = {
    Status.QUEUED: later("queued"),
    Status.WAITING: later("waiting"),
    Status.RUNNING: later("running"),
    Status.SUCCEEDED: later("succeeded"),
    Status.PARTIAL: later("partial"),
    Status.FAILED: later("failed"),
    Status.DENIED: later("denied"),
    Status.REJECTED: later("rejected"),
    Status.CANCELLED: later("cancelled"),
    Status.EXPIRED: later("expired"),
    Status.INTERRUPTED: later("interrupted"),
    Status.MISSED: later("missed"),
}


_STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def harmless(raw: str) -> str:
    """Without escape codes, other control characters and overrides of the writing direction."""
    return _STEERING.sub("", raw)


def status(stands: Status) -> str:
    """How a run stands, in a word."""
    return say(_STATUS[stands])


def called_off(run_id: str, stands: Status) -> str:
    """What is said of a run that somebody cancelled and that stands so now."""
    if stands.is_ending:
        return say("Run {run} is {status}; it had not begun.", run=run_id, status=say(stands.value))
    return say(
        "Run {run} was asked to end. It stops at its next step and takes back what it had begun; "
        "its own message says when that is done.",
        run=run_id,
    )


def size(count: float) -> str:
    """Bytes in the largest unit that leaves a number of one or more: `2.4 MB`, decimal units."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(count) < 1000 or unit == "TB":
            return f"{count:.0f} {unit}" if unit == "B" else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError("unreachable")


def precise_size(count: float) -> str:
    """Bytes with three digits that count, for what grows while one looks: `1.04 GB`, `104 MB`."""
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if abs(count) < 999.5 or unit == "TB":
            return f"{count:.3g} {unit}"
        count /= 1000
    raise AssertionError("unreachable")


def duration(seconds: float) -> str:
    """`0.4 s`, `12 s`, `3 min 5 s`, `2 h 10 min`."""
    if seconds < 10:
        return say("{seconds:.1f} s", seconds=seconds)
    whole = round(seconds)
    if whole < 60:
        return say("{seconds} s", seconds=whole)
    if whole < 3600:
        return say("{minutes} min {seconds} s", minutes=whole // 60, seconds=whole % 60)
    return say("{hours} h {minutes} min", hours=whole // 3600, minutes=whole % 3600 // 60)


def age(seconds: float) -> str:
    """A duration that may be many days: `45 s`, `3 h 5 min`, `2 d 4 h`, `400 d`."""
    days, hours = divmod(round(seconds / 3600), 24)
    if days < 2:
        is_whole = seconds >= 3600 and seconds % 3600 == 0
        return say("{hours} h", hours=days * 24 + hours) if is_whole else duration(seconds)
    if days >= 100 or not hours:
        return say("{days} d", days=days)
    return say("{days} d {hours} h", days=days, hours=hours)


def value(name: str, raw: Value) -> str:
    """A fact or a cell as people read it; the name's ending tells what it is."""
    if raw is None or raw == "":
        return "–"
    if name.endswith("_bytes") and isinstance(raw, int):
        return size(raw)
    if name.endswith("_seconds") and isinstance(raw, int | float):
        return duration(raw)
    if is_time(name) and isinstance(raw, str):
        return f"{datetime.fromisoformat(raw):%Y-%m-%d %H:%M:%S} UTC"
    if isinstance(raw, bool):
        return say("yes") if raw else say("no")
    return str(raw)


def is_time(name: str) -> bool:
    """Whether what is called so is a moment."""
    return name.endswith("_at") or name == "at"


def label(name: str) -> str:
    """A fact's or a column's name as a heading: `stored_bytes` is `Stored`."""
    for ending in ("_bytes", "_seconds", "_at"):
        name = name.removesuffix(ending)
    return say(name.replace("_", " ").capitalize())
