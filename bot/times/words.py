"""Plain words for when something is due, in English and Korean: `daily at 03:00`, `mondays at 02:30`, `매일 03:00`.

Finds them at the beginning of a command line, where no quotes say how far they reach. Knows no schedule and no clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from bot.errors import UsageError
from bot.language import say
from bot.times.when import When, by_cron, by_interval

_MOST_WORDS = 10
_CRON_FIELD = re.compile(r"[0-9*/,\-#LlA-Za-z]+")
_HAS_CRON = re.compile(r"[0-9*]")

_DAYS = (
    (0, "sun", "sunday", "일"),
    (1, "mon", "monday", "월"),
    (2, "tue", "tuesday", "화"),
    (3, "wed", "wednesday", "수"),
    (4, "thu", "thursday", "목"),
    (5, "fri", "friday", "금"),
    (6, "sat", "saturday", "토"),
)
_NUMBERS = {
    name: number for number, short, full, _ in _DAYS for name in (short, full, f"{full}s", f"{short}s")
}
_ENGLISH_DAY = "|".join(sorted(_NUMBERS, key=len, reverse=True))
_KOREAN = {korean: number for number, _, _, korean in _DAYS}

_CLOCK = r"(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?\s?(?P<half>[ap]\.?m\.?)?"
_AT = rf"(?: at {_CLOCK})?"
_KOREAN_CLOCK = (
    r"(?:(?P<part>오전|오후|새벽|아침|저녁|밤|정오|자정) ?)?"
    r"(?:(?P<hour>\d{1,2})(?::(?P<minute>\d{2})|시(?: ?(?P<minutes>\d{1,2})분|(?P<sharp> ?반))?))?(?:에)?"
)
_UNITS = {
    "m": "minutes", "min": "minutes", "minute": "minutes", "분": "minutes",
    "h": "hours", "hour": "hours", "시간": "hours",
    "d": "days", "day": "days", "일": "days",
    "w": "weeks", "week": "weeks", "주": "weeks",
}  # fmt: skip
_AFTERNOON = ("오후", "저녁", "밤")

Groups = dict[str, str | None]


@dataclass(frozen=True, kw_only=True)
class _Form:
    """A way to say it: what it looks like, and cron's five fields for what was found."""

    shape: re.Pattern[str]
    cron: Callable[[Groups], str]


def found(words: Sequence[str], zone: str, now: datetime) -> tuple[When, tuple[str, ...]]:
    """When it is due by the first of the words, as many as say so, and the words that are left.

    `now` is what an interval is counted from. Raises UsageError, which says how it is written.
    """
    if words and " " in words[0].strip():  # quoted: all of it must be when
        return _read(words[0].strip(), zone, now), tuple(words[1:])
    if _is_cron(words[:5]):
        return by_cron(" ".join(words[:5]), zone), tuple(words[5:])
    for number in range(min(_MOST_WORDS, len(words)), 0, -1):
        made = _in_words(" ".join(words[:number]), zone, now)
        if made is not None:
            return made, tuple(words[number:])
    raise UsageError(_how_to(words[0] if words else ""))


def _read(text: str, zone: str, now: datetime) -> When:
    made = _in_words(text, zone, now)
    if made is not None:
        return made
    if _HAS_CRON.match(text):
        return by_cron(text, zone)
    raise UsageError(_how_to(text))


def _is_cron(words: Sequence[str]) -> bool:
    return (
        len(words) == 5
        and all(_CRON_FIELD.fullmatch(word) for word in words)
        and all(_HAS_CRON.search(word) for word in words[:3])
    )


def _in_words(text: str, zone: str, now: datetime) -> When | None:
    lower = " ".join(text.lower().replace(",", " ").split())
    for shape in _INTERVALS:
        match = shape.fullmatch(lower)
        if match is not None:
            every = timedelta(**{_UNITS[match["unit"]]: int(match["number"] or 1)})
            return by_interval(every, now, zone, text=lower)
    for form in _FORMS:
        match = form.shape.fullmatch(lower)
        if match is not None:
            return by_cron(form.cron(match.groupdict()), zone, text=lower)
    return None


def _time(groups: Groups) -> str:
    """Minute and hour as cron writes them; midnight where no time was said."""
    hour, minute = int(groups.get("hour") or 0), int(groups.get("minute") or 0)
    half = (groups.get("half") or "")[:1]
    if half:
        hour = hour % 12 + (12 if half == "p" else 0) if 1 <= hour <= 12 else 99
    return f"{minute} {hour}"


def _korean_time(groups: Groups) -> str:
    part = groups.get("part")
    hour = int(groups.get("hour") or (12 if part == "정오" else 0))
    minute = int(groups.get("minute") or groups.get("minutes") or (30 if groups.get("sharp") else 0))
    if part in _AFTERNOON and 1 <= hour < 12:
        hour += 12
    if part in ("오전", "새벽", "자정", "밤") and hour == 12:
        hour = 0
    return f"{minute} {hour}"


def _english_days(text: str | None) -> str:
    return ",".join(str(_NUMBERS[name]) for name in re.findall(_ENGLISH_DAY, text or ""))


def _korean_days(text: str | None) -> str:
    letters = (text or "").replace("요일", "")
    return ",".join(str(_KOREAN[letter]) for letter in letters if letter in _KOREAN)


def _form(shape: str, cron: Callable[[Groups], str]) -> _Form:
    return _Form(shape=re.compile(shape), cron=cron)


_ENGLISH_DAYS = rf"(?P<days>(?:{_ENGLISH_DAY})(?:(?: and | )(?:{_ENGLISH_DAY}))*)"
_KOREAN_DAYS = r"(?P<days>[일월화수목금토](?:요일)?(?:[ ·,과와]{0,2}[일월화수목금토](?:요일)?)*)"

_INTERVALS = (
    re.compile(r"every (?P<number>\d{1,6}) ?(?P<unit>minute|min|m|hour|h|day|d|week|w)s?"),
    re.compile(r"every(?P<number>) (?P<unit>minute|week)"),
    re.compile(r"(?P<number>\d{1,6}) ?(?P<unit>분|시간|일|주)마다"),
)

_FORMS = (
    _form(
        r"(?:hourly|every hour)(?: at :?(?P<minute>\d{1,2}))?", lambda g: f"{int(g['minute'] or 0)} * * * *"
    ),
    _form(rf"(?:daily|every day|nightly){_AT}", lambda g: f"{_time(g)} * * *"),
    _form(rf"(?:every )?weekdays?{_AT}", lambda g: f"{_time(g)} * * 1-5"),
    _form(rf"(?:every )?weekends?{_AT}", lambda g: f"{_time(g)} * * 0,6"),
    _form(rf"weekly{_AT}", lambda g: f"{_time(g)} * * 1"),
    _form(
        rf"(?:(?:every|weekly on|on) )?{_ENGLISH_DAYS}{_AT}",
        lambda g: f"{_time(g)} * * {_english_days(g['days'])}",
    ),
    _form(
        rf"monthly(?: on(?: the)? (?P<day>\d{{1,2}})(?:st|nd|rd|th)?)?{_AT}",
        lambda g: f"{_time(g)} {int(g['day'] or 1)} * *",
    ),
    _form(r"매시간?(?: (?P<minute>\d{1,2})분)?(?:에)?", lambda g: f"{int(g['minute'] or 0)} * * * *"),
    _form(rf"매일(?: {_KOREAN_CLOCK})?", lambda g: f"{_korean_time(g)} * * *"),
    _form(rf"평일(?:마다)?(?: {_KOREAN_CLOCK})?", lambda g: f"{_korean_time(g)} * * 1-5"),
    _form(rf"주말(?:마다)?(?: {_KOREAN_CLOCK})?", lambda g: f"{_korean_time(g)} * * 0,6"),
    _form(
        rf"매주 {_KOREAN_DAYS}(?:마다)?(?: {_KOREAN_CLOCK})?",
        lambda g: f"{_korean_time(g)} * * {_korean_days(g['days'])}",
    ),
    _form(
        rf"(?P<days>[일월화수목금토]요일)마다(?: {_KOREAN_CLOCK})?",
        lambda g: f"{_korean_time(g)} * * {_korean_days(g['days'])}",
    ),
    _form(
        rf"매(?:월|달)(?: (?P<day>\d{{1,2}})일)?(?: {_KOREAN_CLOCK})?",
        lambda g: f"{_korean_time(g)} {int(g['day'] or 1)} * *",
    ),
)


def _how_to(text: str) -> str:
    return say(
        "“{text}” is no time that something could be due at. Nothing was changed. Write it as cron has it "
        "(`0 3 * * *`), as an interval (`every 6h`), or in words: `daily at 03:00`, `mondays at 02:30`, "
        "`weekdays at 9am`, `monthly on 1 at 04:00`, `hourly`.",
        text=text,
    )
