"""One asking of a registry: it says who asks when the registry wants to know, and reads refusals as sentences.

It must not know what is asked for. A password or a token it was given is in none of its errors.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from bot.errors import RegistryError
from bot.language import say
from bot.reasons import Reason
from bot.registry.challenge import Challenge, may_have_password, read
from bot.registry.credentials import Source
from bot.registry.wire import Answer, Request, Wire
from bot.secrecy import Login, scrub

_MOST_BYTES = 4 << 20
_TRANSIENT = frozenset({408, 429, 500, 502, 503, 504})


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a registry is: `api` its host as it is reached, `insecure` whether that is without TLS."""

    name: str
    host: str
    api: str
    insecure: bool
    source: Source

    @property
    def base(self) -> str:
        """What all urls of its API begin with."""
        return f"{'http' if self.insecure else 'https'}://{self.api}/v2/"

    def __str__(self) -> str:
        return say("The registry {name} ({host})", name=self.name, host=self.host)


@dataclass(frozen=True, kw_only=True)
class Question:
    """A request within the API, and for tokens the scope that it needs."""

    path: str
    method: str = "GET"
    scope: str = ""
    accept: str = "application/json"


class Asking:
    """One asking over one wire; logs in when the registry wants it."""

    def __init__(self, place: Place, wire: Wire) -> None:
        self._place = place
        self._wire = wire
        self._authorization = ""
        self._secrets: list[str] = []
        self.was_challenged = False
        """Whether the registry asked who the bot is, and there was a login to tell it."""

    def put(self, question: Question) -> Answer:
        """The answer, which no longer is “who are you?”; raises RegistryError."""
        answer = self._send(question)
        if answer.status == 401 and not self._authorization:
            challenge = read(answer.headers.get("www-authenticate", ""))
            if challenge is None:
                raise self.refused(answer, say("say how one logs in"))
            login = self._place.source()
            self.was_challenged = login is not None
            self._authorization = self._proof(challenge, login, question.scope)
            answer = self._send(question)
        if answer.status == 401:
            raise self._unauthorized()
        if answer.status in _TRANSIENT:
            raise self._failed(answer)
        return answer

    def refused(self, answer: Answer, doing: str) -> RegistryError:
        """What an answer other than the wanted one means."""
        said = _said(answer, self._secrets)
        return RegistryError(
            say(
                "{place} refused to {doing}: {status}{said}. Nothing was changed. Ask whoever keeps it.",
                place=self._place,
                doing=doing,
                status=answer.status,
                said=said,
            ),
            reason=Reason.REFUSED if answer.status in (401, 403, 405) else Reason.REGISTRY,
        )

    def senseless(self, what: str) -> RegistryError:
        """An answer that no registry gives."""
        return RegistryError(
            say(
                "{place} answered {what} what no registry answers. Nothing was changed. See what really "
                "answers there.",
                place=self._place,
                what=what,
            )
        )

    def _send(self, question: Question) -> Answer:
        headers = {"Accept": question.accept}
        if self._authorization:
            headers["Authorization"] = self._authorization
        return self._wire.send(
            Request(
                method=question.method,
                url=self._place.base + question.path,
                headers=headers,
                most_bytes=_MOST_BYTES,
            )
        )

    def _proof(self, challenge: Challenge, login: Login | None, scope: str) -> str:
        """The value of the header that says who asks."""
        if login is not None:
            self._secrets.append(login.password)
        if challenge.scheme == "basic":
            if login is None:
                raise self._unauthorized()
            return _basic(login)
        return f"Bearer {self._token(challenge, login, scope)}"

    def _token(self, challenge: Challenge, login: Login | None, scope: str) -> str:
        realm = challenge.parameters.get("realm", "")
        if not self._is_safe(realm):
            raise RegistryError(
                say(
                    "{place} sends whoever logs in to {realm}, where a password could be "
                    "read on the way. It was not sent there, and nothing was changed. Ask whoever keeps the registry.",
                    place=self._place,
                    realm=scrub(_origin(realm)),
                ),
                reason=Reason.UNAUTHORIZED,
            )
        parameters = {"service": challenge.parameters.get("service", ""), "scope": scope}
        answer = self._wire.send(
            Request(
                method="GET",
                url=realm,
                parameters={name: value for name, value in parameters.items() if value},
                headers={"Authorization": _basic(login)} if login else {},
            )
        )
        if answer.status in (401, 403):
            raise self._unauthorized()
        if answer.status in _TRANSIENT:
            raise self._failed(answer)
        found = json_of(answer)
        token = found.get("token") or found.get("access_token")
        if answer.status != 200 or not (isinstance(token, str) and token.isascii() and token.isprintable()):
            raise self.senseless(say("about a token"))
        self._secrets.append(token)
        return token

    def _is_safe(self, realm: str) -> bool:
        try:
            return may_have_password(realm, self._place.api, insecure=self._place.insecure)
        except ValueError:
            raise self.senseless(say("about a token")) from None

    def _unauthorized(self) -> RegistryError:
        place = self._place
        if not self.was_challenged:  # a token may have been given to nobody in particular
            return RegistryError(
                say(
                    "{place} lets nobody do this without a login, and the settings give none. Nothing was "
                    "changed. Give [registries.{registry}] a username and where its password lies.",
                    place=place,
                    registry=place.name,
                ),
                reason=Reason.UNAUTHORIZED,
            )
        return RegistryError(
            say(
                "{place} did not accept the login of the settings, or that user may not do this. Nothing was "
                "changed. Correct the user or the password of [registries.{registry}], then try "
                "`login {registry}`.",
                place=place,
                registry=place.name,
            ),
            reason=Reason.UNAUTHORIZED,
        )

    def _failed(self, answer: Answer) -> RegistryError:
        return RegistryError(
            say(
                "{place} failed: {status}{said}. Nothing was changed. Type the command again in a while.",
                place=self._place,
                status=answer.status,
                said=_said(answer, self._secrets),
            ),
            reason=Reason.UNREACHABLE,
        )


def _basic(login: Login) -> str:
    return "Basic " + base64.b64encode(f"{login.username}:{login.password}".encode()).decode()


def _said(answer: Answer, secrets: list[str]) -> str:
    """The registry's own words, if it sent any as the specification wants them."""
    errors = json_of(answer).get("errors")
    if not isinstance(errors, list):
        return ""
    words = [str(one.get("message") or one.get("code")) for one in errors if isinstance(one, dict)]
    return f" ({scrub('; '.join(words), secrets)})" if words else ""


def json_of(answer: Answer) -> dict[str, Any]:
    """The JSON object that it holds; an empty one for anything else."""
    try:
        found = json.loads(answer.body)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}"
