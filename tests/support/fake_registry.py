"""A registry in memory that behaves like the real one, and breaks where a test tells it to.

Both it and the real one pass `tests/contracts/registry_contract.py`. It must not know who uses it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from bot.engine.image_contract import Image
from bot.errors import NotFound, RegistryError
from bot.reasons import Reason
from bot.reference import Reference
from bot.registry import Registry, unasked
from bot.secrecy import Login


class FakeRegistry(Registry):
    """One registry; `served` is repository -> tag -> digest. Tests change everything by its attributes."""

    def __init__(self, name: str = "company", host: str = "registry.example.com") -> None:
        self.name = name
        self.host = host
        self.served: dict[str, dict[str, str]] = {}
        self.users: dict[str, str] = {}
        """Who may come in, and by which password; everybody, if empty."""
        self.me: Login | None = None
        """What the settings say."""
        self.down = False
        self.read_only = False
        """Takes no push."""
        self.failing: list[RegistryError] = []
        """What the next calls raise, one each."""
        self.asked: list[str] = []
        self.images: dict[str, Image] = {}
        """Digest -> what an engine pushed."""

    def put(self, repository: str, tag: str, content: str = "") -> str:
        """An image; its digest, which differs with `content`."""
        made = f"sha256:{hashlib.sha256(content.encode()).hexdigest()}"
        self.served.setdefault(repository, {})[tag] = made
        return made

    def login(self) -> Login | None:
        """Whom the settings make the bot."""
        return self.me

    def prove(self, check: Callable[[], None] = unasked) -> bool:
        """Whether it asked, and took the login."""
        self._enter("prove", check)
        return bool(self.users)

    def digest(self, reference: Reference, check: Callable[[], None] = unasked) -> str | None:
        """What it serves under the tag or digest."""
        self._enter(f"digest {reference.familiar}", check)
        tags = self.served.get(reference.repository, {})
        if reference.digest:
            return reference.digest if reference.digest in tags.values() else None
        return tags.get(reference.tag or "latest")

    def has_image(
        self, reference: Reference, image_id: str, check: Callable[[], None] = unasked
    ) -> str | None:
        """The digest of what it serves, if an engine pushed that image there."""
        digest = self.digest(reference, check)
        pushed = self.images.get(digest or "")
        return digest if image_id in (digest, pushed.id if pushed else None) else None

    def tags(self, repository: str, check: Callable[[], None] = unasked) -> tuple[str, ...]:
        """All its tags, sorted, or NotFound."""
        self._enter(f"tags {repository}", check)
        if repository not in self.served:
            raise NotFound(f"The registry {self.name} has no repository {repository}. Nothing was changed.")
        return tuple(sorted(self.served[repository]))

    def _enter(self, what: str, check: Callable[[], None]) -> None:
        check()
        self.asked.append(what)
        if self.down:
            raise RegistryError(
                f"The registry {self.name} cannot be reached. Nothing was changed.", reason=Reason.UNREACHABLE
            )
        if self.failing:
            raise self.failing.pop(0)
        if self.users and (self.me is None or self.users.get(self.me.username) != self.me.password):
            raise RegistryError(
                f"The registry {self.name} did not accept the login. Nothing was changed.",
                reason=Reason.UNAUTHORIZED,
            )
