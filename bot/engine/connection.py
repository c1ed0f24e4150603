"""Holds the connection to one Docker daemon: made when first needed, renewed when it broke, limited in time.

It must not know what is asked over it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

import requests

from bot.engine.address import Access, Address, of_settings, resolve
from bot.engine.breaker import Breaker
from bot.engine.client import Client
from bot.engine.translate import Attempt, is_timeout, our_errors, scrub
from bot.engine.witness import Witness, changing, nobody
from bot.errors import EngineError
from bot.language import say

_TRY_AGAIN = timedelta(seconds=3)


@dataclass(frozen=True, kw_only=True)
class Limits:
    """`stall`: how long a stream may be silent. `request`: how long an answer may take.

    `contact`: how long the daemon may take to say that it is there, which is asked before everything else.
    """

    stall: timedelta
    request: timedelta
    contact: timedelta = timedelta(seconds=10)

    def __post_init__(self) -> None:
        if min(self.stall, self.request, self.contact) <= timedelta(0):
            raise ValueError("the engine's time limits must be longer than nothing")

    @property
    def silence(self) -> timedelta:
        """How long a daemon that is there may be silent when it is only asked whether it is."""
        return min(self.contact, self.request)


class Connection:
    """Lends clients to callers on any thread; every call over them ends within the limits.

    Without `access` the daemon is chosen by Docker's own rules, with it as the settings of a host say.
    """

    def __init__(
        self,
        host: str,
        base_url: str | None,
        limits: Limits,
        access: Access | None = None,
    ) -> None:
        self.host = host
        self.witness: Witness = nobody
        self.limits = limits
        self._base_url = base_url
        self._access = access
        self._lock = threading.Lock()
        self._client: Client | None = None
        self.known_version: str | None = None
        self._breaker = Breaker(min(_TRY_AGAIN, limits.silence))

    @cached_property
    def chosen(self) -> Address:
        """The daemon, chosen at the first use and kept, so that a bot never changes over to another one."""
        place = scrub(self._base_url or say("no address yet"))
        with our_errors(Attempt(host=self.host, address=place, doing=say("be reached as the settings say"))):
            if self._access is not None and self._base_url is not None:
                return of_settings(self._base_url, self._access)
            return resolve(self._base_url, os.environ)

    def attempt(self, doing: str, *, changes: bool = False) -> Attempt:
        """Says for error messages what is about to be tried; raises EngineError when no daemon is chosen."""
        return Attempt(host=self.host, address=self.chosen.text, doing=doing, changes=changes)

    @contextmanager
    def call(self, doing: str, *, changes: bool = False) -> Iterator[Any]:
        """The shared client, for short requests; SDK errors within become ours.

        The daemon was asked just now whether it is there, so a mute one fails within the limit for that.
        """
        attempt = self.attempt(doing, changes=changes)
        client = self._answering(attempt)
        with our_errors(attempt):
            try:
                yield client
            except requests.ConnectionError:
                self._forget(client)
                raise

    @contextmanager
    def transfer(self, attempt: Attempt, limit: timedelta | None = None) -> Iterator[Any]:
        """A client of its own for one stream, whose only time limit is the stall limit; translates nothing within.

        With `limit`, that is the time limit of each of its answers instead.

        A pooled connection would keep the limit of whatever was asked over it before (urllib3 sets it on the
        socket when it waits for an answer, and does not take it back for the next request's body).
        """
        with self._breaker.contact(attempt):
            client = self._connect(attempt, limit or self.limits.stall)
        try:
            yield client
        finally:
            client.close()

    def close(self) -> None:
        """Give back the shared client; the next call would make another."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def _answering(self, attempt: Attempt) -> Client:
        with self._breaker.contact(attempt), our_errors(_asking(attempt)):
            with self._lock:
                client = self._client
            if client is not None and self._is_there(client):
                return client
            return self._share(self._connect(attempt, self.limits.request))

    def _is_there(self, client: Client) -> bool:
        """Whether it answers over this client; False when the daemon behind it is gone, perhaps for another one."""
        try:
            client.ping_within(self.limits.silence.total_seconds())
        except requests.ConnectionError as error:
            self._forget(client)
            if is_timeout(error):
                raise
            return False
        return True

    def _share(self, fresh: Client) -> Client:
        """It was connected outside the lock, so that a mute daemon delays its callers side by side, not in a row."""
        with self._lock:
            if self._client is None:
                self._client = fresh
            client = self._client
        if client is not fresh:
            fresh.close()
        return client

    def _forget(self, client: Client) -> None:
        """After a broken connection the daemon may be another one: the next call asks its version again."""
        with self._lock:
            if self._client is client:
                self._client = None

    def _tell(self, method: str | None, url: str) -> None:
        call = changing(self.host, method, url)
        if call is not None:
            self.witness(call)

    def _connect(self, attempt: Attempt, timeout: timedelta) -> Client:
        """The API version is the server's highest, found out by docker-py; pinning fails late (fact 27)."""
        asking = _asking(attempt)
        with our_errors(asking), ExitStack() as undo:
            client = Client(self.chosen, self.limits.silence.total_seconds(), self._tell)
            undo.callback(client.close)
            version = client.version()
            _refuse_podman(version, asking)
            self.known_version = str(version.get("Version") or "") or None
            client.timeout = timeout.total_seconds()
            undo.pop_all()
            return client


def _asking(attempt: Attempt) -> Attempt:
    """Asking whether somebody is there changes nothing, whatever is to follow."""
    return Attempt(host=attempt.host, address=attempt.address, doing=attempt.doing)


class Verbs:
    """What every part of the engine over docker-py has: the connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection


def _refuse_podman(version: Mapping[str, Any], attempt: Attempt) -> None:
    """Podman's API drops owners and files silently (engine fact 26), so it is no engine."""
    names = [str(part.get("Name", "")) for part in version.get("Components") or ()]
    if any("podman" in name.lower() for name in names):
        raise EngineError(
            say(
                "What answers for host “{host}” at {address} is Podman, not Docker: its archive "
                "API loses owners and files without a word. Nothing was changed; point the host to a Docker engine.",
                host=attempt.host,
                address=scrub(attempt.address),
            )
        )
