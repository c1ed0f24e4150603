"""The section of a Home page with what keeps volumes from being protected. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bot.alarmrules import title
from bot.language import say
from bot.slack.blocks import Block, context, section
from bot.slack.homepaper import Paper, header
from bot.slack.mrkdwn import cut, escape, moment, plain

_MOST = 5
_SENTENCE = 300


def alarms(paper: Paper) -> Iterator[Block]:
    """The oldest that are open; nothing when none is."""
    wanted = paper.overview.alarms
    if not wanted:
        return
    yield header(say("Alarms"))
    for alarm in wanted[:_MOST]:
        since = say("since {time}", time=moment(alarm.opened_at))
        text = escape(cut(plain(alarm.text), _SENTENCE))
        yield section(f"❌ *{escape(title(alarm.kind))}* · {since}\n{text}")
    if len(wanted) > _MOST:
        command = paper.typed("alarms")
        yield context(say("and {number} more: {command}", number=len(wanted) - _MOST, command=command))
