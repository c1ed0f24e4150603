"""Registries: whether each answers and takes the login of the settings. No password is ever in a finding."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from bot.doctor import Check, Finding, State
from bot.errors import RegistryError
from bot.language import say
from bot.reasons import Reason
from bot.registry import Registry


def checks(registries: Sequence[Registry]) -> tuple[Check, ...]:
    """One for each registry."""
    return tuple(_check(registry) for registry in registries)


def _check(registry: Registry) -> Check:
    check: Check

    def look() -> Iterator[Finding]:
        yield _judged(check, registry)

    check = Check(
        name="registry",
        look=look,
        remedy=say(
            "See whether {host} runs and can be reached from here, and its certificates; `login {registry}` asks "
            "again.",
            host=registry.host,
            registry=registry.name,
        ),
        target=f"registry:{registry.name}",
    )
    return check


def _judged(check: Check, registry: Registry) -> Finding:
    try:
        has_asked, login = registry.prove(), registry.login()
    except RegistryError as error:
        if error.reason is not Reason.UNAUTHORIZED:
            raise
        remedy = say(
            "Put a user and a password that it knows where [registries.{registry}] says they are; "
            "`login {registry}` asks again.",
            registry=registry.name,
        )
        return check.found(State.WRONG, str(error), remedy)
    if login is None:
        return check.found(
            State.OK,
            say("The registry {registry} answers; no login is set.", registry=registry.name),
        )
    if has_asked:
        return check.found(
            State.OK,
            say(
                "The registry {registry} takes the login of {user}.",
                registry=registry.name,
                user=login.username,
            ),
        )
    return check.found(
        State.WARNING,
        say(
            "The registry {registry} lets everybody in and never asks for the login that is set.",
            registry=registry.name,
        ),
        say("Set up its users there: whoever reaches it can overwrite images."),
    )
