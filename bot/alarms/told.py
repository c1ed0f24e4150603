"""What people are told of alarms, and what the audit log is. Pure: must not know who looks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from bot.alarmrules import title
from bot.language import say, say_count
from bot.model import Button, Invocation, Origin, Place, Reply, Status
from bot.stores.alarms import Alarm, News, Told
from bot.stores.audit import AuditEvent
from bot.stores.ended import Ended
from bot.witnessing import ITSELF

RAISED, OVER = "alarm", "alarm-over"
"""The kinds of entries in the audit log where nobody is told."""

LINE = "alarms"
"""What a message stands for: the command line that shows the same."""

_LONGEST = 2_600
"""Characters that a section takes, with room for what escaping adds."""
_LONGEST_SENTENCE = 500
_MOST_BUTTONS = 4


@dataclass(frozen=True, kw_only=True)
class Way:
    """To whom: a channel, perhaps none, in which language, and on which host the runs are filed."""

    channel: str
    language: str
    host: str
    now: datetime


def told(news: News, way: Way) -> Told:
    """The messages; where there is no channel, the entries."""
    if not way.channel:
        return Told(events=tuple(_events(news, way)), is_heard=False)
    over = tuple(alarm for alarm in news.over if alarm.told_at is not None)
    messages = []
    if news.new or news.still:
        messages.append(_ended(_raised(news), way))
    if over:
        messages.append(_ended(_recovered(over), way))
    return Told(messages=tuple(messages))


def _raised(news: News) -> Reply:
    sentences = [f"• {_what(one.text)}" for one in news.new]
    for one, alarm in news.still:
        since = say("still, since {at:%Y-%m-%d %H:%M} UTC", at=alarm.opened_at)
        sentences.append(f"• {_what(one.text)} ({since})")
    count = len(sentences)
    heading = (
        say_count("{number} alarm:", "{number} alarms:", count)
        if news.new
        else say_count("{number} alarm stays:", "{number} alarms stay:", count)
    )
    conditions = (*news.new, *(one for one, _ in news.still))
    remedies = dict.fromkeys(one.remedy for one in conditions if one.remedy is not None)
    buttons = (*tuple(remedies)[: _MOST_BUTTONS - 1], Button(label=say("Open alarms"), line=LINE))
    return Reply(text=_fitted(heading, sentences), buttons=buttons, status=Status.FAILED, is_aloud=True)


def _recovered(over: tuple[Alarm, ...]) -> Reply:
    heading = say_count("{number} alarm is over:", "{number} alarms are over:", len(over))
    sentences = []
    for alarm in over:
        since = say("since {at:%Y-%m-%d %H:%M} UTC", at=alarm.opened_at)
        sentences.append(f"• {title(alarm.kind)}, {since}: {_what(alarm.text)}")
    return Reply(text=_fitted(heading, sentences), is_aloud=True)


def _fitted(heading: str, sentences: list[str]) -> str:
    """As many as a message takes; the others are counted."""
    kept, room = [heading], _LONGEST
    for sentence in sentences:
        room -= len(sentence) + 1
        if room < 0:
            left = len(sentences) - len(kept) + 1
            kept.append(say("… and {number} more; `alarms` lists what is open.", number=left))
            break
        kept.append(sentence)
    return "\n".join(kept)


def _what(sentence: str) -> str:
    text = " ".join(sentence.split())
    return text if len(text) <= _LONGEST_SENTENCE else text[: _LONGEST_SENTENCE - 1] + "…"


def _ended(reply: Reply, way: Way) -> Ended:
    invocation = Invocation(
        line=LINE,
        actor=ITSELF,
        origin=Origin.SCHEDULE,
        at=way.now,
        place=Place(channel=way.channel, user=ITSELF.id),
        language=way.language,
    )
    return Ended(invocation=invocation, host=way.host, reply=reply, command=LINE)


def _events(news: News, way: Way) -> Iterator[AuditEvent]:
    found = [(RAISED, one.key, one.text) for one in news.new]
    found += [(OVER, alarm.key, alarm.text) for alarm in news.over]
    for kind, key, text in found:
        yield AuditEvent(
            run_id="",
            kind=kind,
            at=way.now,
            actor=ITSELF,
            origin=Origin.SCHEDULE,
            channel=None,
            command=None,
            line=key,
            host=way.host,
            detail=text,
        )
