"""Watches Slack being told: is the run stored by then? Knows nothing of the bot but its table of runs."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from bot.playground import Delivery, HttpAnswer, Playground


class Witness:
    """Looks into the database whenever Slack is told that something arrived: is its run stored by then?"""

    def __init__(self, playground: Playground, database: Path) -> None:
        self._without_run: list[Delivery] = []
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

    @property
    def too_early(self) -> list[str]:
        """What was acknowledged before its run was stored, and not because a form was to be opened in its place."""
        return [delivery.summary for delivery in self._without_run if not self._was_answered(delivery)]

    def _was_answered(self, delivery: Delivery) -> bool:
        """Type-ahead has no run; nor has a form that is shown again, or one that asked for the next.

        Who turns out to be barred when a form was about to open for them gets a denial in its place.
        """
        if delivery.kind == "view_submission" and delivery.ack_payload:
            return True
        opened = [call.args.get("trigger_id") for call in self._world.calls() if call.method == "views.open"]
        return delivery.payload.get("trigger_id") in opened or self._was_denied(delivery)

    def _was_denied(self, delivery: Delivery) -> bool:
        query = "SELECT 1 FROM runs WHERE key = ? AND status = 'denied'"
        return self._rows.execute(query, (key_of(delivery),)).fetchone() is not None

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
        if delivery.kind in ("block_suggestion", "home"):
            return  # they ask for nothing
        found = self._rows.execute("SELECT 1 FROM runs WHERE key = ?", (key_of(delivery),)).fetchone()
        if found is None:
            self._without_run.append(delivery)


def key_of(delivery: Delivery) -> str:
    """The name under which the bot knows this delivery, from Slack's own ids."""
    payload = delivery.payload
    team = payload.get("team_id") or payload["team"]["id"]
    if delivery.kind == "view_submission":
        return f"view:{team}:{payload['view']['id']}"
    return f"slack:{team}:{payload.get('event_id') or payload['trigger_id']}"
