"""Docker itself, over docker-py: the engine that the bot runs with. It must not know operations or people."""

from __future__ import annotations

from datetime import timedelta

from bot.engine import Engine, EngineInfo
from bot.engine.address import Access
from bot.engine.builds import BuildVerbs
from bot.engine.checks import CheckVerbs
from bot.engine.clones import CloneVerbs
from bot.engine.commits import CommitVerbs
from bot.engine.connection import Connection, Limits
from bot.engine.execution import ExecutionVerbs
from bot.engine.files import SingleFileVerbs
from bot.engine.images import ImageVerbs
from bot.engine.inventory import InventoryVerbs
from bot.engine.tools import ToolVerbs
from bot.engine.witness import Witness
from bot.language import say

_MINUTE = timedelta(seconds=60)


class DockerEngine(
    ToolVerbs,
    CheckVerbs,
    ExecutionVerbs,
    InventoryVerbs,
    ImageVerbs,
    SingleFileVerbs,
    BuildVerbs,
    CommitVerbs,
    CloneVerbs,
    Engine,
):
    """One Docker host. Nothing is connected before the first call, so a bot starts while Docker is down.

    `base_url` None follows Docker's own rules (DOCKER_HOST, DOCKER_TLS_VERIFY, DOCKER_CERT_PATH, the CLI's
    context). `stall` limits the silence in a stream, `request_timeout` every other answer. With `access` the host
    is one that the settings name, about which Docker's variables say nothing.
    """

    def __init__(
        self,
        host: str,
        *,
        base_url: str | None = None,
        stall: timedelta = _MINUTE,
        request_timeout: timedelta = _MINUTE,
        access: Access | None = None,
    ) -> None:
        self.host = host
        contact = (access or Access()).contact
        limits = Limits(stall=stall, request=request_timeout, contact=contact)
        super().__init__(Connection(host, base_url, limits, access))

    def tell(self, witness: Witness) -> None:
        """Every call that may change something is told it before it is made, from now on."""
        self._connection.witness = witness

    @property
    def known_version(self) -> str | None:  # type: ignore[override]
        """The version of what was last connected to; None before the first call."""
        return self._connection.known_version

    def info(self) -> EngineInfo:
        """Who answers, and where it was reached; raises EngineError, also for Podman."""
        with self._connection.call(say("say who it is")) as api:
            version = api.version()
            return EngineInfo(
                name=api.info()["Name"],
                version=version["Version"],
                api_version=version["ApiVersion"],
                address=self._connection.chosen.text,
            )

    def close(self) -> None:
        """Give back the connection. May be called twice."""
        self._connection.close()
