"""The section of a Home page with what waits for its owner's word. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bot import words
from bot.language import say
from bot.seen import SeenRequest
from bot.slack.approvalview import lines
from bot.slack.blocks import Block, context, section
from bot.slack.homepaper import Paper, header
from bot.slack.mrkdwn import cut, escape, plain

MOST_REQUESTS = 6
_SENTENCE = 300


def requests(paper: Paper) -> Iterator[Block]:
    """What waits for their approval, each with both buttons; nothing when nothing does."""
    wanted = paper.overview.requests
    if not wanted:
        return
    yield header(say("Waiting for your approval"))
    for seen in wanted[:MOST_REQUESTS]:
        yield section(_what(seen))
        yield context("\n".join(lines(seen.asked)))
        yield {"type": "actions", "elements": [paper.button(seen.approve), paper.button(seen.deny)]}
    if len(wanted) > MOST_REQUESTS:
        number = len(wanted) - MOST_REQUESTS
        command = paper.typed("runs --status waiting")
        yield context(say("and {number} more: {command}", number=number, command=command))


def _what(seen: SeenRequest) -> str:
    run = seen.run
    plan = run.plan.text if run.plan else run.invocation.line
    asker = escape(cut(plain(run.invocation.actor.name), _SENTENCE))
    told = say("run {run_id} · asked by {who}", run_id=run.id, who=asker)
    return f"{words.MARKS[run.status]} {escape(cut(plain(plan), _SENTENCE))}\n{told}"
