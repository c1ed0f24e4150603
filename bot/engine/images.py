"""What we do with images over docker-py: look, name, push, pull. It must not know which registries are ours."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import Any

import docker

from bot.engine.connection import Verbs
from bot.engine.image_contract import Image, OnProgress
from bot.engine.names import meant, nearest
from bot.engine.narration import Narration, follow
from bot.engine.streams import BROKEN
from bot.engine.translate import SDK_ERRORS, Attempt, is_timeout, translated
from bot.errors import BotError, EngineError, NotFound, RegistryError, UsageError
from bot.language import later, say
from bot.reasons import Reason
from bot.reference import Reference, parse
from bot.secrecy import Login, scrub

_NO_NAME = "<none>"

# Texts differ from one store to the next, so they are only sorted by what they have in common (facts, section 5).
_WORDS: tuple[tuple[Reason, re.Pattern[str]], ...] = (
    (Reason.UNAUTHORIZED, re.compile(r"unauthorized|authentication required|no basic auth|\b401\b", re.I)),
    (Reason.NOT_FOUND, re.compile(
        r"does not exist locally|no such image|tag does not exist|image does not exist|manifest unknown|"
        r"manifest for .* not found|: not found$|reference does not exist", re.I)),
    (Reason.REFUSED, re.compile(r"denied|forbidden|not allowed|\b40[35]\b|read-only|unsupported", re.I)),
    (Reason.REGISTRY, re.compile(r"x509|tls: |HTTP response to HTTPS client", re.I)),
    (Reason.UNREACHABLE, re.compile(
        r"no such host|connection refused|connection reset|broken pipe|timeout|timed out|deadline exceeded|\bEOF\b|"
        r"unreachable|no route|misbehaving|too many requests|\b429\b|\b50[0234]\b|unavailable|closed network|i/o",
        re.I)),
)  # fmt: skip
_ADVICE = {
    Reason.UNAUTHORIZED: later("Correct the login of that registry in the settings."),
    Reason.NOT_FOUND: later("Check the name."),
    Reason.REFUSED: later("The registry takes nothing there: ask whoever keeps it."),
    Reason.UNREACHABLE: later("See whether the registry runs, and whether the Docker host reaches it."),
    Reason.REGISTRY: later("Look at the registry, and at the Docker host's trust in it."),
}


class ImageVerbs(Verbs):
    """The part of the engine that deals with images."""

    def image(self, reference: str) -> Image:
        """The image with that name or id; raises NotFound naming the nearest ones, or EngineError."""
        with self._connection.call(say("look at the image “{image}”", image=scrub(reference))) as api:
            try:
                return _inspected(api.inspect_image(reference))
            except docker.errors.ImageNotFound:
                pass
        named = {_short(name): name for image in self.images() for name in image.references}
        raise NotFound.beside(
            lambda names: say(
                "There is no image “{image}” on host “{host}”.{hint} Nothing was changed.",
                image=scrub(reference),
                host=self._connection.host,
                hint=meant(names),
            ),
            nearest(reference, named),
            lambda name: f"image:{named[name]}",
        )

    def images(self) -> tuple[Image, ...]:
        """All images, sorted by name, then id; raises EngineError."""
        with self._connection.call(say("list its images")) as api:
            found = [_listed(raw) for raw in api.images()]
        return tuple(sorted(found, key=lambda image: (image.references, image.id)))

    def tag(self, image_id: str, reference: Reference) -> None:
        """Give it that name, too; raises NotFound, or EngineError."""
        with self._connection.call(say("tag {image}", image=scrub(reference)), changes=True) as api:
            api.tag(image_id, reference.name, tag=reference.tag)

    def untag(self, reference: Reference, image_id: str) -> bool:
        """Take the name away if it is that image's and not its last; raises EngineError."""
        with self._connection.call(
            say("remove the tag {image}", image=scrub(reference)), changes=True
        ) as api:
            try:
                now = _inspected(api.inspect_image(reference.text))
                if now.id != image_id or now.references == (reference.text,):
                    return False
                api.remove_image(reference.text, noprune=True)
            except docker.errors.ImageNotFound:
                return False
        return True

    def push(
        self,
        reference: Reference,
        login: Login | None,
        on_progress: OnProgress,
        check: Callable[[], None] = lambda: None,
    ) -> str:
        """Send it; its digest. Raises NotFound, RegistryError with a reason, EngineError, or what `check` raises."""
        doing = say("push {image}", image=reference)
        told = Narration(on_progress)

        def start(api: Any) -> Any:
            url = api._url("/images/{0}/push", reference.name)
            headers = {"X-Registry-Auth": _auth(login)}
            return api._post(url, params={"tag": reference.tag}, headers=headers, stream=True)

        self._told(doing, start, told, login, check)
        if told.digest is None:
            raise RegistryError(
                say(
                    "{engine} ended the push of {image} without saying what the registry has "
                    "now, so it does not count as pushed. Push it again.",
                    engine=self._attempt(doing).engine,
                    image=reference,
                )
            )
        return told.digest

    def pull(
        self,
        reference: Reference,
        login: Login | None,
        on_progress: OnProgress,
        check: Callable[[], None] = lambda: None,
    ) -> Image:
        """Fetch it; raises as `push`."""
        told = Narration(on_progress)

        def start(api: Any) -> Any:
            parameters = {"fromImage": reference.name, "tag": reference.digest or reference.tag}
            headers = {"X-Registry-Auth": _auth(login)}
            return api._post(api._url("/images/create"), params=parameters, headers=headers, stream=True)

        self._told(say("pull {image}", image=reference), start, told, login, check)
        return self.image(f"{reference.name}@{reference.digest}" if reference.digest else reference.text)

    def _attempt(self, doing: str) -> Attempt:
        return self._connection.attempt(doing, changes=True)

    def _told(
        self,
        doing: str,
        start: Callable[[Any], Any],
        told: Narration,
        login: Login | None,
        check: Callable[[], None],
    ) -> None:
        """Hear it to its end; the daemon answers 200 and says in the stream what failed (engine fact 14)."""
        attempt = self._attempt(doing)
        secrets = (login.password, _auth(login)) if login else ()
        with ExitStack() as held:

            def begin() -> Any:
                api = held.enter_context(self._connection.transfer(attempt))
                response = start(api)
                api._raise_for_status(response)
                return response

            try:
                follow(begin, told, check)
            except BotError:
                raise
            except docker.errors.APIError as error:
                raise _failure(attempt, error.explanation or error, secrets) from error
            except (*SDK_ERRORS, *BROKEN) as error:
                raise _broken(attempt, error) from error
        if told.error is not None:
            raise _failure(attempt, told.error, secrets)


def _failure(attempt: Attempt, words: object, secrets: Iterable[str]) -> BotError:
    """What the daemon's words about a registry mean."""
    said = scrub(words, secrets).rstrip(".")
    reason = next((reason for reason, pattern in _WORDS if pattern.search(said)), Reason.REGISTRY)
    text = say(
        "{engine} could not {doing}: {said}. It does not count as done. {advice}",
        engine=attempt.engine,
        doing=attempt.doing,
        said=said,
        advice=say(_ADVICE[reason]),
    )
    return NotFound(text) if reason is Reason.NOT_FOUND else RegistryError(text, reason=reason)


def _broken(attempt: Attempt, error: Exception) -> BotError:
    if is_timeout(error):
        return EngineError(
            say(
                "{engine} said nothing for too long while it was to {doing}, so it was ended. It does not "
                "count as done. See whether the registry answers, then try again.",
                engine=attempt.engine,
                doing=attempt.doing,
            ),
            reason=Reason.STALLED,
        )
    return translated(error, attempt)


def _auth(login: Login | None) -> str:
    """Docker's X-Registry-Auth; an empty object makes the daemon anonymous, none at all would not."""
    known = {"username": login.username, "password": login.password} if login else {}
    return base64.urlsafe_b64encode(json.dumps(known).encode()).decode()


def _inspected(raw: Mapping[str, Any]) -> Image:
    return _image(raw, labels=(raw.get("Config") or {}).get("Labels"), created_at=_time(raw.get("Created")))


def _listed(raw: Mapping[str, Any]) -> Image:
    return _image(raw, labels=raw.get("Labels"), created_at=datetime.fromtimestamp(raw["Created"], UTC))


def _image(raw: Mapping[str, Any], *, labels: Any, created_at: datetime | None) -> Image:
    named = [_full(name) for name in raw.get("RepoTags") or () if _NO_NAME not in name]
    digests = [name for name in raw.get("RepoDigests") or () if _NO_NAME not in name]
    return Image(
        id=raw["Id"],
        references=tuple(sorted(named)),
        repo_digests=tuple(sorted(digests)),
        labels=dict(labels or {}),
        size_bytes=int(raw.get("Size") or 0),
        created_at=created_at,
    )


def _time(text: object) -> datetime | None:
    """To the second, as the list has it, too; Docker writes more digits than Python reads."""
    found = re.match(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", str(text))
    return datetime.fromisoformat(found.group()).replace(tzinfo=UTC) if found else None


def _full(name: str) -> str:
    """As `bot.reference` writes it; a name that only an older Docker took, as it is."""
    try:
        return parse(name).text
    except UsageError:
        return name


def _short(name: str) -> str:
    try:
        return parse(name).familiar
    except UsageError:
        return name
