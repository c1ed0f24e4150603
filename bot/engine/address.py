"""Where a Docker daemon is and how one gets there: by Docker's own rules, or as the settings of a host say.

It must not know what is asked of the daemon.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from docker.context import ContextAPI
from docker.tls import TLSConfig
from docker.utils import kwargs_from_env

from bot.engine.ssh import SshTarget
from bot.engine.translate import scrub
from bot.errors import EngineError
from bot.language import say

_DEFAULT_ADDRESS = "unix:///var/run/docker.sock"


@dataclass(frozen=True, kw_only=True)
class Access:
    """How a host of the settings is reached: the files of TLS, for tcp, and the configuration of ssh, for ssh.

    `contact`: how long the daemon may take to say that it is there.
    """

    ca_file: str | None = None
    cert_file: str | None = None
    key_file: str | None = None
    ssh_config: str | None = None
    contact: timedelta = timedelta(seconds=10)


@dataclass(frozen=True, kw_only=True)
class Address:
    """Where the daemon is, and docker-py's arguments to get there; `ssh` instead of them for one behind SSH."""

    text: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    ssh: SshTarget | None = None


def resolve(base_url: str | None, environment: Mapping[str, str]) -> Address:
    """The daemon that Docker's own rules choose: base_url, DOCKER_HOST, the CLI's context, the local socket.

    docker-py falls back to the local socket when DOCKER_CONTEXT names nothing (engine fact 29); a bot that
    overwrites volumes must not guess, so this raises EngineError.
    """
    arguments: dict[str, Any] = kwargs_from_env(environment=environment)
    if base_url is not None:
        arguments["base_url"] = base_url
    if "base_url" in arguments:
        return _address(str(arguments["base_url"]), arguments, None)
    context = environment.get("DOCKER_CONTEXT") or None
    if context is not None and ContextAPI.get_context(context) is None:
        raise EngineError(
            say(
                "DOCKER_CONTEXT is “{context}”, but Docker's command line has no such context. "
                "Nothing was changed; correct the variable, or unset it.",
                context=scrub(context),
            )
        )
    for key, value in ContextAPI.kwargs_from_context(environment=environment).items():
        arguments.setdefault(key, value)
    return _address(str(arguments.get("base_url", _DEFAULT_ADDRESS)), arguments, None)


def of_settings(base_url: str, access: Access) -> Address:
    """The daemon that a host of the settings names; Docker's variables say nothing about it.

    Raises docker-py's TLSParameterError when a file of TLS is not there.
    """
    arguments: dict[str, Any] = {"base_url": base_url}
    if access.ca_file or access.cert_file:
        pair = (access.cert_file, access.key_file) if access.cert_file else None
        arguments["tls"] = TLSConfig(client_cert=pair, ca_cert=access.ca_file, verify=True)
        arguments["base_url"] = base_url.replace("tcp://", "https://", 1)
    return _address(base_url, arguments, access.ssh_config)


def _address(text: str, arguments: Mapping[str, Any], ssh_config: str | None) -> Address:
    parts = urlsplit(text)
    if parts.scheme != "ssh":
        return Address(text=text, arguments=arguments)
    target = SshTarget(host=parts.hostname or "", user=parts.username, port=parts.port, config=ssh_config)
    return Address(text=text, ssh=target)
