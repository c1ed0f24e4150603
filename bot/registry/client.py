"""A real registry over HTTP: its manifests' digests, its tags, and whether it takes the login.

It must not know images or people. Source: the OCI distribution specification 1.1 and, for tokens, the distribution
project's token authentication.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import TypeVar
from urllib.parse import urljoin

from bot.errors import NotFound, RegistryError
from bot.language import say
from bot.reference import DOCKER_HUB, LATEST, Reference, is_digest
from bot.registry import Registry, unasked
from bot.registry.asking import Asking, Place, Question, json_of
from bot.registry.credentials import Source, nobody
from bot.registry.wire import Answer, Limits, Tls, Wire
from bot.secrecy import Login
from bot.waiting import patiently

T = TypeVar("T")
_HUB_API = "registry-1.docker.io"
_LOOK_SECONDS = 0.2
_MOST_PAGES = 1000
_PAGE = "1000"
_NEXT = re.compile(r'<([^>]*)>\s*;\s*rel="?next"?')

# Without all four, a registry makes up an old manifest, or says there is none (engine fact 16).
_MANIFESTS = ", ".join(
    (
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
    )
)


class HttpRegistry(Registry):
    """A registry of the settings. Nothing is connected before the first call."""

    def __init__(
        self,
        name: str,
        host: str,
        *,
        source: Source = nobody,
        tls: Tls | None = None,
        limits: Limits | None = None,
    ) -> None:
        self.name = name
        self.host = host
        self._tls = tls or Tls()
        self._limits = limits or Limits()
        self._place = Place(
            name=name,
            host=host,
            api=_HUB_API if host == DOCKER_HUB else host,
            insecure=self._tls.insecure_http,
            source=source,
        )

    def login(self) -> Login | None:
        """Whom the settings make the bot there; raises RegistryError."""
        return self._place.source()

    def prove(self, check: Callable[[], None] = unasked) -> bool:
        """Whether it asked, and took the login; raises RegistryError."""

        def ask(asking: Asking) -> bool:
            answer = asking.put(Question(path=""))
            if answer.status != 200:
                raise asking.refused(answer, say("say that the bot may come in"))
            return asking.was_challenged

        return self._patiently(ask, check)

    def digest(self, reference: Reference, check: Callable[[], None] = unasked) -> str | None:
        """What it serves under the tag or digest; raises RegistryError."""

        def ask(asking: Asking) -> str | None:
            answer = asking.put(_manifest(reference, "HEAD"))
            if answer.status == 200 and not answer.headers.get("docker-content-digest"):
                answer = asking.put(_manifest(reference, "GET"))
            return _digest_in(answer, reference, asking)

        return self._patiently(ask, check)

    def has_image(
        self, reference: Reference, image_id: str, check: Callable[[], None] = unasked
    ) -> str | None:
        """The digest of what it serves, if that is the image; raises RegistryError."""

        def ask(asking: Asking) -> str | None:
            answer = asking.put(_manifest(reference, "GET"))
            digest = _digest_in(answer, reference, asking)
            config = json_of(answer).get("config")
            known = (digest, config.get("digest") if isinstance(config, dict) else None)
            return digest if image_id in known else None

        return self._patiently(ask, check)

    def tags(self, repository: str, check: Callable[[], None] = unasked) -> tuple[str, ...]:
        """All its tags, sorted; raises NotFound without the repository, or RegistryError."""

        def ask(asking: Asking) -> tuple[str, ...]:
            found: set[str] = set()
            path: str | None = f"{repository}/tags/list?n={_PAGE}"
            for _ in range(_MOST_PAGES):
                answer = asking.put(Question(path=path or "", scope=f"repository:{repository}:pull"))
                if answer.status == 404:
                    raise NotFound(
                        say(
                            "{place} has no repository {repository}. Nothing was changed; check the name.",
                            place=self._place,
                            repository=repository,
                        )
                    )
                if answer.status != 200:
                    raise asking.refused(answer, say("list the tags of {repository}", repository=repository))
                found.update(_tags_in(answer, asking))
                path = self._next(answer, asking)
                if path is None:
                    return tuple(sorted(found))
            raise asking.senseless(
                say("about the tags of {repository}: the list has no end", repository=repository)
            )

        return self._patiently(ask, check)

    # ---- inside ----------------------------------------------------------------------------------

    def _next(self, answer: Answer, asking: Asking) -> str | None:
        """The path of the next page, if there is one, and only within the same API."""
        link = _NEXT.search(answer.headers.get("link", ""))
        if link is None:
            return None
        try:
            url: str = urljoin(self._place.base, link.group(1))
        except ValueError:  # it is no URL
            url = ""
        if not url.startswith(self._place.base):
            raise asking.senseless(say("with a next page that is somewhere else"))
        return url.removeprefix(self._place.base)

    def _patiently(self, ask: Callable[[Asking], T], check: Callable[[], None]) -> T:
        """Ask, and again after a while when that broke off; a refusal is final.

        It is asked on a thread of its own, so that whoever is cancelled waits for nobody.
        """
        wait = self._limits.wait.total_seconds()
        for left in reversed(range(self._limits.tries)):
            check()
            try:
                with closing(Wire(str(self._place), self._tls, self._limits)) as wire:
                    return patiently(partial(ask, Asking(self._place, wire)), _both(check, wire.refuse_late))
            except RegistryError as error:
                if left == 0 or not error.is_transient:
                    raise
            _pause(wait, check)
            wait *= 3
        raise AssertionError("unreachable")


def _manifest(reference: Reference, method: str) -> Question:
    return Question(
        path=f"{reference.repository}/manifests/{reference.digest or reference.tag or LATEST}",
        method=method,
        scope=f"repository:{reference.repository}:pull",
        accept=_MANIFESTS,
    )


def _digest_in(answer: Answer, reference: Reference, asking: Asking) -> str | None:
    """As the registry says, or else the SHA-256 of the manifest; None when there is none."""
    if answer.status == 404:
        return None
    if answer.status != 200:
        raise asking.refused(answer, say("say what {reference} is", reference=reference))
    made = f"sha256:{hashlib.sha256(answer.body).hexdigest()}"
    found: str = answer.headers.get("docker-content-digest") or made
    if not is_digest(found):
        raise asking.senseless(say("about {reference}", reference=reference))
    return found


def _tags_in(answer: Answer, asking: Asking) -> list[str]:
    tags = json_of(answer).get("tags", 0)
    if tags is None:
        return []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise asking.senseless(say("about tags"))
    return tags


def _both(check: Callable[[], None], other: Callable[[], None]) -> Callable[[], None]:
    def both() -> None:
        check()
        other()

    return both


def _pause(seconds: float, check: Callable[[], None]) -> None:
    quiet, until = threading.Event(), time.monotonic() + seconds
    while (left := until - time.monotonic()) > 0:
        check()
        quiet.wait(min(left, _LOOK_SECONDS))
