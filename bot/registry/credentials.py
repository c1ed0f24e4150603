"""Fetches a registry's login from where the settings say it lies, each time it is needed, so that it may change there.

It must not show what it found: no error here repeats what a file or a program said.
"""

from __future__ import annotations

import base64
import binascii
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bot.errors import RegistryError
from bot.language import say
from bot.reasons import Reason
from bot.reference import DOCKER_HUB
from bot.secrecy import Login

Source = Callable[[], Login | None]
"""Raises RegistryError when the login cannot be had."""

HUB_SERVER = "https://index.docker.io/v1/"
"""Under this name Docker keeps Docker Hub's login."""

_HELPER_SECONDS = 20.0
_MOST_BYTES = 1 << 20
_TOKEN_USER = "<token>"


def nobody() -> Login | None:
    """For a registry that is used without a login."""
    return None


def from_file(registry: str, username: str, path: Path) -> Source:
    """The password is the file's text, without the last line break."""

    def read() -> Login:
        password = _text(path, registry).rstrip("\r\n")
        if not password:
            raise _cannot(registry, say("the file {path} is empty", path=path))
        return Login(username=username, password=password)

    return read


def from_helper(registry: str, helper: str, host: str) -> Source:
    """What the program `docker-credential-HELPER get` says (protocol of docker/docker-credential-helpers)."""
    return lambda: _helped(registry, helper, server_of(host))


def from_docker_config(registry: str, path: Path | None, host: str) -> Source:
    """What Docker's command line would use: `credHelpers`, `credsStore` or `auths` of its config.json."""

    def read() -> Login:
        if path is None:
            raise _cannot(registry, say("neither HOME nor DOCKER_CONFIG says where Docker’s config.json is"))
        config = _object(_text(path, registry), registry, str(path))
        server = server_of(host)
        helper = _mapping(config, "credHelpers").get(server) or _mapping(config, "credHelpers").get(host)
        helper = helper or config.get("credsStore")
        if isinstance(helper, str) and helper:
            return _helped(registry, helper, server)
        kept = _mapping(config, "auths")
        for name in (server, host, f"https://{host}", f"https://{host}/v1/", f"https://{host}/v2/"):
            if isinstance(kept.get(name), Mapping):
                return _kept(kept[name], registry, path)
        raise _cannot(
            registry,
            say("{path} knows no login for {host}; `docker login {host}` makes one", path=path, host=host),
        )

    return read


def server_of(host: str) -> str:
    """The name under which Docker keeps the login of a registry."""
    return HUB_SERVER if host == DOCKER_HUB else host


def _helped(registry: str, helper: str, server: str) -> Login:
    program = f"docker-credential-{helper}"
    if os.sep in helper or shutil.which(program) is None:
        raise _cannot(registry, say("the program {program} is not on the PATH", program=program))
    try:
        done = subprocess.run(
            [program, "get"],
            input=server.encode(),
            capture_output=True,
            timeout=_HELPER_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _cannot(
            registry,
            say(
                "{program} did not answer within {seconds:g} seconds",
                program=program,
                seconds=_HELPER_SECONDS,
            ),
        ) from error
    except OSError as error:
        raise _cannot(
            registry, say("{program} cannot be run ({reason})", program=program, reason=error.strerror)
        ) from error
    if done.returncode != 0:
        raise _cannot(
            registry,
            say(
                "{program} knows none for {server}, or failed: exit code {code}",
                program=program,
                server=server,
                code=done.returncode,
            ),
        )
    answer = _object(done.stdout.decode("utf-8", "replace"), registry, program)
    return _login(answer.get("Username"), answer.get("Secret"), registry, program)


def _kept(kept: Mapping[str, Any], registry: str, path: Path) -> Login:
    if kept.get("identitytoken"):
        raise _cannot(
            registry, say("{path} has an identity token for it, which shipkeeper cannot use", path=path)
        )
    try:
        user, colon, password = (
            base64.b64decode(str(kept.get("auth", "")), validate=True).decode().partition(":")
        )
    except (binascii.Error, UnicodeDecodeError):
        raise _cannot(registry, say("its login in {path} cannot be read", path=path)) from None
    return _login(user if colon else None, password, registry, str(path))


def _login(username: object, password: object, registry: str, where: str) -> Login:
    if username == _TOKEN_USER:
        raise _cannot(
            registry, say("{where} has an identity token for it, which shipkeeper cannot use", where=where)
        )
    if not (isinstance(username, str) and isinstance(password, str) and username and password):
        raise _cannot(registry, say("{where} gives no user with a password", where=where))
    return Login(username=username, password=password)


def _text(path: Path, registry: str) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_MOST_BYTES)
        return data.decode()
    except OSError as error:
        raise _cannot(
            registry, say("the file {path} cannot be read ({reason})", path=path, reason=error.strerror)
        ) from error
    except UnicodeDecodeError:
        raise _cannot(registry, say("the file {path} is not UTF-8 text", path=path)) from None


def _object(text: str, registry: str, where: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None  # the decoder's own error holds the text
    if not isinstance(found, dict):
        raise _cannot(registry, say("{where} gives no JSON object", where=where))
    return found


def _mapping(config: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = config.get(key)
    return found if isinstance(found, Mapping) else {}


def _cannot(registry: str, why: str) -> RegistryError:
    return RegistryError(
        say(
            "The login for the registry {registry} cannot be had: {reason}. Nothing was changed. Correct that, or "
            "[registries.{registry}] in the settings.",
            registry=registry,
            reason=why,
        ),
        reason=Reason.UNAUTHORIZED,
    )
