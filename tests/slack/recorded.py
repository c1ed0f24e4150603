"""Records one good payload of every kind, as Slack sends them to the bot at work."""

from __future__ import annotations

import json
from collections.abc import Iterator

from bot.model import Status
from bot.playground import Delivery
from bot.slack.shortcuts import COPY_FILE, RUN_COMMAND
from tests.slack.forming import answered, form_of, offered
from tests.slack.workplace import Workplace
from tests.support.fuzzed import Recorded

_HOW = {"slash_commands": "command", "events_api": "event", "interactive": "interaction"}


def recorded(work: Workplace) -> tuple[Recorded, ...]:
    """What the bot was sent while somebody did everything once."""
    return tuple(_taken(delivery) for delivery in _done(work))


def _done(work: Workplace) -> Iterator[Delivery]:
    typed = work.slash("/backup", "pgdata")
    message = work.told(typed, Status.SUCCEEDED)
    mention = work.mention("help")
    work.told(mention, Status.SUCCEEDED)
    press = work.press(message, "Restore a copy")
    work.told(press, Status.SUCCEEDED)
    yield from (typed, mention, press)
    yield work.acked(work.playground.slash("/backup"))
    view = form_of(work)
    offered(work, view, "source", "pg")
    yield work.world.deliveries[-1]
    submitted = answered(work.playground.submit(view, {"source": "pgdata"}))
    work.told(submitted, Status.SUCCEEDED)
    yield submitted
    yield answered(work.playground.shortcut(RUN_COMMAND))
    yield answered(work.playground.message_shortcut(COPY_FILE, message))
    yield answered(work.playground.open_home())


def _taken(delivery: Delivery) -> Recorded:
    payload = json.loads(json.dumps(delivery.payload))
    how = _HOW[delivery.envelope_type]
    kind = payload["event"]["type"] if how == "event" else payload.get("type", "command")
    return Recorded(how=how, kind=kind, payload=payload)
