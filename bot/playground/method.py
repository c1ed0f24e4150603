"""What a Web API method is: its name, its code, its rate tier, its scopes and its kind of token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bot.playground.rates import Tier
from bot.playground.records import Json
from bot.playground.workspace import Workspace


@dataclass(frozen=True)
class Method:
    """One method. Any one of `scopes` is enough to call it; `app_level` asks for the xapp token."""

    name: str
    run: Callable[[Workspace, Json], Json]
    tier: Tier
    scopes: tuple[str, ...] = ()
    app_level: bool = False
