"""The images of the fake engine, which pushes to and pulls from fake registries by their hosts.

It must not know operations.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from bot.engine.image_contract import Image, OnProgress
from bot.engine.names import meant, nearest
from bot.errors import BotError, NotFound, RegistryError
from bot.reasons import Reason
from bot.reference import Reference, parse
from bot.secrecy import Login
from tests.support.fake_host import FakeHost
from tests.support.fake_registry import FakeRegistry

_LOOK_SECONDS = 0.005
_LAYER_BYTES = 1000


class FakeImages(FakeHost):
    """Tests furnish it with `add_image` and `registries`, and break pushes by `push_faults` and `push_held`."""

    def __init__(self, *arguments: Any, **how: Any) -> None:
        super().__init__(*arguments, **how)
        self.kept_images: dict[str, Image] = {}
        """Id -> image."""
        self.registries: dict[str, FakeRegistry] = {}
        """Host -> what it reaches there."""
        self.push_faults: list[BotError] = []
        """What the next pushes raise half way, one each."""
        self.push_held = threading.Event()
        """While it is set, a push stands still half way."""
        self.pushing = threading.Event()
        """Set once a push is half way."""
        self.logins: list[Login | None] = []
        """With which logins pushes and pulls came."""
        self._image_numbers = itertools.count(1)

    def add_image(self, name: str, **labels: str) -> Image:
        """A new image of that name, which is taken from whatever had it."""
        made = Image(
            id=f"sha256:{next(self._image_numbers):064x}",
            labels=labels,
            size_bytes=_LAYER_BYTES,
            created_at=datetime(2027, 1, 1, tzinfo=UTC),
        )
        self.kept_images[made.id] = made
        self._name(made.id, parse(name).tagged)
        return self.kept_images[made.id]

    def holder_of(self, name: str) -> str | None:
        """The id of the image with that name, or None."""
        wanted = parse(name).tagged.text
        return next((one.id for one in self.kept_images.values() if wanted in one.references), None)

    def image(self, reference: str) -> Image:
        """By name or id, or NotFound."""
        self._enter("image")
        found = self.kept_images.get(reference) or self.kept_images.get(self.holder_of(reference) or "")
        if found is None:
            names = {
                parse(name).familiar: name for one in self.kept_images.values() for name in one.references
            }
            raise NotFound.beside(
                lambda near: f"There is no image “{reference}” on host “{self.host}”.{meant(near)}",
                nearest(reference, names),
                lambda name: f"image:{names[name]}",
            )
        return found

    def images(self) -> tuple[Image, ...]:
        """All, sorted."""
        self._enter("images")
        return tuple(sorted(self.kept_images.values(), key=lambda one: (one.references, one.id)))

    def tag(self, image_id: str, reference: Reference) -> None:
        """Name it, or NotFound."""
        self._enter("tag")
        if image_id not in self.kept_images:
            raise NotFound(f"There is no image “{image_id}”. Nothing was changed.")
        self._name(image_id, reference)

    def untag(self, reference: Reference, image_id: str) -> bool:
        """Take the name away if it is that image's and not its last."""
        self._enter("untag")
        found = self.kept_images.get(image_id)
        if found is None or reference.text not in found.references or len(found.references) == 1:
            return False
        left = tuple(name for name in found.references if name != reference.text)
        self.kept_images[image_id] = replace(found, references=left)
        return True

    def push(
        self,
        reference: Reference,
        login: Login | None,
        on_progress: OnProgress,
        check: Callable[[], None] = lambda: None,
    ) -> str:
        """Put it into the fake registry of that host."""
        self._enter("push")
        self.logins.append(login)
        image = self.image(reference.text)
        registry = self._registry(reference, login)
        on_progress(_LAYER_BYTES // 2, _LAYER_BYTES)
        check()
        self.pushing.set()
        quiet = threading.Event()
        while self.push_held.is_set():
            quiet.wait(_LOOK_SECONDS)
            check()
        if self.push_faults:
            raise self.push_faults.pop(0)
        if registry.read_only:
            raise RegistryError("It is read-only: 405 Method Not Allowed.", reason=Reason.REFUSED)
        digest = f"sha256:{hashlib.sha256(image.id.encode()).hexdigest()}"
        registry.served.setdefault(reference.repository, {})[reference.tag] = digest
        registry.images[digest] = image
        on_progress(_LAYER_BYTES, _LAYER_BYTES)
        return digest

    def pull(
        self,
        reference: Reference,
        login: Login | None,
        on_progress: OnProgress,
        check: Callable[[], None] = lambda: None,
    ) -> Image:
        """Fetch it from the fake registry of that host."""
        self._enter("pull")
        self.logins.append(login)
        registry = self._registry(reference, login)
        check()
        digest = registry.served.get(reference.repository, {}).get(reference.tag)
        if digest is None:
            raise NotFound(f"The registry has no {reference}. Nothing was changed.")
        on_progress(_LAYER_BYTES, _LAYER_BYTES)
        image = registry.images[digest]
        self.kept_images.setdefault(image.id, replace(image, references=()))
        self._name(image.id, reference)
        return self.kept_images[image.id]

    def _name(self, image_id: str, reference: Reference) -> None:
        for one in list(self.kept_images.values()):
            left = [name for name in one.references if name != reference.text]
            named = sorted([*left, reference.text]) if one.id == image_id else left
            self.kept_images[one.id] = replace(one, references=tuple(named))

    def _registry(self, reference: Reference, login: Login | None) -> FakeRegistry:
        registry = self.registries.get(reference.registry)
        if registry is None or registry.down:
            raise RegistryError(f"dial {reference.registry}: no such host", reason=Reason.UNREACHABLE)
        users: Mapping[str, str] = registry.users
        if users and (login is None or users.get(login.username) != login.password):
            raise RegistryError("unauthorized: authentication required", reason=Reason.UNAUTHORIZED)
        return registry
