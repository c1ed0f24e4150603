"""Makes hosts, registries and builds from their sections. It must not ask one of them, nor read a secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from pathlib import Path

from bot.buildsection import BuildSection
from bot.engine.address import Access
from bot.engine.build_contract import Recipe
from bot.operations.build import BuildRule
from bot.operations.registries import Known, Registries, Rules
from bot.registry.client import HttpRegistry
from bot.registry.credentials import Source, from_docker_config, from_file, from_helper, nobody
from bot.registry.wire import Tls
from bot.registrysection import RegistrySection
from bot.secrecy import Login
from bot.sections import HostSection


def access(host: HostSection) -> Access:
    """How that host is reached."""
    files = {
        name: str(path)
        for name in ("ca_file", "cert_file", "key_file", "ssh_config")
        if (path := getattr(host, name)) is not None
    }
    return Access(**files, contact=timedelta(seconds=host.seconds))


def builds(sections: Mapping[str, BuildSection]) -> dict[str, BuildRule]:
    """All of them, by name."""
    return {name: _build(name, section) for name, section in sections.items()}


def _build(name: str, section: BuildSection) -> BuildRule:
    recipe = Recipe(
        dockerfile=section.dockerfile,
        arguments=section.arguments,
        network=section.network,
        limit=timedelta(seconds=section.seconds),
    )
    return BuildRule(
        name=name,
        context=section.context,
        image=section.image,
        recipe=recipe,
        registry=section.registry,
        most_bytes=section.most_bytes,
    )


Password = Callable[[str], str]
"""Registry -> its password, for one whose password comes from the environment."""


def registries(
    sections: Mapping[str, RegistrySection], password: Password, docker_config: Path | None
) -> Registries:
    """All of them, the default first."""
    names = sorted(sections, key=lambda name: not sections[name].default)
    return Registries([_known(name, sections[name], password, docker_config) for name in names])


def _known(name: str, section: RegistrySection, password: Password, docker_config: Path | None) -> Known:
    source, words = _source(name, section, password, docker_config)
    tls = Tls(
        ca_file=section.ca_file,
        client_cert=section.client_cert,
        client_key=section.client_key,
        insecure_http=section.insecure_http,
    )
    rules = Rules(
        namespace=section.namespace,
        repositories=section.repositories,
        tag_pattern=section.tag_pattern,
        immutable=section.immutable,
    )
    registry = HttpRegistry(name, section.host, source=source, tls=tls)
    return Known(registry=registry, rules=rules, login=words)


def _source(
    name: str, section: RegistrySection, password: Password, docker_config: Path | None
) -> tuple[Source, str]:
    """Where the login lies, as something to ask and in words."""
    if section.password_env:
        login = Login(username=section.username, password=password(name))
        return lambda: login, section.username
    if section.password_file:
        return from_file(name, section.username, section.password_file), section.username
    if section.credential_helper:
        helper = section.credential_helper
        return from_helper(name, helper, section.host), f"docker-credential-{helper}"
    if section.docker_config:
        return from_docker_config(name, docker_config, section.host), "Docker’s config.json"
    return nobody, ""
