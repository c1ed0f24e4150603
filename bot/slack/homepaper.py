"""What the sections of a Home page are written on and with. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bot.model import Button
from bot.seen import Overview
from bot.slack.blocks import PRESS, Block, button_of
from bot.stores.outbox import StoredButton


@dataclass(frozen=True, kw_only=True)
class Shown:
    """A picture that Slack can show, and what it shows in words."""

    file_id: str
    alt_text: str


@dataclass(frozen=True, kw_only=True)
class Paper:
    """What the sections are written from. `docker` is the slash command that takes any command line."""

    overview: Overview
    docker: str
    tokens: Mapping[str, StoredButton]
    picture: Shown | None

    def button(self, button: Button) -> Block:
        """The element, with the token that stands for its line."""
        stored = self.tokens[button.line]
        return button_of(f"{PRESS}:{stored.token}", stored)

    def typed(self, line: str) -> str:
        """How a command line is typed here."""
        return f"`{self.docker} {line}`"


Section = Callable[[Paper], Iterator[Block]]
"""Yields its blocks, or nothing."""


def header(text: str) -> Block:
    """A heading."""
    return {"type": "header", "text": {"type": "plain_text", "text": text}}
