"""The wall to registries: what is asked of one, by the distribution project's HTTP API, version 2.

This file holds the contract that every registry keeps; it must not know HTTP. `client.py` is a real one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from bot.reference import Reference
from bot.secrecy import Login


def unasked() -> None:
    """The check of somebody whom nobody can stop."""


class Registry(Protocol):
    """One registry of the settings. Every method raises `RegistryError` when it fails, refuses or does not answer.

    `check` is asked several times a second for as long as there is no answer; what it raises ends the asking at once.
    """

    name: str
    host: str
    """As images' names begin with it."""

    def login(self) -> Login | None:
        """Whom the settings make the bot there; None for nobody. Raises RegistryError when that cannot be read."""

    def prove(self, check: Callable[[], None] = unasked) -> bool:
        """Whether it asked who the bot is, and took the login; False when it lets everybody in.

        Raises RegistryError, reason `unauthorized`, when it did not take it.
        """

    def digest(self, reference: Reference, check: Callable[[], None] = unasked) -> str | None:
        """The digest of what it serves under that tag or digest; None when it serves nothing there."""

    def has_image(
        self, reference: Reference, image_id: str, check: Callable[[], None] = unasked
    ) -> str | None:
        """The digest of what it serves there, if that is the engine's image of this id; else None.

        To an engine the id is the digest of the image's configuration, or of its manifest (engine facts, section 5).
        """

    def tags(self, repository: str, check: Callable[[], None] = unasked) -> tuple[str, ...]:
        """All tags of the repository, sorted; raises NotFound without such a repository."""
