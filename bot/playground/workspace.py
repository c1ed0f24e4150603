"""Everything the stand-in holds, in one place, for the methods and the doors that work on it.

Holds only; it decides nothing and knows no transport.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from bot.playground.faults import Faults
from bot.playground.files import Files
from bot.playground.passes import Tickets, Triggers
from bot.playground.rates import RateLimits, Tier
from bot.playground.records import APP_ID
from bot.playground.response_urls import ResponseUrls
from bot.playground.views import Views
from bot.playground.world import World

DEFAULT_SCOPES: Final = frozenset(
    {
        "app_mentions:read",
        "channels:history",
        "channels:read",
        "chat:write",
        "commands",
        "files:read",
        "files:write",
        "groups:history",
        "groups:read",
        "im:history",
        "im:read",
        "im:write",
        "reactions:write",
        "usergroups:read",
        "users:read",
    }
)

EVENT_SCOPES: Final = {"app_home_opened": None, "app_mention": "app_mentions:read", "message": "im:history"}
"""Which scope a bot needs to be told of an event; `message` is one in a direct message."""


@dataclass(frozen=True, kw_only=True)
class Credentials:
    """What the bot must know to talk to this workspace; made anew for each one."""

    bot_token: str = field(default_factory=lambda: f"xoxb-0-{secrets.token_hex(12)}")
    app_token: str = field(default_factory=lambda: f"xapp-1-A0PLAY-{secrets.token_hex(12)}")
    signing_secret: str = field(default_factory=lambda: secrets.token_hex(16))


@dataclass(kw_only=True)
class Workspace:
    """The stand-in's state and rules. `base_url` is set when the server has its port."""

    world: World
    scopes: frozenset[str]
    rates: RateLimits
    triggers: Triggers
    tickets: Tickets
    response_urls: ResponseUrls
    credentials: Credentials = field(default_factory=Credentials)
    faults: Faults = field(default_factory=Faults)
    views: Views = field(default_factory=Views)
    files: Files = field(default_factory=Files)
    base_url: str = ""
    app_id: str = APP_ID
    """Of the app that the bot token is of."""
    socket_mode_on: bool = True
    shortcuts: tuple[Mapping[str, str], ...] = ()
    commands: list[Mapping[str, str]] = field(default_factory=list)
    """The app's slash commands as its manifest declares them, which are hinted at while somebody types."""
    home_tab_on: bool = True


def new_workspace(
    world: World, scopes: frozenset[str], *, enforce_rates: bool, bursts: Mapping[Tier, int] | None
) -> Workspace:
    """A fresh workspace around a world; all its clocks are the world's."""
    clock = world.clock
    rates = RateLimits(clock, world.log_violation, enforce=enforce_rates, bursts=bursts)
    return Workspace(
        world=world,
        scopes=scopes,
        rates=rates,
        triggers=Triggers(clock),
        tickets=Tickets(clock),
        response_urls=ResponseUrls(clock),
        files=Files(clock),
    )
