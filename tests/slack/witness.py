"""Watches Slack being told: is the run stored by then? Knows nothing of the bot but its table of runs."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from bot.playground import Delivery, HttpAnswer, Playground


class Witness:
    """Looks into the database whenever Slack is told that something arrived: is its run stored by then?"""

    def __init__(self, playground: Playground, database: Path) -> None:
        self.too_early: list[str] = []
        self._world = playground.world
        self._inner: Any = playground.hub.listener
        self._rows = sqlite3.connect(database, check_same_thread=False, timeout=0.2)
        playground.hub.listener = self
        deliver = playground.courier.deliver

        def watched(url: str, delivery: Delivery, *more: Any) -> HttpAnswer:
            answer = deliver(url, delivery, *more)
            if answer.status == 200:
                self._look(delivery)
            return answer

        playground.courier.deliver = watched  # type: ignore[method-assign, assignment]

    def acknowledged(self, envelope_id: str, payload: Any) -> None:
        """The bot acked an envelope."""
        delivery = self._world.delivery_of(envelope_id)
        if delivery is not None:
            self._look(delivery)
        self._inner.acknowledged(envelope_id, payload)

    def connection_lost(self, number: int) -> None:
        """Handed on."""
        self._inner.connection_lost(number)

    def connection_opened(self) -> None:
        """Handed on."""
        self._inner.connection_opened()

    def _look(self, delivery: Delivery) -> None:
        if delivery.kind == "home":
            return  # it asks for nothing
        found = self._rows.execute("SELECT 1 FROM runs WHERE key = ?", (key_of(delivery),)).fetchone()
        if found is None:
            self.too_early.append(delivery.summary)


def key_of(delivery: Delivery) -> str:
    """The name under which the bot knows this delivery, from Slack's own ids."""
    payload = delivery.payload
    team = payload.get("team_id") or payload["team"]["id"]
    return f"slack:{team}:{payload.get('event_id') or payload['trigger_id']}"
