"""The section of a Home page with what is carried out by itself: when next, and what came of it last. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bot import words
from bot.language import say
from bot.model import Button
from bot.schedules.seen import Seen
from bot.schedules.told import buttons_of
from bot.seen import Overview
from bot.slack.blocks import Block, context, section
from bot.slack.homepaper import Paper, header
from bot.slack.mrkdwn import code, cut, escape, moment, plain

_SENTENCE = 300
_BUTTONS = 2


def schedules(paper: Paper) -> Iterator[Block]:
    """Schedules, each with the buttons that run, pause or resume it; nothing when there are none."""
    found = paper.overview.schedules
    if not found.shown:
        return
    yield header(say("Schedules"))
    for seen in found.shown:
        yield section(_what(seen))
        yield {"type": "actions", "elements": [paper.button(one) for one in _offered(seen)]}
    if found.more:
        yield context(
            say("and {number} more: {command}", number=found.more, command=paper.typed("schedules"))
        )


def schedule_buttons(overview: Overview) -> tuple[Button, ...]:
    """The buttons that the section needs."""
    return tuple(button for seen in overview.schedules.shown for button in _offered(seen))


def _offered(seen: Seen) -> tuple[Button, ...]:
    return buttons_of(seen.schedule)[:_BUTTONS]


def _what(seen: Seen) -> str:
    schedule, last = seen.schedule, seen.last
    when = escape(cut(plain(f"{schedule.when.text} ({schedule.when.zone})"), _SENTENCE))
    lines = [f"*{escape(schedule.name)}* · {code(schedule.line, _SENTENCE)} · {when}"]
    if seen.next_at is not None:
        lines.append(say("next {time}", time=moment(seen.next_at)))
    else:
        lines.append(f"⏸️ {escape(cut(plain(seen.state), _SENTENCE))}")
    if last is None:
        lines.append(say("has not run yet"))
    else:
        at = moment(last.ended_at or last.created_at)
        status = f"{words.MARKS[last.status]} {words.status(last.status)}"
        lines.append(say("last run {run_id} {status} {time}", run_id=last.id, status=status, time=at))
    return "\n".join((lines[0], " · ".join(lines[1:])))
