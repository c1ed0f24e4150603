"""What every engine does with images: the part of its contract that reaches registries. It must not know the SDK."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from bot.reference import Reference
from bot.secrecy import Login

OnProgress = Callable[[int, int | None], None]
"""Told bytes done and bytes in all, as far as they are known; the first never passes the second."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image: `references` are its names with tags, in full and sorted, `repo_digests` those by digest."""

    id: str
    references: tuple[str, ...] = ()
    repo_digests: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    size_bytes: int = 0
    created_at: datetime | None = None


class ImageEngine(Protocol):
    """The verbs for images. Every method raises `EngineError` when the daemon fails or does not answer."""

    def image(self, reference: str) -> Image:
        """The image with that name or id; raises NotFound, naming the nearest ones."""

    def images(self) -> tuple[Image, ...]:
        """All images, sorted by name, then id."""

    def tag(self, image_id: str, reference: Reference) -> None:
        """Give the image that name, too; Docker takes it from the image that had it (engine facts, section 5).

        Raises NotFound without the image.
        """

    def untag(self, reference: Reference, image_id: str) -> bool:
        """Take the name away if it is that image's; False when there was nothing to do. May be called twice.

        An image's last name stays: with it Docker would remove the image itself.
        """

    def push(
        self,
        reference: Reference,
        login: Login | None,
        on_progress: OnProgress,
        check: Callable[[], None] = lambda: None,
    ) -> str:
        """Send the image of that name to its registry; the digest that the engine says it has there.

        `check` is asked several times a second, also in silence; what it raises ends the push. Raises NotFound for
        an image that is not here, RegistryError with a reason for what the registry refused or could not do. Without
        a login the registry is told nobody's, whatever the daemon's own files hold.
        """

    def pull(
        self,
        reference: Reference,
        login: Login | None,
        on_progress: OnProgress,
        check: Callable[[], None] = lambda: None,
    ) -> Image:
        """Fetch the image of that name; raises as `push` does, NotFound when the registry has none."""
