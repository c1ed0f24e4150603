"""Holds the connection to one Docker daemon: made when first needed, renewed when it broke, limited in time.

It must not know what is asked over it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import Any

import docker
import requests
from docker.context import ContextAPI
from docker.utils import kwargs_from_env

from bot.engine.translate import Attempt, our_errors, scrub
from bot.errors import EngineError

_DEFAULT_ADDRESS = "unix:///var/run/docker.sock"
_POOL_SIZE = 32


@dataclass(frozen=True, kw_only=True)
class Limits:
    """`stall`: how long a stream may be silent. `request`: how long an answer may take, and a connection."""

    stall: timedelta
    request: timedelta

    def __post_init__(self) -> None:
        if min(self.stall, self.request) <= timedelta(0):
            raise ValueError("the engine's time limits must be longer than nothing")


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where the daemon is, and docker-py's arguments to get there."""

    text: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


def resolve(base_url: str | None, environment: Mapping[str, str]) -> Address:
    """The daemon that Docker's own rules choose: base_url, DOCKER_HOST, the CLI's context, the local socket.

    docker-py falls back to the local socket when DOCKER_CONTEXT names nothing (engine fact 29); a bot that
    overwrites volumes must not guess, so this raises EngineError.
    """
    arguments: dict[str, Any] = kwargs_from_env(environment=environment)
    if base_url is not None:
        arguments["base_url"] = base_url
    if "base_url" in arguments:
        return Address(text=str(arguments["base_url"]), arguments=arguments)
    context = environment.get("DOCKER_CONTEXT") or None
    if context is not None and ContextAPI.get_context(context) is None:
        raise EngineError(
            f"DOCKER_CONTEXT is “{scrub(context)}”, but Docker's command line has no such context. "
            "Nothing was changed; correct the variable, or unset it."
        )
    for key, value in ContextAPI.kwargs_from_context(environment=environment).items():
        arguments.setdefault(key, value)
    return Address(text=str(arguments.get("base_url", _DEFAULT_ADDRESS)), arguments=arguments)


class Connection:
    """Lends clients to callers on any thread; every call over them ends within the limits."""

    def __init__(self, host: str, base_url: str | None, limits: Limits) -> None:
        self.host = host
        self.limits = limits
        self._base_url = base_url
        self._lock = threading.Lock()
        self._client: Any = None

    @cached_property
    def chosen(self) -> Address:
        """The daemon, chosen at the first use and kept, so that a bot never changes over to another one."""
        with our_errors(Attempt(host=self.host, address="no address yet", doing="choose an engine")):
            return resolve(self._base_url, os.environ)

    def attempt(self, doing: str, *, changes: bool = False) -> Attempt:
        """Says for error messages what is about to be tried; raises EngineError when no daemon is chosen."""
        return Attempt(host=self.host, address=self.chosen.text, doing=doing, changes=changes)

    @contextmanager
    def call(self, doing: str, *, changes: bool = False) -> Iterator[Any]:
        """The shared client, for short requests; SDK errors within become ours."""
        attempt = self.attempt(doing, changes=changes)
        with our_errors(attempt):
            client = self._shared(attempt)
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

    def _shared(self, attempt: Attempt) -> Any:
        """Connects outside the lock, so that a mute daemon delays its callers side by side, not in a row."""
        with self._lock:
            client = self._client
        if client is not None:
            return client
        fresh = self._connect(attempt, self.limits.request)
        with self._lock:
            if self._client is None:
                self._client = fresh
            client = self._client
        if client is not fresh:
            fresh.close()
        return client

    def _forget(self, client: Any) -> None:
        """After a broken connection the daemon may be another one: the next call asks its version again."""
        with self._lock:
            if self._client is client:
                self._client = None

    def _connect(self, attempt: Attempt, timeout: timedelta) -> Any:
        """The API version is the server's highest, found out by docker-py; pinning fails late (fact 27)."""
        asking = Attempt(host=attempt.host, address=attempt.address, doing=attempt.doing)
        with our_errors(asking), ExitStack() as undo:
            client = docker.APIClient(
                version="auto",
                timeout=timeout.total_seconds(),
                max_pool_size=_POOL_SIZE,
                **self.chosen.arguments,
            )
            undo.callback(client.close)
            _refuse_podman(client.version(), asking)
            undo.pop_all()
            return client


class Verbs:
    """What every part of the engine over docker-py has: the connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection


def _refuse_podman(version: Mapping[str, Any], attempt: Attempt) -> None:
    """Podman's API drops owners and files silently (engine fact 26), so it is no engine."""
    names = [str(part.get("Name", "")) for part in version.get("Components") or ()]
    if any("podman" in name.lower() for name in names):
        raise EngineError(
            f"What answers for host “{attempt.host}” at {scrub(attempt.address)} is Podman, not Docker: its archive "
            "API loses owners and files without a word. Nothing was changed; point the host to a Docker engine."
        )
