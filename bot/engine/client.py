"""docker-py's client as we use it: it trusts what a host's settings say, reaches over ssh, and can be pinged.

It must not know what is asked of the daemon.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import docker

from bot.engine.address import Address
from bot.engine.ssh import SshAdapter

_POOL_SIZE = 32
_UNUSED_SOCKET = "unix:///behind-ssh"


class Client(docker.APIClient):  # type: ignore[misc]
    """A connected client; making one asks the daemon's version, and raises the SDK's errors."""

    def __init__(self, address: Address, seconds: float, tell: Callable[[str | None, str], None]) -> None:
        """`tell` gets method and URL of each request before it is sent; when it raises, nothing is sent."""
        self._tell = tell
        self._ssh = SshAdapter(address.ssh, seconds, _POOL_SIZE) if address.ssh else None
        arguments = {"base_url": _UNUSED_SOCKET} if self._ssh else address.arguments
        super().__init__(version="auto", timeout=seconds, max_pool_size=_POOL_SIZE, **arguments)

    def send(self, request: Any, **options: Any) -> Any:
        """As requests does, which everything that docker-py asks goes through."""
        self._tell(request.method, request.url)
        return super().send(request, **options)

    def ping_within(self, seconds: float) -> None:
        """Returns once the daemon has answered, whatever it said; raises the SDK's errors."""
        self._get(self._url("/_ping"), timeout=seconds).close()

    def merge_environment_settings(
        self, url: str, proxies: Any, stream: Any, verify: Any, cert: Any
    ) -> dict[str, Any]:
        """As requests does, but REQUESTS_CA_BUNDLE does not win over the CA that was named (engine fact 28)."""
        ours = self.verify if verify is None else verify
        merged: dict[str, Any] = super().merge_environment_settings(url, proxies, stream, ours, cert)
        return merged

    def _retrieve_server_version(self) -> str:
        """The first thing that docker-py asks: before that, the way over ssh takes the place of its own."""
        if self._ssh is not None:
            self._custom_adapter = self._ssh
            self.mount("http+docker://", self._ssh)
        return str(super()._retrieve_server_version())
