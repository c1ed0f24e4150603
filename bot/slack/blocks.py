"""A run as a Slack message: a sentence, facts, a table, buttons, and always the same as plain text.

Limits are Block Kit's (reference pages of section, context, actions and button); nothing over them is sent.
Those of fields and tables are smaller than Slack's, so that all together stay under its 13,200 characters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bot import words
from bot.model import Outcome, Progress, Status, Value
from bot.slack.mrkdwn import beginning, columns, cut, escape, plain
from bot.stores.outbox import Message, StoredButton
from bot.stores.runs import Lane

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
            f"{outcome.status.value}: {outcome.reply.text}",
        )
    elif run.status is Status.RUNNING:
        text = run.plan.text if run.plan else f"{run.invocation.line} is being planned"
        blocks = [_section(f"{words.MARKS[run.status]} {escape(text)}")]
        if run.progress is not None:
            blocks.append(_context(_progress(run.progress)))
    else:
        text = f"{run.invocation.line} is waiting for a free worker"
        before = f"; {waiting_before} before it" if waiting_before else ""
        blocks = [
            _section(
                f"{words.MARKS[Status.QUEUED]} `{_code(run.invocation.line)}` waits for a free worker{before}."
            )
        ]
    if run.cancel_requested_by and outcome is None:
        blocks.append(_context("Asked to end; it stops at its next step and takes back what it began."))
    blocks.append(_context(_signature(message)))
    if message.buttons:
        blocks.append(_actions(message.buttons))
    mark = words.MARKS[run.status]
    return Rendered(text=cut(f"{mark} {escape(text)} (run {run.id})", _TEXT), blocks=blocks)


def _ended(outcome: Outcome, *, is_short: bool) -> list[Block]:
    reply = outcome.reply
    blocks = [_section(f"{words.MARKS[outcome.status]} {escape(reply.text)}")]
    blocks += _facts(
        {name: fact for name, fact in reply.facts.items() if not (is_short and name in _FINE_PRINT)}
    )
    if reply.table is not None:
        blocks.append(_preformatted(columns(reply.table, _TABLE)))
    if reply.output:
        blocks.append(
            _preformatted(beginning(plain(reply.output), _TABLE if reply.table is None else _BESIDE))
        )
    return blocks


def _facts(facts: Mapping[str, Value]) -> list[Block]:
    """All of them, in sections of ten; the more there are, the shorter each."""
    room = _FIELD if len(facts) <= _FIELDS else _FIELD // 2
    fields = [
        {"type": "mrkdwn", "text": cut(f"*{words.label(name)}*\n{escape(words.value(name, fact))}", room)}
        for name, fact in facts.items()
    ][: 2 * _FIELDS]
    return [{"type": "section", "fields": fields[at : at + _FIELDS]} for at in range(0, len(fields), _FIELDS)]


def _preformatted(text: str) -> Block:
    laid_out = {"type": "text", "text": text}
    return {"type": "rich_text", "elements": [{"type": "rich_text_preformatted", "elements": [laid_out]}]}


def _progress(progress: Progress) -> str:
    parts = [progress.step]
    if progress.done_bytes:
        total = f" of {words.precise_size(progress.total_bytes)}" if progress.total_bytes else ""
        parts.append(words.precise_size(progress.done_bytes) + total)
    if progress.rate:
        parts.append(f"{words.size(progress.rate)}/s")
        if progress.total_bytes:
            left = (progress.total_bytes - progress.done_bytes) / progress.rate
            parts.append(f"{words.duration(max(left, 0))} left")
    return escape(" · ".join(parts))


def _signature(message: Message) -> str:
    run = message.run
    took = f" · {words.duration(run.outcome.took.total_seconds())}" if run.outcome else ""
    place = run.invocation.place
    who = f"<@{place.user}>" if place else escape(run.invocation.actor.name)
    return f"run {run.id} · {run.status.value} · asked by {who}{took}"


def _code(text: str) -> str:
    return escape(cut(text, 200)).replace("`", "ˋ")


def _section(text: str) -> Block:
    return {"type": "section", "text": {"type": "mrkdwn", "text": cut(text, _SECTION)}}


def _context(text: str) -> Block:
    return {"type": "context", "elements": [{"type": "mrkdwn", "text": cut(text, _SECTION)}]}


def _actions(offered: tuple[StoredButton, ...]) -> Block:
    return {"type": "actions", "elements": [_button(n, button) for n, button in enumerate(offered[:25])]}


def _button(position: int, button: StoredButton) -> Block:
    element: Block = {
        "type": "button",
        "action_id": f"{PRESS}:{position}",
        "text": {"type": "plain_text", "text": cut(plain(button.label), 75)},
        "value": button.token,
    }
    if button.danger:
        element["style"] = "danger"
        element["confirm"] = {
            "title": {"type": "plain_text", "text": "Are you sure?"},
            "text": {"type": "plain_text", "text": cut(f"This runs: {plain(button.line)}", 300)},
            "confirm": {"type": "plain_text", "text": "Yes"},
            "deny": {"type": "plain_text", "text": "No"},
        }
    return element
