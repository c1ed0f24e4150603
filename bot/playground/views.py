"""Open forms and Home pages: their ids, hashes, stacks and what was typed into them.

Knows nothing of the methods and payloads that carry them.
"""

from __future__ import annotations

import secrets
import threading
from dataclasses import dataclass, field
from typing import Any, Final

from bot.playground.records import APP_ID, BOT_ID, TEAM_ID, Json

STACK_LIMIT: Final = 3
_OWN_KEYS: Final = ("id", "hash", "team_id", "app_id", "bot_id", "state", "root_view_id", "previous_view_id")


@dataclass(eq=False, kw_only=True)
class View:
    """A form a user has open (or a Home page); `body` is what the bot sent, `hash` changes with each update."""

    id: str
    user: str
    body: Json
    hash: str
    root_id: str
    is_open: bool = True
    offered: dict[str, dict[str, Json]] = field(default_factory=dict)
    """What the bot offered in each external select, by block_id and value: nothing else can be chosen there."""

    def payload(self, values: Json | None = None) -> Json:
        """The view as Slack sends it back; `values` is what stands in its inputs."""
        sent = {key: value for key, value in self.body.items() if key not in _OWN_KEYS}
        return {
            "private_metadata": "",
            "callback_id": "",
            **sent,
            "id": self.id,
            "team_id": TEAM_ID,
            "app_id": APP_ID,
            "bot_id": BOT_ID,
            "hash": self.hash,
            "root_view_id": self.root_id,
            "state": {"values": values or {}},
        }


class Views:
    """All views by id, and the Home page of each user."""

    def __init__(self) -> None:
        self._views: dict[str, View] = {}
        self._homes: dict[str, View] = {}
        self._lock = threading.RLock()

    def open(self, user: str, body: Json, root_id: str | None = None) -> View:
        """Open a view for a user; with `root_id` on top of that stack. Blocks without an id get one."""
        with self._lock:
            view_id = f"V{len(self._views) + 1:08d}"
            view = View(
                id=view_id, user=user, body=_with_ids(body), hash=_new_hash(), root_id=root_id or view_id
            )
            self._views[view_id] = view
            return view

    def update(self, view: View, body: Json) -> None:
        """Replace what a view shows."""
        with self._lock:
            view.body, view.hash = _with_ids(body), _new_hash()

    def publish(self, user: str, body: Json) -> View:
        """Replace a user's Home page."""
        with self._lock:
            home = self._homes.get(user)
            if home is None:
                home = self._homes[user] = self.open(user, body)
            else:
                self.update(home, body)
            return home

    def home(self, user: str) -> View | None:
        """A user's Home page, or None before the first publish."""
        with self._lock:
            return self._homes.get(user)

    def get(self, view_id: str) -> View | None:
        """A view that is still open, or None."""
        with self._lock:
            view = self._views.get(view_id)
            return view if view is not None and view.is_open else None

    def by_external_id(self, external_id: str) -> View | None:
        """The open view with this external_id, or None."""
        with self._lock:
            return next(
                (v for v in self._views.values() if v.is_open and v.body.get("external_id") == external_id),
                None,
            )

    def close(self, view: View, *, whole_stack: bool = False) -> None:
        """Close one view, or all views of its stack."""
        with self._lock:
            for other in self._views.values():
                if other is view or (whole_stack and other.root_id == view.root_id):
                    other.is_open = False

    def open_modals(self, user: str | None = None) -> list[View]:
        """Forms that are open now, oldest first; of one user or of all."""
        with self._lock:
            homes = list(self._homes.values())
            return [
                view
                for view in self._views.values()
                if view.is_open and view not in homes and user in (None, view.user)
            ]

    def stack_height(self, view: View) -> int:
        """How many views of this view's stack are open."""
        return sum(1 for other in self.open_modals(view.user) if other.root_id == view.root_id)


def _new_hash() -> str:
    return f"{secrets.randbelow(10**10)}.{secrets.token_hex(4)}"


def _with_ids(body: Json) -> Json:
    """The view with a block_id for every block, as Slack gives them."""
    return {**body, "blocks": with_block_ids(body.get("blocks") or [])}


def with_block_ids(blocks: list[Any]) -> list[Json]:
    """The blocks with an id each (and an action_id for each element), where the sender gave none."""
    named = []
    for block in blocks:
        copy = {"block_id": secrets.token_urlsafe(4), **block}
        if isinstance(copy.get("elements"), list) and copy["type"] == "actions":
            copy["elements"] = [{"action_id": secrets.token_urlsafe(4), **e} for e in copy["elements"]]
        for key in ("accessory", "element"):
            if isinstance(copy.get(key), dict):
                copy[key] = {"action_id": secrets.token_urlsafe(4), **copy[key]}
        named.append(copy)
    return named
