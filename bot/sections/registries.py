"""The settings' sections `[registries.NAME]`: where images go, with whose credentials, and what may be pushed there.

Words only: no secret is in them, only where one lies; who reads it is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from pydantic import Field, field_validator, model_validator

from bot.reference import is_registry, is_repository
from bot.sections import Section, regular

_SOURCES = ("password_env", "password_file", "credential_helper", "docker_config")


class RegistrySection(Section):
    """A registry that images are pushed to and pulled from. Passwords are never written here."""

    host: str = Field(description="the host that images’ names begin with, with its port if it has one")
    namespace: str = Field("", description="put before the repositories that are named without a registry")
    default: bool = Field(
        False, description="the company’s: it is meant where none is named; else the first one"
    )
    username: str = Field("", description="who pushes and pulls; nobody, if empty")
    password_env: str = Field("", description="the environment variable with the password, or <IT>_FILE")
    password_file: Path | None = Field(None, description="or: the file with the password")
    credential_helper: str = Field(
        "", description="or: NAME, for the program docker-credential-NAME, which knows the user, too"
    )
    docker_config: bool = Field(False, description="or: what `docker login` left in ~/.docker/config.json")
    ca_file: Path | None = Field(None, description="the authority of the registry’s certificate, in PEM")
    client_cert: Path | None = Field(None, description="the bot’s own certificate, in PEM")
    client_key: Path | None = Field(None, description="and its key")
    insecure_http: bool = Field(False, description="speak HTTP without TLS: passwords can be read on the way")
    repositories: tuple[str, ...] = Field(
        ("*",), description="patterns of what may be pushed, such as team/*"
    )
    tag_pattern: str = Field("", description="a regular expression that every pushed tag must match wholly")
    immutable: tuple[str, ...] = Field(
        (), description="patterns of tags that are never moved, such as v* or *"
    )

    @field_validator("password_file", "ca_file", "client_cert", "client_key", mode="before")
    @classmethod
    def _empty_is_unset(cls, path: object) -> object:
        return None if path == "" else path

    @field_validator("host")
    @classmethod
    def _is_a_host(cls, host: str) -> str:
        if not is_registry(host):
            raise ValueError("give a host, and its port if it has one, such as registry.example.com:5000")
        return host

    @field_validator("namespace")
    @classmethod
    def _is_a_path(cls, namespace: str) -> str:
        if namespace and not is_repository(namespace):
            raise ValueError("give a path of lower-case words, such as team or company/team")
        return namespace

    @field_validator("credential_helper")
    @classmethod
    def _is_a_helper(cls, helper: str) -> str:
        if helper and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", helper):
            raise ValueError("give what stands behind docker-credential-, such as pass")
        return helper

    @field_validator("tag_pattern")
    @classmethod
    def _can_match(cls, pattern: str) -> str:
        return regular(pattern)

    @model_validator(mode="after")
    def _one_source(self) -> RegistrySection:
        given = [name for name in _SOURCES if getattr(self, name)]
        if len(given) > 1:
            raise ValueError(f"the password can only come from one of {' and '.join(given)}; keep one")
        needs_name = given in (["password_env"], ["password_file"])
        if needs_name and not self.username:
            raise ValueError(f"`{given[0]}` needs the `username` that it is the password of")
        if self.username and not needs_name:
            raise ValueError(
                "`username` needs its password: give `password_env` or `password_file`; credential helpers and "
                "Docker’s file know the user themselves"
            )
        return self

    @model_validator(mode="after")
    def _tls_is_whole(self) -> RegistrySection:
        if self.client_key and not self.client_cert:
            raise ValueError("`client_key` needs the `client_cert` that it belongs to")
        if self.insecure_http and (self.ca_file or self.client_cert):
            raise ValueError("`insecure_http` goes without TLS: remove it, or the certificates")
        return self

    @model_validator(mode="after")
    def _files_are_there(self) -> RegistrySection:
        for name in ("password_file", "ca_file", "client_cert", "client_key"):
            path = getattr(self, name)
            if path is not None and not _is_file(path):
                # Which one is not shown: somebody may have put the secret there.
                raise ValueError(f"`{name}` names no file that the bot’s user can see")
        return self


def _is_file(path: Path) -> bool:
    try:
        return path.is_file()
    except OSError:  # no right to look, or no path at all; its text repeats what was given
        return False


def refuse_unclear(registries: Mapping[str, RegistrySection]) -> None:
    """Raises ValueError when one name could mean two registries, or two are the company's."""
    hosts: dict[str, str] = {}
    for name, registry in registries.items():
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", name):
            raise ValueError(
                f"{name!r} is no name for a registry: take letters, digits, `_`, `.` and `-`, the first a letter or "
                "digit"
            )
        other = hosts.setdefault(registry.host.lower(), name)
        if other != name:
            raise ValueError(f"{other} and {name} have the same host; keep one of them")
    chosen = [name for name, registry in registries.items() if registry.default]
    if len(chosen) > 1:
        raise ValueError(f"only one can be the default, not {' and '.join(chosen)}")
