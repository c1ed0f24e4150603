"""A run as a Slack message: a sentence, facts, a table, buttons, and always the same as plain text.

Limits are Block Kit's (reference pages of section, context, actions and button); nothing over them is sent.
Those of fields and tables are smaller than Slack's, so that all together stay under its 13,200 characters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot import words
from bot.language import say
from bot.model import Outcome, Progress, Status, Value
from bot.slack.approvalview import lines
from bot.slack.mrkdwn import beginning, code, columns, cut, escape, fact, plain
from bot.stores.outbox import Message, StoredButton
from bot.stores.runrow import Lane

Block = dict[str, Any]

PRESS = "press"
"""Every button's action id begins with this; its value is the token."""

_SECTION = 3_000
_FIELD = 300
_FIELDS = 10
_TABLE = 5_000
_BESIDE = 1_500
"""Characters of a program's output below a table."""
_TEXT = 3_900

_FINE_PRINT = frozenset({"sha256", "file", "manifest"})
"""Facts that only `details` shows."""


@dataclass(frozen=True, kw_only=True)
class Rendered:
    """What is sent: blocks, and the text for notifications and screen readers."""

    text: str
    blocks: list[Block]


def render(message: Message, waiting_before: int = 0) -> Rendered:
    """The run as it stands, with its buttons."""
    run = message.run
    outcome = run.outcome
    if outcome is not None:
        blocks, text = (
            _ended(outcome, is_short=run.lane is Lane.WORK),
            f"{words.status(outcome.status)}: {outcome.reply.text}",
        )
    elif run.status is Status.RUNNING:
        text = run.plan.text if run.plan else say("{line} is being planned", line=run.invocation.line)
        blocks = [section(f"{words.MARKS[run.status]} {escape(text)}")]
        if run.progress is not None:
            blocks.append(context(progress_in_words(run.progress)))
    elif run.status is Status.WAITING:
        text = say("{line} waits for approval", line=run.invocation.line)
        what = escape(run.plan.text if run.plan else run.invocation.line)
        blocks = [section(f"{words.MARKS[run.status]} {what}")]
        blocks += [context(line) for line in (lines(message.asked) if message.asked else ())]
    else:
        text = say("{line} is waiting for a free worker", line=run.invocation.line)
        blocks = [section(f"{words.MARKS[Status.QUEUED]} {_waiting(run.invocation.line, waiting_before)}")]
    if run.cancel_requested_by and outcome is None:
        blocks.append(context(say("Asked to end; it stops at its next step and takes back what it began.")))
    blocks.append(context(_signature(message)))
    if message.buttons:
        blocks.append(_actions(message.buttons))
    told = f"{words.MARKS[run.status]} {escape(text)}"
    return Rendered(text=cut(say("{told} (run {run_id})", told=told, run_id=run.id), _TEXT), blocks=blocks)


def _waiting(line: str, before: int) -> str:
    if before:
        return say("{line} waits for a free worker; {number} before it.", line=code(line), number=before)
    return say("{line} waits for a free worker.", line=code(line))


def _ended(outcome: Outcome, *, is_short: bool) -> list[Block]:
    reply = outcome.reply
    blocks = [section(f"{words.MARKS[outcome.status]} {escape(reply.text)}")]
    blocks += _facts(
        {name: value for name, value in reply.facts.items() if not (is_short and name in _FINE_PRINT)}
    )
    if reply.table is not None:
        blocks.append(_preformatted(columns(reply.table, _TABLE)))
    output = plain(reply.output)
    if output:  # of control characters alone nothing is left, and Slack takes no empty text
        blocks.append(_preformatted(beginning(output, _TABLE if reply.table is None else _BESIDE)))
    return blocks


def _facts(facts: Mapping[str, Value]) -> list[Block]:
    """All of them, in sections of ten; the more there are, the shorter each."""
    room = _FIELD if len(facts) <= _FIELDS else _FIELD // 2
    fields = [
        {"type": "mrkdwn", "text": cut(f"*{words.label(name)}*\n{fact(name, value)}", room)}
        for name, value in facts.items()
    ][: 2 * _FIELDS]
    return [{"type": "section", "fields": fields[at : at + _FIELDS]} for at in range(0, len(fields), _FIELDS)]


def _preformatted(text: str) -> Block:
    laid_out = {"type": "text", "text": text}
    return {"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [laid_out]}]}


def progress_in_words(progress: Progress) -> str:
    """Step, bytes, rate and time left, as far as they are known, in mrkdwn."""
    parts = [say(progress.step)]
    done = words.precise_size(progress.done_bytes)
    if progress.done_bytes and progress.total_bytes:
        parts.append(say("{done} of {total}", done=done, total=words.precise_size(progress.total_bytes)))
    elif progress.done_bytes:
        parts.append(done)
    if progress.rate:
        parts.append(f"{words.size(progress.rate)}/s")
    if progress.rate and progress.total_bytes:
        left = (progress.total_bytes - progress.done_bytes) / progress.rate
        parts.append(say("{time} left", time=words.duration(max(left, 0))))
    return escape(" · ".join(parts))


def _signature(message: Message) -> str:
    run = message.run
    took = f" · {words.duration(run.outcome.took.total_seconds())}" if run.outcome else ""
    place = run.invocation.place
    who = f"<@{place.user}>" if place and place.user[:1] in "UW" else escape(run.invocation.actor.name)
    return say(
        "run {run_id} · {status} · asked by {who}{took}",
        run_id=run.id,
        status=words.status(run.status),
        who=who,
        took=took,
    )


def section(text: str) -> Block:
    """Words in mrkdwn, cut to what a section takes."""
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut(text, _SECTION)}}


def context(text: str) -> Block:
    """The same in small letters."""
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": cut(text, _SECTION)}]}


def _actions(offered: tuple[StoredButton, ...]) -> Block:
    return {
        "type": "actions",
        "elements": [button_of(f"{PRESS}:{n}", button) for n, button in enumerate(offered[:25])],
    }


def button_of(action_id: str, button: StoredButton) -> Block:
    """The element for it; a dangerous one asks before it is sent. `action_id` begins with PRESS and a colon."""
    element: Block = {
        "type": "button",
        "action_id": action_id,
        "text": {"type": "plain_text", "text": cut(plain(button.label), 75) or "…"},
        "value": button.token,
    }
    if button.danger:
        element["style"] = "danger"
        element["confirm"] = {
            "title": {"type": "plain_text", "text": say("Are you sure?")},
            "text": {
                "type": "plain_text",
                "text": cut(say("This runs: {line}", line=plain(button.line)), 300),
            },
            "confirm": {"type": "plain_text", "text": say("Yes")},
            "deny": {"type": "plain_text", "text": say("No")},
        }
    return element
